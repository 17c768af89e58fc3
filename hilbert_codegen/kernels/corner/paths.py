"""Paths of `corner` for its assembly: where few records are all that boxes have, each is a piece of code and boxes have its number.

That is so with three heads of order 1. A path knows its axes, signs and bases, so distances are read from codes that are in
registers already, and records are no table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused, as_output, in_parts
from hilbert_codegen.kernels.corner.layout import Kind, Layout

#: At most so many records become paths, and at most so many of them compare with another corner's half segment: that one is long.
MOST, MOST_LISTS = 40, 4
#: The paths that end by a branch to the end of another one have together at most this share of all points.
SELDOM = 0.2


@dataclass(frozen=True)
class Half:
    """A half segment: its result is (base + sign * distance along its axis) >> shift; the sign is 0 where the vertex is nearest."""

    axis: int
    sign: int
    base: int


@dataclass(frozen=True)
class Path:
    """What the code of a record does.

    Attributes:
        halves: one half segment; or those of a turn, which have one base: the second is taken where its distance is
            greater, or, if `equal`, not less.
        equal: see there.
        at: of a record that leads to a list: where that is among the words behind the records; else -1.
        own, other: of such a one: the paths of its own half segment and of the other corner's.
    """

    halves: tuple[Half, ...] = ()
    equal: bool = False
    at: int = -1
    own: int = 0
    other: int = 0


@dataclass(frozen=True)
class Paths:
    """The paths of a layout, and the executable model of their code.

    Attributes:
        layout: tables, of which `box` has the numbers of paths.
        paths: those of its records, and behind them those that only lists lead to.
        only: the axes of every comparison with another corner's half segment: of the own one, of the other one, and that which it
            is across.
    """

    layout: Layout
    paths: tuple[Path, ...]
    only: tuple[int, ...]

    @property
    def seldom(self) -> set[int]:
        """The paths of the fewest points, which share an end."""
        points = np.ones(1, dtype=np.int64)
        for share in self.layout.share:
            points = np.convolve(points, np.bincount(share))
        assert self.layout.box is not None
        of = np.bincount(self.layout.box[: len(points)], points, len(self.paths))
        order = [which for which in np.argsort(of, kind="stable").tolist() if self.paths[which].halves]
        most = np.cumsum(of[order]) <= SELDOM * of.sum()
        return {which for which, few in zip(order, most.tolist(), strict=True) if few}

    @property
    def listed(self) -> IntArray:
        """The words of lists."""
        return self.layout.more

    @property
    def pages(self) -> list[tuple[int, int]]:
        """For every head: the one to whose distances a register points, and by how many entries its own are behind them.

        Two registers do for three heads with distances of their own: that which the fewest paths read has none.
        """
        heads = range(self.layout.spec.dimensions)
        if bool((self.layout.gap == self.layout.gap[0]).all()):
            return [(0, 0) for _ in heads]
        uses = Counter(half.axis for path in self.paths for half in path.halves)
        least = min(heads, key=lambda axis: (uses[axis], -axis))
        beside = least - 1 if least else least + 1
        return [(axis, 0) if axis != least else (beside, 256 * (least - beside)) for axis in heads]

    def decode(self, *raw: IntArray) -> IntArray:
        """The results of raw codes, one array for each head."""
        return as_output(self.layout.spec, in_parts(self._decode, raw))

    def _decode(self, raw: IntArray) -> IntArray:
        layout = self.layout
        gaps = np.stack([layout.gap[a][bits] for a, bits in enumerate(raw)])
        assert layout.box is not None
        number = layout.box[sum(layout.share[a][bits] for a, bits in enumerate(raw))]
        result = np.empty(len(number), dtype=np.int64)
        for which in np.unique(number).tolist():
            points = np.flatnonzero(number == which)
            path = self.paths[which]
            if path.halves:
                result[points] = self._nearest(path, gaps[:, points])
            else:
                result[points] = self._compared(path, raw[:, points], gaps[:, points])
        return result

    def _nearest(self, path: Path, gaps: IntArray) -> IntArray:
        """The results of a path with half segments of the own vertex."""
        halves = path.halves
        found = [half.base + half.sign * gaps[half.axis] >> self.layout.shift for half in halves]
        if len(halves) == 1:
            return np.asarray(found[0] & 0xFFFF)
        first, second = (gaps[half.axis] for half in halves)
        taken = second >= first if path.equal else second > first
        return np.asarray(np.where(taken, found[1], found[0]) & 0xFFFF)

    def _compared(self, path: Path, raw: IntArray, gaps: IntArray) -> IntArray:
        """Those of a path that compares with another corner's half segment."""
        layout = self.layout
        own, along, across = (gaps[axis] >> layout.rough for axis in self.only)
        ahead = along * along - own * own + 2 * layout.cell * across - layout.level
        other, mine = (self._nearest(self.paths[which], gaps) for which in (path.other, path.own))
        result = np.asarray(np.where(ahead >= layout.margin, other, mine))
        close = np.flatnonzero(np.abs(ahead) < layout.margin)
        if len(close):
            at = np.full(len(close), path.at + len(layout.record))
            record = layout._closest(raw[:, close], at, layout.words[at])
            result[close] = layout._result(record, layout._along(record, gaps[:, close]))
        return result


def paths_of(layout: Layout, only: tuple[int, ...]) -> Paths:
    """The paths of a layout. Raises Refused.

    Boxes have numbers of records, and every list has one half segment, which is compared with one of the own vertex.
    """
    fields, records = layout.fields, layout.record.tolist()
    lists = int((fields.kinds(layout.record) == Kind.AMONG).sum())
    if len(records) > MOST or lists > MOST_LISTS:
        raise Refused("its records are too many for paths")
    known = {record: number for number, record in enumerate(records)}
    further: list[int] = []

    def number_of(record: int) -> int:
        if record not in known:
            known[record] = len(records) + len(further)
            further.append(record)
        return known[record]

    def path_of(record: int) -> Path:
        kind = int(fields.kinds(np.array(record)))
        if kind == Kind.AMONG:
            at = record & ((1 << layout.at) - 1)
            own, other = (number_of(int(layout.words[i])) for i in (at, at + 1))
            return Path(at=at - len(records), own=own, other=other)
        if kind == Kind.PAIR:
            raise Refused("two half segments of a vertex are no turn")
        if fields.is_turn(np.array(record)):
            minus, plus = (_half(layout, int(half)) for half in fields.unfolded(np.array(record)))
            return Path((minus, plus), not layout.ahead)
        return Path((_half(layout, record),))

    found = [path_of(record) for record in records]
    return Paths(layout, (*found, *(Path((_half(layout, record),)) for record in further)), only)


def _half(layout: Layout, record: int) -> Half:
    """The half segment of a single record."""
    fields, one = layout.fields, np.array(record)
    return Half(int(fields.axes(one)), int(fields.signs(one)), record & ((1 << fields.sign) - 1))
