"""The differentiable posterior mean for Keras against quadrature in NumPy, and its gradient."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.training.loss import HeadCurve

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from hilbert_codegen.keras import HilbertLoss, decode, decode_mean  # noqa: E402


def test_mean_beyond_the_gate_and_nearest_within() -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    heads = np.random.default_rng(4).uniform(0, 1, (500, 2))
    t, r2 = (np.asarray(part) for part in decode_mean(tf.constant(heads), on, sigma=0.4, gate=0.2))
    nearest, _ = (np.asarray(part) for part in decode(tf.constant(heads), on))
    off = np.sqrt(r2) * on.curve.segments > 0.2
    assert 50 < off.sum() < 450
    np.testing.assert_array_equal(t[~off], nearest[~off])

    grid = (heads - on.origin) / on.pitch
    place = (np.arange(400 * on.curve.segments) + 0.5) / 400
    start, step = on.segments()
    index = place.astype(int)
    points = start[index] + (place - index)[:, None] * step[index]
    weight = np.exp(-np.square(grid[:, None] - points).sum(axis=-1) / (2 * 0.4**2))
    np.testing.assert_allclose(t[off], (weight @ place / weight.sum(axis=1) / on.curve.segments)[off], atol=1e-4)


def test_loss_with_the_mean_pulls_across_the_curve() -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    loss = HilbertLoss(on, alpha=0.0, reach=math.inf, decoder=functools.partial(decode_mean, sigma=0.4, gate=0.1))
    # Half way between the branches at x = 0 and x = 1 cell, y = 2 cells: only the mean sees a way to t = 0.2.
    heads = tf.Variable(np.array([[0.5, 2.0]]) * on.pitch + on.origin)
    with tf.GradientTape() as tape:
        value = loss(tf.constant([[0.2]], dtype=heads.dtype), heads)
    assert np.abs(np.asarray(tape.gradient(value, heads))).max() > 1e-3


def test_a_closed_curve_has_no_mean() -> None:
    with pytest.raises(ValueError, match="closed"):
        decode_mean(tf.zeros((1, 2)), HeadCurve(make_curve("moore", 2)), sigma=0.4, gate=0.2)
