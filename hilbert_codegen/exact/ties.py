"""Codes of 16-bit heads that are hard to decode: those that tie, and those that nearly do.

By the geometry of SOUNDNESS.md ("16-bit heads") a decoder has only four things to decide, and each can tie:

- in which half cell a code lies: the borders are those of exact/domain.py;
- which of two coordinates is nearer to its vertex: they tie where X - Y or X + Y is whole;
- whether a far edge of the square is nearer than the own vertex: they tie where gx^2 = 1 - 2 gy, or the other way round,
  with g the distance from the own vertex in cells;
- which way a result is rounded: the result can lie on the border only where twice the span times X is whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.spec.specification import Spec

#: Most codes a kind of tie adds to a head.
MOST = 32
#: Pairs of codes that come closest without a tie, for each kind.
CLOSEST = 6
#: Floating point finds the candidates: places within a few cells are off by less than 1e-14.
NEAR = 1e-12


def _spread(values: Iterable[int], count: int) -> list[int]:
    """At most `count` of the values, evenly chosen in their order."""
    ordered = sorted(values)
    if len(ordered) <= count:
        return ordered
    return [ordered[i * (len(ordered) - 1) // max(count - 1, 1)] for i in range(count)]


class _Head:
    """The codes of one head that lie on the grid, and their places in whole multiples of 1 / unit cells."""

    def __init__(self, spec: Spec, axis: int, unit: int) -> None:
        codes = np.sort(spec.heads.codes())
        first, last = spec.origin(axis), spec.origin(axis) + (spec.curve.side - 1) * spec.pitch(axis)
        low, high = max(math.ceil(first), int(codes[0])), min(math.floor(last), int(codes[-1]))
        start, step = int(spec.coordinate(axis, low) * unit), int(unit / spec.pitch(axis))
        self.codes = list(range(low, high + 1))
        self.places = [start + step * index for index in range(len(self.codes))]
        self.unit = unit

    def folded(self) -> dict[int, list[int]]:
        """Distance from the own vertex, in 1 / unit cells -> the codes that have it."""
        found: dict[int, list[int]] = {}
        for code, place in zip(self.codes, self.places, strict=True):
            part = place % self.unit
            found.setdefault(min(part, self.unit - part), []).append(code)
        return found


def _apart(x: dict[int, list[int]], y: dict[int, list[int]]) -> list[tuple[int, int]]:
    """The closest pairs (distance of an x, distance of a y) that differ."""
    ordered = sorted([(distance, 0) for distance in x] + [(distance, 1) for distance in y])
    pairs = [
        (b[0] - a[0], (a[0], b[0]) if a[1] == 0 else (b[0], a[0]))
        for a, b in pairwise(ordered)
        if a[1] != b[1] and a[0] != b[0]
    ]
    return [pair for _, pair in sorted(pairs)[:CLOSEST]]


def _parabola(
    along: dict[int, list[int]], across: dict[int, list[int]], unit: int
) -> tuple[list[int], list[tuple[int, int]]]:
    """(distances along that tie, closest pairs (along, across) that do not): along^2 + 2 unit across = unit^2."""
    of_along, of_across = sorted(along), sorted(across)
    known: NDArray[np.float64] = np.array([g / unit for g in of_across])
    wanted = (1 - np.square([g / unit for g in of_along])) / 2
    after = np.searchsorted(known, wanted)
    pairs = {}
    for neighbour in (after - 1, after):
        index = np.clip(neighbour, 0, len(known) - 1)
        apart = np.abs(known[index] - wanted)
        candidates = np.union1d(np.flatnonzero(apart < NEAR), np.argsort(apart, kind="stable")[:CLOSEST])
        for at in _spread(candidates.tolist(), 8 * MOST):
            g, h = of_along[at], of_across[int(index[at])]
            pairs[g, h] = abs(g * g + 2 * unit * h - unit * unit)
    ties = [g for (g, _), difference in pairs.items() if difference == 0]
    close = sorted((difference, pair) for pair, difference in pairs.items() if difference)
    return ties, [pair for _, pair in close[:CLOSEST]]


def hard_codes(spec: Spec) -> tuple[set[int], set[int]]:
    """Codes of x and of y whose pairs tie or nearly tie, at most a few hundred of each; of all orders and scales."""
    places = [value for axis in (0, 1) for value in (spec.coordinate(axis, 0), 1 / spec.pitch(axis))]
    unit = math.lcm(*(value.denominator for value in places))
    heads = [_Head(spec, axis, unit) for axis in (0, 1)]
    folded = [head.folded() for head in heads]
    chosen: tuple[set[int], set[int]] = (set(), set())

    def take(x: int, y: int, count: int = 4) -> None:
        for axis, distance in enumerate((x, y)):
            chosen[axis].update(_spread(folded[axis][distance], count))

    if not all(folded):
        return chosen
    for distance in _spread(folded[0].keys() & folded[1].keys(), max(2, MOST // (2 * spec.curve.side))):
        take(distance, distance, 2 * spec.curve.side)
    for x, y in _apart(*folded):
        take(x, y)
    for along in (0, 1):
        ties, close = _parabola(folded[along], folded[1 - along], unit)
        tied = [(g, (unit * unit - g * g) // (2 * unit)) for g in _spread(ties, MOST // 4)]
        for g, h in [*tied, *close]:
            take(g, h) if along == 0 else take(h, g)
    span = 2 * abs(spec.output.codes[1] - spec.output.codes[0])
    for axis, head in enumerate(heads):
        rest = [min(span * place % unit, -span * place % unit) for place in head.places]
        chosen[axis].update(_spread([c for c, r in zip(head.codes, rest, strict=True) if r == 0], MOST))
        nearly = sorted((r, c) for c, r in zip(head.codes, rest, strict=True) if r)
        chosen[axis].update(code for _, code in nearly[:CLOSEST])
    return chosen
