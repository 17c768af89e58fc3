"""How lanes of `corner` for Helium get from codes to the number of a box, and to what else can be nearer there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from hilbert_codegen.kernels import IntArray
from hilbert_codegen.kernels.corner.geometry import ZONE, Parts
from hilbert_codegen.spec.specification import Spec

#: What parts the classes of a distance: with one bit, with two, and with two where the other axes have one. Up to the
#: second of the last, what runs across that axis can save something only where g along its own is above 3/8.
ONE, TWO, BESIDE_ONE = (ZONE,), (Fraction(1, 4), ZONE, Fraction(15, 32)), (ZONE, (1 - ZONE**2) / 2)

BYTE_BITS = 8


@dataclass(frozen=True)
class Zones:
    """Axes one by one: the number of a box, and which axes are in the zone, those along which g exceeds 3/8.

    Attributes:
        heads: how many.
        parts: half cells of an axis.
    """

    heads: int
    parts: int

    @property
    def weight(self) -> list[int]:
        """What a half cell of every axis adds to the number."""
        return [int(self.parts**axis) for axis in range(self.heads)]

    @property
    def bits(self) -> int:
        """Bits of the number; the next one stands for the second axis of a box."""
        return (self.parts * self.weight[-1] - 1).bit_length()

    @property
    def lowest(self) -> int:
        """The lowest bit of the zone in a total."""
        return 16 - self.heads

    @property
    def fits(self) -> bool:
        """Whether a total has bits for both."""
        return self.bits <= self.lowest

    def share(self, half: IntArray, zone: IntArray) -> IntArray:
        """(heads, 256): what codes add, by their half cells and by whether they are in the zone."""
        axes = np.arange(self.heads)[:, None]
        return np.asarray(half * self.parts**axes + (zone << (self.lowest + axes)))

    def totals(self, share: IntArray, flat: IntArray) -> IntArray:
        """The totals of points, from their raw codes."""
        return np.asarray(sum(axis[bits] for axis, bits in zip(share, flat, strict=True)))

    def boxes(self, total: IntArray) -> IntArray:
        """The numbers of the boxes."""
        return np.asarray(total & ((1 << self.bits) - 1))

    def zone(self, total: IntArray) -> IntArray:
        """The axes in the zone, a bit each."""
        return np.asarray(total >> self.lowest)

    def of(self, box: tuple[int, ...]) -> int:
        """The number of a box of half cells."""
        return sum(half * weight for half, weight in zip(box, self.weight, strict=True))


@dataclass(frozen=True)
class Pairs:
    """Two half cells an axis, looked up for two axes at a time: the number of a box and the class of every distance.

    Each byte of a lane sums what the codes of one axis of every pair add: above the class of the last pair half cells,
    and above those the other classes. With an odd number of axes one is in two pairs. An index is the high byte without
    its lowest class, and above it the low byte. The class that it lacks is of the axis along which every vertex has a
    half segment: what that one saves tells nothing of what others do.

    Attributes:
        heads: how many.
        free: the axis along which every vertex of order 1 has a half segment; the last one unless heads are exchanged.
    """

    heads: int
    free: int

    @cached_property
    def pairs(self) -> int:
        """Pairs of axes."""
        return (self.heads + 1) // 2

    @cached_property
    def starts(self) -> list[int]:
        """The first axis of every pair, that of the pair of `free` last."""
        found = list(range(0, self.heads - 1, 2))
        if self.heads % 2:
            # Another axis than `free` is in two pairs, but of three heads the middle one.
            found = [0, *range(1, self.heads, 2)] if self.free == self.heads - 2 else [*found, self.heads - 2]
        return sorted(found, key=lambda start: start <= self.free <= start + 1)

    @cached_property
    def swapped(self) -> bool:
        """Whether the low byte has the second axis of every pair, so that the high one has `free`."""
        return self.free == self.starts[-1]

    @cached_property
    def axes(self) -> list[tuple[int, int]]:
        """The axes of the low and of the high byte of every pair."""
        return [(start + self.swapped, start + 1 - self.swapped) for start in self.starts]

    @cached_property
    def lacking(self) -> int | None:
        """The axis whose class no index has: `free`, but where it is in two pairs."""
        return self.free if sum(self.free in pair for pair in self.axes) == 1 else None

    @cached_property
    def cuts(self) -> list[tuple[Fraction, ...]]:
        """What parts the classes of every pair: as many as a byte has room for, and three heads gain from."""
        if self.heads == 4:
            return [TWO, TWO]
        return [ONE, ONE] if self.heads == 3 else [ONE, ONE, BESIDE_ONE]

    def cuts_of(self, axis: int) -> tuple[Fraction, ...]:
        """What parts the classes of an axis that an index has."""
        found = [cuts for pair, cuts in zip(self.axes, self.cuts, strict=True) if axis in pair and axis != self.lacking]
        return max(found, key=len, default=())

    @cached_property
    def widths(self) -> list[int]:
        """Bits of the class of every pair's axes."""
        return [len(cuts).bit_length() for cuts in self.cuts]

    @cached_property
    def free_bits(self) -> int:
        """Bits of a byte below all that codes add."""
        return BYTE_BITS - self.pairs - sum(self.widths)

    @cached_property
    def halves(self) -> int:
        """The lowest bit of half cells in a byte."""
        return self.free_bits + self.widths[-1]

    @cached_property
    def places(self) -> list[int]:
        """The lowest bit of the class of every pair's axes in a byte: the last one's is lowest."""
        above = self.halves + self.pairs
        return [*(above + sum(self.widths[:i]) for i in range(self.pairs - 1)), self.free_bits]

    @cached_property
    def drop(self) -> int:
        """Bits of the high byte below those that an index has."""
        return self.free_bits if self.lacking is None else self.halves

    @cached_property
    def up(self) -> int:
        """How far an index has the low byte shifted."""
        return max(BYTE_BITS - self.drop - self.free_bits, 1)

    @cached_property
    def index_bits(self) -> int:
        """Bits of an index."""
        return BYTE_BITS + self.up

    @cached_property
    def weight(self) -> list[int]:
        """What a half cell of every axis adds to the number."""
        found = [0] * self.heads
        for i, (low, high) in enumerate(self.axes):
            found[low] |= 1 << self.halves + i + self.up
            found[high] |= 1 << self.halves + i - self.drop
        return found

    @cached_property
    def bits(self) -> int:
        """Bits of the number; the next one stands for the second axis of a box."""
        return self.mask.bit_length()

    @cached_property
    def fits(self) -> bool:
        """They do."""
        return True

    def share(self, half: list[IntArray], offset: list[list[Fraction]]) -> IntArray:
        """(pairs, 256): what codes add in every pair, by half cells and distances, which all heads have alike."""
        of = [np.array([sum(g > cut for cut in cuts) for g in offset[0]]) for cuts in self.cuts]
        return np.array([half[0] << self.halves + i | of[i] << place for i, place in enumerate(self.places)])

    def totals(self, share: IntArray, flat: IntArray) -> IntArray:
        """The totals of points, from their raw codes."""
        low, high = (sum(share[i][flat[axis]] for i, axis in enumerate(byte)) for byte in zip(*self.axes, strict=True))
        return np.asarray(low | high << 8)

    def index(self, total: IntArray) -> IntArray:
        """The number of a box and the classes of all axes but the one that it lacks."""
        return np.asarray((total & (1 << BYTE_BITS) - 1) << self.up | total >> BYTE_BITS + self.drop)

    def boxes(self, total: IntArray) -> IntArray:
        """The numbers of the boxes."""
        return np.asarray(self.index(total) & self.mask)

    @cached_property
    def mask(self) -> int:
        """The bits of an index that are the number of its box."""
        return self.of((1,) * self.heads)

    def classes(self, classes: tuple[IntArray | int, ...]) -> IntArray:
        """What the classes of all axes, by `cuts_of`, add to the index."""
        found: IntArray = np.zeros(1, dtype=np.int64)
        for i, (low, high) in enumerate(self.axes):
            for axis, place in ((low, self.places[i] + self.up), (high, self.places[i] - self.drop)):
                if axis != self.lacking:
                    # The cuts of a pair are among those of the axis.
                    own = np.cumsum([0, *(cut in self.cuts[i] for cut in self.cuts_of(axis))])
                    found = found | own[classes[axis]] << place
        return found

    def of(self, box: tuple[int, ...]) -> int:
        """The number of a box of half cells."""
        return sum(half * weight for half, weight in zip(box, self.weight, strict=True))

    def placed(self, number: IntArray | int) -> IntArray:
        """The number of a box as an index has it."""
        return np.asarray(number)


@dataclass(frozen=True)
class Sums(Pairs):
    """The same for heads that are not alike: every axis is looked up by a table of its own, for sixteen points at a time.

    What the codes of some axes add is the low byte of a total, what those of the others add the high one: an index has
    one above the other. Half cells are on top of the low byte and at the bottom of the high one, so that they are next to
    each other in an index; classes are below and above them.
    """

    @cached_property
    def swapped(self) -> bool:
        """It has no pairs."""
        return False

    @cached_property
    def lacking(self) -> int | None:
        """The axis whose class no index has."""
        return self.free

    def cuts_of(self, axis: int) -> tuple[Fraction, ...]:
        """What parts the classes of an axis: as with pairs."""
        return () if axis == self.free else Pairs(self.heads, self.free).cuts_of(axis)

    @cached_property
    def widths(self) -> list[int]:
        """Bits of the class of every axis."""
        return [len(self.cuts_of(axis)).bit_length() for axis in range(self.heads)]

    @cached_property
    def low(self) -> tuple[int, ...]:
        """The axes of the low byte: those that fill it best."""
        axes = range(self.heads)
        chosen = [some for count in axes for some in itertools.combinations(axes, count + 1)]
        bits = {some: len(some) + sum(self.widths[axis] for axis in some) for some in chosen}
        return max((some for some in chosen if bits[some] <= BYTE_BITS), key=lambda some: bits[some])

    @cached_property
    def high(self) -> tuple[int, ...]:
        """The axes of the high byte."""
        return tuple(axis for axis in range(self.heads) if axis not in self.low)

    @cached_property
    def drop(self) -> int:
        """Bits of an index below its box."""
        return sum(self.widths[axis] for axis in self.low)

    @cached_property
    def joint(self) -> int:
        """Bits of an index that the low byte has."""
        return self.drop + len(self.low)

    @cached_property
    def empty(self) -> int:
        """Bits of the low byte below those, unless there is no high one."""
        return BYTE_BITS - self.joint if self.high else 0

    @cached_property
    def lowest(self) -> list[int]:
        """The lowest bit of the class of every axis in an index."""
        found, place = [0] * self.heads, 0
        for axis in self.low + self.high:
            found[axis] = place + (self.heads if axis in self.high else 0)
            place += self.widths[axis]
        return found

    @cached_property
    def index_bits(self) -> int:
        """Bits of an index."""
        return self.heads + sum(self.widths)

    @cached_property
    def weight(self) -> list[int]:
        """What a half cell of every axis adds to the number."""
        order = self.low + self.high
        return [1 << order.index(axis) for axis in range(self.heads)]

    def share(self, half: list[IntArray], offset: list[list[Fraction]]) -> IntArray:
        """(heads, 256): what codes add, by their half cells and by their distances."""
        of = [np.array([sum(g > cut for cut in self.cuts_of(a)) for g in axis]) for a, axis in enumerate(offset)]
        index = [half[a] * (self.weight[a] << self.drop) | of[a] << self.lowest[a] for a in range(self.heads)]
        return np.array([bits >> self.joint if a in self.high else bits << self.empty for a, bits in enumerate(index)])

    def totals(self, share: IntArray, flat: IntArray) -> IntArray:
        """The totals of points, from their raw codes."""
        low, high = (sum(share[a][flat[a]] for a in axes) for axes in (self.low, self.high))
        return np.asarray(low + (high << BYTE_BITS if self.high else 0))

    def index(self, total: IntArray) -> IntArray:
        """The number of a box and the classes of all axes but the one that it lacks."""
        return np.asarray((total & (1 << BYTE_BITS) - 1) >> self.empty | total >> BYTE_BITS << self.joint)

    def boxes(self, total: IntArray) -> IntArray:
        """The numbers of the boxes."""
        return np.asarray(self.index(total) >> self.drop & self.mask)

    def classes(self, classes: tuple[IntArray | int, ...]) -> IntArray:
        """What the classes of all axes add to the index."""
        found: IntArray = np.zeros(1, dtype=np.int64)
        for axis in range(self.heads):
            if axis != self.free:
                found = found | np.asarray(classes[axis]) << self.lowest[axis]
        return found

    def placed(self, number: IntArray | int) -> IntArray:
        """The number of a box as an index has it."""
        return np.asarray(number) << self.drop


class Classes(Parts):
    """Boxes of half cells cut into the classes that an index has."""

    def __init__(self, spec: Spec, number: Pairs) -> None:
        super().__init__(spec, cut=False)
        #: Parts of a half cell, the most of any axis.
        self.count = 1 + max(len(number.cuts_of(a)) for a in range(spec.dimensions))
        self.cells = [cell for cell in self.cells for _ in range(self.count)]
        #: The class of every code: (heads, 256).
        self.of = np.array(
            [[sum(g > cut for cut in number.cuts_of(a)) for g in axis] for a, axis in enumerate(self.offset)]
        )
        self.part = [half * self.count + of for half, of in zip(self.half, self.of, strict=True)]
        self.number = number

    def classes(self, box: tuple[int, ...]) -> tuple[int, ...]:
        """The classes of a box."""
        return tuple(part % self.count for part in box)

    def index(self, box: tuple[int, ...]) -> int:
        """The index of a box: the number of its half cells, and its classes."""
        return int(self.number.placed(self.number.of(self.cell(box)))) | int(self.number.classes(self.classes(box))[0])
