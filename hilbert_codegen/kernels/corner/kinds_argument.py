"""The proof of `corner` in lanes by kinds of boxes for all tuples of codes, box by box, in whole numbers."""

from __future__ import annotations

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels.corner.argument import Argument
from hilbert_codegen.kernels.corner.geometry import Item
from hilbert_codegen.kernels.corner.kinds import ACROSS, AXIS, BELOW, NEXT, NUMBERS, Kinds, Zoned, shares_of
from hilbert_codegen.kernels.corner.lanes import BYTE, HIGHEST
from hilbert_codegen.kernels.corner.lanes_argument import Results, check_rising
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.savings import CROSSING, wrong
from hilbert_codegen.kernels.half_cells import boxes_of, check_covered


class KindsArgument:
    """The proof of the tables.

    - Shares: the part of the axis of every code, so that no two boxes have one sum; the kind of each is in the table.
    - Numbers: distances in the order of the exact ones, so that they tell the own half segments apart; for all distances
      along, across and from the own vertex, that a saving which is more than the own one's seems more, and by how much
      one seems more which is not; by how much two others' differ. No sum exceeds what a lane holds.
    - The half segments of the own vertex and of the chain of a box beat all others there and stand in the order that
      settles ties; what comes later is taken only where it saves more. One across two axes is a close call where it would
      be nearer across one, which is never farther; behind it stands one of the same two axes, which is not nearer.
    - The results of all of them are right for all codes of their axis.
    - Every difference of two of their exact savings has its true sign, so the chain settles every close call.
    """

    def __init__(self, lanes: Kinds, geometry: Zoned, portable: Layout) -> None:
        self.lanes, self.geometry = lanes, geometry
        self._exact = Argument(portable, geometry)
        self._of = Results(geometry, lanes.results)

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        lanes, geometry = self.lanes, self.geometry
        check_rising(geometry, lanes.distance, "distances are not in the order of the exact ones")
        self._shares()
        self._fits()
        self._savings()
        for box, tables, codes in boxes_of(geometry):
            x, y, z = box
            kind = int(lanes.kind[y + lanes.page * x + lanes.stride * z + (0 if lanes.own else 1 + lanes.stride)])
            where, cell = f"lanes: box {box}", geometry.cell(box)
            rank = geometry.rank(cell)
            items = self._own(kind, cell, where) + self._chain(kind, cell, where)
            order = [item.half for item in items]
            if sorted(order, key=lambda h: rank[h]) != order:
                raise CheckFailed(f"{where}: its half segments are not in the order that settles ties")
            check_covered(geometry, cell, tables, order + geometry.spared(order, box), rank, where)
            self._exact.check_apart(items, box, codes, where)

    def _shares(self) -> None:
        lanes, geometry = self.lanes, self.geometry
        wanted = shares_of(geometry, lanes.page if lanes.own else 0)
        alike = lanes.own or all(np.array_equal(part, geometry.part[0]) for part in geometry.part)
        if not alike or not np.array_equal(lanes.share, wanted):
            raise CheckFailed("lanes: a code has another part of its axis than its share says")
        if lanes.stride < geometry.parts or (geometry.parts - 1) * (lanes.stride + 1) >= lanes.page:
            raise CheckFailed("lanes: two boxes have the same sum of shares")

    def _fits(self) -> None:
        """No number exceeds its bits, and entry 0, which lanes without a chain read, is none."""
        lanes = self.lanes
        if lanes.phase.min() < 0 or lanes.phase.max() > HIGHEST:
            raise CheckFailed("lanes: a phase does not fit 15 bits")
        if np.abs(lanes.slope).max() > HIGHEST:
            raise CheckFailed("lanes: a slope does not fit 16 bits")
        numbers = np.concatenate([lanes.ids >> 8, lanes.ids & (BYTE - 1), lanes.links & (BYTE - 1)])
        if numbers.max() >= NUMBERS or (lanes.links >> ACROSS).max() > 2 or len(lanes.ids) > BYTE or lanes.links[0]:
            raise CheckFailed("lanes: a number or an axis is none")
        if lanes.links[lanes.behind]:
            raise CheckFailed("lanes: what follows nothing is something")
        if (lanes.ids & BELOW == 0).any() or (lanes.ids >> 8 & BELOW == 0).any():
            raise CheckFailed("lanes: a half segment has the number of a close call")

    def _savings(self) -> None:
        """What comparisons are off by. A lane without an entry takes the sum of a square alone, which is never enough."""
        lanes, geometry = self.lanes, self.geometry
        highest = int(lanes.distance.max())
        if highest**2 >> 16 >= CROSSING or (highest**2 >> 16) + highest > HIGHEST:
            raise CheckFailed("lanes: savings do not fit 15 bits")
        seems, off = wrong(geometry, lanes.distance, lanes.pitch)
        if seems <= 0:
            raise CheckFailed("lanes: what saves more than the own half segment may seem to save less")
        if lanes.wrong.sure < off.sure or lanes.wrong.margin < off.margin:
            raise CheckFailed("lanes: savings are off by more than the margin allows")
        if lanes.wrong.later < max(lanes.wrong.sure, 2 * lanes.wrong.margin) or lanes.wrong.later > HIGHEST:
            raise CheckFailed("lanes: what follows may be taken for sure where it is a close call")

    def _own(self, kind: int, cell: tuple[int, ...], where: str) -> list[Item]:
        """The half segments of the own vertex, or one for itself, all results of which are right."""
        lanes, both = self.lanes, int(self.lanes.ids[kind])
        lonely = kind - lanes.chained + 1 >= lanes.lonely
        found = []
        for number in dict.fromkeys((both >> 8, both & (BYTE - 1))):
            along = None if not lanes.slope[number] else number >> AXIS
            half = self.geometry.into(along, (), cell)
            if half is None or not self._of.right(number, half, number >> AXIS, cell):
                raise CheckFailed(f"{where}: an own half segment, or its result, is wrong")
            found.append(Item(half, along, ()))
        alone = any(item.along is None for item in found)
        if (alone and len(found) > 1) or (kind >= lanes.chained and alone != lonely):
            raise CheckFailed(f"{where}: it is wrong whether the vertex is alone")
        return found

    def _chain(self, kind: int, cell: tuple[int, ...], where: str) -> list[Item]:
        """The half segments of other corners, all results of which are right."""
        lanes = self.lanes
        entry = max(kind - lanes.chained + 1, 0)
        found: list[Item] = []
        while entry:
            if entry >= len(lanes.links) or len(found) > len(lanes.links):
                raise CheckFailed(f"{where}: a chain has no end")
            link = int(lanes.links[entry])
            across: tuple[int, ...] = (link >> ACROSS,)
            if not link & BELOW:
                entry = lanes.after(link)
                close, link = link, int(lanes.links[min(entry, len(lanes.links) - 1)])
                if not close >> NEXT & BELOW or (close ^ link) & ~(BELOW << NEXT | BELOW):
                    raise CheckFailed(f"{where}: behind a close call there is another half segment")
                across = tuple(axis for axis in range(3) if axis != link >> AXIS & 3)
            number = link & (BYTE - 1)
            half = None if number >> AXIS in across else self.geometry.into(number >> AXIS, across, cell)
            if half is None or not number & BELOW or not self._of.right(number, half, number >> AXIS, cell):
                raise CheckFailed(f"{where}: a half segment of its chain, or its result, is wrong")
            found.append(Item(half, number >> AXIS, across))
            entry = lanes.after(link)
        return found
