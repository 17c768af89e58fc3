"""Measure what `auto` chooses by, into hilbert_codegen/emit/costs.json.

Instructions per point of every kind of build of every strategy on every core, in the variant that runs there and in
portable C.

python benchmarks/costs.py
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click
from side_by_side import ANY_SCALE, CONFIG, boards_here

import hilbert_codegen
from hilbert_codegen.bench.measure import measure_all
from hilbert_codegen.bench.session import How, Session
from hilbert_codegen.config.schema import load
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.cores import CORES
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.variants import PORTABLE, running_on

#: Configurations that between them have every kind of build of every strategy; the first that has one counts.
CASES = {
    "cell grid": (CONFIG, ()),
    "any scale": (ANY_SCALE, ()),
    "cell grid, order 4": (CONFIG, ("curve.order=4",)),
    "order 4": (ANY_SCALE, ("curve.order=4",)),
    "mean": (CONFIG, ("decoder.estimator=mean", "decoder.sigma=0.4", "decoder.gate=0.15", "curve.order=2")),
}


@click.command()
@click.option("--emulator", type=click.Choice(["auto", *EMULATORS.names()]), default="auto", show_default=True)
@click.option("--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points.")
def command(emulator: str, rows: int) -> None:
    """Measure every strategy on every core that can be run here; the first case that has a kind of build counts."""
    costs: dict[str, dict[str, dict[str, float]]] = {}
    how = How(emulator, rows=rows)
    for name, (text, settings) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "costs.toml"
            config.write_text(text, encoding="utf-8")
            plan = make_plan(load(config, settings))
        session = Session(plan, tuple(CORES.values()))
        found, _ = session.decoders(["all"])
        jobs, variants = [], {}
        for decoder in found:
            built = session.generate(decoder.strategy).built
            for board in boards_here(emulator):
                variant = running_on(built, board.core)
                known = costs.get(board.core_name, {}).get(built.measured_as, {})
                for wanted, one in {PORTABLE: decoder.portable(board.core), variant: decoder}.items():
                    if wanted not in known:
                        variants[board.core_name, built.measured_as, one.variant] = wanted
                        jobs.append((replace(one, strategy=built.measured_as), board))
        click.echo(f"{name}: {', '.join(sorted({decoder.strategy for decoder, _ in jobs}))}", err=True)
        for record in measure_all(jobs, session.sweep, how, done=lambda what: click.echo(what, err=True)):
            measured = variants.get((record.core, record.strategy, record.variant))
            if record.status == "ok" and measured is not None and record.instructions_per_point is not None:
                entry = costs.setdefault(record.core, {}).setdefault(record.strategy, {})
                entry[wanted] = round(record.instructions_per_point, 2)
            elif record.status == "failed":
                raise SystemExit(f"FAIL {record.strategy} on {record.board}: {record.note}")
    target = Path(hilbert_codegen.__file__).parent / "emit" / "costs.json"
    content = {"instructions_per_point": costs}
    target.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    click.echo(json.dumps(content, indent=2, sort_keys=True))


if __name__ == "__main__":
    command()
