"""What the strategies cost outside the sweep that the main table is measured over, into benchmarks/results/field.md.

On a Cortex-M4 (STM32F407, by unicorn): the order of the points, points a call, an odd address, planar heads, compilers
and levels, and the reads that wait for the flash behind the part's data cache. On a Cortex-M55: the order of the points.
The summary that it begins with also takes its place in README.md.

    python benchmarks/field.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import click
from side_by_side import ANY_SCALE, ANY_SCALE_STRATEGIES, CONFIG

from hilbert_codegen.bench.measure import Record, measure_all
from hilbert_codegen.bench.session import Decoder, How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.caches import CACHES
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.emulators import choose, close_on_termination
from hilbert_codegen.targets.toolchains import TOOLCHAINS
from hilbert_codegen.targets.tools import Found

HERE = Path(__file__).parent
M4, M55 = "stm32f4_discovery", "mps3-an547"
#: Of a decoder on the cell grid, and of one at any scale.
STRATEGIES: Mapping[str, Sequence[str]] = {"": ("all",), ", any scale": ANY_SCALE_STRATEGIES}
COMPILERS, LEVELS = ("gcc", "clang", "zig"), ("O2", "O3", "Os")
#: What stands before and after the summary in README.md.
BEGIN, END = "<!-- from `make field` -->\n", "<!-- end of what is from `make field` -->\n"


@cache
def decoders(text: str, names: tuple[str, ...], core: Core, settings: tuple[str, ...]) -> tuple[Session, list[Decoder]]:
    """The decoders of a configuration for a core, generated and proved once, and what they come from."""
    session = Session(plan_of(text, *settings), (core,))
    return session, session.decoders(names)[0]


def plan_of(text: str, *settings: str) -> Plan:
    """The plan of a configuration given as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.toml"
        path.write_text(text, encoding="utf-8")
        return make_plan(load(path, settings))


def column(board: Board, how: How, order: str = "sweep", *settings: str) -> dict[str, Record]:
    """Strategy -> what it costs on `board` when run so."""
    found = {}
    for (suffix, names), text in zip(STRATEGIES.items(), (CONFIG, ANY_SCALE), strict=True):
        session, made = decoders(text, tuple(names), board.core, settings)
        sweep = replace(session, order=order).sweep
        jobs = [(replace(one.tested_by(sweep), strategy=one.strategy + suffix), board) for one in made]
        for record in measure_all(jobs, sweep, how):
            if record.status == "ok":
                found[record.strategy] = record
            elif record.status == "failed":
                raise SystemExit(f"FAIL {record.strategy}: {record.note}")
    return found


def table(columns: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """A column a way of running, a row a strategy."""
    rows = list(dict.fromkeys(name for column in columns.values() for name in column))
    lines = ["| strategy | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for row in rows:
        values = [column.get(row) for column in columns.values()]
        lines.append(f"| {row} | " + " | ".join("-" if value is None else f"{value:.2f}" for value in values) + " |")
    return lines


def instructions(found: Mapping[str, Record]) -> dict[str, float | None]:
    """Strategy -> instructions per point."""
    return {name: record.instructions_per_point for name, record in found.items()}


def cycles(found: Mapping[str, Record], wait_states: int) -> dict[str, float | None]:
    """Strategy -> estimated cycles per point, the waits for the flash included."""
    return {
        name: record.cycles_per_point + (record.misses_per_point or 0.0) * wait_states
        if record.cycles_per_point is not None
        else None
        for name, record in found.items()
    }


def worst(compiled: Mapping[str, Mapping[str, float | None]]) -> str:
    """A sentence on the strategy that a compiler and level make slowest, beside the best of its row."""
    over = []
    for name in next(iter(compiled.values())):
        row = {label: value for label, values in compiled.items() if (value := values.get(name)) is not None}
        over += [(value / min(row.values()) - 1, name, label) for label, value in row.items()]
    far = sorted({name for part, name, _ in over if part > 0.15})
    part, name, label = max(over)
    rest = (
        f"more than 15 % over the best are columns of {'; '.join(far)}"
        if far
        else "no column is over it by more than 15 %"
    )
    return f"The furthest from the best of its row is {name} by {label}, {part:.0%} over it; {rest}."


@click.command()
@click.option("--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points.")
def command(rows: int) -> None:
    """Measure, print and write the tables."""
    close_on_termination()
    flash = CACHES["stm32f4"]
    four = BOARDS[M4]
    usual = How("unicorn", rows=rows, cache=flash)
    plain = replace(usual, cache=None, cycles=False)
    ways = {
        "sweep": column(four, usual),
        "random": column(four, usual, "random"),
        "frame": column(four, usual, "frame"),
        "odd address": column(four, replace(plain, shift=1)),
        "planar": column(four, plain, "sweep", "heads.layout=planar"),
        "16 a call": column(four, replace(plain, block=16)),
        "1 a call": column(four, replace(plain, block=1)),
    }
    compiled = {
        f"{name} -{level}": instructions(column(four, replace(plain, compiler=name, flags=(f"-{level}",))))
        for name in COMPILERS
        if isinstance(TOOLCHAINS[name].find(), Found)
        for level in LEVELS
    }
    helium = {}
    try:
        choose(BOARDS[M55])
        there = How(rows=rows, cycles=False)
        helium = {name: column(BOARDS[M55], there, name) for name in ("sweep", "random", "frame")}
        helium["planar"] = column(BOARDS[M55], there, "sweep", "heads.layout=planar")
    except UsageError as error:
        click.echo(f"left out: {error}", err=True)

    waits = f"{flash.wait_states} wait states at {flash.clock_hz / 1e6:g} MHz"
    lines = [f"In other orders, {rows * 256:,} points (instructions per point; the cycles are estimates, {waits}):", ""]
    shown = {f"M4, {name}": instructions(ways[name]) for name in ("sweep", "random")}
    shown |= {f"STM32F4, cycles, {name}": cycles(ways[name], flash.wait_states) for name in ("sweep", "random")}
    shown |= {f"M55, {name}": instructions(found) for name, found in helium.items() if name in ("sweep", "random")}
    lines += table(shown)
    lines += ["", "By compiler and level, instructions per point on the M4:", "", *table(compiled), ""]
    lines += ["Where all columns agree the inner loop is assembly. " + worst(compiled)]
    summary = "\n".join(lines) + "\n"

    lines = ["", "Instructions per point on a Cortex-M4, 256 a call and gcc -O2 where nothing else is said:", ""]
    lines += table({name: instructions(found) for name, found in ways.items()})
    lines += [
        "",
        f"Data reads per point that miss the cache: {flash.title}, {flash.lines} lines of {flash.line_bytes} bytes;",
        f"and the estimated cycles per point with and without their waits ({waits}):",
        "",
    ]
    orders = ("sweep", "frame", "random")
    misses = {
        f"misses, {name}": {key: record.misses_per_point for key, record in ways[name].items()} for name in orders
    }
    misses["cycles"] = cycles(ways["sweep"], 0)
    misses |= {f"cycles with waits, {name}": cycles(ways[name], flash.wait_states) for name in orders}
    lines += table(misses)
    if helium:
        lines += ["", "Instructions per point on a Cortex-M55 with Helium:", ""]
        lines += table({name: instructions(found) for name, found in helium.items()})
    text = summary + "\n".join(lines) + "\n"
    (HERE / "results" / "field.md").write_text(text, encoding="utf-8")
    readme = HERE.parent / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    readme.write_text(before + BEGIN + "\n" + summary + "\n" + END + rest.partition(END)[2], encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    command()
