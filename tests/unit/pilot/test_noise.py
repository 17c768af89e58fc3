"""The noise model: closed form, simulation, posterior mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.pilot.forecast import RISE, Forecast, Known, forecast
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.noise import (
    blurred,
    frame,
    is_jump,
    join,
    posterior_mean,
    split,
)
from hilbert_codegen.training.loss import HeadCurve, difference

SCALE = 1 / 256


def test_error_stats_by_hand() -> None:
    stats = ErrorStats.of([-1.0, 0.0, 0.0, 3.0])
    assert (stats.count, stats.mae, stats.median, stats.max, stats.bias) == (4, 1.0, 0.5, 3.0, 0.5)
    assert stats.rmse == pytest.approx(math.sqrt(2.5))
    assert stats.robust_sd == pytest.approx(1.4826 * 0.5)
    assert stats.scaled(10.0).max == 30.0
    assert ErrorStats.of([]).count == 0


def test_effective_bits_of_an_ideal_quantizer() -> None:
    t = np.random.default_rng(0).random(200_000)
    for bits in (6, 8, 11):
        rounded = (np.floor(t * 2**bits) + 0.5) / 2**bits
        assert ErrorStats.of(rounded - t).bits == pytest.approx(bits, abs=0.02)


def test_difference_goes_the_short_way_round_a_closed_curve() -> None:
    assert difference(np.array([0.99]), np.array([0.01]), True) == pytest.approx(-0.02)
    assert difference(np.array([0.99]), np.array([0.01]), False) == pytest.approx(0.98)


def test_split_and_join_are_inverse() -> None:
    on = HeadCurve(make_curve("hilbert", 3))
    rng = np.random.default_rng(0)
    direction = frame(on, rng.random(100))
    offsets = rng.standard_normal((100, 2))
    along, across = split(offsets, direction)
    assert np.allclose(join(along, across, direction), offsets)
    # A step of t is a step along.
    t = np.full(1, 0.5 / on.curve.segments)
    step = on.targets(t + 1e-3) - on.targets(t)
    along, across = split(step, frame(on, t))
    assert along[0] == pytest.approx(1e-3 * on.length)
    assert across[0, 0] == pytest.approx(0.0, abs=1e-12)


def of_noise(on: HeadCurve, codes: float) -> Forecast:
    """The forecast of a float net without error, whose heads have normal noise of `codes` codes."""
    truth = (np.arange(20_000) + 0.5) / 20_000
    noise = SCALE * codes * np.random.default_rng(0).standard_normal(50_000)
    return forecast(on, SCALE, Known("test", on.curve.order, on.length, truth, np.zeros(20_000), noise, SCALE))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_small_noise_gives_the_closed_form(order: int) -> None:
    on = HeadCurve(make_curve("hilbert", order))
    result = of_noise(on, 0.7)
    assert result.jumps == 0
    assert result.quantization.robust_sd == pytest.approx(0.7 * SCALE / on.length, rel=0.03)
    assert result.truth.rmse == pytest.approx(result.quantization.rmse)


@pytest.mark.parametrize(("order", "safe", "broken"), [(2, 9.0, 30.0), (3, 4.0, 15.0)])
def test_the_noise_cliff(order: int, safe: float, broken: float) -> None:
    on = HeadCurve(make_curve("hilbert", order))
    below, beyond = of_noise(on, safe), of_noise(on, broken)
    assert below.jumps < 1e-3 and below.quantization.rmse < 0.5 * safe * SCALE
    assert beyond.jumps > 0.02 and beyond.quantization.rmse > broken * SCALE


def test_noise_of_a_longer_curve_rises_but_for_its_rounding() -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    truth = np.linspace(0, 1, 5000)
    rounding = np.random.default_rng(1).uniform(-SCALE / 2, SCALE / 2, 5000)
    only = forecast(on, SCALE, Known("1D", 0, 1.0, truth, np.zeros(5000), rounding, SCALE))
    more = forecast(on, SCALE, Known("1D", 0, 1.0, truth, np.zeros(5000), 4 * rounding, SCALE))
    assert only.noise == pytest.approx(1 / np.sqrt(12), rel=0.02)
    assert more.noise == pytest.approx(np.sqrt((16 - 1) / 12 * on.length ** (2 * RISE) + 1 / 12), rel=0.03)


def test_a_jump_is_farther_along_than_in_the_plane() -> None:
    on = HeadCurve(make_curve("hilbert", 3))
    cell = 1 / on.curve.segments
    moved = np.array([[0.5 * on.pitch, 0.0]] * 2)
    assert is_jump(on, np.array([1.4 * cell, 1.6 * cell]), moved).tolist() == [False, True]


def test_blur_follows_the_curve_until_it_spans_segments() -> None:
    on = HeadCurve(make_curve("hilbert", 4))
    t = np.linspace(0.1, 0.9, 200)
    sharp = np.linalg.norm(blurred(on, t, 1e-4) - on.targets(t), axis=-1)
    lost = np.linalg.norm(blurred(on, t, 0.02) - on.targets(t), axis=-1)
    assert sharp.max() < 0.05 * on.pitch
    assert np.median(lost) > on.pitch


@pytest.mark.parametrize("name", ["hilbert", "serpentine"])
@pytest.mark.parametrize("sigma", [0.1, 0.4])
def test_posterior_mean_against_a_fine_sum(name: str, sigma: float) -> None:
    on = HeadCurve(make_curve(name, 2))
    heads = np.random.default_rng(2).random((40, 2))
    s = (np.arange(60_000) + 0.5) / 60_000
    square = np.square((heads[:, None] - on.targets(s)[None]) / on.pitch).sum(-1)
    weight = np.exp(-(square - square.min(1, keepdims=True)) / (2 * sigma**2))
    wanted = (weight * s).sum(1) / weight.sum(1)
    assert np.abs(posterior_mean(on, heads, sigma) - wanted).max() * on.curve.segments < 5e-3


def test_posterior_mean_of_a_far_point_is_finite() -> None:
    on = HeadCurve(make_curve("hilbert", 3))
    assert np.isfinite(posterior_mean(on, np.array([[5.0, -4.0], [0.5, 0.5]]), 0.05)).all()


def test_a_closed_curve_has_no_mean() -> None:
    with pytest.raises(ValueError, match="closed"):
        posterior_mean(HeadCurve(make_curve("moore", 2)), np.zeros((1, 2)), 0.2)
