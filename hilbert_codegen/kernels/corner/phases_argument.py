"""The proof of `corner` in lanes with phases for all tuples of codes: what it has beside that of the lanes."""

from __future__ import annotations

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels.corner.argument import Argument
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import Item, Parts
from hilbert_codegen.kernels.corner.lanes import CODES, HIGHEST
from hilbert_codegen.kernels.corner.lanes_argument import LanesArgument, check_rising
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import LAST, Phases
from hilbert_codegen.kernels.corner.savings import wrong
from hilbert_codegen.kernels.half_cells import boxes_of, check_covered


class PhasesArgument(LanesArgument):
    """The proof of the lanes' tables, and besides:

    - Distances are in the order of the exact ones, so that they tell the own half segments apart; they, phases and what
      is computed with them fit lanes.
    - For all distances along, across and from the own vertex, a saving that is more than the own one's seems more; by how
      much one seems more that is not, and by how much two others' differ from exact ones.
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
        for box, tables, codes in boxes_of(self.geometry):
            where, rank = f"lanes: box {box}", self.geometry.rank(box)
            items = [Item(half, self._axis(half), ()) for half in self._checked(box, rank)]
            items += self._list(box, where)
            order = [item.half for item in items]
            if sorted(order, key=lambda h: rank[h]) != order:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(self.geometry, box, tables, order + self.geometry.spared(order, box), rank, where)
            self._exact.check_apart(items, box, codes, where)

    def _right(self, begin: int, half: int, axis: int, box: tuple[int, ...]) -> bool:
        return self.lanes.along(begin & ~self.lanes.mark) == axis and super()._right(begin, half, axis, box)

    def _axis(self, half: int) -> int:
        return int(self.geometry.heads.axis[half])

    def _numbers(self) -> None:
        lanes, geometry = self.lanes, self.geometry
        check_rising(geometry, lanes.line.reshape(-1, CODES), "distances are not in the order of the exact ones")
        if not 0 <= lanes.slope <= HIGHEST or (lanes.slope == 0) != (lanes.down > 0):
            raise CheckFailed("lanes: there is no factor, or one and a shift")
        # Differences that are multiplied have 15 bits, and those that are shifted are of numbers without a sign.
        most = HIGHEST if lanes.slope else LANE - 1
        least = -HIGHEST if lanes.slope else 0
        ends = lanes.phase.min(), lanes.phase.max(), lanes.line.max()
        if ends[0] < least or max(ends) > most or ends[2] - ends[0] > most or ends[1] - lanes.line.min() > most:
            raise CheckFailed("lanes: a distance or a phase does not fit its bits")
        self._savings()

    def _savings(self) -> None:
        """What comparisons are off by."""
        lanes, scale = self.lanes, self.lanes.scale
        highest = np.array(max(lanes.line.max(), 0))
        sums = int(scale.square(highest)) + max(int(scale.beside(highest)), scale.crossing)
        if not 0 < scale.times <= HIGHEST or highest >> scale.rough > HIGHEST or sums > HIGHEST:
            raise CheckFailed("lanes: savings do not fit 15 bits")
        seems, off = wrong(self.geometry, lanes.line.reshape(-1, CODES), lanes.pitch, scale)
        if seems <= 0:
            raise CheckFailed("lanes: what saves more than the own half segment may seem to save less")
        if lanes.margin < off.margin or not max(off.sure, 2 * lanes.margin) <= lanes.later <= HIGHEST:
            raise CheckFailed("lanes: savings are off by more than the margin allows")

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
            if half is None or not self._right(at, half, along, box):
                raise CheckFailed(f"{where}: a half segment of its list, or its result, is wrong")
            found.append(Item(half, along, across))
        return found
