"""A query folded into a half cell: the geometry behind the strategies for any scale, inset and zero point.

Cut the grid into dual squares, the squares between four neighbouring vertices, and every square into four quarters,
each with its own vertex at one corner. With (gx, gy) the distances from the own vertex in cells, both 0..1/2, the
nearest point of the curve lies, wherever in the quarter the query is:

- on the own vertex's vertical or horizontal segment, if one of them runs along the square: if both do, on the vertical
  one where gx < gy, else the horizontal one; where gx = gy, on the one that comes first along the curve;
- else, both segments leave the square: on the own vertex itself, or on the far horizontal edge of the square if that
  belongs to the curve and gx > w(gy), or on the far vertical edge if that does and gy > w(gx), where
  w(g) = sqrt(1 - 2 g) is the parabola of equal distance; if both hold, on the nearer,
  or, where gx = gy, on the one that comes first.

w(g) exceeds 1/2 for g below 3/8, so only codes in the corner zone g > 3/8 can be nearer to a far edge. Queries off the
grid give the same answer as the point of the grid's hull next to them.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]

#: Where the parabola of equal distance to the own vertex and a far edge enters the half cell.
CORNER = Fraction(3, 8)


#: A class of codes of one head, and what they compare by.
Item = tuple[int, Fraction]
#: An index of a half cell, or an array of them.
Half = TypeVar("Half", int, IntArray)


def own_vertex(half: Half) -> Half:
    """Grid coordinate of the own vertex of a half cell."""
    return (half + 1) // 2


def other_vertex(half: Half) -> Half:
    """Grid coordinate of the vertex at the other end of the half cell's square."""
    return half // 2 + 1 - half % 2


@dataclass(frozen=True)
class Folded:
    """The codes of one head, folded. All sequences run over the raw bits 0..255 of a code.

    Attributes:
        half: half cell 0..2 side - 3: twice the dual square, plus 1 in its upper half; int64.
        place: grid coordinate, clamped to the grid.
        offset: distance from the own vertex in cells, 0..1/2.
    """

    half: IntArray
    place: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    @property
    def own(self) -> IntArray:
        """Grid coordinate of the own vertex, int64."""
        return own_vertex(self.half)

    @property
    def items(self) -> list[Item]:
        """Half cell and offset of each code: to be ordered by `tie_order`."""
        return list(zip(self.half.tolist(), self.offset, strict=True))

    @property
    def squares(self) -> list[Item]:
        """The same with the offset squared, to be compared with `bounds` of the other head."""
        return [(half, offset**2) for half, offset in self.items]

    @property
    def bounds(self) -> list[Item]:
        """The same with the square of w: a far edge is nearer where the square of the code along it exceeds that."""
        return [(half, 1 - 2 * offset) for half, offset in self.items]

    @property
    def corner(self) -> NDArray[np.bool_]:
        """Whether the code lies in the corner zone."""
        return np.array([offset > CORNER for offset in self.offset])


def fold(spec: Spec, axis: int) -> Folded:
    """Fold every code of an 8-bit head `axis` (0 x, 1 y), clamped to the grid."""
    last = spec.curve.side - 1
    halves, places, offsets = [], [], []
    for code in spec.heads.codes().tolist():
        place = min(max(spec.coordinate(axis, code), Fraction(0)), Fraction(last))
        square = min(math.floor(place), last - 1)
        upper = place - square >= Fraction(1, 2)
        halves.append(2 * square + int(upper))
        places.append(place)
        offsets.append(square + 1 - place if upper else place - square)
    return Folded(np.array(halves), tuple(places), tuple(offsets))


class Part(enum.Enum):
    """What the nearest point of the curve lies on, seen from a quarter of a dual square."""

    VERTEX = enum.auto()
    VERTICAL = enum.auto()
    HORIZONTAL = enum.auto()
    FAR_VERTICAL = enum.auto()
    FAR_HORIZONTAL = enum.auto()


@dataclass(frozen=True)
class Quarters:
    """What belongs to the curve around every quarter; bool arrays indexed [half of y, half of x].

    Attributes:
        vertical, horizontal: the own vertex's segment along the square in that direction.
        far_vertical, far_horizontal: the far edges of the square.
        vertical_first: with both own segments, the vertical one comes first along the curve.
        far_vertical_first: with both far edges, the vertical one comes first along the curve.
    """

    vertical: NDArray[np.bool_]
    horizontal: NDArray[np.bool_]
    far_vertical: NDArray[np.bool_]
    far_horizontal: NDArray[np.bool_]
    vertical_first: NDArray[np.bool_]
    far_vertical_first: NDArray[np.bool_]

    @property
    def contested(self) -> NDArray[np.bool_]:
        """Both own segments run along the square."""
        return np.asarray(self.vertical & self.horizontal)

    @property
    def wanted(self) -> IntArray:
        """What gx > gy must be where they tie, for `tie_order`: 1 takes the horizontal own segment, or the vertical far
        edge; 0 the other; -1 where no two compete."""
        both = self.lone & self.far_vertical & self.far_horizontal
        far = np.where(both, self.far_vertical_first, -1)
        return np.where(self.contested, ~self.vertical_first, far).astype(np.int64)

    @property
    def lone(self) -> NDArray[np.bool_]:
        """Neither own segment runs along the square, but a far edge of it belongs to the curve."""
        return np.asarray(~self.vertical & ~self.horizontal & (self.far_vertical | self.far_horizontal))

    def nearest(self, hx: int, hy: int, right: bool, near_h: bool, near_v: bool) -> Part:
        """What is nearest in a quarter, by the comparisons gx > gy, ties as wanted, gx > w(gy) and gy > w(gx)."""
        at = hy, hx
        if self.vertical[at] or self.horizontal[at]:
            return Part.VERTICAL if self.vertical[at] and not (right and self.horizontal[at]) else Part.HORIZONTAL
        if self.far_vertical[at] and near_v and (right or not self.far_horizontal[at]):
            return Part.FAR_VERTICAL
        # Where gx > gy, near_h alone can't hold.
        return Part.FAR_HORIZONTAL if self.far_horizontal[at] and near_h else Part.VERTEX


def places(spec: Spec) -> IntArray:
    """Index along the curve of each vertex [y, x], -1 off the curve; int64."""
    place = np.full((spec.curve.side, spec.curve.side), -1, dtype=np.int64)
    for index, (x, y) in enumerate(spec.curve.points):
        place[y, x] = index
    return place


def quarters(spec: Spec) -> Quarters:
    """Classify all (2 side - 2)^2 quarters of the grid of the curve of `spec`."""
    count = len(spec.curve.points)
    place = places(spec)

    def joined(a: IntArray, b: IntArray) -> NDArray[np.bool_]:
        apart = np.abs(a - b)
        return np.asarray((a >= 0) & (b >= 0) & ((apart == 1) | (spec.curve.closed & (apart == count - 1))))

    half = np.arange(2 * spec.curve.side - 2)
    own, other = own_vertex(half), other_vertex(half)
    oy, ox = np.meshgrid(own, own, indexing="ij")
    ny, nx = np.meshgrid(other, other, indexing="ij")
    here, across, up, opposite = place[oy, ox], place[oy, nx], place[ny, ox], place[ny, nx]

    def falling(a: IntArray, b: IntArray) -> NDArray[np.bool_]:
        """Whether b comes just before a and the arc length falls from a to it: not where a closed curve starts anew."""
        return np.asarray(((a - b) % count == 1) != (spec.curve.closed & (a == 0)))

    return Quarters(
        vertical=joined(here, up),
        horizontal=joined(here, across),
        far_vertical=joined(across, opposite),
        far_horizontal=joined(up, opposite),
        # The nearest point with the smaller s is on the side to which the arc length falls.
        vertical_first=falling(here, up),
        far_vertical_first=falling(opposite, across),
    )


def tie_order(x: Iterable[Item], y: Iterable[Item], wanted: IntArray) -> list[tuple[int, Item]] | None:
    """One order of the codes of both heads that decides every comparison of an x with a y, ties included.

    Args:
        x, y: class and key of every code; codes with the same are one item.
        wanted: by class of y and class of x, what x > y must be where the keys tie: 1, 0, or -1 if it does not matter.

    Returns (0 for x or 1 for y, item) in rising order, such that an x stands behind a y where its key is greater, or
    equal and 1 is wanted; or None if the constraints run in a circle.
    """
    items: dict[Fraction, tuple[set[int], set[int]]] = {}
    for which, codes in enumerate((x, y)):
        for number, key in set(codes):
            items.setdefault(key, (set(), set()))[which].add(number)
    order: list[tuple[int, Item]] = []
    for key in sorted(items):
        columns, lines = items[key]
        # Alternately all y, then all x, that nothing left must precede.
        while columns or lines:
            free_y = {line for line in lines if not any(wanted[line, column] == 0 for column in columns)}
            order += [(1, (line, key)) for line in sorted(free_y)]
            lines -= free_y
            free_x = {column for column in columns if not any(wanted[line, column] == 1 for line in lines)}
            order += [(0, (column, key)) for column in sorted(free_x)]
            columns -= free_x
            if not free_x and not free_y:
                return None
    return order


def tie_ranks(x: Sequence[Item], y: Sequence[Item], wanted: IntArray) -> tuple[IntArray, IntArray] | None:
    """Small integers with rank x > rank y exactly where the comparison of `tie_order` gives 1, or None if there is none.

    Returns (rank of every code of x, of y), from 0; codes that no code of the other head tells apart share one.
    """
    order = tie_order(x, y, wanted)
    if order is None:
        return None
    rank, previous = 0, 0
    found = {}
    for which, item in order:
        rank += which == 0 and previous == 1
        previous = which
        found[which, item] = rank
    return np.array([found[0, item] for item in x]), np.array([found[1, item] for item in y])


def refused_constraints(
    x: Sequence[Item], y: Sequence[Item], wanted: IntArray, easy: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Which of the constraints for 1 to leave out so that those that remain, and all for 0, run in no circle.

    Args:
        x, y, wanted: as of `tie_order`.
        easy: by class of y and class of x, what is refused rather than the others.

    The constraints are taken one by one, those that concern most pairs of codes first; a constraint is kept if it forms no circle with
    the constraints kept before it.
    """
    keys: dict[Fraction, tuple[set[int], set[int]]] = {}
    for which, codes in enumerate((x, y)):
        for number, key in codes:
            keys.setdefault(key, (set(), set()))[which].add(number)
    present = {(frozenset(columns), frozenset(lines)) for columns, lines in keys.values()}
    count_x, count_y = (Counter(number for number, _ in codes) for codes in (x, y))
    first, behind = wanted == 0, np.zeros(wanted.shape, dtype=bool)

    def after(column: int, columns: Iterable[int], lines: Iterable[int]) -> set[int]:
        """The y that must not be before an x, where these x and y tie."""
        found, reached = set(), {column}
        while True:
            found = {line for line in lines if any(first[line, at] for at in reached)}
            more = {at for at in columns if any(behind[line, at] for line in found)} | reached
            if more == reached:
                return found
            reached = more

    constraints = [(int(line), int(column)) for line, column in np.argwhere(wanted == 1)]

    def turn(constraint: tuple[int, int]) -> tuple[bool, int, tuple[int, int]]:
        return easy is not None and bool(easy[constraint]), -count_y[constraint[0]] * count_x[constraint[1]], constraint

    for line, column in sorted(constraints, key=turn):
        behind[line, column] = not any(
            line in after(column, columns, lines) for columns, lines in present if column in columns
        )
    return np.asarray((wanted == 1) & ~behind)
