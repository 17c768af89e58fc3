"""What `boards`, `run` and `measure` share: options, and what they print."""

from __future__ import annotations

import math
import os
import tokenize
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hilbert_codegen import __version__
from hilbert_codegen.bench.measure import Record
from hilbert_codegen.bench.session import TIMEOUT, Session
from hilbert_codegen.cli._common import STDERR, warn
from hilbert_codegen.emit.writer import write_named
from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.emulators import EMULATORS, choose, close_on_termination, preference
from hilbert_codegen.targets.emulators.renode import Renode
from hilbert_codegen.targets.toolchains import TOOLCHAINS
from hilbert_codegen.targets.toolchains import choose as choose_compiler
from hilbert_codegen.targets.tools import Found, Missing

F = TypeVar("F", bound=Callable[..., Any])


def emulator_options(command: F) -> F:
    """--emulator, --renode, --compiler, --timeout, --jobs, --junit."""
    for option in reversed(
        (
            click.option(
                "--emulator",
                type=click.Choice(["auto", "all", *(emulator.name for emulator in preference())]),
                default="auto",
                show_default=True,
                help="auto: the first that is installed and has the board, in the order Renode, QEMU, unicorn (from "
                "PyPI); all: every one, compared. The output says which.",
            ),
            click.option(
                "--renode",
                metavar="COMMAND",
                help="The command that starts Renode [default: the environment variable RENODE, else renode on PATH].",
            ),
            click.option(
                "--compiler",
                type=click.Choice(["auto", *TOOLCHAINS.names()]),
                default="auto",
                show_default=True,
                help="auto: clang for cores with Helium, arm-none-eabi-gcc for the others, else zig (from PyPI).",
            ),
            click.option(
                "--timeout",
                type=click.FloatRange(min=1),
                default=TIMEOUT,
                show_default=True,
                help="Seconds without any progress of a run after which it is stopped and has failed.",
            ),
            click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time."),
            click.option(
                "--junit", type=click.Path(path_type=Path), help="Also write a JUnit XML report for a CI server."
            ),
        )
    ):
        command = option(command)
    return command


def outputs_option(command: F) -> F:
    """--outputs FILE.npy."""
    return click.option(
        "--outputs",
        type=click.Path(path_type=Path),
        help="Run over the codes of this .npy file (a network's real outputs, shape (n, heads)) instead of all pairs or drawn tuples.",
    )(command)


def read_outputs(path: Path | None) -> NDArray[np.int64] | None:
    """The codes of --outputs; UsageError if the file holds no integer array."""
    if path is None:
        return None
    try:
        codes = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError, tokenize.TokenError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())[:150]
        raise UsageError(f"--outputs {path}: can't be read: {reason}; give a .npy file of codes") from None
    if not isinstance(codes, np.ndarray) or not np.issubdtype(codes.dtype, np.integer):
        raise UsageError(f"--outputs {path}: holds no integers; give the network's quantized outputs, shape (n, heads)")
    # What 64 bits with a sign do not hold would come out as another code.
    return np.minimum(codes, np.iinfo(np.int64).max).astype(np.int64)


def use_renode(command: str | None) -> None:
    """Make --renode the command for this process, and end emulators with it."""
    close_on_termination()
    if command is not None:
        if not command.strip():
            raise UsageError("--renode: empty; give the command that starts Renode")
        os.environ["RENODE"] = command
        renode = EMULATORS["renode"]
        assert isinstance(renode, Renode)
        renode.called = "--renode"


def usable(board: Board) -> list[str]:
    """The installed emulators that have the board, best first."""
    return [one.name for one in preference() if one.has(board) and isinstance(one.find(board.core.architecture), Found)]


def boards_named(names: Sequence[str], emulator: str, quiet: bool) -> list[Board]:
    """The boards called `names`, or (none given, or "all") those that can be run here with `emulator`.

    With none given one of each core: that with the highest clock. What is left out then is said on standard error, with the remedy.
    """
    if names and "all" not in names:
        boards = [BOARDS[name] for name in names]
        for board in boards:
            choose(board, emulator)
        return boards
    found, left_out = [], {}
    for board in BOARDS:
        try:
            choose(board, emulator)
            choose_compiler(board.core)
            found.append(board)
        except UsageError as error:
            left_out[board.name] = error
    if not found:
        raise next(iter(left_out.values()))
    if left_out and not quiet:
        names_left = ", ".join(left_out)
        answers = {
            (one.name, BOARDS[name].core.architecture): one.find(BOARDS[name].core.architecture)
            for one in preference()
            for name in left_out
            if one.has(BOARDS[name])
        }
        absent = {answer.remedy: name for (name, _), answer in answers.items() if isinstance(answer, Missing)}
        reason = f"need {' or '.join(dict.fromkeys(absent.values()))}: {'; '.join(absent)}"
        STDERR.print(f"left out: {names_left}: {reason if absent else next(iter(left_out.values()))}", markup=False)
    if names:
        return found
    fastest = {board.core_name: board for board in sorted(found, key=lambda board: board.clock_hz or 0)}
    return [board for board in found if fastest[board.core_name] is board]


@dataclass(frozen=True)
class Case:
    """One line of a JUnit report: `failure` and `skipped` are reasons, or ""."""

    group: str
    name: str
    seconds: float = 0.0
    failure: str = ""
    skipped: str = ""


def write_junit(path: Path, cases: Sequence[Case]) -> None:
    """Write a JUnit XML report."""
    suite = ElementTree.Element(
        "testsuite",
        name="hilbert-codegen",
        tests=str(len(cases)),
        failures=str(sum(bool(case.failure) for case in cases)),
        skipped=str(sum(bool(case.skipped) for case in cases)),
        errors="0",
    )
    ElementTree.SubElement(ElementTree.SubElement(suite, "properties"), "property", name="version", value=__version__)
    for case in cases:
        element = ElementTree.SubElement(
            suite, "testcase", classname=case.group, name=case.name, time=f"{case.seconds:.3f}"
        )
        if case.failure:
            ElementTree.SubElement(element, "failure", message=case.failure).text = case.failure
        if case.skipped:
            ElementTree.SubElement(element, "skipped", message=case.skipped)
    ElementTree.indent(suite)
    write_named(path, ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True), "--junit")


def bar(value: float, smallest: float, largest: float, logarithmic: bool, width: int = 20) -> str:
    """A bar of at most `width` characters, in eighths of one."""
    if logarithmic:
        share = (math.log(value / smallest) + math.log(2)) / (math.log(largest / smallest) + math.log(2))
    else:
        share = value / largest
    eighths = max(1, round(share * width * 8))
    return "\u2588" * (eighths // 8) + ("" if eighths % 8 == 0 else chr(0x2590 - eighths % 8))


def table_of(records: Sequence[Record], frame: str) -> Table:
    """The measurements as a table for people, a bar for the instructions of each."""
    values = [record.instructions_per_point for record in records if record.instructions_per_point]
    smallest, largest = (min(values), max(values)) if values else (1.0, 1.0)
    logarithmic = largest > 50 * smallest
    table = Table(box=None, pad_edge=False, header_style="bold", title=frame or None, title_justify="left")
    table.add_column("board")
    table.add_column("core")
    table.add_column("strategy")
    table.add_column("instr/pt", justify="right")
    table.add_column("(log scale)" if logarithmic else "", min_width=12)
    table.add_column("cycles/pt*", justify="right")
    if frame:
        table.add_column("a frame", justify="right")
    cached = any(record.cache for record in records)
    if cached:
        table.add_column("misses/pt", justify="right")
    if cached and frame:
        table.add_column("with waits", justify="right")
    table.add_column("code B", justify="right")
    table.add_column("tables B", justify="right")
    table.add_column("stack B", justify="right")
    table.add_column("by")
    last = ""
    for record in records:
        board = record.board if record.board != last else ""
        core = record.core.removeprefix("cortex-").replace("plus", "+").upper() if board else ""
        last = record.board
        strategy = record.strategy + ("" if record.variant == "default" else f" ({record.variant})")
        if record.status != "ok":
            cells = [
                board,
                core,
                strategy,
                "-",
                f"[red]{record.status}[/]",
                "-",
                *(["-"] if frame else []),
                *(["-"] if cached else []),
                *(["-"] if cached and frame else []),
                "-",
                "-",
                "-",
            ]
            table.add_row(*cells, record.emulator)
            continue
        value = record.instructions_per_point or 0.0
        ms = [] if not frame else [_ms(record.milliseconds)]
        if cached:
            ms.append("-" if record.misses_per_point is None else f"{record.misses_per_point:.2f}")
        if cached and frame:
            ms.append(_ms(record.milliseconds_cached))
        table.add_row(
            board,
            core,
            strategy,
            f"{value:.2f}",
            f"[cyan]{bar(value, smallest, largest, logarithmic)}[/]",
            "-" if record.cycles_per_point is None else f"{record.cycles_per_point:.1f}",
            *ms,
            str(record.code_bytes),
            str(record.table_bytes),
            "-" if record.stack_bytes is None else str(record.stack_bytes),
            record.emulator,
        )
    return table


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.2f} ms"


def stdout() -> Console:
    """A console for results: as wide as the terminal, or 132 columns where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=132)


def tell_added(session: Session, quiet: bool) -> None:
    """Say which variants boards run that the file of `generate` does not have."""
    names = session.added()
    if names and not quiet:
        target = session.plan.config.code.target
        warn(
            f'boards run variant {", ".join(names)} too, which the file of `generate` for code.target = "{target}" does '
            f'not have; set code.target to the core that you ship, or to "any"'
        )
