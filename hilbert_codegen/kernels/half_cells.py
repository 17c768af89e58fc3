"""Boxes of half cells, three to six heads: which half segments can be nearest in one, and the proof that no other can.

Queries are clamped to the cube of the vertices, which changes no nearest point: a query outside is nearest to points of
the face that it sees, since every vertex of the face is on the curve. A box is the codes of one half cell on every axis.

The squared distance is a sum over the axes of functions of one code. So is the difference of two of them, and its extremes
over a box are the sums of its extremes on every axis: that is how lists are made (`unbeaten`), and how they are proved for all
tuples of codes without visiting them (`check_covered`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.halves import half_segments
from hilbert_codegen.exact.many import ManyHeads
from hilbert_codegen.kernels import IntArray
from hilbert_codegen.spec.specification import Spec

#: float64 holds whole numbers of so many bits, and sums of a few of them.
FLOAT_BITS = 1000


@dataclass(frozen=True)
class Along:
    """Exact squared distances of all half segments along one axis, for a group of its codes.

    Attributes:
        table: (halves, codes) whole numbers.
        row: half segment -> which of the different rows is its own.
        low, high: (halves,) extremes of a half segment's distances.
        gain: [row, other row] the most that a distance of the one exceeds that of the other for the same code.
        rough: the same in float64, less a power of two where numbers are too large for that, off by one at most.
        rough_low, rough_high: those of `low` and `high`.
        error: the most that a number of `rough`, `rough_low` and `rough_high` is off by.
    """

    table: Any
    row: IntArray
    low: Any
    high: Any
    gain: Any
    rough: NDArray[np.float64]
    rough_low: NDArray[np.float64]
    rough_high: NDArray[np.float64]
    error: float

    @classmethod
    def of(cls, table: Any, less: int) -> Along:
        """That of a table; `less` is the power of two."""
        found: dict[tuple[Any, ...], int] = {}
        row = np.array([found.setdefault(tuple(values), len(found)) for values in table.tolist()])
        rows: Any = np.array(list(found), dtype=table.dtype)
        gain: Any = np.array([(one - rows).max(axis=1) for one in rows])
        low, high = rows.min(axis=1)[row], rows.max(axis=1)[row]
        rough, rough_low, rough_high = ((values >> less).astype(np.float64) for values in (gain, low, high))
        error = 1 + 1e-12 * max(float(np.abs(rough).max()), float(rough_high.max()))
        return cls(table, row, low, high, gain, rough, rough_low, rough_high, error)


class Geometry:
    """Exact squared distances of all half segments by axis and code, and what orders them."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        last = spec.curve.side - 1
        codes = spec.heads.codes()
        self.heads = ManyHeads(spec, [codes] * spec.dimensions)
        self.unit = self.heads.unit
        #: Clamped positions of every raw code: fractions.
        self.place = [
            [min(max(place, Fraction(0)), Fraction(last)) for place in spec.coordinates(a, codes.tolist())]
            for a in range(spec.dimensions)
        ]
        self.half = [np.array([math.floor(2 * v) for v in axis]) for axis in self.place]
        halves = half_segments(spec)
        self.vertex, self.at, self.step, self.forth = halves.vertex, halves.at, halves.step, halves.sign > 0
        every = np.arange(len(self.at))
        self._start = self.at[every, self.heads.axis]
        self._up = self.step[every, self.heads.axis] > 0
        self._ranks: dict[tuple[int, ...], IntArray] = {}
        # Half segments in order of s; that before the first vertex of a closed curve comes last.
        self.order = 2 * self.vertex + self.forth
        if spec.curve.closed:
            self.order[(self.vertex == 0) & ~self.forth] = 2 * len(spec.curve.points)

    def groups(self) -> list[dict[int, IntArray]]:
        """For every axis: half cell -> indices of its codes."""
        return [{int(h): np.flatnonzero(axis == h) for h in np.unique(axis)} for axis in self.half]

    def distances(self, a: int, group: IntArray) -> Along:
        """Squared distances along axis `a` of the clamped positions of a group of codes."""
        return Along.of(self._clamped[a][:, group], max(0, 2 * int(self.unit).bit_length() - FLOAT_BITS))

    @cached_property
    def _clamped(self) -> list[Any]:
        tables = []
        for a, axis in enumerate(self.place):
            whole = np.array([int(v * self.unit) for v in axis], dtype=object)
            keys = sorted({(int(v), int(s)) for v, s in zip(self.at[:, a], self.step[:, a], strict=True)})
            rows = []
            for v, s in keys:
                low = v * self.unit - (self.unit // 2 if s < 0 else 0)
                high = v * self.unit + (self.unit // 2 if s > 0 else 0)
                rows.append(np.maximum(np.maximum(low - whole, whole - high), 0) ** 2)
            table: Any = np.array(rows, dtype=object)
            if table.max() < 1 << 58:
                table = table.astype(np.int64)
            picked = [keys.index((int(v), int(s))) for v, s in zip(self.at[:, a], self.step[:, a], strict=True)]
            tables.append(table[picked])
        return tables

    def rank(self, box: tuple[int, ...]) -> IntArray:
        """What orders half segments that are equally near in `box`: those of the own cell first, then by s. Not to be changed."""
        cell = tuple((int(half) + 1) // 2 for half in box)
        if cell not in self._ranks:
            own = np.all(self.at == np.array(cell), axis=1)
            self._ranks[cell] = np.asarray(np.where(own, 0, 4 * len(self.at)) + self.order)
            self._ranks[cell].flags.writeable = False
        return self._ranks[cell]

    def all_idle(self, box: tuple[int, ...]) -> NDArray[np.bool_]:
        """For every half segment whether `box` lies on the side of the vertex that it runs away from: its nearest point is the
        vertex."""
        beyond = np.array(box)[self.heads.axis] - 2 * self._start
        return np.asarray((beyond < 0) == self._up)

    def idle(self, h: int, box: tuple[int, ...]) -> bool:
        """The same of half segment `h`."""
        return bool((box[self.heads.axis[h]] < 2 * self._start[h]) == self._up[h])

    def beats(
        self, one: IntArray, other: IntArray, tables: list[Along], box: tuple[int, ...], rank: IntArray
    ) -> NDArray[np.bool_]:
        """Whether half segments `one` serve wherever `other` would in `box`: nearer throughout, or never farther and taken before
        them. The arrays are broadcast."""
        most: Any = sum(table.gain[table.row[one], table.row[other]] for table in tables)
        idle = self.all_idle(box)
        before = (rank[one] < rank[other]) | ((self.vertex[one] == self.vertex[other]) & idle[other] & ~idle[one])
        nearer, equal = np.asarray(most < 0, dtype=bool), np.asarray(most == 0, dtype=bool)
        return np.asarray(nearer | equal & before)


def unbeaten(geometry: Geometry, box: tuple[int, ...], tables: list[Along]) -> list[int]:
    """The half segments that no other one beats in `box`, in the order of their rank."""
    error = sum(table.error for table in tables)
    rank = geometry.rank(box)
    # Where float64 does not tell exact numbers do.
    least: Any = sum(table.rough_low for table in tables)
    most: Any = sum(table.rough_high for table in tables)
    far, surely = most.min(), 2 * error
    left = np.flatnonzero(least <= far + surely)
    if (least[left] > far - surely).any():
        low: Any = sum(table.low[left] for table in tables)
        high: Any = sum(table.high[left] for table in tables)
        left = left[low <= high.min()]
    left = left[np.argsort(rank[left], kind="stable")]
    rows = [table.row[left] for table in tables]
    most = sum(table.rough[row[:, None], row] for table, row in zip(tables, rows, strict=True))
    beats = most < -error
    doubtful = np.abs(most) <= error
    np.fill_diagonal(doubtful, False)  # none beats itself
    one, other = np.nonzero(doubtful)
    if len(one):
        beats[one, other] = geometry.beats(left[one], left[other], tables, box, rank)
    # Of every one the set of those that beat it, and the set of those that are left, as bits.
    beaten = np.packbits(beats, axis=0, bitorder="little").T
    kept = (1 << len(left)) - 1
    for late in np.flatnonzero(beaten.any(axis=1)).tolist():
        if int.from_bytes(beaten[late].tobytes(), "little") & kept:
            kept ^= 1 << late
    found: list[int] = left[[bool(kept >> place & 1) for place in range(len(left))]].tolist()
    return found


def boxes_of(geometry: Geometry) -> Iterator[tuple[tuple[int, ...], list[Along], list[IntArray]]]:
    """Every box that has codes: half cells of the axes, the distance tables of its codes, its codes."""
    groups = geometry.groups()
    cached = [{h: geometry.distances(a, group) for h, group in axis.items()} for a, axis in enumerate(groups)]
    for box in itertools.product(*groups):
        yield box, [cached[a][h] for a, h in enumerate(box)], [groups[a][h] for a, h in enumerate(box)]


def check_covered(
    geometry: Geometry, box: tuple[int, ...], tables: list[Along], listed: list[int], rank: IntArray, where: str
) -> None:
    """Raise CheckFailed unless one of the half segments `listed` beats each other one throughout `box`."""
    low: Any = sum(table.low for table in tables)
    left = np.ones(len(rank), dtype=bool)
    left[listed] = False
    if listed:  # else beaten outright
        left &= low <= min(sum(table.high[listed] for table in tables))
    for one in listed:
        if not left.any():
            return
        others = np.flatnonzero(left)
        most: Any = sum(table.gain[table.row[one], table.row[others]] for table in tables)
        left[others[np.asarray(most < 0)]] = False
    others = np.flatnonzero(left)
    beaten = geometry.beats(np.array(listed, dtype=np.int64)[:, None], others[None, :], tables, box, rank).any(axis=0)
    if not beaten.all():
        missing = geometry.vertex[others[~beaten][0]]
        raise CheckFailed(f"{where}: a half segment of vertex {missing} is missing in the list")


def same_signs(exact: list[Any], fixed: list[Any], wrong: int) -> bool:
    """Whether the sums of one number of each list have the same sign in `exact` and `fixed`, |fixed - exact| <= wrong.

    Only sums within `wrong` of zero can differ. Such are found by sorting the sums of one half of the lists.
    """
    order = sorted(range(len(exact)), key=lambda a: len(exact[a]))
    sums: list[tuple[Any, Any]] = [(np.zeros(1, dtype=object), np.zeros(1, dtype=object)) for _ in range(2)]
    for a in reversed(order):
        side = 0 if len(sums[0][0]) <= len(sums[1][0]) else 1
        sums[side] = tuple(
            (total[:, None] + part[None, :]).reshape(-1)
            for total, part in zip(sums[side], (exact[a], fixed[a]), strict=True)
        )
    largest = max(1, *(int(np.abs(total[0]).max()) for total in sums))
    rough = [(total[0] / largest).astype(np.float64) for total in sums]
    reach = wrong / largest * (1 + 1e-9) + 1e-12
    sort = np.argsort(rough[1], kind="stable")
    first = np.searchsorted(rough[1][sort], -rough[0] - reach, "left")
    past = np.searchsorted(rough[1][sort], -rough[0] + reach, "right")
    for i in np.flatnonzero(past > first).tolist():
        near = sort[first[i] : past[i]]
        e, f = sums[0][0][i] + sums[1][0][near], sums[0][1][i] + sums[1][1][near]
        if ((e > 0) != (f > 0)).any() or ((e < 0) != (f < 0)).any():
            return False
    return True
