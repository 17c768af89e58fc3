"""The codes that a proof runs over: pairs of them for two heads, triples for three, listed tuples for more."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.exact.fusion import single_codes
from hilbert_codegen.exact.ties import hard_codes
from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]

#: Random tuples of four and more codes, and as many beside borders.
TUPLES = 1 << 16


@dataclass(frozen=True)
class Domain:
    """The codes a proof runs over, as a product: all of them for 8-bit heads, a stated grid for 16-bit heads.

    Attributes:
        codes: codes of every head, int64, 1-D.
        complete: whether that is every combination of codes.
        statement: one line saying what the domain is.
        listed: the combinations themselves, shape (count, heads), where they are not all of `codes`.
        curve: of four and more codes of which the last is fused: what the heads of the curve are proved on alone.
    """

    codes: tuple[IntArray, ...]
    complete: bool
    statement: str
    listed: IntArray | None = None
    curve: Domain | None = None

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
    """Every pair or triple of two or three 8-bit codes; for four and more what `_tuples` lists.

    For 16-bit heads, per axis: both sides of every cell and half-cell border, codes that tie
    and codes that come closest to it (ties.py), an even grid of 128 codes with the ends, and 64 codes drawn by a fixed
    generator; all pairs of those.
    """
    codes = spec.heads.codes()
    if spec.inputs > 3:
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
    """The codes of head `axis` beside a border of cells or half cells, and the first and last code, ascending.

    A head that gives t itself has no borders: every fourth of its codes, and the last.
    """
    codes = spec.heads.codes()
    low, high = int(codes.min()), int(codes.max())
    near = {low, high}
    if axis == spec.dimensions:
        near.update(range(low, high, 4))
    else:
        for half in range(-1, 2 * spec.curve.side):
            border = spec.origin(axis) + spec.pitch(axis) * half / 2
            near.update(int(border) + step for step in (-1, 0, 1, 2))
    return np.array(sorted(code for code in near if low <= code <= high), dtype=np.int64)


def _tuples(spec: Spec, codes: IntArray) -> Domain:
    """Tuples of four and more codes, by a fixed generator: uniform ones, and as many with every code beside a border.

    The borders are those of the cells and half cells, where the answer changes from one half segment to another. Where the
    last head is fused, as many again are points of the curve at which its result begins to count.
    """
    generator = np.random.Generator(np.random.PCG64(20240514))
    low, high = int(codes.min()), int(codes.max())
    listed = generator.integers(low, high + 1, (2 * TUPLES, spec.inputs))
    for axis in range(spec.inputs):
        beside = beside_borders(spec, axis)
        listed[TUPLES:, axis] = generator.choice(beside, TUPLES)
    every = (codes,) * spec.inputs
    boxes = "box by box in whole numbers"
    if spec.fusion is None:
        statement = (
            f"all 2^{8 * spec.inputs} tuples of codes, {boxes} (SOUNDNESS.md), and on {2 * TUPLES} tuples one by one: random ones "
            "and neighbours of borders"
        )
        return Domain(every, False, statement, listed)
    listed = np.concatenate([listed, _at_threshold(spec, generator)])
    curve = proof_domain(spec.of_curve)
    if curve.listed is not None:
        curve = replace(curve, listed=listed[:, :-1])
    how = f"all {curve.pairs} triples" if curve.complete else f"all 2^{8 * spec.dimensions} tuples {boxes}"
    statement = (
        f"all 2^{8 * spec.inputs} tuples of codes, in two steps (SOUNDNESS.md): the heads of the curve on {how}, then every "
        f"result of theirs with every code of the last head; and on {len(listed)} tuples one by one"
    )
    return Domain(every, False, statement, listed, curve)


def _at_threshold(spec: Spec, generator: np.random.Generator) -> IntArray:
    """TUPLES points of the curve, rounded to codes, with the codes of the last head between which an average begins."""
    codes = np.sort(spec.heads.codes())
    points, c0, c1 = spec.curve.vertices, spec.output.codes[0], spec.output.codes[1]
    t = generator.random(TUPLES)
    first = np.minimum((t * spec.curve.segments).astype(np.int64), spec.curve.segments - 1)
    part = (t * spec.curve.segments - first)[:, None]
    grid = points[first] * (1 - part) + points[first + 1] * part
    heads = [grid[:, a] * float(spec.pitch(a)) + float(spec.origin(a)) for a in range(spec.dimensions)]
    listed = np.clip(np.rint(np.stack(heads, axis=1)), codes[0], codes[-1]).astype(np.int64)
    assert spec.fusion is not None
    apart = generator.choice([float(one) for one in spec.fusion.thresholds], TUPLES) * generator.choice([-1, 1], TUPLES)
    single = (single_codes(spec, codes.tolist()) - c0) / (c1 - c0)
    beside = np.searchsorted(single, t + apart) - generator.integers(0, 2, TUPLES)
    last = codes[np.clip(beside, 0, len(codes) - 1)]
    return np.concatenate([listed, last[:, None]], axis=1)
