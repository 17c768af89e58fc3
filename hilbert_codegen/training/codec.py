"""Encoding targets and decoding predictions in NumPy, for people who train and evaluate.

`encode` is the curve's parametrization (Uss et al., ICML 2025, arXiv 2405.14024, section 3: t -> (x(t), y(t))).
`decode` is its inverse by the nearest point: exact table look-up for integer heads, float64 for real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbert_codegen.config.schema import load
from hilbert_codegen.curves import Curve, cell_inset
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.spec.specification import Spec

FloatArray = NDArray[np.float64]

#: Points decoded at a time in floating point, so that the working set stays in cache.
_CHUNK = 1 << 14


def encode(
    t: ArrayLike,
    curve: Curve,
    inset: Fraction | float | None = None,
    head_range: tuple[float, float] = (0.0, 1.0),
) -> tuple[FloatArray, FloatArray]:
    """Head values (x, y) of the curve point at t: what the two heads are trained to give.

    Args:
        t: values in [0, 1], any shape; on a closed curve t is taken modulo 1, else clipped to [0, 1].
        curve: from `make_curve`.
        inset: margin k in [0, 0.5); None is the cell-centred 2^-(order+1).
        head_range: the head values that span the unit square.

    Returns x and y, float64, of the shape of t, within head_range.
    """
    values = np.asarray(t, dtype=np.float64)
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
    return heads[..., 0], heads[..., 1]


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
        """The exact answers for all pairs of 8-bit codes; arrays of shape (256, 256), [raw y, raw x]."""
        if self.spec.heads.bits != 8:
            raise ValueError("a table exists for 8-bit heads only")
        return reference_for(self.spec, proof_domain(self.spec))

    @cached_property
    def _codes(self) -> NDArray[np.generic]:
        return self.table.codes.reshape(-1).astype(self.spec.output.dtype)

    def words(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.uint16]:
        """Index raw x | raw y << 8 into the flattened tables, uint16, for codes of the heads' dtype."""
        dtype = np.dtype(self.spec.heads.dtype)
        codes = [np.asarray(v) for v in (x, y)]
        for code in codes:
            if code.dtype != dtype:
                raise TypeError(f"codes must be {dtype}, not {code.dtype}")
        raw_x, raw_y = (np.ascontiguousarray(code).view(np.uint8).astype(np.uint16) for code in codes)
        return raw_x | (raw_y << np.uint16(8))

    def real(self, axis: int, codes: ArrayLike) -> FloatArray:
        """Real head values of integer codes: scale * (code - zero_point), float64."""
        heads = self.spec.heads
        return float(heads.scale[axis]) * (np.asarray(codes, dtype=np.float64) - heads.zero_point[axis])

    def t_of(self, codes: ArrayLike) -> FloatArray:
        """t in [0, 1] of output codes, float64."""
        c0, c1 = self.spec.output.codes
        return (np.asarray(codes, dtype=np.float64) - c0) / (c1 - c0)

    def nearest(self, x: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """(t, distance to the curve in cells) of real head values, float64, by the nearest point in floating point."""
        spec = self.spec
        low, high = (float(end) for end in spec.heads.range)
        inset, last = float(spec.inset), spec.curve.side - 1

        def grid(head: ArrayLike) -> FloatArray:
            unit = (np.asarray(head, dtype=np.float64) - low) / (high - low)
            return (unit - inset) * last / (1.0 - 2.0 * inset)

        grid_x, grid_y = np.broadcast_arrays(grid(x), grid(y))
        arc, square = np.empty(grid_x.size), np.empty(grid_x.size)
        points = spec.curve.vertices.astype(np.float64)
        for start in range(0, grid_x.size, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            arc[chunk], square[chunk] = self._project(points, grid_x.reshape(-1)[chunk], grid_y.reshape(-1)[chunk])
        return (arc / spec.curve.segments).reshape(grid_x.shape), np.sqrt(square).reshape(grid_x.shape)

    def _project(self, points: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        best_arc, best = np.zeros(len(x)), np.full(len(x), np.inf)
        for segment in range(self.spec.curve.segments):
            start = points[segment]
            step = points[(segment + 1) % len(points)] - start
            along = np.clip((x - start[0]) * step[0] + (y - start[1]) * step[1], 0.0, 1.0)
            square = (x - start[0] - along * step[0]) ** 2 + (y - start[1] - along * step[1]) ** 2
            closer = square < best
            best[closer] = square[closer]
            best_arc[closer] = segment + along[closer]
        return best_arc, best


def decode(x: ArrayLike, y: ArrayLike, decoder: Decoder) -> NDArray[np.generic]:
    """Decode head outputs of any (equal) shape.

    Integer arrays are codes of the decoder's head dtype: the result is exactly what the generated C gives, in the
    output dtype. Float arrays are real head values: the result is t in [0, 1], float64.

    Raises TypeError for integers of another type, ValueError for 16-bit integer heads (use the generated C).
    """
    if np.issubdtype(np.asarray(x).dtype, np.integer):
        return decoder._codes[decoder.words(x, y)]
    return decoder.nearest(x, y)[0]
