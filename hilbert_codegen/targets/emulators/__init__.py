"""Emulators that run the board program. One file here each, which registers itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from hilbert_codegen.errors import UsageError
from hilbert_codegen.registry import Registry
from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.tools import Found, Missing, Unusable

#: The last line of every run (firmware_tests/board/main.c).
END = "HC end "

#: Addresses kept in order of execution: enough for hundreds of points, few enough to be priced in a second.
PATH_LENGTH = 6000

#: A line of the program is progress, and starts its time limit again; as many lines as a right program can print at most.
MOST_LINES = 2048


@dataclass(frozen=True)
class Job:
    """One run of one image.

    Attributes:
        elf: the image.
        board: where it runs.
        timeout: seconds of wall-clock time without a line of the program after which the run is stopped and has failed.
        count: address range [start, end) in which executed instructions are counted, or None.
        entry: address of the function whose calls are measured.
        trace: whether to report every transition between instructions of the range (slow; for few points).
        reads: address range [start, end) of data whose reads are noted, or None; only by emulators with `notes_reads`.
        keep: a folder for what the emulator itself can write about the run, or None.
    """

    elf: Path
    board: Board
    timeout: float
    count: tuple[int, int] | None = None
    entry: int | None = None
    trace: bool = False
    reads: tuple[int, int] | None = None
    keep: Path | None = None


@dataclass
class Outcome:
    """What a run gave.

    Attributes:
        lines: what the program printed, line by line.
        problem: why the run has failed as a run (time-out, crash of the emulator, early end), or None if it ended itself.
        instructions: executed in the counted range, or None if not counted.
        steps: (address, next address in the range) -> times, if traced.
        path: the first PATH_LENGTH addresses executed in the range, in order, if traced.
        reads: addresses of the data reads in the range that was asked for, in order.
        noise: the emulator's own last words, for error messages.
    """

    lines: list[str] = field(default_factory=list)
    problem: str | None = None
    instructions: int | None = None
    steps: Counter[tuple[int, int]] = field(default_factory=Counter)
    path: list[int] = field(default_factory=list)
    reads: array[int] = field(default_factory=lambda: array("Q"))
    noise: str = ""


class Emulator(Protocol):
    """What a file of this folder registers.

    `rank` is its place in the order in which `auto` tries them, the lowest first; `notes_reads` whether it can say which
    data the program reads.
    """

    name: str
    rank: int
    notes_reads: bool

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The emulator of an instruction set and its version, or how to install it."""

    def has(self, board: Board) -> bool:
        """Whether it can be this board."""

    def run(self, job: Job) -> Outcome:
        """Run one image to its end, or to the time limit. Never raises for what the image does."""

    def close(self) -> None:
        """Kill every process of its own that still runs."""


EMULATORS: Registry[Emulator] = Registry("emulator", __name__)


def preference() -> list[Emulator]:
    """All emulators in the order in which `auto` tries them."""
    return sorted(EMULATORS, key=lambda emulator: emulator.rank)


def present(board: Board) -> list[Emulator]:
    """The installed emulators that have the board, best first.

    UsageError where one was named by its environment variable and does not answer: that is never passed over.
    """
    found = []
    for emulator in preference():
        if emulator.has(board):
            answer = emulator.find(board.core.architecture)
            if isinstance(answer, Unusable):
                raise answer.error()
            if isinstance(answer, Found):
                found.append(emulator)
    return found


def choose(board: Board, wanted: str = "auto") -> list[Emulator]:
    """The emulators to run a board by: the one wanted, the first that is installed and has the board, or ("all") all such.

    UsageError says which to install, which emulators have the board, and which board of the same core runs here.
    """
    if wanted not in ("auto", "all"):
        emulator = EMULATORS[wanted]
        having = [one.name for one in preference() if one.has(board)]
        if wanted not in having:
            raise UsageError(
                f"--emulator {wanted}: has no {board.name}; it runs on {', '.join(having)}{_instead(board)}"
            )
        answer = emulator.find(board.core.architecture)
        if isinstance(answer, Missing):
            raise answer.error()
        return [emulator]
    found = present(board)
    if found:
        return found if wanted == "all" else found[:1]
    problems = []
    for emulator in preference():
        if emulator.has(board):
            answer = emulator.find(board.core.architecture)
            assert isinstance(answer, Missing)
            problems.append(f"{answer.reason} ({answer.remedy})")
    raise UsageError(f"board {board.name}: no emulator for it here: {'; '.join(problems)}{_instead(board)}")


def _instead(board: Board) -> str:
    """The end of a message that a board can't be run: the boards of the same core that can."""
    same = [other.name for other in BOARDS if other.core_name == board.core_name and present(other)]
    return f"; of the same core, {board.core.title}, these run here: --board {', '.join(same)}" if same else ""


def close_all() -> None:
    """Kill every emulator that this process started."""
    for emulator in EMULATORS:
        emulator.close()


def close_on_termination() -> None:
    """Take emulators along when this process is told to end (SIGTERM); call it in the main thread."""

    def end(number: int, _: object) -> None:
        close_all()
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)


class Watch:
    """The time limit of one run: it starts again with every line the program prints, up to MOST_LINES lines."""

    def __init__(self, timeout: float, start_up: float = 0.0) -> None:
        self._timeout = timeout
        self._lines = 0
        self._deadline = time.monotonic() + timeout + start_up

    def line(self, count: int = 1) -> None:
        """The program has printed `count` lines more."""
        if count > 0 and self._lines < MOST_LINES:
            self._deadline = time.monotonic() + self._timeout
        self._lines += count

    @property
    def left(self) -> float:
        """Seconds until the run is to be stopped; 0 or less where that is due."""
        return self._deadline - time.monotonic()

    @property
    def problem(self) -> str:
        """What a run that is stopped for this has done wrong."""
        return f"it had not ended after {self._lines} lines and {self._timeout:.0f} s without another"


def follow(
    process: subprocess.Popen[bytes],
    output: IO[bytes],
    timeout: float,
    drain: Callable[[], None],
    tail: float = 10.0,
) -> tuple[list[str], str | None]:
    """Collect the program's lines until its last one, then end the process; returns (lines, problem).

    Args:
        process: the running emulator.
        output: where the board's console arrives.
        timeout: seconds without a line until the process is killed.
        drain: reads everything else the process writes, to the end of file, in this thread.
        tail: seconds the process has to end after it was asked to.
    """
    lines: list[str] = []
    state = {"ended": False, "timeout": False}
    watch = Watch(timeout)

    def listen() -> None:
        for raw in output:
            line = raw.decode("ascii", "backslashreplace").rstrip("\r\n")
            lines.append(line)
            watch.line()
            if line.startswith(END):
                state["ended"] = True
                process.terminate()
                return

    def guard() -> None:
        asked: float | None = None
        while process.poll() is None:
            if state["ended"]:
                asked = asked or time.monotonic()
            if watch.left <= 0 and asked is None:
                state["timeout"] = True
                process.kill()
                return
            if asked is not None and time.monotonic() - asked > tail:
                process.kill()
                return
            time.sleep(0.02)

    threads = [threading.Thread(target=listen, daemon=True), threading.Thread(target=guard, daemon=True)]
    for thread in threads:
        thread.start()
    drain()
    for thread in threads:
        thread.join(2 * tail)
    process.wait()
    if state["ended"]:
        return lines, None
    if state["timeout"]:
        return lines, watch.problem
    return lines, f"the emulator ended early with status {process.returncode}"
