"""Distances to the curve for `boxes`: whole numbers in a unit of which a code of every head is a whole multiple.

What a code is beyond the end of a half segment, in codes of its head, is formed from a few constants, like the places of
whole.py. The squares are added up over the heads and compared with those of k - 1/2 codes. Nothing is rounded, so
the distance is the exact one wherever the half segment is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Refused, Table
from hilbert_codegen.kernels.boxes.layout import CHUNK, Layout, Squares
from hilbert_codegen.kernels.boxes.whole import MOST_WORDS, WORD, number_of, term, terms_of, words_of
from hilbert_codegen.spec.specification import Spec

#: Distances saturate here.
MOST = 255
#: Steps of the search for a distance.
BITS = tuple(1 << bit for bit in reversed(range(8)))


@dataclass(frozen=True)
class Distances:
    """The tables for distances, and what the C computes from them.

    Attributes:
        layout: what finds the nearest half segment.
        terms: (heads, 3 words) for each word what a code and half a cell contribute, and the constant, of what a code is
            beyond a place on its axis.
        half_squared: the square of half a code, in words.
    """

    layout: Layout
    terms: IntArray
    half_squared: IntArray

    @property
    def words(self) -> int:
        """Words of a number."""
        return len(self.half_squared) // 2

    @cached_property
    def _half_code(self) -> int:
        return math.isqrt(number_of(self.half_squared))

    def _beyond(self, a: int, end: int) -> Any:
        """What every raw code is beyond a place on its axis, given in half cells."""
        each, back, first = (term(self.terms[a], i, 3) for i in range(3))
        number = (self.layout.counted.astype(object) * each + end * back + first) % (1 << (WORD * self.words))
        return np.where(number >> (WORD * self.words - 1) == 1, number - (1 << (WORD * self.words)), number)

    def away(self, a: int, entry: int) -> Any:
        """Distance along axis `a` of every raw code from an entry's half segment, as the C has it before it squares."""
        low, high = self.layout.ends(a, entry)
        before = self._beyond(a, low)
        behind = np.maximum(self._beyond(a, high), 0) if high != low else before
        return np.where(before < 0, -before, behind)

    @cached_property
    def _found(self) -> Mapping[tuple[int, int, int], Any]:
        return self.layout.tabulate(self.away)

    @cached_property
    def _squares(self) -> Squares:
        return Squares(self.layout, self._found, 2 * WORD * self.words, 2 * self._half_code)

    def measure(self, *raw: IntArray) -> IntArray:
        """The executable model: distances of raw codes, one array for each head."""
        flat = [np.asarray(bits).reshape(-1) for bits in raw]
        result = np.empty(len(flat[0]), dtype=np.int64)
        for start in range(0, len(result), CHUNK):
            part = [bits[start : start + CHUNK] for bits in flat]
            result[start : start + CHUNK] = self._of(part, self.layout.nearest(part))
        return result.reshape(np.shape(raw[0]))

    def _of(self, raw: list[IntArray], entry: IntArray) -> IntArray:
        square = self._squares.rough(raw, entry)
        if self._squares.narrow:
            answer = np.zeros(len(entry), dtype=np.int64)
            for bit in BITS:
                border = ((2 * (answer + bit) - 1) * self._half_code).astype(np.uint64)
                answer += bit * (square >= border * border)
            return np.asarray(answer)
        wanted = np.sqrt(square) + 0.5
        answer = np.asarray(np.minimum(wanted, MOST).astype(np.int64))
        near = np.flatnonzero((np.abs(wanted - np.rint(wanted)) < 1e-9 * wanted) & (wanted < MOST + 1))
        exact = self._squares.exact([bits[near] for bits in raw], entry[near])
        for i, value in zip(near.tolist(), exact, strict=True):
            answer[i] = min((math.isqrt(value) + self._half_code) // (2 * self._half_code), MOST)
        return answer

    def check(self) -> None:
        """Raise CheckFailed unless the numbers are exact, for all codes and half segments, and fit their words."""
        unit, limit = 2 * self._half_code, 1 << (WORD * self.words - 1)
        if self._half_code**2 != number_of(self.half_squared) or (2 * MOST + 1) * self._half_code >= limit:
            raise CheckFailed("distances: half a code is wrong, or too large for its words")
        total = 0
        for a, first in enumerate(_firsts(self.layout.spec)):
            pitch = self.layout.spec.pitch(a)
            codes = [int(code) + first for code in self.layout.counted]
            most = max(abs(code - pitch * Fraction(end, 2)) for code in codes for end in (0, self.layout.base - 1))
            total += int(most * unit) ** 2
            if most * unit >= limit:
                raise CheckFailed(f"distances: a code of head {AXES[a]} is too far off the grid for its words")
            for (axis, vertex, role), found in self._found.items():
                low, high = (Fraction(2 * vertex + step(role, 0), 2) * pitch for step in (min, max))
                exact = [max(low - code, code - high, Fraction(0)) * unit for code in codes]
                if axis == a and exact != found.tolist():
                    raise CheckFailed(f"distances: an offset of head {AXES[a]} is wrong")
        if total >= limit**2:
            raise CheckFailed("distances: a sum of squares is too large for its words")

    @property
    def _shared(self) -> bool:
        return bool((self.terms == self.terms[0]).all())

    @property
    def tables(self) -> tuple[Table, ...]:
        """What the C needs beside the layout's."""
        heads = 1 if self._shared else self.layout.spec.dimensions
        whose = "every head" if self._shared else "the heads"
        what = f"of offsets in codes: per word what a code and half a cell of {whose} add, and the constant"
        return (
            Table("offset", "uint32", self.terms[:heads].reshape(-1), what, 6),
            Table("half_code_squared", "uint32", self.half_squared, "square of half a code, in words", 8),
        )

    @property
    def params(self) -> dict[str, object]:
        """Constants of the template beside the layout's."""
        return {
            "offset_words": self.words, "offset_square": 2 * self.words, "offset_top": self.words - 1,
            "offset_stride": 0 if self._shared else 3 * self.words, "sign": self.layout.sign,
        }  # fmt: skip


def _firsts(spec: Spec) -> list[Fraction]:
    """For every head its smallest code, counted from the first vertex."""
    low = int(spec.heads.codes().min())
    return [low - spec.origin(a) for a in range(spec.dimensions)]


def distances_of(layout: Layout) -> Distances:
    """The tables for distances beside a layout. Raises Refused where numbers are of too many words."""
    spec = layout.spec
    firsts = _firsts(spec)
    halves = [spec.pitch(a) / 2 for a in range(spec.dimensions)]
    unit = 2 * math.lcm(*(value.denominator for value in (*firsts, *halves)))
    far = max(
        abs(first + code - half * end)
        for first, half in zip(firsts, halves, strict=True)
        for code in (0, (1 << spec.heads.bits) - 1)
        for end in (0, layout.base - 1)
    )
    # Three bits for the sign, and for the sum of six squares.
    words = -(-((max(math.ceil(far), MOST + 1) * unit).bit_length() + 3) // WORD)
    if words > MOST_WORDS:
        raise Refused(
            f"distances: scales, ranges and inset have no common unit of less than {WORD * MOST_WORDS} bits; give them "
            "fewer digits"
        )
    terms = [
        terms_of((unit, int(-half * unit), int(first * unit)), words)
        for first, half in zip(firsts, halves, strict=True)
    ]
    return Distances(layout, np.array(terms), np.array(words_of((unit // 2) ** 2, 2 * words)))
