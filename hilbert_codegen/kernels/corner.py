"""`corner`: three to six heads, fast. The half cells of a query tell its own vertex and, mostly, the nearest half segment.

The own vertex is the corner of the query's box (half_cells.py says what a box is; here a last half cell takes in what is clamped
to its end). A query at distances g from it, axis by axis, is as far from

    a half segment of that vertex into the box, along c       sum g^2 - g_c^2
    one of another corner, across the axes D, along c          sum g^2 - g_c^2 + sum over D of (1 - 2 g)

so the nearest is the one that *saves* most: g_c^2 less the second sum. Two half segments of the own vertex are told apart
by which g is greater. Another corner's can only be nearer where g exceeds 3/8 on every axis of D, which few queries do.

A word of `place` holds for every code its share in the number of the box and, below, g in units of the result, offset such
that one bit tells whether g exceeds 3/8. A record of `box` says what the box needs:

    31        30 - width                         0
    | sign | axis | base |      result = (base + sign * place of the code of axis) >> shift
    | -2   | axis | kind | index |      see Kind; the rest is in `more`

Savings are compared in 32 bits, and where that is too close a call, in 64 bits with g from the code by multiplication.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.half_cells import Geometry, boxes_of, check_covered, same_signs, unbeaten
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: More fractional bits of a result than this gain nothing.
MOST_SHIFT = 12
#: Fractional bits of a distance in cells where 32 bits are not enough.
WIDE = 30
#: Bits of a distance up to half a cell in the comparison with 32 bits.
ROUGH = 13
#: Another corner can only be nearer where a distance exceeds this.
ZONE = Fraction(3, 8)
#: So many heads at most, of order 1, have boxes that the zone cuts.
FINE = 4
#: Roundings of the distances that are tried.
ROUNDINGS = 16
CHUNK = 1 << 16


class Kind(enum.IntEnum):
    """What a flagged record says of its box; its index leads to `more`."""

    #: Two half segments of the own vertex: their records. The second is nearer where its distance is greater.
    PAIR = 0
    #: Other corners' half segments too: the record without them, then the list of all. In place of its axis the
    #: flagged record has the number of the own ones, which come first.
    AMONG = 1


#: Where the description of a half segment has an axis that it is across, and the one along it; and the end of a list.
ACROSS, ALONG, LAST = 18, 21, 1 << 31


class _Merged(Geometry):
    """Boxes in which the last half cell of an axis takes in the codes clamped to its end."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        #: The other half of every half segment's segment.
        count = len(self.at) // 2
        ahead = (np.arange(count) + spec.curve.closed) % count
        self.twin = np.concatenate([count + ahead, np.argsort(ahead)])
        last = 2 * spec.curve.side - 3
        self.half = [np.minimum(axis, last) for axis in self.half]
        #: Whether the outer quarter of a half cell is a box of its own: where that keeps the boxes few.
        self.fine = spec.curve.side == 2 and spec.dimensions <= FINE
        #: Exact distances of every code from its own vertex.
        self.offset = [
            [abs(place - (half + 1) // 2) for place, half in zip(places, halves.tolist(), strict=True)]
            for places, halves in zip(self.place, self.half, strict=True)
        ]
        #: Which box every code is in, along its axis.
        self.part = [
            2 * halves + np.array([g > ZONE for g in axis]) if self.fine else halves
            for halves, axis in zip(self.half, self.offset, strict=True)
        ]

    @property
    def parts(self) -> int:
        """Boxes along an axis."""
        return (2 * self.spec.curve.side - 2) * (2 if self.fine else 1)

    def groups(self) -> list[dict[int, IntArray]]:
        """For every axis: box -> indices of its codes."""
        return [{int(part): np.flatnonzero(axis == part) for part in np.unique(axis)} for axis in self.part]

    def cell(self, box: tuple[int, ...]) -> tuple[int, ...]:
        """The half cells of a box."""
        return tuple(part // 2 for part in box) if self.fine else box


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


def items(geometry: _Merged, box: tuple[int, ...], listed: Sequence[int]) -> list[Item]:
    """What `listed` half segments of `box` are. Raises Refused where one is not of a corner of the box."""
    own = np.array([(half + 1) // 2 for half in box])
    inward = np.where(np.array(box) % 2 == 0, 1, -1)
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
        place: (heads, 256) by raw bits.
        box, more: records.
        shift: fractional bits of a result.
        field: lowest bit of the number of a box in a sum of places.
        zero: place of g = 0, less the share of its half cell.
        zone: the bit that is set where g exceeds 3/8.
        rough: bits of g that the comparison with 32 bits leaves out.
        cell: a cell in the units of that comparison.
        margin: difference of savings that it takes to be sure.
        factor, term: (heads,) the position of a code, counted from the least, is (factor * code + term) >> wide in
            2^-WIDE cells.
        wide: see there.
    """

    spec: Spec
    place: IntArray
    box: IntArray
    more: IntArray
    shift: int
    field: int
    zero: int
    zone: int
    rough: int
    cell: int
    margin: int
    factor: IntArray
    term: IntArray
    wide: int

    @property
    def axis_bits(self) -> int:
        """Bits of the number of an axis in a record."""
        return 2 if self.spec.dimensions <= 4 else 3

    @property
    def base_bits(self) -> int:
        """Bits of a record below its axis."""
        return 30 - self.axis_bits

    def distance(self, places: IntArray) -> IntArray:
        """g of places."""
        return np.asarray((places & ((1 << self.field) - 1)) - self.zero)

    def exact(self, axis: int, raw: IntArray) -> IntArray:
        """g of raw bits in 2^-WIDE cells, from the code."""
        code = raw ^ 0x80 if self.spec.heads.dtype == "int8" else raw
        one = 1 << WIDE
        position = (self.factor[axis] * code + self.term[axis]) >> self.wide
        part = np.clip(position, 0, (self.spec.curve.side - 1) * one) & (one - 1)
        return np.asarray(np.where(part > one // 2, one - part, part))

    def decode(self, *raw: IntArray) -> IntArray:
        """The executable model: results of raw codes, one array for each head."""
        flat = [np.asarray(bits).reshape(-1) for bits in raw]
        result = np.empty(len(flat[0]), dtype=np.int64)
        for start in range(0, len(result), CHUNK):
            part = np.stack([bits[start : start + CHUNK] for bits in flat])
            result[start : start + CHUNK] = self._decode(part)
        return as_output(self.spec, result).reshape(np.shape(raw[0]))

    def _decode(self, raw: IntArray) -> IntArray:
        places = np.stack([self.place[a][bits] for a, bits in enumerate(raw)])
        record = self.box[places.sum(axis=0) >> self.field]
        among = np.flatnonzero((record >> 30 == 2) & (record >> (self.base_bits - 2) & 3 == Kind.AMONG))
        if len(among):
            own = record[among] >> self.base_bits & ((1 << self.axis_bits) - 1)
            at = record[among] & 0xFFFF
            record[among] = self.more[at]
            open_ = np.flatnonzero(self._contested(places[:, among], at + 1 + 2 * own))
            record[among[open_]] = self._nearest(raw[:, among[open_]], places[:, among[open_]], at[open_] + 1)
        pair = np.flatnonzero(record >> 30 == 2)
        if len(pair):
            at = record[pair] & 0xFFFF
            first, second = self.more[at], self.more[at + 1]
            one, other = (self.distance(self._along(record, places[:, pair])) for record in (first, second))
            record[pair] = np.where(other > one, second, first)
        return self._result(record, self._along(record, places))

    def _contested(self, places: IntArray, at: IntArray) -> Any:
        """Whether any of the other corners' half segments listed from `at` can be nearer."""
        gap = self.distance(places) >> self.rough
        found = np.zeros(len(at), dtype=bool)
        zone = np.zeros(len(at), dtype=bool)
        left = np.arange(len(at))
        step = 0
        while len(left):
            word = self.more[at[left] + step + 1]
            across, along = word >> ACROSS & 7, word >> ALONG & 7
            enough = gap[along, left] ** 2 + self.margin > self.cell * (self.cell - 2 * gap[across, left])
            zone[left] |= places[across, left] & self.zone != 0
            found[left] |= zone[left] & enough
            left = left[(word & LAST == 0) & ~found[left]]
            step += 2
        return found

    def _along(self, record: IntArray, places: IntArray) -> IntArray:
        axis = record >> self.base_bits & ((1 << self.axis_bits) - 1)
        return np.asarray(np.take_along_axis(places, axis[None, :], axis=0)[0])

    def _result(self, record: IntArray, place: IntArray) -> IntArray:
        sign = np.where(record >> 31 == 1, (record >> 30) - 4, record >> 30)
        return np.asarray((record + sign * place & ((1 << self.base_bits) - 1)) >> self.shift)

    def _nearest(self, raw: IntArray, places: IntArray, at: IntArray) -> IntArray:
        """Records of the nearest ones of lists that start at `at`."""
        rough = self.distance(places) >> self.rough
        best, clear = self._most(at, rough, self.cell, self.margin)
        close = np.flatnonzero(~clear)
        if len(close):
            wide = np.stack([self.exact(a, bits) for a, bits in enumerate(raw[:, close])])
            best[close] = self._most(at[close], wide, 1 << WIDE, 0)[0]
        return best

    def _most(self, at: IntArray, g: IntArray, cell: int, margin: int) -> tuple[IntArray, Any]:
        """Records of the greatest savings of lists, the first of equal ones, and whether no other is within `margin`."""
        square = np.concatenate([np.zeros((1, len(at)), np.int64), g * g])
        cost = np.concatenate([np.zeros((1, len(at)), np.int64), cell * (cell - 2 * g)])
        best = np.zeros(len(at), dtype=np.int64)
        most = np.full(len(at), -(1 << 62), dtype=np.int64)
        clear = np.ones(len(at), dtype=bool)
        left = np.arange(len(at))
        step = 0
        while len(left):
            word = self.more[at[left] + step + 1]
            saving = square[word & 7, left]
            for shift in range(3, ACROSS, 3):
                saving = saving - cost[word >> shift & 7, left]
            greater = saving > most[left]
            apart = np.abs(saving - most[left]) >= margin
            clear[left] = apart & (greater | clear[left])
            best[left[greater]] = self.more[at[left] + step][greater]
            most[left[greater]] = saving[greater]
            left = left[word & LAST == 0]
            step += 2
        return best, clear


class _Scale:
    """g of all codes in units of the result: (heads, 256) whole numbers, equal where g is, and in the same order.

    Attributes:
        shift: fractional bits of a result.
        g: see above.
        zone: the bit that tells g above 3/8 once `zero` is added.
        zero: what is added.
    """

    def __init__(self, geometry: _Merged, shift: int, rounding: Fraction) -> None:
        spec = geometry.spec
        c0, c1 = spec.output.codes
        self.shift = shift
        self.unit = Fraction(abs(c1 - c0) << shift, spec.curve.segments)
        found: dict[Fraction, int] = {Fraction(0): 0}
        value = 0
        for g in sorted({g for axis in geometry.offset for g in axis} - {Fraction(0)}):
            value = max(value + 1, math.floor(g * self.unit + rounding))
            found[g] = value
        self.g = np.array([[found[g] for g in axis] for axis in geometry.offset])
        beyond = [value for g, value in found.items() if g > ZONE]
        first = min(beyond, default=max(found.values()) + 1)
        bits = max(first - 1, max(found.values()) - first).bit_length()
        self.zone = 1 << bits
        self.zero = self.zone - first


def _shift(geometry: _Merged, width: int, field: int) -> int:
    """The most fractional bits that records of `width` bits and places below bit `field` hold."""
    bits = INTEGER_TYPES[geometry.spec.output.dtype][0]
    for shift in range(min(MOST_SHIFT, width - bits), 5, -1):
        scale = _Scale(geometry, shift, Fraction(1, 2))
        if geometry.spec.dimensions * 2 * scale.zone < 1 << field:
            return shift
    raise Refused("a result has more bits than a place or a record leaves room for")


class _Records:
    """The records of all half segments and vertices for one rounding of the distances; Refused where one is inexact."""

    def __init__(self, geometry: _Merged, scale: _Scale, place: IntArray, width: int) -> None:
        self.geometry, self.scale, self.place, self.width = geometry, scale, place, width
        self.known: dict[tuple[int, int], int] = {}

    def of(self, item: Item, box: tuple[int, ...]) -> int:
        """The record of a half segment listed for a box."""
        part = -1 if item.along is None else box[item.along]
        key = item.half, part
        if key not in self.known:
            self.known[key] = self._vertex(item.half) if item.along is None else self._half(item.half, item.along, part)
        return self.known[key]

    def _wanted(self, half: int, codes: IntArray) -> list[int]:
        """Exact results, without the end of a closed curve being its start."""
        geometry = self.geometry
        c0, c1 = geometry.spec.output.codes
        found = geometry.heads.output[half][codes].tolist()
        vertex, forth = int(geometry.vertex[half]), bool(geometry.forth[half])
        late = geometry.spec.curve.closed and (vertex > geometry.spec.curve.segments // 2 or not (vertex or forth))
        return [c1 if late and value == c0 else value for value in found]

    def _base(self, low: int, high: int) -> int:
        if low >= high:
            raise Refused("a result is a closer call than its fractional bits settle")
        return (low + high) // 2 & ((1 << self.width) - 1)

    def _vertex(self, half: int) -> int:
        a = int(self.geometry.heads.axis[half])
        up = int(self.geometry.step[half, a]) > 0
        # Any code on the side that the half segment runs away from has the vertex's result.
        at = int(self.geometry.at[half, a])
        beyond = [i for i, v in enumerate(self.geometry.place[a]) if (v <= at if up else v >= at)]
        (value,) = set(self._wanted(half, np.array(beyond)))
        shift = self.scale.shift
        return self._base(value << shift, (value + 1) << shift)

    def _half(self, half: int, axis: int, part: int) -> int:
        geometry, shift = self.geometry, self.scale.shift
        codes = np.flatnonzero(geometry.part[axis] == part)
        c0, c1 = geometry.spec.output.codes
        sign = 1 if bool(geometry.forth[half]) == (c1 > c0) else -1
        rising = [sign * value for value in self.place[axis][codes].tolist()]
        wanted = self._wanted(half, codes)
        low = max((w << shift) - r for w, r in zip(wanted, rising, strict=True))
        high = min(((w + 1) << shift) - r for w, r in zip(wanted, rising, strict=True))
        axis_bits = 30 - self.width
        return (sign & 3) << 30 | axis << (30 - axis_bits) | self._base(low, high)


def _wide(geometry: _Merged) -> tuple[IntArray, IntArray, int]:
    """factor, term and wide of a layout: positions from codes by multiplication."""
    spec = geometry.spec
    least = int(spec.heads.codes().min())
    steps = [1 / spec.pitch(a) for a in range(spec.dimensions)]
    starts = [spec.coordinate(a, least) for a in range(spec.dimensions)]
    reach = max(abs(start) + 256 * step for start, step in zip(starts, steps, strict=True))
    wide = 61 - WIDE - math.ceil(reach).bit_length()
    scale = 1 << (WIDE + wide)
    half = Fraction(1, 2)
    factor = [math.floor(step * scale + half) for step in steps]
    term = [math.floor(start * scale + half) + (1 << (wide - 1)) for start in starts]
    return np.array(factor, dtype=np.int64), np.array(term, dtype=np.int64), wide


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


def _lists(geometry: _Merged) -> dict[tuple[int, ...], list[Item]]:
    found = {}
    for box, tables, _ in boxes_of(geometry):
        cell = geometry.cell(box)
        found[box] = items(geometry, cell, unbeaten(geometry, cell, tables))
    return found


def layout_of(spec: Spec, geometry: _Merged, rounding: Fraction, lists: dict[tuple[int, ...], list[Item]]) -> Layout:
    """The tables for one rounding of the distances. Raises Refused."""
    base = geometry.parts
    field = 32 - (base**spec.dimensions - 1).bit_length()
    axis_bits = 2 if spec.dimensions <= 4 else 3
    width = 30 - axis_bits
    scale = _Scale(geometry, _shift(geometry, width, field), rounding)
    share = np.array([base**a << field for a in range(spec.dimensions)])
    place = np.array(geometry.part) * share[:, None] + scale.zero + scale.g
    rough = max(0, int(scale.unit / 2).bit_length() - ROUGH)
    cell = round(scale.unit / (1 << rough))
    records = _Records(geometry, scale, place, width)
    box = np.zeros(base**spec.dimensions, dtype=np.int64)
    more: list[int] = []
    placed: dict[tuple[int, ...], int] = {}

    def put(words: tuple[int, ...]) -> int:
        if words not in placed:
            placed[words] = len(more)
            more.extend(words)
        return placed[words]

    def flagged(kind: Kind, own: int, words: tuple[int, ...]) -> int:
        at = put(words)
        if at >= 1 << 16:
            raise Refused("its lists are too long")
        return 2 << 30 | own << width | kind << (width - 2) | at

    for key, listed in lists.items():
        own = [item for item in listed if not item.across]
        near = records.of(own[0], key)
        if len(own) == 2:
            near = flagged(Kind.PAIR, 0, (near, records.of(own[1], key)))
        others = [item for item in listed if item.across]
        if others:
            words = [word for item in listed for word in (records.of(item, key), item.word)]
            words[-1] |= LAST
            near = flagged(Kind.AMONG, len(own), (near, *words))
        box[sum(half * base**a for a, half in enumerate(key))] = near
    layout = Layout(
        spec, place, box, np.array(more or [0], dtype=np.int64), scale.shift, field, scale.zero, scale.zone, rough, cell,
        0, *_wide(geometry),
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
        self.distance = np.stack([layout.distance(axis) for axis in layout.place])
        self.wide = np.stack([layout.exact(a, np.arange(256)) for a in range(layout.spec.dimensions)])
        self.halves = {
            (*at, *step): h
            for h, (at, step) in enumerate(zip(geometry.at.tolist(), geometry.step.tolist(), strict=True))
        }
        self._compared: dict[tuple[Any, ...], bool] = {}

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
            listed = self._listed(int(layout.box[number]), cell, box, where)
            rank = geometry.rank(cell)
            order = [item.half for item in listed]
            if sorted(order, key=lambda h: (rank[h], h)) != order:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            # Of a segment that crosses the middle between two corners one half is enough (`items`).
            own = np.array([(half + 1) // 2 for half in cell])
            twins = [int(geometry.twin[h]) for h in order]
            spared = [t for t in twins if t not in order and (geometry.at[t] - own)[geometry.heads.axis[t]]]
            check_covered(geometry, cell, tables, order + spared, rank, where)
            for one, other in itertools.combinations(listed, 2):
                if (one.across or other.across) and not self._agree(one, other, box, codes):
                    raise CheckFailed(f"{where}: two half segments are too close a call")

    def _places(self) -> None:
        geometry, layout = self.geometry, self.layout
        for a, axis in enumerate(geometry.part):
            if not np.array_equal(layout.place[a] >> layout.field, axis * geometry.parts**a):
                raise CheckFailed(f"head {AXES[a]}: a code lies in another box than its place says")
        exact = sorted({g for axis in geometry.offset for g in axis})
        order = {g: i for i, g in enumerate(exact)}
        found = np.array([[order[g] for g in axis] for axis in geometry.offset]).reshape(-1)
        whole = self.distance.reshape(-1)
        by_order = np.argsort(found, kind="stable")
        rises, steps = np.diff(whole[by_order]), np.diff(found[by_order])
        if ((rises > 0) != (steps > 0)).any() or (rises < 0).any() or whole.min() < 0:
            raise CheckFailed("distances are not in the order of the exact ones")
        beyond = np.array([[g > ZONE for g in axis] for axis in geometry.offset])
        if not np.array_equal(layout.place & layout.zone != 0, beyond):
            raise CheckFailed("the bit of the zone is wrong")
        if layout.spec.dimensions * (int(whole.max()) + layout.zero) >= 1 << layout.field:
            raise CheckFailed("distances reach into the number of the box")

    def _listed(self, record: int, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> list[Item]:
        """The half segments that the C chooses among, all results of which are right."""
        layout = self.layout
        if record >> 30 != 2:
            return [self._item(record, None, cell, box, where)]
        kind, at = record >> (layout.base_bits - 2) & 3, record & 0xFFFF
        if kind == Kind.PAIR:
            pair = [self._item(int(layout.more[at + i]), None, cell, box, where) for i in (0, 1)]
            if any(item.along is None for item in pair):
                raise CheckFailed(f"{where}: a pair with a vertex")
            return pair
        near = self._listed(int(layout.more[at]), cell, box, where)
        count = record >> layout.base_bits & ((1 << layout.axis_bits) - 1)
        found = []
        for start in range(at + 1, len(layout.more) - 1, 2):
            word = int(layout.more[start + 1])
            found.append(self._item(int(layout.more[start]), word, cell, box, where))
            if word & LAST:
                break
        if found[:count] != near or any(not item.across for item in found[count:]) or len(found) == count:
            raise CheckFailed(f"{where}: the list does not start with what it has without other corners")
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
        codes = np.flatnonzero(geometry.part[a] == box[a])
        found = layout._result(np.full(len(codes), record), layout.place[axis][codes])
        if sign == 2 or (as_output(layout.spec, found) != geometry.heads.output[half][codes]).any():
            raise CheckFailed(f"{where}: a result is wrong")
        return item

    def _agree(self, one: Item, other: Item, box: tuple[int, ...], codes: list[IntArray]) -> bool:
        """Whether the difference of two savings, exact and in 64 bits, has one sign for all codes of a box."""
        axes = sorted({*one.across, *other.across, *(i.along for i in (one, other) if i.along is not None)})
        key = (one.along, one.across, other.along, other.across, tuple(box[a] for a in axes))
        if key not in self._compared:
            unit, cell = self.geometry.unit, 1 << WIDE
            exact, fixed = [], []
            for a in axes:
                pairs = set()
                for i in codes[a].tolist():
                    true = self._part(one, other, a, int(self.geometry.offset[a][i] * unit), unit)
                    pairs.add((true * cell * cell, self._part(one, other, a, int(self.wide[a][i]), cell) * unit * unit))
                exact.append(np.array([g for g, _ in pairs], dtype=object))
                fixed.append(np.array([f for _, f in pairs], dtype=object))
            wrong = sum(int(np.abs(f - g).max()) for g, f in zip(exact, fixed, strict=True))
            self._compared[key] = not wrong or same_signs(exact, fixed, wrong)
        return self._compared[key]

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
        lists = _lists(geometry)
        reason = ""
        for step in range(ROUNDINGS):
            try:
                layout = layout_of(spec, geometry, Fraction(2 * step + ROUNDINGS, 2 * ROUNDINGS) % 1, lists)
                argument = Argument(layout, geometry)
                argument.check()
            except (Refused, CheckFailed) as failed:
                reason = str(failed)
                continue
            return self._built(layout, argument)
        raise Refused(reason)

    def _built(self, layout: Layout, argument: Argument) -> Built:
        spec = layout.spec
        tables = (
            Table("place", "uint32", layout.place.reshape(-1), "share in the number of a box, and distance from the own vertex, of every code: 256 for each head", 8),
            Table("box", "uint32", layout.box, "record of every box of half cells", 8),
            Table("more", "uint32", layout.more, "records of pairs and lists", 8),
        )  # fmt: skip
        width, wide = layout.base_bits, layout.wide
        params: dict[str, object] = {
            "field": layout.field, "shift": layout.shift, "width": width, "axis_mask": (1 << layout.axis_bits) - 1,
            "among": f"0x{Kind.AMONG << (width - 2):X}UL", "flagged": "0xFFFFFFFEUL", "number": 32 - layout.field, "across": ACROSS, "along": ALONG,
            "zone": f"0x{layout.zone:X}UL", "low": f"0x{(1 << layout.field) - 1:X}UL", "zero": f"{layout.zero}U",
            "rough": layout.rough, "cell": layout.cell, "margin": layout.margin, "least": -(3 << 29),
            "wide_least": f"-{3 << 61}LL", "words": f"0x{(1 << (ACROSS - 3)) - 1:X}UL", "last": "0x80000000UL",
            "factor": ", ".join(f"{value}LL" for value in layout.factor.tolist()),
            "term": ", ".join(f"{value}LL" for value in layout.term.tolist()),
            "signed": spec.heads.dtype == "int8", "end": f"{(spec.curve.side - 1) << (WIDE + wide)}LL", "wide": wide,
            "part": f"{(1 << WIDE) - 1}ULL", "half": f"{1 << (WIDE - 1)}LL", "one": f"{1 << WIDE}LL",
        }  # fmt: skip
        return Built(
            strategy=self.name,
            portable=Implementation(tables, layout.decode, None, params, argument.check),
            kind=f"{spec.dimensions} heads",
            note="The half cells of a query tell its own vertex, whose half segments are nearest but for queries near the middle between corners.",
        )


STRATEGIES.add(Corner.name, Corner())
