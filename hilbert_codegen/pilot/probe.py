r"""How hard a curve's heads are to learn from these inputs, before any net is trained: a regression with random features.

A layer of random rectified features of the inputs, and on it a ridge regression, is fitted once to the value t and once
to the heads c_p(t) of an order, on half of the samples; decoded, both are compared with the truth on the other half.
The ratio of the two errors,

    ease(p) = RMSE of the decoded heads / RMSE of the value,

is below 1 where the inputs suit the folded curve (a spot that moves over pixels), and above 1 where folding is what makes
the task hard (a value that is nearly linear in the inputs). It takes under a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import make_curve
from hilbert_codegen.training.loss import HeadCurve, difference

FloatArray = NDArray[np.float64]

#: Random features, at most; one for each six samples where those are fewer.
FEATURES = 600
#: Samples used, at most.
SAMPLES = 6000
#: Fewer samples, or more inputs than this, tell nothing.
FEWEST, WIDEST = 600, 1024
_RIDGE = 0.1
#: Values that lie within this share of the range are one value.
_CONSTANT = 1e-6
#: What becomes of a float net's error with Hilbert heads that are easy to learn, and the exponent of the ease past 1.
KNOWLEDGE, HARDER = 0.85, 0.5


def probe(
    inputs: FloatArray, truth: FloatArray, curve: str, orders: Sequence[int], dimensions: int = 2
) -> dict[int, float]:
    """Order -> ease. Empty where the samples are too few, the inputs too many, a sample has more than one value, or all
    samples have the same.

    Args:
        inputs: real inputs, (n, ...).
        truth: t in [0, 1], (n,).
        curve: kind of the curve; on a closed one the value is learnt as cosine and sine.
        orders: to be told about.
        dimensions: number of heads.
    """
    flat = inputs.reshape(len(inputs), -1)
    if truth.ndim != 1 or len(truth) < FEWEST or flat.shape[1] > WIDEST:
        return {}
    rng = np.random.default_rng(0)
    pick = rng.permutation(len(truth))[:SAMPLES]
    flat, t = flat[pick], np.clip(truth[pick], 0.0, 1.0)
    if np.ptp(t) < _CONSTANT:
        return {}
    half = len(t) // 2
    scaled = (flat - flat[:half].mean(axis=0)) / (flat[:half].std(axis=0) + 1e-6)
    count = min(FEATURES, half // 3)
    weights = rng.standard_normal((flat.shape[1], count)) / np.sqrt(flat.shape[1])
    hidden = np.maximum(scaled @ weights + rng.standard_normal(count), 0.0)
    features = np.concatenate([hidden, scaled, np.ones((len(t), 1))], axis=1)
    first = features[:half]
    square = first.T @ first + _RIDGE * np.eye(features.shape[1])

    def answered(target: FloatArray) -> FloatArray:
        return np.asarray(features[half:] @ np.linalg.solve(square, first.T @ target[:half]))

    def error(found: FloatArray) -> float:
        return float(np.sqrt(np.square(difference(found, t[half:], closed)).mean()))

    closed = make_curve(curve, max(orders), dimensions=dimensions).closed
    if closed:
        circle = answered(np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], axis=-1))
        plain = error(np.arctan2(circle[:, 1], circle[:, 0]) / (2 * np.pi) % 1.0)
    else:
        plain = error(np.clip(answered(t[:, None])[:, 0], 0.0, 1.0))
    found = {}
    for order in orders:
        on = HeadCurve(make_curve(curve, order, dimensions=dimensions))
        if plain > 0:
            found[order] = error(on.decode(answered(on.targets(t)))[0]) / plain
    return found


def easier(ease: float) -> float:
    """What becomes of the float net's error with heads of this ease, against a single head.

    An ease below 1 is no better than 1: how far below depends on how many samples there were. The constants are what the
    study's nets showed (examples/study).
    """
    return float(KNOWLEDGE * max(ease, 1.0) ** HARDER)
