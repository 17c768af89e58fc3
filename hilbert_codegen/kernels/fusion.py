"""What fuses the result of any strategy with that of a further head, the last one, which gives t itself (exact/fusion.py).

The strategy decodes the heads of the curve as ever. A table holds the result of every code of the last head, and the
weighted average is taken where the two are more than `limit` apart. The executable model takes the C's steps: the sum is made
positive before it is divided, because C rounds a quotient towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hilbert_codegen.exact.fusion import limit, single_codes
from hilbert_codegen.kernels import Built, Fused, Implementation, IntArray, Model, Table
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec, type_range


@dataclass(frozen=True)
class _Step:
    """The executable model of what comes behind the curve's result."""

    single: IntArray
    most: int
    bias: int
    weights: tuple[int, int]

    def __call__(self, curve: IntArray, last: IntArray) -> IntArray:
        """Results of the curve's results and of raw bits of the last head's codes."""
        single = self.single[last]
        apart = curve - single
        parts = sum(self.weights)
        total = self.weights[0] * curve + self.weights[1] * single + _rounded(parts, self.bias)
        average = total // parts - self.bias
        return np.where((apart > self.most) | (apart < -self.most), average, curve)


def _rounded(parts: int, bias: int) -> int:
    """What is added to a sum of `parts`, so that it is positive and its quotient rounds to the nearest."""
    return parts // 2 + parts * bias


def _of_pairs(model: Model) -> Model:
    """`model` of two heads by a table: all triples are compared, and its result depends on the pair alone."""
    table: list[IntArray] = []

    def decode(x: IntArray, y: IntArray) -> IntArray:
        if not table:
            row, column = np.divmod(np.arange(1 << 16, dtype=np.int64), 256)
            table.append(model(column, row))
        return np.asarray(table[0][x | (y << 8)])

    return decode


def fused(built: Built, spec: Spec) -> Built:
    """`built`, made for `spec.of_curve`, with the last head of `spec`: portable C only."""
    single = single_codes(spec, spec.heads.codes().tolist())
    table = Table(
        "single", spec.output.dtype, single, "result of the last head alone, by the raw bits of its code", columns=8
    )
    low, _ = type_range(spec.output.dtype)
    assert spec.fusion is not None
    share, parts = spec.fusion.weight.as_integer_ratio()
    weights = share, parts - share
    step = _Step(single, limit(spec), -low, weights)
    alone = built.portable.decode
    curve = _of_pairs(alone) if spec.dimensions == 2 else alone

    def model(*raw: IntArray) -> IntArray:
        return step(curve(*raw[:-1]), raw[-1])

    wide = INTEGER_TYPES[spec.output.dtype][0] == 32
    words = {
        "limit": f"{limit(spec)}" + ("LL" if wide else ""),
        "above": f"{_rounded(parts, -low)}" + ("LL" if wide else ""),
        "terms": " + ".join(
            name if weight == 1 else f"({weight} * {name})"
            for name, weight in zip(("curve", "single"), weights, strict=True)
        ),
        "parts": parts,
        "bias": f"{-low}" + ("LL" if wide else ""),
        "wide": "int64_t" if wide else "int32_t",
    }
    code = Implementation((*built.portable.tables, table), model, None, {**built.portable.params, "fusion": words})
    note = f"{built.note} Where the last head is more than {limit(spec)} away, the result is the average of the two"
    note += "." if weights == (1, 1) else f", of which the curve's counts {share}/{parts}."
    both = Fused(replace(built, offers={}, variants={}), step)
    return replace(both.curve, portable=code, note=note, fused=both)
