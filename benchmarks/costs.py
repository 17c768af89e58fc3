"""Measure what `auto` chooses by, into hilbert_codegen/emit/costs.json.

Instructions per point of every kind of build of every strategy on every core, in the variant that runs there and in
portable C; and the bytes of its code there, which need a compiler only.

    python benchmarks/costs.py
    python benchmarks/costs.py --only code_bytes
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from side_by_side import ANY_SCALE, CONFIG, boards_here

import hilbert_codegen
from hilbert_codegen.bench.firmware import Program
from hilbert_codegen.bench.measure import measure_all
from hilbert_codegen.bench.session import Decoder, How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.kernels import Built
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board, Region
from hilbert_codegen.targets.cores import CORES, Core
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.toolchains import choose as choose_toolchain
from hilbert_codegen.variants import PORTABLE, running_on

#: Core -> kind of build -> variant -> figure.
Costs = dict[str, dict[str, dict[str, float]]]

#: Configurations that between them have every kind of build of every strategy; the first that has one counts.
CASES = {
    "cell grid": (CONFIG, ()),
    "any scale": (ANY_SCALE, ()),
    "cell grid, order 4": (CONFIG, ("curve.order=4",)),
    "order 4": (ANY_SCALE, ("curve.order=4",)),
    "mean": (CONFIG, ("decoder.estimator=mean", "decoder.sigma=0.4", "decoder.gate=0.15", "curve.order=2")),
    **{
        f"{heads} heads": (ANY_SCALE, (f"curve.dimensions={heads}", f"curve.order={2 if heads == 3 else 1}"))
        for heads in range(3, 7)
    },
}


def plan_of(text: str, settings: tuple[str, ...]) -> Plan:
    """The plan of a case."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "costs.toml"
        config.write_text(text, encoding="utf-8")
        return make_plan(load(config, settings))


def decoders_of(decoder: Decoder, built: Built, core: Core) -> dict[str, Decoder]:
    """Name of a variant -> the decoder to measure it by: what runs on `core`, and portable C compiled for it."""
    portable = replace(decoder.portable(core), plain=False)
    return {PORTABLE: portable, running_on(built, core): decoder}


def code_bytes(cores: Sequence[str]) -> Costs:
    """Core of `cores` -> kind of build -> variant -> bytes of code, constants in it and what it calls included."""
    found: Costs = {}
    boards = {board.core_name: board for board in BOARDS if board.core_name in cores}
    for name, (text, settings) in CASES.items():
        session = Session(plan_of(text, settings), tuple(CORES.values()))
        for decoder in session.decoders(["all"])[0]:
            built = session.generate(decoder.strategy).built
            for board in boards.values():
                entry = found.setdefault(board.core_name, {}).setdefault(built.measured_as, {})
                for variant, one in decoders_of(decoder, built, board.core).items():
                    if variant not in entry:
                        large = replace(board, flash=Region(board.flash.origin, 4 << 20))
                        with tempfile.TemporaryDirectory() as folder:
                            toolchain = choose_toolchain(board.core)
                            program = Program(Path(folder), large, toolchain, "depth", one.files, one.defines)
                            entry[variant] = program.image().code_bytes
            click.echo(f"code of {built.measured_as} ({name})", err=True)
    return found


@click.command()
@click.option(
    "--only",
    type=click.Choice(["code_bytes", "planar", "distance"]),
    help="Measure this again, and leave the rest as it is.",
)
@click.option("--core", "cores", multiple=True, type=click.Choice(list(CORES)), help="Only on this core. Repeatable.")
@click.option("--emulator", type=click.Choice(["auto", *EMULATORS.names()]), default="auto", show_default=True)
@click.option("--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points.")
def command(only: str | None, cores: tuple[str, ...], emulator: str, rows: int) -> None:
    """Measure every strategy on every core that can be run here; the first case that has a kind of build counts."""
    target = Path(hilbert_codegen.__file__).parent / "emit" / "costs.json"
    content = json.loads(target.read_text(encoding="utf-8"))
    how = How(emulator, rows=rows)
    boards = [board for board in boards_here(emulator) if not cores or board.core_name in cores]
    if only in (None, "code_bytes"):
        content.setdefault("code_bytes", {}).update(code_bytes(cores or tuple(CORES)))
    if only is None:
        content.setdefault("instructions_per_point", {}).update(instructions(boards, how))
    if only in (None, "planar"):
        planar = instructions(boards, how, "heads.layout=planar")
        content.setdefault("instructions_per_point_planar", {}).update(planar)
    if only in (None, "distance"):
        away = instructions(boards, how, "decoder.distance=true")
        content.setdefault("instructions_per_point_distance", {}).update(away)
    target.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    click.echo(json.dumps(content, indent=2, sort_keys=True))


def instructions(boards: Sequence[Board], how: How, *more: str) -> Costs:
    """Core -> kind of build -> variant -> instructions per point, with the settings `more`."""
    costs: Costs = {}
    for name, (text, settings) in CASES.items():
        session = Session(plan_of(text, (*settings, *more)), tuple(CORES.values()))
        found, _ = session.decoders(["all"])
        jobs, variants = [], {}
        for decoder in found:
            built = session.generate(decoder.strategy).built
            for board in boards:
                known = costs.get(board.core_name, {}).get(built.measured_as, {})
                for wanted, one in decoders_of(decoder, built, board.core).items():
                    if wanted not in known:
                        variants[board.core_name, built.measured_as, one.variant] = wanted
                        jobs.append((replace(one, strategy=built.measured_as), board))
        click.echo(f"{name}: {', '.join(sorted({decoder.strategy for decoder, _ in jobs}))}", err=True)
        for record in measure_all(jobs, session.sweep, how, done=lambda what: click.echo(what, err=True)):
            variant = variants.get((record.core, record.strategy, record.variant))
            if record.status == "ok" and variant is not None and record.instructions_per_point is not None:
                entry = costs.setdefault(record.core, {}).setdefault(record.strategy, {})
                entry[variant] = round(record.instructions_per_point, 2)
            elif record.status == "failed":
                raise SystemExit(f"FAIL {record.strategy} on {record.board}: {record.note}")
    return costs


if __name__ == "__main__":
    command()
