"""Measure what `auto` chooses by, into hilbert_codegen/emit/costs.json.

Instructions per point of every kind of build of every strategy on every core, in the variant that runs there and in
portable C; and the bytes of its code there, which need a compiler only.

The file is written after each configuration, so that what was interrupted goes on with --missing.

    python benchmarks/costs.py
    python benchmarks/costs.py --missing
    python benchmarks/costs.py --only code_bytes --only code_bytes_distance --strategy octant
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from side_by_side import ANY_SCALE, CONFIG, boards_here

import hilbert_codegen
from hilbert_codegen.bench.firmware import Program
from hilbert_codegen.bench.measure import measure_all
from hilbert_codegen.bench.session import Decoder, How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board, Region
from hilbert_codegen.targets.cores import CORES
from hilbert_codegen.targets.emulators import EMULATORS, close_on_termination
from hilbert_codegen.targets.toolchains import choose as choose_toolchain
from hilbert_codegen.variants import PORTABLE, running_on

#: Core -> kind of build -> variant -> figure.
Costs = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Case:
    """A configuration as text, settings on top of it, and the strategies that are measured with it (none: all)."""

    text: str
    settings: tuple[str, ...]
    strategies: tuple[str, ...] = ()


#: Configurations that between them have every kind of build of every strategy; the first that has one counts.
CASES = {
    "cell grid": Case(CONFIG, ()),
    "any scale": Case(ANY_SCALE, ()),
    "cell grid, order 4": Case(CONFIG, ("curve.order=4",)),
    "order 4": Case(ANY_SCALE, ("curve.order=4",)),
    # Tiles take long to be made for a mean, and are of a kind that is known.
    "mean": Case(
        CONFIG, ("decoder.estimator=mean", "decoder.sigma=0.4", "decoder.gate=0.15", "curve.order=2"), ("patch",)
    ),
    **{
        f"{heads} heads": Case(ANY_SCALE, (f"curve.dimensions={heads}", f"curve.order={2 if heads == 3 else 1}"))
        for heads in range(3, 7)
    },
    "3 heads, order 1": Case(ANY_SCALE, ("curve.dimensions=3", "curve.order=1"), ("corner",)),
    # Results of 32 bits, which `boxes` forms in several words.
    **{
        f"{heads} heads, 32 bits": Case(
            ANY_SCALE,
            (f"curve.dimensions={heads}", f"curve.order={2 if heads == 3 else 1}", "output.dtype=int32",
             "output.codes=[0, 2147483647]"),
            ("boxes",),
        )
        for heads in range(3, 7)
    },
}  # fmt: skip
#: What is measured -> the settings that it is measured with. Of these names are the tables of the file.
WHAT = {
    "code_bytes": (),
    "code_bytes_planar": ("heads.layout=planar",),
    "code_bytes_distance": ("decoder.distance=true",),
    "instructions_per_point": (),
    "instructions_per_point_planar": ("heads.layout=planar",),
    "instructions_per_point_distance": ("decoder.distance=true",),
}


def plan_of(text: str, settings: tuple[str, ...]) -> Plan:
    """The plan of a case."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "costs.toml"
        config.write_text(text, encoding="utf-8")
        return make_plan(load(config, settings))


@dataclass(frozen=True)
class Wanted:
    """One figure to be measured: of a decoder on a board, under these names in the file."""

    decoder: Decoder
    board: Board
    kind: str
    variant: str


def wanted(session: Session, strategies: Sequence[str], boards: Sequence[Board], known: Costs) -> Iterator[Wanted]:
    """What `known` lacks of the strategies: on each board the variant that runs there, and portable C compiled for it."""
    for name in strategies:
        try:
            decoder, built = session.decoder(name), session.generate(name).built
        except UsageError:  # the strategy does not serve this configuration
            continue
        kind = built.measured_as
        for board in boards:
            portable = replace(decoder.portable(board.core), plain=False)
            found = {PORTABLE: portable, running_on(built, board.core): decoder}
            for variant, one in found.items():
                if variant not in known.get(board.core_name, {}).get(kind, {}):
                    yield Wanted(replace(one, strategy=kind), board, kind, variant)


def code_bytes(one: Wanted) -> float:
    """Bytes of code, constants in it and what it calls included."""
    board = replace(one.board, flash=Region(one.board.flash.origin, 4 << 20))
    with tempfile.TemporaryDirectory() as folder:
        toolchain = choose_toolchain(board.core)
        program = Program(Path(folder), board, toolchain, "depth", one.decoder.files, one.decoder.defines)
        return program.image().code_bytes


def instructions(session: Session, found: Sequence[Wanted], how: How, known: Costs) -> None:
    """Add the measured instructions per point of `found` to `known`."""
    names = {(one.board.core_name, one.kind, one.decoder.variant): one.variant for one in found}
    jobs = [(one.decoder, one.board) for one in found]
    for record in measure_all(jobs, session.sweep, how, done=lambda what: click.echo(what, err=True)):
        variant = names.get((record.core, record.strategy, record.variant))
        if record.status == "ok" and variant is not None and record.instructions_per_point is not None:
            entry = known.setdefault(record.core, {}).setdefault(record.strategy, {})
            entry[variant] = round(record.instructions_per_point, 2)
        elif record.status == "failed":
            raise SystemExit(f"FAIL {record.strategy} on {record.board}: {record.note}")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(WHAT)), help="Only this table of the file. Repeatable.")
@click.option("--core", "cores", multiple=True, type=click.Choice(list(CORES)), help="Only on this core. Repeatable.")
@click.option("--case", "cases", multiple=True, type=click.Choice(list(CASES)), help="Only with this configuration.")
@click.option("--strategy", "strategies", multiple=True, help="Only this strategy. Repeatable.")
@click.option("--missing", is_flag=True, help="Only what the file has no figure of.")
@click.option("--emulator", type=click.Choice(["auto", *EMULATORS.names()]), default="auto", show_default=True)
@click.option("--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points.")
def command(
    only: tuple[str, ...], cores: tuple[str, ...], cases: tuple[str, ...], strategies: tuple[str, ...], missing: bool,
    emulator: str, rows: int,
) -> None:  # fmt: skip
    """Measure every strategy on every core that can be run here; the first case that has a kind of build counts."""
    close_on_termination()
    target = Path(hilbert_codegen.__file__).parent / "emit" / "costs.json"
    content = json.loads(target.read_text(encoding="utf-8"))
    how = How(emulator, rows=rows, cycles=False)
    runnable = [board for board in boards_here(emulator) if not cores or board.core_name in cores]
    compiled = list({board.core_name: board for board in BOARDS if board.core_name in (cores or CORES)}.values())
    for what in only or WHAT:
        counted = what.startswith("instructions")
        boards = runnable if counted else compiled
        table: Costs = content.setdefault(what, {})
        for board in boards:
            kinds = table.setdefault(board.core_name, {})
            for kind in [] if missing or cases else list(kinds):
                if not strategies or kind.split(", ")[0] in strategies:
                    del kinds[kind]
        fresh: Costs = {}
        for name in cases or CASES:
            case = CASES[name]
            session = Session(plan_of(case.text, (*case.settings, *WHAT[what])), tuple(CORES.values()))
            asked = [one for one in case.strategies or STRATEGIES.names() if not strategies or one in strategies]
            found = list(wanted(session, asked, boards, table if missing else fresh))
            click.echo(f"{what}, {name}: {', '.join(sorted({one.kind for one in found})) or 'nothing'}", err=True)
            if counted:
                instructions(session, found, how, fresh)
            else:
                for one in found:
                    fresh.setdefault(one.board.core_name, {}).setdefault(one.kind, {})[one.variant] = code_bytes(one)
            for core, kinds in fresh.items():
                for kind, variants in kinds.items():
                    table.setdefault(core, {}).setdefault(kind, {}).update(variants)
            content[what] = {core: kinds for core, kinds in table.items() if kinds}
            table = content[what]
            target.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command()
