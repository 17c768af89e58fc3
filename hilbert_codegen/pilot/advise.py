r"""Which order and inset to train, before training them: expected errors from noise of the heads.

Each candidate is simulated (`noise.simulate`): curve points, moved by noise along and across the curve, decoded. That
includes branch jumps, which the closed form (noise along the curve * scale / L) leaves out.

- With a pilot: noise pairs (along, across) are drawn from the measured ones of the model of the same order, and the
  points are the float net's own, which lie a little off the curve; that is what a rounded corner costs. An order
  without a model borrows the noise (in codes) of the nearest order that has one; its points are the curve's, blurred
  by the float net's own error to truth: where that error is not small against a segment, the order can't be trained.
- Without: normal noise of the given standard deviation in codes on either axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import cell_inset, make_curve
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.networks import head_curve
from hilbert_codegen.pilot.noise import Expected, gaussian, posterior_mean, simulate
from hilbert_codegen.pilot.results import Evaluation, NetResult
from hilbert_codegen.training.loss import HeadCurve, difference

FloatArray = NDArray[np.float64]

#: Below this gain over 1D the second head is not worth a training.
WORTHWHILE = 1.3
#: Candidates with an expected RMSE within this factor of the best count as equal to it.
NEARLY = 1.1
#: A 1D head that loses less to quantization than this leaves nothing to gain.
NEGLIGIBLE = 0.02

SIGMAS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
GATES = (0.0, 0.05, 0.1, 0.15, 0.25, 0.35)
#: Points used to propose sigma and gate.
_ESTIMATOR_POINTS = 4000


@dataclass(frozen=True)
class Candidate:
    """One order and inset.

    Attributes:
        order, inset, length: of the curve.
        half_branch: half the distance between two branches, in codes.
        noise: standard deviation of the noise along the curve, in codes.
        source: where the noise comes from.
        expected: error of the decoded t, and the share of branch jumps.
        blur: the float net's error to truth, in cells along the curve.
        gain: expected RMSE of the 1D head over this one's; robust_gain the same for the robust SD.
    """

    order: int
    inset: float
    length: float
    half_branch: float
    noise: float
    source: str
    expected: Expected
    blur: float
    gain: float
    robust_gain: float


@dataclass(frozen=True)
class EstimatorTrial:
    """One setting of the mean estimator; errors in t, of the quantized net, on samples it was not chosen by."""

    sigma: float
    gate: float
    quantization: ErrorStats
    truth: ErrorStats


@dataclass(frozen=True)
class Advice:
    """What `advise` says.

    Attributes:
        candidates: best first.
        baseline: quantization error of the 1D head in t.
        baseline_source: where that comes from.
        verdict: lines that say what to do.
        warnings: what spoils the range of the codes.
        estimators: for each model measured: (name, nearest point, best mean), the first with sigma 0.
    """

    candidates: tuple[Candidate, ...]
    baseline: ErrorStats
    baseline_source: str
    verdict: tuple[str, ...]
    warnings: tuple[str, ...]
    estimators: tuple[tuple[str, EstimatorTrial, EstimatorTrial], ...] = ()


@dataclass(frozen=True)
class Source:
    """Noise to expect: pairs (along, across) in codes, shape (k, 2); grid points of a float net (or None); the standard
    deviation in t to which a net knows the truth.
    """

    label: str
    noise: FloatArray
    grid: FloatArray | None = None
    spread: float = 0.0


def expect(order: int, inset: Fraction | float, scale: float, source: Source, curve: str = "hilbert") -> Expected:
    """Expected error of `order` and `inset` on heads of range [0, 1] and `scale`, under the noise of `source`."""
    on = HeadCurve(make_curve(curve, order), inset)
    points = None if source.grid is None else on.origin + on.pitch * source.grid
    return simulate(on, scale, source.noise, points, source.spread)


def measured_source(model: NetResult) -> Source:
    """The noise that `evaluate` measured on `model`, with the float net's points."""
    trace, plan = model.trace, model.plan
    if trace.along is None or trace.across is None or trace.float_heads is None or plan is None:
        raise ValueError(f"{model.name} is no model with Hilbert heads")
    on = head_curve(plan)
    across = trace.across.reshape(-1, trace.across.shape[-1])
    pairs = np.concatenate([trace.along.reshape(-1, 1), across], axis=-1)
    grid = (trace.float_heads.reshape(-1, 2) - on.origin) / on.pitch
    return Source(f"measured on {model.name}", pairs, grid, model.subsets["all"].float_truth.robust_sd)


def _rank(
    sources: dict[int, Source], orders: Sequence[int], insets: Sequence[str | Fraction], scale: float,
    baseline: ErrorStats,
) -> tuple[Candidate, ...]:  # fmt: skip
    found = []
    for order in orders:
        nearest = min(sources, key=lambda known: (abs(known - order), known))
        source = sources[nearest]
        if nearest != order:
            source = replace(source, grid=None, label=f"borrowed: {source.label}" if nearest else source.label)
        margins = {cell_inset(order) if inset == "cell" else Fraction(inset) for inset in insets}
        for inset in sorted(margins):
            result = expect(order, inset, scale, source)
            pitch = (1 - 2 * float(inset)) / ((1 << order) - 1) / scale
            found.append(
                Candidate(
                    order, float(inset), result_length(order, inset), pitch / 2,
                    result.closed_form * result_length(order, inset) / scale, source.label, result,
                    source.spread * (4**order - 1),
                    _over(baseline.rmse, result.error.rmse), _over(baseline.robust_sd, result.error.robust_sd),
                )
            )  # fmt: skip
    return tuple(sorted(found, key=lambda candidate: candidate.expected.error.rmse))


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else math.nan


def result_length(order: int, inset: Fraction | float) -> float:
    """Length L of the Hilbert curve of `order` and `inset`."""
    return float(make_curve("hilbert", order).length(Fraction(inset)))


def advise_from_noise(
    noise_lsb: float, noise_1d_lsb: float, scale: float, orders: Sequence[int], insets: Sequence[str | Fraction],
    wanted: float | None = None, spread: float = 0.0,
) -> Advice:  # fmt: skip
    """Rank from normal noise of the heads, in codes, rounding included.

    Args:
        noise_lsb: standard deviation of either head's noise, > 0.
        noise_1d_lsb: of a 1D head of the same scale, > 0.
        scale: head units per code, the range being 1.
        orders: to compare, 1..6.
        insets: "cell" or numbers in [0, 0.5).
        wanted: RMSE in t that is asked for.
        spread: standard deviation, in t, of the float net's error to truth.
    """
    source = Source("given", gaussian(noise_lsb, noise_lsb, 100_000), None, spread)
    baseline = ErrorStats.of(gaussian(noise_1d_lsb, noise_1d_lsb, 100_000, seed=2)[:, 0] * scale)
    candidates = _rank({0: source}, orders, insets, scale, baseline)
    return Advice(
        candidates, baseline, f"normal noise of {noise_1d_lsb:g} codes", _say(candidates, baseline, wanted), ()
    )


def advise_from_pilot(
    evaluation: Evaluation, orders: Sequence[int], insets: Sequence[str | Fraction], wanted: float | None = None
) -> Advice:
    """Rank from what `evaluate` measured: noise pooled over seeds, the first baseline, the first model's scale."""
    by_order: dict[int, list[NetResult]] = {}
    for model in evaluation.models:
        if model.decoder is not None and model.decoder["curve"] == "hilbert":
            by_order.setdefault(int(model.decoder["order"]), []).append(model)
    if not by_order:
        raise UsageError(
            f"{evaluation.pilot.source}: model: no model has a Hilbert curve; advise ranks the orders of that curve"
        )
    sources = {}
    for order, models in by_order.items():
        parts = [measured_source(model) for model in models]
        grids = [part.grid for part in parts if part.grid is not None]
        label = f"measured on {models[0].name}" + (f", {len(models)} seeds" if len(models) > 1 else "")
        spread = float(np.mean([part.spread for part in parts]))
        sources[order] = Source(label, np.concatenate([part.noise for part in parts]), np.concatenate(grids), spread)
    first = next(model for models in by_order.values() for model in models)
    assert first.plan is not None
    low, high = (float(end) for end in first.plan.spec.heads.range)
    scale = float(first.plan.spec.heads.scale[0]) / (high - low)
    if evaluation.baselines:
        name = evaluation.baselines[0].name
        same = [b for b in evaluation.baselines if b.name == name]
        errors = np.concatenate(
            [
                difference(b.trace.quantized_t, b.trace.float_t, b.closed).reshape(-1)
                for b in same
                if b.trace.float_t is not None
            ]
        )
        baseline = ErrorStats.of(errors)
        label = f"measured on {name}"
        truth = float(np.mean([b.subsets["all"].float_truth.rmse for b in same]))
    else:
        noise = min(float(source.noise[:, 0].std()) for source in sources.values())
        baseline = ErrorStats.of(gaussian(noise, noise, 100_000, seed=2)[:, 0] * scale)
        label = f"no baseline: assumed, normal noise of {noise:.2f} codes"
        truth = math.nan
    candidates = _rank(sources, orders, insets, scale, baseline)
    verdict = list(_say(candidates, baseline, wanted))
    for answer in evaluation.verdict.answers if evaluation.verdict is not None else ():
        if answer.question == "learnt" and answer.passed is False:
            verdict.insert(0, f"{answer.model} has not learnt its task; mend that first. {answer.reasons[0]}")
    loss = math.hypot(1.0, baseline.rmse / truth) - 1.0 if truth > 0 else math.nan
    if loss < NEGLIGIBLE:
        verdict.append(
            f"Quantization adds only {100 * loss:.1f} % to the 1D head's error to truth: a second head can't gain more."
        )
    warnings = [f"{m.name}, seed {m.seed}: {line}" for m in evaluation.models for line in m.warnings]
    warnings += [f"{b.name}, seed {b.seed}: {line}" for b in evaluation.baselines for line in b.network.spoilers]
    estimators = tuple(propose_estimator(models[0]) for models in by_order.values())
    return Advice(candidates, baseline, label, tuple(verdict), tuple(warnings), estimators)


def _say(candidates: Sequence[Candidate], baseline: ErrorStats, wanted: float | None) -> tuple[str, ...]:
    # Of nearly equal candidates the lowest order: its branches are farther apart, and it is easier to train.
    level = [c for c in candidates if c.expected.error.rmse <= NEARLY * candidates[0].expected.error.rmse]
    best = min(level, key=lambda c: (c.order, c.expected.error.rmse))
    lines = []
    if best.gain < 1.0:
        lines.append("2D will not help: at this noise every order is worse than the 1D head. Lower the noise first.")
    elif best.gain < WORTHWHILE:
        lines.append(
            f"2D will hardly help: the best, order {best.order}, is expected to gain a factor of {best.gain:.2f} only."
        )
    else:
        lines.append(
            f"Train order {best.order} with inset {best.inset:.4g}: expected gain {best.gain:.1f} in RMSE, "
            f"{best.robust_gain:.1f} in robust SD, over the 1D head."
        )
    for order in sorted({c.order for c in candidates}):
        here = min((c for c in candidates if c.order == order), key=lambda c: c.expected.error.rmse)
        if here.expected.jumps > 0 and here.gain < 1.0:
            lines.append(
                f"Order {order} is past the cliff: {100 * here.expected.jumps:.2g} % of the points land on another "
                f"branch (noise {here.noise:.1f} codes, half a branch distance {here.half_branch:.1f}; the float net "
                f"knows t to {here.blur:.2f} cells)."
            )
    if wanted is not None:
        fitting = [c for c in candidates if c.expected.error.rmse <= wanted]
        if baseline.rmse <= wanted:
            lines.append("The 1D head meets the wanted error already.")
        elif fitting:
            least = min(fitting, key=lambda c: (c.order, c.expected.error.rmse))
            lines.append(f"The smallest order that meets the wanted error is {least.order} (inset {least.inset:.4g}).")
        else:
            lines.append("No order meets the wanted error at this noise.")
    return tuple(lines)


def propose_estimator(model: NetResult) -> tuple[str, EstimatorTrial, EstimatorTrial]:
    """Sigma and gate of the mean estimator for a measured model.

    They minimize the RMSE of the quantization error and of the error to truth, each relative to the nearest point's,
    over a grid (SIGMAS, GATES) on every other point; the figures returned are of the other half.
    """
    trace, plan = model.trace, model.plan
    assert plan is not None and trace.float_heads is not None and trace.quantized_heads is not None
    on = head_curve(plan)
    closed = plan.spec.curve.closed
    truth = trace.truth.reshape(-1)
    pick = np.linspace(0, len(truth) - 1, min(len(truth), _ESTIMATOR_POINTS)).astype(np.int64)
    truth = truth[pick]
    heads = [h.reshape(-1, 2)[pick] for h in (trace.float_heads, trace.quantized_heads)]
    nearest = [on.decode(h) for h in heads]
    halves = np.arange(len(truth)) % 2 == 0

    def trial(sigma: float, gate: float, means: list[FloatArray], part: NDArray[np.bool_]) -> EstimatorTrial:
        t = [
            np.where(off * on.curve.segments > gate, mean, near) if sigma else near
            for (near, off), mean in zip(nearest, means, strict=True)
        ]
        return EstimatorTrial(
            sigma, gate,
            ErrorStats.of(difference(t[1], t[0], closed)[part]), ErrorStats.of(difference(t[1], truth, closed)[part]),
        )  # fmt: skip

    plain = trial(0.0, 0.0, [n for n, _ in nearest], halves)
    best, means_of_best, least = (0.0, 0.0), [n for n, _ in nearest], 2.0
    for sigma in SIGMAS:
        means = [posterior_mean(on, h, sigma) for h in heads]
        for gate in GATES:
            found = trial(sigma, gate, means, halves)
            cost = found.quantization.rmse / plain.quantization.rmse + found.truth.rmse / plain.truth.rmse
            if cost < least:
                best, means_of_best, least = (sigma, gate), means, cost
    held_out = ~halves
    return (
        model.name,
        trial(0.0, 0.0, [n for n, _ in nearest], held_out),
        trial(*best, means_of_best, held_out),
    )
