"""The exact reference for three and more heads: the definition of reference.py, in any number of dimensions.

The squared distance of a query to a half segment is a sum over the axes, each term a function of one code: zero where
the half segment covers the coordinate, the square of the offset to it elsewhere. The terms of all half segments and
codes are tabulated once, as whole numbers over a common denominator. Floating point sums of them preselect with a margin
far above their error; where all half segments within the margin give the same output nothing is left to decide, and
elsewhere whole numbers do, by (distance^2, not the query's own cell, s).

Where distances in codes are wanted, too, an answer is one number, 256 times the output code plus the distance. The square
of a distance is a sum over the axes as well, each term in codes of that axis' head.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.halves import half_segments
from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]

#: Tuples decoded at a time, so that the working set stays small.
_CHUNK = 1 << 12

#: Whole numbers below it are held in 64 bits.
_NARROW = 1 << 62
#: Answers with distances: an output code times this, plus the distance.
_FAR = 256

#: Told the share (0..1) that is done.
Advance = Callable[[float], None]


class ManyHeads:
    """The half segments of a curve as seen from some codes of every head.

    Attributes:
        narrow: whether sums of `exact` take 64 bits.
        exact: for every axis an array (halves, codes) of whole numbers: squared distance along that axis, in
            (cells / unit)^2.
        rough: the same in cells^2, float64.
        arc: (halves, codes) whole numbers: s of the nearest point of the half, in cells / unit, by the code of the half's
            own axis.
        output: (halves, codes) the output code of that s, int64.
        axis: of every half the axis that it runs along.
        at: (halves, axes) the vertex that it starts from.
        role: for every axis of every half the row of what depends on where it lies on that axis alone.
        vertex, sign: index of that vertex along the curve, and +1 or -1 towards growing s.
        cell: for every axis the own cell of every code.
    """

    def __init__(self, spec: Spec, codes: Sequence[IntArray], distance: bool = False) -> None:
        """`codes`: one 1-D array for each head. `distance`: whether answers have the distance, too."""
        self.spec, self.distance = spec, distance
        places = [spec.coordinates(a, axis.tolist()) for a, axis in enumerate(codes)]
        self.unit = 2 * math.lcm(*(value.denominator for axis in places for value in axis))
        last = spec.curve.side - 1
        half = Fraction(1, 2)
        self.cell = [np.array([min(max(math.floor(v + half), 0), last) for v in axis]) for axis in places]
        self.half_cell = [np.array([min(max(math.floor(2 * v), -1), 2 * last) for v in axis]) for axis in places]
        halves = half_segments(spec)
        self.vertex, self.at, step, self.sign = halves.vertex, halves.at, halves.step, halves.sign
        self.axis = np.argmax(np.abs(step), axis=1)
        whole = [np.array([int(value * self.unit) for value in axis], dtype=object) for axis in places]
        self.exact: list[NDArray[Any]] = []
        self.rough: list[NDArray[np.float64]] = []
        self.role: list[IntArray] = []
        for a, axis in enumerate(whole):
            # Roles of a half on this axis: it runs up, down, or across (a single coordinate).
            spans = sorted({(int(v), int(s)) for v, s in zip(self.at[:, a], step[:, a], strict=True)})
            rows = []
            for v, s in spans:
                low = v * self.unit - (self.unit // 2 if s < 0 else 0)
                high = v * self.unit + (self.unit // 2 if s > 0 else 0)
                rows.append(np.maximum(np.maximum(low - axis, axis - high), 0) ** 2)
            table: Any = np.array(rows, dtype=object)
            picked = np.array([spans.index((int(v), int(s))) for v, s in zip(self.at[:, a], step[:, a], strict=True)])
            self.role.append(picked)
            self.exact.append(table[picked])
            self.rough.append((table / self.unit**2).astype(np.float64)[picked])
        self.narrow = sum(int(table.max()) for table in self.exact) < _NARROW
        if self.narrow:
            self.exact = [table.astype(np.int64) for table in self.exact]
        if distance:
            self._square_codes()
        self.size = [1.0 + np.abs(np.array([float(v) for v in axis])) for axis in places]
        arcs: list[Any] = []
        for h, a in enumerate(self.axis.tolist()):
            along = (whole[a] - int(self.at[h, a]) * self.unit) * int(step[h, a])
            clamped = np.minimum(np.maximum(along, 0), self.unit // 2)
            arc = int(self.vertex[h]) * self.unit + int(self.sign[h]) * clamped
            arcs.append(arc % (self.unit * spec.curve.segments) if spec.curve.closed else arc)
        longest = max(len(axis) for axis in whole)
        self.arc: NDArray[Any] = np.array([np.append(arc, [0] * (longest - len(arc))) for arc in arcs], dtype=object)
        if 4 * self.unit * spec.curve.segments * max(abs(code) + 1 for code in spec.output.codes) < _NARROW:
            self.arc = self.arc.astype(np.int64)
        self.output = self._codes(self.arc)

    def _square_codes(self) -> None:
        """For every axis squares of distances in codes by role and code: whole numbers over `far_unit`^2, and floats."""
        pitches = [self.spec.pitch(a) for a in range(self.spec.dimensions)]
        common = math.lcm(*(pitch.denominator for pitch in pitches))
        self.far_unit = self.unit * common
        self.far: list[NDArray[Any]] = []
        for table, role, pitch in zip(self.exact, self.role, pitches, strict=True):
            first = np.unique(role, return_index=True)[1]
            self.far.append(table[first].astype(object) * int(pitch * common) ** 2)
        self.rough_far = [(table / self.far_unit**2).astype(np.float64) for table in self.far]

    def _bounds(self, code: Any, square: NDArray[np.float64]) -> tuple[IntArray, IntArray]:
        """Least and greatest answer of an output code with the rough square of a distance in codes."""
        wanted = np.sqrt(square) + 0.5
        low, high = (np.minimum(wanted * slack, _FAR - 1).astype(np.int64) for slack in (1 - 1e-9, 1 + 1e-9))
        return code * _FAR + low, code * _FAR + high

    def _answers(self, half: IntArray, index: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
        """Bounds of the answers of queries whose nearest half is known; all arrays of one shape."""
        code = self.output[half, np.choose(self.axis[half], index)]
        if not self.distance:
            return code, code
        square: Any = sum(table[role[half], i] for table, role, i in zip(self.rough_far, self.role, index, strict=True))
        return self._bounds(code, square)

    def _exactly(self, half: IntArray, index: Sequence[IntArray]) -> IntArray:
        """The answers of queries whose nearest half is known, by whole numbers."""
        low, high = self._answers(half, index)
        for i in np.flatnonzero(low != high).tolist():
            square = sum(
                int(table[role[half[i]], at[i]]) for table, role, at in zip(self.far, self.role, index, strict=True)
            )
            far = (math.isqrt(4 * square) + self.far_unit) // (2 * self.far_unit)
            low[i] = low[i] // _FAR * _FAR + min(far, _FAR - 1)
        return low

    def split(self, answers: IntArray) -> tuple[IntArray, NDArray[np.uint8]]:
        """Output codes and distances of answers; no distances where none were wanted."""
        if not self.distance:
            return answers, np.zeros(0, np.uint8)
        return answers // _FAR, (answers % _FAR).astype(np.uint8)

    def _codes(self, arc: NDArray[Any]) -> IntArray:
        c0, c1 = self.spec.output.codes
        total = self.unit * self.spec.curve.segments
        codes = (2 * c0 * total + 2 * arc * (c1 - c0) + total) // (2 * total)
        result: IntArray = codes.astype(np.int64)
        return np.where(result == c1, c0, result) if self.spec.curve.closed else result

    def _decide(self, halves: IntArray, near: NDArray[np.bool_], index: Sequence[IntArray]) -> IntArray:
        """Answers of queries (one index array for each axis) by whole numbers, among `halves` where `near` (k, count)."""
        square: Any = sum(table[halves][:, i] for table, i in zip(self.exact, index, strict=True))
        far = 1 + square.max()
        square = np.where(near, square, far)
        alive = square == square.min(axis=0)
        own = np.ones(near.shape, dtype=bool)
        for a, i in enumerate(index):
            own &= self.at[halves, a][:, None] == self.cell[a][i]
        has_own = (alive & own).any(axis=0)
        alive &= own | ~has_own
        own_index = np.stack(list(index))[self.axis[halves]]
        arc: Any = self.arc[halves[:, None], own_index]
        arc = np.where(alive, arc, self.unit * (self.spec.curve.segments + 1))
        return self._exactly(halves[arc.argmin(axis=0)], index)

    def _settle(self, halves: IntArray, rough: NDArray[np.float64], index: Sequence[IntArray]) -> IntArray:
        """Answers of queries, given their rough squared distances (k, count) to `halves`."""
        size = sum(self.size[a][i] for a, i in enumerate(index))
        near = rough <= rough.min(axis=0) + 1e-9 * np.square(size)
        half, query = np.nonzero(near)
        lowest, highest = self._answers(halves[half], [i[query] for i in index])
        low = np.full(near.shape[1], np.iinfo(np.int64).max)
        high = np.full(near.shape[1], np.iinfo(np.int64).min)
        np.minimum.at(low, query, lowest)
        np.maximum.at(high, query, highest)
        open_ = np.flatnonzero(low != high)
        if len(open_):
            low[open_] = self._decide(halves, near[:, open_], [i[open_] for i in index])
        return low

    def decode(self, index: Sequence[IntArray]) -> IntArray:
        """Exact answers of listed queries: for each axis the indices into its codes, shape (count,)."""
        every = np.arange(len(self.axis))
        found = np.empty(len(index[0]), dtype=np.int64)
        for start in range(0, len(found), _CHUNK):
            part = [i[start : start + _CHUNK] for i in index]
            rough = sum(table[:, i] for table, i in zip(self.rough, part, strict=True))
            found[start : start + _CHUNK] = self._settle(every, np.asarray(rough), part)
        return found

    def product(self, advance: Advance | None = None) -> IntArray:
        """Exact answers of all combinations of the codes, of shape (codes of the last head, ..., of the first).

        Goes box by box, a box being the codes of one half cell on every axis. Only halves whose least distance over a box
        is within the margin of some other's greatest are looked at, and of those only such as no other one is nearer than throughout
        the box by more than the margin: the greatest difference of two is the sum of the greatest on every axis.
        """
        groups = [[np.flatnonzero(cells == value) for value in np.unique(cells)] for cells in self.half_cell]
        least, most = (
            [np.stack([bound(table[:, group], axis=1) for group in axis]) for table, axis in zip(self.rough, groups, strict=True)]
            for bound in (np.min, np.max)
        )  # fmt: skip
        sizes = [[float(size[group].max()) for group in axis] for size, axis in zip(self.size, groups, strict=True)]
        gains, rows = [], []
        for table, axis in zip(self.rough, groups, strict=True):
            different, row = np.unique(table, axis=0, return_inverse=True)
            rows.append(row.reshape(-1))
            gains.append([(different[:, None, g] - different[None, :, g]).max(axis=2) for g in axis])
        result = np.empty([len(cells) for cells in reversed(self.cell)], dtype=np.int64)
        boxes = list(itertools.product(*(range(len(axis)) for axis in groups)))
        for done, box in enumerate(boxes):
            low = sum(bound[g] for bound, g in zip(least, box, strict=True))
            high = sum(bound[g] for bound, g in zip(most, box, strict=True))
            margin = 1e-9 * sum(bound[g] for bound, g in zip(sizes, box, strict=True)) ** 2
            halves = np.flatnonzero(low <= np.min(high) + margin)
            most_ahead = sum(
                gain[g][np.ix_(row[halves], row[halves])] for gain, row, g in zip(gains, rows, box, strict=True)
            )
            halves = halves[np.min(most_ahead, axis=0) >= -2 * margin]
            picked = [axis[g] for axis, g in zip(groups, box, strict=True)]
            runs = [_run(codes) for codes in reversed(picked)]
            places = tuple(runs) if all(isinstance(run, slice) for run in runs) else np.ix_(*reversed(picked))
            result[places] = self._box(halves, picked)
            if advance is not None and done % 64 == 0:
                advance(done / len(boxes))
        return result

    def _box(self, halves: IntArray, picked: Sequence[IntArray]) -> IntArray:
        """The answers of a box among `halves`: by their order where nothing is rounded."""
        if len(halves) > 1 and not self.narrow:
            return self._near(halves, picked)
        # Own cells of a box are the same throughout, and half segments cover disjoint stretches of s.
        own = np.array([cell[codes[0]] for cell, codes in zip(self.cell, picked, strict=True)])
        middle = (4 * self.vertex[halves] + self.sign[halves]) % (
            4 * self.spec.curve.segments + (0 if self.spec.curve.closed else 4)
        )
        ordered = halves[np.lexsort((middle, (self.at[halves] != own).any(axis=1)))]
        lowest, highest = self._alone(int(ordered[0]), picked)
        if len(halves) > 1:
            lowest = lowest.copy()
            highest = highest.copy() if self.distance else lowest
            least = self._over(self.exact, ordered[0], picked)
        winner = np.full(lowest.shape, ordered[0])
        for h in ordered[1:].tolist():
            square = self._over(self.exact, h, picked)
            closer = square < least
            least = np.minimum(least, square)
            low, high = self._alone(h, picked)
            np.copyto(lowest, low, where=closer)
            if self.distance:
                np.copyto(highest, high, where=closer)
                np.copyto(winner, h, where=closer)
        if self.distance:
            open_ = np.nonzero(lowest != highest)
            index = [axis[i] for axis, i in zip(picked, reversed(open_), strict=True)]
            lowest[open_] = self._exactly(winner[open_], index)
        return lowest

    def _over(self, tables: Sequence[NDArray[Any]], row: Any, picked: Sequence[IntArray]) -> NDArray[Any]:
        """The sum over the axes of a row of their tables, for all combinations of some codes, the last axis first.

        `row` is one for all axes, or one for each.
        """
        count = len(picked)
        rows = np.broadcast_to(row, count).tolist()
        total: Any = 0
        for a in range(count - 1, -1, -1):
            values = tables[a][rows[a]][_run(picked[a])]
            total = total + values.reshape([-1 if i == count - 1 - a else 1 for i in range(count)])
        return np.asarray(total)

    def _alone(self, h: int, picked: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
        """Bounds of the answers of a whole box, were half segment `h` the nearest throughout."""
        count, a = len(picked), int(self.axis[h])
        code = self.output[h][_run(picked[a])].reshape([-1 if i == count - 1 - a else 1 for i in range(count)])
        code = np.broadcast_to(code, [len(axis) for axis in reversed(picked)])
        if not self.distance:
            return code, code
        return self._bounds(code, self._over(self.rough_far, [role[h] for role in self.role], picked))

    def _near(self, halves: IntArray, picked: Sequence[IntArray]) -> IntArray:
        """The answers of a box by floating point, and by whole numbers where that leaves a doubt."""
        squares = [self._over(self.rough, h, picked) for h in halves.tolist()]
        least = np.minimum.reduce(squares)
        least += 1e-9 * sum(size[codes].max() for size, codes in zip(self.size, picked, strict=True)) ** 2
        near: list[NDArray[np.bool_]] = []
        lowest = np.full(least.shape, 1 << 62, dtype=np.int64)
        highest = np.full(least.shape, -(1 << 62), dtype=np.int64)
        for h, square in zip(halves.tolist(), squares, strict=True):
            low, high = self._alone(h, picked)
            near.append(square <= least)
            np.minimum(lowest, low, out=lowest, where=near[-1])
            np.maximum(highest, high, out=highest, where=near[-1])
        open_ = np.nonzero(lowest != highest)
        if len(open_[0]):
            index = [axis[i] for axis, i in zip(picked, reversed(open_), strict=True)]
            lowest[open_] = self._decide(halves, np.stack([one[open_] for one in near]), index)
        return lowest


def _run(places: IntArray) -> Any:
    """Ascending places as a slice, where they follow one another."""
    first, count = int(places[0]), len(places)
    return slice(first, first + count) if int(places[-1]) - first == count - 1 else places


def results_of(spec: Spec) -> IntArray:
    """All results that a nearest point can have, ascending, and some that none has: those of every half segment at every
    code of its axis."""
    heads = ManyHeads(spec, [spec.heads.codes()] * spec.dimensions)
    return np.unique(heads.output)


def decode_tuples(spec: Spec, queries: IntArray) -> IntArray:
    """Exact output codes, int64 (count,), of the tuples of codes `queries` (count, heads): any number of heads."""
    return measure_tuples(spec, queries, False)[0]


def measure_tuples(spec: Spec, queries: IntArray, distance: bool = True) -> tuple[IntArray, NDArray[np.uint8]]:
    """The same with the distances to the curve, in codes, uint8; none unless `distance`."""
    low = [int(queries[:, a].min()) for a in range(spec.dimensions)]
    codes = [np.arange(first, int(queries[:, a].max()) + 1) for a, first in enumerate(low)]
    heads = ManyHeads(spec, codes, distance)
    return heads.split(heads.decode([queries[:, a] - first for a, first in enumerate(low)]))
