"""What codes are beyond places on their axes, in codes, as whole numbers: distances of three to six heads, rounding nothing.

The unit is one of which a code of every head and half a cell of every axis are whole multiples. A number is formed from a few
constants (templates/kernels/code_offsets.c.j2). The squares are added up over the heads and compared with those of
k - 1/2 codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Refused, Table
from hilbert_codegen.kernels.words import MOST_WORDS, WORD, number_of, term, terms_of, words_of
from hilbert_codegen.spec.specification import Spec

#: Distances saturate here.
MOST = 255


@dataclass(frozen=True)
class CodeOffsets:
    """The constants.

    Attributes:
        spec: the heads and their curve.
        terms: (heads, 3 words) for each word what a code and half a cell contribute, and the constant, of what a code is
            beyond a place on its axis.
        half_squared: the square of half a code, in words.
    """

    spec: Spec
    terms: IntArray
    half_squared: IntArray

    @property
    def words(self) -> int:
        """Words of a number."""
        return len(self.half_squared) // 2

    @cached_property
    def half_code(self) -> int:
        """Half a code."""
        return math.isqrt(number_of(self.half_squared))

    @property
    def last(self) -> int:
        """The place of the last vertex of an axis, in half cells."""
        return 2 * (self.spec.curve.side - 1)

    @property
    def _counted(self) -> IntArray:
        """Every raw code, counted from the smallest."""
        return np.arange(1 << self.spec.heads.bits) ^ self._sign

    @property
    def _sign(self) -> int:
        return -int(self.spec.heads.codes().min())

    def beyond(self, a: int, end: int) -> Any:
        """What every raw code is beyond a place on its axis, given in half cells."""
        each, back, first = (term(self.terms[a], i, 3) for i in range(3))
        number = (self._counted.astype(object) * each + end * back + first) % (1 << (WORD * self.words))
        return np.where(number >> (WORD * self.words - 1) == 1, number - (1 << (WORD * self.words)), number)

    def exact(self, a: int, low: int, high: int) -> list[Fraction]:
        """By the fraction: how far every raw code is from the nearest place between two, in half cells."""
        first = _firsts(self.spec)[a]
        from_low, to_high = (Fraction(end, 2) * self.spec.pitch(a) for end in (low, high))
        codes = (first + code for code in self._counted.tolist())
        return [max(from_low - code, code - to_high, Fraction(0)) * 2 * self.half_code for code in codes]

    def distance(self, square: int) -> int:
        """The distance that has this square."""
        return min((math.isqrt(square) + self.half_code) // (2 * self.half_code), MOST)

    def check(self) -> None:
        """Raise CheckFailed unless half a code is right, and no offset or sum of squares is too large for its words."""
        limit = 1 << (WORD * self.words - 1)
        if self.half_code**2 != number_of(self.half_squared) or (2 * MOST + 1) * self.half_code >= limit:
            raise CheckFailed("distances: half a code is wrong, or too large for its words")
        total = 0
        for a in range(self.spec.dimensions):
            most = max(max(self.exact(a, end, end)) for end in (0, self.last))
            if most >= limit:
                raise CheckFailed(f"distances: a code of head {AXES[a]} is too far off the grid for its words")
            total += math.ceil(most) ** 2
        if total >= limit**2:
            raise CheckFailed("distances: a sum of squares is too large for its words")

    @property
    def _shared(self) -> bool:
        return bool((self.terms == self.terms[0]).all())

    @property
    def tables(self) -> tuple[Table, ...]:
        """As the C has them."""
        heads = 1 if self._shared else self.spec.dimensions
        whose = "every head" if self._shared else "the heads"
        what = f"of offsets in codes: per word what a code and half a cell of {whose} add, and the constant"
        return (
            Table("offset", "uint32", self.terms[:heads].reshape(-1), what, 6),
            Table("half_code_squared", "uint32", self.half_squared, "square of half a code, in words", 8),
        )

    @property
    def params(self) -> dict[str, object]:
        """Constants of the template."""
        return {
            "offset_words": self.words, "offset_square": 2 * self.words, "offset_top": self.words - 1,
            "offset_stride": 0 if self._shared else 3 * self.words, "offset_sign": self._sign,
        }  # fmt: skip

    @classmethod
    def of(cls, spec: Spec) -> CodeOffsets:
        """Those of heads. Raises Refused where numbers are of too many words."""
        firsts = _firsts(spec)
        halves = [spec.pitch(a) / 2 for a in range(spec.dimensions)]
        unit = 2 * math.lcm(*(value.denominator for value in (*firsts, *halves)))
        far = max(
            abs(first + code - half * end)
            for first, half in zip(firsts, halves, strict=True)
            for code in (0, (1 << spec.heads.bits) - 1)
            for end in (0, 2 * (spec.curve.side - 1))
        )
        # Three bits for the sign, and for the sum of six squares.
        words = -(-((max(math.ceil(far), MOST + 1) * unit).bit_length() + 3) // WORD)
        if words > MOST_WORDS:
            raise Refused(
                f"distances: scales, ranges and inset have no common unit of less than {WORD * MOST_WORDS} bits; give "
                "them fewer digits"
            )
        terms = [
            terms_of((unit, int(-half * unit), int(first * unit)), words)
            for first, half in zip(firsts, halves, strict=True)
        ]
        return cls(spec, np.array(terms), np.array(words_of((unit // 2) ** 2, 2 * words)))


def _firsts(spec: Spec) -> list[Fraction]:
    """For every head its smallest code, counted from the first vertex."""
    low = int(spec.heads.codes().min())
    return [low - spec.origin(a) for a in range(spec.dimensions)]
