"""How errors are summed up: one row of `METRICS` is one metric, in settings, tables, records, reports and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

#: 1.4826 times the median absolute deviation is the standard deviation of a normal distribution.
ROBUST = 1.4826


def robust_sd(values: FloatArray) -> float:
    """1.4826 times the median absolute deviation from the median."""
    return ROBUST * float(np.median(np.abs(values - np.median(values))))


@dataclass(frozen=True)
class Metric:
    """One way to sum up errors.

    Attributes:
        name: in PILOT.toml, records and attributes of `ErrorStats`.
        words: for people.
        short: column title.
        of: errors (k,), k > 0 -> the figure, in units of the errors.
        resampled: whether a bootstrap interval of it means something (that of an extreme value does not).
    """

    name: str
    words: str
    short: str
    of: Callable[[FloatArray], float]
    resampled: bool = True


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mae", "mean absolute error", "MAE", lambda e: float(np.abs(e).mean())),
        Metric("rmse", "root mean square error", "RMSE", lambda e: float(np.sqrt(np.square(e).mean()))),
        Metric("median", "median absolute error", "median", lambda e: float(np.median(np.abs(e)))),
        Metric("robust_sd", "robust standard deviation", "robust SD", robust_sd),
        Metric("p99", "99th percentile of the absolute error", "99 %", lambda e: float(np.quantile(np.abs(e), 0.99))),
        Metric("max", "largest absolute error", "largest", lambda e: float(np.abs(e).max()), resampled=False),
    )
}
RESAMPLED = tuple(name for name, metric in METRICS.items() if metric.resampled)


@dataclass(frozen=True)
class ErrorStats:
    """A sample of errors in numbers, all in units of the errors; each of `METRICS` is an attribute.

    Attributes:
        count: how many points; 0 where there is nothing to sum up, and every figure NaN.
        bias: mean error.
        figures: metric -> value.
    """

    count: int
    bias: float
    figures: Mapping[str, float]

    @classmethod
    def of(cls, errors: ArrayLike | None) -> ErrorStats:
        """Sum up `errors` (any shape); None, as no error at all, gives NaN everywhere."""
        values = np.asarray([] if errors is None else errors, dtype=np.float64).reshape(-1)
        if not len(values):
            return cls(0, math.nan, dict.fromkeys(METRICS, math.nan))
        return cls(len(values), float(values.mean()), {name: metric.of(values) for name, metric in METRICS.items()})

    def __getattr__(self, name: str) -> float:
        figures: Mapping[str, float] = self.__dict__.get("figures", {})
        if name not in figures:
            raise AttributeError(name)
        return figures[name]

    def scaled(self, by: float) -> ErrorStats:
        """The same in another unit (by > 0)."""
        return ErrorStats(self.count, self.bias * by, {name: by * value for name, value in self.figures.items()})

    @property
    def bits(self) -> float:
        """Effective bits: those of the ideal quantizer of the whole range with the same RMSE, -log2(sqrt(12) rmse).

        For errors in t. NaN where the error is zero or unknown.
        """
        return -math.log2(math.sqrt(12.0) * self.rmse) if self.rmse > 0 else math.nan

    def record(self) -> dict[str, float]:
        """The figures and the bias by name."""
        return {**self.figures, "bias": self.bias}
