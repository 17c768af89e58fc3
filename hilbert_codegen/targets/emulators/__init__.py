"""Emulators that run the board program. One file here each, which registers itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from hilbert_codegen.errors import UsageError
from hilbert_codegen.registry import Registry
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.tools import Found, Missing

#: The last line of every run (firmware_tests/board/main.c).
END = "HC end "

#: Addresses kept in order of execution: enough for hundreds of points, few enough to be priced in a second.
PATH_LENGTH = 6000


@dataclass(frozen=True)
class Job:
    """One run of one image.

    Attributes:
        elf: the image.
        board: where it runs.
        timeout: seconds of wall-clock time after which the run is stopped and has failed.
        count: address range [start, end) in which executed instructions are counted, or None.
        entry: address of the function whose calls are measured.
        trace: whether to report every transition between instructions of the range (slow; for few points).
    """

    elf: Path
    board: Board
    timeout: float
    count: tuple[int, int] | None = None
    entry: int | None = None
    trace: bool = False


@dataclass
class Outcome:
    """What a run gave.

    Attributes:
        lines: what the program printed, line by line.
        problem: why the run has failed as a run (time-out, crash of the emulator, early end), or None if it ended itself.
        instructions: executed in the counted range, or None if not counted.
        steps: (address, next address in the range) -> times, if traced.
        path: the first PATH_LENGTH addresses executed in the range, in order, if traced.
        noise: the emulator's own last words, for error messages.
    """

    lines: list[str] = field(default_factory=list)
    problem: str | None = None
    instructions: int | None = None
    steps: Counter[tuple[int, int]] = field(default_factory=Counter)
    path: list[int] = field(default_factory=list)
    noise: str = ""


class Emulator(Protocol):
    """What a file of this folder registers."""

    name: str

    def find(self) -> Found | Missing:
        """The emulator and its version, or how to install it."""

    def run(self, job: Job) -> Outcome:
        """Run one image to its end, or to the time limit. Never raises for what the image does."""

    def close(self) -> None:
        """Kill every process of its own that still runs."""


EMULATORS: Registry[Emulator] = Registry("emulator", __name__)

#: In the order in which `auto` tries them.
PREFERENCE = ("renode", "qemu")


def choose(board: Board, wanted: str = "auto") -> Emulator:
    """The emulator for a board: the one wanted, or the first that is installed and has the board.

    UsageError says which to install, or which emulators have the board.
    """
    if wanted != "auto":
        emulator = EMULATORS[wanted]
        if wanted not in board.machines:
            raise UsageError(f"--emulator {wanted}: has no {board.name}; it runs on {', '.join(board.machines)}")
        found = emulator.find()
        if isinstance(found, Missing):
            raise found.error()
        return emulator
    problems = []
    for name in PREFERENCE:
        if name in board.machines:
            found = EMULATORS[name].find()
            if isinstance(found, Found):
                return EMULATORS[name]
            problems.append(f"{found.reason} ({found.remedy})")
    raise UsageError(f"board {board.name}: no emulator for it here: {'; '.join(problems)}")


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
        timeout: seconds until the process is killed.
        drain: reads everything else the process writes, to the end of file, in this thread.
        tail: seconds the process has to end after it was asked to.
    """
    lines: list[str] = []
    state = {"ended": False, "timeout": False}
    deadline = time.monotonic() + timeout

    def listen() -> None:
        for raw in output:
            line = raw.decode("ascii", "backslashreplace").rstrip("\r\n")
            lines.append(line)
            if line.startswith(END):
                state["ended"] = True
                process.terminate()
                return

    def guard() -> None:
        while process.poll() is None:
            if time.monotonic() > deadline:
                state["timeout"] = True
                process.kill()
                return
            time.sleep(0.02)

    threads = [threading.Thread(target=listen, daemon=True), threading.Thread(target=guard, daemon=True)]
    for thread in threads:
        thread.start()
    drain()
    try:
        process.wait(tail if state["ended"] else max(tail, deadline - time.monotonic() + tail))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    threads[0].join(tail)
    if state["ended"]:
        return lines, None
    if state["timeout"]:
        return lines, f"it had not ended after {timeout:.0f} s"
    return lines, f"the emulator ended early with status {process.returncode}"
