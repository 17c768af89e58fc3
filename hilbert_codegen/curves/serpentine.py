"""The serpentine (boustrophedon): rows to and fro. As long as Hilbert's curve; its branch jumps go farther."""

from __future__ import annotations

from hilbert_codegen.curves import register


@register("serpentine", closed=False, summary="rows to and fro: same length, farther branch jumps")
def vertices(order: int) -> list[tuple[int, int]]:
    """All 4^order vertices, even rows left to right, odd rows right to left."""
    side = 1 << order
    return [(x if y % 2 == 0 else side - 1 - x, y) for y in range(side) for x in range(side)]
