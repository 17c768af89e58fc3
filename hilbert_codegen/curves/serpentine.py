"""The serpentine (boustrophedon): rows to and fro. As long as Hilbert's curve; its branch jumps go farther."""

from __future__ import annotations

from hilbert_codegen.curves import Point, register


@register("serpentine", closed=False, summary="rows to and fro: same length, farther branch jumps")
def vertices(order: int, dimensions: int) -> list[Point]:
    """All vertices: rows of x to and fro, row after row, then layer after layer, each from where the last ended."""
    side = 1 << order
    points: list[Point] = [(x,) for x in range(side)]
    for _ in range(dimensions - 1):
        points = [(*p, row) for row in range(side) for p in (points if row % 2 == 0 else reversed(points))]
    return points
