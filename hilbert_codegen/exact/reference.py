"""The exact reference: what every decoder must give, by integer arithmetic alone.

s is the arc length of the curve point nearest to the query. Every segment is split at its middle and each half
belongs to the cell of its end vertex; the answer is the minimum of (distance^2, not the query's own cell, s) over all
half segments, where the own cell is (floor(X + 1/2), floor(Y + 1/2)) clamped to the grid. The output is
floor(c0 + s / M (c1 - c0) + 1/2). Floating point only preselects the candidates, with a margin far above its error;
every comparison that decides is between integers.

With the estimator "mean", a query farther from the curve than the gate (compared in integers) gets the posterior mean
of posterior.py instead. Where a further head is fused, fusion.py says with what result.

This module knows nothing of tables, strategies or C: it is what they are held to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.fusion import fused_codes
from hilbert_codegen.exact.halves import HalfSegments, half_segments
from hilbert_codegen.exact.many import Advance, ManyHeads, measure_tuples
from hilbert_codegen.exact.posterior import gate_limit, mean_codes
from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]

#: Largest |grid coordinate| the float preselection is good for; far beyond it the heads do not see the curve at all.
COORDINATE_LIMIT = 1 << 20


@dataclass(frozen=True)
class Ideal:
    """The ideal decoder on a product of codes; every array has the number of codes of the last head
    first in its shape: (len(codes_y), len(codes_x)) for two heads.

    Attributes:
        codes: the output codes, int64.
        averaged: where the posterior mean was taken rather than the nearest point, bool.
        distance: distance to the curve in head codes, floor(d + 1/2), saturated at 255, uint8.
        vertex: index of the vertex whose half segment holds the nearest point, int64.
        arc: arc length s of the nearest point in cells as float64, for plots and statistics only.

    For three and more heads there are only codes, and distances where they were asked for; the others are empty. `curve` is, of a fused decoder, what the heads of
    its curve give alone.
    """

    codes: IntArray
    averaged: NDArray[np.bool_]
    distance: NDArray[np.uint8]
    vertex: IntArray
    arc: NDArray[np.float64]
    curve: Ideal | None = None


def _axis(spec: Spec, axis: int, codes: IntArray) -> tuple[list[Fraction], NDArray[np.float64]]:
    exact = [spec.coordinate(axis, int(code)) for code in codes]
    if any(abs(value) > COORDINATE_LIMIT for value in exact):
        raise ValueError(f"head {'xy'[axis]}: a code lies over {COORDINATE_LIMIT} cells off the grid")
    return exact, np.array([float(value) for value in exact])


def _own_cell(spec: Spec, exact: list[Fraction]) -> IntArray:
    """floor(coordinate + 1/2), clamped to the grid."""
    last = spec.curve.side - 1
    return np.array([min(max(math.floor(value + Fraction(1, 2)), 0), last) for value in exact])


def _neighbours(spec: Spec, halves: HalfSegments, cell_x: IntArray, cell_y: IntArray) -> Iterator[IntArray]:
    """Arrays of half segments (-1 for none), one of each for every query, of shape (ny, nx): together they hold every
    nearest one.

    The vertex of the query's own cell is within sqrt(1/2) of the query clamped to the grid's square, so the nearest point
    is, too: it lies on a half segment of a vertex at most one row and one column away. (Clamping a query to a convex set
    makes no point of the set nearer than another that was not.) That needs a curve that visits all grid points.
    """
    side, count = spec.curve.side, len(spec.curve.points)
    reach = 1 if count == side * side else side - 1
    place = np.full((side + 2 * reach, side + 2 * reach), count)
    for index, (x, y) in enumerate(spec.curve.points):
        place[y + reach, x + reach] = index
    for sign in (1, -1):
        of_vertex = np.full(count + 1, -1)
        chosen = np.flatnonzero(halves.sign == sign)
        of_vertex[halves.vertex[chosen]] = chosen
        for dy in range(2 * reach + 1):
            for dx in range(2 * reach + 1):
                yield of_vertex[place[np.ix_(cell_y + dy, cell_x + dx)]]


def _candidates(
    spec: Spec, halves: HalfSegments, floats: tuple[NDArray[np.float64], ...], cells: tuple[IntArray, ...]
) -> tuple[IntArray, IntArray]:
    """(query, half) index pairs whose float distance is the least or within the margin of it, sorted by query."""
    # The entry behind the last is for -1, no half segment: at infinity.
    low = np.append(np.minimum(0.0, halves.step * 0.5) + halves.at, [[np.inf, np.inf]], axis=0)
    high = np.append(np.maximum(0.0, halves.step * 0.5) + halves.at, [[np.inf, np.inf]], axis=0)
    x, y = floats[0][None, :], floats[1][:, None]

    def square(half: IntArray) -> NDArray[np.float64]:
        dx = np.maximum(np.maximum(low[half, 0] - x, x - high[half, 0]), 0.0)
        dy = np.maximum(np.maximum(low[half, 1] - y, y - high[half, 1]), 0.0)
        return np.asarray(dx * dx + dy * dy)

    near = list(_neighbours(spec, halves, *cells))
    least = np.full((len(floats[1]), len(floats[0])), np.inf)
    for half in near:
        np.minimum(least, square(half), out=least)
    # Coordinates carry a relative error of 2^-53, squares a few times that: 1e-9 is a million times more.
    size = 1.0 + np.abs(y) + np.abs(x)
    least += 1e-9 * size * size
    queries, chosen = [], []
    for half in near:
        found = np.flatnonzero(square(half) <= least)
        queries.append(found)
        chosen.append(half.reshape(-1)[found])
    query, half_index = np.concatenate(queries), np.concatenate(chosen)
    order = np.argsort(query, kind="stable")
    return query[order], half_index[order]


def ideal(
    spec: Spec, codes: Sequence[IntArray] | None = None, advance: Advance | None = None, distance: bool = False
) -> Ideal:
    """Decode every combination of `codes` (one 1-D array for each head) exactly, by the estimator of `spec`.

    Without codes: all codes of the heads in the order of their raw bits, so for 8-bit heads the result is the ideal
    table, and its element [y, x] is the one of the raw word x | y << 8. Of three and more heads `advance` is told the
    share that is done, and distances are there if `distance`.

    Raises ValueError where a code lies over COORDINATE_LIMIT cells off the grid, and what `mean_codes` raises.
    """
    given = (spec.heads.codes(),) * spec.inputs if codes is None else codes
    if spec.fusion is not None:
        *curve, last = given
        alone = ideal(spec.of_curve, curve, advance)
        slow = np.asarray(last, dtype=np.int64).reshape(-1, *(1,) * alone.codes.ndim)
        return replace(codes_only(fused_codes(spec, alone.codes[None], slow)), curve=alone)
    if spec.dimensions > 2:
        heads = ManyHeads(spec, [np.asarray(axis, dtype=np.int64) for axis in given], distance)
        return codes_only(*heads.split(heads.product(advance)))
    codes_x, codes_y = (np.asarray(axis, dtype=np.int64) for axis in given)
    exact_x, float_x = _axis(spec, 0, codes_x)
    exact_y, float_y = _axis(spec, 1, codes_y)
    halves = half_segments(spec)
    cells = (_own_cell(spec, exact_x), _own_cell(spec, exact_y))
    query, half = _candidates(spec, halves, (float_x, float_y), cells)
    iy, ix = np.divmod(query, len(codes_x))

    # One common denominator for all coordinates, doubled so that the middle of a segment is an integer too.
    unit = 2 * math.lcm(*(value.denominator for value in (*exact_x, *exact_y)))
    c0, c1 = spec.output.codes
    arc_unit = unit * spec.curve.segments
    span = max(spec.curve.side, *(math.ceil(abs(value)) for value in (*exact_x, *exact_y))) * unit
    bound = max(8 * span * span, 8 * arc_unit * max(abs(c0), abs(c1), abs(c1 - c0)))
    kind: Any = np.int64 if bound < 1 << 62 else object

    def offsets(exact: list[Fraction], axis: int) -> Any:
        scaled: Any = np.array([int(value * unit) for value in exact], dtype=kind)
        picked = iy if axis else ix
        return scaled[picked] - halves.at[half, axis].astype(kind) * unit

    dx, dy = offsets(exact_x, 0), offsets(exact_y, 1)
    step: Any = halves.step[half].astype(kind)
    along = dx * step[:, 0] + dy * step[:, 1]
    across = dx * step[:, 1] - dy * step[:, 0]
    clamped = np.minimum(np.maximum(along, 0), unit // 2)
    distance2 = (along - clamped) ** 2 + across**2
    vertex = halves.vertex[half]
    arc = vertex.astype(kind) * unit + halves.sign[half].astype(kind) * clamped
    if spec.curve.closed:
        arc = arc % arc_unit

    # The minimum of (distance^2, not own cell, s) within each query's run of candidates.
    start = np.flatnonzero(np.diff(query, prepend=-1))
    group = np.cumsum(np.diff(query, prepend=-1) > 0) - 1
    own = (halves.at[half, 0] == cells[0][ix]) & (halves.at[half, 1] == cells[1][iy])
    alive = distance2 == np.minimum.reduceat(distance2, start)[group]
    has_own = np.logical_or.reduceat(alive & own, start)[group]
    alive &= own | ~has_own
    best_arc = np.minimum.reduceat(np.where(alive, arc, arc_unit + 1), start)
    alive &= arc == best_arc[group]
    winner = np.flatnonzero(alive)
    winner = winner[np.flatnonzero(np.diff(query[winner], prepend=-1))]

    shape = (len(codes_y), len(codes_x))
    output = (2 * c0 * arc_unit + 2 * best_arc * (c1 - c0) + arc_unit) // (2 * arc_unit)
    if spec.curve.closed:
        output = np.where(output == c1, c0, output)
    residual_x = dx[winner] - step[winner, 0] * clamped[winner]
    residual_y = dy[winner] - step[winner, 1] * clamped[winner]
    output = output.astype(np.int64).reshape(shape)
    averaged = np.zeros(shape, dtype=bool)
    if spec.estimator.kind == "mean":
        averaged = np.asarray(distance2[winner] > gate_limit(spec, unit)).astype(bool).reshape(shape)
        output = np.where(averaged, mean_codes(spec, exact_x, exact_y, averaged), output)
    return Ideal(
        codes=output,
        averaged=averaged,
        distance=_distance_codes(spec, residual_x, residual_y, unit).reshape(shape),
        vertex=vertex[winner].reshape(shape),
        arc=(best_arc / unit).astype(np.float64).reshape(shape),
    )


def ideal_of(spec: Spec, queries: IntArray, distance: bool = False) -> Ideal:
    """The exact answers of listed tuples of 8-bit codes, shape (count, heads); the answers' is (count,).

    Of three and more heads of a curve with distances if `distance`.
    """
    listed = np.asarray(queries, dtype=np.int64)
    if spec.fusion is not None:
        return codes_only(fused_codes(spec, ideal_of(spec.of_curve, listed[:, :-1]).codes, listed[:, -1]))
    if spec.dimensions > 2:
        return codes_only(*measure_tuples(spec, listed, distance))
    order = np.sort(spec.heads.codes())
    x, y = (listed - order[0]).T
    return codes_only(ideal(spec, (order, order)).codes[y, x])


def codes_only(codes: IntArray, distance: NDArray[np.uint8] | None = None) -> Ideal:
    """Answers of which only the output codes are known, and the distances where they are given."""
    far = np.zeros(0, np.uint8) if distance is None else distance
    return Ideal(codes, np.zeros(0, bool), far, np.zeros(0, np.int64), np.zeros(0))


def _distance_codes(spec: Spec, residual_x: NDArray[Any], residual_y: NDArray[Any], unit: int) -> NDArray[np.uint8]:
    """floor(sqrt((rx px)^2 + (ry py)^2) + 1/2) in codes, saturated at 255; residuals in cells / unit."""
    pitch_x, pitch_y = spec.pitch(0), spec.pitch(1)
    common = math.lcm(pitch_x.denominator, pitch_y.denominator)
    px, py = int(pitch_x * common), int(pitch_y * common)
    denominator = unit * common
    offsets = [(residual / unit).astype(np.float64) for residual in (residual_x, residual_y)]
    wanted = np.hypot(offsets[0] * float(pitch_x), offsets[1] * float(pitch_y)) + 0.5
    result = np.minimum(wanted, 255.0).astype(np.uint8)
    # Floating point is off by a few 2^-53 of these: only near a whole number the integers must decide.
    close = np.flatnonzero((np.abs(wanted - np.rint(wanted)) < 1e-9 * wanted) & (wanted < 256))
    known: dict[tuple[int, int], int] = {}
    for i, pair in zip(
        close.tolist(), zip(residual_x[close].tolist(), residual_y[close].tolist(), strict=True), strict=True
    ):
        if pair not in known:
            fourfold = 4 * ((pair[0] * px) ** 2 + (pair[1] * py) ** 2)
            known[pair] = min((math.isqrt(fourfold) + denominator) // (2 * denominator), 255)
        result[i] = known[pair]
    return result
