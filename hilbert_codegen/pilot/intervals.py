"""Percentile bootstrap intervals. Whole samples are drawn, for the points of one map are not independent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.pilot.metrics import METRICS
from hilbert_codegen.pilot.results import BoolArray, FloatArray, Interval

#: Fewer samples than this give no interval.
FEWEST = 10


class Bootstrap:
    """Draws of the samples that `points` picks points of.

    Args:
        points: bool, of the shape of the truth; its first axis counts samples.
        draws: how many.
    """

    def __init__(self, points: BoolArray, draws: int) -> None:
        self.points = points
        self._draws = draws
        self._sizes = points.reshape(len(points), -1).sum(axis=1)
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])

    def _drawn(self) -> Iterator[NDArray[np.int64]]:
        """Indices into errors[points], one array a draw."""
        generator = np.random.default_rng(0)
        if len(self.points) < FEWEST:
            return
        for _ in range(self._draws):
            drawn = generator.integers(0, len(self.points), len(self.points))
            if self.points.ndim == 1 and self.points.all():
                yield drawn
                continue
            lengths = self._sizes[drawn]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            index = np.repeat(self._starts[drawn], lengths) + within
            if len(index):
                yield index

    def figures(self, errors: FloatArray, metrics: Sequence[str]) -> FloatArray:
        """Figures of the errors (of the truth's shape) in every draw, float64 (1 + draws, metrics).

        Row 0 is that of the data themselves.
        """
        picked = errors[self.points]
        rows = [picked, *(picked[index] for index in self._drawn())]
        return np.array([[METRICS[metric].of(row) for metric in metrics] for row in rows])


def interval(figures: FloatArray) -> Interval:
    """The interval of one column of `Bootstrap.figures`; NaN draws make NaN ends."""
    drawn = figures[1:]
    if not len(drawn) or not np.isfinite(drawn).all():
        return Interval(float(figures[0]), math.nan, math.nan)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(figures[0]), float(low), float(high))


def ratio(above: FloatArray, below: FloatArray) -> Interval:
    """The interval of above / below, draw by draw; NaN where `below` is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(below > 0, above / below, math.nan)
    return interval(values)
