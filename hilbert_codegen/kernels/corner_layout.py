"""The tables of `corner` and their executable model: the integer steps that the C takes, over arrays of codes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilbert_codegen.kernels import IntArray, as_output
from hilbert_codegen.kernels.corner_geometry import ACROSS, ALONG, LAST
from hilbert_codegen.spec.specification import Spec

#: Cells are at most 2^NARROW units long where 32 bits are enough: five times its square is below 2^31.
NARROW = 14
#: Bits of what a term of second order is below one of first order.
SECOND = 20
#: Points that the executable model computes at a time.
CHUNK = 1 << 16


class Kind(enum.IntEnum):
    """What a record without a sign says of its box, in place of the axis; its index leads to `more`."""

    #: Two half segments of the own vertex: their records. The second is nearer where its distance is greater.
    PAIR = 0
    #: Other corners' half segments too: the record without them, then the list of all. Above the index stand axes (plus
    #: one, three bits each), along one of which a distance above 3/8 is needed; and, as the topmost bit of the base,
    #: whether two half segments are the own vertex's, which come first.
    AMONG = 1
    #: The own vertex is nearest: in place of the index the result.
    VERTEX = 2


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
        """g of raw bits in units of `one`, from the code; what the true one exceeds it by, in those of the slopes."""
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
        """Records of the greatest savings of lists, the first of equal ones; whether no other is within `margin`."""
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
