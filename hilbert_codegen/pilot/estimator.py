"""Sigma and gate of the mean estimator for a measured model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.networks import head_curve
from hilbert_codegen.pilot.noise import posterior_mean
from hilbert_codegen.pilot.results import NetResult
from hilbert_codegen.training.loss import difference

FloatArray = NDArray[np.float64]

SIGMAS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
GATES = (0.0, 0.05, 0.1, 0.15, 0.25, 0.35)
#: Points used to propose sigma and gate.
_ESTIMATOR_POINTS = 4000


@dataclass(frozen=True)
class EstimatorTrial:
    """One setting of the mean estimator; errors in t, of the quantized net, on samples it was not chosen by."""

    sigma: float
    gate: float
    quantization: ErrorStats
    truth: ErrorStats


def _over(a: float, b: float) -> float:
    return a / b if b > 0 else 1.0


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
    heads = [h.reshape(-1, h.shape[-1])[pick] for h in (trace.float_heads, trace.quantized_heads)]
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
            cost = _over(found.quantization.rmse, plain.quantization.rmse) + _over(found.truth.rmse, plain.truth.rmse)
            if cost < least:
                best, means_of_best, least = (sigma, gate), means, cost
    held_out = ~halves
    return (
        model.name,
        trial(0.0, 0.0, [n for n, _ in nearest], held_out),
        trial(*best, means_of_best, held_out),
    )
