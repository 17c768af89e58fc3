"""The answers that a pilot is run for, in the order in which they must be asked.

1. Has the float net learnt the task? No gain over a baseline means anything for a net that has not.
2. Is the user's limit kept ([kpi])?
3. Does it pay: is the error to truth over all points lower than that of the best baseline, beyond chance?
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.metrics import METRICS, RESAMPLED, ErrorStats
from hilbert_codegen.pilot.networks import TRUTH_METRICS
from hilbert_codegen.pilot.results import (
    Answer,
    Evaluation,
    Interval,
    NetResult,
    Verdict,
    no_better_than_a_constant,
    not_comparable,
)


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


def _misfit(model: NetResult, what: str) -> str:
    return f"seed {model.seed}: the float net does not fit this truth: {what}."


def _causes(evaluation: Evaluation, model: NetResult) -> str:
    """What a misfit can come from, with what tells one cause from another: the ends of decoded and true values."""
    assert model.trace.float_t is not None
    low, high = evaluation.pilot.config.task.values
    unit = evaluation.pilot.config.task.unit
    given, true = (low + (high - low) * t for t in (model.trace.float_t, model.trace.truth))
    return (
        f"It gives {given.min():.4g} to {given.max():.4g}{' ' if unit else ''}{unit}, the truth is {true.min():.4g} to "
        f"{true.max():.4g}: either the net is not trained enough, or the truth's unit or range, the heads' order or the "
        f"curve are not those of the training."
    )


def _misfits(evaluation: Evaluation, model: NetResult) -> list[str]:
    """Why the float net of `model` has not learnt the task; none where it has."""
    settings = evaluation.pilot.config.evaluate
    if model.misread:
        return [f"seed {model.seed}: {model.misread}."]
    if not model.beats_a_constant:
        unit = evaluation.pilot.config.task.unit
        return [_misfit(model, no_better_than_a_constant(model, evaluation.span, unit))]
    found = []
    share = model.wrong_branch["float"]
    if share > settings.wrong_branch:
        what = f"{100 * share:.2g} % of its points lie on another branch than the truth; at most "
        found.append(_misfit(model, f"{what}{100 * settings.wrong_branch:.2g} % may"))
    floats = _learnt_floats(evaluation, model.seed)
    for metric in TRUTH_METRICS if floats else ():
        best = min(floats, key=lambda b: b.subsets["all"].float_truth.figures[metric])
        theirs = best.subsets["all"]
        own, one = model.subsets["all"].float_truth.figures[metric], theirs.float_truth.figures[metric]
        if not own - one <= settings.learnt_margin * theirs.quantized_truth.figures[metric]:
            what = (
                f"its {METRICS[metric].words} is {evaluation.span * own:.4g}, that of the float net of {best.name} "
                f"{evaluation.span * one:.4g} ({_percent(model.change(best.name, metric, 'float'))}); it may be higher by "
                f"at most {100 * settings.learnt_margin:.3g} % of what INT8 leaves to {best.name}"
            )
            found.append(_misfit(model, what))
    return found


def _learnt_floats(evaluation: Evaluation, seed: int) -> list[NetResult]:
    """The baselines of a seed whose float nets a model's can be compared with."""
    return [b for b in evaluation.baselines if b.seed == seed and b.has_float and b.comparable]


def _learnt(evaluation: Evaluation, models: Sequence[NetResult]) -> Answer:
    outcomes: list[bool | None] = []
    reasons: list[str] = []
    settings = evaluation.pilot.config.evaluate
    for model in models:
        if not model.has_float and not model.misread:
            outcomes.append(None)
            reasons.append(f"seed {model.seed}: no float net is named.")
            continue
        found = _misfits(evaluation, model)
        outcomes.append(not found)
        if found and not model.misread and False not in outcomes[:-1]:
            found[0] += " " + _causes(evaluation, model)
        reasons += found
    passed = _fold(outcomes)
    if passed and any(_learnt_floats(evaluation, model.seed) for model in models):
        one = all(KINDS[b.kind].outputs == 1 for b in evaluation.baselines)
        net, quantized = (
            ("1D float net", "the INT8 1D net's") if one else ("float net without Hilbert heads", "its INT8 net's")
        )
        reasons = [
            f"Its error to truth exceeds that of the best {net} by at most {100 * settings.learnt_margin:.3g} % of "
            f"{quantized}, and at most {100 * settings.wrong_branch:.2g} % of its points lie on "
            f"another branch than the truth."
        ]
    elif passed:
        with_what = "that has learnt the task " if evaluation.baselines else ""
        reasons = [
            f"Its error is below half of that of the best constant answer; there is no 1D float net {with_what}to "
            f"compare with."
        ]
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
        reasons.append("It counts for nothing while the float net does not fit the truth.")
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
    if not all(evaluation.baseline_of(name, model.seed).comparable for model in models):
        return False, f"A gain over {name} counts for nothing: see the warning about that net."
    ok = least.value >= asked
    return ok, (
        f"The gain in the {METRICS[metric].words} of quantization over {name} is {least.value:.2f} "
        f"[{least.low:.2f}, {least.high:.2f}], {'and' if ok else 'but'} at least {asked:g} is asked."
    )


def _pays(evaluation: Evaluation, models: Sequence[NetResult], learnt: Answer) -> Answer:
    """Lower in MAE beyond chance and not higher in RMSE beyond chance, in every seed, than the best rival in each.

    No PASS against a rival that has not learnt the task itself, or whose heads leave the range that it was given.
    """
    outcomes: list[bool | None] = []
    reasons: list[str] = []
    rivals = [b for b in evaluation.baselines if b.rival]
    if not rivals:
        return Answer("pays", models[0].name, None, ("No baseline is a rival.",))
    unfit: dict[str, NetResult] = {}
    for model in models:
        here = [b for b in rivals if b.seed == model.seed]
        parts = []
        for metric in TRUTH_METRICS:
            best = min(here, key=lambda b: b.subsets["all"].quantized_truth.figures[metric])
            change = model.change(best.name, metric)
            if not best.comparable:
                unfit.setdefault(best.name, best)
                outcomes.append(None)
            parts.append(f"{METRICS[metric].short} {_percent(change)} against {best.name}")
            if math.isnan(change.low):
                outcomes.append(None)
            elif metric == "mae":
                outcomes.append(True if change.high < 0 else False if change.low > 0 else None)
            else:
                outcomes.append(change.low <= 0)
        reasons.append(f"Error to truth, all points, seed {model.seed}: {', '.join(parts)}.")
    unit = evaluation.pilot.config.task.unit
    reasons += [f"{name} {not_comparable(best, evaluation.span, unit)}." for name, best in unfit.items()]
    passed = _fold(outcomes)
    if learnt.passed is False:
        passed = False
        reasons.append("The float net does not fit the truth.")
    elif passed is None and not unfit:
        reasons.append("The data can't tell: an interval contains 0, or there are too few samples for one.")
    return Answer("pays", models[0].name, passed, tuple(reasons))
