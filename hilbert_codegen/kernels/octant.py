"""`octant`: the result as a linear function of one folded code, looked up by octant. Any scale, inset, zero point.

Every quarter of a dual square (folding.py) falls into two octants, gx >= gy or not, and within one the result is
base + mx gx + my gy with one of mx, my +-1 and the other 0. An entry of `column` holds, of an x code,

    | 2 half cell | gx |            and `row`, of a y code,            | stride half cell | 2^field - gy |

with g > 0 in output units and some fractional bits. The sum of two such words starts with the number of an entry of
`octant`: the carry out of the low fields tells gx >= gy. The entry is the base, in output units with the same
fractional bits, and mx + 1 and my + 1 in its lowest four bits; what the half cells add to the products is known for
each octant, and taken off the base.

Quarters that their own vertex's segments both leave are marked by the highest bit: there the result is that of the own
vertex unless a far edge is nearer, which one more comparison tells, and whose octant lies across the square. Marked as
well are ties that no order of the codes settles.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Offer, Refused, Table, as_output
from hilbert_codegen.kernels.distances import FAR, ROOM, Distances, distances
from hilbert_codegen.kernels.folding import (
    Folded,
    Quarters,
    fold,
    other_vertex,
    own_vertex,
    places,
    quarters,
    tie_order,
)
from hilbert_codegen.kernels.octant_lanes import lanes
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

WORD = 32
MASK = (1 << WORD) - 1
#: The lowest bits of an entry: mx + 1, my + 1.
FACTORS = 4
#: mx = my = 0.
CONSTANT = 0b0101
FLAG = 1 << 31
#: In the fractional bits of a flagged constant: the far edge to compare with is the vertical one, and, the other one
#: is to be taken where gx = gy.
VERTICAL = 1 << 4
TURN = 1 << 5
#: More entries than this, and the tables come near the full one, which is faster.
MAX_ENTRIES = 1 << 13


@dataclass(frozen=True)
class Layout:
    """Fields and scaling of one build.

    Attributes:
        stride: octants of a row of quarters, a power of two.
        field: bits of g in a word; above it lies the number of the octant.
        shift: fractional bits of g and of the sums.
        lift: what is added to every g, at least 1, in units of 2^-shift, so that the bases fall on values that fit.
    """

    stride: int
    field: int
    shift: int
    lift: int


class _NoBase(Exception):  # noqa: N818 - it says what happened
    """No base gives the exact results with these fractional bits."""


@dataclass(frozen=True)
class Decider:
    """Whether a far edge is nearer than the own vertex, g along and across it given: g^2 + 2 G across >= least.

    Attributes:
        near: smallest step in the corner zone; with less across, the vertex is nearer.
        drop: low bits dropped first.
        double: 2 G, twice a cell in the same units.
        least: the bound, between the last pair for the vertex and the first for the edge.
    """

    near: int
    drop: int
    double: int
    least: int

    def value(self, along: IntArray, across: IntArray) -> IntArray:
        """The left side."""
        return np.asarray((along >> self.drop) ** 2 + self.double * (across >> self.drop))


class _Builder:
    """One attempt with one layout; raises _NoBase where it does not work out."""

    def __init__(self, spec: Spec, folds: list[Folded], around: Quarters, layout: Layout) -> None:
        self.spec, self.folds, self.around, self.layout = spec, folds, around, layout
        self.place = places(spec)
        c0, c1 = spec.output.codes
        # Negative results are held modulo the output type's width, where they take one bit more.
        self.bias = 1 << INTEGER_TYPES[spec.output.dtype][0] if min(c0, c1) < 0 else 0
        self.unit = Fraction(abs(c1 - c0) * (1 << layout.shift), spec.curve.segments)
        self.steps, self.ordered = self._steps()
        self.words = self._words()
        self.known: dict[tuple[int, int, int], int] = {}

    def _steps(self) -> tuple[list[IntArray], bool]:
        """Fixed-point g of every code of both heads, and whether they also settle all ties."""
        x, y = (folded.items for folded in self.folds)
        order = tie_order(x, y, self.around.wanted)
        lift, unit = self.layout.lift, self.unit
        if order is None:
            # Equal codes stay equal, and different ones different however close they are.
            step: dict[Fraction, int] = {}
            last = lift - 1
            for g in sorted({g for f in self.folds for g in f.offset}):
                last = step[g] = max(round(g * unit) + lift, last + 1)
            return [np.array([step[g] for g in f.offset]) for f in self.folds], False
        value = {}
        last, previous = lift, 1
        for which, item in order:
            # A y behind an x in the order must exceed it; an x may equal the y before it.
            last = max(round(item[1] * unit) + lift, last + int(which == 1 and previous == 0))
            previous = which
            value[which, item] = last
        return [np.array([value[0, item] for item in x]), np.array([value[1, item] for item in y])], True

    def _words(self) -> list[IntArray]:
        layout = self.layout
        limit = 1 << layout.field
        if max(int(step.max()) for step in self.steps) >= limit:
            raise _NoBase
        column = ((2 * self.folds[0].half) << layout.field) + self.steps[0]
        row = ((layout.stride * self.folds[1].half) << layout.field) + limit - self.steps[1]
        return [column, row]

    def _result(self, arc: Fraction) -> int:
        c0, c1 = self.spec.output.codes
        segments = self.spec.curve.segments
        if self.spec.curve.closed:
            arc %= segments
        value = (2 * c0 * segments + 2 * arc * (c1 - c0) + segments) // (2 * segments)
        return c0 if self.spec.curve.closed and value == c1 else int(value)

    def _edge(self, axis: int, half: int, vertex: int, towards: int) -> int:
        """The entry of an octant that runs along `axis` from `vertex` towards a neighbour on the curve."""
        key = (axis, half, vertex * len(self.spec.curve.points) + towards)
        if key not in self.known:
            self.known[key] = self._fit(axis, half, vertex, towards)
        return self.known[key]

    def _fit(self, axis: int, half: int, vertex: int, towards: int) -> int:
        count = len(self.spec.curve.points)
        forth = 1 if (towards - vertex) % count == 1 else -1
        c0, c1 = self.spec.output.codes
        rising = forth if c1 > c0 else -forth
        # The word of y holds g with a minus.
        factor = rising if axis == 0 else -rising
        factors = (factor + 1) | 1 << 2 if axis == 0 else 1 | (factor + 1) << 2
        low, high = None, None
        modulus = 1 << INTEGER_TYPES[self.spec.output.dtype][0]
        bias = self.bias
        shift = self.layout.shift
        for code in np.flatnonzero(self.folds[axis].half == half).tolist():
            result = self._result(vertex + forth * self.folds[axis].offset[code]) + bias
            if self.spec.curve.closed and abs(c1 - c0) == modulus and result == c0 + bias:
                # A full turn wraps by itself: near the end of the curve the sum runs on to one turn.
                arc = vertex + forth * self.folds[axis].offset[code]
                result += (c1 - c0) * int(arc * 2 > self.spec.curve.segments)
            step = rising * int(self.steps[axis][code])
            least, most = (result << shift) - step, ((result + 1) << shift) - 1 - step
            low = least if low is None else max(low, least)
            high = most if high is None else min(high, most)
        if low is None or high is None:
            return CONSTANT
        # Of the multiples that leave room for the factors, the one nearest the middle.
        base = ((low + high - factors) // 2 >> FACTORS << FACTORS) + factors
        fitting = [b for b in (base - 16, base, base + 16) if low <= b <= high and b >= 0]
        if not fitting:
            raise _NoBase
        chosen = min(fitting, key=lambda b: abs(2 * b - low - high))
        known = (2 if axis == 0 else self.layout.stride) * half << self.layout.field
        known += 0 if axis == 0 else 1 << self.layout.field
        return (chosen - factor * known) & MASK

    def _constant(self, vertex: int) -> int:
        return ((self._result(Fraction(vertex)) + self.bias) << self.layout.shift) | CONSTANT

    def entries(self) -> IntArray:
        """All octants."""
        side, layout, around = self.spec.curve.side, self.layout, self.around
        result = np.full((2 * side - 2, layout.stride // 2, 2), CONSTANT, dtype=np.int64)
        for hy in range(2 * side - 2):
            for hx in range(2 * side - 2):
                ox, oy, nx, ny = own_vertex(hx), own_vertex(hy), other_vertex(hx), other_vertex(hy)
                own = int(self.place[oy, ox])
                upright = self._edge(1, hy, own, int(self.place[ny, ox])) if around.vertical[hy, hx] else None
                across = self._edge(0, hx, own, int(self.place[oy, nx])) if around.horizontal[hy, hx] else None
                if upright is not None and across is not None:
                    # Where no order settles the ties, they count as gx > gy.
                    wrong = not self.ordered and around.vertical_first[hy, hx]
                    result[hy, hx] = upright, self._flagged(across) if wrong else across
                elif upright is not None or across is not None:
                    result[hy, hx] = (across or 0) if upright is None else upright
                else:
                    # Both factors are 0, so the flags stay in the sum.
                    alone = self._constant(own)
                    far_v, far_h = around.far_vertical[hy, hx], around.far_horizontal[hy, hx]
                    result[hy, hx, 0] = alone | (FLAG if far_h else FLAG | VERTICAL if far_v else 0)
                    turn = far_v and far_h and not self.ordered and not around.far_vertical_first[hy, hx]
                    result[hy, hx, 1] = alone | (FLAG | VERTICAL if far_v else FLAG if far_h else 0) | TURN * turn
        return result.reshape(-1)

    @staticmethod
    def _flagged(entry: int) -> int:
        return entry ^ FLAG

    def numbers(self, x: IntArray, y: IntArray) -> IntArray:
        """Octant of the raw bits x and y."""
        return np.asarray((self.words[0][x] + self.words[1][y]) >> self.layout.field)

    def decider(self) -> tuple[Decider, bool]:
        """What tells a far edge from the own vertex, and whether it needs 64-bit products."""
        y, x = (bits.reshape(-1) for bits in np.meshgrid(np.arange(256), np.arange(256), indexing="ij"))
        hx, hy = self.folds[0].half[x], self.folds[1].half[y]
        chosen = self.around.lone[hy, hx]
        x, y, hx, hy = x[chosen], y[chosen], hx[chosen], hy[chosen]
        far_v, far_h = self.around.far_vertical[hy, hx], self.around.far_horizontal[hy, hx]
        vertical = np.where(self.numbers(x, y) % 2 == 1, far_v, ~far_h)
        exact = [np.array(f.offset, dtype=object) for f in self.folds]
        along = np.where(vertical, self.steps[1][y], self.steps[0][x])
        across = np.where(vertical, self.steps[0][x], self.steps[1][y])
        exact_along = np.where(vertical, exact[1][y], exact[0][x])
        exact_across = np.where(vertical, exact[0][x], exact[1][y])
        corners = [int(s) for f, steps in zip(self.folds, self.steps, strict=True) for s in steps[f.corner]]
        near = min(corners, default=1 << self.layout.field)
        left = across >= near
        along, across = along[left], across[left]
        beyond = (exact_along[left] ** 2 + 2 * exact_across[left] > 1).astype(bool)
        for drop, wide in ((max(0, int(self.unit).bit_length() - 16), False), (0, True)):
            decider = Decider(near, drop, round(2 * self.unit) >> drop, 0)
            values = decider.value(along, across)
            if not wide and len(values) and values.max() > MASK:
                continue
            least = int(values[beyond].min()) if beyond.any() else (1 << 63) - 1 if wide else MASK
            if beyond.all() or values[~beyond].max() < least:
                return Decider(near, drop, decider.double, least), wide
        raise _NoBase


class _Model:
    """The steps of templates/kernels/octant.c.j2 with one builder's tables."""

    def __init__(self, builder: _Builder, table: IntArray, decider: Decider) -> None:
        self.builder, self.table, self.decider = builder, table, decider

    @staticmethod
    def _total(entry: IntArray, a: IntArray, b: IntArray) -> IntArray:
        return np.asarray((entry + (entry & 3) * a + ((entry >> 2) & 3) * b - a - b) & MASK)

    def _settled(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """By raw bits: the sum, the octant, and whether that is on the other side of a square, to the side or up."""
        layout, ties = self.builder.layout, not self.builder.ordered
        a, b = self.builder.words[0][x], self.builder.words[1][y]
        number = (a + b) >> layout.field
        entry = self.table[number]
        result = self._total(entry, a, b)
        flagged = result >= FLAG
        gx, gy = a & (1 << layout.field) - 1, (1 << layout.field) - (b & (1 << layout.field) - 1)
        constant = entry & 15 == CONSTANT
        vertical = (entry & VERTICAL != 0) & ~((entry & TURN != 0) & (gx == gy))
        along, across = np.where(vertical, gy, gx), np.where(vertical, gx, gy)
        far = self.decider.value(along, across) >= self.decider.least
        # The C looks closer only where the code across, told by a bit of the sum, is in the corner zone.
        closer = flagged & ((np.where(result & VERTICAL != 0, gx, gy) >= self.decider.near) | ties & (gx == gy))
        moved = closer & np.where(constant, far, gx == gy)
        number = np.where(moved, number ^ np.where(constant, np.where(vertical, 2, layout.stride), 1), number)
        result = np.where(moved, self._total(self.table[number], a, b), result) & (FLAG - 1)
        beside = moved & constant
        return result, number, beside & vertical, beside & ~vertical

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes of raw bits."""
        return as_output(self.builder.spec, self._settled(x, y)[0] >> self.builder.layout.shift)

    def slots(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        """Slots of the terms of x and y (distances.py): the factors, but beside a far edge."""
        _, number, aside, above = self._settled(x, y)
        entry = self.table[number]
        return np.where(aside, FAR, entry & 3), np.where(above, FAR, entry >> 2 & 3)


class Octant:
    """About 18 instructions per point on Cortex-M3 and M4, in 2 to 4 KB up to order 3; more where an edge competes."""

    name = "octant"
    summary = "a linear function for each octant; any scale, inset and zero point"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, other estimators, and results too wide for 32-bit sums."""
        if spec.heads.bits != 8:
            raise Refused("tables by axis code are for 8-bit heads")
        if spec.estimator.kind != "nearest":
            raise Refused(f"the estimator {spec.estimator.kind} is no linear function of one code")
        side = spec.curve.side
        stride = 1 << (2 * (2 * side - 2) - 1).bit_length()
        entries = stride * (2 * side - 2)
        if entries > MAX_ENTRIES:
            raise Refused(f"it would hold {entries} octants, against the full table's 65536 results")
        field = WORD - (entries - 1).bit_length()
        c0, c1 = spec.output.codes
        width = INTEGER_TYPES[spec.output.dtype][0] + 1 if min(c0, c1) < 0 else max(c0, c1).bit_length()
        cell = Fraction(abs(c1 - c0), spec.curve.segments)
        most = min(31 - width, field - 1 - int(cell / 2).bit_length() + 1)
        folds = [fold(spec, axis) for axis in (0, 1)]
        around = quarters(spec)
        for shift in range(most, max(most - 3, FACTORS + 1), -1):
            for lift in range(1, 18):
                try:
                    builder = _Builder(spec, folds, around, Layout(stride, field, shift, lift))
                    table = builder.entries()
                    decider, wide = builder.decider()
                except _NoBase:
                    continue
                return self._built(spec, ideal, _Model(builder, table, decider), wide, distance)
        raise Refused(
            f"no base of {WORD} bits gives exactly rounded results (a span of {abs(c1 - c0)} over "
            f"{spec.curve.segments} segments{', closed' if spec.curve.closed else ''})"
        )

    def _built(self, spec: Spec, ideal: Ideal, model: _Model, wide: bool, distance: bool) -> Built:
        builder, layout, decider = model.builder, model.builder.layout, model.decider
        column, row = builder.words
        low = (1 << layout.field) - 1
        ties = not builder.ordered
        of_x = f"2 half cell << {layout.field} | gx, by the raw bits of x"
        of_y = f"{layout.stride} half cell << {layout.field} | 2^{layout.field} - gy, by the raw bits of y"
        portable = Implementation(
            tables=(
                Table("column", "uint32", column, of_x, 8),
                Table("row", "uint32", row, of_y, 8),
                Table("octant", "uint32", model.table, f"base << {layout.shift} of each octant, with its factors", 8),
            ),
            decode=model.decode,
            params={
                "field": layout.field,
                "low": f"0x{low:X}UL",
                "one": f"0x{low + 1:X}UL",
                "shift": layout.shift,
                "stride": layout.stride,
                "flag_lost": 31 - layout.shift >= INTEGER_TYPES[spec.output.dtype][0],
                "ties": ties,
                "lone": bool(builder.around.lone.any()),
                "near": f"{decider.near}U",
                "drop": decider.drop,
                "double": f"{decider.double}U",
                "least": f"{decider.least}U" + ("LL" if wide else ""),
                "product": "uint64_t" if wide else "uint32_t",
            },
        )

        found = cache(lambda: lanes(spec, builder.folds, builder.around, ideal.codes, distance))

        def in_lanes(away: Distances | None = None) -> Implementation:
            fitting = found()
            if fitting is None or (away is not None and not away.narrow):
                raise Refused(
                    "parts, ranks, phases or distances do not fit lanes of 16 bits, or ties are not told apart there"
                )
            return fitting.implementation(away)

        offers: dict[str, Offer] = {"mve": in_lanes}
        if distance:
            vectors = found()
            taken = max(portable.table_bytes, 0 if vectors is None else vectors.table_bytes)
            slots = model.slots(*np.meshgrid(np.arange(256), np.arange(256)))
            away = distances(spec, ideal, *slots, room=ROOM - taken)
            portable = away.beside(portable, model.slots)
            offers = {"mve": lambda: in_lanes(away)}
        return Built(
            strategy=self.name,
            portable=portable,
            note="A linear function of one code for each octant of a quarter cell, found by one comparison.",
            kind="ties" if ties else "",
            offers=offers,
        )


STRATEGIES.add(Octant.name, Octant())
