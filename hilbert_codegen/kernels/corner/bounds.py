"""How assembly with 32-bit instructions compares what half segments of other corners save, and the proof of that.

Distances are longer there than in the portable C, which adds up more costs before it compares: half a cell has 14 or 15 bits, and
what is across several axes is given up as soon as it costs too much. A first bound takes shifts in place of a product and a
number that an instruction holds:

    square of g + (g across << shift), once more or less shifted, > least
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray
from hilbert_codegen.kernels.corner.geometry import Parts
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.kernels.corner.tables import level_of, margin_of

#: Bits of a distance up to half a cell.
HALF = 15
#: Significant bits of a number that an instruction holds.
HELD = 8
#: Bits of what is subtracted from savings, but for zeros behind them.
BASE = 16
#: The share of pairs of distances that may pass the first bound for nothing before it takes a second shift.
PASSING = 0.01


@dataclass(frozen=True)
class Bounds:
    """The constants of the comparison.

    Attributes:
        layout: the tables, with `rough`, `cell`, `level` and `margin` of this comparison.
        above: at least the margin: savings are counted from so much below nothing.
        doubt: so much ahead of another, counted like that, is surely nearer: by the margin or more.
        shifts: of the first bound: how far a distance is shifted, and whether that is added or subtracted (1 or -1).
        least: what the sum of the first bound exceeds wherever a saving is above 0, counted like that.
    """

    layout: Layout
    above: int
    doubt: int
    shifts: tuple[tuple[int, int], ...]
    least: int

    @property
    def base(self) -> int:
        """What is subtracted from the sum of a square and twice the cell times the distance across."""
        return self.layout.level - self.above

    @property
    def rest(self) -> int:
        """What twice the cell exceeds the factor of the first bound by."""
        return 2 * self.layout.cell - sum(sign << shift for shift, sign in self.shifts)

    @property
    def down(self) -> int:
        """How many zeros end what is subtracted, at least."""
        return max(0, self.base.bit_length() - BASE)

    @property
    def fit(self) -> bool:
        """Whether all sums that are compared have 32 bits: those of the first bound without a sign."""
        square, across = _places(self.layout)
        most = int(square.max()) + 2 * self.layout.cell * int(across.max())
        first = square[:, None] + _shifted(across, self.shifts)[None, :]
        return max(most, self.layout.level) < 1 << 31 and int(first.max()) < 1 << 32

    def params(self) -> dict[str, object]:
        """What the template computes with."""
        layout = self.layout
        return {
            "base_down": self.down,
            "rough": layout.rough,
            "twice": 2 * layout.cell,
            "level": layout.level,
            "base": self.base >> self.down,
            "rest": self.rest,
            "shifts": self.shifts,
            "least": self.least,
            "above": self.above,
            "doubt": self.doubt,
            "still": _still(layout),
        }

    def check(self, geometry: Parts) -> None:
        """Raise CheckFailed where a comparison could be wrong."""
        layout = self.layout
        if not margin_of(geometry, layout) <= layout.margin <= min(self.above, self.doubt - self.above):
            raise CheckFailed("the margin of the comparison in assembly is less than its error")
        if self.base >> self.down << self.down != self.base:
            raise CheckFailed("what the assembly subtracts from savings has too many bits")
        if not self.fit:
            raise CheckFailed("savings of the comparison in assembly take more than 32 bits")
        square, across = _places(layout)
        first = square[:, None] + _shifted(across, self.shifts)[None, :]
        found = square[:, None] + 2 * layout.cell * across[None, :] > self.base
        if first.min() < 0 or (first[found] <= self.least).any():
            raise CheckFailed("the first bound of the comparison in assembly leaves out a half segment that is nearer")


def bounds_of(layout: Layout, geometry: Parts) -> Bounds:
    """Those of a layout, with as many bits of distances as fit."""
    c0, c1 = layout.spec.output.codes
    unit = (abs(c1 - c0) << layout.shift) / geometry.spec.curve.segments
    rough = max(0, int(unit / 2).bit_length() - HALF)
    return next(found for some in itertools.count(rough) if (found := _without(some, unit, layout, geometry)).fit)


def _without(rough: int, unit: float, layout: Layout, geometry: Parts) -> Bounds:
    """Those with distances less their `rough` lowest bits, where vertices are `unit` apart with them."""
    layout = replace(layout, rough=rough, cell=round(unit / (1 << rough)), level=0, margin=0)
    level = level_of(geometry, layout)
    # What is subtracted has 16 bits and zeros behind them.
    down = max(0, level.bit_length() - BASE)
    layout = replace(layout, level=round(level / (1 << down)) << down)
    layout = replace(layout, margin=margin_of(geometry, layout))
    above = held(-(-layout.margin >> down) << down, True)
    doubt = held(above + layout.margin, True)
    square, across = _places(layout)
    sums = square[:, None] + 2 * layout.cell * across[None, :]
    found = sums > layout.level - above

    def bound(shifts: tuple[tuple[int, int], ...]) -> tuple[float, int]:
        """The share of pairs of distances that pass it for nothing, and the bound."""
        first = square[:, None] + _shifted(across, shifts)[None, :]
        least = held(int(first[found].min()) - 1 if found.any() else int(first.max()), False)
        return float(((first > least) & ~found).mean()), least

    top = (2 * layout.cell).bit_length() - 1
    single = [((shift, 1),) for shift in (top, top + 1)]
    double = [(*one, (shift, sign)) for one in single for shift in range(max(0, top - 6), top) for sign in (1, -1)]
    shifts: tuple[tuple[int, int], ...] = min(single, key=lambda one: bound(one)[0])
    if bound(shifts)[0] > PASSING:
        shifts = min(double, key=lambda one: bound(one)[0])
    return Bounds(layout, above, doubt, shifts, bound(shifts)[1])


def held(value: int, up: bool) -> int:
    """The least number that an instruction holds that is not less, or the greatest that is not greater."""
    drop = max(0, value.bit_length() - HELD)
    found = -(-value >> drop) if up else value >> drop
    return held(found << drop, True) if up and found >> HELD else found << drop


def _shifted(across: IntArray, shifts: tuple[tuple[int, int], ...]) -> IntArray:
    """What the first bound takes in place of the product with twice the cell."""
    return np.asarray(sum(sign * (across << shift) for shift, sign in shifts))


def _places(layout: Layout) -> tuple[IntArray, IntArray]:
    """Squares of the distances that occur, and those distances."""
    found = np.unique(layout.gap >> layout.rough)
    return found * found, found


def _still(layout: Layout) -> bool:
    """Whether in any list the own vertex is nearest of what is its own."""
    fields = layout.fields
    among = layout.record[fields.kinds(layout.record) == Kind.AMONG]
    own = layout.words[np.unique(among & ((1 << layout.at) - 1))]
    return bool((fields.is_single(own) & (fields.signs(own) == 0)).any())
