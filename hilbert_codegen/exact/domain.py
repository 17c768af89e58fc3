"""The codes that a proof runs over: pairs of them for two heads, triples for three."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.ties import hard_codes
from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Domain:
    """The codes a proof runs over, as a product: all of them for 8-bit heads, a stated grid for 16-bit heads.

    Attributes:
        codes: codes of every head, int64, 1-D.
        complete: whether that is every combination of codes.
        statement: one line saying what the domain is.
    """

    codes: tuple[IntArray, ...]
    complete: bool
    statement: str

    @property
    def pairs(self) -> int:
        """Number of combinations."""
        return math.prod(len(codes) for codes in self.codes)

    @property
    def noun(self) -> str:
        """What its combinations are called."""
        return {2: "pairs", 3: "triples"}.get(len(self.codes), "tuples")

    def raw(self, bits: int) -> list[IntArray]:
        """The raw bits of every head for all combinations, int64, of the shape that `ideal` gives its answers in."""
        mask = (1 << bits) - 1
        return np.meshgrid(*(codes & mask for codes in reversed(self.codes)), indexing="ij")[::-1]


def proof_domain(spec: Spec) -> Domain:
    """Every pair for 8-bit heads. For 16-bit heads, per axis: both sides of every cell and half-cell border, codes that tie
    and codes that come closest to it (ties.py), an even grid of 128 codes with the ends, and 64 codes drawn by a fixed
    generator; all pairs of those.
    """
    codes = spec.heads.codes()
    if spec.heads.bits == 8:
        return Domain((codes, codes), True, f"all {len(codes) ** 2} pairs of codes")
    axes = []
    low, high = int(codes.min()), int(codes.max())
    hard = hard_codes(spec)
    for axis in (0, 1):
        generator = np.random.Generator(np.random.PCG64(20240514 + axis))
        chosen = set(np.linspace(low, high, 128).astype(np.int64).tolist())
        chosen.update(generator.integers(low, high + 1, 64).tolist())
        chosen.update(hard[axis])
        for half in range(-1, 2 * spec.curve.side):
            border = spec.origin(axis) + spec.pitch(axis) * half / 2
            chosen.update(int(border) + step for step in (-1, 0, 1, 2))
        axes.append(np.array(sorted(code for code in chosen if low <= code <= high), dtype=np.int64))
    return Domain(
        (axes[0], axes[1]),
        False,
        f"{len(axes[0])} x {len(axes[1])} codes: the neighbours of every cell and half-cell border, ties and the closest "
        f"to them, an even grid and a fixed random sample; not all 2^32 pairs",
    )
