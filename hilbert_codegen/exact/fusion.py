"""The exact fused decoder: the curve's value, averaged with that of a head that gives t itself where the two disagree.

With a the result of the curve's heads (reference.py), c0 and c1 the results at t = 0 and t = 1, and t' the value of the
last head, (scale * (code - zero_point) - low) / (high - low) clipped to [0, 1],

    b = floor(c0 + t' (c1 - c0) + 1/2)
    result = floor(w a + (1 - w) b + 1/2)    where |a - b| > threshold * |c1 - c0|,    else a,

with the weight w in sixteenths, 1/2 if nothing else is said. Of several thresholds, each with its weight, the largest that the
difference exceeds counts.

It is a function of a and the last code alone, whatever the number of the curve's heads. All of it is arithmetic in whole numbers and fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hilbert_codegen.spec.specification import Fusion, Spec

IntArray = NDArray[np.int64]


def _fusion(spec: Spec) -> Fusion:
    if spec.fusion is None:
        raise ValueError("the specification fuses nothing")
    return spec.fusion


def single_codes(spec: Spec, codes: Iterable[int]) -> IntArray:
    """The results b of the last head alone for its `codes`, int64, 1-D. Raises ValueError where nothing is fused."""
    fusion = _fusion(spec)
    (low, high), (c0, c1) = fusion.range, spec.output.codes
    found = []
    for code in codes:
        t = (fusion.scale * (int(code) - fusion.zero_point) - low) / (high - low)
        t = min(max(t, Fraction(0)), Fraction(1))
        found.append(math.floor(c0 + t * (c1 - c0) + Fraction(1, 2)))
    return np.array(found, dtype=np.int64)


def limits(spec: Spec) -> tuple[int, ...]:
    """The largest |a - b| that does not exceed each threshold, ascending: both are whole numbers."""
    c0, c1 = spec.output.codes
    return tuple(math.floor(threshold * abs(c1 - c0)) for threshold in _fusion(spec).thresholds)


def fuse(spec: Spec, curve: IntArray, single: IntArray) -> IntArray:
    """The results of `curve` (a) and `single` (b), int64 arrays that broadcast to one shape."""
    apart, result = np.abs(curve - single), curve
    for limit, weight in zip(limits(spec), _fusion(spec).weights, strict=True):
        parts = int(16 * weight)
        # Floor division of NumPy's integers is the floor of the definition, for negative sums as well.
        average = (parts * curve + (16 - parts) * single + 8) // 16
        result = np.where(apart > limit, average, result)
    return result


def fused_codes(spec: Spec, curve: IntArray, last: IntArray) -> IntArray:
    """The results of `curve` (a) and of the codes `last` of the last head, int64 arrays that broadcast to one shape."""
    order = np.sort(spec.heads.codes())
    return fuse(spec, curve, single_codes(spec, order.tolist())[last - order[0]])
