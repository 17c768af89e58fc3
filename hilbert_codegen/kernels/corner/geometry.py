"""Geometry of `corner`: half cells cut into parts, and the half segments that are listed for every box of parts.

A box is here a part of a half cell on every axis. Codes clamped to an end of the axis, where the distance from the own
vertex is 0, may be a part of their own, and half cells, or some of them, may be cut at the zone; both where few boxes come of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused
from hilbert_codegen.kernels.half_cells import Geometry, boxes_of, unbeaten
from hilbert_codegen.spec.specification import Spec

#: Another corner can only be nearer where a distance exceeds this.
ZONE = Fraction(3, 8)
#: At most so many boxes have a record each.
MOST_BOXES = 729
#: Shares of codes at the ends of their axes: above the one it pays more to tell those apart than to cut at the zone, below the
#: other less than to cut twice. What is cut once more makes fewer boxes with two half segments of the own vertex.
MANY, FEW = 0.42, 0.2
#: Share of codes in one of two half cells below which that is a part as it is, so that the other one may be three or four: of heads
#: that are alike, and of others, whose lists have less room; share
#: of codes at the end of an axis from which that is one of those. Else there is another cut: what is along another corner's half segment
#: at a distance below 3/8 can only be nearer where the one across exceeds SECOND; or, in half a cell, at a fourth of it.
RARE, RARE_OWN, ENDING, SECOND, FOURTH = 0.22, 0.17, 0.1, Fraction(55, 128), Fraction(1, 4)
#: The share below which three heads of order 2 are cut at the zone in some half cells instead: those that make the fewest boxes
#: with more than one half segment. Heads of their own, whose tables are long, have fewer boxes.
SELDOM, SOME, SOME_OWN = 0.15, (1, 4, 5), (4, 5)
#: With more boxes than this, heads of their own have a part less along the axis along which the fewest half segments run.
MOST_OWN = 3072
#: Bits that name axes in the description of a half segment, behind which is the first of them; and the end of a list.
ACROSS, LAST = 15, 1 << 31


class Parts(Geometry):
    """Boxes of parts of half cells; the last half cell of an axis takes in the codes clamped to its end.

    Not `cut`, parts are half cells.
    """

    def __init__(self, spec: Spec, cut: bool = True) -> None:
        super().__init__(spec)
        #: The other half of every half segment's segment.
        count = len(self.at) // 2
        ahead = (np.arange(count) + spec.curve.closed) % count
        self.twin = np.concatenate([count + ahead, np.argsort(ahead)])
        #: Vertex and direction -> half segment.
        self.known = {
            (*at, *step): h for h, (at, step) in enumerate(zip(self.at.tolist(), self.step.tolist(), strict=True))
        }
        last = 2 * spec.curve.side - 3
        self.half = [np.minimum(axis, last) for axis in self.half]
        #: Exact distances of every code from its own vertex.
        self.offset = [
            [abs(place - (half + 1) // 2) for place, half in zip(places, halves.tolist(), strict=True)]
            for places, halves in zip(self.place, self.half, strict=True)
        ]
        cells = last + 1
        #: Where every half cell is cut; and the ends of an axis at which codes clamped to it are a part of their own.
        self.cuts, both = self._cuts(cells) if cut else (((),) * cells, False)
        self.ends: tuple[int, ...] = (0, spec.curve.side - 1) if both else ()
        if cut and cells == 2 and spec.dimensions > 3 and (uneven := self._uneven()):
            self.cuts, self.ends = uneven
        #: Half cell of every part of an axis; the last ones are those clamped to an end.
        self.cells = [half for half, cuts in enumerate(self.cuts) for _ in range(len(cuts) + 1)]
        self.cells += [last if end else 0 for end in self.ends]
        #: Which part of its axis every code is in.
        self.part = [
            np.array([self._part(place, half, g) for place, half, g in zip(places, halves.tolist(), axis, strict=True)])
            for places, halves, axis in zip(self.place, self.half, self.offset, strict=True)
        ]
        #: Along which axis two parts of a half cell are one, if that is so along any.
        self.coarse: int | None = None
        if self.parts**spec.dimensions > MOST_OWN and not self.alike:
            self._join()

    def _join(self) -> None:
        """Along the axis along which the fewest half segments run, two parts of one half cell become one: those of which one is rarest."""
        axes = np.bincount(self.heads.axis, minlength=self.spec.dimensions)
        self.coarse = int(np.argmin(axes))
        count = np.bincount(self.part[self.coarse], minlength=self.parts)
        cells = enumerate(self.cells)
        pairs = [(first, part) for part, cell in cells if (first := self.cells.index(cell)) != part]
        _, first, other = min((int(count[[first, part]].min()), first, part) for first, part in pairs)
        self.part[self.coarse] = np.where(self.part[self.coarse] == other, first, self.part[self.coarse])

    @cached_property
    def digits(self) -> list[dict[int, int]]:
        """For every axis: part -> what it adds to the number of a box. Where parts are joined, those that have no codes have no number.

        Of six heads four add less than 256 and the others multiples of it, if they have four parts each but for that whose parts
        are joined.
        """
        all_used = [np.unique(axis).tolist() for axis in self.part]
        axes = list(range(self.spec.dimensions))
        if self.coarse is not None:
            axes.insert(-1, axes.pop(self.coarse))
        elif any(used != all_used[0] for used in all_used) or (count := len(all_used[0])) & (count - 1):
            # The shares of an axis are those of the one before, moved up, where that is by whole bits.
            all_used = [list(range(self.parts))] * len(axes)
        digits: list[dict[int, int]] = [{} for _ in axes]
        weight = 1
        for a in axes:
            used = all_used[a]
            digits[a] = {part: place * weight for place, part in enumerate(used)}
            weight *= len(used)
        return digits

    def number_of(self, box: tuple[int, ...]) -> int:
        """The number of a box."""
        return sum(axis[part] for axis, part in zip(self.digits, box, strict=True))

    @property
    def boxes(self) -> int:
        """How many numbers there are."""
        return 1 + sum(max(axis.values()) for axis in self.digits)

    def _cuts(self, cells: int) -> tuple[tuple[tuple[Fraction, ...], ...], bool]:
        """Where half cells are cut, and whether codes at the ends of an axis are apart, where it has so many half cells."""
        clamped = np.mean([[place in (0, self.spec.curve.side - 1) for place in axis] for axis in self.place])
        if (2 * cells + 2) ** self.spec.dimensions <= MOST_BOXES:
            return (((ZONE,),) * cells, True) if clamped >= FEW else (((ZONE / 2, ZONE),) * cells, False)
        if self.spec.dimensions == 3 and cells == 6 and clamped < SELDOM:
            some = SOME if self.alike else SOME_OWN
            return tuple((ZONE,) if half in some else () for half in range(cells)), False
        # More boxes than that are worth it with two half cells alone, where one cut makes no more than the two ends.
        return (((ZONE,),) * cells, False) if cells == 2 and clamped <= MANY else (((),) * cells, True)

    def _uneven(self) -> tuple[tuple[tuple[Fraction, ...], ...], tuple[int, ...]] | None:
        """The same for two half cells, one of which has few codes or none; None where that is not so."""
        shares = [float(np.mean([axis == half for axis in self.half])) for half in (0, 1)]
        rare = int(np.argmin(shares))
        if shares[rare] >= (RARE if self.alike else RARE_OWN):
            return None
        other = 1 - rare
        ending = float(np.mean([place == other for axis in self.place for place in axis])) >= ENDING
        far = min(max(abs(place - other) for place in axis) for axis in self.place)
        if shares[rare]:
            cuts: tuple[Fraction, ...] = (ZONE,) if ending else (ZONE, SECOND)
        elif far > SECOND:
            cuts = (ZONE, SECOND) if ending else (FOURTH, ZONE, SECOND)
        else:
            return None
        return (cuts, ()) if other == 0 else ((), cuts), (other,) if ending else ()

    def _part(self, place: Fraction, half: int, g: Fraction) -> int:
        if place in self.ends:
            return len(self.cells) - len(self.ends) + self.ends.index(int(place))
        return self.cells.index(half) + sum(g > cut for cut in self.cuts[half])

    @cached_property
    def alike(self) -> bool:
        """Whether codes of all heads are at the same places."""
        return all(axis == self.place[0] for axis in self.place)

    def by_distance(self, whole: IntArray) -> list[tuple[Fraction, int]]:
        """All exact distances with the whole numbers of their codes, in order: (256,) or (1, 256) of all heads, or (heads, 256)."""
        each = np.broadcast_to(whole, (len(self.offset), whole.shape[-1])).tolist()
        pairs = (zip(axis, numbers, strict=True) for axis, numbers in zip(self.offset, each, strict=True))
        return sorted(set(itertools.chain.from_iterable(pairs)))

    @property
    def parts(self) -> int:
        """Parts of an axis."""
        return len(self.cells)

    def still(self, part: int) -> bool:
        """Whether all codes of a part are clamped to an end of its axis, so that their distance is 0."""
        return part >= self.parts - len(self.ends)

    def groups(self) -> list[dict[int, IntArray]]:
        """For every axis: part -> indices of its codes."""
        return [{int(part): np.flatnonzero(axis == part) for part in np.unique(axis)} for axis in self.part]

    @cached_property
    def _codes(self) -> list[list[int]]:
        return [np.bincount(parts, minlength=self.parts).tolist() for parts in self.part]

    def points(self, box: tuple[int, ...]) -> int:
        """How many tuples of codes are in a box."""
        return math.prod(codes[part] for codes, part in zip(self._codes, box, strict=True))

    def cell(self, box: tuple[int, ...]) -> tuple[int, ...]:
        """The half cells of a box."""
        return tuple(self.cells[part] for part in box)

    def into(self, along: int | None, across: tuple[int, ...], cell: tuple[int, ...]) -> int | None:
        """The half segment into half cells along an axis, of the corner across others; one idle there if along none."""
        axes = range(len(cell))
        if any(a >= len(cell) for a in (*across, along or 0)) or (along is None and across):
            return None
        inward = [1 if half % 2 == 0 else -1 for half in cell]
        vertex = [(half + 1) // 2 + (inward[a] if a in across else 0) for a, half in enumerate(cell)]
        steps = [(a, way) for a in axes for way in (1, -1) if along is None or (a, way) == (along, inward[along])]
        keys = [(*vertex, *(way * (i == a) for i in axes)) for a, way in steps]
        found = [self.known[key] for key in keys if key in self.known]
        if along is None:
            found = [h for h in found if self.idle(h, cell)]
        return min(found, key=lambda h: int(self.rank(cell)[h]), default=None)

    def spared(self, order: Sequence[int], box: tuple[int, ...]) -> list[int]:
        """Half segments that a box need not list, since one that it lists has the same nearest points there.

        Of a segment that crosses the middle between two corners one half is enough (`items`). And where the distance
        from the own vertex along a half segment is 0, any other one of that vertex is.
        """
        own = np.array([(half + 1) // 2 for half in self.cell(box)])
        twins = [int(self.twin[h]) for h in order]
        found = [t for t in twins if t not in order and (self.at[t] - own)[self.heads.axis[t]]]
        if any((self.at[h] == own).all() for h in order):
            mine = np.flatnonzero((self.at == own).all(axis=1)).tolist()
            found += [h for h in mine if h not in order and self.still(box[int(self.heads.axis[h])])]
        return found


@dataclass(frozen=True)
class Item:
    """A listed half segment: its axis if it runs into the box (else None: its vertex), the axes that it is across."""

    half: int
    along: int | None
    across: tuple[int, ...]

    @property
    def word(self) -> int:
        """Its description for the C: numbers of the axes that it is across plus one, three bits each; and the first."""
        found = sum((axis + 1) << (3 * place) for place, axis in enumerate(self.across))
        return found | min(self.across, default=0) << ACROSS


def items(geometry: Parts, cell: tuple[int, ...], listed: Sequence[int]) -> list[Item]:
    """What `listed` half segments of the half cells `cell` are. Raises Refused where one is not of a corner of them."""
    own = np.array([(half + 1) // 2 for half in cell])
    inward = np.where(np.array(cell) % 2 == 0, 1, -1)
    found = []
    for h in listed:
        away = geometry.at[h] - own
        if away[geometry.heads.axis[h]] and int(geometry.twin[h]) in listed:
            continue  # the middle of the segment is as near, and in the other half too
        across = np.flatnonzero(away)
        along = int(np.argmax(np.abs(geometry.step[h])))
        if (away[across] != inward[across]).any() or along in across:
            raise Refused("a half segment of no corner of a box is nearest there")
        inside = int(geometry.step[h, along]) == int(inward[along])
        if not inside and len(across):
            raise Refused("a vertex beside the own one is nearest")
        found.append(Item(h, along if inside else None, tuple(across.tolist())))
    return found


#: Box -> its half segments.
Lists = dict[tuple[int, ...], list[Item]]


def lists_of(geometry: Parts) -> Lists:
    """The half segments of every box. Raises Refused."""
    found = {}
    for box, tables, _ in boxes_of(geometry):
        cell = geometry.cell(box)
        listed = items(geometry, cell, unbeaten(geometry, cell, tables))
        own = [item for item in listed if not item.across]
        if not own:
            # All codes of the box are nearer to other corners, whose savings start from the own vertex all the same.
            own = _own(geometry, cell)
            listed = own + listed
        moving = [item for item in own if item.along is not None and not geometry.still(box[item.along])]
        # Where the distance along one of the own vertex is 0, any other one of that vertex serves (`Parts.spared`).
        spare = [item for item in own if item not in (moving or own[:1])]
        found[box] = [item for item in listed if item not in spare]
    return found


def _own(geometry: Parts, cell: tuple[int, ...]) -> list[Item]:
    """A half segment of the own vertex: one that runs into the half cells, if there is one."""
    rank = geometry.rank(cell)
    mine = np.flatnonzero((geometry.at == [(half + 1) // 2 for half in cell]).all(axis=1)).tolist()
    return items(geometry, cell, [min(mine, key=lambda h: (geometry.idle(h, cell), rank[h]))])


def united(geometry: Parts, lists: Lists) -> Lists:
    """The same list for all boxes of the same half cells that list other corners' half segments."""
    union: dict[tuple[int, ...], set[Item]] = {}
    for box, listed in lists.items():
        if any(item.across for item in listed):
            union.setdefault(geometry.cell(box), set()).update(listed)
    ordered = {}
    for cell, found in union.items():
        rank = geometry.rank(cell)
        ordered[cell] = sorted(found, key=lambda item: (bool(item.across), rank[item.half], item.half))
    return {
        box: ordered[geometry.cell(box)] if any(item.across for item in listed) else listed
        for box, listed in lists.items()
    }


def asked(geometry: Parts, lists: Lists) -> float:
    """How many half segments of other corners a point has in the list of its box on average, all codes being equally frequent."""
    every = math.prod(len(parts) for parts in geometry.part)
    return sum(geometry.points(box) / every * sum(bool(i.across) for i in listed) for box, listed in lists.items())


def gates_of(across: Iterable[tuple[int, ...]]) -> list[int]:
    """The fewest axes of which every one of `across` has one."""
    groups = [set(axes) for axes in across]
    axes = sorted(set().union(*groups))
    for count in range(1, len(axes) + 1):
        for chosen in itertools.combinations(axes, count):
            if all(group & set(chosen) for group in groups):
                return list(chosen)
    return axes
