r"""Target encoding and the paper's loss for Keras 3, on any of its backends (extra `train` brings TensorFlow).

    from hilbert_codegen.curves import make_curve
    from hilbert_codegen.keras import HilbertLoss, decode
    from hilbert_codegen.training.loss import HeadCurve

    on = HeadCurve(make_curve("hilbert", 3))
    model.compile("adam", loss=HilbertLoss(on))     # y_true is t, shape (..., 1) or (...); y_pred (..., heads)

The equation is in `hilbert_codegen.training.loss`; distances are in units of t, as there. Which segment is nearest has no
gradient; the projection on it has: 1 / L along the segment, none across, none where it is clipped to the ends.

Half-precision heads, as mixed precision gives them, are decoded in float32: a cell of order 6 has fewer than four bfloat16
values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hilbert_codegen.resources import require
from hilbert_codegen.training.loss import HeadCurve

require("train", "hilbert_codegen.keras", "keras")

import keras  # noqa: E402  # behind the message that names the extra
from keras import ops  # noqa: E402

Tensor = Any


def _precise(values: Tensor) -> Tensor:
    """`values` in float32 where they have fewer bits."""
    half = keras.backend.standardize_dtype(values.dtype) in ("float16", "bfloat16")
    return ops.cast(values, "float32") if half else values


def decode(heads: Tensor, on: HeadCurve) -> tuple[Tensor, Tensor]:
    """t of the nearest curve point and the squared distance r^2 to it in units of t, both of shape (...).

    `heads` is a tensor (..., heads) of real head values. Of equally near points the first along the curve is taken, where
    `HeadCurve.decode` looks into the heads' own cell first. On a closed curve t is below 1. Memory: M numbers (one for
    each segment) a point.
    """
    heads = _precise(heads)
    kind = heads.dtype
    start, step = (ops.convert_to_tensor(part, dtype=kind) for part in on.segments())
    grid = (heads - on.origin) / on.pitch
    offset = ops.expand_dims(grid, -2) - start
    along = ops.clip(ops.sum(offset * step, axis=-1), 0.0, 1.0)
    square = ops.sum(ops.square(offset - ops.expand_dims(along, -1) * step), axis=-1)
    nearest = ops.argmin(square, axis=-1, keepdims=True)
    index = ops.cast(ops.squeeze(nearest, -1), kind)
    count = float(on.curve.segments)
    t = (index + ops.squeeze(ops.take_along_axis(along, nearest, axis=-1), -1)) / count
    if on.curve.closed:  # the end is the start
        t = t - ops.floor(t)
    r2 = ops.squeeze(ops.take_along_axis(square, nearest, axis=-1), -1) / count**2
    return t, r2


def decode_mean(heads: Tensor, on: HeadCurve, sigma: float, gate: float, samples: int = 4) -> tuple[Tensor, Tensor]:
    """As `decode`, but farther than `gate` cells from the curve t is its posterior mean (estimator "mean").

    Gaussian head noise of `sigma` cells; the integrals along the curve by Gauss-Legendre quadrature with `samples`
    points a segment (4 are good to 1e-3 of a segment for sigma >= 0.4). Unlike the nearest point, the mean has a
    gradient across the curve: it draws a point between two branches to where the task loss wants it. Give it to
    `HilbertLoss` as decoder=functools.partial(decode_mean, sigma=0.5, gate=0.15), with reach=math.inf.

    Raises ValueError for a closed curve, on which t has no mean.
    """
    if on.curve.closed:
        raise ValueError("t wraps round on a closed curve: it has no mean")
    heads = _precise(heads)
    kind = heads.dtype
    nearest, r2 = decode(heads, on)
    legendre: Any = np.polynomial.legendre  # some releases of NumPy give it no types
    nodes, shares = legendre.leggauss(samples)
    start, step = on.segments()
    within = (nodes + 1) / 2
    place = (np.arange(len(start))[:, None] + within).reshape(-1)
    points = (start[:, None] + within[:, None] * step[:, None]).reshape(-1, on.curve.dimensions)
    grid = (heads - on.origin) / on.pitch
    square = sum(
        ops.square(grid[..., axis : axis + 1] - ops.convert_to_tensor(points[:, axis], dtype=kind))
        for axis in range(on.curve.dimensions)
    )
    least = ops.min(square, axis=-1, keepdims=True)  # common to all weights: keeps exp from underflowing
    weight = ops.exp((least - square) / (2 * sigma**2)) * ops.convert_to_tensor(np.tile(shares, len(start)), dtype=kind)
    t = ops.convert_to_tensor(place / on.curve.segments, dtype=kind)
    mean = ops.sum(weight * t, axis=-1) / ops.sum(weight, axis=-1)
    return ops.where(r2 > (gate / on.curve.segments) ** 2, mean, nearest), r2


def encode(t: Tensor, on: HeadCurve) -> Tensor:
    """The curve point c(t) as head values: a tensor (...) -> (..., heads); clipped to [0, 1], modulo 1 if closed."""
    t = _precise(t)
    start, step = (ops.convert_to_tensor(part, dtype=t.dtype) for part in on.segments())
    arc = (t - ops.floor(t) if on.curve.closed else ops.clip(t, 0.0, 1.0)) * on.curve.segments
    first = ops.minimum(ops.floor(arc), on.curve.segments - 1)
    index = ops.cast(first, "int32")
    part = ops.expand_dims(arc - first, -1)
    grid = ops.take(start, index, axis=0) + part * ops.take(step, index, axis=0)
    return on.origin + on.pitch * grid


def squared(decoded: Tensor, t: Tensor) -> Tensor:
    """The task loss (decoded - t)^2, elementwise."""
    return ops.square(decoded - t)


class HilbertLoss(keras.losses.Loss):  # type: ignore[misc]  # keras has no types
    """task(t + e, t) + alpha * (|h - c(t)|^2 + beta * r^2), reduced as any Keras loss.

    e is the decoded value's error, clipped at `reach` cells; on a closed curve it is taken the short way round.

    Args:
        on: the curve.
        alpha: weight of both distances, >= 0.
        beta: weight of the distance to the curve, >= 0.
        reach: largest error that the task's loss sees, in cells, > 0; math.inf does not clip.
        task: loss on the decoded value, elementwise: (decoded, t) -> loss.
        decoder: `decode`, or `decode_mean` with its settings bound: (heads, on) -> (t, r^2).
        **kwargs: of keras.losses.Loss (name, reduction, dtype).
    """

    def __init__(
        self,
        on: HeadCurve,
        alpha: float = 3.0,
        beta: float = 0.0,
        reach: float = 1.0,
        task: Callable[[Tensor, Tensor], Tensor] = squared,
        decoder: Callable[[Tensor, HeadCurve], tuple[Tensor, Tensor]] = decode,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.on, self.alpha, self.beta, self.reach = on, alpha, beta, reach
        self.task, self.decoder = task, decoder

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Loss of every point: y_true t of shape (...) or (..., 1), y_pred heads (..., heads); result (...)."""
        y_pred = _precise(y_pred)
        t = ops.squeeze(y_true, -1) if len(y_true.shape) == len(y_pred.shape) else y_true
        t = ops.cast(t, y_pred.dtype)
        decoded, r2 = self.decoder(y_pred, self.on)
        miss = ops.sum(ops.square((y_pred - encode(t, self.on)) / self.on.length), axis=-1)
        error = decoded - t
        if self.on.curve.closed:
            error = error - ops.floor(error + 0.5)
        bound = self.reach / self.on.curve.segments
        return self.task(t + ops.clip(error, -bound, bound), t) + self.alpha * (miss + self.beta * r2)
