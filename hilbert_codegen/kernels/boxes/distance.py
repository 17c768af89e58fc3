"""Distances to the curve for `boxes`: the offsets in codes from the nearest half segment (code_offsets.py).

Nothing is rounded, so the distance is the exact one wherever the half segment is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import IntArray, Table, in_parts
from hilbert_codegen.kernels.boxes.layout import Layout, Squares
from hilbert_codegen.kernels.code_offsets import MOST, CodeOffsets
from hilbert_codegen.kernels.words import WORD

#: Steps of the search for a distance.
BITS = tuple(1 << bit for bit in reversed(range(8)))


@dataclass(frozen=True)
class Distances:
    """What the C computes from the offsets.

    Attributes:
        layout: what finds the nearest half segment.
        offsets: those of codes from places on their axes.
    """

    layout: Layout
    offsets: CodeOffsets

    def away(self, a: int, entry: int) -> Any:
        """Distance along axis `a` of every raw code from an entry's half segment, as the C has it before it squares."""
        low, high = self.layout.ends(a, entry)
        before = self.offsets.beyond(a, low)
        behind = np.maximum(self.offsets.beyond(a, high), 0) if high != low else before
        return np.where(before < 0, -before, behind)

    @cached_property
    def _found(self) -> Mapping[tuple[int, int, int], Any]:
        return self.layout.tabulate(self.away)

    @cached_property
    def _squares(self) -> Squares:
        return Squares(self.layout, self._found, 2 * WORD * self.offsets.words, 2 * self.offsets.half_code)

    def measure(self, *raw: IntArray) -> IntArray:
        """The executable model: distances of raw codes, one array for each head."""
        return in_parts(self._of, raw)

    def _of(self, part: IntArray) -> IntArray:
        raw = list(part)
        entry = self.layout.nearest(raw)
        square = self._squares.rough(raw, entry)
        if self._squares.narrow:
            answer = np.zeros(len(entry), dtype=np.int64)
            for bit in BITS:
                border = ((2 * (answer + bit) - 1) * self.offsets.half_code).astype(np.uint64)
                answer += bit * (square >= border * border)
            return np.asarray(answer)
        wanted = np.sqrt(square) + 0.5
        answer = np.asarray(np.minimum(wanted, MOST).astype(np.int64))
        near = np.flatnonzero((np.abs(wanted - np.rint(wanted)) < 1e-9 * wanted) & (wanted < MOST + 1))
        exact = self._squares.exact([bits[near] for bits in raw], entry[near])
        answer[near] = [self.offsets.distance(value) for value in exact]
        return answer

    def check(self) -> None:
        """Raise CheckFailed unless the numbers are exact, for all codes and half segments, and fit their words."""
        self.offsets.check()
        for (a, vertex, role), found in self._found.items():
            ends = 2 * vertex + min(role, 0), 2 * vertex + max(role, 0)
            if self.offsets.exact(a, *ends) != found.tolist():
                raise CheckFailed(f"distances: an offset of head {AXES[a]} is wrong")

    @property
    def tables(self) -> tuple[Table, ...]:
        """What the C needs beside the layout's."""
        return self.offsets.tables

    @property
    def params(self) -> dict[str, object]:
        """Constants of the template beside the layout's."""
        return self.offsets.params


def distances_of(layout: Layout) -> Distances:
    """The tables for distances beside a layout. Raises Refused where numbers are of too many words."""
    return Distances(layout, CodeOffsets.of(layout.spec))
