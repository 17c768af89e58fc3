"""What fuses the result of any strategy for two heads with a third head that gives t itself (exact/fusion.py).

The strategy decodes the curve's two heads as ever. A table holds the result of every code of the third head, and the
average is taken where the two are more than `limit` apart. The executable model takes the C's steps: the sum is made
positive before it is halved, because C leaves the shift of a negative number to the compiler.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from hilbert_codegen.exact.fusion import limit, single_codes
from hilbert_codegen.kernels import Built, Implementation, IntArray, Model, Table
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec, type_range


class _Fused:
    """The executable model. A strategy's result depends on its pair alone, so its model runs once over all pairs."""

    def __init__(self, curve: Model, single: IntArray, most: int, bias: int) -> None:
        self._curve, self._single, self._most, self._bias = curve, single, most, bias

    @cached_property
    def _pairs(self) -> IntArray:
        y, x = np.divmod(np.arange(1 << 16, dtype=np.int64), 256)
        return self._curve(x, y)

    def __call__(self, x: IntArray, y: IntArray, z: IntArray) -> IntArray:
        """Results of raw bits."""
        curve, single = self._pairs[x | (y << 8)], self._single[z]
        apart = curve - single
        average = ((curve + single + (2 * self._bias + 1)) >> 1) - self._bias
        return np.where((apart > self._most) | (apart < -self._most), average, curve)


def fused(built: Built, spec: Spec) -> Built:
    """`built`, made for `spec.of_curve`, with the third head of `spec`: portable C only."""
    single = single_codes(spec, spec.heads.codes().tolist())
    table = Table(
        "single", spec.output.dtype, single, "result of the third head alone, by the raw bits of its code", columns=8
    )
    low, _ = type_range(spec.output.dtype)
    model = _Fused(built.portable.decode, single, limit(spec), -low)
    wide = INTEGER_TYPES[spec.output.dtype][0] == 32
    words = {
        "limit": f"{limit(spec)}" + ("LL" if wide else ""),
        "above": f"{1 - 2 * low}" + ("LL" if wide else ""),
        "bias": f"{-low}" + ("LL" if wide else ""),
        "wide": "int64_t" if wide else "int32_t",
    }
    code = Implementation((*built.portable.tables, table), model, None, {**built.portable.params, "fusion": words})
    note = f"{built.note} Where the third head is more than {limit(spec)} away, the result is the average of the two."
    return replace(built, portable=code, note=note, offers={}, variants={})
