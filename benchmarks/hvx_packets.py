"""Executed packets a point of the HVX variant, over all pairs in one call, by order and kind of grid (docs/vector_units.md).

python -m benchmarks.hvx_packets
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from hilbert_codegen.config import load
from hilbert_codegen.generate import generate
from hilbert_codegen.plan import make_plan
from tests.crossrun import MACHINES, per_point, write_case

MACHINE = "hexagon-v66-hvx"
ORDERS = range(1, 5)
HEADS = "[heads]\nscale = 0.00390625\nzero_point = -128\n"
GRIDS = {
    "cell grid": [],
    "inset 0.1": ["curve.inset=0.1"],
    "scale 0.00437, zero point -97, inset 0.1": [
        "curve.inset=0.1",
        "heads.scale=0.00437",
        "heads.zero_point=-97",
    ],
    "scales 0.00437 and 0.0041, zero points -97 and -110, inset 0.1": [
        "curve.inset=0.1",
        "heads.scale=[0.00437, 0.0041]",
        "heads.zero_point=[-97, -110]",
    ],
}


def packets(folder: Path, strategy: str, *settings: str) -> float:
    """Of one case; the results themselves are compared in tests/test_cross.py."""
    config = folder / "case.toml"
    config.write_text(HEADS, encoding="ascii")
    plan = make_plan(load(config, ["code.prefix=depth", f"code.strategy={strategy}", *settings]))
    write_case(folder, plan, generate(plan))
    return per_point(folder, MACHINES[MACHINE], "depth")


@click.command()
@click.option("--strategy", default="segment", help="Whose decoder the variant is in; its packets are the same in all.")
def command(strategy: str) -> None:
    """Print a Markdown table."""
    if missing := MACHINES[MACHINE].missing:
        raise click.ClickException(f"not installed: {', '.join(missing)}")
    click.echo("| order | " + " | ".join(map(str, ORDERS)) + " |")
    click.echo("|---|" + "---|" * len(ORDERS))
    with tempfile.TemporaryDirectory() as name:
        for grid, settings in GRIDS.items():
            found = [packets(Path(name), strategy, f"curve.order={order}", *settings) for order in ORDERS]
            click.echo(f"| {grid} | " + " | ".join(f"{value:.2f}" for value in found) + " |")


if __name__ == "__main__":
    command()
