"""`hilbert-codegen measure`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from hilbert_codegen.bench.firmware import ORDERS
from hilbert_codegen.bench.measure import (
    CAVEAT,
    Record,
    compare,
    disagreements,
    measure_all,
    read_baseline,
    rows_for,
    with_frame,
)
from hilbert_codegen.bench.session import How, Session
from hilbert_codegen.cli._boards import (
    Case,
    boards_named,
    emulator_options,
    outputs_option,
    read_outputs,
    stdout,
    table_of,
    tell_added,
    use_renode,
    write_junit,
)
from hilbert_codegen.cli._common import STDERR, format_option, plan_of, plan_options, progress
from hilbert_codegen.emit.choose import check_strategies
from hilbert_codegen.emit.writer import refuse_clashes
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.caches import CACHES

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def parse_frame(text: str) -> int:
    """Points of "256x192"."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match or not (points := int(match[1]) * int(match[2])):
        raise UsageError(f"--frame {text}: write it as WIDTHxHEIGHT, for example --frame 256x192")
    return points


def parse_clock(text: str) -> float:
    """Hertz of "168MHz"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMgG]?)([hH][zZ])?", text)
    if match and not match[2] and not match[3]:
        raise UsageError(f"--clock {text}: without a unit it is not clear: write --clock {text}MHz or --clock {text}Hz")
    if not match or not (hertz := float(match[1]) * _UNITS[match[2].lower()]):
        raise UsageError(f"--clock {text}: write it as a frequency, for example --clock 168MHz")
    return hertz


def parse_tolerance(text: str) -> float:
    """Fraction of "2%" or "0.02"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text)
    if not match:
        raise UsageError(f"--tolerance {text}: write it as 2% or 0.02")
    return float(match[1]) / (100 if match[2] else 1)


def _assumed_clocks(records: Sequence[Record]) -> str:
    """The clocks that milliseconds were computed with, where none was given."""
    clocks = sorted({BOARDS[record.board].clock_hz or 0 for record in records if record.milliseconds is not None})
    return ", ".join(f"{hertz / 1e6:g}MHz" for hertz in clocks) + " (the board's highest)"


def _print_records(records: Sequence[Record], title: str, points: str, how: How) -> None:
    """The table, and below it what counted, compiled and priced."""
    console = stdout()
    console.print(table_of(records, title))
    models = sorted({record.cycles_model for record in records if record.cycles_model})
    used = sorted({f"{record.emulator} {record.emulator_version}" for record in records})
    compilers = sorted({record.compiler for record in records if record.compiler})
    console.print(f"\n{points}; counted by {', '.join(used)}; compiled by {', '.join(compilers)}.")
    console.print(f"* {CAVEAT}", markup=False)
    if models:
        console.print(f"  Cycles by: {'; '.join(models)}.", markup=False)
    if how.cache is not None:
        waits = f"{how.cache.wait_states} wait states at {how.cache.clock_hz / 1e6:g} MHz"
        console.print(
            f"  Misses: {how.cache.title}, {how.cache.lines} lines of {how.cache.line_bytes} bytes, {waits}.",
            markup=False,
        )


def _print_remarks(records: Sequence[Record], refused: Mapping[str, str]) -> None:
    """What was not measured, and the notes, each once."""
    for name, reason in refused.items():
        STDERR.print(f"not measured: {name}: {reason}", markup=False)
    notes: dict[str, list[str]] = {}
    for record in records:
        if record.note:
            notes.setdefault(record.note, []).append(f"{record.strategy} on {record.board} by {record.emulator}")
    for note, names in notes.items():
        names = names if len(names) <= 8 else [f"{len(names)} of {len(records)} measurements"]
        STDERR.print(f"{', '.join(names)}: {note}", markup=False)


def _cases(records: Sequence[Record], worse: Sequence[str]) -> list[Case]:
    """Measurements as test cases, and what is worse than the baseline as failed ones."""
    return [
        Case(
            f"hilbert-codegen.measure.{record.board}",
            f"{record.strategy} {record.variant} by {record.emulator}",
            failure=record.note if record.status == "failed" else "",
            skipped=record.note if record.status in ("unsupported", "refused") else "",
        )
        for record in records
    ] + [Case("hilbert-codegen.measure.baseline", line, failure=line) for line in worse]


def _judge(records: Sequence[Record], differing: Sequence[str]) -> None:
    """Raise CheckFailed where emulators differ or a measurement failed."""
    failed = [record for record in records if record.status == "failed"]
    if differing:
        raise CheckFailed(f"the emulators count differently, first {differing[0]}")
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(records)} measurements failed, first {failed[0].strategy} on {failed[0].board}: {failed[0].note}"
        )


@click.command()
@plan_options
@click.option(
    "--board",
    "board_names",
    multiple=True,
    help="A board of `hilbert-codegen boards`, or all that are usable [default: one of each core]. Repeatable.",
)
@click.option(
    "--strategy", "strategies", multiple=True, help="A strategy, or all [default: the configuration's]. Repeatable."
)
@click.option(
    "--points", type=int, default=65536, show_default=True, help="Measure on a sample, rounded up to rows of 256."
)
@click.option("--frame", metavar="WxH", help="Milliseconds for a frame of this many points, for example 256x192.")
@click.option(
    "--clock", metavar="FREQ", help="The core's clock for --frame, for example 168MHz [default: the board's highest]."
)
@click.option(
    "--order",
    type=click.Choice(list(ORDERS)),
    default="sweep",
    show_default=True,
    help="Order of the points: row by row of the square of codes, random, or neighbours after one another.",
)
@click.option("--block", type=click.IntRange(1, 256), default=256, show_default=True, help="Points a call (blockSize).")
@click.option(
    "--odd", is_flag=True, help="Move the source by one element, so that heads of 8 bits lie at an odd address."
)
@click.option("--level", type=click.Choice(["O2", "O3", "Os"]), help="Optimization of the decoder [default: O2].")
@click.option(
    "--cache",
    "cache_name",
    type=click.Choice(list(CACHES)),
    help="Also the data reads a point that wait for the flash behind this part's cache (by unicorn).",
)
@click.option("--keep", type=click.Path(path_type=Path), help="With --profile: the folder.")
@click.option(
    "--profile", is_flag=True, help="Leave Renode's execution metrics and call profile in the folder of --keep."
)
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="An earlier --format json: exit 1 if anything got worse."
)
@click.option(
    "--allow-missing",
    "missing",
    metavar="NAME",
    multiple=True,
    help="A board, strategy or variant of the baseline that need not be measured now. Repeatable.",
)
@click.option("--tolerance", default="1%", show_default=True, help="How much worse than the baseline is still fine.")
@outputs_option
@emulator_options
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    board_names: tuple[str, ...], strategies: tuple[str, ...], points: int, frame: str | None, clock: str | None,
    order: str, block: int, odd: bool, level: str | None, cache_name: str | None, keep: Path | None, profile: bool,
    baseline: Path | None, missing: tuple[str, ...], tolerance: str, outputs: Path | None, emulator: str, renode: str | None, compiler: str, timeout: float,
    jobs: int, junit: Path | None, form: str,
) -> None:  # fmt: skip
    """Measure what the decoder costs on emulated boards: instructions, cycles (estimated), bytes, stack.

    Executed instructions are counted exactly, within decode_block and what it calls. Each record was checked against the
    exact table first: what is wrong is not measured.

    \b
    hilbert-codegen measure depth.toml                                a board of every core that is usable here
    hilbert-codegen measure depth.toml --strategy all --board mps2-an386
    hilbert-codegen measure depth.toml --frame 256x192 --clock 168MHz
    hilbert-codegen measure depth.toml --format json > baseline.json  and on every commit:
    hilbert-codegen measure depth.toml --baseline baseline.json --tolerance 2%
    """
    use_renode(renode)
    rows = rows_for(points)
    frame_points = parse_frame(frame) if frame is not None else None
    if clock is not None and frame is None:
        raise UsageError(f"--clock {clock}: needs --frame, for example --frame 256x192")
    clock_hz = parse_clock(clock) if clock is not None else None
    allowed = parse_tolerance(tolerance)
    before = read_baseline(baseline) if baseline is not None else []
    known = {str(record.get(key)) for record in before for key in ("board", "strategy", "variant")}
    for name in missing:
        if name not in known:
            raise UsageError(f"--allow-missing {name}: the baseline has no such board, strategy or variant")
    plan = plan_of(config, settings, model, strict, quiet)
    refuse_clashes({"--junit": junit}, [*plan.settings.files(config), outputs, baseline])
    check_strategies(plan, strategies)
    boards = boards_named(board_names, emulator, quiet)
    session = Session(plan, tuple(board.core for board in boards), read_outputs(outputs), order)
    how = How(
        emulator, compiler, rows, timeout, block, int(odd), (f"-{level}",) if level else (),
        CACHES[cache_name] if cache_name else None,
    )  # fmt: skip
    if profile != (keep is not None):
        raise UsageError("--profile and --keep FOLDER go together")
    with progress(quiet) as step:
        step("generating and proving")
        found, refused = session.decoders(strategies, step)
        tell_added(session, quiet)
        jobs_list = [(decoder, board) for board in boards for decoder in found]
        count = 0

        def done(what: str) -> None:
            nonlocal count
            count += 1
            step(f"measured {count} of {len(jobs_list)}: {what}")

        step(f"measuring {len(jobs_list)} decoders on boards")
        records = measure_all(jobs_list, session.sweep, how, jobs, done, keep)
    if frame_points is not None:
        records = with_frame(records, frame_points, clock_hz, {board.name: board for board in BOARDS})
    if form == "json":
        click.echo(json.dumps([asdict(record) for record in records], indent=2))
    else:
        title = "" if frame is None else f"{frame} at {clock or _assumed_clocks(records)}"
        ways = [
            ORDERS[order][0] if outputs is None else "in the order of the outputs",
            f"{block} a call",
            *(["odd addresses"] if odd else []),
            *([f"-{level}"] if level else []),
        ]
        _print_records(records, title, f"{rows * 256} points each, {', '.join(ways)}", how)
    if not quiet:
        _print_remarks(records, refused)
    differing = disagreements(records)
    for line in differing:
        STDERR.print(f"emulators differ: {line}", markup=False)
    worse = compare(records, before, allowed, missing)
    if junit is not None:
        write_junit(junit, _cases(records, worse))
    _judge(records, differing)
    if worse:
        for line in worse:
            STDERR.print(f"worse: {line}", markup=False)
        raise CheckFailed(f"{len(worse)} figures are worse than the baseline by more than {tolerance}, or are missing")
    if baseline is not None and not quiet:
        STDERR.print(f"nothing is worse than the baseline by more than {tolerance}", markup=False)
