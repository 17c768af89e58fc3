r"""The noise model: what noise of the heads does to the decoded value, in closed form and by simulation.

While no noise carries a point over half the distance between two branches, only its part along the curve counts:
a standard deviation of sigma codes along the curve is sigma * scale / L in t, against sigma_1 * scale_1 of a 1D head.
So the gain is L * (1D noise) / (noise along the curve), both in codes of equal scale. Past half the branch distance
the decoder lands on another branch, and the error is of the order of the whole range; that part is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.training.loss import HeadCurve, difference

FloatArray = NDArray[np.float64]

#: Places on the curve that `simulate` takes.
_PLACES = 30_000


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


def gaussian(along_lsb: float, across_lsb: float, count: int, seed: int = 0, heads: int = 2) -> FloatArray:
    """`count` draws (along, across...) of normal noise, in codes; shape (count, heads)."""
    drawn = np.random.default_rng(seed).standard_normal((count, heads))
    return np.asarray(drawn * np.array([along_lsb] + [across_lsb] * (heads - 1)))


@dataclass(frozen=True)
class Expected:
    """What to expect of one order and inset.

    Attributes:
        error: of the decoded t.
        jumps: share of points that land on another branch.
        closed_form: noise along the curve * scale / L, the standard deviation without jumps.
    """

    error: ErrorStats
    jumps: float
    closed_form: float


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


def simulate(
    on: HeadCurve, scale: float, noise: FloatArray, points: FloatArray | None = None, spread: float = 0.0, seed: int = 1
) -> Expected:
    """Decode noisy points and compare with the same points without noise.

    Args:
        on: curve, inset and range of the heads.
        scale: head units per code.
        noise: (along, across) in codes, shape (k, 2): draws, or measured pairs; drawn from with replacement.
        points: a float net's heads, shape (n, 2). Without them: the `blurred` curve at 30,000 places, and the error
            is that to the place itself, so that it contains what the blur spoils.
        spread: standard deviation to which a net knows t, for the blur.
        seed: of the generator.

    Noise measured on a quantized model contains its rounding, so nothing is rounded here.
    """
    generator = np.random.default_rng(seed)
    if points is None:
        start = (np.arange(_PLACES) + 0.5) / _PLACES
        points = blurred(on, start, spread) if spread else on.targets(start)
    else:
        start, _ = on.decode(points)
    drawn = noise[generator.integers(0, len(noise), len(points))]
    moved = scale * join(drawn[:, 0], drawn[:, 1:], frame(on, start))
    end, _ = on.decode(points + moved)
    error = difference(end, start, on.curve.closed)
    jumps = is_jump(on, error, moved)
    spread = float(np.sqrt(np.square(noise[:, 0]).mean()))
    return Expected(ErrorStats.of(error), float(jumps.mean()), spread * scale / on.length)


def is_jump(on: HeadCurve, error: FloatArray, moved: FloatArray) -> NDArray[np.bool_]:
    """Where the decoded place moved over a cell farther along the curve than the point did in the plane.

    `error` is in t, shape (...), `moved` in head units, shape (..., 2).
    """
    return np.asarray(np.abs(error) * on.curve.segments > np.linalg.norm(moved, axis=-1) / on.pitch + 1.0)


#: Places on the curve per cell and points at a time, in `posterior_mean`.
_PER_CELL = 48
_CHUNK = 512


def posterior_mean(on: HeadCurve, heads: ArrayLike, sigma: float) -> FloatArray:
    """Mean of t along the curve with weight exp(-distance^2 / (2 sigma^2)), sigma in cells, at least 0.05.

    `heads` are real head values (..., 2); the result is float64 (...). The sum runs over 48 places a cell, exact to
    0.005 cells at sigma 0.1. Raises ValueError for a closed curve, where t has no mean.
    """
    if on.curve.closed:
        raise ValueError("t wraps round on a closed curve: it has no mean")
    values = np.asarray(heads, dtype=np.float64)
    flat = values.reshape(-1, 2)
    count = on.curve.segments
    inside = (np.arange(_PER_CELL) + 0.5) / _PER_CELL
    starts, steps = on.segments()
    curve = (starts[:, None, :] + inside[None, :, None] * steps[:, None, :]).reshape(-1, 2)
    places = (np.arange(count * _PER_CELL) + 0.5) / (count * _PER_CELL)
    result = np.empty(len(flat))
    for begin in range(0, len(flat), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        grid = (flat[part] - on.origin) / on.pitch
        square = np.square(grid[:, None, 0] - curve[:, 0]) + np.square(grid[:, None, 1] - curve[:, 1])
        weight = np.exp((square.min(axis=1, keepdims=True) - square) / (2.0 * sigma**2))
        result[part] = weight @ places / weight.sum(axis=1)
    return result.reshape(values.shape[:-1])
