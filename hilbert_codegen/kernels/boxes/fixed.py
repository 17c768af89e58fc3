"""The build of `boxes` whose positions have a fixed number of fractional bits.

Where a position that was rounded would decide a comparison or a result wrongly, fewer bits are tried, whose roundings
differ; where none serve there is the build in whole numbers (whole.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Table, as_output
from hilbert_codegen.kernels.boxes.layout import AXIS, FORTH, LAST, UP, Layout, Lists
from hilbert_codegen.kernels.half_cells import Geometry
from hilbert_codegen.spec.specification import Spec

#: Fewer fractional bits than this are not tried.
LEAST_FRACTION = 20


@dataclass(frozen=True)
class Fixed(Layout):
    """Positions in cells with `fraction` fractional bits; squares of distances take 64 bits.

    Attributes:
        fraction: fractional bits of a position.
        place: (heads, 256) clamped position of every raw code, in 2^-fraction cells.
    """

    fraction: int
    place: IntArray

    @property
    def cell(self) -> int:
        """A cell."""
        return 1 << self.fraction

    @property
    def square_bits(self) -> int:
        """One integer."""
        return 64

    @cached_property
    def half(self) -> IntArray:
        """The uppermost bits of the positions."""
        return np.asarray(self.place >> (self.fraction - 1))

    def gap(self, a: int, entry: int) -> Any:
        """As the C's `square` has it before it squares."""
        vertex, role = self.role(a, entry)
        off = self.place[a] - (vertex << self.fraction)
        size = np.abs(off)
        beside = (role != 0) & ((off > 0) == (role > 0))
        return np.where(beside, np.maximum(size - (1 << (self.fraction - 1)), 0), size)

    def results(self, entry: int) -> IntArray:
        """As the C's `result` has them."""
        spec, fraction = self.spec, self.fraction
        c0, c1 = spec.output.codes
        a = entry >> AXIS & 7
        vertex, role = self.role(a, entry)
        part = np.clip((self.place[a] - (vertex << fraction)) * role, 0, 1 << (fraction - 1))
        packed = entry & ((1 << (spec.curve.order * spec.dimensions)) - 1)
        arc = (int(self.lists.vertex[packed]) << fraction) + (part if entry >> FORTH & 1 else -part)
        total = spec.curve.segments << fraction
        if spec.curve.closed:
            arc = np.where(arc < 0, arc + total, arc)
        forward = arc if c1 > c0 else total - arc
        value = ((forward * abs(c1 - c0) + (spec.curve.segments << (fraction - 1))) >> fraction) // spec.curve.segments
        value = value + min(c0, c1)
        return as_output(spec, np.where(value == c1, c0, value) if spec.curve.closed else value)

    def check_numbers(self) -> None:
        """Positions take 32 bits, results before they are divided 64."""
        if int(self.place.max()) >> 32 or not _holds(self.spec, self.fraction):
            raise CheckFailed(f"{self.fraction} fractional bits are too many")

    @property
    def note(self) -> str:
        """For the banner."""
        return "they are compared in whole numbers."

    @property
    def kind(self) -> str:
        """What tells its costs from those of another build."""
        return f"{self.spec.dimensions} heads"

    @property
    def tables(self) -> tuple[Table, ...]:
        """Beside the lists."""
        shared = self._shared
        place = self.place[0] if shared else self.place.reshape(-1)
        whose = "every head" if shared else "the heads, 256 for each"
        return (Table("place", "uint32", place, f"position of every code of {whose}, in 2^-{self.fraction} cells", 8),)

    @property
    def _shared(self) -> bool:
        return bool((self.place == self.place[0]).all())

    @property
    def params(self) -> dict[str, object]:
        """Constants of the template."""
        spec, fraction, curve = self.spec, self.fraction, self.spec.curve
        c0, c1 = spec.output.codes
        return {
            "words": 0, "fraction": fraction, "order": curve.order, "mask": curve.side - 1, "base": self.base,
            "starts": [0 if self._shared else 256 * a for a in range(spec.dimensions)],
            "packed": (1 << (curve.order * spec.dimensions)) - 1, "half": 1 << (fraction - 1),
            "segments": curve.segments, "total": f"{curve.segments << fraction}ULL", "closed": curve.closed,
            "reverse": c1 < c0, "span": abs(c1 - c0),
            "rounding": f"{curve.segments << (fraction - 1)}ULL",
            "low": min(c0, c1), "c0": c0, "c1": c1, "axis": AXIS, "up": UP, "forth": FORTH, "last": LAST,
        }  # fmt: skip


def _holds(spec: Spec, fraction: int) -> bool:
    """Whether 64 bits hold the arc length, with so many fractional bits, times the span of the results, and 32 its whole part."""
    most = spec.curve.segments * (abs(spec.output.codes[1] - spec.output.codes[0]) + 1)
    return most <= 1 << 32 and most << fraction < 1 << 62


def _rounded(place: Fraction, last: int, fraction: int) -> int:
    """A position in 2^-fraction cells, rounded so that what is symmetric about the middle of the grid stays so."""
    scaled = place * (1 << fraction)
    below = 2 * place <= last
    return math.floor(scaled + Fraction(1, 2)) if below else math.ceil(scaled - Fraction(1, 2))


def fixed_layouts(spec: Spec, geometry: Geometry, lists: Lists) -> Iterator[Fixed]:
    """Those of falling numbers of fractional bits that hold the outputs."""
    last = spec.curve.side - 1
    for fraction in range(31 - spec.curve.order, LEAST_FRACTION - 1, -1):
        if not _holds(spec, fraction):
            continue
        place = np.array([[_rounded(v, last, fraction) for v in axis] for axis in geometry.place], dtype=np.int64)
        yield Fixed(spec, lists, fraction, place)
