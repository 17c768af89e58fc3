"""The proof of `corner` in lanes with phases for all tuples of codes: what it has beside that of the lanes."""

from __future__ import annotations

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels.corner.argument import Argument
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import Item, Parts
from hilbert_codegen.kernels.corner.lanes_argument import LanesArgument, check_rising
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import LAST, Phases
from hilbert_codegen.kernels.half_cells import boxes_of, check_covered


class PhasesArgument(LanesArgument):
    """The proof of the lanes' tables, and besides:

    - Distances are in the order of the exact ones, so that they tell the own half segments apart; they and
      phases have 16 bits.
    - The own half segments and those of the list of a box beat all others there, stand in the order that settles ties,
      and every difference of two of their exact savings has its true sign. So the list settles every close call.
    - The results of all half segments of lists are right for all codes of their axis.
    """

    lanes: Phases

    def __init__(self, lanes: Phases, geometry: Parts, portable: Layout) -> None:
        super().__init__(lanes, geometry)
        self._exact = Argument(portable, geometry)

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        super().check()
        self._distances()
        for box, tables, codes in boxes_of(self.geometry):
            where, rank = f"lanes: box {box}", self.geometry.rank(box)
            items = [Item(half, self._axis(half), ()) for half in self._checked(box, rank)]
            items += self._list(box, where)
            order = [item.half for item in items]
            if sorted(order, key=lambda h: rank[h]) != order:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(self.geometry, box, tables, order + self.geometry.spared(order, box), rank, where)
            self._exact.check_apart(items, box, codes, where)

    def _axis(self, half: int) -> int:
        return int(self.geometry.heads.axis[half])

    def _distances(self) -> None:
        lanes = self.lanes
        check_rising(self.geometry, lanes.distance, "distances are not in the order of the exact ones")
        if min(lanes.distance.min(), lanes.phase.min()) < 0:
            raise CheckFailed("lanes: a distance or a phase is negative")
        if max(lanes.distance.max(), lanes.phase.max()) >= LANE:
            raise CheckFailed("lanes: a distance or a phase does not fit 16 bits")

    def _list(self, box: tuple[int, ...], where: str) -> list[Item]:
        """The half segments of other corners that the list of a box has, all results of which are right."""
        number, found = self.lanes.pairs.of(box), []
        begin = int(self.lanes.role[number | self.lanes.first])
        if not (self.lanes.lists[begin:] & LAST).any():
            raise CheckFailed(f"{where}: its list has no end")
        for along, at, across in self.lanes.listed(number):
            if not across:
                # In place of a list without half segments: one of the own vertex, which saves no more than itself.
                continue
            half = None if along in across else self.geometry.into(along, across, box)
            if half is None or not self._of.right(at, half, along, box):
                raise CheckFailed(f"{where}: a half segment of its list, or its result, is wrong")
            found.append(Item(half, along, across))
        return found
