"""`corner` in lanes without rows of results: distances shifted down, for which every half segment has a phase of its own.

With half cells in pairs, so at order 1, the result of a half segment at distance g from its vertex is

    result = base + (|distance[code] - phase| * slope >> 15)

with one table of distances for all half segments, that rises with g (fit.py). Where results rise with g the phase is
below all distances, where they fall it is above. Where no factor of 15 bits serves all results, distances of 16 bits do
and a shift in place of it.

The half segments of a vertex are told apart by the same distances, and so is what those of other corners save
(savings.py). Close calls are settled one by one by exact distances, along a list of the half segments that can be nearest
in the box. So no table of the portable functions is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import Item, Parts, lists_of
from hilbert_codegen.kernels.corner.lanes import BYTE, CLOSE, CODES, NONE, Chains, Lanes, along, by_class
from hilbert_codegen.kernels.corner.lanes_number import Classes, Pairs, Sums
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.savings import PITCH, Scale, fitting_lifted
from hilbert_codegen.spec.specification import Spec

#: Where the last entries of chains begin at most: that is part of an instruction.
FARTHEST = 2047
#: In the description of a half segment of a list: below them the axes that it is across, a bit each.
FIRST, LAST = 1 << 6, 1 << 7


@dataclass(frozen=True)
class Phases(Lanes):
    """Lanes whose `base` is by half segment; `line` has distances from the own vertex, and `more` entries alone.

    Where heads are not alike, `line` has 256 distances of every head, and their axes lead to them (`own`).

    A half segment has a number, too: that of the box of its vertex, with `first` where it is the first of the two that
    the box has. Entries of chains have it in place of where results begin, with `mark`: so CLOSE is none of theirs.

    Attributes:
        phase: by the number of a half segment.
        slope: what a distance less a phase is multiplied by, in half the units of results that a cell has; or 0.
        down: how far it is shifted down then.
        pitch: the exact distance of two vertices in the same units.
        scale: how savings are taken; `margin` is what they are off by.
        later: by how much one that is not more than another seems more, at most.
        lists: for every box that has a chain the half segments of other corners in the order that settles ties, a byte
            each: the axes that it is across, FIRST where it is the first one of its box, LAST at the end. `role`, with
            `first`, has where they begin. The first of the axes of a box is in the high byte.
    """

    phase: IntArray
    slope: int
    down: int
    pitch: Fraction
    scale: Scale
    later: int
    lists: IntArray

    @property
    def complete(self) -> bool:
        """The portable functions' tables are not needed."""
        return True

    @property
    def entries(self) -> int:
        """How many entries chains have."""
        return len(self.more) // 3

    @property
    def own(self) -> bool:
        """Whether every head has shares and distances of its own."""
        return isinstance(self.number, Sums)

    def along(self, number: int) -> int:
        """The axis of a half segment."""
        return self.axes(number & self.pairs.mask)[0 if number & self.first else 1]

    def distances(self, flat: IntArray, axis: IntArray) -> IntArray:
        """The distances of points along an axis each."""
        return np.asarray(self.line[along(flat, axis) + (axis * CODES if self.own else 0)])

    @property
    def pairs(self) -> Pairs:
        """How a box is found."""
        assert isinstance(self.number, Pairs)
        return self.number

    @property
    def first(self) -> int:
        """The bit that the first half segment of a box has."""
        return holes(self.pairs)[0]

    @property
    def mark(self) -> int:
        """A bit that numbers have while other corners are looked at, or 0 where no half segment has number 0."""
        return mark_of(self.pairs, self.role)

    def axes(self, number: int) -> tuple[int, int]:
        """Both axes of a box."""
        return int(self.role[number]) >> 8, int(self.role[number]) & 255

    def begins(self, number: int) -> tuple[int, int]:
        """The numbers of both half segments of a box."""
        return number | self.first, number

    def results(self, begin: int, codes: IntArray) -> IntArray:
        """The results of a half segment at codes of its axis; NONE where there is no such half segment."""
        at = begin & ~self.mark
        if not 0 <= at < len(self.base):
            return np.full(len(codes), NONE)
        axis = np.full(len(codes), self.along(at))
        return self._result(np.full(len(codes), at), self.distances(codes[None].repeat(self.pairs.heads, 0), axis))

    def _result(self, at: IntArray, far: IntArray) -> IntArray:
        off = np.abs(far - self.phase[at])
        return as_output(self.spec, self.base[at] + (off * self.slope >> 15 if self.slope else off >> self.down))

    def decode(self, portable: Layout, *raw: IntArray) -> IntArray:
        """The executable model."""
        flat = np.stack([np.asarray(bits).reshape(-1) for bits in raw])
        total = self.pairs.totals(self.share, flat)
        number = self.pairs.boxes(total)
        one, other = (self.distances(flat, self.role[number] >> shift & 255) for shift in (8, 0))
        far, at = np.maximum(one, other), number | np.where(one >= other, self.first, 0)
        entry = self.chain[self.pairs.index(total)]
        asked = np.flatnonzero(entry)
        at[asked], far[asked] = self._beside(flat[:, asked], entry[asked], at[asked] | self.mark, far[asked])
        left = asked[at[asked] == CLOSE]
        at[asked] &= ~self.mark
        result = self._result(at, far)
        if len(left):
            result[left] = self.exactly(portable, flat[:, left])
        return result.reshape(np.shape(raw[0]))

    def _beside(self, flat: IntArray, entry: IntArray, at: IntArray, far: IntArray) -> tuple[IntArray, IntArray]:
        """Numbers and distances of the nearest ones, where other corners' half segments are looked at."""
        most = self.scale.square(far) + self.scale.crossing
        while entry.any():
            pair, there, further = (self.more[entry + i * self.entries] for i in range(3))
            this, across = (self.distances(flat, pair >> shift & 255) for shift in (0, 8))
            saving = self.scale.square(this) + self.scale.beside(across)
            nearer = (saving > most) & (entry > 0)
            at = np.where(nearer, np.where(saving - self.later > most, there, CLOSE), at)
            far = np.where(nearer, this, far)
            most = np.maximum(most, saving - self.margin)
            entry = further
        return at, far

    def exactly(self, portable: Layout, flat: IntArray) -> IntArray:
        """The results of points by exact distances, along the lists of their boxes."""
        number = self.pairs.boxes(self.pairs.totals(self.share, flat)).tolist()
        far = np.stack([self.distances(flat, np.full(flat.shape[1], axis)) for axis in range(len(flat))]).T.tolist()
        found = [portable.exact(axis, bits) for axis, bits in enumerate(flat)]
        g, slope = (np.stack(part).tolist() for part in zip(*found, strict=True))
        nearest = [
            self._nearest(portable, number[i], far[i], [(g[a][i], slope[a][i]) for a in range(len(flat))])
            for i in range(len(number))
        ]
        axis, at = (np.array(part) for part in zip(*nearest, strict=True))
        return self._result(at, self.distances(flat, axis))

    def _nearest(self, portable: Layout, number: int, far: list[int], place: list[tuple[int, int]]) -> tuple[int, int]:
        """The axis and number of the nearest half segment of the box `number`."""
        axis, other = self.axes(number)
        own = (axis, number | self.first) if far[axis] >= far[other] else (other, number)
        return nearest_of(portable, place, own, False, self.listed(number))

    def listed(self, number: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """The list of a box: the axis and number of every half segment, and the axes that it is across."""
        for byte in self.lists[int(self.role[number | self.first]) :].tolist():
            across = tuple(a for a in range(self.pairs.heads) if byte >> a & 1)
            there = number ^ sum(self.pairs.weight[a] for a in across)
            first = byte & FIRST
            yield self.axes(there)[0 if first else 1], there | (self.first if first else 0), across
            if byte & LAST:
                break

    def tables(self) -> tuple[Table, ...]:
        """Those of the C."""
        _, result, phase, _ = holes(self.pairs)
        boxes = np.zeros((self.pairs.mask | self.first | phase) + 1, dtype=np.int64)
        known = np.arange(len(self.base))
        known = known[known & ~(self.pairs.mask | self.first) == 0]
        boxes[known] = np.where(known & self.first, self.role[known], self.beside_lanes(self.role[known]))
        boxes[known | result], boxes[known | phase] = self.base[known], self.phase[known] % LANE
        return (
            self.share_table,
            Table(
                "lane_line",
                "uint16",
                np.concatenate(
                    [
                        self.line,
                        self.beside_lanes(self.more[: self.entries]),
                        self.more[self.entries :],
                    ]
                ),
                "distance of every code from the own vertex; behind, axes along and across of entries of chains, their "
                "half segments, and what is next",
                8,
            ),
            Table(
                "lane_box",
                "uint16",
                boxes,
                "both axes of every box and where its list begins; results at vertices of half segments, and phases",
            ),
            self.chosen_table,
            Table(
                "lane_list",
                "uint8",
                self.lists,
                "half segments of other corners of every box: axes that each is across",
            ),
        )

    def beside_lanes(self, axes: IntArray) -> IntArray:
        """Two axes in a number as the C has them: codes of all heads are side by side, also where heads have arrays."""
        beside = (0, 0) if self.own else (1, 0) if self.pairs.swapped else (0, 1)
        return (axes % BYTE - beside[0]) % BYTE | (axes // BYTE - beside[1]) % BYTE << 8

    def params(self) -> dict[str, object]:
        """What the template computes with, beside the tables."""
        number = self.pairs
        first, result, phase = holes(number)[:3]
        return (
            super().params()
            | (_sums_params(number) if isinstance(number, Sums) else _pairs_params(number))
            | {
                "own": self.own,
                "phased": True,
                "mask": number.mask,
                "followed": int(np.argmax(self.more[2 * self.entries :] > 0)),
                "first": f"0x{first:X}U",
                "mark": self.mark,
                "pairs": len(self.line),
                "result": result,
                "phase": phase,
                "slope": self.slope,
                "down": self.down,
                "times": self.scale.times,
                "rough": self.scale.rough,
                "crossing": self.scale.crossing,
                "later": self.later,
                # What is added in 16 bits to take those off.
                "minus_margin": -self.margin % LANE,
                "minus_later": -self.later % LANE,
                "drop": number.drop,
                "weights": ", ".join(f"0x{weight:X}U" for weight in number.weight),
            }
        )


def _pairs_params(number: Pairs) -> dict[str, object]:
    """What the template computes an index with, where codes are looked up for two axes at a time."""
    inner = number.mask & ((1 << number.up + number.free_bits) - 1)
    return {
        "inner": f"0x{inner:X}U",
        "outer": f"0x{number.mask & ~inner:X}U",
        "axes": number.axes,
    }


def _sums_params(number: Sums) -> dict[str, object]:
    """What the template computes an index with, where every axis is looked up by a table of its own."""
    return {
        "low": number.low,
        "high": number.high,
        "joint": number.joint,
        "empty": number.empty,
        # Bits of a low byte below the half cells in it, and what is above the number of a box behind those of an index.
        "under": number.drop + number.empty,
        "above": ((1 << number.index_bits) - 1 >> number.drop) & ~number.mask,
    }


#: The axis and the number of a half segment.
Half = tuple[int, int]


def nearest_of(
    portable: Layout,
    place: list[tuple[int, int]],
    own: Half,
    alone: bool,
    others: Iterable[tuple[int, int, tuple[int, ...]]],
) -> Half:
    """The nearest half segment by exact distances: the nearer one of the own vertex, or the vertex `alone`, and others, the axis
    and number of each and the axes that it is across. `place` is what `Layout.exact` gives for every axis.
    """
    squares, costs = portable.exact_savings(*np.array(place).T)
    square, cost = squares.T.tolist(), costs.T.tolist()
    axis, nearest = own
    most = [0, 0] if alone else square[axis]
    for this, number, across in others:
        saving = [square[this][i] - sum(cost[a][i] for a in across) for i in range(2)]
        if saving > most:
            most, axis, nearest = saving, this, number
    return axis, nearest


def holes(number: Pairs) -> list[int]:
    """The lowest bits that no box has in its number: of first half segments, of results, of phases, and `mark`."""
    return [1 << bit for bit in range(18) if not number.mask >> bit & 1][:4]


def mark_of(number: Pairs, role: IntArray) -> int:
    """The `mark` of boxes with these axes: none where number 0 has but one, whose half segment is the first."""
    return holes(number)[3] if role[0] >> 8 != role[0] & 255 else 0


def phases_of(spec: Spec) -> tuple[Phases, Parts]:
    """The tables, and the boxes that they are for. Raises Refused."""
    geometry = Parts(spec, cut=False)
    if geometry.parts != 2:
        raise Refused("it has more than two half cells an axis")
    alike = geometry.alike
    number = (Pairs if alike else Sums)(spec.dimensions, int(np.argmax(np.bincount(geometry.heads.axis))))
    first = holes(number)[0]
    role = np.zeros((number.mask | first) + 1, dtype=np.int64)
    at_of: dict[int, int] = {}
    for box in itertools.product(range(2), repeat=spec.dimensions):
        rank = geometry.rank(box)
        # At order 1 every half segment of a vertex runs into its box.
        own = sorted(np.flatnonzero((geometry.at == box).all(axis=1)).tolist(), key=lambda half: rank[half])
        along_own = [int(geometry.heads.axis[half]) for half in own]
        role[number.of(box)] = along_own[0] << 8 | along_own[-1]
        at_of |= {own[-1]: number.of(box)} | {own[0]: number.of(box) | first}
    chains = Chains()
    mark = mark_of(number, role)
    chain, more = _last_ones_first(by_class(Classes(spec, number), lambda half: at_of[half] | mark, chains), chains)
    if CODES * (1 if alike else spec.dimensions) + 2 * len(chains.entries) > FARTHEST:
        raise Refused("its chains have too many entries")
    written = bytearray()
    for box, items in lists_of(geometry).items():
        role[number.of(box) | first] = len(written)
        written += _list_of([item for item in items if item.across], at_of, first)
    fit, scale, off = fitting_lifted(geometry, at_of)
    shifted = fit.pitch > PITCH
    none: IntArray = np.zeros(0, dtype=np.int64)
    lanes = Phases(
        spec=spec,
        number=number,
        share=number.share(geometry.half, geometry.offset),
        line=(fit.distance[0] if alike else fit.distance).reshape(-1),
        unit=0,
        margin=off.margin,
        place=none,
        role=role,
        base=fit.base,
        chain=chain,
        gates=none,
        lead=none,
        more=more,
        phase=fit.phase,
        slope=0 if shifted else fit.slope // 2,
        down=(LANE // fit.slope).bit_length() - 1 if shifted else 0,
        pitch=fit.pitch,
        scale=scale,
        later=off.later,
        lists=np.frombuffer(bytes(written), dtype=np.uint8).astype(np.int64),
    )
    return lanes, geometry


def _last_ones_first(chain: IntArray, chains: Chains) -> tuple[IntArray, IntArray]:
    """The numbers of first entries, and the entries, where those that others follow stand behind those that none do."""
    columns = chains.columns()
    order = np.argsort(columns[2] > 0, kind="stable")
    place = np.argsort(order)
    return place[chain], np.concatenate([columns[0][order], columns[1][order], place[columns[2][order]]])


def _list_of(others: list[Item], at_of: dict[int, int], first: int) -> bytes:
    """The description of half segments of other corners; where there are none, one that saves no more than its own vertex's."""
    found = [
        sum(1 << axis for axis in item.across) | (FIRST if at_of[item.half] & first else 0) for item in others
    ] or [FIRST]
    return bytes([*found[:-1], found[-1] | LAST])
