"""Renode: counts by the core's own count of executed instructions, read where decode_block is entered and left."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from hilbert_codegen.resources import resource
from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.emulators import EMULATORS, END, PATH_LENGTH, Job, Outcome, Watch
from hilbert_codegen.targets.tools import Found, Missing, dying_with_us, find, platform_hint

REMEDY = platform_hint(
    "get it from https://renode.io (portable archive or .deb), then put renode on PATH or set RENODE",
    "get it from https://renode.io (.dmg), then put renode on PATH or set RENODE",
    "get it from https://renode.io (.msi), then put renode on PATH or set RENODE",
)

#: What Renode says where it takes no more of a script.
_REFUSED = re.compile(
    r"There was an error executing command|CPU abort|Could not tokenize|No such command or device|Could not find|"
    r"Unrecognized command|does not provide a field, method or property|Parameters did not match the signature|"
    r"\[FATAL\]|Error E\d+:"
)

#: What is said where Renode does not know a command, or crashes. Now and then one that is started beside others knows only
#: some of its commands and types, for as long as it runs; so a job that fails thus is tried again in fresh ones.
_INCOMPLETE = re.compile("does not provide a field, method or property|ended early with status")
STARTS = 3

#: Seconds that Renode may need to start, on top of a run's own limit.
START_UP = 60.0

#: Run when decode_block is entered: note the count, and note it again where the call returns to. A hook is added once
#: for every place it returns to. If decode_block jumps to its own first instruction this runs again; see _count.
_ENTER = """
n = self.ExecutedInstructions
back = int(self.LR.RawValue) & ~1
self.Log(LogLevel.Info, "HC-ENTER {0}".format(n))
if 'places' not in globals():
    places = {}
if back not in places:
    places[back] = True
    self.AddHook(back, lambda cpu, pc: cpu.Log(LogLevel.Info, "HC-LEAVE {0}".format(cpu.ExecutedInstructions)))
"""


class _Session:
    """One running Renode, told by its monitor what to run. Start-up takes seconds, so runs of one thread share it."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command = command
        self.folder = Path(tempfile.mkdtemp(prefix="hilbert_codegen-"))
        self.log = self.folder / "log.txt"
        self._number = 0
        self._sink = self.log.open("wb")
        self.process = subprocess.Popen(
            dying_with_us([*command, "--disable-xwt", "--console", "--plain", "--hide-analyzers"]),
            stdin=subprocess.PIPE, stdout=self._sink, stderr=subprocess.STDOUT, env=environment(self.folder),
            cwd=self.folder, start_new_session=os.name == "posix",
        )  # fmt: skip

    def run(self, job: Job, machine: str) -> Outcome:
        """Run one job; after a problem the session is of no further use."""
        self._number += 1
        folder = self.folder / f"job{self._number}"
        folder.mkdir()
        script, uart = folder / "run.resc", folder / "uart.txt"
        script.write_text(_script(job, machine, folder), encoding="utf-8")
        start = self.log.stat().st_size
        outcome = Outcome()
        watch = Watch(job.timeout, START_UP if self._number == 1 else 0)
        self._say(f"include {path(script)}")
        outcome.problem = self._wait(uart, start, watch) or None
        if outcome.problem is None:
            # Clearing closes the machine, and so completes the files it writes.
            self._say(f'Clear\nlog "HC-CLEARED {self._number}"')
            deadline = time.monotonic() + 30
            while f"HC-CLEARED {self._number}".encode() not in self._said(start).replace(b'log "HC', b"") and (
                time.monotonic() < deadline and self.process.poll() is None
            ):
                time.sleep(0.02)
        said = self._said(start).decode("utf-8", "replace")
        text = _content(uart).decode("ascii", "backslashreplace")
        outcome.lines = [line.rstrip("\r") for line in text.split("\n")]
        outcome.noise = _last_error(said)
        if job.count is not None:
            outcome.instructions = _count(said)
            if job.trace:
                outcome.steps, outcome.path = _steps(folder / "trace.txt", *job.count)
        shutil.rmtree(folder, ignore_errors=True)
        return outcome

    def _said(self, start: int) -> bytes:
        with self.log.open("rb") as stream:
            stream.seek(start)
            return stream.read()

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def _wait(self, uart: Path, start: int, watch: Watch) -> str:
        """Wait for the program's last line; returns "" or what went wrong."""
        seen = 0
        while watch.left > 0:
            running = self.process.poll() is None
            text = _content(uart)
            watch.line(text.count(b"\n") - seen)
            seen = text.count(b"\n")
            position = text.find(END.encode())
            if position >= 0 and b"\n" in text[position:]:
                return ""
            said = self._said(start).decode("utf-8", "replace")
            if not running:
                return f"the emulator ended early with status {self.process.returncode} ({_last_error(said)})"
            if refused := next((line for line in said.splitlines() if _REFUSED.search(line)), ""):
                time.sleep(0.2)  # the reason comes in a line of its own, or in the next ones
                last = _last_error(self._said(start).decode("utf-8", "replace"))
                return f"the emulator stopped: {last if 'rror' in last else refused.strip()[:200]}"
            time.sleep(0.05)
        return watch.problem

    def close(self) -> None:
        """Kill Renode with whatever it started, and remove its files."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.name == "posix":
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        self._sink.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _content(file: Path) -> bytes:
    """What is in a file that Renode makes when it comes to it."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def environment(folder: Path) -> dict[str, str]:
    """Renode clears the temporary folders of dead runs and writes its settings: give it places of its own."""
    temporary, settings = folder / "tmp", folder / "config"
    temporary.mkdir(exist_ok=True)
    settings.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(temporary), "XDG_CONFIG_HOME": str(settings), "TEMP": str(temporary)}


def path(file: Path) -> str:
    """A path as the monitor's scripts take it: absolute, after @, every space escaped."""
    return "@" + file.resolve().as_posix().replace(" ", "\\ ")


def _script(job: Job, machine: str, folder: Path) -> str:
    lines = [
        f'$name="{job.board.name}"',
        f"$bin={path(job.elf)}",
        f"include {path(resource('renode') / machine)}",
        f"{job.board.uart.renode} CreateFileBackend {path(folder / 'uart.txt')} true",
    ]
    if job.count is not None:
        # One instruction a block: only then are the counts exact at every instruction.
        lines += ["cpu MaximumBlockSize 1", f'cpu AddHook {job.entry} """{_ENTER}"""']
    if job.trace:
        lines.append(f'cpu CreateExecutionTracing "trace" {path(folder / "trace.txt")} PC')
    if job.keep is not None:
        # For people and their tools: Renode's metrics (tools/metrics_analyzer), and the calls for speedscope.app.
        lines.append(f"machine EnableProfiler {path(job.keep / 'metrics.dump')}")
        lines.append(f"cpu EnableProfilerCollapsedStack {path(job.keep / 'profile.folded')} true")
    return "\n".join([*lines, "start", ""])


class Renode:
    """The command in the environment variable RENODE, or renode on PATH."""

    name = "renode"
    rank = 10
    notes_reads = False
    #: What the user knows the command by, for messages.
    called = "RENODE"

    def has(self, board: Board) -> bool:
        """Every board that names a script of renode/."""
        return self.name in board.machines

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Found | Missing] = {}
        self._mine = threading.local()
        self._all: list[_Session] = []

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The emulator and its version; asked once for each command, for it takes seconds to answer."""
        key = (os.environ.get("RENODE", ""), os.environ.get("PATH", ""))
        with self._lock:
            if key not in self._found:
                with tempfile.TemporaryDirectory(prefix="hilbert_codegen-", ignore_cleanup_errors=True) as name:
                    self._found[key] = find(
                        ["renode"],
                        r"Renode,? v(?:ersion )?(\d+\.\d+\.\d+\S*)",
                        REMEDY,
                        "RENODE",
                        environment(Path(name)),
                        self.called,
                    )
            return self._found[key]

    def run(self, job: Job) -> Outcome:
        """Run the image; the UART goes to a file, the counts to Renode's log."""
        found = self.find()
        if isinstance(found, Missing):
            raise found.error()
        for _ in range(STARTS):
            outcome = self._run(job, found)
            if not _INCOMPLETE.search(outcome.problem or ""):
                break
        return outcome

    def _run(self, job: Job, found: Found) -> Outcome:
        """Run the image once, in this thread's session if it has one."""
        session: _Session | None = getattr(self._mine, "session", None)
        if session is None or session.command != found.command or session.process.poll() is not None:
            self._drop(session)
            session = _Session(found.command)
            self._mine.session = session
            with self._lock:
                if not self._all:
                    atexit.register(self.close)
                self._all.append(session)
        try:
            outcome = session.run(job, job.board.machines[self.name])
        except BaseException:
            self._drop(session)
            raise
        if outcome.problem is not None:
            self._drop(session)
        return outcome

    def _drop(self, session: _Session | None) -> None:
        if session is not None:
            self._mine.session = None
            session.close()
            with self._lock:
                if session in self._all:
                    self._all.remove(session)

    def close(self) -> None:
        """End every session; runs that are under way end with a problem."""
        with self._lock:
            sessions, self._all = self._all, []
        for session in sessions:
            session.close()


#: The reason follows in the next line.
_ANNOUNCES = re.compile(r":$|There was an error executing command")


def _last_error(said: str) -> str:
    """Renode's last line of an error, with the line after it where that has the reason; or its last line, or "no message"."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # Not the calls that led there, which .NET lists after a crash.
    lines = [line for line in lines if not line.startswith(("at ", "--- End of "))] or ["no message"]
    errors = [at for at, line in enumerate(lines) if "rror" in line or "abort" in line]
    at = errors[-1] if errors else len(lines) - 1
    return " ".join(text[:200] for text in lines[at : at + (2 if _ANNOUNCES.search(lines[at]) else 1)])


def _count(log: str) -> int:
    """Sum of what was executed between each entry and the return that follows it."""
    total, entered = 0, None
    for kind, value in re.findall(r"HC-(ENTER|LEAVE) (\d+)", log):
        if kind == "ENTER":
            # A second entry without a return is a jump of decode_block to its own start.
            entered = int(value) if entered is None else entered
        elif entered is not None:
            total += int(value) - entered
            entered = None
    return total


def _steps(trace: Path, start: int, end: int) -> tuple[Counter[tuple[int, int]], list[int]]:
    """Transitions within [start, end) of a trace of addresses, one a line, and the first of them in order."""
    steps: Counter[tuple[int, int]] = Counter()
    path: list[int] = []
    last: int | None = None
    if trace.exists():
        with trace.open(encoding="ascii", errors="replace") as stream:
            for line in stream:
                match = re.match(r"0x([0-9a-fA-F]+)", line)
                if match is None:
                    continue
                address = int(match[1], 16)
                if start <= address < end:
                    if last is not None:
                        steps[last, address] += 1
                    last = address
                    if len(path) < PATH_LENGTH:
                        path.append(address)
    if last is not None:
        steps[last, -1] += 1
    return steps, path


EMULATORS.add(Renode.name, Renode())
