"""The proof of `corner` for all tuples of codes, box by box, in whole numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray
from hilbert_codegen.kernels.corner.geometry import ACROSS, LAST, ZONE, Item, Parts
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.kernels.corner.tables import margin_of, shares_of
from hilbert_codegen.kernels.half_cells import boxes_of, check_covered, same_signs

#: The terms of first and second order count less than this part of a unit of savings, in the proof.
FIRST_ORDER = 1 << 80


#: Numbers for each code of an axis, exact and of 64 bits, in one unit.
_Part = tuple[tuple[int, int], ...]


class CloseCall(CheckFailed):
    """Exact distances do not tell two half segments apart in 64 bits: the scales need more."""


class Argument:
    """The proof of a layout for all tuples of codes, box by box, in whole numbers. It reads the tables that the C has.

    - Places: the box of every code, distances in the order of the exact ones (equal where those are), the zone.
    - Every half segment that a box does not list is beaten throughout by one that it lists. Lists have the order that
      settles ties, the own vertex's first.
    - The result of every listed one is right for all codes of its axis.
    - Savings: a difference above the margin has its true sign in 32 bits, and every difference of two listed ones has
      it in 64 bits. What is left out by the zone or the first comparison saves less than nothing, and an own half
      segment never does.
    """

    def __init__(self, layout: Layout, geometry: Parts) -> None:
        self.layout, self.geometry = layout, geometry
        found = [layout.exact(a, np.arange(256)) for a in range(layout.spec.dimensions)]
        g, rest = (np.stack(part) for part in zip(*found, strict=True))
        #: By code of every axis, what its distance saves and what being across costs in the last comparison.
        self.squares, self.costs = (
            (np.moveaxis(part, 0, -1) @ np.array([FIRST_ORDER, 1], dtype=object)).tolist()
            for part in layout.exact_savings(g, rest)
        )
        #: Whether the distances of the last comparison are exact, so that nothing can be a close call.
        self.unrounded = not (layout.wide and rest.any()) and all(
            exact * layout.one == whole
            for axis, wholes in zip(geometry.offset, g.tolist(), strict=True)
            for exact, whole in zip(axis, wholes, strict=True)
        )
        #: Distances from the own vertex by axis and code, in whole numbers.
        self._offset = [[int(g * geometry.unit) for g in axis] for axis in geometry.offset]
        self._compared: dict[tuple[Any, ...], bool] = {}
        #: What an axis adds to a difference of savings, by what it depends on; and the verdicts on sums of such.
        self._parts: dict[tuple[Any, ...], _Part] = {}
        self._same: dict[tuple[_Part, ...], bool] = {}
        self._items: dict[tuple[int, int | None, tuple[int, ...]], Item] = {}
        self._right: dict[tuple[int, int, int], bool] = {}

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        geometry, layout = self.geometry, self.layout
        self._places()
        if layout.margin < margin_of(geometry, layout):
            raise CheckFailed("the margin of the first comparison is less than its error")
        for box, tables, codes in boxes_of(geometry):
            where = f"box {box}"
            cell = geometry.cell(box)
            listed = self._listed(int(layout.of_box(np.array([geometry.number_of(box)]))[0]), cell, box, where)
            rank = geometry.rank(cell)
            order = [item.half for item in listed]
            if sorted(order, key=lambda h: (rank[h], h)) != order:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(geometry, cell, tables, order + geometry.spared(order, box), rank, where)
            self.check_apart(listed, box, codes, where)

    def _places(self) -> None:
        geometry, layout = self.geometry, self.layout
        boxes = list(itertools.product(*geometry.groups()))
        if len({geometry.number_of(box) for box in boxes}) != len(boxes):
            raise CheckFailed("two boxes have one number")
        for a, axis in enumerate(shares_of(geometry)):
            zone = (layout.gap[a] >= layout.zone).astype(np.int64) << (layout.flags + layout.step * a)
            if not np.array_equal(layout.share[a], axis | (zone if layout.flags else 0)):
                raise CheckFailed(f"head {AXES[a]}: a code lies in another box than its share says")
        exact = sorted({g for axis in geometry.offset for g in axis})
        order = {g: i for i, g in enumerate(exact)}
        found = np.array([[order[g] for g in axis] for axis in geometry.offset]).reshape(-1)
        whole = layout.gap.reshape(-1)
        by_order = np.argsort(found, kind="stable")
        rises, steps = np.diff(whole[by_order]), np.diff(found[by_order])
        if ((rises > 0) != (steps > 0)).any() or (rises < 0).any() or whole.min() < 0:
            raise CheckFailed("distances are not in the order of the exact ones")
        beyond = np.array([[g > ZONE for g in axis] for axis in geometry.offset])
        if (beyond & (layout.gap < layout.zone)).any():
            raise CheckFailed("a distance above 3/8 is not in the zone")

    def _listed(self, record: int, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> list[Item]:
        """The half segments that the C chooses among, all results of which are right."""
        layout = self.layout
        if int(layout.fields.kinds(np.array(record))) != Kind.AMONG:
            return self._own(record, cell, box, where)
        at = record & ((1 << layout.at) - 1)
        near = self._own(int(layout.words[at]), cell, box, where)
        found = []
        for one, word in layout.listed(at):
            found.append(self._item(one, word, cell, box, where))
        if not found or any(not item.across or item.along is None for item in found):
            raise CheckFailed(f"{where}: the list has one that is not of another corner")
        axes = layout.gates(record)
        if any(not axes.intersection(item.across) for item in found):
            raise CheckFailed(f"{where}: a half segment of another corner is across none of the axes that are asked")
        return near + found

    def _own(self, record: int, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> list[Item]:
        """Those of the own vertex, that first which is taken where two are equally near."""
        found = [self._item(one, None, cell, box, where) for one in self.layout.own(record)]
        if len(found) > 1 and any(item.along is None for item in found):
            raise CheckFailed(f"{where}: a pair with a vertex")
        return found

    def _item(self, record: int, word: int | None, cell: tuple[int, ...], box: tuple[int, ...], where: str) -> Item:
        """The half segment of a record, and of its description in a list; its results are compared."""
        if (record, word, cell) not in self._items:
            self._items[record, word, cell] = self._described(record, word, cell, where)
        item = self._items[record, word, cell]
        if not self._is_right(record, item, box):
            raise CheckFailed(f"{where}: a result is wrong")
        return item

    def _described(self, record: int, word: int | None, cell: tuple[int, ...], where: str) -> Item:
        """The same before its results are compared."""
        layout = self.layout
        single = bool(layout.fields.is_single(np.array(record)))
        across: tuple[int, ...] = ()
        if word is not None:
            across = tuple(n - 1 for shift in range(0, ACROSS, 3) if (n := word >> shift & 7))
        sign = int(layout.fields.signs(np.array(record)))
        along = int(layout.fields.axes(np.array(record))) if single and sign else None
        half = self.geometry.into(along, across, cell) if single else None
        if half is None:
            raise CheckFailed(f"{where}: a record is of no half segment of the curve")
        item = Item(half, along, across)
        if word is not None and item.word != word & ~LAST:
            raise CheckFailed(f"{where}: the description of a half segment is wrong")
        return item

    def _is_right(self, record: int, item: Item, box: tuple[int, ...]) -> bool:
        """Whether a record gives the results of a half segment for all codes of its axis in a box."""
        geometry, layout = self.geometry, self.layout
        a = int(geometry.heads.axis[item.half])
        key = record, item.half, box[a]
        if key not in self._right:
            codes = np.flatnonzero(geometry.part[a] == box[a])
            found = layout._result(np.full(len(codes), record), layout.gap[item.along or 0][codes])
            signed = (record >> layout.fields.sign & 3) in (0, 1, 3)
            exact = geometry.heads.output[item.half][codes]
            self._right[key] = signed and bool((layout.as_output(found) == exact).all())
        return self._right[key]

    def check_apart(self, items: Iterable[Item], box: tuple[int, ...], codes: list[IntArray], where: str) -> None:
        """Raise CloseCall unless exact distances tell those of other corners apart from the own ones and from each other.

        Of the own vertex's two the one with the greater distance along it is nearer, whose order is known.
        """
        pairs = itertools.combinations(items, 2)
        apart = (self._agree(*pair, box, codes) for pair in pairs if pair[0].across or pair[1].across)
        if not self.unrounded and not all(apart):
            raise CloseCall(f"{where}: two half segments are too close a call")

    def _agree(self, one: Item, other: Item, box: tuple[int, ...], codes: list[IntArray]) -> bool:
        """Whether the difference of two savings, exact and in 64 bits, has one sign for all codes of a box."""
        axes = sorted({*one.across, *other.across, *(i.along for i in (one, other) if i.along is not None)})
        key = (one.along, one.across, other.along, other.across, tuple(box[a] for a in axes))
        if key not in self._compared:
            if one.across and other.across:
                both = (self._contending(item, codes) for item in (one, other))
                codes = [np.intersect1d(*parts) for parts in zip(*both, strict=True)]
            if not all(len(codes[a]) for a in axes):
                self._compared[key] = True
                return True
            # In one order, since heads that are alike have the same sums on other axes.
            parts = tuple(sorted(self._part(one, other, a, codes[a].tolist()) for a in axes))
            if parts not in self._same:
                exact, fixed = (
                    [np.array([pair[which] for pair in part], dtype=object) for part in parts] for which in (0, 1)
                )
                wrong = sum(int(np.abs(f - g).max()) for g, f in zip(exact, fixed, strict=True))
                self._same[parts] = not wrong or same_signs(exact, fixed, wrong)
            self._compared[key] = self._same[parts]
        return self._compared[key]

    def _contending(self, item: Item, codes: list[IntArray]) -> list[IntArray]:
        """`codes` without those of its axis at which a half segment of another corner is farther than the own vertex.

        Of two of which one is, the order does not matter: both are compared with an own half segment, too.
        """
        if item.along is None:
            return codes
        offset, unit = self._offset, self.geometry.unit
        gain = sum(unit * (2 * max(offset[a][i] for i in codes[a].tolist()) - unit) for a in item.across)
        own = codes[item.along]
        left = np.array([i for i in own.tolist() if offset[item.along][i] ** 2 + gain >= 0], dtype=np.int64)
        return [left if a == item.along else group for a, group in enumerate(codes)]

    def _part(self, one: Item, other: Item, a: int, codes: list[int]) -> _Part:
        """What axis `a` adds to the difference of two savings with each of these codes: exactly, and in 64 bits."""
        along = (one.along == a) - (other.along == a)
        across = (a in one.across) - (a in other.across)
        key = a, along, across, tuple(codes)
        if key not in self._parts:
            unit, cell = self.geometry.unit, self.layout.one
            pairs = set()
            for i in codes:
                g = self._offset[a][i]
                true = along * g * g - across * unit * (unit - 2 * g)
                whole = along * self.squares[a][i] - across * self.costs[a][i]
                pairs.add((true * cell * cell * FIRST_ORDER, whole * unit * unit))
            self._parts[key] = tuple(sorted(pairs))
        return self._parts[key]
