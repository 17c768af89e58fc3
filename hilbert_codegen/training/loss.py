r"""The training loss in NumPy: the definition that the Keras and Torch versions are held to.

With heads h = (x, y, ...), the curve point c(t) and its inverse by the nearest point, t(h), the loss of one sample is

    loss = task(t + e, t) + alpha * (|h - c(t)|^2 + beta * r^2)
    e = clip(t(h) - t, -reach / M, reach / M),      r = |h - c(t(h))|

(Uss et al., ICML 2025, arXiv 2405.14024, section 3.3, where the error e is not clipped.)

- `task` is the loss of the task on the decoded value. Its gradient runs along the curve only. On a wrong branch that is
  the wrong way: it would push the point along the branch where it is, harder than the second term pulls it to the right
  one. So the error is clipped at `reach` cells (a cell is 1 / M of t, M the number of segments), past which the task's
  loss has no gradient. reach = inf is the loss as published.
- |h - c(t)|^2 pulls h to the right branch: without it h may settle on any branch it was born near. On the right one it
  pulls along the curve and across it alike; the task's loss adds to the pull along. The larger `alpha`, the less the
  task's loss outweighs what is across, where a point goes astray.
- r^2 pulls h to the nearest part of the curve. On a wrong branch that is away from the target, so `beta` is 0 unless given.
- On a closed curve t(h) - t is taken the short way round.

All distances here are in units of t along the curve (head units divided by the curve's length L), so the three
terms share one scale and `alpha` keeps its meaning when the order changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbert_codegen.curves import Curve, cell_inset
from hilbert_codegen.training.codec import check_frame, encode
from hilbert_codegen.training.projection import project

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class HeadCurve:
    """A curve as the heads see it.

    Attributes:
        curve: from `make_curve`.
        inset: margin k in [0, 0.5); None is the cell-centred 2^-(order+1).
        head_range: the head values that span the unit square, of every head.

    Raises ValueError for another inset, and a head_range whose low end is not below its high end.
    """

    curve: Curve
    inset: Fraction | float | None = None
    head_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse an inset or a range that places no curve."""
        check_frame(self.inset, self.head_range)

    @property
    def margin(self) -> float:
        """The inset as a number."""
        return float(cell_inset(self.curve.order) if self.inset is None else self.inset)

    @property
    def pitch(self) -> float:
        """Head units per cell of the grid."""
        low, high = self.head_range
        return (1.0 - 2.0 * self.margin) * (high - low) / (self.curve.side - 1)

    @property
    def length(self) -> float:
        """Head units per unit of t: the length L of the curve, times high - low of the range."""
        return self.curve.segments * self.pitch

    @property
    def origin(self) -> float:
        """Head value of grid coordinate 0."""
        low, high = self.head_range
        return low + self.margin * (high - low)

    def segments(self) -> tuple[FloatArray, FloatArray]:
        """Start and unit step of every segment, both (M, heads), in cells."""
        points = self.curve.vertices.astype(np.float64)
        following = np.roll(points, -1, axis=0)
        count = self.curve.segments
        return points[:count], (following - points)[:count]

    def targets(self, t: ArrayLike) -> FloatArray:
        """Head values c(t) of t (any shape, in [0, 1]); float64, shape t.shape + (heads,)."""
        return np.stack(encode(t, self.curve, self.inset, self.head_range), axis=-1)

    def decode(self, heads: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """t of the nearest curve point, and its distance r in units of t.

        `heads` are real head values of shape (..., heads); both results are float64 of shape (...). Of equally near
        points that on the half segment of the heads' own cell is taken, then the first along the curve. Keras and Torch
        take the first along the curve. On a closed curve t is below 1.
        """
        values = np.asarray(heads, dtype=np.float64)
        heads_last = values.reshape(-1, self.curve.dimensions)
        arc, best = project(self.curve, (heads_last - self.origin) / self.pitch)
        shape = values.shape[:-1]
        count = self.curve.segments
        return (arc / count).reshape(shape), (np.sqrt(best) / count).reshape(shape)


def squared(decoded: FloatArray, t: FloatArray) -> FloatArray:
    """The task loss (decoded - t)^2, elementwise."""
    return np.asarray(np.square(decoded - t))


def difference(a: FloatArray, b: FloatArray, closed: bool) -> FloatArray:
    """a - b in t; on a closed curve the short way round."""
    return np.asarray((a - b + 0.5) % 1.0 - 0.5) if closed else a - b


def hilbert_loss(
    heads: ArrayLike,
    t: ArrayLike,
    on: HeadCurve,
    *,
    alpha: float = 3.0,
    beta: float = 0.0,
    reach: float = 1.0,
    task: Callable[[FloatArray, FloatArray], FloatArray] = squared,
) -> FloatArray:
    """The loss of the module's equation, for every sample.

    Args:
        heads: real head values, shape (..., heads).
        t: the true values in [0, 1], shape (...) or (..., 1).
        on: the curve.
        alpha: weight of both distances, >= 0.
        beta: weight of the distance to the curve against that to the target point, >= 0.
        reach: largest error that the task's loss sees, in cells, > 0; math.inf does not clip.
        task: loss on the decoded value, elementwise: (decoded, t) -> loss.

    Returns float64 of shape (...). Raises ValueError where t has another shape.
    """
    values, truth = np.asarray(heads, dtype=np.float64), np.asarray(t, dtype=np.float64)
    if truth.shape == (*values.shape[:-1], 1):
        truth = truth[..., 0]
    if truth.shape != values.shape[:-1]:
        raise ValueError(
            f"t has shape {truth.shape} for heads {values.shape}: give one for every point, {values.shape[:-1]}"
        )
    decoded, off = on.decode(values)
    miss = np.square((values - on.targets(truth)) / on.length).sum(axis=-1)
    bound = reach / on.curve.segments
    seen = truth + np.clip(difference(decoded, truth, on.curve.closed), -bound, bound)
    return np.asarray(task(seen, truth) + alpha * (miss + beta * np.square(off)))
