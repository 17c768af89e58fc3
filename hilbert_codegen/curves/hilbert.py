"""The Hilbert curve, in the order of the usual d2xy recurrence (Wikipedia, "Hilbert curve")."""

from __future__ import annotations

from hilbert_codegen.curves import register


def d2xy(order: int, distance: int) -> tuple[int, int]:
    """Grid point (x, y) at arc length `distance` (0..4^order - 1) of the Hilbert curve of `order`."""
    x = y = 0
    size = 1
    while size < 1 << order:
        right = 1 & (distance >> 1)
        up = 1 & (distance ^ right)
        if up == 0:
            if right == 1:
                x, y = size - 1 - x, size - 1 - y
            x, y = y, x
        x += size * right
        y += size * up
        distance >>= 2
        size <<= 1
    return x, y


@register("hilbert", closed=False, summary="the paper's curve: from one corner to the next")
def vertices(order: int) -> list[tuple[int, int]]:
    """All 4^order vertices; the first is (0, 0), the last (2^order - 1, 0)."""
    return [d2xy(order, distance) for distance in range(4**order)]
