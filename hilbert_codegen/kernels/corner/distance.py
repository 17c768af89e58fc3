"""Distances to the curve in codes, for `corner`: sums of squares by code, and whole numbers where those do not tell.

The nearest half segment is known by its record and, if it is another corner's, by the axes that its list says it is across. So the
square of the distance is a sum over the axes of how far a code is from

- the other vertex of its half cell, on the axes that the half segment is across,
- the grid, on the axis that it is along: 0, or as far as from the own vertex for codes off the grid, which are nearest to that,
- the own vertex, on the others.

Sums of rounded squares are off by at most a margin. Where a border between two distances is nearer than that, offsets in
whole numbers of several words (code_offsets.py) decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Refused, Table, in_parts
from hilbert_codegen.kernels.code_offsets import MOST, CodeOffsets
from hilbert_codegen.kernels.corner.geometry import ACROSS, ZONE, Parts
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.kernels.distances import Roots, least
from hilbert_codegen.spec.specification import Spec

#: Squares are whole numbers of 2^-FRACTION at most.
FRACTION = 16
#: From which sums on a root stands for so many powers of two of them (`Roots`).
STEPS = ((256, 5), (4096, 7))
#: Bytes of all tables that leave `code.max_flash_bytes`, as it comes, room for the code.
ROOM = 70 << 8
#: From this sum on every distance is MOST.
CEILING = int(least(np.array(MOST + 1)))


@dataclass(frozen=True)
class Distances:
    """The tables for distances, and what the C computes from them.

    Attributes:
        layout: what finds the nearest half segment.
        near: (heads, 256) by raw bits the square of the distance from the own vertex, in 2^-shift squares of codes.
        far: (heads, codes) the same from the other vertex of the half cell, for `first` and the codes after it.
        first: the lowest code of `far`, counted from the smallest code.
        still: gaps up to this are those of codes at the own vertex or off the grid; -1 if there are none.
        margin: what a sum is off by, at most.
        roots: distance by the sum, to which 3/4 was added.
        offsets: what decides where the margin leaves two distances; None if there is no margin.
    """

    layout: Layout
    near: IntArray
    far: IntArray
    first: int
    still: int
    margin: int
    roots: Roots
    offsets: CodeOffsets | None

    @property
    def base(self) -> int:
        """What sums start with: they are the least that the true ones can be."""
        return 3 * (1 << self.roots.shift) // 4 - self.margin

    @property
    def limit(self) -> int:
        """Greater sums are taken for this one; 0 if there are none."""
        return CEILING << self.roots.shift if self._largest > CEILING << self.roots.shift else 0

    @property
    def _largest(self) -> int:
        """The greatest sum that the C forms before it is limited, the margin included."""
        most = np.maximum(self.near.max(axis=1), self.far.max(axis=1, initial=0))
        return int(most.sum()) + self.base + 2 * self.margin

    @property
    def whole(self) -> int:
        """The greatest sum whose root is needed, shifted."""
        return (self.limit or self._largest) >> self.roots.shift

    def measure(self, *raw: IntArray) -> IntArray:
        """The executable model: distances of raw codes, one array for each head."""
        return in_parts(self._of, raw)

    def _of(self, raw: IntArray) -> IntArray:
        along, across = self._place(raw)
        sums = np.full(raw.shape[1], self.base)
        for a, bits in enumerate(raw):
            moving = (along == a) & (self.layout.gap[a][bits] > self.still)
            near = np.where(moving, 0, self.near[a][bits])
            sums += np.where(across[a], self._far[a][bits], near)
        if self.limit:
            sums = np.minimum(sums, self.limit)
        answer, most = self.roots.of_sums(sums), self.roots.of_sums(sums + 2 * self.margin)
        for i in np.flatnonzero(most > answer).tolist():
            square = sum(
                self._squares[1 if across[a, i] else 2 if along[i] == a else 0][a][raw[a, i]] for a in range(len(raw))
            )
            assert self.offsets is not None
            answer[i] += square >= ((2 * int(answer[i]) + 1) * self.offsets.half_code) ** 2
        return answer

    def _place(self, raw: IntArray) -> tuple[IntArray, Any]:
        """Of every point: the axis along which the nearest half segment runs, -1 if a vertex is nearest; and (heads, points)
        whether it is across an axis."""
        record, word = self.layout.nearest(raw)
        fields = self.layout.fields
        across = np.zeros(raw.shape, dtype=bool)
        for shift in range(0, ACROSS, 3):
            axis = (word >> shift & 7) - 1
            across |= axis[None] == np.arange(len(raw))[:, None]
        return np.where(fields.signs(record) == 0, -1, fields.axes(record)), across

    @cached_property
    def _far(self) -> IntArray:
        """`far` by raw bits, 0 of the other codes."""
        found = np.zeros_like(self.near)
        codes = self.first + np.arange(self.far.shape[1])
        found[:, codes ^ -int(self.layout.spec.heads.codes().min())] = self.far
        return found

    @cached_property
    def _squares(self) -> list[Any]:
        """By axis and raw bits the squares that the C adds up in words: from the own vertex, the other one, the grid."""
        return [[[number**2 for number in axis] for axis in which] for which in self._whole]

    @cached_property
    def _whole(self) -> tuple[Any, Any, Any]:
        """By axis and raw bits the offsets of which those are the squares."""
        assert self.offsets is not None
        near, far, beyond = [], [], []
        for a in range(self.layout.spec.dimensions):
            from_place = [self.offsets.beyond(a, end).tolist() for end in range(self.offsets.last + 3)]
            half = [
                sum(of_code[end] >= 0 for end in range(1, self.offsets.last + 1))
                for of_code in zip(*from_place, strict=True)
            ]
            own = [h + h % 2 for h in half]
            other = [h - 1 if h % 2 else h + 2 for h in half]
            near.append([abs(from_place[end][i]) for i, end in enumerate(own)])
            far.append([abs(from_place[end][i]) for i, end in enumerate(other)])
            off = [(h == 0 and from_place[0][i] < 0) or h == self.offsets.last for i, h in enumerate(half)]
            beyond.append([number if outside else 0 for number, outside in zip(near[-1], off, strict=True)])
        return near, far, beyond

    def check(self, geometry: Parts) -> None:
        """Raise CheckFailed unless distances are exact for all tuples of codes, whose nearest half segments are known.

        - Every record of a list is of one of its half segments alone, and of no own one.
        - The squares of a code in all that it can be added for are right, give or take what the margin holds, and so are, to the
          last bit, the offsets in words.
        - Codes of which the distance along a half segment is that from the own vertex are told by their gaps.
        - Roots are those of every sum, and no sum exceeds 32 bits.
        """
        check_records(self.layout)
        spec, one = self.layout.spec, 1 << self.roots.shift
        error = Fraction(0)
        for a, exact in enumerate(_exact_offsets(spec, geometry)):
            beyond = np.array([offset.grid != 0 for offset in exact])
            at_vertex = np.array([offset.near == offset.grid for offset in exact])
            moving = self.layout.gap[a] > self.still
            if (moving & beyond).any() or (~moving & ~at_vertex).any():
                raise CheckFailed(f"distances: codes of head {AXES[a]} at their own vertex are not told by their gaps")
            worst = Fraction(0)
            for raw, offset in enumerate(exact):
                wanted = [(self.near[a, raw], offset.near)]
                if offset.far is not None:
                    wanted.append((self._far[a, raw], offset.far))
                for found, true in wanted:
                    if true**2 <= CEILING:
                        worst = max(worst, abs(int(found) - true**2 * one))
                    elif found != CEILING * one:
                        raise CheckFailed(f"distances: a square of head {AXES[a]} is not limited")
            error += worst
            if self.offsets is not None:
                self._check_words(a, exact)
        if error > self.margin or (self.margin and self.offsets is None):
            raise CheckFailed("distances: squares are off by more than the margin")
        # Borders are two whole sums apart and more, so there is one within the margin at most. 3/4 takes two bits.
        if self.base < 0 or self.roots.shift < 2 or self._largest >= 1 << 32:
            raise CheckFailed("distances: a sum is too large, or the margin is")
        # A whole sum stands for squares from it less 3/4 to it and 1/4.
        root = [min((math.isqrt(max(0, 4 * w - 3)) + 1) // 2, MOST) for w in range(self.whole + 1)]
        if self.roots.of_sums(np.arange(self.whole + 1) << self.roots.shift).tolist() != root:
            raise CheckFailed("distances: a root is wrong")
        if self.offsets is not None:
            self.offsets.check()

    def _check_words(self, a: int, exact: list[Offset]) -> None:
        assert self.offsets is not None
        unit = 2 * self.offsets.half_code
        near, far, beyond = (which[a] for which in self._whole)
        right = near == [unit * offset.near for offset in exact] and beyond == [unit * offset.grid for offset in exact]
        if not right or any(e.far is not None and number != unit * e.far for e, number in zip(exact, far, strict=True)):
            raise CheckFailed(f"distances: an offset of head {AXES[a]} is wrong")

    @property
    def _shared(self) -> bool:
        return bool((self.near == self.near[0]).all() and (self.far == self.far[0]).all())

    @property
    def tables(self) -> tuple[Table, ...]:
        """What the C needs beside the layout's."""
        heads = 1 if self._shared else self.layout.spec.dimensions
        of = "every head" if self._shared else "the heads, 256 for each"
        what = f"squares of codes << {self.roots.shift} by which every code of {of}"
        kind = "uint16" if max(self.near.max(), self.far.max(initial=0)) < 1 << 16 else "uint32"
        found = [Table("near_square", kind, self.near[:heads].reshape(-1), f"{what}, is from its own vertex", 8)]
        if self.far.size:
            of = of.replace("256", str(self.far.shape[1]))
            what = f"the same of {of}, from the other vertex; of codes above 3/8 of a cell from the own one"
            found.append(Table("far_square", kind, self.far[:heads].reshape(-1), what, 8))
        return (*found, self.roots.table, *(self.offsets.tables if self.offsets else ()))

    @property
    def table_bytes(self) -> int:
        """What those take."""
        return sum(table.nbytes for table in self.tables)

    @property
    def params(self) -> dict[str, object]:
        """Constants of templates/kernels/corner_distance.c.j2."""
        spec = self.layout.spec
        first = self.first ^ -int(spec.heads.codes().min())
        return {
            "far": {
                "base": f"{self.base}U",
                "paged": not self._shared,
                "first": f"{first}U",
                "count": f"{self.far.shape[1]}U",
                "listed": bool(self.far.size),
                "still": self.still,
                "limit": f"{self.limit}U" if self.limit else "",
                "spread": f"{2 * self.margin}U" if self.margin else "",
                "last": 2 * (spec.curve.side - 1),
                "roots": self.roots.params(),
            },
            **(self.offsets.params if self.offsets else {}),
        }


@dataclass(frozen=True)
class Offset:
    """How far a code is from its own vertex, from the other one where that can matter, and from the grid, in codes."""

    near: Fraction
    far: Fraction | None
    grid: Fraction


def _exact_offsets(spec: Spec, geometry: Parts) -> list[list[Offset]]:
    """By axis and raw bits."""
    found = []
    for a in range(spec.dimensions):
        axis = []
        places = spec.coordinates(a, spec.heads.codes().tolist())
        for place, half, g in zip(places, geometry.half[a].tolist(), geometry.offset[a], strict=True):
            own = (half + 1) // 2
            other = own - 1 if half % 2 else own + 1
            near, far = (abs(place - vertex) * spec.pitch(a) for vertex in (own, other))
            grid = max(-place, place - (spec.curve.side - 1), Fraction(0)) * spec.pitch(a)
            axis.append(Offset(near, far if g > ZONE else None, grid))
        found.append(axis)
    return found


def check_records(layout: Layout) -> None:
    """Raise CheckFailed where a list has one record twice, or that of a half segment of the own vertex."""
    fields = layout.fields
    among = layout.record[fields.kinds(layout.record) == Kind.AMONG]
    for at in np.unique(among & ((1 << layout.at) - 1)).tolist():
        records = layout.own(int(layout.words[at])) + [record for record, _ in layout.listed(at)]
        if len(set(records)) < len(records):
            raise CheckFailed("distances: two half segments of a list have one record")


def distances_of(layout: Layout, geometry: Parts, room: int) -> Distances:
    """The tables beside a layout: squares of 32 bits, or of 16 where those take more than `room` bytes and these do not.

    Raises Refused where records are alike, and where numbers are of too many words.
    """
    try:
        check_records(layout)
    except CheckFailed as failed:
        raise Refused(str(failed)) from failed
    exact = _exact_offsets(layout.spec, geometry)
    most = [max(min(max(o.near, o.far or 0) ** 2, Fraction(CEILING)) for o in axis) for axis in exact]
    wide = _with_fraction(layout, exact, min(FRACTION, 32 - (math.ceil(sum(most)) + 2).bit_length()))
    fraction = 16 - math.ceil(max(most)).bit_length()
    if wide.table_bytes <= room or fraction < 2:
        return wide
    narrow = _with_fraction(layout, exact, fraction)
    return narrow if narrow.base >= 0 and narrow.table_bytes <= room else wide


def _with_fraction(layout: Layout, exact: list[list[Offset]], fraction: int) -> Distances:
    spec = layout.spec

    def squares(offsets: list[Fraction]) -> list[int]:
        return [round(min(offset**2, Fraction(CEILING)) * (1 << fraction)) for offset in offsets]

    near = np.array([squares([offset.near for offset in axis]) for axis in exact])
    counted = np.argsort(spec.heads.codes(), kind="stable")
    needed = [i for i, raw in enumerate(counted.tolist()) if any(axis[raw].far is not None for axis in exact)]
    first, end = (needed[0], needed[-1] + 1) if needed else (0, 0)
    far = np.array([squares([axis[raw].far or Fraction(0) for raw in counted[first:end].tolist()]) for axis in exact])
    margin = math.ceil(sum(_error(axis, fraction) for axis in exact))
    at_vertex = [
        gap
        for axis, gaps in zip(exact, layout.gap.tolist(), strict=True)
        for offset, gap in zip(axis, gaps, strict=True)
        if offset.near == offset.grid
    ]
    offsets = CodeOffsets.of(spec) if margin else None
    found = Distances(layout, near, far, first, max(at_vertex, default=-1), margin, Roots.of(0, fraction), offsets)
    return replace(found, roots=Roots.of(found.whole, fraction, STEPS))


def _error(axis: list[Offset], shift: int) -> Fraction:
    """What the rounded squares of an axis are off by, at most."""
    exact = [
        offset**2 * (1 << shift) for o in axis for offset in (o.near, o.far or Fraction(0)) if offset**2 <= CEILING
    ]
    return max((abs(round(value) - value) for value in exact), default=Fraction(0))
