"""What the strategies cost outside the sweep that the main table is measured over, into benchmarks/results/field.md.

On a Cortex-M4 (STM32F407, by unicorn): the order of the points, points a call, an odd address, planar heads, compilers
and levels, and the reads that wait for the flash behind the part's data cache. On a Cortex-M55: the order of the points.

    python benchmarks/field.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
from side_by_side import ANY_SCALE, CONFIG

from hilbert_codegen.bench.measure import Record, measure_all
from hilbert_codegen.bench.session import How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.caches import CACHES
from hilbert_codegen.targets.emulators import choose, close_on_termination
from hilbert_codegen.targets.toolchains import TOOLCHAINS
from hilbert_codegen.targets.tools import Found

HERE = Path(__file__).parent
M4, M55 = "stm32f4_discovery", "mps3-an547"
#: Of a decoder on the cell grid, and of one at any scale.
STRATEGIES = {"": ("full", "strip", "tile", "octant", "line", "segment"), ", any scale": ("octant", "line", "segment")}


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
        session = Session(plan_of(text, *settings), (board.core,), order=order)
        jobs = [(replace(session.decoder(name), strategy=name + suffix), board) for name in names]
        for record in measure_all(jobs, session.sweep, how):
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


@click.command()
@click.option("--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points.")
def command(rows: int) -> None:
    """Measure, print and write the tables."""
    close_on_termination()
    cache = CACHES["stm32f4"]
    four = BOARDS[M4]
    usual = How("unicorn", rows=rows, cache=cache)
    plain = replace(usual, cache=None)
    ways = {
        "sweep": column(four, usual),
        "random": column(four, usual, "random"),
        "frame": column(four, usual, "frame"),
        "odd address": column(four, replace(plain, shift=1)),
        "planar": column(four, plain, "sweep", "heads.layout=planar"),
        "16 a call": column(four, replace(plain, block=16)),
        "1 a call": column(four, replace(plain, block=1)),
    }
    for name in ("gcc", "clang", "zig"):
        if isinstance(TOOLCHAINS[name].find(), Found):
            for level in ("O2", "Os"):
                ways[f"{name} -{level}"] = column(four, replace(plain, compiler=name, flags=(f"-{level}",)))

    def instructions(found: Mapping[str, Record]) -> dict[str, float | None]:
        return {name: record.instructions_per_point for name, record in found.items()}

    lines = [
        "Instructions per point on a Cortex-M4, 65,536 points, 256 a call and gcc -O2 where nothing else is said:",
        "",
    ]
    orders = ("sweep", "random", "frame", "odd address", "planar", "16 a call", "1 a call")
    lines += table({name: instructions(ways[name]) for name in orders})
    lines += ["", "The same by compiler and level:", ""]
    lines += table({name: instructions(found) for name, found in ways.items() if " -" in name})
    wait = f"{cache.wait_states} wait states at {cache.clock_hz / 1e6:g} MHz"
    lines += [
        "",
        f"Data reads per point that miss the cache: {cache.title}, {cache.lines} lines of {cache.line_bytes} bytes;",
    ]
    lines += [f"and the estimated cycles per point with and without their waits ({wait}):", ""]
    misses: dict[str, dict[str, float | None]] = {}
    for name in ("sweep", "frame", "random"):
        misses[f"misses, {name}"] = {key: record.misses_per_point for key, record in ways[name].items()}
    misses["cycles"] = {key: record.cycles_per_point for key, record in ways["sweep"].items()}
    for name in ("sweep", "frame", "random"):
        misses[f"cycles with waits, {name}"] = {
            key: record.cycles_per_point + (record.misses_per_point or 0.0) * cache.wait_states
            if record.cycles_per_point is not None
            else None
            for key, record in ways[name].items()
        }
    lines += table(misses)
    try:
        choose(BOARDS[M55])
        helium = {name: column(BOARDS[M55], How(rows=rows), name) for name in ("sweep", "random", "frame")}
        planar = column(BOARDS[M55], How(rows=rows), "sweep", "heads.layout=planar")
        lines += ["", "Instructions per point on a Cortex-M55 with Helium:", ""]
        lines += table({name: instructions(found) for name, found in {**helium, "planar": planar}.items()})
    except UsageError as error:
        click.echo(f"left out: {error}", err=True)
    text = "\n".join(lines) + "\n"
    (HERE / "results" / "field.md").write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    command()
