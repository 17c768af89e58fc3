"""What the vector variants execute, a point over all pairs in one call: instructions of Helium and of RISC-V,
packets of HVX.

Prints the tables of docs/vector_units.md:

    python -m benchmarks.vector_units
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import make_plan
from tests.compilers.matrix.machines import MACHINES, per_point
from tests.compilers.matrix.run import write_sources

HEADS = "[heads]\nscale = 0.00390625\nzero_point = -128\n"
TABLE_STRATEGIES = ("full", "tile_word", "tile_direct", "tile", "line", "octant", "segment")
#: Machine, settings, block function.
HELIUM = {
    "clang 19": ("cortex-m55-clang", [], "decode_block"),
    "planar": ("cortex-m55-clang", ["heads.layout=planar"], "decode_block"),
    "with distance": ("cortex-m55-clang", ["decoder.distance=true"], "decode_block_distance"),
    "gcc 12.2": ("cortex-m55-gcc", [], "decode_block"),
}
#: Bits of a RISC-V vector.
LENGTHS = (128, 256, 512)
#: Strategies with a variant for RISC-V vectors.
RISCV_STRATEGIES = ("full", "tile_word", "tile_direct", "tile", "segment")
ORDERS = range(1, 5)
GRIDS: dict[str, list[str]] = {
    "cell grid": [],
    "inset 0.1, scale 1/256": ["curve.inset=0.1"],
    "scale 0.00437, zero point -97, inset 0.1": ["curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97"],
    "two scales and zero points, inset 0.1": [
        "curve.inset=0.1",
        "heads.scale=[0.00437, 0.0041]",
        "heads.zero_point=[-97, -110]",
    ],
}


def executed(machine: str, strategy: str, settings: Sequence[str], function: str = "decode_block") -> str:
    """Of one case, two decimals, or "-" where the strategy refuses; tests/compilers/test_cross.py compares the results."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "case.toml").write_text(HEADS, encoding="ascii")
        fixed = ["code.prefix=m", "code.max_flash_bytes=1048576", "code.variants=all", f"code.strategy={strategy}"]
        plan = make_plan(load(folder / "case.toml", [*fixed, *settings]))
        try:
            generated = generate(plan)
        except UsageError:
            return "-"
        write_sources(folder, plan, generated)
        return f"{per_point(folder, MACHINES[machine], function):.2f}"


def row(cells: Iterable[object]) -> None:
    """Print a line of a Markdown table."""
    click.echo(f"| {' | '.join(map(str, cells))} |")


@click.command()
def command() -> None:
    """Print the tables."""
    for machine in ("cortex-m55-clang", "cortex-m55-gcc", "hexagon-v66-hvx", "hexagon-v67", "rv32 vectors of 128"):
        if missing := MACHINES[machine].missing:
            raise click.ClickException(f"{missing} is not installed")
    row(["Helium, cell grid, order 3", *HELIUM])
    row(["---"] * (len(HELIUM) + 1))
    for strategy in TABLE_STRATEGIES:
        row([strategy, *(executed(machine, strategy, settings, f) for machine, settings, f in HELIUM.values())])
    click.echo()
    row(["RISC-V, cell grid, order 3", *(f"vectors of {bits} bits" for bits in LENGTHS)])
    row(["---"] * (len(LENGTHS) + 1))
    for strategy in RISCV_STRATEGIES:
        row([strategy, *(executed(f"rv32 vectors of {bits}", strategy, []) for bits in LENGTHS)])
    click.echo()
    row(["HVX, order", *ORDERS])
    row(["---"] * (len(ORDERS) + 1))
    for grid, settings in GRIDS.items():
        row([grid, *(executed("hexagon-v66-hvx", "segment", [f"curve.order={p}", *settings]) for p in ORDERS)])
    click.echo()
    row(["Hexagon without HVX, cell grid, order 3", "packets"])
    row(["---", "---"])
    for strategy in TABLE_STRATEGIES:
        row([strategy, executed("hexagon-v67", strategy, [])])


if __name__ == "__main__":
    command()
