"""The Moore curve: Hilbert curves joined into a loop, for angles and other circular quantities."""

from __future__ import annotations

from hilbert_codegen.curves import Point, register
from hilbert_codegen.curves.hilbert import d2xy, skilling


def _square(order: int) -> list[Point]:
    half = 1 << (order - 1)
    quarter = [d2xy(order - 1, distance) for distance in range(4 ** (order - 1))]
    return [
        *((half - 1 - y, x) for x, y in quarter),
        *((half - 1 - y, half + x) for x, y in quarter),
        *((half + y, 2 * half - 1 - x) for x, y in quarter),
        *((half + y, half - 1 - x) for x, y in quarter),
    ]


def _walk(start: int, along: int, order: int, dimensions: int) -> list[Point]:
    """The Hilbert curve of `order` from the corner with the bits of `start` to the corner next to it on axis `along`."""
    points = [skilling(order, dimensions, distance) for distance in range(1 << (order * dimensions))]
    ends = next(axis for axis in range(dimensions) if points[-1][axis])
    last = (1 << order) - 1
    turned = []
    for point in points:
        swapped = list(point)
        swapped[ends], swapped[along] = swapped[along], swapped[ends]
        turned.append(tuple(last - v if start >> axis & 1 else v for axis, v in enumerate(swapped)))
    return turned


def _loop(order: int, dimensions: int) -> list[Point]:
    """Halves of the cube in the order of the Gray code's cycle, each filled by a Hilbert curve of the order below.

    Every part must end at a corner that touches the next part. The corners are found by depth-first search.
    """
    gray = [index ^ index >> 1 for index in range(1 << dimensions)]
    crossed = [(a ^ b).bit_length() - 1 for a, b in zip(gray, gray[1:] + gray[:1], strict=True)]

    dead: set[tuple[int, int, int]] = set()

    def search(first: int, start: int, found: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
        part = len(found)
        if part == len(gray):
            return found if start == first else None
        if (first, start, part) in dead:
            return None
        across = crossed[part]
        towards = gray[(part + 1) % len(gray)] >> across & 1
        for along in range(dimensions):
            end = start ^ 1 << along
            if end >> across & 1 == towards:
                rest = search(first, end ^ 1 << across, [*found, (start, along)])
                if rest is not None:
                    return rest
        dead.add((first, start, part))
        return None

    plan = next(found for first in range(1 << dimensions) if (found := search(first, first, [])) is not None)
    half = 1 << (order - 1)
    return [
        tuple(value + half * (corner >> axis & 1) for axis, value in enumerate(point))
        for corner, (start, along) in zip(gray, plan, strict=True)
        for point in _walk(start, along, order - 1, dimensions)
    ]


@register("moore", title="Moore", closed=True, summary="a closed Hilbert curve, for angles: t = 1 is t = 0")
def vertices(order: int, dimensions: int) -> list[Point]:
    """All vertices. Two dimensions: up through the two left quadrants, down through the right ones. Order 1 in more
    dimensions is the cycle of the Gray code.
    """
    if dimensions == 2:
        return _square(order)
    if order == 1:
        return [skilling(1, dimensions, distance) for distance in range(1 << dimensions)]
    return _loop(order, dimensions)
