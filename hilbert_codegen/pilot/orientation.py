"""Whether the heads would fit the truth far better under another orientation: swapped or mirrored heads, or a curve
that is not the one of training.

The square has eight orientations, and each is decoded. The n-cube has 2^n n!, up to 46,080 for six heads. All of them
are looked at too: how far the heads lie from the turned curve at the truth is a sum over the heads of figures that
depend only on which axis a head follows and whether backwards, so 2 n^2 figures tell the distance of every one. The
nearest are then decoded.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from hilbert_codegen.curves import AXES, ORIENTATIONS, make_curve
from hilbert_codegen.pilot.results import FloatArray
from hilbert_codegen.training.loss import HeadCurve, difference

#: An orientation must fit so many times better to be named. Nets that have learnt nothing differ by less.
SEVERAL = 3.0
#: Points that are compared, evenly taken from all.
_POINTS = 2000
#: Of more than two heads: orientations that are decoded, of those that lie nearest.
_DECODED = 4


def turned(on: HeadCurve, orientation: str) -> HeadCurve:
    """The same curve under another orientation."""
    curve = on.curve
    return dataclasses.replace(on, curve=make_curve(curve.name, curve.order, orientation, curve.dimensions))


def candidates(on: HeadCurve, heads: FloatArray, truth: FloatArray) -> list[str]:
    """The orientations to decode: all eight of a square, of a cube those nearest to the truth.

    Args:
        on: the curve, of any orientation.
        heads: real head values, (points, n).
        truth: t in [0, 1], (points,).
    """
    count = on.curve.dimensions
    if count == 2:
        return list(ORIENTATIONS)
    low, high = on.head_range
    targets = turned(on, "d2xy").targets(truth)
    # far[head, axis, mirrored]: mean square of what lies between a head and an axis of the curve.
    axes = np.stack([targets, low + high - targets], axis=-1)
    far = np.square(heads[:, :, None, None] - axes[:, None]).mean(axis=0)
    sums = sorted(
        (sum(far[head, axis].min() for head, axis in enumerate(axes_of)), axes_of)
        for axes_of in itertools.permutations(range(count))
    )
    return [
        ",".join(("-" if far[head, axis].argmin() else "") + AXES[axis] for head, axis in enumerate(axes_of))
        for _, axes_of in sums[:_DECODED]
    ]


def better_orientation(on: HeadCurve, heads: FloatArray, truth: FloatArray) -> str | None:
    """The line to warn with where another orientation than the curve's fits the truth SEVERAL times better.

    Args:
        on: the curve as configured.
        heads: real head values, (..., n).
        truth: t in [0, 1], (...).
    """
    flat = heads.reshape(-1, heads.shape[-1])
    chosen = np.unique(np.linspace(0, len(flat) - 1, min(_POINTS, len(flat))).astype(np.int64))
    points, t = flat[chosen], truth.reshape(-1)[chosen]
    curve = on.curve

    def misfit(orientation: str) -> float:
        decoded, _ = turned(on, orientation).decode(points)
        return float(np.abs(difference(decoded, t, curve.closed)).mean())

    mine = misfit(curve.orientation)
    fits = {name: misfit(name) for name in candidates(on, points, t) if name != curve.orientation}
    best = min(fits, key=lambda name: fits[name])
    if mine <= SEVERAL * fits[best]:
        return None
    times = mine / max(fits[best], 1e-9)
    return (
        f"{best} fits the truth {min(times, 9999):.0f} times better than the configured {curve.orientation}: are the "
        f"heads swapped or mirrored? Check model.outputs and curve.orientation"
    )
