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
    """

    table: Any
    row: IntArray
    low: Any
    high: Any
    gain: Any
    rough: NDArray[np.float64]

    @classmethod
    def of(cls, table: Any, less: int) -> Along:
        """That of a table; `less` is the power of two."""
        found: dict[tuple[Any, ...], int] = {}
        row = np.array([found.setdefault(tuple(values), len(found)) for values in table.tolist()])
        rows: Any = np.array(list(found), dtype=table.dtype)
        gain: Any = np.array([(one - rows).max(axis=1) for one in rows])
        return cls(table, row, rows.min(axis=1)[row], rows.max(axis=1)[row], gain, (gain >> less).astype(np.float64))


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
            [min(max(spec.coordinate(a, int(code)), Fraction(0)), Fraction(last)) for code in codes]
            for a in range(spec.dimensions)
        ]
        self.half = [np.array([math.floor(2 * v) for v in axis]) for axis in self.place]
        halves = half_segments(spec)
        self.vertex, self.at, self.step, self.forth = halves.vertex, halves.at, halves.step, halves.sign > 0
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
        """What orders half segments that are equally near in `box`: those of the own cell first, then by s."""
        own = np.all(self.at == (np.array(box) + 1) // 2, axis=1)
        return np.asarray(np.where(own, 0, 4 * len(self.at)) + self.order)

    def idle(self, h: int, box: tuple[int, ...]) -> bool:
        """Whether `box` lies on the side of the vertex that half segment `h` runs away from: its nearest point is the vertex."""
        a = int(np.argmax(np.abs(self.step[h])))
        beyond = box[a] - 2 * int(self.at[h, a])
        return beyond < 0 if self.step[h, a] > 0 else beyond >= 0

    def beats(self, one: int, other: int, tables: list[Along], box: tuple[int, ...], rank: IntArray) -> bool:
        """Whether `one` serves wherever `other` would in `box`: nearer throughout, or never farther and taken before it."""
        most = sum(int(table.gain[table.row[one], table.row[other]]) for table in tables)
        if most != 0:
            return most < 0
        return bool(rank[one] < rank[other]) or (
            self.vertex[one] == self.vertex[other] and self.idle(other, box) and not self.idle(one, box)
        )


def unbeaten(geometry: Geometry, box: tuple[int, ...], tables: list[Along]) -> list[int]:
    """The half segments that no other one beats in `box`, in the order of their rank."""
    low: Any = sum(table.low for table in tables)
    high: Any = sum(table.high for table in tables)
    rank = geometry.rank(box)
    left = np.array(sorted(np.flatnonzero(low <= high.min()).tolist(), key=lambda h: rank[h]))
    # Where float64 does not tell exact numbers do.
    most = np.sum([table.rough[np.ix_(table.row[left], table.row[left])] for table in tables], axis=0)
    error = 1e-12 * sum(float(np.abs(table.rough).max()) for table in tables) + len(tables)
    beats = most < -error
    for one, other in np.argwhere(np.abs(most) <= error).tolist():
        beats[one, other] = one != other and geometry.beats(left[one], left[other], tables, box, rank)
    kept = np.ones(len(left), dtype=bool)
    for other in range(len(left)):
        kept[other] = not (beats[:, other] & kept).any()
    found: list[int] = left[kept].tolist()
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
    for one in listed:  # beaten outright
        left &= low <= int(sum(table.high[one] for table in tables))
    for one in listed:
        if not left.any():
            return
        others = np.flatnonzero(left)
        most: Any = sum(table.gain[table.row[one], table.row[others]] for table in tables)
        left[others[np.asarray(most < 0)]] = False
    for other in np.flatnonzero(left).tolist():
        if not any(geometry.beats(one, other, tables, box, rank) for one in listed):
            raise CheckFailed(f"{where}: a half segment of vertex {geometry.vertex[other]} is missing in the list")


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
