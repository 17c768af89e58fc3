"""`corner` in lanes of 16 bits, for Helium: tables of their own, boxes that are half cells, distances of 16 bits.

Every box has two roles: `first`, which wins where both are equally near, and `second`; a box with one half segment has
its axis in both, and a bit where it has the second one's sign. So a lane takes

    total = sum of the shares of its codes        whose topmost bits tell the axes along which g exceeds 3/8
    number = total without those bits             the box
    g = first, or second where that is greater    the gaps of the codes along the axes of the box's roles
    result = base + sign * ((g + phase) >> shift)

The phase is where the vertex lies between two results: of a falling result it is what is missing to the next. Where
other corners' half segments can be nearer, the topmost bits of the role have an axis that the total has, too. If such a
box lists one of them, along c and first of all across d, it is nearer than the vertex only where the gap along c is not
less than `far` of the code along d. A lane where that is so, or whose box lists several, is decoded by the portable
functions.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.corner_argument import Argument
from hilbert_codegen.kernels.corner_geometry import ACROSS, LAST, Parts, lists_of
from hilbert_codegen.kernels.corner_layout import Kind, Layout
from hilbert_codegen.kernels.corner_tables import layout_of
from hilbert_codegen.spec.specification import Spec

#: Most boxes that have tables.
MOST = 4096
#: What `pair` is of a box that lists several half segments of other corners.
SEVERAL = 128


def axis_bits(heads: int) -> int:
    """Bits that name one of so many axes."""
    return 2 if heads <= 4 else 3


@dataclass(frozen=True)
class Lanes:
    """The tables of the lanes.

    Attributes:
        layout: the records that they are made of, with distances of 16 bits.
        share: (heads, 256) by raw bits.
        role: from its low end the axes of both roles, a bit for a box that has the second one's sign only, and one for
            a vertex alone, whose g is 0; from its high end the axes that total is asked for.
        phase, base: see above.
        pair: c and, above it, d of a box with one half segment of another corner; `SEVERAL` of one with more.
        far: (256,) by raw bits: see above.
    """

    layout: Layout
    share: IntArray
    role: IntArray
    phase: IntArray
    base: IntArray
    pair: IntArray
    far: IntArray

    @property
    def bits(self) -> int:
        """Bits of an axis in a role."""
        return axis_bits(self.layout.spec.dimensions)

    @property
    def asked(self) -> int:
        """The bit of the first axis that total is asked for."""
        return 1 << (16 - self.layout.spec.dimensions)

    @cached_property
    def vertices(self) -> bool:
        """Whether any box has a vertex alone."""
        return bool((self.role >> (2 * self.bits + 1) & 1).any())

    def decode(self, portable: Layout, *raw: IntArray) -> IntArray:
        """The executable model."""
        flat = np.stack([np.asarray(bits).reshape(-1) for bits in raw])
        total: IntArray = np.zeros(flat.shape[1], dtype=np.int64)
        for share, bits in zip(self.share, flat, strict=True):
            total += share[bits]
        number = total & (self.asked - 1)
        role, whole = self.role[number], (1 << self.layout.shift) - 1
        axes = (role >> place & ((1 << self.bits) - 1) for place in (0, self.bits))
        gap = self.layout.gap[0]
        first, second = (gap[np.take_along_axis(flat, axis[None, :], axis=0)[0]] for axis in axes)
        second = np.where(role >> (2 * self.bits + 1) & 1, 0, second)
        wins = (first >= second) & (role >> (2 * self.bits) & 1 == 0)
        phase = self.phase[number] ^ np.where(wins, whole, 0)
        step = (np.where(wins, first, second) + phase) >> self.layout.shift
        result = as_output(self.layout.spec, self.base[number] + np.where(wins == self.layout.ahead, -step, step))
        pair = self.pair[number]
        along, across = (pair >> place & ((1 << self.bits) - 1) for place in (0, self.bits))
        reach, limit = (
            table[np.take_along_axis(flat, axis[None, :], axis=0)[0]]
            for table, axis in ((gap, along), (self.far, across))
        )
        left = np.flatnonzero((total & role >= self.asked) & ((pair >= SEVERAL) | (reach >= limit)))
        if len(left):
            result[left] = portable.decode(*flat[:, left])
        return result.reshape(np.shape(raw[0]))

    def check(self, geometry: Parts) -> None:
        """Raise CheckFailed unless these are the tables of `layout`, and those are proved for all tuples."""
        Argument(self.layout, geometry).check()
        made = _packed(self.layout, geometry)
        for name in ("share", "role", "phase", "base", "pair", "far"):
            if not np.array_equal(getattr(self, name), getattr(made, name)):
                raise CheckFailed(f"lanes: {name} is not that of the records")

    def tables(self) -> tuple[Table, ...]:
        """Those of the C."""
        return (
            Table(
                "lane_share",
                "uint16",
                self.share.reshape(-1),
                "part of every code in a lane's total: 256 for each head",
            ),
            Table("lane_gap", "uint16", self.layout.gap[0], "distance of every code from the own vertex"),
            Table("lane_role", "uint16", self.role, "axes of every box"),
            Table("lane_phase", "uint8", self.phase, "where the vertex of every box lies between two results"),
            Table("lane_base", "uint16", self.base, "result of the vertex of every box, or that before it"),
            Table("lane_pair", "uint8", self.pair, "axes along and across of what is listed for every box"),
            Table(
                "lane_far",
                "uint16",
                self.far,
                "distance along from which on it is nearer than the vertex, by the code across",
            ),
        )

    def params(self) -> dict[str, object]:
        """What the template computes with, beside the tables."""
        return {
            "lane_shift": self.layout.shift,
            "whole": f"{(1 << self.layout.shift) - 1}U",
            "bits": self.bits,
            "mask": (1 << self.bits) - 1,
            "asked": f"{self.asked}U",
            "low": f"{self.asked - 1}U",
            "ahead": self.layout.ahead,
            "vertices": self.vertices,
            "only_up": 15 - 2 * self.bits,
            "several": f"{SEVERAL}U",
        }


def _packed(layout: Layout, geometry: Parts) -> Lanes:
    """The tables of the lanes, from records."""
    fields, heads = layout.fields, layout.spec.dimensions
    bits, whole = axis_bits(heads), (1 << layout.shift) - 1
    count = geometry.parts**heads
    role, phase, base, pair = (np.zeros(count, dtype=np.int64) for _ in range(4))
    for number, record in enumerate(layout.of_box(np.arange(count)).tolist()):
        gates = 0
        if int(fields.kinds(np.array(record))) == Kind.AMONG:
            gates = sum(1 << (16 - heads + axis) for axis in layout.gates(record))
            at = record & ((1 << layout.at) - 1)
            record, other, word = layout.words[at : at + 3].tolist()
            pair[number] = (word >> ACROSS & 7) << bits | other >> fields.axis if word & LAST else SEVERAL
        of_record = np.array(record)
        if fields.is_single(of_record) and not fields.signs(of_record):
            base[number] = record >> layout.shift & 0xFFFF
            role[number] = gates | 3 << (2 * bits)
            continue
        if int(fields.kinds(of_record)) == Kind.PAIR and record & 0xFFFF:
            raise Refused("two half segments of a vertex have bases of their own")
        falls = int(fields.signs(of_record)) < 0
        if fields.is_turn(of_record):
            minus, plus = (int(fields.axes(half)) for half in fields.unfolded(of_record))
            first, second, only = (minus, plus, False) if layout.ahead else (plus, minus, False)
            below = (1 << fields.other) - 1
        else:
            first = second = int(fields.axes(of_record))
            only, below = falls != layout.ahead, (1 << fields.sign) - 1
        value = record & below
        base[number] = value >> layout.shift & 0xFFFF
        phase[number] = value & whole if layout.ahead else ~value & whole
        role[number] = gates | only << (2 * bits) | second << bits | first
    zone = (layout.gap >= layout.zone).astype(np.int64)
    share = layout.share + (zone << (16 - heads + np.arange(heads))[:, None])
    return Lanes(layout, share, role, phase, base, pair, _far(layout, geometry))


def _far(layout: Layout, geometry: Parts) -> IntArray:
    """The least gap whose distance g along a half segment has g^2 > 1 - 2 d, for every code at distance d across."""
    gaps = {g: int(gap) for g, gap in zip(geometry.offset[0], layout.gap[0].tolist(), strict=True)}
    distances = sorted(gaps)
    squares = [g * g for g in distances]
    found = []
    for d in geometry.offset[0]:
        place = bisect_right(squares, 1 - 2 * d)
        found.append(gaps[distances[place]] if place < len(distances) else (1 << 16) - 1)
    return np.array(found, dtype=np.int64)


def lanes_of(spec: Spec) -> tuple[Lanes, Parts]:
    """The tables of the lanes, and the boxes that they are for. Raises Refused."""
    geometry = Parts(spec, cut=False)
    if geometry.parts**spec.dimensions > min(MOST, 1 << (16 - spec.dimensions)):
        raise Refused("it has too many boxes for lanes of 16 bits")
    layout = layout_of(spec, geometry, lists_of(geometry), narrow=True)
    if not (layout.gap == layout.gap[0]).all():
        raise Refused("its heads have distances of their own")
    return _packed(layout, geometry), geometry
