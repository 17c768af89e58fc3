"""The build of `boxes` that rounds nothing: positions are whole multiples of a unit, in as many 32-bit words as it needs.

Coordinates are rational, so there is a unit of which half a cell and the place of every code are whole multiples. A
half cell is found by the codes at which half cells start, and what a code is beyond its half cell is formed from a few
constants. Distances are compared, and a result is formed, without a rounding before the last one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.boxes.layout import AXIS, FORTH, LAST, UP, Layout, Lists
from hilbert_codegen.kernels.words import MOST_WORDS, WORD, number_of, term, terms_of, words_of
from hilbert_codegen.spec.specification import Spec

#: Bits above half a cell in its words: a distance is below 16 half cells, and squares of six are added.
HEADROOM = 6


@dataclass(frozen=True)
class Rounding:
    """How an arc length becomes an output code.

    The result at place p and a share g of half a cell beyond it, counted from the smaller code, is
    each p + floor((factor p + add + step g) / modulus).
    """

    each: int
    factor: int
    add: int
    modulus: int
    step: int

    @classmethod
    def of(cls, spec: Spec) -> Rounding:
        """The constants for the output of `spec`; all fit 32 bits."""
        span, segments = abs(spec.output.codes[1] - spec.output.codes[0]), spec.curve.segments
        # Closed curves have an even number of segments: a full turn of 32 bits then still fits.
        halves = 2 if segments % 2 == 0 and span % 2 == 0 else 1
        each, rest = divmod(span, segments)
        return cls(each, 2 * rest // halves, segments // halves, 2 * segments // halves, span // halves)


@dataclass(frozen=True)
class Whole(Layout):
    """Places in words.

    Attributes:
        half_words: half a cell, in words.
        start: (heads, half cells) from which code on, counted from the smallest, each half cell goes.
        terms: (heads, 3 words) for each word what a code and a half cell contribute, and the constant, of what a code is
            beyond its half cell.
    """

    half_words: IntArray
    start: IntArray
    terms: IntArray

    @property
    def words(self) -> int:
        """Words of a number."""
        return len(self.half_words)

    @cached_property
    def _half_cell(self) -> int:
        return number_of(self.half_words)

    @property
    def cell(self) -> int:
        """A cell."""
        return 2 * self._half_cell

    @property
    def square_bits(self) -> int:
        """Twice the words."""
        return 2 * WORD * self.words

    @cached_property
    def _region(self) -> IntArray:
        """Half cells of raw codes, counted from 1: 0 before the grid, and one behind it."""
        return np.stack([np.searchsorted(start, self.counted, side="right") for start in self.start])

    @cached_property
    def half(self) -> IntArray:
        """Codes off the grid count to the first and last half cell."""
        return np.maximum(self._region, 1) - 1

    @cached_property
    def _rest(self) -> list[Any]:
        """Of every axis and raw code, what it is beyond its half cell; 0 off the grid."""
        rests = []
        for region, half, terms in zip(self._region, self.half, self.terms, strict=True):
            each, back, first = (term(terms, i, 3) for i in range(3))
            rest = (self.counted.astype(object) * each + half.astype(object) * back + first) % (
                1 << (WORD * self.words)
            )
            rests.append(np.where((region > 0) & (region < self.base), rest, 0))
        return rests

    def gap(self, a: int, entry: int) -> Any:
        """As the C's `square` has it before it squares."""
        low, high = self.ends(a, entry)
        region, half = self._region[a], self.half[a]
        before = (low - half).astype(object) * self._half_cell - self._rest[a]
        behind = (half - high).astype(object) * self._half_cell + self._rest[a]
        return np.where(region <= low, before, np.where(region > high, behind, 0))

    def results(self, entry: int) -> IntArray:
        """As the C's `result` has them."""
        spec, a = self.spec, entry >> AXIS & 7
        low, high = self.ends(a, entry)
        up = entry >> UP & 1
        region = self._region[a]
        inside = self._rest[a] if up else self._half_cell - self._rest[a]
        part: Any = np.where(
            region <= low, (1 - up) * self._half_cell, np.where(region > high, up * self._half_cell, inside)
        )
        c0, c1 = spec.output.codes
        segments, r = spec.curve.segments, self._rounding
        rising = (entry >> FORTH & 1) != (c1 < c0)
        packed = entry & ((1 << (spec.curve.order * spec.dimensions)) - 1)
        place = int(self.lists.vertex[packed])
        if spec.curve.closed and place == 0:
            place = 0 if rising else segments
        elif c1 < c0:
            place = segments - place
        # Rounded down where it is added, and up where it is subtracted.
        share = part * r.step // (self._half_cell if rising else -self._half_cell)
        value = ((r.factor * place + r.add + share) // r.modulus).astype(np.int64) + r.each * place + min(c0, c1)
        return as_output(spec, np.where(value == c1, c0, value) if spec.curve.closed else value)

    @property
    def _rounding(self) -> Rounding:
        return Rounding.of(self.spec)

    def check_numbers(self) -> None:
        """Distances, and thrice half a cell, take their words."""
        if self._half_cell << HEADROOM > 1 << (WORD * self.words):
            raise CheckFailed("half a cell leaves no room for sums")

    @property
    def note(self) -> str:
        """For the banner."""
        many = f"{self.words} words" if self.words > 1 else "a word"
        return f"distances and results are formed without rounding, in numbers of {many} of 32 bits."

    @property
    def kind(self) -> str:
        """What tells its costs from those of another build."""
        return f"{self.spec.dimensions} heads, whole numbers"

    @property
    def _shared(self) -> bool:
        return bool((self.start == self.start[0]).all() and (self.terms == self.terms[0]).all())

    @property
    def tables(self) -> tuple[Table, ...]:
        """Beside the lists."""
        heads = 1 if self._shared else self.spec.dimensions
        whose = "every head" if self._shared else "the heads"
        what = f"per word what a code and a half cell of {whose} add, and the constant"
        return (
            Table("start", "uint16", self.start[:heads].reshape(-1), f"codes of {whose} below each half cell"),
            Table("terms", "uint32", self.terms[:heads].reshape(-1), what, 6),
            Table("half_cell", "uint32", self.half_words, "half a cell, in words", 8),
        )

    @property
    def params(self) -> dict[str, object]:
        """Constants of the template."""
        spec, curve = self.spec, self.spec.curve
        c0, c1 = spec.output.codes
        r = self._rounding
        return {
            "words": self.words, "square": 2 * self.words, "order": curve.order, "mask": curve.side - 1,
            "base": self.base, "steps": tuple(1 << bit for bit in reversed(range(curve.order + 1))),
            "start_stride": 0 if self._shared else self.base, "term_stride": 0 if self._shared else 3 * self.words,
            "sign": self.sign, "packed": (1 << (curve.order * spec.dimensions)) - 1, "segments": curve.segments,
            "closed": curve.closed, "reverse": c1 < c0, "span": f"{abs(c1 - c0) & 0xFFFFFFFF}UL",
            "each": r.each, "factor": r.factor, "add": r.add, "modulus": r.modulus, "step": f"{r.step}UL",
            "highest": f"{1 << (r.step.bit_length() - 1)}UL",
            "low": f"{min(c0, c1) & 0xFFFFFFFF}UL", "axis": AXIS, "up": UP, "forth": FORTH, "last": LAST,
        }  # fmt: skip


def whole_layout(spec: Spec, lists: Lists) -> Whole:
    """The build in whole numbers. Raises Refused where they are of too many words."""
    low, count, base = int(spec.heads.codes().min()), 1 << spec.heads.bits, 2 * spec.curve.side - 1
    firsts = [spec.coordinate(a, low) for a in range(spec.dimensions)]
    eaches = [1 / spec.pitch(a) for a in range(spec.dimensions)]
    half_cell = math.lcm(*(value.denominator for value in (*firsts, *eaches)))
    words = -(-(half_cell.bit_length() + HEADROOM) // WORD)
    if words > MOST_WORDS:
        raise Refused(
            f"scales, ranges and inset have no common unit of less than {WORD * MOST_WORDS} bits; give them fewer digits"
        )
    starts, terms = [], []
    for a, (first, each) in enumerate(zip(firsts, eaches, strict=True)):
        borders = (math.ceil(spec.origin(a) + spec.pitch(a) * Fraction(half, 2)) - low for half in range(base))
        starts.append([min(max(border, 0), count) for border in borders])
        unit = 2 * half_cell
        terms.append(terms_of((int(each * unit), -half_cell, int(first * unit)), words))
    return Whole(spec, lists, np.array(words_of(half_cell, words)), np.array(starts), np.array(terms))
