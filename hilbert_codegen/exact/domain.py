"""The codes that a proof runs over: pairs of them for two heads, triples for three."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.exact.ties import hard_codes
from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]

#: Random tuples of four and more heads, and as many beside borders.
TUPLES = 1 << 16


@dataclass(frozen=True)
class Domain:
    """The codes a proof runs over, as a product: all of them for 8-bit heads, a stated grid for 16-bit heads.

    Attributes:
        codes: codes of every head, int64, 1-D.
        complete: whether that is every combination of codes.
        statement: one line saying what the domain is.
        listed: the combinations themselves, shape (count, heads), where they are not all of `codes`.
    """

    codes: tuple[IntArray, ...]
    complete: bool
    statement: str
    listed: IntArray | None = None

    @property
    def pairs(self) -> int:
        """Number of combinations."""
        return len(self.listed) if self.listed is not None else math.prod(len(codes) for codes in self.codes)

    @property
    def noun(self) -> str:
        """What its combinations are called."""
        return {2: "pairs", 3: "triples"}.get(len(self.codes), "tuples")

    def at(self, index: int) -> str:
        """The combination number `index` of the answers, flattened, as "x = 1, y = 2"."""
        if self.listed is not None:
            found = self.listed[index].tolist()
        else:
            place = np.unravel_index(index, [len(codes) for codes in reversed(self.codes)])[::-1]
            found = [codes[i] for codes, i in zip(self.codes, place, strict=True)]
        return ", ".join(f"{name} = {code}" for name, code in zip(AXES, found, strict=False))

    def tuples(self, dtype: str) -> NDArray[np.integer[Any]]:
        """All combinations in the order of the answers, as codes of `dtype`, shape (pairs, heads)."""
        if self.listed is not None:
            return self.listed.astype(dtype)
        axes = [codes.astype(dtype) for codes in reversed(self.codes)]
        return np.stack([grid.reshape(-1) for grid in np.meshgrid(*axes, indexing="ij")[::-1]], axis=1)

    def raw(self, bits: int) -> list[IntArray]:
        """The raw bits of every head for all combinations, int64, of the shape that `ideal` gives its answers in."""
        mask = (1 << bits) - 1
        if self.listed is not None:
            return [column & mask for column in self.listed.T]
        return list(np.meshgrid(*(codes & mask for codes in reversed(self.codes)), indexing="ij"))[::-1]


def proof_domain(spec: Spec) -> Domain:
    """Every pair or triple of two or three 8-bit heads; for four and more what `_tuples` lists.

    For 16-bit heads, per axis: both sides of every cell and half-cell border, codes that tie
    and codes that come closest to it (ties.py), an even grid of 128 codes with the ends, and 64 codes drawn by a fixed
    generator; all pairs of those.
    """
    codes = spec.heads.codes()
    if spec.dimensions > 3:
        return _tuples(spec, codes)
    if spec.inputs == 3:
        return Domain((codes,) * 3, True, f"all {len(codes) ** 3} triples of codes")
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


def beside_borders(spec: Spec, axis: int) -> IntArray:
    """The codes of head `axis` beside a border of cells or half cells, and the first and last code, ascending."""
    codes = spec.heads.codes()
    low, high = int(codes.min()), int(codes.max())
    near = {low, high}
    for half in range(-1, 2 * spec.curve.side):
        border = spec.origin(axis) + spec.pitch(axis) * half / 2
        near.update(int(border) + step for step in (-1, 0, 1, 2))
    return np.array(sorted(code for code in near if low <= code <= high), dtype=np.int64)


def _tuples(spec: Spec, codes: IntArray) -> Domain:
    """Tuples of four and more heads, by a fixed generator: uniform ones, and as many with every code beside a border.

    The borders are those of the cells and half cells, where the answer changes from one half segment to another.
    """
    generator = np.random.Generator(np.random.PCG64(20240514))
    low, high = int(codes.min()), int(codes.max())
    listed = generator.integers(low, high + 1, (2 * TUPLES, spec.dimensions))
    for axis in range(spec.dimensions):
        beside = beside_borders(spec, axis)
        listed[TUPLES:, axis] = generator.choice(beside, TUPLES)
    statement = (
        f"all 2^{8 * spec.dimensions} tuples of codes, box by box in whole numbers (SOUNDNESS.md), and on {2 * TUPLES} tuples "
        "one by one: random ones and neighbours of borders"
    )
    return Domain((codes,) * spec.dimensions, False, statement, listed)
