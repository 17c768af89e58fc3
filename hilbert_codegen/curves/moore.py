"""The Moore curve: four Hilbert curves joined into a loop, for angles and other circular quantities."""

from __future__ import annotations

from hilbert_codegen.curves import register
from hilbert_codegen.curves.hilbert import d2xy


@register("moore", closed=True, summary="a closed Hilbert curve, for angles: t = 1 is t = 0")
def vertices(order: int) -> list[tuple[int, int]]:
    """All 4^order vertices: up through the two left quadrants, down through the two right ones."""
    half = 1 << (order - 1)
    quarter = [d2xy(order - 1, distance) for distance in range(4 ** (order - 1))]
    return (
        [(half - 1 - y, x) for x, y in quarter]
        + [(half - 1 - y, half + x) for x, y in quarter]
        + [(half + y, 2 * half - 1 - x) for x, y in quarter]
        + [(half + y, half - 1 - x) for x, y in quarter]
    )
