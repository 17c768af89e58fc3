"""The tables of `corner` and their executable model: the integer steps that the C takes, over arrays of codes."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.kernels import IntArray, as_output, in_parts
from hilbert_codegen.kernels.corner.geometry import ACROSS, LAST
from hilbert_codegen.spec.specification import Spec

#: Cells are at most 2^NARROW units long where 32 bits are enough: five times its square is below 2^31.
NARROW = 14
#: Bits of what a term of second order is below one of first order.
SECOND = 20


class Kind(enum.IntEnum):
    """What a record of several half segments says of its box, in one bit; its index leads to `words`."""

    #: Two half segments of the own vertex: their records. The second is nearer where its distance is greater.
    PAIR = 0
    #: Other corners' half segments too: the record without them, then the list of those. In place of the axis, and
    #: above the index (plus one, three bits each), stand axes, along one of which a distance above 3/8 is needed. Where
    #: shares have flags, they stand as flags above the index.
    AMONG = 1


@dataclass(frozen=True)
class Fields:
    """Where the parts of a record are: lowest bits, or masks.

    Attributes:
        several: the topmost bit, of records of neither one half segment nor a turn.
        axis: the number of an axis, below it.
        single: the bit that one half segment has.
        sign: two bits: 1, or 3 for minus one, or 0.
        other: the other axis of a turn.
        kind: the Kind of a record of several.
    """

    several: int
    axis: int
    single: int
    sign: int
    other: int
    kind: int

    @classmethod
    def of(cls, spec: Spec) -> Fields:
        """Those for so many heads."""
        bits = 2 if spec.dimensions <= 4 else 3
        axis = 31 - bits
        return cls(1 << 31, axis, 1 << (axis - 1), axis - 3, axis - 1 - bits, axis - 2)

    def asked(self, heads: int, step: int) -> int:
        """The lowest flag that a record of Kind.AMONG asks for, `step` bits from one to the next."""
        return self.kind - step * (heads - 1) - 1

    @property
    def axis_mask(self) -> int:
        """The bits of the number of an axis."""
        return (1 << (31 - self.axis)) - 1

    def is_single(self, record: IntArray) -> IntArray:
        """Whether records are of one half segment."""
        return np.asarray(record & self.single != 0)

    def is_turn(self, record: IntArray) -> IntArray:
        """Whether records are of turns."""
        return np.asarray(record & (self.several | self.single) == 0)

    def kinds(self, record: IntArray) -> IntArray:
        """The kinds of records, -1 of single ones and turns."""
        return np.asarray(np.where(record & self.several, record >> self.kind & 1, -1))

    def axes(self, record: IntArray) -> IntArray:
        """The axes of records."""
        return np.asarray(record >> self.axis & self.axis_mask)

    def signs(self, record: IntArray) -> IntArray:
        """The signs of single records: 1, 0 and -1."""
        return np.asarray(((record >> self.sign & 3) ^ 2) - 2)

    def unfolded(self, record: IntArray) -> tuple[IntArray, IntArray]:
        """The records of the two half segments of turns: the one with the minus, and the other."""
        base = record & ((1 << self.other) - 1)
        minus = record & (self.axis_mask << self.axis) | self.single | 3 << self.sign | base
        axis = record >> self.other & self.axis_mask
        return np.asarray(minus), np.asarray(axis << self.axis | self.single | 1 << self.sign | base)


@dataclass(frozen=True)
class Layout:
    """The tables of one decoder and their constants.

    A record starts with a bit that is set where it leads to others, the number of an axis, and a bit that is set where one half
    segment is nearest. Below that is

        sign | base             of one: its result is (base + sign * gap of the code of the axis) >> shift; the sign is
                                0 where the vertex is nearest
        other axis | base       of two of one vertex, a *turn*: (base - gap) >> shift, or where the other gap is greater
                                base plus that one
        kind | index            of those that lead to others: see Kind

    Attributes:
        spec: what is computed.
        share: (heads, 256) by raw bits; the low `flags` bits of their sum, all where that is 0, are the number of the box.
            Above stands for every head whether its distance is in the zone, `step` bits from one to the next.
        gap: (heads, 256) by raw bits: the distance from the own vertex in units of the result, 2^-shift of them.
        box: number of the record of every box, or None where boxes and records have the same number.
        record: those of the boxes.
        more: further records, and lists.
        shift: fractional bits of a result.
        at: bits of an index of Kind.AMONG.
        zone: gaps of distances above 3/8 are not less.
        flags: see `share`.
        rough: bits of g that the comparison with 32 bits leaves out.
        cell: a cell in the units of that comparison.
        level: what being across an axis costs at distance 0 there, and 2 * cell less with every unit of distance.
        margin: difference of savings that it takes to be sure.
        one: a cell in the units of the comparison with exact distances.
        factor, term: (heads,) the position of a code, counted from the least, is factor * code + term in 2^-wide of those
            units.
        wide: fractional bits of positions. Where there are any, a distance is a whole number of units and a rest of so many
            bits, and what both save is one number.
        slope, middle: (heads,) what the true position of a code exceeds that one by, in units of their own, is
            slope * (code - middle). All 0 where it is the true one, and where there are fractional bits.
        returns: of a closed curve, whether a result that is the code of t = 1 is given as that of t = 0. It need not be where
            they are one in their type, or no result is rounded to the code of t = 1.
    """

    spec: Spec
    share: IntArray
    gap: IntArray
    box: IntArray | None
    record: IntArray
    more: IntArray
    shift: int
    at: int
    zone: int
    flags: int
    rough: int
    cell: int
    level: int
    margin: int
    one: int
    factor: IntArray
    term: IntArray
    wide: int
    slope: IntArray
    middle: IntArray
    returns: bool = False

    @cached_property
    def words(self) -> IntArray:
        """The table that the C has: records of boxes, and behind them `more`, by which indices are counted, too."""
        return np.concatenate([self.record, self.more])

    @cached_property
    def fields(self) -> Fields:
        """Where the parts of a record are."""
        return Fields.of(self.spec)

    @property
    def ahead(self) -> bool:
        """Whether results rise along the curve, so that of two equally near ones of a turn the first is the lower."""
        c0, c1 = self.spec.output.codes
        return c1 > c0

    @property
    def narrow(self) -> bool:
        """Whether 32 bits hold exact savings."""
        return self.wide == 0 and self.one <= 1 << NARROW

    @property
    def short(self) -> bool:
        """Whether 32 bits hold exact positions of all codes, though not their savings."""
        farthest = 255 * self.factor
        reach = np.abs(np.concatenate([farthest, self.term, farthest + self.term])).max()
        return self.wide == 0 and max(int(reach), (self.spec.curve.side - 1) * self.one) < 1 << 31

    @cached_property
    def lists(self) -> list[list[set[int]]]:
        """Of every list of half segments of other corners: the axes that each is across."""
        among, found = self.record[self.fields.kinds(self.record) == Kind.AMONG], []
        for at in np.unique(among & ((1 << self.at) - 1)).tolist():
            words = (word for _, word in self.listed(at))
            found.append([{n - 1 for shift in range(0, ACROSS, 3) if (n := word >> shift & 7)} for word in words])
        return found

    def listed(self, at: int) -> Iterator[tuple[int, int]]:
        """The records of other corners' half segments behind the record at `at`, and what the list says of them."""
        for start in range(at + 1, len(self.words) - 1, 2):
            record, word = self.words[start : start + 2].tolist()
            yield record, word
            if word & LAST:
                break

    def own(self, record: int) -> list[int]:
        """The records of the half segments of the own vertex, that first which is taken where two are equally near."""
        if self.fields.is_turn(np.array(record)):
            minus, plus = (int(half) for half in self.fields.unfolded(np.array(record)))
            return [minus, plus] if self.ahead else [plus, minus]
        if int(self.fields.kinds(np.array(record))) == Kind.PAIR:
            at = record & 0xFFFF
            found: list[int] = self.words[at : at + 2].tolist()
            return found
        return [record]

    @property
    def further(self) -> bool:
        """Whether any half segment of another corner is across more than one axis."""
        return any(len(across) > 1 for listed in self.lists for across in listed)

    @property
    def direct(self) -> bool:
        """Whether exact savings are compared at once: where lists are short and 32 bits hold them."""
        return self.narrow and not self.further

    @property
    def second(self) -> int:
        """Bits for terms of second order: where slopes are but signs there is room for them."""
        return SECOND if np.abs(self.slope).max() <= 1 else 0

    @property
    def step(self) -> int:
        """Bits from one flag of a sum of shares to the next."""
        return self.flags // self.spec.dimensions

    @property
    def asked(self) -> int:
        """Lowest bit of the flags that a record of Kind.AMONG asks for."""
        return self.fields.asked(self.spec.dimensions, self.step)

    def gates(self, record: int) -> set[int]:
        """The axes, along one of which a record of Kind.AMONG needs a distance above 3/8."""
        if self.flags:
            return {a for a in range(self.spec.dimensions) if record >> (self.asked + self.step * a) & 1}
        further = (record & ((1 << self.fields.kind) - 1)) >> self.at
        first = int(self.fields.axes(np.array(record)))
        return {(further >> place & 7) - 1 for place in range(0, 18, 3)} - {-1} | {first}

    def of_box(self, number: IntArray) -> IntArray:
        """The records of boxes."""
        return np.asarray(self.record[number if self.box is None else self.box[number]])

    def exact(self, axis: int, raw: IntArray) -> tuple[IntArray, IntArray]:
        """g of raw bits in units of `one`, from the code; what the true one exceeds it by, in those of the slopes, or its
        fractional bits.
        """
        code = raw ^ 0x80 if self.spec.heads.dtype == "int8" else raw
        position = self.factor[axis] * code + self.term[axis]
        rest = self.slope[axis] * (code - self.middle[axis])
        one = self.one << self.wide
        end = (self.spec.curve.side - 1) * one
        inside = ((position > 0) | (position == 0) & (rest > 0)) & ((position < end) | (position == end) & (rest < 0))
        part = np.where(inside, position, 0) % one
        back = (part > one // 2) | (part == one // 2) & (rest > 0)
        slope = np.where(part == 0, np.abs(rest), np.where(back, -rest, rest))
        part = np.where(back, one - part, part)
        if self.wide:
            return part >> self.wide, part & ((1 << self.wide) - 1)
        return part, np.where(inside, slope, 0)

    def exact_savings(self, g: IntArray, rest: IntArray) -> tuple[IntArray, IntArray]:
        """What distances that `exact` gives save along a half segment, and what being across its axis costs there.

        Each is a number and, in a second row, its terms of first and second order in the rest. Where there are
        fractional bits, those are in the number.
        """
        square, cost = g * g, self.one * (self.one - 2 * g)
        if self.wide:
            square = square + (g * rest >> (self.wide - 1))
            cost = cost - (self.one * rest >> (self.wide - 1))
            return np.stack([square, 0 * g]), np.stack([cost, 0 * g])
        second = (2 * g * rest << self.second) + (rest * rest if self.second else 0)
        return np.stack([square, second]), np.stack([cost, -2 * self.one * rest << self.second])

    def decode(self, *raw: IntArray) -> IntArray:
        """The executable model: results of raw codes, one array for each head."""
        return self.as_output(in_parts(self._decode, raw))

    def as_output(self, bits: IntArray) -> IntArray:
        """Numbers as results: wrapped into their type, and where the curve `returns` its end as its start."""
        found = as_output(self.spec, bits)
        if not self.returns:
            return found
        c0, c1 = as_output(self.spec, np.array(self.spec.output.codes))
        return np.where(found == c1, c0, found)

    def _decode(self, raw: IntArray) -> IntArray:
        gaps = self._gaps(raw)
        record, _ = self._nearest(raw, gaps)
        return self._result(record, self._along(record, gaps))

    def nearest(self, raw: IntArray) -> tuple[IntArray, IntArray]:
        """Of raw codes (heads, points): the records of the nearest half segments, and what lists say of them, the axes that they
        are across; 0 of those of the own vertex.
        """
        record, at = self._nearest(raw, self._gaps(raw))
        across = np.zeros(len(record), dtype=np.int64)
        left = np.flatnonzero(at >= 0)
        step = 1
        while len(left):
            word = self.words[at[left] + step + 1]
            across[left] |= np.where(self.words[at[left] + step] == record[left], word & ((1 << ACROSS) - 1), 0)
            left = left[word & LAST == 0]
            step += 2
        return record, across

    def _gaps(self, raw: IntArray) -> IntArray:
        return np.stack([self.gap[a][bits] for a, bits in enumerate(raw)])

    def _nearest(self, raw: IntArray, gaps: IntArray) -> tuple[IntArray, IntArray]:
        """Records of the nearest half segments, and where the list is that was looked at, -1 where none was."""
        total = np.asarray(sum(self.share[a][bits] for a, bits in enumerate(raw)))
        record = self.of_box(total & ((1 << self.flags) - 1) if self.flags else total)
        listed = np.full(len(record), -1)
        among = np.flatnonzero(self.fields.kinds(record) == Kind.AMONG)
        if len(among):
            at = record[among] & ((1 << self.at) - 1)
            gated = np.flatnonzero(self._gated(record[among], gaps[:, among], total[among]))
            record[among] = self.words[at]
            record[among[gated]] = self._among(raw[:, among[gated]], gaps[:, among[gated]], at[gated])
            listed[among[gated]] = at[gated]
        several = np.flatnonzero(~self.fields.is_single(record))
        record[several] = self._of_vertex(record[several], gaps[:, several])
        return record, listed

    def _gated(self, record: IntArray, gaps: IntArray, total: IntArray) -> Any:
        """Whether the distance along any of the axes that a list asks for exceeds 3/8."""
        if self.flags:
            return (record & (total << (self.asked - self.flags))) >> self.asked != 0
        found = self._along(record, gaps) >= self.zone
        gates = (record & ((1 << self.fields.kind) - 1)) >> self.at
        while gates.any():
            axis = gates & 7
            found |= (axis > 0) & (self._at(np.maximum(axis - 1, 0), gaps) >= self.zone)
            gates = gates >> 3
        return found

    @staticmethod
    def _at(axis: IntArray, gaps: IntArray) -> IntArray:
        return np.asarray(np.take_along_axis(gaps, axis[None, :], axis=0)[0])

    def _along(self, record: IntArray, gaps: IntArray) -> IntArray:
        return self._at(self.fields.axes(record), gaps)

    def _of_vertex(self, record: IntArray, gaps: IntArray) -> IntArray:
        """Records of the nearest of two half segments of one vertex; others as they are."""
        pair = self.fields.kinds(record) == Kind.PAIR
        at = np.where(pair, record & 0xFFFF, 0)
        first, second = self.words[at], self.words[np.minimum(at + 1, len(self.words) - 1)]
        found = record.copy()
        one, other = (self._along(np.where(pair, which, 0), gaps) for which in (first, second))
        found[pair] = np.where(other > one, second, first)[pair]
        turn = self.fields.is_turn(record)
        minus, plus = (np.where(turn, which, 0) for which in self.fields.unfolded(record))
        less, more = self._along(minus, gaps), self._along(plus, gaps)
        found[turn] = np.where((less > more) | (less == more) & self.ahead, minus, plus)[turn]
        return found

    def _result(self, record: IntArray, gap: IntArray) -> IntArray:
        computed = (record + self.fields.signs(record) * gap & ((1 << self.fields.sign) - 1)) >> self.shift
        return np.asarray(computed & 0xFFFF)

    def _among(self, raw: IntArray, gaps: IntArray, at: IntArray) -> IntArray:
        """Records of the nearest ones where lists of other corners' half segments follow records of own ones."""
        if self.direct:
            return self._closest(raw, at, self._of_vertex(self.words[at], gaps))
        rough = gaps >> self.rough
        own = self._of_vertex(self.words[at], gaps)
        best, most = own.copy(), np.abs(self.fields.signs(own)) * self._along(own, rough) ** 2
        sure = np.ones(len(at), dtype=bool)
        costs = self.level - 2 * self.cell * rough
        self._listed(at, (rough * rough)[None], costs[None], best, most[None, :], sure, self.margin)
        close = np.flatnonzero(~sure)
        if len(close):
            best[close] = self._closest(raw[:, close], at[close], own[close])
        return best

    def _closest(self, raw: IntArray, at: IntArray, own: IntArray) -> IntArray:
        """The same by exact distances, from the records of the nearest own half segments."""
        found = [self.exact(a, bits) for a, bits in enumerate(raw)]
        squares, costs = self.exact_savings(*(np.stack(part) for part in zip(*found, strict=True)))
        moving = np.abs(self.fields.signs(own))
        axis = self.fields.axes(own)
        best, most = own.copy(), np.stack([moving * self._at(axis, part) for part in squares])
        self._listed(at, squares, costs, best, most, np.ones(len(at), dtype=bool), 0)
        return best

    def _listed(
        self,
        at: IntArray,
        squares: IntArray,
        costs: IntArray,
        best: IntArray,
        most: IntArray,
        sure: Any,
        margin: int,
    ) -> None:
        """Go through lists: `best` becomes the record of the greatest saving above `most`, the first of equal ones.

        Squares and costs are (1 or 2, heads, points): what distances save, and what being across costs. A second row has
        their terms of first and second order; so has `most`, (1 or 2, points). `sure` is whether no other saving
        is within `margin` of the greatest.
        """
        left = np.arange(len(at))
        step = 1
        while len(left):
            record, word = self.words[at[left] + step], self.words[at[left] + step + 1]
            axis = self.fields.axes(record)
            saving = np.stack([self._at(axis, part[:, left]) for part in squares])
            for shift in range(0, ACROSS, 3):
                across = word >> shift & 7
                cost = np.stack([self._at(np.maximum(across - 1, 0), part[:, left]) for part in costs])
                saving -= np.where(across > 0, cost, 0)
            ahead = most[:, left]
            greater = (saving[0] > ahead[0]) | (saving[0] == ahead[0]) & (saving[-1] > ahead[-1])
            apart = np.abs(saving[0] - ahead[0]) >= margin
            sure[left] = apart & (greater | sure[left])
            best[left[greater]] = record[greater]
            most[:, left[greater]] = saving[:, greater]
            left = left[word & LAST == 0]
            step += 2
