"""The shares of `corner` for its assembly, where those of one head do not tell the others': one word of a code has the shares of
several heads, side by side in bytes and halves, so that they take one address and the sum no further instruction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hilbert_codegen.kernels import IntArray, Table, smallest_unsigned

#: The tables, by the names that their words have. The assembly has no registers for more.
NAMES = "shares", "shares_further"


@dataclass(frozen=True)
class Slot:
    """Where the shares of a head are.

    Attributes:
        word: index of the table.
        shift: lowest bit in its entries, a multiple of 8.
        bits: how many: 8, 16 or 32.
        up: by how much the share is greater: a power of two.
        last: whether the bits above are 0.
    """

    word: int
    shift: int
    bits: int
    up: int
    last: bool = True


def slots_of(shares: IntArray) -> list[Slot]:
    """Those of the heads, in their order: of words of 16 bits where those are few enough, else of 32."""
    slots = _packed(shares, 16)
    return slots if len(starts_of(slots)) <= len(NAMES) else _packed(shares, 32)


def _packed(shares: IntArray, width: int) -> list[Slot]:
    """Of a word of so many bits each has the next ones that are enough. Shares that alone take more have it to themselves.

    Those that are multiples of 256 come last, as they are added up before they are moved.
    """
    # Many boxes take more than a byte; the shares of the last heads are multiples of that.
    ups = [8 if share.max() > 255 and not (share & 255).any() else 0 for share in shares]
    slots: dict[int, Slot] = {}
    word, free, before = -1, 0, 0
    for head in sorted(range(len(shares)), key=lambda head: ups[head]):
        bits = next(bits for bits in (8, 16, 32) if int(shares[head].max()) >> ups[head] < 1 << bits)
        if free < bits:
            word, free = word + 1, width
        else:
            slots[before] = replace(slots[before], last=False)
        slots[head] = Slot(word, width - free, bits, ups[head])
        free, before = free - bits, head
    return [slots[head] for head in range(len(shares))]


def tables_of(shares: IntArray, slots: list[Slot]) -> list[Table]:
    """The words, in as many tables as NAMES has names or fewer."""
    words = np.zeros((len(starts_of(slots)), shares.shape[1]), dtype=np.int64)
    for share, slot in zip(shares, slots, strict=True):
        words[slot.word] |= share >> slot.up << slot.shift
    meaning = "shares of every code of {} heads in the number of the box, side by side"
    of = ["all"] if len(words) == 1 else ["the first", "the other"]
    return [
        Table(name, smallest_unsigned(int(word.max())), word, meaning.format(which), 8)
        for name, word, which in zip(NAMES, words, of, strict=False)
    ]


def starts_of(slots: list[Slot]) -> list[int]:
    """The first head of every table."""
    found = {slot.word: head for head, slot in enumerate(slots) if not slot.shift}
    return [found[word] for word in sorted(found)]


def shares_of(words: list[Table], slots: list[Slot]) -> IntArray:
    """The shares as the assembly finds them there."""
    found = []
    for slot in slots:
        moved = words[slot.word].values >> slot.shift
        found.append((moved if slot.last else moved & (1 << slot.bits) - 1) << slot.up)
    return np.stack(found)
