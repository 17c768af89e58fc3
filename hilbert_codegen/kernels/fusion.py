"""What fuses the result of any strategy with that of a further head, the last one, which gives t itself (exact/fusion.py).

The strategy decodes the heads of the curve as ever. A table holds the result of every code of the last head, and a
weighted average is taken where the two are more than a limit apart. The executable model takes the C's steps: the sum is made
positive before it is divided, because C rounds a quotient towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hilbert_codegen.exact.fusion import limits, single_codes
from hilbert_codegen.kernels import Built, Fused, Implementation, IntArray, Model, Table
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec, type_range


@dataclass(frozen=True)
class _Band:
    """An average, and the largest difference at which it is not yet taken."""

    most: int
    curve: int
    single: int

    @property
    def parts(self) -> int:
        """Of both weights."""
        return self.curve + self.single

    def above(self, bias: int) -> int:
        """What is added to the weighted sum, so that it is positive and its quotient rounds to the nearest."""
        return self.parts // 2 + self.parts * bias

    def words(self, bias: int, suffix: str) -> dict[str, object]:
        """What the template writes."""
        named = (("curve", self.curve), ("single", self.single))
        return {
            "limit": f"{self.most}{suffix}",
            "above": f"{self.above(bias)}{suffix}",
            "terms": " + ".join(name if weight == 1 else f"({weight} * {name})" for name, weight in named),
            "parts": self.parts,
        }


@dataclass(frozen=True)
class _Step:
    """The executable model of what comes behind the curve's result; the largest limit first."""

    single: IntArray
    bands: tuple[_Band, ...]
    bias: int

    def __call__(self, curve: IntArray, last: IntArray) -> IntArray:
        """Results of the curve's results and of raw bits of the last head's codes."""
        single = self.single[last]
        apart, result = curve - single, curve
        for band in reversed(self.bands):
            total = band.curve * curve + band.single * single + band.above(self.bias)
            average = total // band.parts - self.bias
            result = np.where((apart > band.most) | (apart < -band.most), average, result)
        return result


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
    shares = [weight.as_integer_ratio() for weight in spec.fusion.weights]
    bands = [_Band(most, share, parts - share) for most, (share, parts) in zip(limits(spec), shares, strict=True)][::-1]
    step = _Step(single, tuple(bands), -low)
    alone = built.portable.decode
    curve = _of_pairs(alone) if spec.dimensions == 2 else alone

    def model(*raw: IntArray) -> IntArray:
        return step(curve(*raw[:-1]), raw[-1])

    wide = INTEGER_TYPES[spec.output.dtype][0] == 32
    suffix = "LL" if wide else ""
    words = {
        "bands": [band.words(-low, suffix) for band in bands],
        "bias": f"{-low}{suffix}",
        "wide": "int64_t" if wide else "int32_t",
    }
    code = Implementation((*built.portable.tables, table), model, None, {**built.portable.params, "fusion": words})
    past = " or ".join(str(band.most) for band in reversed(bands))
    note = f"{built.note} Where the last head is more than {past} away, the result is the average of the two"
    if any(band.curve != band.single for band in bands):
        counts = " or ".join(f"{band.curve}/{band.parts}" for band in reversed(bands))
        note += f", of which the curve's counts {counts}"
    note += "."
    both = Fused(replace(built, offers={}, variants={}), step)
    return replace(both.curve, portable=code, note=note, fused=both)
