"""`corner` in lanes of 16 bits, for Helium: tables of their own, boxes that are half cells, results by arc length.

Every box has two axes: those of the own vertex's half segments, the one that wins ties first, or one axis twice. With
the square of every distance g in whole numbers, a lane takes

    number = what its codes add                the box; and the axes along which g exceeds 3/8
    most = square along the first axis, or the second where that is greater, for which number has a bit more
    result = results[base[number] + place]     the place of the code along that axis

The results of every segment stand in a row, by the places of the codes along its axis, so nothing is rounded there.
Where other corners' half segments can be nearer, `gates` has one of those axes. Then the lane goes through a chain of
them. One that runs along c across d saves g_c^2 - (1 - 2 g_d) at most; where that is more than `most`, it becomes the
nearest. Whole numbers that are not the exact ones make a difference of two savings wrong by less than `margin`: one of
less than twice that is a close call. So is a half segment across several axes, as the sum has but one of them. Close
calls are decoded by the portable functions.

With two half cells an axis, and so at order 1, two codes are looked up at a time, in the two bytes of a lane, for half
cells and classes of distances (`Pairs`). Box and classes together lead to the chain, if there is one. There results are
computed (phases.py), unless no whole numbers serve all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.corner.geometry import ZONE, Item, Parts, gates_of, lists_of
from hilbert_codegen.kernels.corner.lanes_number import BYTE_BITS, Classes, Pairs, Zones
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: The highest number that a lane holds, and a cell in units whose squares fit.
HIGHEST, FINEST = (1 << 15) - 1, 1 << 8
#: Codes of a head, behind which tables by code have other things.
CODES = BYTE = 256
#: Most bytes of tables: where results of all segments take more, the portable functions do.
MOST_BYTES = 48 << 10
#: What stands for where results begin of a half segment that makes a close call: results are behind the squares.
CLOSE = 0
#: What is no result.
NONE = 1 << 32
#: The bit of `lead` that is set where a vertex is alone.
LONELY = 1 << 15


@dataclass(frozen=True)
class Lanes:
    """The tables of the lanes, most of them by raw bits, by the number of a box, or by that of an entry of a chain.

    Attributes:
        spec: what is computed.
        number: how a box is found.
        share: what a code adds to the total: (heads, 256), or (pairs, 256).
        line: the square of the distance of every code; behind those 256 the results of all segments.
        unit: what stands for the square of a cell.
        margin: what a difference of two savings is off by at most; 0 where all numbers are exact.
        place: (256,) the place of every code among the different positions along an axis.
        role: both axes of every box, the second one eight bits higher.
        base: where in `line` the results of the first one begin, by the number; behind, those of the second one.
        chain: with classes, the first entry of the chain of every box and classes, or 0; else empty.
        gates: the bits of the total that are asked for; empty with classes, like `lead`.
        lead: where in `more` the chain of every box begins, less the bits of the zone that it is for, which are added. On
            top a bit where the box has a vertex alone.
        more: of all entries of chains c and d, d eight bits higher; then where their results begin, or CLOSE; then the
            next ones, or 0, of which nothing follows; behind those, of every code the cost, 1 - 2 g in units less
            `margin`, or HIGHEST where that is less.
    """

    spec: Spec
    number: Zones | Pairs
    share: IntArray
    line: IntArray
    unit: int
    margin: int
    place: IntArray
    role: IntArray
    base: IntArray
    chain: IntArray
    gates: IntArray
    lead: IntArray
    more: IntArray

    @property
    def complete(self) -> bool:
        """Whether the portable functions' tables are not needed: here they settle close calls."""
        return False

    @property
    def entries(self) -> int:
        """How many entries chains have."""
        return (len(self.more) - CODES) // 3

    def decode(self, portable: Layout, *raw: IntArray) -> IntArray:
        """The executable model."""
        flat = np.stack([np.asarray(bits).reshape(-1) for bits in raw])
        total = self.number.totals(self.share, flat)
        number = self.number.boxes(total)
        code, second = (along(flat, self.role[number] >> shift & 255) for shift in (0, 8))
        wins = self.line[second] > self.line[code]
        base = self.base[number | wins << self.number.bits]
        code = np.where(wins, second, code)
        if isinstance(self.number, Pairs):
            entry = self.chain[self.number.index(total)]
        else:
            total &= self.gates[number]
            entry = np.where(total, self.lead[number] + self.number.zone(total), 0)
        asked = np.flatnonzero(entry)
        if len(asked):
            base[asked], code[asked] = self._among(flat[:, asked], entry[asked], base[asked], code[asked])
        result = as_output(self.spec, self.line[base + self.place[code] & 0xFFFF])
        left = np.flatnonzero(base == CLOSE)
        if len(left):
            result[left] = portable.decode(*flat[:, left])
        return result.reshape(np.shape(raw[0]))

    def _among(self, flat: IntArray, entry: IntArray, base: IntArray, code: IntArray) -> tuple[IntArray, IntArray]:
        """Bases and codes of the nearest ones, where other corners' half segments are looked at."""
        most = np.where(entry & LONELY, 0, self.line[code])
        entry = entry & (LONELY - 1)
        while entry.any():
            pair, there, further = (self.more[entry + i * self.entries] for i in range(3))
            this, across = (along(flat, pair >> shift & 255) for shift in (0, 8))
            saving = self.line[this] - self.more[3 * self.entries + across]
            nearer = (saving > most) & (entry > 0)
            close = nearer & (saving - 2 * self.margin <= most) & (self.margin > 0)
            base = np.where(close, CLOSE, np.where(nearer, there, base))
            code = np.where(nearer, this, code)
            most = np.maximum(most, saving - self.margin)
            entry = further
        return base, code

    def axes(self, number: int) -> tuple[int, int]:
        """Both axes of a box."""
        return int(self.role[number]) & 255, int(self.role[number]) >> 8

    def begins(self, number: int) -> tuple[int, int]:
        """Where the results of both half segments of a box begin."""
        return int(self.base[number]), int(self.base[number | 1 << self.number.bits])

    def results(self, begin: int, codes: IntArray) -> IntArray:
        """The results that begin there, at codes of the axis; NONE where there is none."""
        at = begin + self.place[codes]
        found = as_output(self.spec, self.line[np.minimum(at, len(self.line) - 1)])
        return np.where((at >= CODES) & (at < len(self.line)), found, NONE)

    def tables(self) -> tuple[Table, ...]:
        """Those of the C."""
        made = (1 << INTEGER_TYPES[self.spec.output.dtype][0]) - 1
        return (
            self.share_table,
            Table(
                "lane_line",
                "uint16",
                np.where(np.arange(len(self.line)) < CODES, self.line, self.line & made),
                "square of the distance of every code from the own vertex; behind, results of every segment",
                8,
            ),
            Table("lane_place", "uint8", self.place, "place of every code among the different positions along an axis"),
            Table("lane_role", "uint16", self.beside_lanes(self.role), "both axes of every box"),
            Table(
                "lane_base",
                "uint16",
                self.base,
                "where results of the first axis of every box begin; and of the second",
            ),
            self.chosen_table,
            Table(
                "lane_more",
                "uint16",
                np.concatenate([self.beside_lanes(self.more[: self.entries]), self.more[self.entries :] & 0xFFFF]),
                "axes along and across of entries of chains, where their results begin, and what is next; behind, cost "
                "of being across, by the code there",
                8,
            ),
        )

    def beside_lanes(self, axes: IntArray) -> IntArray:
        """Two axes in a number as the C has them: places that are the lanes' own plus these.

        Of one of the bytes they are those beside the lanes' own.
        """
        stride = 8 if self.spec.heads.layout == "planar" else 1
        beside = (stride, 0) if self._swapped else (0, stride)
        return (axes % BYTE * stride - beside[0]) % BYTE | (axes // BYTE * stride - beside[1]) % BYTE << 8

    @property
    def share_table(self) -> Table:
        """What codes add."""
        paired = isinstance(self.number, Pairs)
        return Table("lane_share", "uint8" if paired else "uint16", self.share.reshape(-1), self._meaning)

    @property
    def _swapped(self) -> bool:
        """Whether the low byte of a lane has the second of two axes."""
        return isinstance(self.number, Pairs) and self.number.swapped

    @property
    def chosen_table(self) -> Table:
        """What leads to chains."""
        if isinstance(self.number, Pairs):
            few = self.entries <= BYTE
            meaning = "first entry of the chain of every box and classes of distances"
            return Table("lane_chain", "uint8" if few else "uint16", self.chain, meaning)
        return Table(
            "lane_gates",
            "uint16",
            np.concatenate([self.gates, self.lead, self.lead]),
            "axes of every box beside which there are other corners' half segments; behind, their chains, twice",
        )

    @property
    def _meaning(self) -> str:
        if isinstance(self.number, Pairs):
            return "half cell of every code and class of its distance: of each pair of axes"
        return "half cell of every code of each head, and whether it is in the zone"

    def params(self) -> dict[str, object]:
        """What the template computes with, beside the tables."""
        number = self.number
        if isinstance(number, Pairs):
            found: dict[str, object] = {
                "starts": [(start, BYTE * i) for i, start in enumerate(number.starts)],
                "up": number.up,
                "kept": BYTE_BITS + number.drop,
                "box": f"0x{number.mask:X}U",
                "wide": self.entries > BYTE,
            }
        else:
            found = {"above": f"0x{-(1 << number.lowest) & 0xFFFF:X}U", "drop": number.lowest, "lead": 1 << number.bits}
        return found | {
            "paired": isinstance(number, Pairs),
            "swapped": self._swapped,
            "second": f"0x{1 << number.bits:X}U",
            "phased": False,
            "kinds": False,
            "lonely": f"0x{LONELY:X}U" if (self.lead & LONELY).any() else "",
            "chained": bool(self.more[2 * self.entries : 3 * self.entries].any()),
            "codes": CODES,
            "margin": self.margin,
            "entries": self.entries,
        }


def along(flat: IntArray, axis: IntArray) -> IntArray:
    """The codes of points along an axis each."""
    return np.asarray(np.take_along_axis(flat, axis[None, :], axis=0)[0])


@dataclass(frozen=True)
class Numbers:
    """Squares of distances and costs as whole numbers: see Lanes."""

    square: IntArray
    cost: IntArray
    unit: int
    margin: int

    @classmethod
    def of(cls, offset: list[Fraction]) -> Numbers:
        """Those of the distance of every code: exact ones where they fit."""
        parts = math.lcm(*(g.denominator for g in offset))
        unit = parts * parts if parts <= FINEST else FINEST * FINEST
        distances = sorted(set(offset))
        whole: dict[Fraction, int] = {}
        last = -1
        for g in distances:
            last = whole[g] = max(round(unit * g * g), last + 1)
        cost = [round(unit * (1 - 2 * g)) for g in distances]
        off = max(
            max(abs(whole[g] - unit * g * g), abs(c - unit * (1 - 2 * g))) for g, c in zip(distances, cost, strict=True)
        )
        margin = math.ceil(4 * off)
        costs = {g: min(c - margin, HIGHEST) for g, c in zip(distances, cost, strict=True)}
        if max(whole.values()) + 3 * margin > HIGHEST:
            raise Refused("squares of distances do not fit 16 bits")
        return cls(np.array([whole[g] for g in offset]), np.array([costs[g] for g in offset]), unit, margin)


class _Results:
    """Results in rows: one for every segment, and one for every vertex alone."""

    def __init__(self, geometry: Parts, place: IntArray) -> None:
        self.geometry, self.place = geometry, place
        self.made: list[int] = []
        self.begun: dict[tuple[int, ...], int] = {}

    def of(self, half: int) -> int:
        """Where those of the segment of a half segment begin."""
        geometry = self.geometry
        key = (min(half, int(geometry.twin[half])),)
        if key not in self.begun:
            found: dict[int, int] = {}
            a = int(geometry.heads.axis[half])
            for h in (half, int(geometry.twin[half])):
                codes = np.flatnonzero(geometry.half[a] == 2 * int(geometry.at[h, a]) - (int(geometry.step[h, a]) < 0))
                found.update(zip(self.place[codes].tolist(), geometry.heads.output[h][codes].tolist(), strict=True))
            self.begun[key] = self._row(found)
        return self.begun[key]

    def alone(self, half: int, cell: tuple[int, ...]) -> int:
        """Where those of the vertex of a half segment that runs away begin, by places along the first axis of a box."""
        geometry = self.geometry
        a = int(geometry.heads.axis[half])
        value = int(geometry.heads.output[half][geometry.half[a] == cell[a]][0])
        key = (-1, value, cell[0])
        if key not in self.begun:
            self.begun[key] = self._row(dict.fromkeys(self.place[geometry.half[0] == cell[0]].tolist(), value))
        return self.begun[key]

    def _row(self, found: dict[int, int]) -> int:
        low, high = min(found), max(found)
        begun = CODES + len(self.made) - low
        self.made.extend(found.get(at, 0) for at in range(low, high + 1))
        return begun


#: An entry of a chain without what follows: c and d, and where results begin.
Link = tuple[int, int]


class Chains:
    """The entries of all chains: whole chains stand once, and those of one box where the axes of the total lead."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, int, int]] = {0: (0, 0, 0)}
        self.placed: dict[tuple[Link, ...], int] = {}

    def _first(self, chain: tuple[Link, ...]) -> tuple[int, int, int]:
        """The first entry of a chain whose others are put somewhere."""
        return (*chain[0], self.at(chain[1:]))

    def at(self, chain: tuple[Link, ...]) -> int:
        """The number of the first entry of a chain; 0 of one without entries."""
        if chain and chain not in self.placed:
            entry = self._first(chain)
            self.placed[chain] = next(i for i in itertools.count() if i not in self.entries)
            self.entries[self.placed[chain]] = entry
        return self.placed[chain] if chain else 0

    def put(self, chains: dict[int, tuple[Link, ...]]) -> int:
        """The number that, with a key of `chains` added, is that of the first entry of that chain."""
        first = {key: self._first(chain) for key, chain in chains.items()}
        for lead in itertools.count():
            if all(self.entries.get(lead + key, entry) == entry for key, entry in first.items()):
                self.entries |= {lead + key: entry for key, entry in first.items()}
                return lead
        raise AssertionError

    def columns(self) -> tuple[IntArray, IntArray, IntArray]:
        """The parts of all entries."""
        found = np.array([self.entries.get(i, (0, 0, 0)) for i in range(max(self.entries) + 1)])
        return found[:, 0], found[:, 1], found[:, 2]


def lanes_of(spec: Spec) -> tuple[Lanes, Parts]:
    """The tables of the lanes, and the boxes that they are for. Raises Refused."""
    geometry = Parts(spec, cut=False)
    number: Zones | Pairs = Zones(spec.dimensions, geometry.parts)
    if geometry.parts == 2:
        number = Pairs(spec.dimensions, int(np.argmax(np.bincount(geometry.heads.axis))))
    if not number.fits:
        raise Refused("it has too many boxes for lanes of 16 bits")
    if not geometry.alike:
        raise Refused("its heads have distances of their own")
    order = {position: i for i, position in enumerate(sorted(set(geometry.place[0])))}
    place = np.array([order[position] for position in geometry.place[0]])
    results, chains, numbers = _Results(geometry, place), Chains(), Numbers.of(geometry.offset[0])
    role, gates, lead = np.zeros((3, 1 << number.bits), dtype=np.int64)
    base = np.zeros(2 << number.bits, dtype=np.int64)
    for box, items in lists_of(geometry).items():
        at = number.of(box)
        own = [item for item in items if not item.across]
        others = [item for item in items if item.across]
        alone = own[0].along is None
        role[at] = (own[-1].along or 0) << 8 | (own[0].along or 0)
        begun = [results.alone(item.half, box) if alone else results.of(item.half) for item in own]
        base[at], base[at | 1 << number.bits] = begun[0], begun[-1]
        if others and isinstance(number, Zones):
            asked = gates_of(item.across for item in others)
            gates[at] = sum(1 << axis for axis in asked) << number.lowest
            lead[at] = chains.put(_chains_of(others, asked, results)) | alone * LONELY
        elif others and alone:
            raise Refused("a vertex alone has others beside it")
    chain = np.zeros(0, dtype=np.int64)
    if isinstance(number, Pairs):
        chain, gates, lead = by_class(Classes(spec, number), results.of, chains), chain, chain
        share = number.share(geometry.half, geometry.offset)
    else:
        zone = np.array([[g > ZONE for g in axis] for axis in geometry.offset], dtype=np.int64)
        share = number.share(np.array(geometry.half), zone)
    columns = chains.columns()
    if CODES + len(results.made) > HIGHEST or len(columns[0]) > LONELY:
        raise Refused("it has too many results for lanes of 16 bits")
    line = np.concatenate([numbers.square, np.array(results.made)])
    more = np.concatenate([*columns, numbers.cost])
    lanes = Lanes(spec, number, share, line, numbers.unit, numbers.margin, place, role, base, chain, gates, lead, more)
    if sum(table.nbytes for table in lanes.tables()) > MOST_BYTES:
        raise Refused("the tables for its lanes are too large")
    return lanes, geometry


def by_class(boxes: Classes, begin: Callable[[int], int], chains: Chains) -> IntArray:
    """The first entries of the chains of all boxes and classes; `begin` is where results of a half segment begin."""
    found = np.zeros(1 << boxes.number.index_bits, dtype=np.int64)
    for box, items in lists_of(boxes).items():
        chain = [
            (item.across[0] << 8 | (item.along or 0), CLOSE if len(item.across) > 1 else begin(item.half))
            for item in items
            if item.across
        ]
        found[boxes.index(box)] = chains.at(in_order(chain))
    return found


def in_order(chain: list[Link]) -> tuple[Link, ...]:
    """Close calls first: the others take their place only where they save more."""
    return tuple(sorted(dict.fromkeys(chain), key=lambda link: link[1] != CLOSE))


def _chains_of(others: list[Item], gates: list[int], results: _Results) -> dict[int, tuple[Link, ...]]:
    """The chains of a box, by the bits of the zone that are asked for and found."""
    found = {}
    for count in range(1, len(gates) + 1):
        for axes in itertools.combinations(gates, count):
            chain: list[Link] = []
            for item in others:
                if set(item.across) & set(gates) <= set(axes):
                    d = next(axis for axis in item.across if axis in gates)
                    several = len(item.across) > 1
                    chain.append((d << 8 | (item.along or 0), CLOSE if several else results.of(item.half)))
            found[sum(1 << axis for axis in axes)] = in_order(chain)
    # Where none can be nearer, any of them serves.
    any_one = min((chain for chain in found.values() if chain), key=len)
    return {key: chain or any_one for key, chain in found.items()}
