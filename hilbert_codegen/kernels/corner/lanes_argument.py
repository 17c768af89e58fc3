"""The proof of `corner` in lanes for all tuples of codes, box by box, in whole numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray
from hilbert_codegen.kernels.corner.geometry import ZONE, Parts
from hilbert_codegen.kernels.corner.lanes import BYTE, CLOSE, CODES, HIGHEST, LONELY, Lanes
from hilbert_codegen.kernels.corner.lanes_number import Classes, Pairs, Sums, Zones
from hilbert_codegen.kernels.half_cells import boxes_of, check_covered


@dataclass(frozen=True)
class Link:
    """An entry of a chain: whether it has results, and the half segments that it stands for, with the axes across."""

    exact: bool
    items: list[tuple[int, tuple[int, ...]]]


def check_order(chain: list[Link], rank: IntArray, where: str) -> None:
    """Raise CheckFailed unless equal savings leave what came before, a close call too: that may be anything."""
    order = [int(rank[link.items[0][0]]) if link.exact else -1 for link in chain]
    if order != sorted(order):
        raise CheckFailed(f"{where}: a chain is not in the order that settles ties")


def check_rising(geometry: Parts, whole: IntArray, what: str) -> None:
    """Raise CheckFailed unless whole numbers of codes, of all heads or of each, are in the order of their exact distances."""
    for (g, low), (other, high) in itertools.pairwise(geometry.by_distance(whole)):
        if (g == other) != (low == high) or low > high or low < 0:
            raise CheckFailed(f"lanes: {what}")


def check_numbers(geometry: Parts, square: IntArray, cost: IntArray, unit: int, margin: int) -> None:
    """Squares in the order of the distances, and the margin, which is four times what any number is off by."""
    if any(axis != geometry.offset[0] for axis in geometry.offset):
        raise CheckFailed("lanes: heads have distances of their own")
    check_rising(geometry, square, "squares are not in the order of the distances")
    for g, whole, less in zip(geometry.offset[0], square.tolist(), cost.tolist(), strict=True):
        exact = unit * (1 - 2 * g)
        capped = less == HIGHEST and exact - margin >= HIGHEST
        off = max(abs(whole - unit * g * g), Fraction(0) if capped else abs(less + margin - exact))
        if 4 * off > margin:
            raise CheckFailed("lanes: a square or a cost is off by more than the margin allows")
    if int(square.max()) + 3 * margin > HIGHEST or unit > 4 * HIGHEST:
        raise CheckFailed("lanes: savings do not fit 16 bits")


class Results:
    """Whether results of lanes are right.

    `results` gives those that begin somewhere, or have a number, at codes of the axis.
    """

    def __init__(self, geometry: Parts, results: Callable[[int, IntArray], IntArray]) -> None:
        self._geometry, self._results = geometry, results
        self._right: dict[tuple[int, int, int], bool] = {}

    def right(self, begin: int, half: int, axis: int, box: tuple[int, ...]) -> bool:
        """Whether they are those of a half segment, for all codes of an axis in a box."""
        geometry, key = self._geometry, (begin, half, box[axis])
        if key not in self._right:
            codes: IntArray = np.flatnonzero(geometry.half[axis] == box[axis])
            exact = geometry.heads.output[half]
            # A vertex alone has one result, by the codes of an axis of its own.
            own = int(geometry.heads.axis[half])
            wanted = exact[codes] if own == axis else exact[geometry.half[own] == box[own]][:1]
            self._right[key] = bool((self._results(begin, codes) == wanted).all())
        return self._right[key]


class LanesArgument:
    """The proof of the lanes' tables.

    - Numbers: the box of every code, the zone or its class, squares in the order of the distances, the error of squares
      and costs.
    - The half segments of the own vertex and of all chains of a box beat all others throughout; a chain lacks only those
      that are across an axis that is asked for and along which the distance is at most 3/8, where they save nothing. With
      classes, those of a chain do so in the boxes cut into classes.
    - Chains have the order that settles ties: what comes behind an entry with results is taken only where it saves more.
    - The results of all entries are right for all codes of their axis. A close call has none.
    """

    def __init__(self, lanes: Lanes, geometry: Parts) -> None:
        self.lanes, self.geometry = lanes, geometry
        self._of = Results(geometry, lanes.results)

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        self._shares()
        self._numbers()
        if isinstance(self.lanes.number, Pairs):
            self._classes(self.lanes.number)
            return
        for box, tables, _ in boxes_of(self.geometry):
            where, rank = f"lanes: box {box}", self.geometry.rank(box)
            order = self._checked(box, rank) + sorted(self._others(box, self.lanes.number, where))
            check_covered(self.geometry, box, tables, order + self.geometry.spared(order, box), rank, where)

    def _right(self, begin: int, half: int, axis: int, box: tuple[int, ...]) -> bool:
        """Whether the results that begin there are those of a half segment, at codes of an axis."""
        return self._of.right(begin, half, axis, box)

    @property
    def _heads(self) -> int:
        return self.lanes.number.heads

    def _checked(self, box: tuple[int, ...], rank: IntArray) -> list[int]:
        """The half segments of the own vertex that a box has, in the order that settles ties."""
        where = f"lanes: box {box}"
        own = self._own(box, self.lanes.number.of(box), where)
        if sorted(own, key=lambda h: rank[h]) != own:
            raise CheckFailed(f"{where}: the own half segments are not in the order that settles ties")
        return own

    def _classes(self, number: Pairs) -> None:
        """With the chain of every box cut into classes, its half segments beat all others there."""
        lanes, boxes = self.lanes, Classes(self.lanes.spec, number)
        own = {box: self._checked(box, self.geometry.rank(box)) for box in itertools.product(*self.geometry.groups())}
        for box, tables, _ in boxes_of(boxes):
            cell, rank = boxes.cell(box), boxes.rank(boxes.cell(box))
            where = f"lanes: box {cell}, classes {boxes.classes(box)}"
            entry = int(lanes.chain[boxes.index(box)])
            chain = self._chain(entry, cell, where) if entry else []
            check_order(chain, rank, where)
            order = own[cell] + [half for link in chain for half, _ in link.items]
            check_covered(boxes, cell, tables, order + boxes.spared(order, box), rank, where)

    def _shares(self) -> None:
        """The number of every box, and the zone or classes: for all tuples of one code of each kind of every axis."""
        number, geometry, heads = self.lanes.number, self.geometry, range(self._heads)
        # What a code is in besides its half cell: a class, or the zone or not.
        kind = np.array([[int(g > ZONE) for g in axis] for axis in geometry.offset])
        if isinstance(number, Pairs):
            kind = Classes(self.lanes.spec, number).of
        share = self.lanes.share.reshape(-1, BYTE)
        # One code of each kind: those of the same half cell, class or zone, and shares.
        rows = [share[a : a + 1] if isinstance(number, Zones | Sums) else share for a in heads]
        kinds = [np.vstack([geometry.half[a], kind[a], rows[a]]) for a in heads]
        each = [np.unique(axis, axis=1, return_index=True)[1] for axis in kinds]
        tuples = np.array(list(itertools.product(*each))).T
        total = number.totals(self.lanes.share, tuples)
        box = np.asarray(sum(geometry.half[a][tuples[a]] * number.weight[a] for a in heads))
        if not np.array_equal(number.boxes(total), box):
            raise CheckFailed("lanes: a code has another box than its share says")
        if isinstance(number, Pairs):
            classes = number.classes(tuple(kind[a][tuples[a]] for a in heads))
            right = np.array_equal(number.index(total), number.placed(box) | classes)
        else:
            right = np.array_equal(number.zone(total), sum(kind[a][tuples[a]] << a for a in heads))
        if not right:
            raise CheckFailed("lanes: a code has another zone or class than its share says")

    def _numbers(self) -> None:
        lanes = self.lanes
        check_numbers(self.geometry, lanes.line[:CODES], lanes.more[-CODES:], lanes.unit, lanes.margin)

    def _own(self, box: tuple[int, ...], number: int, where: str) -> list[int]:
        """The half segments of the own vertex that a box has, all results of which are right."""
        lanes, geometry = self.lanes, self.geometry
        axes = lanes.axes(number)
        found = [geometry.into(axis, (), box) for axis in dict.fromkeys(axes)]
        alone = found == [None]
        if alone:
            found = [geometry.into(None, (), box)]
        if isinstance(lanes.number, Zones) and alone != bool(lanes.lead[number] & LONELY) and lanes.gates[number]:
            raise CheckFailed(f"{where}: it is wrong whether the vertex is alone")
        own = [half for half in found if half is not None]
        if len(own) != len(found):
            raise CheckFailed(f"{where}: there is no half segment along an axis of it")
        for half, axis, begin in zip(own, axes, lanes.begins(number), strict=False):
            if not self._right(begin, half, axis, box):
                raise CheckFailed(f"{where}: a result is wrong")
        return own

    def _others(self, box: tuple[int, ...], zones: Zones, where: str) -> set[int]:
        """All half segments of other corners that the chains of a box have."""
        lanes = self.lanes
        number = zones.of(box)
        lead, asked = int(lanes.lead[number]) & (LONELY - 1), int(lanes.gates[number]) >> zones.lowest
        if int(lanes.gates[number]) != asked << zones.lowest:
            raise CheckFailed(f"{where}: it asks for what is no axis")
        chains = {key: self._chain(lead + key, box, where) for key in range(1, asked + 1) if key & ~asked == 0}
        rank = self.geometry.rank(box)
        found = {item for chain in chains.values() for link in chain for item in link.items}
        for key, chain in chains.items():
            check_order(chain, rank, where)
            for _, across in found - {item for link in chain for item in link.items}:
                if not any((asked & ~key) >> axis & 1 for axis in across):
                    raise CheckFailed(f"{where}: a half segment is missing in a chain")
        return {half for half, _ in found}

    def _chain(self, entry: int, box: tuple[int, ...], where: str) -> list[Link]:
        """The entries of a chain."""
        lanes = self.lanes
        found: list[Link] = []
        if lanes.more[2 * lanes.entries]:
            raise CheckFailed("lanes: there is something behind the end of a chain")
        pair, base, further = lanes.more[: 3 * lanes.entries].reshape(3, -1).tolist()
        while 0 < entry < lanes.entries and len(found) < lanes.entries:
            along, across = pair[entry] & 255, pair[entry] >> 8
            items, exact = self._close(along, across, box), base[entry] != CLOSE
            if exact:
                items = [item for item in items if item[1] == (across,)]
                if not items or not self._right(base[entry], items[0][0], along, box):
                    raise CheckFailed(f"{where}: a result of another corner's half segment is wrong")
            if not items:
                raise CheckFailed(f"{where}: an entry of a chain is of no half segment")
            found.append(Link(exact, items))
            entry = further[entry]
            if not entry:
                return found
        raise CheckFailed(f"{where}: a chain has no end")

    def _close(self, along: int, across: int, box: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
        """The half segments into a box along one axis and across another, and perhaps more."""
        further = [axis for axis in range(len(box)) if axis not in (along, across)]
        found = []
        for count in range(len(further) + 1):
            for axes in itertools.combinations(further, count):
                many = tuple(sorted((across, *axes)))
                half = self.geometry.into(along, many, box) if along != across else None
                if half is not None:
                    found.append((half, many))
        return found
