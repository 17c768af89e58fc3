"""The distance to the curve for strategies that find the nearest point by its half segment: any scale, inset and zero point.

The square of a distance is a sum of two terms, each of which depends on one code only: how far the code is from

- the own vertex of its half cell (folding.py), `NEAR`,
- the vertex at the other end of the square, `FAR`,
- the grid, 0 on it, `BEYOND`: along a segment that the nearest point is on.

So `away` holds the three terms of every code, and gives the square by two reads and an addition once a strategy knows the
segment, or that a vertex is nearest; `root` gives the distance by the sum.

Terms are whole numbers, and exact squares mostly are not. But all that matters is on which side of a bound, between one
distance and the next, the sum of two terms lies. Terms that tell that for every pair are the solution of a system of
difference constraints, which is found by shortest paths (Bellman and Ford) from the rounded squares, or known not to exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Implementation, IntArray, Refused, Table
from hilbert_codegen.kernels.folding import fold, other_vertex, own_vertex
from hilbert_codegen.spec.specification import Spec

FloatArray = NDArray[np.float64]
#: Slots of x and of y for arrays of raw bits of x and y.
_SlotsOf = Callable[[IntArray, IntArray], tuple[IntArray, IntArray]]
#: Which of the four terms of a code: offset from the grid (twice), from the own vertex, from the other one.
BEYOND, NEAR, BEYOND_TOO, FAR = range(4)
SLOTS = 4
#: Terms of a slot, and where those of y begin.
PAGE = 256
OF_Y = PAGE * SLOTS
#: The largest distance that is told.
MOST = 255
#: Bytes that a strategy's tables keep to where they can.
ROOM = 1 << 14
#: Where a root for each sum of squares in whole codes takes too many bytes, one stands for 2^COARSE sums from FINE on: the
#: distance rises at most once within so many.
FINE, COARSE = 1 << 11, 6
#: Fractional bits of terms of 32 bits.
WIDE = 12
#: Passes after which a system counts as one without a solution; those that have one took 24 at most.
PASSES = 64


@dataclass(frozen=True)
class Roots:
    """The distance by a sum of squares of codes, to which 3/4 was added.

    Attributes:
        root: distance by the sum, shifted.
        shift: fractional bits of the sums.
        steps: (first, drop), ascending: from the sum `first` on each root stands for 2^drop sums. The distance rises at
            most once within so many: first is 4^(drop - 1) and more.
    """

    root: IntArray
    shift: int
    steps: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, whole: int, shift: int, steps: tuple[tuple[int, int], ...] = ()) -> Roots:
        """Those of sums up to `whole`, when they are shifted; `steps` as far as there are such sums."""
        used = tuple(step for step in steps if step[0] <= whole)
        ends = [first for first, _ in used] + [whole + 1]
        parts = [np.arange(ends[0])]
        parts += [np.arange(first, end, 1 << drop) for (first, drop), end in zip(used, ends[1:], strict=True)]
        root = np.minimum(np.searchsorted(least(np.arange(1, MOST + 1)), np.concatenate(parts), side="right"), MOST)
        return cls(root, shift, used)

    def of_sums(self, sums: IntArray) -> IntArray:
        """The executable model."""
        whole = sums >> self.shift
        place = whole
        for (first, drop), before in zip(self.steps, self._before, strict=True):
            place = np.where(whole < first, place, before + (whole >> drop))
        found = self.root[place]
        if not self.steps:
            return np.asarray(found)
        above = (whole >= self.steps[0][0]) & (whole > found * (found + 1)) & (found < MOST)
        return np.asarray(found + above)

    @property
    def _before(self) -> list[int]:
        """By step, what is added to a sum without its lowest bits for the place of its root."""
        before: list[int] = []
        last, at, dropped = 0, 0, 0
        for first, drop in self.steps:
            at += (first - last) >> dropped
            before.append(at - (first >> drop))
            last, dropped = first, drop
        return before

    @cached_property
    def table(self) -> Table:
        """As the C has it."""
        more = "".join(f"; from {first} on of {1 << drop} sums" for first, drop in self.steps)
        return Table("root", "uint8", self.root, "distance in codes by a sum of squares" + more)

    def params(self) -> dict[str, object]:
        """Constants of `root` in templates/kernels/distances.c.j2: of steps the last one first."""
        return {
            "shift": self.shift,
            "steps": [
                {"first": f"{first}U", "drop": drop, "before": f"{before}U"}
                for (first, drop), before in reversed(list(zip(self.steps, self._before, strict=True)))
            ],
            "most": f"{MOST}U",
            "full": int(self.root.max()) == MOST,
        }


@dataclass(frozen=True)
class Distances:
    """What gives the distance once the slots are known.

    Attributes:
        away: terms by PAGE slot + x, and by OF_Y + PAGE slot + y, x and y raw bits.
        roots: distance by the sum of two terms.
        narrow: whether every term and every sum fits 16 bits.
    """

    away: IntArray
    roots: Roots
    narrow: bool

    def model(self, slot_x: IntArray, slot_y: IntArray, x: IntArray, y: IntArray) -> IntArray:
        """Distances of raw bits x and y whose terms are in these slots."""
        return self.roots.of_sums(self.away[PAGE * slot_x + x] + self.away[OF_Y + PAGE * slot_y + y])

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Both tables, which all implementations share."""
        shift = self.roots.shift
        terms = f"squares << {shift} of x beyond the grid, from its vertex, beyond, from the other one; then of y"
        columns = 16 if self.narrow else 8
        return (
            Table("away", "uint16" if self.narrow else "uint32", self.away, terms, columns),
            self.roots.table,
        )

    def params(self) -> dict[str, object]:
        """Constants of templates/kernels/distances.c.j2."""
        return {**self.roots.params(), "narrow": self.narrow}

    def beside(self, code: Implementation, slots: _SlotsOf) -> Implementation:
        """`code` with the distance of raw bits in those slots."""

        def measure(x: IntArray, y: IntArray) -> IntArray:
            return self.model(*slots(x, y), x, y)

        tables, params = (*code.tables, *self.tables), {**code.params, "away": self.params()}
        return replace(code, tables=tables, distance=measure, params=params)


def distances(spec: Spec, ideal: Ideal, slot_x: IntArray, slot_y: IntArray, room: int = ROOM) -> Distances:
    """Terms for all pairs of 8-bit heads, whose slots are given by [raw bits of y, of x]; Refused where there are none.

    Terms have 16 bits where such do, with as many fractional bits as there is room for, else 32. Each sum has a root of
    its own if both tables then take at most `room` bytes.
    """
    exact = np.concatenate([_squares(spec, axis) for axis in (0, 1)])
    x, y = np.broadcast_to(np.arange(256), (256, 256)), np.broadcast_to(np.arange(256)[:, None], (256, 256))
    first_x, first_y = (np.where(slot == BEYOND_TOO, BEYOND, slot) for slot in (slot_x, slot_y))
    at = (PAGE * first_x + x).reshape(-1), (OF_Y + PAGE * first_y + y).reshape(-1)
    largest = int((exact[at[0]] + exact[at[1]]).max()) + 2
    wanted = ideal.distance.reshape(-1).astype(np.int64)
    shifts = [(16 - largest.bit_length(), True)] if largest < 1 << 16 else []
    for shift, narrow in [*shifts, (WIDE, False)]:
        away = _terms(exact, at, wanted, shift)
        if away is None or (narrow and int((away[at[0]] + away[at[1]]).max()) >> 16):
            continue
        pages = away.reshape(-1, SLOTS, PAGE)
        pages[:, BEYOND_TOO] = pages[:, BEYOND]
        whole = int((away[at[0]] + away[at[1]]).max()) >> shift
        coarse = whole > FINE and away.size * (2 if narrow else 4) + whole + 1 > room
        found = Distances(away, Roots.of(whole, shift, ((FINE, COARSE),) if coarse else ()), narrow)
        if (found.model(slot_x, slot_y, x, y) == ideal.distance).all():
            return found
    raise Refused("a distance is a closer call than sums of two terms settle")


def least(distance: IntArray) -> IntArray:
    """The least whole sum that stands for a distance of 1 and more: a square q is floor(q + 3/4), (d - 1/2)^2 + 3/4."""
    return distance * (distance - 1) + 1


def _squares(spec: Spec, axis: int) -> FloatArray:
    """The terms of a head, by slot and raw bits, in squares of codes."""
    last, pitch = spec.curve.side - 1, spec.pitch(axis)
    terms = []
    for code, half in zip(spec.heads.codes().tolist(), fold(spec, axis).half.tolist(), strict=True):
        place = spec.coordinate(axis, code)
        inside = min(max(place, Fraction(0)), Fraction(last))
        ends = inside, own_vertex(half), inside, other_vertex(half)
        terms.append([float((place - end) * pitch) ** 2 for end in ends])
    return np.array(terms).T.reshape(-1)


def _terms(exact: FloatArray, at: tuple[IntArray, IntArray], wanted: IntArray, shift: int) -> IntArray | None:
    """Terms whose sums, shifted, are those of the `wanted` distances wherever two of them are added, at[0] and at[1]."""
    one = 1 << shift
    # Above the last bound all sums mean the same.
    ceiling = int(least(np.array(MOST + 1)))
    rise = np.repeat([3 / 4, 0], OF_Y)
    terms = np.rint(np.minimum(exact + rise, ceiling) * one).astype(np.int64)
    low = np.where(wanted > 0, least(wanted), 0) * one
    high = np.where(wanted < MOST, least(wanted + 1), 4 * ceiling) * one - 1
    # Terms of y with a minus: both bounds then are on differences, and all values only fall, to the highest solution. So
    # terms of x may fall below 0 (they start with all of the rise), and those of y do not.
    first, second = terms + 2, -terms
    for _ in range(PASSES):
        before = first.copy(), second.copy()
        np.minimum.at(first, at[0], second[at[1]] + high)
        np.minimum.at(second, at[1], first[at[0]] - low)
        if (first == before[0]).all() and (second == before[1]).all():
            result = np.concatenate([first[:OF_Y], -second[OF_Y:]])
            # What is never added is 0: it could be too large.
            result[~np.isin(np.arange(len(result)), np.concatenate(at))] = 0
            return None if result.min() < 0 else result
    return None
