"""The Hilbert curve: in two dimensions by the usual d2xy recurrence (Wikipedia, "Hilbert curve"), in more by Skilling's.

J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707 (2004), 381-387. The walks are those that
the package hilbertcurve of PyPI gives for the same order and number of dimensions.
"""

from __future__ import annotations

from hilbert_codegen.curves import Point, register


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


def skilling(order: int, dimensions: int, distance: int) -> Point:
    """Grid point at arc length `distance` (0..2^(order dimensions) - 1). Order 1 is the binary reflected Gray code.

    The bits of `distance` are dealt out to the axes, the highest to the first. They are then taken through the Gray
    code (a bit is flipped where the one before it is set), and every level undoes the turns of the levels above it.
    """
    x = [0] * dimensions
    for bit in range(order * dimensions):
        if distance >> (order * dimensions - 1 - bit) & 1:
            x[bit % dimensions] |= 1 << (order - 1 - bit // dimensions)
    carry = x[-1] >> 1
    for axis in range(dimensions - 1, 0, -1):
        x[axis] ^= x[axis - 1]
    x[0] ^= carry
    for level in range(1, order):
        bit, below = 1 << level, (1 << level) - 1
        for axis in range(dimensions - 1, -1, -1):
            if x[axis] & bit:
                x[0] ^= below
            else:
                swapped = (x[0] ^ x[axis]) & below
                x[0] ^= swapped
                x[axis] ^= swapped
    return tuple(x)


@register("hilbert", title="Hilbert", closed=False, summary="the paper's curve: from one corner to the next")
def vertices(order: int, dimensions: int) -> list[Point]:
    """All vertices; the first is (0, 0, ...), the last has 2^order - 1 on one axis and 0 on the others."""
    if dimensions == 2:
        return [d2xy(order, distance) for distance in range(4**order)]
    return [skilling(order, dimensions, distance) for distance in range(1 << (order * dimensions))]
