r"""The noise model: what noise of the heads does to the decoded value.

While no noise carries a point over half the distance between two branches, only its part along the curve counts:
a standard deviation of sigma codes along the curve is sigma * scale / L in t, against sigma_1 * scale_1 of a 1D head.
So the gain is L * (1D noise) / (noise along the curve), both in codes of equal scale. Past half the branch distance
the decoder lands on another branch, and the error is of the order of the whole range; `forecast` simulates that part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbert_codegen.training.loss import HeadCurve

FloatArray = NDArray[np.float64]


def frame(on: HeadCurve, t: FloatArray) -> FloatArray:
    """Unit direction of growing t, in head axes, of the segment that holds t; shape t.shape + (n,)."""
    _, steps = on.segments()
    index = np.clip((t * on.curve.segments).astype(np.int64), 0, on.curve.segments - 1)
    return np.asarray(steps[index])


def _turned(direction: FloatArray) -> FloatArray:
    """The directions across an axis-parallel `direction` (..., n): the next axes in a ring; (..., n - 1, n).

    In the plane it is the direction to the left.
    """
    count = direction.shape[-1]
    ring = np.stack([np.roll(direction, shift, axis=-1) for shift in range(1, count)], axis=-2)
    return ring * np.array([-1.0, 1.0]) if count == 2 else ring


def split(offsets: FloatArray, direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The parts of `offsets` (..., n) along axis-parallel `direction` (..., n), (...), and across it, (..., n - 1)."""
    along = (offsets * direction).sum(axis=-1)
    across = (offsets[..., None, :] * _turned(direction)).sum(axis=-1)
    return along, across


def join(along: FloatArray, across: FloatArray, direction: FloatArray) -> FloatArray:
    """The inverse of `split`."""
    return np.asarray(along[..., None] * direction + (across[..., None] * _turned(direction)).sum(axis=-2))


def blurred(on: HeadCurve, t: FloatArray, spread: FloatArray | float) -> FloatArray:
    """Heads (..., n) of a net that knows t only to a standard deviation of `spread`: the mean of the curve over it.

    `spread` is one for all, or one for each t.

    The squared error makes a net answer with the mean. It leaves the curve at corners, and where `spread` is not small
    against a segment (1 / M in t) it no longer follows the curve at all: such an order can't be trained.
    """
    nodes = np.linspace(-3.5, 3.5, 57)
    weights = np.exp(-np.square(nodes) / 2)
    weights /= weights.sum()
    total = np.zeros_like(on.targets(t))
    for node, weight in zip(nodes, weights, strict=True):
        total += weight * on.targets(t + spread * node)
    return total


def is_jump(on: HeadCurve, error: FloatArray, moved: FloatArray) -> NDArray[np.bool_]:
    """Where the decoded place moved over a cell farther along the curve than the point did in the plane.

    `error` is in t, shape (...), `moved` in head units, shape (..., n).
    """
    return np.asarray(np.abs(error) * on.curve.segments > np.linalg.norm(moved, axis=-1) / on.pitch + 1.0)


#: Places on the curve per cell and points at a time, in `posterior_mean`.
_PER_CELL = 48
_CHUNK = 512


def posterior_mean(on: HeadCurve, heads: ArrayLike, sigma: float) -> FloatArray:
    """Mean of t along the curve with weight exp(-distance^2 / (2 sigma^2)), sigma in cells, at least 0.05.

    `heads` are real head values (..., n); the result is float64 (...). The sum runs over 48 places a cell, exact to
    0.005 cells at sigma 0.1. Raises ValueError for a closed curve, where t has no mean.
    """
    if on.curve.closed:
        raise ValueError("t wraps round on a closed curve: it has no mean")
    values = np.asarray(heads, dtype=np.float64)
    axes = on.curve.dimensions
    flat = values.reshape(-1, axes)
    count = on.curve.segments
    inside = (np.arange(_PER_CELL) + 0.5) / _PER_CELL
    starts, steps = on.segments()
    curve = (starts[:, None, :] + inside[None, :, None] * steps[:, None, :]).reshape(-1, axes)
    places = (np.arange(count * _PER_CELL) + 0.5) / (count * _PER_CELL)
    result = np.empty(len(flat))
    for begin in range(0, len(flat), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        grid = (flat[part] - on.origin) / on.pitch
        square = np.zeros((len(grid), len(curve)))
        for axis in range(axes):
            square += np.square(grid[:, None, axis] - curve[:, axis])
        weight = np.exp((square.min(axis=1, keepdims=True) - square) / (2.0 * sigma**2))
        result[part] = weight @ places / weight.sum(axis=1)
    return result.reshape(values.shape[:-1])
