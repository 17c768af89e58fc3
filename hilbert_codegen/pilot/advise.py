r"""What each curve would leave as error to truth: measured, forecast, or ruled out; the choice among them is `choice`'s.

What has been measured is said as measured. An order that has not been trained is forecast (`forecast`) from the nearest
order that has, or from the 1D net alone. Two criteria are asked before:

- blur: the float net's error to truth in cells of that curve. Above BLUR such a net answers with a mean of several
  branches somewhere, and no figure can be given for it, though it may be learnt, and pay; above FAR it is ruled out.
- four standard deviations: half the distance between branches is to be 4 standard deviations of a head's noise, or the
  curve is ruled out.

Of what is left that with the fewest heads, and of those the lowest order, is advised whose error to truth is within NEARLY of the
best: a further head costs a channel, flash and instructions (`further_heads`), and at a lower order branches are farther apart
and it is easier to train. Where that does not beat the best 1D net by more than WORTHWHILE, no order will help;
but where a forecast alone says so, and by less than DOUBT, it can't be known, and the order to measure is named instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from hilbert_codegen.curves import ORDERS_OF, cell_inset, make_curve
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.choice import BLUR, FAR, RIVAL, Candidate, choose
from hilbert_codegen.pilot.estimator import EstimatorTrial, propose_estimator
from hilbert_codegen.pilot.forecast import Known, forecast, known_of
from hilbert_codegen.pilot.intervals import FEWEST
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.probe import probe
from hilbert_codegen.pilot.results import Answer, Evaluation, NetResult
from hilbert_codegen.training.loss import HeadCurve

#: Kinds of baselines whose quantization noise is that of 8-bit outputs.
_EIGHT_BITS = ("int8", "l1", "cos_sin")
#: Metrics that `score` takes the mean of.
_SCORED = ("mae", "rmse")
#: How the refusal of a net begins that has not learnt its task.
NOT_LEARNT = "not learnt"
#: How the refusal of an order ends where a lower one has been tried in vain.
_TRIED = ": it was tried, and its float net has not learnt the task"
#: Half the distance between branches is to hold so many standard deviations of a head's noise.
DEVIATIONS = 4.0
#: Standard deviation of rounding to codes, in codes: that of a uniform error.
ROUNDING = 12**-0.5
#: An order whose ease (`probe`) is below this usually paid in the study, above it usually not.
EASY = 1.2
#: With fewer samples than this the standard error of a root mean square error is more than 5 % of it, 1 / sqrt(2 n).
FEW = 200
#: A truth that spans less than this share of the range is constant.
CONSTANT = 1e-6
#: Factors that all figures of the study, measured after a forecast, lay within: by figure, and by whether the forecast
#: was made from the 1D net alone or from another order. Taken so from all tasks but one, they hold 93 % and more of the
#: one left out (examples/study).
SPREAD: Mapping[str, tuple[float, float]] = {
    "truth": (2.1, 2.1),
    "quantization rmse": (2.1, 2.35),
    "quantization robust_sd": (2.1, 2.1),
}


#: Number of heads, three and more -> what `probe` found for them, by order.
Eases = Mapping[int, Mapping[int, float]]


@dataclass(frozen=True)
class Advice:
    """What `advise` says.

    Attributes:
        candidates: by number of heads and order.
        best: the one to train, None where none will help or that can't be known.
        measure: orders (of more than two heads: their names) to train and evaluate before more can be said, `best` among
            them where it is a forecast and of higher orders nothing is known; where `best` is None and this is not empty,
            it is not known whether one helps.
        baseline: (quantization error, error to truth) of the best 1D net in t.
        baseline_source: which that is.
        channels: how many output channels that has.
        ease: what `probe` found on the inputs, by order; empty where there was nothing to probe.
        verdict: lines that say what to do.
        warnings: what spoils the range of the codes.
        estimators: for each Hilbert model measured that has learnt its task: (name, nearest point, best mean), the first with sigma 0.
    """

    candidates: tuple[Candidate, ...]
    best: Candidate | None
    baseline: tuple[ErrorStats, ErrorStats]
    baseline_source: str
    ease: Mapping[int, float]
    verdict: tuple[str, ...]
    warnings: tuple[str, ...]
    estimators: tuple[tuple[str, EstimatorTrial, EstimatorTrial], ...] = ()
    measure: tuple[int | str, ...] = ()
    channels: int = 1

    def record(self) -> dict[str, Any]:
        """As JSON-able values but for NaN."""

        def trial(one: EstimatorTrial) -> dict[str, Any]:
            return {
                "sigma": one.sigma,
                "gate": one.gate,
                "quantization": one.quantization.record(),
                "truth": one.truth.record(),
            }

        return {
            "candidates": [c.record() for c in self.candidates],
            "best": None if self.best is None else self.best.record(),
            "measure": list(self.measure),
            "baseline": {"source": self.baseline_source, "channels": self.channels, "quantization": self.baseline[0].record(),
                         "truth": self.baseline[1].record()},
            "ease": {str(order): value for order, value in self.ease.items()},
            "verdict": list(self.verdict),
            "warnings": list(self.warnings),
            "estimators": [{"model": n, "nearest": trial(a), "mean": trial(b)} for n, a, b in self.estimators],
        }  # fmt: skip


def score(truth: ErrorStats, baseline: ErrorStats) -> float:
    """Mean of the ratios of MAE and RMSE to truth over the baseline's; NaN where that has no error."""
    if not (baseline.mae > 0 and baseline.rmse > 0):
        return math.nan
    return (truth.mae / baseline.mae + truth.rmse / baseline.rmse) / 2


def _at_stake(float_truth: ErrorStats, truth: ErrorStats) -> float:
    """Share of the error to truth that quantization makes, as a score; infinite where it can't be said."""
    share = 1 - score(float_truth, truth)
    return share if math.isfinite(share) else math.inf


def _candidate(
    curve: str, order: int, inset: Fraction, scale: float, known: Known, baseline: ErrorStats, ease: Mapping[int, float],
    heads: int = 2, eases: Eases | None = None,
) -> Candidate:  # fmt: skip
    """The forecast for an order that was not measured."""
    on = HeadCurve(make_curve(curve, order, dimensions=heads), inset)
    own = (eases or {}).get(heads, {}) if heads != 2 else ease
    other = (eases or {}).get(known.heads, {}) if known.heads != 2 else ease
    said = forecast(on, scale, known, own, known_ease=other)
    half = on.pitch / scale / 2
    blurred = said.blur > BLUR
    refusal = (
        f"blur: the float net knows t to {said.blur:.2g} cells only, {FAR:g} is the most"
        if said.blur > FAR
        else _too_noisy(half, said.noise)
    )
    unsure = "blur" if blurred and not refusal else ""
    nothing = ErrorStats.of(None)
    which = 0 if known.order == 0 else 1
    return Candidate(
        curve, order, float(inset), on.length, half, said.noise, said.blur, f"forecast from {known.label}", False,
        nothing if blurred else said.quantization, nothing if blurred else said.truth,
        math.nan if blurred else said.jumps, math.nan if blurred else score(said.truth, baseline),
        {name: factors[which] for name, factors in SPREAD.items()}, refusal, heads, unsure,
    )  # fmt: skip


def _too_noisy(half: float, noise: float) -> str:
    """Why branches are too near for the noise of a head, both in codes; "" where they are not."""
    if half >= DEVIATIONS * noise or math.isnan(noise):
        return ""
    return f"noise: half a branch distance, {half:.3g} codes, is less than {DEVIATIONS:g} standard deviations of {noise:.2g} codes"


def _interval(models: Sequence[NetResult], rival: str) -> tuple[float, float]:
    """Ends of the interval of a measured score: the mean over MAE and RMSE, and over seeds, of those that `evaluate` gives."""
    changes = [
        c for m in models for c in m.changes if (c.baseline, c.kind) == (rival, "quantized") and c.metric in _SCORED
    ]
    if not changes:
        return math.nan, math.nan
    return 1 + float(np.mean([c.low for c in changes])), 1 + float(np.mean([c.high for c in changes]))


def _measured(
    name: str, models: Sequence[NetResult], baseline: ErrorStats, learnt: Answer | None, rival: str = ""
) -> Candidate:
    """A model that was run: its seeds together; `learnt` is the verdict on it, `rival` the baseline it is compared with."""
    plan = models[0].plan
    assert plan is not None
    known = [k for k in map(known_of, models) if k is not None]
    residual = np.concatenate([k.residual for k in known]) if known else np.array([math.nan])
    # Of the head whose noise is largest against its cells: scales may differ.
    halves = [float(plan.spec.pitch(axis)) / 2 for axis in range(plan.spec.dimensions)]
    noises = [max(of_head) for of_head in zip(*(m.noise.sd for m in models if m.noise is not None), strict=True)]
    half, noise = min(
        zip(halves, noises or [math.nan] * len(halves), strict=True),
        key=lambda pair: pair[0] / pair[1] if pair[1] > 0 else math.inf,
    )
    passed = None if learnt is None else learnt.passed
    unfit = f"{NOT_LEARNT}: {learnt.reasons[0]}" if learnt is not None and passed is False else ""
    refusal = unfit or _too_noisy(half, noise)
    parts = [m.subsets["all"] for m in models]
    truth = pooled([p.quantized_truth for p in parts])
    jumps = [m.jumps / m.trace.truth.size for m in models if m.jumps is not None]
    seeds = f", {len(models)} seeds" if len(models) > 1 else ""
    return Candidate(
        plan.spec.curve.name, plan.spec.curve.order, float(plan.spec.inset), float(plan.spec.curve.length(plan.spec.inset)),
        half, noise, float(np.sqrt(np.square(residual).mean())) * plan.spec.curve.segments, f"measured on {name}{seeds}",
        True, pooled([p.quantization for p in parts]), truth, float(np.mean(jumps)) if jumps else math.nan,
        score(truth, baseline), dict.fromkeys(SPREAD, 1.0), refusal, plan.spec.dimensions, "", passed,
        _interval(models, rival), plan,
    )  # fmt: skip


def pooled(stats: Sequence[ErrorStats]) -> ErrorStats:
    """The mean over seeds of every figure."""
    names = stats[0].figures
    return ErrorStats(
        sum(s.count for s in stats), float(np.mean([s.bias for s in stats])),
        {name: float(np.mean([s.figures[name] for s in stats])) for name in names},
    )  # fmt: skip


def advise_from_noise(
    noise_lsb: float, noise_1d_lsb: float, scale: float, orders: Sequence[int], insets: Sequence[str | Fraction],
    wanted: float | None = None, spread: float = 0.0, heads: Sequence[int] = (2,),
) -> Advice:  # fmt: skip
    """Advice from figures alone: normal noise and normal errors.

    Args:
        noise_lsb: standard deviation of a Hilbert head's noise, rounding included, in codes, > 0; ROUNDING where it is less.
        noise_1d_lsb: of a 1D head of the same scale, likewise.
        scale: head units per code, the range being 1.
        orders: to compare, 1..6.
        insets: "cell" or numbers in [0, 0.5).
        wanted: RMSE of the quantization error in t that is asked for.
        spread: standard deviation, in t, of the float net's error to truth; 0 says that the float net is exact.
        heads: numbers of heads to compare, 2..6, each with those of `orders` that exist for it.
    """
    low = min(noise_lsb, noise_1d_lsb) < ROUNDING
    noise_lsb, noise_1d_lsb = max(noise_lsb, ROUNDING), max(noise_1d_lsb, ROUNDING)
    rng = np.random.default_rng(2)
    count = 30_000
    truth = (np.arange(count) + 0.5) / count
    residual = spread * rng.standard_normal(count)
    one = noise_1d_lsb * scale * rng.standard_normal(count)
    baseline = (ErrorStats.of(one), ErrorStats.of(residual + one))
    found = []
    for count_of_heads, order in _shapes(heads, orders):
        for inset in _insets(insets, order):
            on = HeadCurve(make_curve("hilbert", order, dimensions=count_of_heads), inset)
            # The noise given is that of the order itself, so nothing is to be scaled for the length.
            noise = noise_lsb * scale * rng.standard_normal(count)
            known = Known("the noise given", order, on.length, truth, residual, noise, scale, heads=count_of_heads)
            found.append(_candidate("hilbert", order, inset, scale, known, baseline[1], {}, count_of_heads))
    choice = choose(found, at_stake=_at_stake(ErrorStats.of(residual), baseline[1]))
    lines = list(choice.lines)
    if low:
        lines.append(f"Noise below {ROUNDING:.2f} codes is taken to be as large: that much rounding alone makes.")
    if spread == 0:
        lines.append("This takes the float net to be exact: give its error with --truth-error, or a pilot.")
    lines += _wanted(found, baseline[0], wanted, RIVAL)
    return Advice(
        tuple(found), choice.best, baseline, f"normal noise of {noise_1d_lsb:g} codes", {}, tuple(lines), (),
        measure=choice.measure,
    )  # fmt: skip


def _shapes(heads: Sequence[int], orders: Sequence[int]) -> list[tuple[int, int]]:
    """(heads, order) of all that exist."""
    return [(n, order) for n in sorted(set(heads)) for order in sorted(set(orders)) if order in ORDERS_OF[n]]


def _insets(insets: Sequence[str | Fraction], order: int) -> list[Fraction]:
    return sorted({cell_inset(order) if inset == "cell" else Fraction(inset) for inset in insets})


def advise_from_pilot(
    evaluation: Evaluation, orders: Sequence[int], insets: Sequence[str | Fraction], wanted: float | None = None,
    baseline_only: bool = False, heads: Sequence[int] = (2,),
) -> Advice:  # fmt: skip
    """Advice from what `evaluate` measured, or from the 1D nets alone.

    Every model keeps its own scale, zero point and inset. Models of one name are seeds of one net, models of different
    names are different nets. The order of the tables does not matter.

    Raises UsageError where neither a float 1D net nor a float net with Hilbert heads is there, and where the truth is
    constant.
    """
    _refuse_constant(evaluation)
    groups: dict[str, list[NetResult]] = {}
    for model in () if baseline_only else evaluation.models:
        groups.setdefault(model.name, []).append(model)
    rivals: dict[str, list[NetResult]] = {}
    for result in evaluation.baselines:
        if result.rival:
            rivals.setdefault(result.name, []).append(result)
    learnt = {
        name: results
        for name, results in groups.items()
        if evaluation.verdict is None or (a := evaluation.verdict.of("learnt", name)) is None or a.passed is not False
    }
    # A net that has not learnt its task tells nothing of another order, unless there is nothing else.
    known = _sources(learnt, rivals) or _sources(groups, rivals)
    if not known:
        raise UsageError(
            f"{evaluation.pilot.source}: no float net to learn from; name one in baseline.float or model.float"
        )
    name, baseline = _best_baseline(rivals, known)
    found = []
    for group in sorted(groups):
        answer = evaluation.verdict.of("learnt", group) if evaluation.verdict is not None else None
        found.append(_measured(group, groups[group], baseline[1], answer, name))
    curve = "moore" if any(k.closed for k in known) else "hilbert"
    ease = probe(evaluation.inputs, evaluation.truth, curve, range(1, 5)) if evaluation.inputs is not None else {}
    numbers = {*heads, *(k.heads for k in known if k.order)} - {2}
    eases = {
        n: probe(evaluation.inputs, evaluation.truth, curve, ORDERS_OF[n], n)
        for n in sorted(numbers)
        if evaluation.inputs is not None
    }
    found = forecasts(known, found, orders, insets, baseline[1], curve, ease, heads, eases)
    rival, channels = _rival(rivals, name)
    floats = [r.subsets["all"].float_truth for r in rivals.get(name, ()) if r.has_float]
    choice = choose(found, rival, _at_stake(pooled(floats), baseline[1]) if floats else math.inf)
    lines = [*choice.lines[:1], *_few(evaluation), *choice.lines[1:]]
    for candidate in found:
        if candidate.refusal.startswith(NOT_LEARNT):
            name_of = candidate.source.removeprefix("measured on ")
            lines.append(f"{name_of} has not learnt its task{candidate.refusal.removeprefix(NOT_LEARNT)}")
    lines += [*_indicated(ease), *_wanted(found, baseline[0], wanted, rival)]
    used = [*(() if baseline_only else evaluation.models), *evaluation.baselines]
    warnings = [f"{r.name}, seed {r.seed}: {line}" for r in used for line in r.warnings or r.network.spoilers]
    estimators = tuple(
        propose_estimator(learnt[group][0])
        for group in sorted(learnt)
        if learnt[group][0].has_float and not learnt[group][0].closed and _two_heads(learnt[group][0])
    )
    return Advice(
        tuple(found),
        choice.best,
        baseline,
        name,
        ease,
        tuple(lines),
        tuple(warnings),
        estimators,
        choice.measure,
        channels,
    )


def _refuse_constant(evaluation: Evaluation) -> None:
    """Raise UsageError where the truth is the same everywhere."""
    truth = evaluation.truth
    if truth.size and float(np.ptp(truth)) < CONSTANT:
        low, high = evaluation.pilot.config.task.values
        value = low + float(truth.reshape(-1)[0]) * (high - low)
        raise UsageError(
            f"{evaluation.pilot.source}: data.truth: it is {value:.6g} in all samples ({evaluation.samples}), and a constant "
            f"tells nothing of a curve; give samples from the whole range"
        )


def _few(evaluation: Evaluation) -> list[str]:
    """What is to be said of figures from few samples."""
    count = evaluation.samples
    if evaluation.points == count and count < FEW:
        return [
            f"There are {count} samples only: an error figure of so few has a standard error of some "
            f"{100 / math.sqrt(2 * count):.0f} %, and the forecasts' intervals do not hold that. {FEW} and more bring it to 5 %."
        ]
    if count < FEWEST:
        return [
            f"There are {count} samples only: too few for an interval of what was measured, {FEWEST} are the least."
        ]
    return []


def _rival(rivals: Mapping[str, list[NetResult]], name: str) -> tuple[str, int]:
    """What the best baseline is called in sentences, and its output channels."""
    if name not in rivals:
        return "a 1D INT8 net that is assumed", 1
    kind = KINDS[rivals[name][0].kind]
    return (RIVAL if kind.name in ("int8", "l1") else f"{name}, the best net without Hilbert heads"), kind.outputs


def _two_heads(model: NetResult) -> bool:
    """The estimator "mean" exists for two heads."""
    return model.plan is not None and model.plan.spec.dimensions == 2


def scale_of(known: Known) -> float:
    """The scale to expect of Hilbert heads: that of the ones measured, else 1/256."""
    return known.scale if known.order else 1 / 256


def _nearest(known: Sequence[Known], order: int, heads: int, length: float) -> list[Known]:
    """The nets of the nearest shorter and the nearest longer curve; of one order the one with the least error.

    Of nets with as many heads the order says which is longer, of others the length.
    """

    alike = len({k.heads for k in known if k.order}) < 2

    def shorter(k: Known) -> bool:
        return k.order <= order if k.order == 0 or k.heads == heads else k.length <= length

    def first(nets: Sequence[Known], sign: int) -> list[Known]:
        def rank(k: Known) -> tuple[float, float, str]:
            place = float(k.order) if alike or not k.order else k.length
            return sign * place, float(np.square(k.residual).mean()), k.label

        return sorted(nets, key=rank)[:1]

    return first([k for k in known if shorter(k)], -1) + first([k for k in known if not shorter(k)], 1)


def forecasts(
    known: Sequence[Known], measured: Sequence[Candidate], orders: Sequence[int], insets: Sequence[str | Fraction],
    baseline: ErrorStats, curve: str, ease: Mapping[int, float], heads: Sequence[int] = (2,), eases: Eases | None = None,
) -> list[Candidate]:  # fmt: skip
    """The measured candidates and forecasts for the other numbers of heads and orders, by both.

    Args:
        known: nets that forecasts can start from, at least one.
        measured: candidates that were run.
        orders, insets: to forecast.
        baseline: error to truth of the best 1D net.
        curve: its kind.
        ease: what `probe` found for two heads, or empty.
        heads: numbers of heads to forecast.
        eases: what `probe` found for more.
    """
    found = list(measured)
    done = {(c.heads, c.order, c.curve) for c in measured}
    failed: dict[int, int] = {}
    for c in measured:
        if c.refusal.startswith(NOT_LEARNT):
            failed[c.heads] = min(c.order, failed.get(c.heads, c.order))
    for count, order in [shape for shape in _shapes(heads, orders) if (*shape, curve) not in done]:
        for inset in _insets(insets, order):
            length = HeadCurve(make_curve(curve, order, dimensions=count), inset).length
            tried = [
                _candidate(curve, order, inset, scale_of(k), k, baseline, ease, count, eases)
                for k in _nearest(known, order, count, length)
            ]
            best = min(tried, key=lambda c: (c.refusal != "", math.isnan(c.score), c.score, c.blur, c.source))
            if order > failed.get(count, order):
                reason = f"order {failed[count]}{_TRIED}"
                best = replace(best, refusal=reason, unsure="")
            found.append(best)
    return sorted(found, key=lambda c: (c.heads, c.order, not c.measured, c.inset, c.source))


def _joined(name: str, results: Sequence[NetResult]) -> Known | None:
    """What the seeds of one net tell together."""
    parts = [known for known in map(known_of, results) if known is not None]
    if not parts:
        return None
    first = parts[0]
    return Known(
        name, first.order, first.length, np.concatenate([p.truth for p in parts]),
        np.concatenate([p.residual for p in parts]), np.concatenate([p.noise for p in parts]),
        float(np.mean([p.scale for p in parts])), first.closed, first.heads,
    )  # fmt: skip


def _sources(groups: Mapping[str, list[NetResult]], rivals: Mapping[str, list[NetResult]]) -> list[Known]:
    """All nets that forecasts can start from: one INT8 output, and Hilbert heads of useful float nets."""
    found = [_joined(name, results) for name, results in rivals.items() if results[0].kind in _EIGHT_BITS]
    found += [_joined(name, results) for name, results in groups.items()]
    return [known for known in found if known is not None]


def _best_baseline(
    rivals: Mapping[str, list[NetResult]], known: Sequence[Known]
) -> tuple[str, tuple[ErrorStats, ErrorStats]]:
    """The 1D net with the least error to truth, and its errors; without any, one assumed from the Hilbert nets."""
    if rivals:
        stats = {
            name: tuple(
                pooled([getattr(r.subsets["all"], kind) for r in results])
                for kind in ("quantization", "quantized_truth")
            )
            for name, results in rivals.items()
        }
        name = min(sorted(stats), key=lambda n: stats[n][1].mae * stats[n][1].rmse)
        return name, (stats[name][0], stats[name][1])
    least = min(known, key=lambda k: (k.order, k.label))
    rng = np.random.default_rng(2)
    noise = least.noise[rng.integers(0, len(least.noise), len(least.residual))] / least.length**0.3
    return "no baseline: assumed from " + least.label, (ErrorStats.of(noise), ErrorStats.of(least.residual + noise))


def _indicated(ease: Mapping[int, float]) -> list[str]:
    """What the study's threshold says of the probe."""
    if not ease:
        return []
    shown = ", ".join(f"{ease[order]:.2f} at order {order}" for order in sorted(ease))
    return [f"Ease of the inputs, before any training: {shown}; below {EASY:g} an order usually paid in the study."]


def _wanted(candidates: Sequence[Candidate], baseline: ErrorStats, wanted: float | None, rival: str) -> list[str]:
    if wanted is None:
        return []
    if baseline.rmse <= wanted:
        return [f"The wanted error is met without Hilbert heads already, by {rival}."]
    fitting = [c for c in candidates if not c.refusal and c.quantization.rmse <= wanted]
    if not fitting:
        return ["No order meets the wanted error at this noise."]
    least: dict[int, Candidate] = {}
    for c in sorted(fitting, key=lambda c: (c.heads, c.order, c.quantization.rmse)):
        least.setdefault(c.heads, c)
    said = [f"{c.order} with {heads} heads (inset {c.inset:.4g})" for heads, c in least.items()]
    return [f"The smallest order that meets the wanted error is {', '.join(said)}."]
