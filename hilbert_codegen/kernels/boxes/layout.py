"""What the builds of `boxes` have in common: the half segments that can be nearest, listed by half-cell box.

A list is ordered by (not the own cell, s), so that the first of equally near half segments is the one that the definition
takes. How a build tells which is nearest and what the result is, are its own `gap` and `results`, in whole numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Table, in_parts
from hilbert_codegen.kernels.half_cells import Geometry, boxes_of, unbeaten
from hilbert_codegen.spec.specification import Spec

#: Fields of a list entry above the packed vertex: axis of the half segment, runs up, runs towards growing s, last of its list.
AXIS, UP, FORTH, LAST = 9, 12, 13, 15
#: Of its sum, that floating point is off by less.
ROUGH = 1e-12


@dataclass(frozen=True)
class Lists:
    """The tables that say which half segments are looked at.

    Attributes:
        box: start of every box's list; a box's number is the half cells of the axes, the first head's counting least, to the
            base 2 side - 1.
        entries: the lists, one after the other.
        vertex: index of every vertex, at its packed coordinates.
        longest: half segments of the longest list.
    """

    box: IntArray
    entries: IntArray
    vertex: IntArray
    longest: int

    @classmethod
    def of(cls, geometry: Geometry) -> Lists:
        """Those of a curve and its heads."""
        curve = geometry.spec.curve
        base = 2 * curve.side - 1
        starts: dict[tuple[int, ...], int] = {}
        entries: list[int] = []
        box = np.zeros(base**curve.dimensions, dtype=np.int64)
        longest = 1
        for cell, tables, _ in boxes_of(geometry):
            listed = tuple(entry_of(geometry, h) for h in unbeaten(geometry, cell, tables))
            longest = max(longest, len(listed))
            if listed not in starts:
                starts[listed] = len(entries)
                entries += [*listed[:-1], listed[-1] | 1 << LAST]
            box[sum(h * base**a for a, h in enumerate(cell))] = starts[listed]
        vertex = np.zeros(len(curve.points), dtype=np.int64)
        for index, point in enumerate(curve.points):
            vertex[sum(v << (curve.order * i) for i, v in enumerate(point))] = index
        return cls(box, np.array(entries, dtype=np.int64), vertex, longest)

    @property
    def tables(self) -> tuple[Table, ...]:
        """As the C has them."""
        fields = f"vertex, axis << {AXIS}, up << {UP}, forth << {FORTH}, last << {LAST}"
        return (
            Table("box", "uint16", self.box, "start of the list of every half-cell box"),
            Table("list", "uint16", self.entries, f"half segments: {fields}"),
            Table("vertex", "uint16", self.vertex, "index along the curve of the vertex with these coordinates"),
        )


def entry_of(geometry: Geometry, h: int) -> int:
    """The list entry of half segment `h`, not marked as the last."""
    a = int(np.argmax(np.abs(geometry.step[h])))
    order = geometry.spec.curve.order
    packed = sum(int(v) << (order * i) for i, v in enumerate(geometry.at[h]))
    return packed | a << AXIS | int(geometry.step[h, a] > 0) << UP | int(geometry.forth[h]) << FORTH


class Squares:
    """Sums over the axes of squares of whole numbers, each of which depends on an entry and on one raw code."""

    def __init__(self, layout: Layout, tables: Mapping[tuple[int, int, int], Any], bits: int, unit: int) -> None:
        """`tables`: by axis and `Layout.role` of an entry there the whole numbers of the raw codes.

        `bits` are those that the C has for a sum, and `unit` is what a sum in floating point counts in.
        """
        self._exact: list[Any] = []
        self._row: list[IntArray] = []
        for a in range(layout.spec.dimensions):
            roles = [key[1:] for key in tables if key[0] == a]
            row = np.zeros(1 << LAST, dtype=np.int64)
            for entry in layout.known.tolist():
                row[entry] = roles.index(layout.role(a, entry))
            self._row.append(row)
            self._exact.append(np.array([tables[(a, *role)] for role in roles], dtype=object) ** 2)
        #: Sums of 64 bits are formed as the C forms them.
        self.narrow = bits <= 64
        self._rough = [
            (table % (1 << 64)).astype(np.uint64) if self.narrow else (table / unit**2).astype(np.float64)
            for table in self._exact
        ]

    def rough(self, raw: list[IntArray], entry: IntArray) -> Any:
        """The sums: uint64 and exact where `narrow`, else float64, in units, and off by less than ROUGH of them."""
        kept = entry & ((1 << LAST) - 1)
        return sum(table[row[kept], bits] for table, row, bits in zip(self._rough, self._row, raw, strict=True))

    def exact(self, raw: list[IntArray], entry: IntArray) -> Any:
        """The sums, as whole numbers of any size."""
        kept = entry & ((1 << LAST) - 1)
        return sum(table[row[kept], bits] for table, row, bits in zip(self._exact, self._row, raw, strict=True))

    def less(self, raw: list[IntArray], one: tuple[IntArray, Any], other: tuple[IntArray, Any]) -> Any:
        """Where the sum of the one entry is the lesser; both with their rough sums."""
        less: Any = one[1] < other[1]
        if not self.narrow:
            near = np.flatnonzero(np.abs(one[1] - other[1]) <= 2 * ROUGH * (one[1] + other[1]))
            part = [bits[near] for bits in raw]
            less[near] = (self.exact(part, one[0][near]) < self.exact(part, other[0][near])).astype(bool)
        return less


@dataclass(frozen=True)
class Layout(ABC):
    """The tables of one build, and what its C computes from them."""

    spec: Spec
    lists: Lists

    @property
    @abstractmethod
    def cell(self) -> int:
        """What a cell is, in the unit of `gap`."""

    @cached_property
    @abstractmethod
    def half(self) -> IntArray:
        """Half cell of every raw code, shape (heads, 256)."""

    @abstractmethod
    def gap(self, a: int, entry: int) -> Any:
        """Distance along axis `a` of every raw code from an entry's half segment: whole numbers, shape (256,)."""

    @abstractmethod
    def results(self, entry: int) -> IntArray:
        """The result of an entry's half segment, where it is nearest, for every raw code of its axis."""

    @property
    @abstractmethod
    def square_bits(self) -> int:
        """Bits that the C has for a sum of squares."""

    @abstractmethod
    def check_numbers(self) -> None:
        """Raise CheckFailed where a number of the C, sums of squares aside, could be too large for its type."""

    @property
    def base(self) -> int:
        """Half cells of an axis."""
        return 2 * self.spec.curve.side - 1

    @property
    def sign(self) -> int:
        """What turns raw bits into a code that is counted from the smallest."""
        return -int(self.spec.heads.codes().min())

    @property
    def counted(self) -> IntArray:
        """Every raw code, counted from the smallest."""
        return np.arange(256) ^ self.sign

    @cached_property
    def known(self) -> IntArray:
        """The entries that are listed, none marked as the last."""
        return np.asarray(np.unique(self.lists.entries & ((1 << LAST) - 1)))

    def role(self, a: int, entry: int) -> tuple[int, int]:
        """What tells how an entry's half segment lies on axis `a`: its vertex, and 1 up, -1 down or 0 across."""
        vertex = entry >> (self.spec.curve.order * a) & (self.spec.curve.side - 1)
        return vertex, (2 * (entry >> UP & 1) - 1) * (entry >> AXIS & 7 == a)

    def ends(self, a: int, entry: int) -> tuple[int, int]:
        """Where an entry's half segment starts and ends on an axis, in half cells."""
        vertex, role = self.role(a, entry)
        return 2 * vertex + min(role, 0), 2 * vertex + max(role, 0)

    def tabulate(self, value: Any) -> dict[tuple[int, int, int], Any]:
        """`value(axis, entry)` by axis and role of the entry there."""
        found: dict[tuple[int, int, int], Any] = {}
        for entry in self.known.tolist():
            for a in range(self.spec.dimensions):
                key = (a, *self.role(a, entry))
                if key not in found:
                    found[key] = value(a, entry)
        return found

    @cached_property
    def _squares(self) -> Squares:
        return Squares(self, self.tabulate(self.gap), self.square_bits, self.cell)

    @cached_property
    def _results(self) -> tuple[IntArray, IntArray]:
        row = np.zeros(1 << LAST, dtype=np.int64)
        row[self.known] = np.arange(len(self.known))
        return row, np.stack([self.results(entry) for entry in self.known.tolist()])

    def nearest(self, raw: list[IntArray]) -> IntArray:
        """Entries of the nearest half segments of raw codes, one flat array for each head."""
        number = np.zeros_like(raw[0])
        for half, bits in reversed(list(zip(self.half, raw, strict=True))):
            number = number * self.base + half[bits]
        at = self.lists.box[number]
        entry = self.lists.entries[at]
        left = np.flatnonzero(entry >> LAST == 0)
        least = self._squares.rough([bits[left] for bits in raw], entry[left])
        step = 0
        while len(left):
            step += 1
            part = [bits[left] for bits in raw]
            one = self.lists.entries[at[left] + step]
            square = self._squares.rough(part, one)
            less = self._squares.less(part, (one, square), (entry[left], least))
            entry[left[less]] = one[less]
            going = one >> LAST == 0
            least = np.where(less, square, least)[going]
            left = left[going]
        return np.asarray(entry & ((1 << LAST) - 1))

    def decode(self, *raw: IntArray) -> IntArray:
        """The executable model: results of raw codes, one array for each head."""
        return in_parts(self._decode, raw)

    def _decode(self, raw: IntArray) -> IntArray:
        row, results = self._results
        entry = self.nearest(list(raw))
        return np.asarray(results[row[entry], np.choose(entry >> AXIS & 7, raw)])


def listed_from(layout: Layout, start: int, known: Mapping[int, int], where: str) -> list[int]:
    """The half segments of the list at `start`, by `known`, or CheckFailed."""
    found = []
    for entry in layout.lists.entries[start : start + len(known)].tolist():
        if entry & ~(1 << LAST) not in known:
            raise CheckFailed(f"{where}: entry {entry} is no half segment of the curve")
        found.append(known[entry & ~(1 << LAST)])
        if entry >> LAST:
            return found
    raise CheckFailed(f"{where}: the list has no end")
