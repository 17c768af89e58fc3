"""What an evaluation found, as plain data.

Conventions: a quantization error is the quantized net's result minus the float net's, of the same weights; an error
to truth is a result minus the truth. Both are in t (fractions of the range) unless a unit is named. A result of a 1D
head is clipped to [0, 1], as any decoder's is. The float net's heads are decoded by the same estimator in floating
point. "near" keeps points whose quantized heads lie within `near` cells of the curve; a baseline is then taken on the
same points. On a circular task errors are taken the short way round. A figure that does not exist is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.models.network import Network
from hilbert_codegen.pilot.metrics import METRICS, ErrorStats
from hilbert_codegen.pilot.settings import Pilot
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.training.loss import difference

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: A net whose mean absolute error is not below this share of that of the best constant answer has not learnt its task.
CONSTANT = 0.5


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % bootstrap interval (NaN ends where there are too few samples for one)."""

    value: float
    low: float
    high: float

    def scaled(self, by: float) -> Interval:
        """The same in another unit (by > 0)."""
        return Interval(self.value * by, self.low * by, self.high * by)


@dataclass(frozen=True)
class Gain(Interval):
    """Baseline's quantization error over the model's, on the same points; NaN where the model's is zero."""

    baseline: str
    subset: str
    metric: str


@dataclass(frozen=True)
class Change(Interval):
    """The model's error to truth over a baseline's, minus 1, on all points: below 0 the model is better.

    `kind` is "quantized" for the INT8 nets, "float" for the float nets.
    """

    baseline: str
    metric: str
    kind: str


@dataclass(frozen=True)
class HeadNoise:
    """Quantization noise of the heads, in codes.

    Attributes:
        sd: standard deviation of each head's error.
        bias: mean error of each.
        along, across: root mean square along the curve, and across it (of one direction across).
        along_robust, across_robust: the same by 1.4826 MAD.
        correlation: the largest in size between the errors of two heads, 0 where no two change.
        correlated: the names of those two.
    """

    sd: tuple[float, ...]
    bias: tuple[float, ...]
    along: float
    across: float
    along_robust: float
    across_robust: float
    correlation: float
    correlated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subset:
    """Errors on a part of the points, in t; without a float net only those of the quantized net to truth.

    `truth_intervals`: (kind, metric) -> interval of the error to truth, kind "float" or "quantized".
    """

    label: str
    quantization: ErrorStats
    float_truth: ErrorStats
    quantized_truth: ErrorStats
    truth_intervals: Mapping[tuple[str, str], Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """Arrays behind the figures, for plots; all of the shape of the truth, heads with a last axis more.

    Heads that differ in range are all in the range of the first (`networks.in_one_range`).
    `across` has one entry for each direction across the curve.
    """

    truth: FloatArray
    float_t: FloatArray | None
    quantized_t: FloatArray
    float_heads: FloatArray | None = None
    quantized_heads: FloatArray | None = None
    distance: FloatArray | None = None
    along: FloatArray | None = None
    across: FloatArray | None = None


@dataclass(frozen=True)
class Timing:
    """A time measured on this host: median and spread of repetitions; None in its place where they differed too much."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MicroCheck:
    """Output values of a quantized net by TFLite Micro's interpreter beside those of the evaluation.

    Attributes:
        values: how many were compared.
        differing: how many are not the same bytes.
        largest: the largest difference, in codes (in the output's unit where it is float).
    """

    values: int
    differing: int
    largest: float


@dataclass(frozen=True)
class NetResult:
    """One network of one seed: a baseline (`decoder` is None), or a model with Hilbert heads."""

    name: str
    seed: int
    subsets: dict[str, Subset]
    network: Network
    host_ms: Timing | None
    trace: Trace = field(repr=False)
    closed: bool = False
    kind: str = ""
    rival: bool = True
    noise_lsb: float = math.nan
    robust_lsb: float = math.nan
    decoder: dict[str, Any] | None = None
    jumps: int | None = None
    wrong_branch: dict[str, float] = field(default_factory=dict)
    noise: HeadNoise | None = None
    distance: dict[str, float] = field(default_factory=dict)
    gains: tuple[Gain, ...] = ()
    changes: tuple[Change, ...] = ()
    predicted: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    misread: str | None = None
    plan: Plan | None = field(default=None, repr=False)
    micro: MicroCheck | None = None

    @property
    def bits(self) -> float:
        """Effective bits of the quantization error over all points."""
        return self.subsets["all"].quantization.bits

    @property
    def has_float(self) -> bool:
        """Whether a float net was named."""
        return self.trace.float_t is not None

    @cached_property
    def constant_error(self) -> float:
        """Mean absolute error, in t, of the best constant answer to these samples."""
        truth = self.trace.truth.reshape(-1)
        places = np.linspace(0.0, 1.0, 65) if self.closed else np.array([np.median(truth)])
        return min(float(np.abs(difference(truth, np.full_like(truth, place), self.closed)).mean()) for place in places)

    @property
    def learning_error(self) -> float:
        """Mean absolute error to truth, in t, of the float net; of the quantized one where no float net is named."""
        whole = self.subsets["all"]
        return (whole.float_truth if self.has_float else whole.quantized_truth).mae

    @property
    def beats_a_constant(self) -> bool:
        """Whether that error is below CONSTANT times that of the best constant answer."""
        return self.learning_error < CONSTANT * self.constant_error

    @property
    def comparable(self) -> bool:
        """Whether a baseline has learnt its task, and is read by the range of its heads."""
        return self.misread is None and self.beats_a_constant

    def gain(self, baseline: str, metric: str, subset: str = "all") -> Gain:
        """The gain over `baseline`; KeyError if there is none."""
        for gain in self.gains:
            if (gain.baseline, gain.metric, gain.subset) == (baseline, metric, subset):
                return gain
        raise KeyError((baseline, metric, subset))

    def change(self, baseline: str, metric: str, kind: str = "quantized") -> Change:
        """The change of the error to truth against `baseline`; KeyError if there is none."""
        for change in self.changes:
            if (change.baseline, change.metric, change.kind) == (baseline, metric, kind):
                return change
        raise KeyError((baseline, metric, kind))


@dataclass(frozen=True)
class Answer:
    """One question about one model, answered.

    Attributes:
        question: "learnt" (has the float net learnt the task?), "kpi", or "pays".
        model: whose.
        passed: yes, no, or None where the data can't say.
        reasons: sentences, at least one.
    """

    question: str
    model: str
    passed: bool | None
    reasons: tuple[str, ...]

    @property
    def word(self) -> str:
        """PASS, FAIL or OPEN."""
        return {True: "PASS", False: "FAIL", None: "OPEN"}[self.passed]

    @property
    def title(self) -> str:
        """The question in words."""
        return {
            "learnt": f"Has the float net of {self.model} learnt the task?",
            "kpi": f"Is the limit kept by {self.model}?",
            "pays": f"Does {self.model} pay?",
        }[self.question]


@dataclass(frozen=True)
class Verdict:
    """All answers. `passed` is that of the limit: kept, by a net whose float version has learnt the task."""

    passed: bool
    answers: tuple[Answer, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """One line an answer, for a terminal."""
        return tuple(f"{a.word}: {a.title} {' '.join(a.reasons)}" for a in self.answers)

    def of(self, question: str, model: str | None = None) -> Answer | None:
        """The answer to `question` (about `model`), None if it was not asked."""
        return next((a for a in self.answers if a.question == question and model in (None, a.model)), None)


@dataclass(frozen=True)
class Evaluation:
    """All results of a pilot; `warnings` are those about its data."""

    pilot: Pilot
    samples: int
    points: int
    decoded_by: str
    kernels: str
    baselines: tuple[NetResult, ...]
    models: tuple[NetResult, ...]
    verdict: Verdict | None = None
    inputs: FloatArray | None = field(default=None, repr=False)
    truth: FloatArray = field(default_factory=lambda: np.empty(0), repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def span(self) -> float:
        """Size of the range in the task's unit."""
        low, high = self.pilot.config.task.values
        return abs(high - low)

    @property
    def micro_lines(self) -> tuple[str, ...]:
        """What the comparison with TFLite Micro gave, one sentence a net that differs, or one for all; none unasked."""
        checked = [result for result in (*self.baselines, *self.models) if result.micro is not None]
        unlike = [result for result in checked if result.micro is not None and result.micro.differing]
        if checked and not unlike:
            total = sum(result.micro.values for result in checked if result.micro is not None)
            return (
                f"TFLite Micro gives the same bytes: {total} output values of {len(checked)} quantized nets, all equal.",
            )
        return tuple(
            f"TFLite Micro gives other bytes for {r.name}, seed {r.seed}: {r.micro.differing} of {r.micro.values} output "
            f"values, by at most {r.micro.largest:g}."
            for r in unlike
            if r.micro is not None
        )

    def baseline_of(self, name: str, seed: int) -> NetResult:
        """The result of a baseline in one seed."""
        return next(b for b in self.baselines if (b.name, b.seed) == (name, seed))


def no_better_than_a_constant(result: NetResult, span: float, unit: str) -> str:
    """The end of a sentence about a net that has not learnt its task, with both errors in the task's unit."""
    baseline = result.decoder is None and result.has_float
    of = "the mean absolute error of its float net" if baseline else "its mean absolute error"
    unit = f" {unit}" if unit else ""
    return (
        f"{of}, {span * result.learning_error:.4g}{unit}, is not below half of what the best constant answer has, "
        f"{span * result.constant_error:.4g}{unit}"
    )


def not_comparable(baseline: NetResult, span: float, unit: str) -> str:
    """What follows the name of a baseline that is not `comparable`."""
    return baseline.misread or f"has not learnt the task: {no_better_than_a_constant(baseline, span, unit)}"


def _subset(subset: Subset) -> dict[str, Any]:
    kinds = {
        "quantization": subset.quantization,
        "float_truth": subset.float_truth,
        "quantized_truth": subset.quantized_truth,
    }
    return {
        "points": subset.label,
        "count": subset.quantized_truth.count,
        **{kind: stats.record() for kind, stats in kinds.items()},
        "truth_intervals": {
            kind: {metric: [i.low, i.high] for (k, metric), i in subset.truth_intervals.items() if k == kind}
            for kind in ("float", "quantized")
        },
    }


def _net(result: NetResult) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": result.name,
        "seed": result.seed,
        "kind": result.kind,
        "effective_bits": result.bits,
        "noise_lsb": result.noise_lsb,
        "robust_noise_lsb": result.robust_lsb,
        "parameters": result.network.parameters,
        "macs": result.network.macs,
        "host_ms_per_inference": None if result.host_ms is None else result.host_ms.__dict__,
        "tflite_micro": None if result.micro is None else result.micro.__dict__,
        "errors": {name: _subset(subset) for name, subset in result.subsets.items()},
        "warnings": list(result.warnings),
    }
    if result.decoder is not None:
        record |= {
            "decoder": result.decoder,
            "branch_jumps": result.jumps,
            "wrong_branch_share": result.wrong_branch,
            "head_noise_lsb": None if result.noise is None else result.noise.__dict__,
            "distance_cells": result.distance,
            "gains": [gain.__dict__ for gain in result.gains],
            "changes_of_the_error_to_truth": [change.__dict__ for change in result.changes],
            "predicted_gains": result.predicted,
        }
    return record


def to_record(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the traces, as JSON-able values; figures that do not exist are null."""
    verdict = evaluation.verdict
    record: dict[str, Any] = finite(
        {
            "title": evaluation.pilot.config.task.title,
            "samples": evaluation.samples,
            "points": evaluation.points,
            "decoded_by": evaluation.decoded_by,
            "kernels": evaluation.kernels,
            "range": list(evaluation.pilot.config.task.values),
            "unit": evaluation.pilot.config.task.unit,
            "errors_in": "t",
            "warnings": list(evaluation.warnings),
            "metrics": {name: metric.words for name, metric in METRICS.items()},
            "verdict": None
            if verdict is None
            else {"passed": verdict.passed, "answers": [{**a.__dict__, "title": a.title} for a in verdict.answers]},
            "baselines": [_net(result) for result in evaluation.baselines],
            "models": [_net(result) for result in evaluation.models],
        }
    )
    return record


def finite(value: Any) -> Any:
    """`value` with None for every float that is not finite, at any depth; tuples become lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
