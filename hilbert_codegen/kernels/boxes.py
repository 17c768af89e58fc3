"""`boxes`: three to six heads. For every half-cell box the few half segments that can be nearest there.

In most boxes (half_cells.py) one half segment is nearest throughout, and the result follows from one coordinate. Elsewhere
the listed ones are compared by squared distance, in whole numbers; a list is ordered by (not the own cell, s), so that the
first of equally near ones is the one that the definition takes.

Positions are in cells with `fraction` bits. Where a position that was rounded would decide a comparison or a result
wrongly, fewer bits are tried, whose roundings differ, and then the strategy refuses.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.half_cells import Along, Geometry, boxes_of, check_covered, same_signs, unbeaten
from hilbert_codegen.spec.specification import Spec

#: Fields of a list entry above the packed vertex: axis of the half segment, runs up, runs towards growing s, last of its list.
AXIS, UP, FORTH, LAST = 9, 12, 13, 15
#: Fewer fractional bits than this are not tried.
LEAST_FRACTION = 20
#: Points that the executable model computes at a time.
CHUNK = 1 << 16


@dataclass(frozen=True)
class Layout:
    """The tables of one decoder, and what its C computes from them.

    Attributes:
        spec: what is computed.
        fraction: fractional bits of a position in cells.
        place: (heads, 256) clamped position of every raw code, in 2^-fraction cells.
        box: start of every box's list; a box's number is the half cells of the axes, the first head's counting least, to the
            base 2 side - 1.
        entries: the lists, one after the other.
        vertex: index of every vertex, at its packed coordinates.
    """

    spec: Spec
    fraction: int
    place: IntArray
    box: IntArray
    entries: IntArray
    vertex: IntArray
    longest: int = field(default=0)

    @property
    def base(self) -> int:
        """Half cells of an axis."""
        return 2 * self.spec.curve.side - 1

    def box_of(self, places: list[IntArray]) -> IntArray:
        """Number of the box of positions."""
        number = np.zeros_like(places[0])
        for place in reversed(places):
            number = number * self.base + (place >> (self.fraction - 1))
        return number

    def corner(self, entry: IntArray, a: int) -> IntArray:
        """Coordinate of an entry's vertex on axis `a`, in 2^-fraction cells."""
        order = self.spec.curve.order
        return ((entry >> (order * a)) & (self.spec.curve.side - 1)) << self.fraction

    def gap(self, place: IntArray, entry: IntArray, a: int) -> IntArray:
        """Distance along axis `a` from a position to an entry's half segment, in 2^-fraction cells."""
        off = place - self.corner(entry, a)
        size = np.abs(off)
        beside = ((entry >> AXIS & 7) == a) & ((off > 0) == (entry >> UP & 1 == 1))
        return np.where(beside, np.maximum(size - (1 << (self.fraction - 1)), 0), size)

    def code(self, places: list[IntArray], entry: IntArray) -> IntArray:
        """Result of positions whose nearest half segment is `entry`."""
        spec, fraction = self.spec, self.fraction
        c0, c1 = spec.output.codes
        axis = entry >> AXIS & 7
        place = np.choose(axis, places)
        corner = np.choose(axis, [self.corner(entry, a) for a in range(spec.dimensions)])
        off = np.where(entry >> UP & 1 == 1, place - corner, corner - place)
        part = np.clip(off, 0, 1 << (fraction - 1))
        packed = entry & ((1 << (spec.curve.order * spec.dimensions)) - 1)
        arc = (self.vertex[packed] << fraction) + np.where(entry >> FORTH & 1 == 1, part, -part)
        total = spec.curve.segments << fraction
        if spec.curve.closed:
            arc = np.where(arc < 0, arc + total, arc)
        forward = arc if c1 > c0 else total - arc
        value = ((forward * abs(c1 - c0) + (spec.curve.segments << (fraction - 1))) >> fraction) // spec.curve.segments
        value = value + min(c0, c1)
        return as_output(spec, np.where(value == c1, c0, value) if spec.curve.closed else value)

    def decode(self, *raw: IntArray) -> IntArray:
        """The executable model: results of raw codes, one array for each head."""
        flat = [np.asarray(bits).reshape(-1) for bits in raw]
        result = np.empty(len(flat[0]), dtype=np.int64)
        for start in range(0, len(result), CHUNK):
            places = [self.place[a][bits[start : start + CHUNK]] for a, bits in enumerate(flat)]
            at = self.box[self.box_of(places)]
            entry = self.entries[at]
            several = np.flatnonzero(entry >> LAST == 0)
            entry[several] = self._nearest([place[several] for place in places], at[several])
            result[start : start + CHUNK] = self.code(places, entry)
        return result.reshape(np.shape(raw[0]))

    def square(self, places: list[IntArray], entry: IntArray) -> NDArray[np.uint64]:
        """Squared distance of positions to an entry's half segment, in 2^(-2 fraction) cells, below 2^64."""
        total = np.zeros(places[0].shape, dtype=np.uint64)
        for a, place in enumerate(places):
            gap = self.gap(place, entry, a).astype(np.uint64)
            total += gap * gap
        return total

    def _nearest(self, places: list[IntArray], at: IntArray) -> IntArray:
        found = np.zeros(len(at), dtype=np.int64)
        least = np.full(len(at), np.iinfo(np.uint64).max, dtype=np.uint64)
        left = np.arange(len(at))
        step = 0
        while len(left):
            entry = self.entries[at[left] + step]
            square = self.square([place[left] for place in places], entry)
            closer = square < least[left]
            least[left[closer]] = square[closer]
            found[left[closer]] = entry[closer]
            left = left[entry >> LAST == 0]
            step += 1
        return found


def _entry(geometry: Geometry, h: int) -> int:
    a = int(np.argmax(np.abs(geometry.step[h])))
    order = geometry.spec.curve.order
    packed = sum(int(v) << (order * i) for i, v in enumerate(geometry.at[h]))
    return packed | a << AXIS | int(geometry.step[h, a] > 0) << UP | int(geometry.forth[h]) << FORTH


class Argument:
    """The proof of a layout for all tuples of codes, box by box, in whole numbers. It reads the tables that the C has.

    For every box: each half segment that is not listed is beaten throughout by one that is; the list is ordered by (not
    own cell, s); of every two listed ones the fixed-point comparison says what the exact one says, for all codes of the
    box; and the result of every listed one is right for all codes of its axis.
    """

    def __init__(self, layout: Layout, geometry: Geometry) -> None:
        self.layout, self.geometry = layout, geometry

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        geometry, layout = self.geometry, self.layout
        known = {_entry(geometry, h): h for h in range(len(geometry.at))}
        for a, axis in enumerate(geometry.half):
            if not np.array_equal(layout.place[a] >> (layout.fraction - 1), axis):
                raise CheckFailed(f"head {AXES[a]}: a code lies in another half cell than its rounded position")
        rows = self._outputs()
        for box, tables, codes in boxes_of(geometry):
            where = f"box {box}"
            number = sum(h * layout.base**a for a, h in enumerate(box))
            listed = self._list(int(layout.box[number]), known, where)
            rank = geometry.rank(box)
            if sorted(listed, key=lambda h: rank[h]) != listed:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(geometry, box, tables, listed, rank, where)
            for h in listed:
                a = int(geometry.heads.axis[h])
                if not rows[h][codes[a]].all():
                    raise CheckFailed(f"{where}: a result is wrong")
            for one, other in itertools.combinations(listed, 2):
                self._compared(one, other, tables, codes, where)

    def _list(self, start: int, known: dict[int, int], where: str) -> list[int]:
        found = []
        for entry in self.layout.entries[start : start + len(known)].tolist():
            if entry & ~(1 << LAST) not in known:
                raise CheckFailed(f"{where}: entry {entry} is no half segment of the curve")
            found.append(known[entry & ~(1 << LAST)])
            if entry >> LAST:
                return found
        raise CheckFailed(f"{where}: the list has no end")

    def _outputs(self) -> list[NDArray[np.bool_]]:
        """For every half segment: whether the fixed-point result is the exact one, by the code of its axis."""
        layout, geometry = self.layout, self.geometry
        rows = []
        for h in range(len(geometry.at)):
            a = int(geometry.heads.axis[h])
            entry = np.full(256, _entry(geometry, h))
            places = [layout.place[a]] * geometry.spec.dimensions
            rows.append(layout.code(places, entry) == geometry.heads.output[h])
        return rows

    def _compared(self, one: int, other: int, tables: list[Along], codes: list[IntArray], where: str) -> None:
        """The difference of two squared distances, exact and as the C forms it, has one sign for all codes of a box."""
        scale = 1 << (2 * self.layout.fraction)
        exact, fixed = [], []
        entries = [np.array([_entry(self.geometry, h)]) for h in (one, other)]
        for a, (table, group) in enumerate(zip(tables, codes, strict=True)):
            gaps = [self.layout.gap(self.layout.place[a][group], entry, a).astype(object) for entry in entries]
            pairs = {
                (int(g) * scale, int(f) * self.geometry.unit**2)
                for g, f in zip(table.table[one] - table.table[other], gaps[0] ** 2 - gaps[1] ** 2, strict=True)
            }
            exact.append(np.array([g for g, _ in pairs], dtype=object))
            fixed.append(np.array([f for _, f in pairs], dtype=object))
        wrong = sum(int(np.abs(f - g).max()) for g, f in zip(exact, fixed, strict=True))
        if wrong and not same_signs(exact, fixed, wrong):
            raise CheckFailed(f"{where}: two half segments are too close a call for {self.layout.fraction} bits")


def _rounded(place: Fraction, last: int, fraction: int) -> int:
    """A position in 2^-fraction cells, rounded so that what is symmetric about the middle of the grid stays so."""
    scaled = place * (1 << fraction)
    below = 2 * place <= last
    return math.floor(scaled + Fraction(1, 2)) if below else math.ceil(scaled - Fraction(1, 2))


def layouts(spec: Spec, geometry: Geometry) -> Iterator[Layout]:
    """The layouts for falling numbers of fractional bits."""
    order, last = spec.curve.order, spec.curve.side - 1
    base = 2 * spec.curve.side - 1
    starts: dict[tuple[int, ...], int] = {}
    entries: list[int] = []
    box = np.zeros(base**spec.dimensions, dtype=np.int64)
    longest = 1
    for cell, tables, _ in boxes_of(geometry):
        listed = tuple(_entry(geometry, h) for h in unbeaten(geometry, cell, tables))
        longest = max(longest, len(listed))
        if listed not in starts:
            starts[listed] = len(entries)
            entries += [*listed[:-1], listed[-1] | 1 << LAST]
        box[sum(h * base**a for a, h in enumerate(cell))] = starts[listed]
    vertex = np.zeros(len(spec.curve.points), dtype=np.int64)
    for index, point in enumerate(spec.curve.points):
        vertex[sum(v << (order * i) for i, v in enumerate(point))] = index
    span = abs(spec.output.codes[1] - spec.output.codes[0])
    for fraction in range(31 - order, LEAST_FRACTION - 1, -1):
        if (spec.curve.segments << fraction) * (span + 1) >= 1 << 62:
            continue
        place = np.array([[_rounded(v, last, fraction) for v in axis] for axis in geometry.place], dtype=np.int64)
        yield Layout(spec, fraction, place, box, np.array(entries, dtype=np.int64), vertex, longest)


class Boxes:
    """Lists of half segments for half-cell boxes, three to six heads."""

    name = "boxes"
    summary = "half segments listed by half-cell box, three to six heads"
    dimensions = range(3, 7)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for two heads, for distances, and where no number of fractional bits settles every comparison."""
        if spec.dimensions not in self.dimensions:
            raise Refused(f"it is not made for {spec.dimensions} heads")
        if distance:
            raise Refused(f"it has no distances for {spec.dimensions} heads")
        geometry = Geometry(spec)
        reason = "no number of fractional bits holds such outputs"
        for layout in layouts(spec, geometry):
            argument = Argument(layout, geometry)
            try:
                argument.check()
            except CheckFailed as failed:
                reason = str(failed)
                continue
            return self._built(layout, argument)
        raise Refused(reason)

    def _built(self, layout: Layout, argument: Argument) -> Built:
        spec, fraction = layout.spec, layout.fraction
        order, curve = spec.curve.order, spec.curve
        c0, c1 = spec.output.codes
        shared = bool((layout.place == layout.place[0]).all())
        place = layout.place[0] if shared else layout.place.reshape(-1)
        whose = "every head" if shared else "the heads, 256 for each"
        tables = (
            Table("place", "uint32", place, f"position of every code of {whose}, in 2^-{fraction} cells", 8),
            Table("box", "uint16", layout.box, "start of the list of every half-cell box"),
            Table("list", "uint16", layout.entries, f"half segments: vertex, axis << {AXIS}, up << {UP}, forth << {FORTH}, last << {LAST}"),
            Table("vertex", "uint16", layout.vertex, "index along the curve of the vertex with these coordinates"),
        )  # fmt: skip
        params: dict[str, object] = {
            "fraction": fraction, "order": order, "mask": curve.side - 1, "base": layout.base,
            "starts": [0 if shared else 256 * a for a in range(spec.dimensions)],
            "packed": (1 << (order * spec.dimensions)) - 1, "half": 1 << (fraction - 1), "one": 1 << fraction,
            "segments": curve.segments, "total": f"{curve.segments << fraction}ULL", "closed": curve.closed,
            "reverse": c1 < c0, "span": abs(c1 - c0), "long": curve.segments * (abs(c1 - c0) + 1) > 1 << 32, "rounding": f"{curve.segments << (fraction - 1)}ULL",
            "low": min(c0, c1), "c0": c0, "c1": c1, "axis": AXIS, "up": UP, "forth": FORTH, "last": LAST,
        }  # fmt: skip
        return Built(
            strategy=self.name,
            portable=Implementation(tables, layout.decode, None, params, argument.check),
            kind=f"{spec.dimensions} heads",
            note=f"Every half-cell box lists the 1 to {layout.longest} half segments that can be nearest in it; they are compared in whole numbers.",
        )


STRATEGIES.add(Boxes.name, Boxes())
