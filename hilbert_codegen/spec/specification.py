"""What a decoder has to compute: curve, heads, output and estimator, as exact numbers. No tables, no C."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import Curve

#: C integer types by configuration name: (bits, signed, C type).
INTEGER_TYPES: dict[str, tuple[int, bool, str]] = {
    "int8": (8, True, "int8_t"),
    "uint8": (8, False, "uint8_t"),
    "int16": (16, True, "int16_t"),
    "uint16": (16, False, "uint16_t"),
    "int32": (32, True, "int32_t"),
}


def type_range(dtype: str) -> tuple[int, int]:
    """Smallest and largest value of the integer type called `dtype`."""
    bits, signed, _ = INTEGER_TYPES[dtype]
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


@dataclass(frozen=True)
class Heads:
    """The network's quantized outputs, one for each axis of the curve: real = scale * (code - zero_point).

    Attributes:
        dtype: "int8", "uint8" or "int16".
        layout: "interleaved" (x0 y0 x1 y1 ...) or "planar" (all x, all y).
        scale: of every head, exactly the binary numbers that the literals or the model's float32 denote.
        zero_point: of every head, in codes.
        range: the real values (low, high) that span the unit square, low < high.
        ranges: the same for each head, where they differ; `range` is then that of the first.
    """

    dtype: str
    layout: Literal["interleaved", "planar"]
    scale: tuple[Fraction, ...]
    zero_point: tuple[int, ...]
    range: tuple[Fraction, Fraction]
    ranges: tuple[tuple[Fraction, Fraction], ...] = ()

    @property
    def count(self) -> int:
        """Number of heads."""
        return len(self.scale)

    def range_of(self, axis: int) -> tuple[Fraction, Fraction]:
        """The real values (low, high) of head `axis` that span the unit square."""
        return self.ranges[axis] if self.ranges else self.range

    def share(self, axis: int) -> Fraction:
        """One code of head `axis` as a share of its range."""
        low, high = self.range_of(axis)
        return self.scale[axis] / (high - low)

    @property
    def bits(self) -> int:
        """Width of a code, 8 or 16."""
        return INTEGER_TYPES[self.dtype][0]

    @property
    def ctype(self) -> str:
        """The C type of a code."""
        return INTEGER_TYPES[self.dtype][2]

    def codes(self) -> NDArray[np.int64]:
        """All codes of one head in the order of their raw bits (0, 1, ..., -2, -1 for int8); shape (2^bits,)."""
        raw = np.arange(1 << self.bits, dtype=np.int64)
        low, high = type_range(self.dtype)
        return np.where(raw > high, raw - (1 << self.bits), raw) if low < 0 else raw


@dataclass(frozen=True)
class Output:
    """The decoded integer: `codes` are the values that stand for t = 0 and t = 1 (either may be the larger).

    On a closed curve t = 1 is t = 0, so a result that rounds to the second code is given as the first, and the
    second may lie one past the type's range (0, 65536 for a full turn in uint16).
    """

    dtype: str
    codes: tuple[int, int]

    @property
    def ctype(self) -> str:
        """The C type of the output."""
        return INTEGER_TYPES[self.dtype][2]


@dataclass(frozen=True)
class Estimator:
    """How a point off the curve is read.

    "nearest": the nearest point of the curve. "mean": where the distance to the curve exceeds `gate` (cells), the
    posterior mean of t under Gaussian head noise of standard deviation `sigma` (cells); elsewhere the nearest point.
    """

    kind: Literal["nearest", "mean"] = "nearest"
    sigma: Fraction = Fraction(0)
    gate: Fraction = Fraction(0)


@dataclass(frozen=True)
class Fusion:
    """A further head that gives t itself, and when the curve's value is averaged with it (exact/fusion.py).

    Attributes:
        scale, zero_point: of the head.
        range: its real values at t = 0 and t = 1, low < high.
        thresholds: differences in t past which an average is taken, 0 <= threshold < 1, ascending.
        weights: share of the curve's value in the average past each of them, sixteenths from 1/16 to 15/16.
    """

    scale: Fraction
    zero_point: int
    range: tuple[Fraction, Fraction]
    thresholds: tuple[Fraction, ...]
    weights: tuple[Fraction, ...] = (Fraction(1, 2),)


@dataclass(frozen=True)
class Spec:
    """Everything the decoded value depends on.

    `heads` are those of the curve. Where a further head gives t itself, `fusion` says how it enters.
    """

    curve: Curve
    inset: Fraction
    heads: Heads
    output: Output
    estimator: Estimator = Estimator()
    fusion: Fusion | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a head for every axis of the curve."""
        if not len(self.heads.scale) == len(self.heads.zero_point) == self.curve.dimensions:
            raise ValueError(f"{self.heads.count} heads for a curve of {self.curve.dimensions} dimensions")

    @property
    def dimensions(self) -> int:
        """Number of axes of the curve, and of its heads."""
        return self.curve.dimensions

    @property
    def inputs(self) -> int:
        """Number of codes that make one result: the heads of the curve, and the one that is fused."""
        return self.dimensions + (self.fusion is not None)

    @property
    def of_curve(self) -> Spec:
        """What the heads of the curve give alone."""
        return replace(self, fusion=None)

    @property
    def scales(self) -> tuple[Fraction, ...]:
        """Scale of every head, the fused one last."""
        return self.heads.scale + (() if self.fusion is None else (self.fusion.scale,))

    @property
    def zero_points(self) -> tuple[int, ...]:
        """Zero point of every head, the fused one last."""
        return self.heads.zero_point + (() if self.fusion is None else (self.fusion.zero_point,))

    def pitch(self, axis: int) -> Fraction:
        """Codes of head `axis` (0 x, 1 y, ...) per cell of the grid."""
        low, high = self.heads.range_of(axis)
        return (1 - 2 * self.inset) * (high - low) / (self.curve.side - 1) / self.heads.scale[axis]

    def origin(self, axis: int) -> Fraction:
        """The (real-valued) code of head `axis` at grid coordinate 0."""
        low, high = self.heads.range_of(axis)
        return self.heads.zero_point[axis] + (low + self.inset * (high - low)) / self.heads.scale[axis]

    def coordinate(self, axis: int, code: int) -> Fraction:
        """Grid coordinate of `code` of head `axis`: 0 at the first vertex column, side - 1 at the last."""
        return self.coordinates(axis, [code])[0]

    def coordinates(self, axis: int, codes: Iterable[int]) -> list[Fraction]:
        """The same of several codes."""
        origin, pitch = self.origin(axis), self.pitch(axis)
        return [(code - origin) / pitch for code in codes]

    @property
    def canonical(self) -> bool:
        """Whether every cell is a whole power of two of codes wide and starts on a multiple of it, on every axis."""
        for axis in range(self.dimensions):
            pitch = self.pitch(axis)
            width = pitch.numerator
            if pitch.denominator != 1 or width & (width - 1) or width < 2:
                return False
            if (self.origin(axis) - pitch / 2) % pitch:
                return False
        return True
