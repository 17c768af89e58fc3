r"""What to expect of an order that has not been trained, from a net that has: one with a single head, or of another order.

What is known of the trained net is, for each point, its truth, the float net's error to it (residual) and the noise
that quantization adds to a head. With Hilbert heads on a curve that is `grow` times as long,

- the residual, in t, changes by what `probe` found on the inputs; where there was nothing to probe, it is KNOWLEDGE times
  that of a single head, and that of other Hilbert heads: what was measured over the study's tasks;
- the head's noise, beyond what rounding alone makes, rises by grow^RISE, for the function it computes is steeper;
- a float net that knows t to a spread answers with the mean of the curve over that spread (`blurred`). The spread of a
  point is taken to be the size of its residual: it is what leaves the curve at corners, and loses it where it is not
  small against a cell.

Points made so are moved by noise along and across the curve and decoded; branch jumps come out of that by themselves.
The constants and the spread of the forecasts about what was then measured come from examples/study (figures.json).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.networks import head_curve
from hilbert_codegen.pilot.noise import blurred, frame, is_jump, join
from hilbert_codegen.pilot.probe import KNOWLEDGE, easier
from hilbert_codegen.pilot.results import NetResult
from hilbert_codegen.training.loss import HeadCurve, difference

FloatArray = NDArray[np.float64]

RISE = 0.3
#: Points that a forecast simulates, at most.
_POINTS = 12_000


@dataclass(frozen=True)
class Known:
    """What one trained net tells.

    Attributes:
        label: for people.
        order: of its curve; 0 for a single head.
        length: L of its curve in ranges of a head; 1 for a single head.
        truth: t, (n,).
        residual: the float net's error to the truth in t, (n,).
        noise: what quantization does to a head, as a fraction of the head's range, (n,); along the curve where there is
            one.
        scale: one code as a fraction of the head's range.
        closed: whether t wraps round.
        heads: number of Hilbert heads, where order is not 0.
    """

    label: str
    order: int
    length: float
    truth: FloatArray
    residual: FloatArray
    noise: FloatArray
    scale: float
    closed: bool = False
    heads: int = 2


@dataclass(frozen=True)
class Forecast:
    """Errors in t to expect, the share of branch jumps, and what decides whether the order can be trained.

    Attributes:
        quantization, float_truth, truth: errors of INT8 to float, float to truth, INT8 to truth.
        jumps: share of points that quantization carries to another branch.
        blur: the float net's root mean square error to truth, in cells.
        noise: standard deviation of a head's noise, in codes.
    """

    quantization: ErrorStats
    float_truth: ErrorStats
    truth: ErrorStats
    jumps: float
    blur: float
    noise: float


def known_of(result: NetResult) -> Known | None:
    """What `result` tells; None without its float net."""
    trace = result.trace
    if trace.float_t is None:
        return None
    truth = trace.truth.reshape(-1)
    residual = difference(trace.float_t, trace.truth, result.closed).reshape(-1)
    if result.plan is None:
        stats = result.subsets["all"].quantization
        scale = stats.rmse / result.noise_lsb if result.noise_lsb > 0 else 1 / 256
        # Cosine and sine walk a circle in heads of range 2, so their curve is pi ranges long.
        length = math.pi if result.kind == "cos_sin" else 1.0
        noise = length * difference(trace.quantized_t, trace.float_t, result.closed).reshape(-1)
        return Known(result.name, 0, length, truth, residual, noise, scale, result.closed)
    assert trace.along is not None
    spec = result.plan.spec
    low, high = (float(end) for end in spec.heads.range)
    scales = [float(spec.heads.share(axis)) for axis in range(spec.dimensions)]
    scale = math.prod(scales) ** (1 / len(scales))
    length = head_curve(result.plan).length / (high - low)
    return Known(
        result.name, spec.curve.order, length, truth, residual, scale * trace.along.reshape(-1), scale, result.closed,
        spec.dimensions,
    )  # fmt: skip


def residual_factor(
    order: int, known: Known, ease: Mapping[int, float], known_ease: Mapping[int, float] | None = None
) -> float:
    """What becomes of the float net's error between the known net and one of `order`; `ease` is `probe`'s, or empty.

    `known_ease` is that of the known net's number of heads, where it is another.
    """
    of_known = ease if known_ease is None else known_ease
    if order in ease and known.order in {0, *of_known}:
        return easier(ease[order]) / (
            easier(of_known[known.order]) if known.order else KNOWLEDGE if known.length > 1 else 1.0
        )
    return 1.0 if known.length > 1 else KNOWLEDGE


def forecast(
    on: HeadCurve, scale: float, known: Known, ease: Mapping[int, float] | None = None, seed: int = 1,
    known_ease: Mapping[int, float] | None = None,
) -> Forecast:  # fmt: skip
    """What to expect of heads of range [0, 1] and `scale` on the curve `on`, after what is `known` and probed.

    `ease` is `probe`'s of as many heads as `on` has, `known_ease` of as many as the known net has, where that is another.
    """
    generator = np.random.default_rng(seed)
    pick = generator.permutation(len(known.truth))[:_POINTS]
    truth = known.truth[pick]
    grow = on.length / known.length
    residual = known.residual[pick] * residual_factor(on.curve.order, known, ease or {}, known_ease)
    noise = _raised(known, grow, scale)
    place = truth + residual
    place = place % 1.0 if known.closed else np.clip(place, 0.0, 1.0)
    points = blurred(on, place, np.abs(residual))
    start, _ = on.decode(points)
    drawn = noise[generator.integers(0, len(noise), points.shape)]
    moved = join(drawn[..., 0], drawn[..., 1:], frame(on, start))
    end, _ = on.decode(points + moved)
    error = difference(end, start, known.closed)
    return Forecast(
        ErrorStats.of(error),
        ErrorStats.of(difference(start, truth, known.closed)),
        ErrorStats.of(difference(end, truth, known.closed)),
        float(is_jump(on, error, moved).mean()),
        float(np.sqrt(np.square(residual).mean())) * on.curve.segments,
        float(noise.std()) / scale,
    )


def _raised(known: Known, grow: float, scale: float) -> FloatArray:
    """The noise of a head on a curve `grow` times as long, with codes of `scale`: trunk and rounding apart."""
    total = float(np.square(known.noise).mean())
    trunk = max(total - known.scale**2 / 12, 0.0)
    wanted = trunk * grow ** (2 * RISE) + scale**2 / 12
    if total == 0:
        return np.asarray(np.random.default_rng(0).uniform(-scale / 2, scale / 2, len(known.noise)))
    return known.noise * math.sqrt(wanted / total)
