"""Encoding targets and decoding predictions in NumPy, for people who train and evaluate.

`encode` is the curve's parametrization (Uss et al., ICML 2025, arXiv 2405.14024, section 3: t -> (x(t), y(t))).
`decode` is its inverse by the nearest point: exact table look-up for integer heads, float64 for real ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import AXES, Curve, cell_inset
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.exact.reference import Ideal, ideal_of
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.training.projection import project

FloatArray = NDArray[np.float64]


def numbers(value: ArrayLike, name: str) -> NDArray[Any]:
    """`value` as an array of floats or integers; TypeError for anything else, masked arrays included, that names it."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: fill it, or leave its masked points out")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} holds {array.dtype} values: give real numbers, or integer codes")
    return array


def check_frame(inset: Fraction | float | None, head_range: tuple[float, float]) -> None:
    """Raise ValueError where the curve would not lie in the head values that span the unit square."""
    if inset is not None and not 0 <= inset < 0.5:
        raise ValueError(f"inset {inset}: give a number in [0, 0.5), or None for the cell-centred one")
    low, high = head_range
    if not (low < high and math.isfinite(high - low)):
        raise ValueError(f"head_range {(low, high)}: its low end is not below its high end; give (low, high)")


def encode(
    t: ArrayLike,
    curve: Curve,
    inset: Fraction | float | None = None,
    head_range: tuple[float, float] = (0.0, 1.0),
) -> tuple[FloatArray, ...]:
    """Head values (x, y, ...) of the curve point at t: what the heads are trained to give.

    Args:
        t: values in [0, 1], any shape; on a closed curve t is taken modulo 1, else clipped to [0, 1].
        curve: from `make_curve`.
        inset: margin k in [0, 0.5); None is the cell-centred 2^-(order+1).
        head_range: the head values that span the unit square.

    Returns one array for each head, float64, of the shape of t, within head_range.

    Raises TypeError for what holds no real numbers, ValueError for NaN and infinite values, an inset outside [0, 0.5) and a
    head_range whose low end is not below its high end.
    """
    check_frame(inset, head_range)
    values = numbers(t, "t").astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("t has NaN or infinite values: leave them out of the training data")
    values = np.mod(values, 1.0) if curve.closed else np.clip(values, 0.0, 1.0)
    margin = float(cell_inset(curve.order) if inset is None else inset)
    points = curve.vertices
    if curve.closed:
        points = np.concatenate([points, points[:1]])
    arc = values * curve.segments
    first = np.minimum(arc.astype(np.int64), curve.segments - 1)
    part = (arc - first)[..., None]
    grid = points[first] * (1.0 - part) + points[first + 1] * part
    unit = margin + (1.0 - 2.0 * margin) * grid / (curve.side - 1)
    low, high = head_range
    heads = low + unit * (high - low)
    return tuple(heads[..., axis] for axis in range(curve.dimensions))


def fused_t(spec: Spec, t: FloatArray, head: ArrayLike) -> FloatArray:
    """t of the curve averaged, where they are apart, with what the fused head's real values `head` say, float64.

    Raises ValueError where `spec` fuses nothing.
    """
    if spec.fusion is None:
        raise ValueError("the specification fuses nothing")
    low, high = (float(end) for end in spec.fusion.range)
    values = np.asarray(head, dtype=np.float64)
    single = np.where(np.isfinite(values), np.clip((values - low) / (high - low), 0.0, 1.0), np.nan)
    apart, found = np.abs(t - single), t
    for threshold, weight in zip(spec.fusion.thresholds, spec.fusion.weights, strict=True):
        share = float(weight)
        # A head that is no number is as far away as can be.
        found = np.where(apart <= float(threshold), found, share * t + (1.0 - share) * single)
    return found


@dataclass(frozen=True)
class Decoder:
    """A decoder for NumPy arrays: exact for integer codes, float64 for real head values.

    Make one with `Decoder.load("depth.toml")`, or from a Spec.
    """

    spec: Spec

    @classmethod
    def load(cls, config: str | Path, model: str | Path | None = None) -> Decoder:
        """The decoder of a configuration file, with the heads of `model` if given. Raises UsageError."""
        return cls(make_plan(load(Path(config), model=Path(model) if model else None)).spec)

    @cached_property
    def table(self) -> Ideal:
        """The exact answers for all codes of two or three 8-bit heads; arrays of shape (256, 256), [raw y, raw x]."""
        if self.spec.heads.bits != 8 or self.spec.inputs > 3:
            raise ValueError("a table exists for two or three 8-bit heads only")
        return reference_for(self.spec, proof_domain(self.spec))

    @cached_property
    def _codes(self) -> NDArray[np.generic]:
        return self.table.codes.reshape(-1).astype(self.spec.output.dtype)

    def words(self, *heads: ArrayLike) -> NDArray[np.unsignedinteger[Any]]:
        """Index raw x | raw y << 8 (| raw z << 16) into the flattened tables, for codes of the heads' dtype."""
        codes = self._all_codes(heads)
        if self.spec.heads.bits != 8:
            raise ValueError("a table exists for 8-bit heads only")
        raw = [code.astype(np.uint8) for code in codes]
        word: NDArray[np.unsignedinteger[Any]] = raw[0].astype(np.uint16 if len(raw) == 2 else np.uint32)
        for axis, bits in enumerate(raw[1:], 1):
            word = word | (bits.astype(word.dtype) << word.dtype.type(8 * axis))
        return word

    def real(self, axis: int, codes: ArrayLike) -> FloatArray:
        """Real head values of integer codes: scale * (code - zero_point), float64."""
        scale, zero_point = self.spec.scales[axis], self.spec.zero_points[axis]
        return float(scale) * (np.asarray(codes, dtype=np.float64) - zero_point)

    def t_of(self, codes: ArrayLike) -> FloatArray:
        """t in [0, 1] of output codes, float64."""
        c0, c1 = self.spec.output.codes
        return (np.asarray(codes, dtype=np.float64) - c0) / (c1 - c0)

    def _all(self, heads: Sequence[ArrayLike]) -> list[NDArray[Any]]:
        if len(heads) != self.spec.inputs:
            raise ValueError(f"{len(heads)} arrays for {self.spec.inputs} heads: give one for each")
        return [numbers(head, AXES[axis]) for axis, head in enumerate(heads)]

    def _all_codes(self, heads: Sequence[ArrayLike]) -> list[NDArray[Any]]:
        arrays = self._all(heads)
        for name, array in zip(AXES, arrays, strict=False):
            if array.dtype != np.dtype(self.spec.heads.dtype):
                raise TypeError(f"{name} holds {array.dtype}: codes must be {self.spec.heads.dtype}")
        return arrays

    def nearest(self, *heads: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(t, distance to the curve in cells) of real head values, float64, by the nearest point in floating point; NaN
        where a head value is NaN or infinite. A fused head's value is averaged with it as its definition says.
        """
        spec = self.spec
        inset, last = float(spec.inset), spec.curve.side - 1

        def grid(axis: int, head: NDArray[Any]) -> FloatArray:
            low, high = (float(end) for end in spec.heads.range_of(axis))
            unit: FloatArray = (head.astype(np.float64) - low) / (high - low)
            return (unit - inset) * last / (1.0 - 2.0 * inset)

        arrays = self._all(heads)
        places = np.broadcast_arrays(*(grid(axis, head) for axis, head in enumerate(arrays[: spec.dimensions])))
        arc, square = project(spec.curve, np.stack([place.reshape(-1) for place in places], axis=-1))
        shape = places[0].shape
        t, distance = (arc / spec.curve.segments).reshape(shape), np.sqrt(square).reshape(shape)
        return fused_t(spec, t, arrays[-1]) if spec.fusion is not None else t, distance

    def codes(self, *heads: ArrayLike) -> NDArray[np.generic]:
        """Exact results, in the output dtype, of integer codes of the heads' dtype: from the table, or for four and more
        heads tuple by tuple.
        """
        if self.spec.inputs <= 3:
            return np.asarray(self._codes[self.words(*heads)])
        arrays = list(np.broadcast_arrays(*self._all_codes(heads)))
        if arrays[0].size == 0:
            return np.zeros(arrays[0].shape, dtype=self.spec.output.dtype)
        queries = np.stack([array.reshape(-1).astype(np.int64) for array in arrays], axis=1)
        found: NDArray[Any] = ideal_of(self.spec, queries).codes.reshape(arrays[0].shape)
        return np.asarray(found.astype(self.spec.output.dtype))


def decode(*heads: Any, decoder: Decoder | None = None) -> NDArray[np.generic]:
    """Decode head outputs, one array for each head, all of one shape: `decode(x, y, decoder)`, `decode(x, y, z, decoder)`.

    Integer arrays are codes of the decoder's head dtype: the result is exactly what the generated C gives, in the
    output dtype. Float arrays are real head values: the result is t in [0, 1], float64, and NaN where one is NaN or
    infinite.

    Raises TypeError for integers of another type, beside an array of floats or without a decoder, and for what holds no
    numbers (None, bool, complex, masked arrays); ValueError for 16-bit integer heads (use the
    generated C) or another number of arrays than the decoder has heads.
    """
    if decoder is None:
        *arrays, decoder = heads
    else:
        arrays = list(heads)
    if not isinstance(decoder, Decoder):
        raise TypeError("the last argument must be a Decoder")
    kinds = {numbers(value, name).dtype.kind for value, name in zip(arrays, AXES, strict=False)}
    if "f" not in kinds:
        return decoder.codes(*arrays)
    if kinds != {"f"}:
        raise TypeError("some heads hold integers and others real numbers: give codes of all, or real values of all")
    return decoder.nearest(*arrays)[0]
