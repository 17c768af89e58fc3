"""`corner`: three to six heads, fast. The half cells of a query tell its own vertex and, mostly, the nearest half segment.

The own vertex is the corner of the query's half cells. A query at distances g from it, axis by axis, is as far from

    a half segment of that vertex into the box, along c       sum g^2 - g_c^2
    one of another corner, across the axes D, along c          sum g^2 - g_c^2 + sum over D of (1 - 2 g)

so the nearest is the one that *saves* most: g_c^2 less the second sum. Two half segments of the own vertex are told apart
by which g is greater. Another corner's can only be nearer where g exceeds 3/8 on every axis of D, which few queries do.

A box is here a part of a half cell on every axis: codes clamped to an end of the axis, where g is 0, are a part of their
own, and `CUTS` says where half cells are cut besides. `share` holds every code's share in the number of its box; `gap` its g in
units of the result, offset such that one bit tells whether g exceeds 3/8. The record of a box says what it needs:

    31   30 - width  0
    | sign | axis | base |      result = (base + sign * gap of the code of axis) >> shift
    | 0    | kind | index |     see Kind; the rest is in `more`

Savings are compared in 32 bits with g as `gap` has it, and where that is too close a call, in 64 bits with g from the code by
multiplication; or else, where positions are multiples of so large a part of a cell, with exact ones in 32 bits at once.

A scale of few decimal digits is a binary number close to it. Distances that would be equal with the decimal one then differ by some
2^-55. So positions are taken apart into those of a simple fraction near the true step from code to code, and the small rest
times the code: where savings are equal by the former, the latter's terms of first order decide, and of second where those are equal, too.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import (
    STRATEGIES,
    Built,
    Implementation,
    IntArray,
    Refused,
    Table,
    as_output,
    smallest_unsigned,
)
from hilbert_codegen.kernels.half_cells import Geometry, boxes_of, check_covered, same_signs, unbeaten
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: More fractional bits of a result than this gain nothing.
MOST_SHIFT = 12
#: Cells are at most 2^WIDE units long where 32 bits are not enough.
WIDE = 30
#: The same where 32 bits are enough: five times its square is below 2^31.
NARROW = 14
#: Bits of what a term of second order is below one of first order.
SECOND = 20
#: Denominators of a simple step that stands for the true one, and how near it must be.
SIMPLE, NEAR = 1 << 24, Fraction(1, 1 << 46)
#: The terms of first and second order count less than this part of a unit of savings, in the proof.
FIRST_ORDER = 1 << 80
#: Bits of a distance up to half a cell in the comparison with 32 bits.
ROUGH = 13
#: Another corner can only be nearer where a distance exceeds this.
ZONE = Fraction(3, 8)
#: Where half cells are cut, the finest first: the first that keeps to `MOST_BOXES` boxes is taken, or else the last.
CUTS: tuple[tuple[Fraction, ...], ...] = ((ZONE,), ())
MOST_BOXES = 512
#: Rounds in which distances are adjusted to the results at most.
ROUNDS = 400
CHUNK = 1 << 16


class Kind(enum.IntEnum):
    """What a record without a sign says of its box, in place of the axis; its index leads to `more`."""

    #: Two half segments of the own vertex: their records. The second is nearer where its distance is greater.
    PAIR = 0
    #: Other corners' half segments too: the record without them, then the list of all. Above the index stand axes (plus
    #: one, three bits each), along one of which a distance above 3/8 is needed; and, as the topmost bit of the base, whether two
    #: half segments are the own vertex's, which come first.
    AMONG = 1
    #: The own vertex is nearest: in place of the index the result.
    VERTEX = 2


#: Where the description of a half segment has an axis that it is across, and the one along it; and the end of a list.
ACROSS, ALONG, LAST = 18, 21, 1 << 31


class _Merged(Geometry):
    """Boxes of parts of half cells; the last half cell of an axis takes in the codes clamped to its end."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        #: The other half of every half segment's segment.
        count = len(self.at) // 2
        ahead = (np.arange(count) + spec.curve.closed) % count
        self.twin = np.concatenate([count + ahead, np.argsort(ahead)])
        last = 2 * spec.curve.side - 3
        self.half = [np.minimum(axis, last) for axis in self.half]
        cells = last + 1
        self.cuts = next((cuts for cuts in CUTS if self._count(cells, cuts) ** spec.dimensions <= MOST_BOXES), CUTS[-1])
        #: Half cell of every part of an axis; the last two are those clamped to its low and high end.
        self.cells = [part // (len(self.cuts) + 1) for part in range(cells * (len(self.cuts) + 1))] + [0, last]
        #: Exact distances of every code from its own vertex.
        self.offset = [
            [abs(place - (half + 1) // 2) for place, half in zip(places, halves.tolist(), strict=True)]
            for places, halves in zip(self.place, self.half, strict=True)
        ]
        #: Which part of its axis every code is in.
        self.part = [
            np.array([self._part(place, half, g) for place, half, g in zip(places, halves.tolist(), axis, strict=True)])
            for places, halves, axis in zip(self.place, self.half, self.offset, strict=True)
        ]

    @staticmethod
    def _count(cells: int, cuts: tuple[Fraction, ...]) -> int:
        return cells * (len(cuts) + 1) + 2

    def _part(self, place: Fraction, half: int, g: Fraction) -> int:
        if place in (0, self.spec.curve.side - 1):
            return len(self.cells) - (2 if place == 0 else 1)
        return half * (len(self.cuts) + 1) + sum(g > cut for cut in self.cuts)

    @property
    def parts(self) -> int:
        """Parts of an axis."""
        return len(self.cells)

    def still(self, part: int) -> bool:
        """Whether all codes of a part are clamped to an end of its axis, so that their distance is 0."""
        return part >= self.parts - 2

    def groups(self) -> list[dict[int, IntArray]]:
        """For every axis: part -> indices of its codes."""
        return [{int(part): np.flatnonzero(axis == part) for part in np.unique(axis)} for axis in self.part]

    def cell(self, box: tuple[int, ...]) -> tuple[int, ...]:
        """The half cells of a box."""
        return tuple(self.cells[part] for part in box)

    def spared(self, order: Sequence[int], box: tuple[int, ...]) -> list[int]:
        """Half segments that a box need not list, since one that it lists has the same nearest points there.

        Of a segment that crosses the middle between two corners one half is enough (`items`). And where the distance from
        the own vertex along a half segment is 0, any other one of that vertex is.
        """
        own = np.array([(half + 1) // 2 for half in self.cell(box)])
        twins = [int(self.twin[h]) for h in order]
        found = [t for t in twins if t not in order and (self.at[t] - own)[self.heads.axis[t]]]
        if any((self.at[h] == own).all() for h in order):
            mine = np.flatnonzero((self.at == own).all(axis=1)).tolist()
            found += [h for h in mine if h not in order and self.still(box[int(self.heads.axis[h])])]
        return found


@dataclass(frozen=True)
class Item:
    """A listed half segment: its axis if it runs into the box (else None: its vertex), and the axes that it is across."""

    half: int
    along: int | None
    across: tuple[int, ...]

    @property
    def word(self) -> int:
        """Its description for the C: numbers of axes plus one, three bits each, that along it first; and two again."""
        found = 0 if self.along is None else self.along + 1 | self.along << ALONG
        for place, axis in enumerate(self.across, 1):
            found |= (axis + 1) << (3 * place)
        return found | min(self.across, default=0) << ACROSS


def items(geometry: _Merged, cell: tuple[int, ...], listed: Sequence[int]) -> list[Item]:
    """What `listed` half segments of the half cells `cell` are. Raises Refused where one is not of a corner of them."""
    own = np.array([(half + 1) // 2 for half in cell])
    inward = np.where(np.array(cell) % 2 == 0, 1, -1)
    found = []
    for h in listed:
        away = geometry.at[h] - own
        if away[geometry.heads.axis[h]] and int(geometry.twin[h]) in listed:
            continue  # the middle of the segment is as near, and in the other half too
        across = np.flatnonzero(away)
        along = int(np.argmax(np.abs(geometry.step[h])))
        if (away[across] != inward[across]).any() or along in across:
            raise Refused("a half segment of no corner of a box is nearest there")
        inside = int(geometry.step[h, along]) == int(inward[along])
        if not inside and len(across):
            raise Refused("a vertex beside the own one is nearest")
        found.append(Item(h, along if inside else None, tuple(across.tolist())))
    return found


@dataclass(frozen=True)
class Layout:
    """The tables of one decoder and their constants.

    Attributes:
        spec: what is computed.
        share: (heads, 256) by raw bits; their sum is the number of the box.
        gap: (heads, 256) by raw bits.
        box: number of the record of every box, or None where boxes and records have the same number.
        record, more: records.
        shift: fractional bits of a result.
        at: bits of the index into `more` of Kind.AMONG.
        zero: gap of g = 0.
        zone: the bit that is set where g exceeds 3/8.
        rough: bits of g that the comparison with 32 bits leaves out.
        cell: a cell in the units of that comparison.
        margin: difference of savings that it takes to be sure.
        one: a cell in the units of the comparison with exact distances.
        factor, term: (heads,) the position of a code, counted from the least, is (factor * code + term) >> wide in
            those units.
        wide: see there.
        slope, middle: (heads,) what the true position of a code exceeds that one by, in units of their own, is
            slope * (code - middle). All 0 where it is the true one.
    """

    spec: Spec
    share: IntArray
    gap: IntArray
    box: IntArray | None
    record: IntArray
    more: IntArray
    shift: int
    at: int
    zero: int
    zone: int
    rough: int
    cell: int
    margin: int
    one: int
    factor: IntArray
    term: IntArray
    wide: int
    slope: IntArray
    middle: IntArray

    @property
    def axis_bits(self) -> int:
        """Bits of the number of an axis in a record."""
        return 2 if self.spec.dimensions <= 4 else 3

    @property
    def narrow(self) -> bool:
        """Whether 32 bits hold exact savings, so that there is no other comparison."""
        return self.wide == 0 and self.one <= 1 << NARROW

    @property
    def second(self) -> int:
        """Bits for terms of second order: where slopes are but signs there is room for them."""
        return SECOND if np.abs(self.slope).max() <= 1 else 0

    @property
    def base_bits(self) -> int:
        """Bits of a record below its axis."""
        return 30 - self.axis_bits

    def of_box(self, number: IntArray) -> IntArray:
        """The records of boxes."""
        return np.asarray(self.record[number if self.box is None else self.box[number]])

    def kind(self, record: IntArray) -> IntArray:
        """The kinds of records without a sign; -1 of others."""
        kind = record >> self.base_bits & ((1 << self.axis_bits) - 1)
        return np.asarray(np.where(record >> 30 == 0, kind, -1))

    def distance(self, gaps: IntArray) -> IntArray:
        """g of gaps."""
        return np.asarray(gaps - self.zero)

    def exact(self, axis: int, raw: IntArray) -> tuple[IntArray, IntArray]:
        """g of raw bits in units of `one`, from the code; and what the true one exceeds it by, in units of the slopes."""
        code = raw ^ 0x80 if self.spec.heads.dtype == "int8" else raw
        position = (self.factor[axis] * code + self.term[axis]) >> self.wide
        rest = self.slope[axis] * (code - self.middle[axis])
        end = (self.spec.curve.side - 1) * self.one
        inside = ((position > 0) | (position == 0) & (rest > 0)) & ((position < end) | (position == end) & (rest < 0))
        part = np.where(inside, position, 0) % self.one
        half = self.one // 2
        back = (part > half) | (part == half) & (rest > 0)
        slope = np.where(part == 0, np.abs(rest), np.where(back, -rest, rest))
        return np.where(back, self.one - part, part), np.where(inside, slope, 0)

    def decode(self, *raw: IntArray) -> IntArray:
        """The executable model: results of raw codes, one array for each head."""
        flat = [np.asarray(bits).reshape(-1) for bits in raw]
        result = np.empty(len(flat[0]), dtype=np.int64)
        for start in range(0, len(result), CHUNK):
            part = np.stack([bits[start : start + CHUNK] for bits in flat])
            result[start : start + CHUNK] = self._decode(part)
        return as_output(self.spec, result).reshape(np.shape(raw[0]))

    def _decode(self, raw: IntArray) -> IntArray:
        gaps = np.stack([self.gap[a][bits] for a, bits in enumerate(raw)])
        record = self.of_box(np.asarray(sum(self.share[a][bits] for a, bits in enumerate(raw))))
        among = np.flatnonzero(self.kind(record) == Kind.AMONG)
        if len(among):
            own = 1 + (record[among] >> (self.base_bits - 1) & 1)
            at = record[among] & ((1 << self.at) - 1)
            gates = record[among] & ((1 << (self.base_bits - 1)) - 1)
            record[among] = self.more[at]
            open_ = np.flatnonzero(
                self._gated(gates >> self.at, gaps[:, among]) & self._contested(gaps[:, among], at + 1 + 2 * own)
            )
            record[among[open_]] = self._nearest(raw[:, among[open_]], gaps[:, among[open_]], at[open_] + 1)
        pair = np.flatnonzero(self.kind(record) == Kind.PAIR)
        if len(pair):
            at = record[pair] & 0xFFFF
            first, second = self.more[at], self.more[at + 1]
            one, other = (self._along(one, gaps[:, pair]) for one in (first, second))
            record[pair] = np.where(other > one, second, first)
        return self._result(record, self._along(record, gaps))

    def _gated(self, gates: IntArray, gaps: IntArray) -> Any:
        """Whether the distance along any of the axes `gates` exceeds 3/8."""
        found = np.zeros(len(gates), dtype=bool)
        for place in range(0, 15, 3):
            axis = gates >> place & 7
            zone = np.take_along_axis(gaps, np.maximum(axis - 1, 0)[None, :], axis=0)[0] & self.zone != 0
            found |= (axis > 0) & zone
        return found

    def _contested(self, gaps: IntArray, at: IntArray) -> Any:
        """Whether any of the other corners' half segments listed from `at` can be nearer."""
        gap = self.distance(gaps) >> self.rough
        found = np.zeros(len(at), dtype=bool)
        left = np.arange(len(at))
        step = 0
        while len(left):
            word = self.more[at[left] + step + 1]
            across, along = word >> ACROSS & 7, word >> ALONG & 7
            found[left] |= gap[along, left] ** 2 + self.margin > self.cell * (self.cell - 2 * gap[across, left])
            left = left[(word & LAST == 0) & ~found[left]]
            step += 2
        return found

    def _along(self, record: IntArray, gaps: IntArray) -> IntArray:
        axis = np.where(record >> 30 == 0, 0, record >> self.base_bits & ((1 << self.axis_bits) - 1))
        return np.asarray(np.take_along_axis(gaps, axis[None, :], axis=0)[0])

    def _result(self, record: IntArray, gap: IntArray) -> IntArray:
        sign = np.where(record >> 31 == 1, (record >> 30) - 4, record >> 30)
        computed = (record + sign * gap & ((1 << self.base_bits) - 1)) >> self.shift
        return np.asarray(np.where(sign == 0, record & 0xFFFF, computed))

    def _nearest(self, raw: IntArray, gaps: IntArray, at: IntArray) -> IntArray:
        """Records of the nearest ones of lists that start at `at`."""
        if self.narrow:
            return self._exactly(raw, at)
        rough = self.distance(gaps) >> self.rough
        best, clear = self._most(at, rough, self.cell, self.margin)
        close = np.flatnonzero(~clear)
        if len(close):
            best[close] = self._exactly(raw[:, close], at[close])
        return best

    def _exactly(self, raw: IntArray, at: IntArray) -> IntArray:
        found = [self.exact(a, bits) for a, bits in enumerate(raw)]
        g, slope = (np.stack(part) for part in zip(*found, strict=True))
        return self._most(at, g, self.one, 0, slope)[0]

    def _most(
        self, at: IntArray, g: IntArray, cell: int, margin: int, slope: IntArray | None = None
    ) -> tuple[IntArray, Any]:
        """Records of the greatest savings of lists, the first of equal ones, and whether no other is within `margin`."""
        none = np.zeros((1, len(at)), np.int64)
        # Savings and their terms of first and second order.
        squares = [np.concatenate([none, g * g])]
        costs = [np.concatenate([none, cell * (cell - 2 * g)])]
        if slope is not None:
            squares.append(
                np.concatenate([none, (2 * g * slope << self.second) + (slope * slope if self.second else 0)])
            )
            costs.append(np.concatenate([none, -2 * cell * slope << self.second]))
        best = np.zeros(len(at), dtype=np.int64)
        most = np.full((len(squares), len(at)), -(1 << 62), dtype=np.int64)
        clear = np.ones(len(at), dtype=bool)
        left = np.arange(len(at))
        step = 0
        while len(left):
            word = self.more[at[left] + step + 1]
            saving = np.stack([square[word & 7, left] for square in squares])
            for shift in range(3, ACROSS, 3):
                saving = saving - np.stack([cost[word >> shift & 7, left] for cost in costs])
            greater = (saving[0] > most[0, left]) | (saving[0] == most[0, left]) & (saving[-1] > most[-1, left])
            apart = np.abs(saving[0] - most[0, left]) >= margin
            clear[left] = apart & (greater | clear[left])
            best[left[greater]] = self.more[at[left] + step][greater]
            most[:, left[greater]] = saving[:, greater]
            left = left[word & LAST == 0]
            step += 2
        return best, clear


class _Scale:
    """g of all codes in units of the result, and the bases that go with it: whole numbers for which every result is right.

    With the result of half segment h at distance g wanted to be w, lo = w << shift and hi = lo + (1 << shift) - 1,

        lo <= base[h] + sign * g <= hi,     and equal distances are equal, greater ones greater.

    All these are differences of two of the unknowns g and -sign * base, bounded below. They are raised from the rounded exact values
    until all bounds are kept.

    Attributes:
        shift: fractional bits of a result.
        g: (heads, 256) see above.
        base: (halves,) see above.
        zone: the bit that tells g above 3/8 once `zero` is added.
        zero: what is added.
    """

    def __init__(self, geometry: _Merged, shift: int) -> None:
        spec = geometry.spec
        c0, c1 = spec.output.codes
        self.shift = shift
        self.unit = Fraction(abs(c1 - c0) << shift, spec.curve.segments)
        exact = sorted({g for axis in geometry.offset for g in axis} | {Fraction(0)})
        index = {g: i for i, g in enumerate(exact)}
        at = [np.array([index[g] for g in axis]) for axis in geometry.offset]
        rises = np.arange(len(exact) - 1)
        above, below, least = [rises + 1], [rises], [np.ones(len(rises), dtype=np.int64)]
        start = [math.floor(g * self.unit + Fraction(1, 2)) for g in exact]
        self.sign = np.where(geometry.forth == (c1 > c0), 1, -1)
        for h in range(len(geometry.at)):
            a, sign, node = int(geometry.heads.axis[h]), int(self.sign[h]), len(start)
            cell = 2 * int(geometry.at[h, a]) - (int(geometry.step[h, a]) < 0)
            codes = np.flatnonzero(geometry.half[a] == cell)
            low = wanted(geometry, h, codes) << shift
            high = low + (1 << shift) - 1
            places = at[a][codes]
            own = np.full(len(codes), node)
            # The unknown of the base is -sign * base: g - (-base) for one sign, base - g for the other.
            bounds = (low, -high) if sign > 0 else (-high, low)
            for upper, lower, bound in ((places, own, bounds[0]), (own, places, bounds[1])):
                above.append(upper)
                below.append(lower)
                least.append(bound)
            centre = low + (1 << (shift - 1)) - sign * np.array(start)[places]
            start.append(-sign * int(np.median(centre)) if len(codes) else 0)
        found = _raised(np.array(start, dtype=np.int64), *(np.concatenate(part) for part in (above, below, least)))
        g = found[: len(exact)] - found[0]
        self.base = -self.sign * (found[len(exact) :] - found[0])
        self.g = np.stack([g[places] for places in at])
        beyond = [int(value) for value, distance in zip(g, exact, strict=True) if distance > ZONE]
        first = min(beyond, default=int(g.max()) + 1)
        bits = max(first - 1, int(g.max()) - first).bit_length()
        self.zone = 1 << bits
        self.zero = self.zone - first


def _raised(value: IntArray, above: IntArray, below: IntArray, least: IntArray) -> IntArray:
    """`value` raised until value[above] - value[below] >= least everywhere. Raises Refused where that comes to no end."""
    value = value.copy()
    for _ in range(ROUNDS):
        wanted_value = value[below] + least
        low = np.flatnonzero(value[above] < wanted_value)
        if not len(low):
            return value
        np.maximum.at(value, above[low], wanted_value[low])
    raise Refused("a result is a closer call than its fractional bits settle")


def wanted(geometry: _Merged, half: int, codes: IntArray) -> IntArray:
    """Exact results, without the end of a closed curve being its start."""
    c0, c1 = geometry.spec.output.codes
    found = geometry.heads.output[half][codes].astype(np.int64)
    vertex, forth = int(geometry.vertex[half]), bool(geometry.forth[half])
    late = geometry.spec.curve.closed and (vertex > geometry.spec.curve.segments // 2 or not (vertex or forth))
    return np.where(found == c0, c1, found) if late else found


class _Records:
    """The records of all half segments and vertices."""

    def __init__(self, geometry: _Merged, scale: _Scale, width: int) -> None:
        self.geometry, self.scale, self.width = geometry, scale, width

    def of(self, item: Item) -> int:
        """The record of a listed half segment."""
        h = item.half
        if item.along is None:
            return Kind.VERTEX << self.width | self._vertex(h)
        sign = int(self.scale.sign[h])
        base = int(self.scale.base[h]) - sign * self.scale.zero
        return (sign & 3) << 30 | item.along << self.width | base & ((1 << self.width) - 1)

    def _vertex(self, half: int) -> int:
        a = int(self.geometry.heads.axis[half])
        up = int(self.geometry.step[half, a]) > 0
        # Any code on the side that the half segment runs away from has the vertex's result.
        at = int(self.geometry.at[half, a])
        beyond = [i for i, v in enumerate(self.geometry.place[a]) if (v <= at if up else v >= at)]
        (value,) = set(self.geometry.heads.output[half][np.array(beyond)].tolist())
        return int(value) & 0xFFFF


def _simple(step: Fraction) -> Fraction:
    """A simple fraction near a step, if there is one, else the step itself."""
    found = step.limit_denominator(SIMPLE)
    return found if abs(step - found) < NEAR else step


def _wide(geometry: _Merged) -> tuple[int, IntArray, IntArray, int, IntArray, IntArray]:
    """one, factor, term, wide, slope and middle of a layout, without rounding where that fits."""
    spec = geometry.spec
    least = int(spec.heads.codes().min())
    true = [1 / spec.pitch(a) for a in range(spec.dimensions)]
    steps = [_simple(step) for step in true]
    middle = np.array([zero - least for zero in spec.heads.zero_point])
    starts = [spec.coordinate(a, int(m) + least) - int(m) * steps[a] for a, m in enumerate(middle)]
    rests = [exact - step for exact, step in zip(true, steps, strict=True)]
    most = max(abs(rest) for rest in rests)
    # Rests of one size are told by their signs alone; others are rounded.
    size = most if all(abs(rest) in (0, most) for rest in rests) else most / (1 << 16)
    slope = np.array([round(rest / size) if size else 0 for rest in rests])
    parts = math.lcm(2, *(value.denominator for value in (*steps, *starts)))
    reach = max(abs(start) + 256 * step for start, step in zip(starts, steps, strict=True))
    for bits in (NARROW, WIDE):
        one = (1 << bits) // parts * parts
        if one > 0 and reach * one < 1 << (31 if bits == NARROW else 62) and (bits == WIDE or np.abs(slope).max() <= 1):
            return (
                one, np.array([int(s * one) for s in steps]), np.array([int(s * one) for s in starts]), 0, slope, middle
            )  # fmt: skip
    wide = 61 - WIDE - math.ceil(reach).bit_length()
    scale = 1 << (WIDE + wide)
    half = Fraction(1, 2)
    starts = [spec.coordinate(a, least) for a in range(spec.dimensions)]
    factor = [math.floor(step * scale + half) for step in true]
    term = [math.floor(start * scale + half) + (1 << (wide - 1)) for start in starts]
    return 1 << WIDE, np.array(factor, dtype=np.int64), np.array(term, dtype=np.int64), wide, 0 * slope, middle


def _margin(geometry: _Merged, distance: IntArray, layout: Layout) -> int:
    """What a difference of two savings in the comparison with 32 bits is at least, if it is to have its true sign."""
    c0, c1 = geometry.spec.output.codes
    true = Fraction(abs(c1 - c0) << layout.shift, geometry.spec.curve.segments << layout.rough)
    square = cost = Fraction(0)
    for exact, whole in zip(geometry.offset, (distance >> layout.rough).tolist(), strict=True):
        for g, r in zip(exact, whole, strict=True):
            square = max(square, abs(r * r - (g * true) ** 2))
            cost = max(cost, abs(layout.cell * (layout.cell - 2 * r) - true * true * (1 - 2 * g)))
    return math.ceil(2 * (square + (geometry.spec.dimensions - 1) * cost)) + 1


#: Box -> its half segments.
Lists = dict[tuple[int, ...], list[Item]]


def lists_of(geometry: _Merged) -> Lists:
    """The half segments of every box. Raises Refused."""
    found = {}
    for box, tables, _ in boxes_of(geometry):
        cell = geometry.cell(box)
        listed = items(geometry, cell, unbeaten(geometry, cell, tables))
        own = [item for item in listed if not item.across]
        moving = [item for item in own if item.along is not None and not geometry.still(box[item.along])]
        # Where the distance along one of the own vertex is 0, any other one of that vertex serves (`_Merged.spared`).
        spare = [item for item in own if item not in (moving or own[:1])]
        found[box] = [item for item in listed if item not in spare]
    return found


def _united(geometry: _Merged, lists: Lists) -> Lists:
    """The same list for all boxes of the same half cells that list other corners' half segments."""
    union: dict[tuple[int, ...], set[Item]] = {}
    for box, listed in lists.items():
        if any(item.across for item in listed):
            union.setdefault(geometry.cell(box), set()).update(listed)
    ordered = {}
    for cell, united in union.items():
        rank = geometry.rank(cell)
        ordered[cell] = sorted(united, key=lambda item: (bool(item.across), rank[item.half], item.half))
    return {
        box: ordered[geometry.cell(box)] if any(item.across for item in listed) else listed
        for box, listed in lists.items()
    }


class _Writer:
    """Writes the records of boxes and what they lead to."""

    def __init__(self, records: _Records, width: int) -> None:
        self.records, self.width = records, width
        self.more: list[int] = []
        self.placed: dict[tuple[int, ...], int] = {}

    def put(self, words: tuple[int, ...]) -> int:
        """Where `words` are in `more`."""
        if words not in self.placed:
            self.placed[words] = len(self.more)
            self.more.extend(words)
        return self.placed[words]

    def near(self, listed: list[Item]) -> int:
        """The record of the own vertex's half segments."""
        own = [self.records.of(item) for item in listed if not item.across]
        return own[0] if len(own) == 1 else Kind.PAIR << self.width | self.put(tuple(own))

    def among(self, listed: list[Item], at_bits: int, final: bool) -> int:
        """The record of a list with other corners' half segments."""
        words = [word for item in listed for word in (self.records.of(item), item.word)]
        words[-1] |= LAST
        at = self.put((self.near(listed), *words))
        own = sum(not item.across for item in listed)
        gates = sum(
            (axis + 1) << (3 * i) for i, axis in enumerate(_gates(item.across for item in listed if item.across))
        )
        if gates >> (self.width - 1 - at_bits) and final:
            raise Refused("its lists are too long")
        return Kind.AMONG << self.width | (own - 1) << (self.width - 1) | gates << at_bits | at


def _gates(across: Iterable[tuple[int, ...]]) -> list[int]:
    """The fewest axes of which every one of `across` has one."""
    groups = [set(axes) for axes in across]
    axes = sorted(set().union(*groups))
    for count in range(1, len(axes) + 1):
        for chosen in itertools.combinations(axes, count):
            if all(group & set(chosen) for group in groups):
                return list(chosen)
    return axes


def layout_of(spec: Spec, geometry: _Merged, lists: Lists) -> Layout:
    """The tables. Raises Refused."""
    base = geometry.parts
    width = 30 - (2 if spec.dimensions <= 4 else 3)
    scale = _Scale(geometry, min(MOST_SHIFT, width - INTEGER_TYPES[spec.output.dtype][0]))
    share = np.array(geometry.part) * np.array([base**a for a in range(spec.dimensions)])[:, None]
    rough = max(0, int(scale.unit / 2).bit_length() - ROUGH)
    direct = base**spec.dimensions <= MOST_BOXES
    if not direct:
        lists = _united(geometry, lists)
    # Once to know how many bits an index takes, once to write.
    at_bits = 16
    for final in (False, True):
        writer = _Writer(_Records(geometry, scale, width), width)
        found: IntArray = np.zeros(base**spec.dimensions, dtype=np.int64)
        for key, listed in lists.items():
            others = any(item.across for item in listed)
            record = writer.among(listed, at_bits, final) if others else writer.near(listed)
            found[sum(part * base**a for a, part in enumerate(key))] = record
        if len(writer.more) > 1 << 16:
            raise Refused("its lists are too long")
        at_bits = max(1, (len(writer.more) - 1).bit_length())
    records, numbers = np.unique(found, return_inverse=True)
    box = None if direct else numbers
    layout = Layout(
        spec, share, scale.zero + scale.g, box, found if direct else records, np.array(writer.more or [0], dtype=np.int64), scale.shift, at_bits,
        scale.zero, scale.zone, rough, round(scale.unit / (1 << rough)), 0, *_wide(geometry),
    )  # fmt: skip
    return replace(layout, margin=_margin(geometry, scale.g, layout))


class Argument:
    """The proof of a layout for all tuples of codes, box by box, in whole numbers. It reads the tables that the C has.

    - Places: the box of every code, distances in the order of the exact ones (equal where those are), the bit of the zone.
    - Every half segment that a box does not list is beaten throughout by one that it lists. Lists have the order that
      settles ties, the own vertex's first.
    - The result of every listed one is right for all codes of its axis.
    - Savings: a difference above the margin has its true sign in 32 bits, and every difference of two listed ones has it in
      64 bits. What is left out by the zone or the first comparison saves less than nothing, and an own half segment never does.
    """

    def __init__(self, layout: Layout, geometry: _Merged) -> None:
        self.layout, self.geometry = layout, geometry
        self.distance = np.stack([layout.distance(axis) for axis in layout.gap])
        exact = [layout.exact(a, np.arange(256)) for a in range(layout.spec.dimensions)]
        self.wide, self.slope = (np.stack(part) for part in zip(*exact, strict=True))
        self.halves = {
            (*at, *step): h
            for h, (at, step) in enumerate(zip(geometry.at.tolist(), geometry.step.tolist(), strict=True))
        }
        #: Whether the distances of the last comparison are exact, so that nothing can be a close call.
        self._unrounded = all(
            g * layout.one == whole
            for axis, wholes in zip(geometry.offset, self.wide.tolist(), strict=True)
            for g, whole in zip(axis, wholes, strict=True)
        )
        self._compared: dict[tuple[Any, ...], bool] = {}
        self._right: dict[tuple[int, int, int], bool] = {}

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        geometry, layout = self.geometry, self.layout
        self._places()
        if layout.margin < _margin(geometry, self.distance, layout):
            raise CheckFailed("the margin of the first comparison is less than its error")
        for box, tables, codes in boxes_of(geometry):
            where = f"box {box}"
            cell = geometry.cell(box)
            number = sum(part * geometry.parts**a for a, part in enumerate(box))
            listed = self._listed(int(layout.of_box(np.array([number]))[0]), cell, box, where)
            rank = geometry.rank(cell)
            order = [item.half for item in listed]
            if sorted(order, key=lambda h: (rank[h], h)) != order:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(geometry, cell, tables, order + geometry.spared(order, box), rank, where)
            for one, other in itertools.combinations(listed, 2):
                close = not self._unrounded and (one.across or other.across)
                if close and not self._agree(one, other, box, codes):
                    raise CheckFailed(f"{where}: two half segments are too close a call")

    def _places(self) -> None:
        geometry, layout = self.geometry, self.layout
        for a, axis in enumerate(geometry.part):
            if not np.array_equal(layout.share[a], axis * geometry.parts**a):
                raise CheckFailed(f"head {AXES[a]}: a code lies in another box than its share says")
        exact = sorted({g for axis in geometry.offset for g in axis})
        order = {g: i for i, g in enumerate(exact)}
        found = np.array([[order[g] for g in axis] for axis in geometry.offset]).reshape(-1)
        whole = self.distance.reshape(-1)
        by_order = np.argsort(found, kind="stable")
        rises, steps = np.diff(whole[by_order]), np.diff(found[by_order])
        if ((rises > 0) != (steps > 0)).any() or (rises < 0).any() or whole.min() < 0:
            raise CheckFailed("distances are not in the order of the exact ones")
        beyond = np.array([[g > ZONE for g in axis] for axis in geometry.offset])
        if not np.array_equal(layout.gap & layout.zone != 0, beyond):
            raise CheckFailed("the bit of the zone is wrong")

    def _listed(self, record: int, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> list[Item]:
        """The half segments that the C chooses among, all results of which are right."""
        layout = self.layout
        kind = int(layout.kind(np.array(record)))
        if kind not in (Kind.PAIR, Kind.AMONG):
            return [self._item(record, None, cell, box, where)]
        if kind == Kind.PAIR:
            at = record & 0xFFFF
            pair = [self._item(int(layout.more[at + i]), None, cell, box, where) for i in (0, 1)]
            if any(item.along is None for item in pair):
                raise CheckFailed(f"{where}: a pair with a vertex")
            return pair
        at = record & ((1 << layout.at) - 1)
        near = self._listed(int(layout.more[at]), cell, box, where)
        count = 1 + (record >> (layout.base_bits - 1) & 1)
        found = []
        for start in range(at + 1, len(layout.more) - 1, 2):
            word = int(layout.more[start + 1])
            found.append(self._item(int(layout.more[start]), word, cell, box, where))
            if word & LAST:
                break
        if found[:count] != near or any(not item.across for item in found[count:]) or len(found) == count:
            raise CheckFailed(f"{where}: the list does not start with what it has without other corners")
        gates = (record & ((1 << (layout.base_bits - 1)) - 1)) >> layout.at
        axes = {(gates >> place & 7) - 1 for place in range(0, 15, 3)} - {-1}
        if any(not axes.intersection(item.across) for item in found[count:]):
            raise CheckFailed(f"{where}: a half segment of another corner is across none of the axes that are asked")
        return found

    def _item(self, record: int, word: int | None, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> Item:
        """The half segment of a record, and of its description in a list; its results are compared."""
        geometry, layout = self.geometry, self.layout
        sign, axis = record >> 30, record >> layout.base_bits & ((1 << layout.axis_bits) - 1)
        across: tuple[int, ...] = ()
        if word is not None:
            across = tuple(n - 1 for shift in range(3, ACROSS, 3) if (n := word >> shift & 7))
        along = axis if sign else None
        inward = [1 if half % 2 == 0 else -1 for half in cell]
        vertex = [(half + 1) // 2 + (inward[a] if a in across else 0) for a, half in enumerate(cell)]
        steps = [
            (a, way) for a in range(len(cell)) for way in (1, -1) if along is None or (a, way) == (along, inward[along])
        ]
        halves = [
            self.halves[key] for a, way in steps
            if (key := (*vertex, *(way * (i == a) for i in range(len(cell))))) in self.halves
        ]  # fmt: skip
        if along is None:
            halves = [h for h in halves if geometry.idle(h, cell)]
        if not halves or (along is None and across):
            raise CheckFailed(f"{where}: a record is of no half segment of the curve")
        half = min(halves, key=lambda h: geometry.rank(cell)[h])
        item = Item(half, along, across)
        if word is not None and item.word != word & ~LAST:
            raise CheckFailed(f"{where}: the description of a half segment is wrong")
        a = int(geometry.heads.axis[half])
        key = record, half, box[a]
        if key not in self._right:
            codes = np.flatnonzero(geometry.part[a] == box[a])
            found = layout._result(np.full(len(codes), record), layout.gap[axis if sign else 0][codes])
            self._right[key] = sign != 2 and bool(
                (as_output(layout.spec, found) == geometry.heads.output[half][codes]).all()
            )
        if not self._right[key]:
            raise CheckFailed(f"{where}: a result is wrong")
        return item

    def _agree(self, one: Item, other: Item, box: tuple[int, ...], codes: list[IntArray]) -> bool:
        """Whether the difference of two savings, exact and in 64 bits, has one sign for all codes of a box."""
        axes = sorted({*one.across, *other.across, *(i.along for i in (one, other) if i.along is not None)})
        key = (one.along, one.across, other.along, other.across, tuple(box[a] for a in axes))
        if key not in self._compared:
            if one.across and other.across:
                both = (self._contending(item, codes) for item in (one, other))
                codes = [np.intersect1d(*parts) for parts in zip(*both, strict=True)]
            unit, cell = self.geometry.unit, self.layout.one
            if not all(len(codes[a]) for a in axes):
                self._compared[key] = True
                return True
            exact, fixed = [], []
            for a in axes:
                pairs = set()
                for i in codes[a].tolist():
                    true = self._part(one, other, a, int(self.geometry.offset[a][i] * unit), unit)
                    g, slope = int(self.wide[a][i]), int(self.slope[a][i])
                    whole = self._part(one, other, a, g, cell) * FIRST_ORDER
                    whole += self._rest(one, other, a, g, slope, cell)
                    pairs.add((true * cell * cell * FIRST_ORDER, whole * unit * unit))
                exact.append(np.array([g for g, _ in pairs], dtype=object))
                fixed.append(np.array([f for _, f in pairs], dtype=object))
            wrong = sum(int(np.abs(f - g).max()) for g, f in zip(exact, fixed, strict=True))
            self._compared[key] = not wrong or same_signs(exact, fixed, wrong)
        return self._compared[key]

    def _contending(self, item: Item, codes: list[IntArray]) -> list[IntArray]:
        """`codes` without those of its axis at which a half segment of another corner is always farther than the own vertex.

        Of two of which one is, the order does not matter: both are compared with an own half segment, too.
        """
        if item.along is None:
            return codes
        offset = self.geometry.offset
        gain = sum(2 * max(offset[a][i] for i in codes[a].tolist()) - 1 for a in item.across)
        own = codes[item.along]
        left = np.array([i for i in own.tolist() if offset[item.along][i] ** 2 + gain >= 0], dtype=np.int64)
        return [left if a == item.along else group for a, group in enumerate(codes)]

    def _rest(self, one: Item, other: Item, a: int, g: int, slope: int, cell: int) -> int:
        """What axis `a` adds to the terms of first and second order of that."""
        second = self.layout.second
        square = (2 * g * slope << second) + (slope * slope if second else 0)
        part = ((one.along == a) - (other.along == a)) * square
        return part + ((a in one.across) - (a in other.across)) * (2 * cell * slope << second)

    @staticmethod
    def _part(one: Item, other: Item, a: int, g: int, cell: int) -> int:
        """What axis `a` adds to the difference of two savings."""
        cost = cell * (cell - 2 * g)
        return ((one.along == a) - (other.along == a)) * g * g - ((a in one.across) - (a in other.across)) * cost


class Corner:
    """The own vertex's half segments, three to six heads."""

    name = "corner"
    summary = "the half segments of the own vertex, or of a corner beside it; three to six heads"
    dimensions = range(3, 7)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for two heads, for distances, for results of 32 bits, and where no rounding makes every result exact."""
        if spec.dimensions not in self.dimensions:
            raise Refused(f"it is not made for {spec.dimensions} heads")
        if distance:
            raise Refused(f"it has no distances for {spec.dimensions} heads")
        if INTEGER_TYPES[spec.output.dtype][0] > 16:
            raise Refused("its results have at most 16 bits")
        geometry = _Merged(spec)
        layout = layout_of(spec, geometry, lists_of(geometry))
        argument = Argument(layout, geometry)
        try:
            argument.check()
        except CheckFailed as failed:
            raise Refused(str(failed)) from failed
        return self._built(layout, argument)

    def _built(self, layout: Layout, argument: Argument) -> Built:
        spec = layout.spec
        pages = 1 if bool((layout.gap == layout.gap[0]).all()) else spec.dimensions
        of = "every head" if pages == 1 else "the heads, 256 for each"
        numbers = [] if layout.box is None else [
            Table("box", smallest_unsigned(len(layout.record) - 1), layout.box, "number of the record of every box")
        ]  # fmt: skip
        tables = (
            Table("share", smallest_unsigned(int(layout.share.max())), layout.share.reshape(-1), "share of every code in the number of its box: 256 for each head"),
            Table("gap", "uint32", layout.gap[:pages].reshape(-1), f"distance of every code of {of} from the own vertex", 8),
            *numbers,
            Table("record", "uint32", layout.record, "records of boxes" + ("" if layout.box is None else ", each once"), 8),
            Table("more", "uint32", layout.more, "records of pairs and lists", 8),
        )  # fmt: skip
        width, wide, one = layout.base_bits, layout.wide, layout.one
        end = "" if layout.narrow else "LL"
        params: dict[str, object] = {
            "shift": layout.shift, "width": width, "axis_mask": (1 << layout.axis_bits) - 1, "paged": pages > 1,
            "indirect": layout.box is not None, "among": f"0x{Kind.AMONG << width:X}UL",
            "vertex": f"0x{Kind.VERTEX << width:X}UL" if self._vertices(layout) else "", "across": ACROSS, "along": ALONG,
            "at": layout.at, "at_mask": f"0x{(1 << layout.at) - 1:X}UL", "own": width - 1,
            "gates": f"0x{(1 << (width - 1 - layout.at)) - 1:X}UL",
            "signed_from": "0x40000000UL", "zone": f"0x{layout.zone:X}UL", "zero": f"{layout.zero}U",
            "rough": layout.rough, "cell": layout.cell, "margin": layout.margin, "least": -(3 << 29),
            "wide_least": f"-{3 << 61}LL", "words": f"0x{(1 << (ACROSS - 3)) - 1:X}UL", "last": "0x80000000UL",
            "narrow": layout.narrow, "factor": ", ".join(f"{value}{end}" for value in layout.factor.tolist()),
            "term": ", ".join(f"{value}{end}" for value in layout.term.tolist()),
            "signed": spec.heads.dtype == "int8", "end": f"{(spec.curve.side - 1) * one << wide}{end}", "wide": wide,
            "half": f"{one // 2}{end}", "one": f"{one}{end}",
            "slope": ", ".join(f"{value}{end}" for value in layout.slope.tolist()) if layout.slope.any() else "",
            # Compared one by one: of a loop some compilers make a division, which is a library's on many cores. Order 1 has one cell.
            "cells": [f"{one << bit}{end}" for bit in reversed(range(spec.curve.order)) if 1 << bit < spec.curve.side - 1],
            "middle": ", ".join(f"{value}{end}" for value in layout.middle.tolist()), "second": 1 << layout.second if layout.second else "",
        }  # fmt: skip
        return Built(
            strategy=self.name,
            portable=Implementation(tables, layout.decode, None, params, argument.check),
            kind=f"{spec.dimensions} heads",
            note="The half cells of a query tell its own vertex, whose half segments are nearest but for queries near the middle between corners.",
        )

    @staticmethod
    def _vertices(layout: Layout) -> bool:
        """Whether any record is of a vertex alone."""
        return bool((layout.kind(np.concatenate([layout.record, layout.more])) == Kind.VERTEX).any())


STRATEGIES.add(Corner.name, Corner())
