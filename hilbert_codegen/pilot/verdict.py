"""The answers that a pilot is run for, in the order in which they must be asked.

1. Has the float net learnt the task? No gain over a baseline means anything for a net that has not.
2. Is the user's limit kept ([kpi])?
3. Does it pay: is the error to truth over all points lower than that of the best baseline, beyond chance?
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.metrics import METRICS, RESAMPLED, ErrorStats
from hilbert_codegen.pilot.networks import TRUTH_METRICS
from hilbert_codegen.pilot.results import Answer, Evaluation, Interval, NetResult, Verdict
from hilbert_codegen.training.loss import difference

#: Without a baseline, a net whose error exceeds this share of that of the best constant answer has not learnt.
CONSTANT = 0.5


def judge(evaluation: Evaluation) -> Verdict | None:
    """All answers; None where no model with Hilbert heads is there to ask about."""
    if not evaluation.models:
        return None
    kpi = evaluation.pilot.config.kpi
    answers: list[Answer] = []
    for name in dict.fromkeys(model.name for model in evaluation.models):
        models = [model for model in evaluation.models if model.name == name]
        learnt = _learnt(evaluation, models)
        answers.append(learnt)
        if kpi is not None and kpi.model == name:
            answers.append(_kpi(evaluation, models, learnt))
        if evaluation.baselines:
            answers.append(_pays(evaluation, models, learnt))
    asked = [a for a in answers if kpi is None or a.model == kpi.model]
    passed = all(a.passed is not False for a in asked if a.question == "learnt")
    passed &= all(a.passed is True for a in asked if a.question == "kpi")
    return Verdict(passed, tuple(answers))


def _fold(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return False if False in found else None if None in found else True


def _words(evaluation: Evaluation, figure: Interval) -> str:
    unit = evaluation.pilot.config.task.unit
    shown = figure.scaled(evaluation.span)
    ends = "" if math.isnan(shown.low) else f" [{shown.low:.4g}, {shown.high:.4g}]"
    return f"{shown.value:.4g}{ends}{' ' if unit else ''}{unit}"


def _percent(figure: Interval) -> str:
    ends = "" if math.isnan(figure.low) else f" [{100 * figure.low:+.1f}, {100 * figure.high:+.1f}]"
    return f"{100 * figure.value:+.1f} %{ends}"


def constant_error(result: NetResult) -> float:
    """Mean absolute error, in t, of the best constant answer to these samples."""
    truth = result.trace.truth.reshape(-1)
    places = np.linspace(0.0, 1.0, 65) if result.closed else np.array([np.median(truth)])
    return min(float(np.abs(difference(truth, np.full_like(truth, place), result.closed)).mean()) for place in places)


def _learnt(evaluation: Evaluation, models: Sequence[NetResult]) -> Answer:
    outcomes: list[bool | None] = []
    reasons: list[str] = []
    settings = evaluation.pilot.config.evaluate
    for model in models:
        where = f"seed {model.seed}"
        if not model.has_float:
            outcomes.append(None)
            reasons.append(f"{where}: no float net is named.")
            continue
        whole = model.subsets["all"].float_truth
        worst = constant_error(model)
        if not whole.mae < CONSTANT * worst:
            outcomes.append(False)
            reasons.append(
                f"{where}: the float net is the problem: its mean absolute error, {evaluation.span * whole.mae:.4g}, is "
                f"not below half of what the best constant answer has, {evaluation.span * worst:.4g}."
            )
            continue
        share = model.wrong_branch["float"]
        if share > settings.wrong_branch:
            outcomes.append(False)
            reasons.append(
                f"{where}: the float net is the problem: {100 * share:.2g} % of its points lie on another branch than "
                f"the truth; at most {100 * settings.wrong_branch:.2g} % may."
            )
        floats = [b for b in evaluation.baselines if b.seed == model.seed and b.has_float]
        for metric in TRUTH_METRICS if floats else ():
            best = min(floats, key=lambda b: b.subsets["all"].float_truth.figures[metric])
            theirs = best.subsets["all"]
            own, one = whole.figures[metric], theirs.float_truth.figures[metric]
            if not own - one <= settings.learnt_margin * theirs.quantized_truth.figures[metric]:
                outcomes.append(False)
                reasons.append(
                    f"{where}: the float net is the problem: its {METRICS[metric].words} to truth is "
                    f"{evaluation.span * own:.4g}, that of the float net of {best.name} {evaluation.span * one:.4g} "
                    f"({_percent(model.change(best.name, metric, 'float'))}); it may be higher by at most "
                    f"{100 * settings.learnt_margin:.3g} % of what INT8 leaves to {best.name}."
                )
        outcomes.append(True)
    passed = _fold(outcomes)
    if passed:
        one = all(KINDS[b.kind].outputs == 1 for b in evaluation.baselines)
        net, quantized = (
            ("1D float net", "the INT8 1D net's") if one else ("float net without Hilbert heads", "its INT8 net's")
        )
        reasons = [
            f"Its error to truth exceeds that of the best {net} by at most {100 * settings.learnt_margin:.3g} % of "
            f"{quantized}, and at most {100 * settings.wrong_branch:.2g} % of its points lie on "
            f"another branch than the truth."
        ] if evaluation.baselines else [
            "Its error is below half of that of the best constant answer; there is no 1D float net to compare with."
        ]  # fmt: skip
    return Answer("learnt", models[0].name, passed, tuple(reasons))


def _kpi(evaluation: Evaluation, models: Sequence[NetResult], learnt: Answer) -> Answer:
    kpi = evaluation.pilot.config.kpi
    assert kpi is not None
    words = METRICS[kpi.metric].words
    found: list[tuple[NetResult, float]] = []
    for model in models:
        subset = model.subsets[kpi.points]
        stats: ErrorStats = subset.quantized_truth if kpi.of == "truth" else subset.quantization
        found.append((model, stats.figures[kpi.metric]))
    model, worst = max(found, key=lambda pair: (math.isnan(pair[1]), pair[1]))
    subset = model.subsets[kpi.points]
    known = subset.truth_intervals.get(("quantized", kpi.metric)) if kpi.of == "truth" else None
    error = known or Interval(worst, math.nan, math.nan)
    unit = evaluation.pilot.config.task.unit
    kind = "error to truth" if kpi.of == "truth" else "quantization error"
    worst *= evaluation.span
    ok = worst <= kpi.limit
    where = f"worst seed of {len(models)}" if len(models) > 1 else f"seed {model.seed}"
    reasons = [
        f"The {words} ({kind}, {subset.label}, {where}) is {_words(evaluation, error)} of {kpi.limit:g} "
        f"{unit} allowed ({'margin' if ok else 'missed by'} {abs(100 * (1 - worst / kpi.limit)):.1f} %).".replace(
            "  ", " "
        )
        if not math.isnan(worst)
        else f"The {words} ({kind}, {subset.label}) can't be said: no points."
    ]
    if evaluation.span * error.low < kpi.limit < evaluation.span * error.high:
        reasons.append("The interval contains the limit: more samples would settle it.")
    if kpi.min_gain is not None:
        fine, reason = _least_gain(evaluation, models, kpi.min_gain)
        ok &= fine
        reasons.append(reason)
    if learnt.passed is False:
        reasons.append("It counts for nothing while the float net has not learnt the task.")
    return Answer("kpi", models[0].name, ok and learnt.passed is not False, tuple(reasons))


def _least_gain(evaluation: Evaluation, models: Sequence[NetResult], asked: float) -> tuple[bool, str]:
    kpi = evaluation.pilot.config.kpi
    assert kpi is not None
    name = kpi.baseline or evaluation.baselines[0].name
    metric = kpi.metric if kpi.metric in RESAMPLED else "mae"
    try:
        gains = [model.gain(name, metric, kpi.points) for model in models]
    except KeyError:
        return False, f"There is no gain over {name} to speak of: it has no float net, or no points are left."
    least = min(gains, key=lambda gain: (not math.isnan(gain.value), gain.value))
    if math.isnan(least.value):
        return False, f"The gain over {name} does not exist: the quantization error is zero, as of saturated heads."
    ok = least.value >= asked
    return ok, (
        f"The gain in the {METRICS[metric].words} of quantization over {name} is {least.value:.2f} "
        f"[{least.low:.2f}, {least.high:.2f}], {'and' if ok else 'but'} at least {asked:g} is asked."
    )


def _pays(evaluation: Evaluation, models: Sequence[NetResult], learnt: Answer) -> Answer:
    """Lower in MAE beyond chance and not higher in RMSE beyond chance, in every seed, than the best rival in each."""
    outcomes: list[bool | None] = []
    reasons: list[str] = []
    rivals = [b for b in evaluation.baselines if b.rival]
    if not rivals:
        return Answer("pays", models[0].name, None, ("No baseline is a rival.",))
    for model in models:
        here = [b for b in rivals if b.seed == model.seed]
        parts = []
        for metric in TRUTH_METRICS:
            best = min(here, key=lambda b: b.subsets["all"].quantized_truth.figures[metric])
            change = model.change(best.name, metric)
            parts.append(f"{METRICS[metric].short} {_percent(change)} against {best.name}")
            if math.isnan(change.low):
                outcomes.append(None)
            elif metric == "mae":
                outcomes.append(True if change.high < 0 else False if change.low > 0 else None)
            else:
                outcomes.append(change.low <= 0)
        reasons.append(f"Error to truth, all points, seed {model.seed}: {', '.join(parts)}.")
    passed = _fold(outcomes)
    if learnt.passed is False:
        passed = False
        reasons.append("The float net has not learnt the task.")
    elif passed is None:
        reasons.append("The data can't tell: an interval contains 0, or there are too few samples for one.")
    return Answer("pays", models[0].name, passed, tuple(reasons))
