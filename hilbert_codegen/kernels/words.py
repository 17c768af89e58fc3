"""Whole numbers of several 32-bit words, the lowest first, as templates/kernels/words.c.j2 computes with them."""

from __future__ import annotations

from hilbert_codegen.kernels import IntArray

WORD = 32
#: More words than this, and the literals of the configuration are of a kind that nobody means.
MOST_WORDS = 16


def words_of(value: int, count: int) -> list[int]:
    """`value` modulo 2^(32 count) as words, the lowest first."""
    return [value >> (WORD * i) & 0xFFFFFFFF for i in range(count)]


def number_of(words: IntArray) -> int:
    """The number that has these words."""
    return sum(int(word) << (WORD * i) for i, word in enumerate(words))


def terms_of(each: tuple[int, ...], count: int) -> list[int]:
    """The words of several numbers, in turn: the lowest of each, then the next of each."""
    return [word for group in zip(*(words_of(one, count) for one in each), strict=True) for word in group]


def term(terms: IntArray, index: int, of: int) -> int:
    """Number `index` of the `of` numbers whose words `terms_of` has put together."""
    return number_of(terms[index::of])
