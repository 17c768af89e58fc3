"""Whether the heads would fit the truth far better under another orientation: swapped or mirrored heads, or a curve
that is not the one of training."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from hilbert_codegen.curves import AXES, ORIENTATIONS, make_curve
from hilbert_codegen.pilot.results import FloatArray
from hilbert_codegen.training.loss import HeadCurve, difference

#: An orientation must fit so many times better to be named. Nets that have learnt nothing differ by less.
SEVERAL = 3.0
#: Points that are compared, evenly taken from all.
_POINTS = 2000


def orientations(dimensions: int) -> Iterator[str]:
    """All eight symmetries of the square; of cubes the exchanges of two heads and the mirrored single heads."""
    if dimensions == 2:
        yield from ORIENTATIONS
        return
    axes = list(AXES[:dimensions])
    for one, other in itertools.combinations(range(dimensions), 2):
        swapped = axes.copy()
        swapped[one], swapped[other] = axes[other], axes[one]
        yield ",".join(swapped)
    for one in range(dimensions):
        yield ",".join(f"-{name}" if place == one else name for place, name in enumerate(axes))


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
        turned = make_curve(curve.name, curve.order, orientation, curve.dimensions)
        decoded, _ = dataclasses.replace(on, curve=turned).decode(points)
        return float(np.abs(difference(decoded, t, curve.closed)).mean())

    mine = misfit(curve.orientation)
    fits = {name: misfit(name) for name in orientations(curve.dimensions) if name != curve.orientation}
    best = min(fits, key=lambda name: fits[name])
    if mine <= SEVERAL * fits[best]:
        return None
    times = mine / max(fits[best], 1e-9)
    return (
        f"{best} fits the truth {min(times, 9999):.0f} times better than the configured {curve.orientation}: are the "
        f"heads swapped or mirrored? Check model.outputs and curve.orientation"
    )
