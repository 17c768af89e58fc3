"""The probe of the inputs: which orders suit them, before any net is trained."""

from __future__ import annotations

import numpy as np

from hilbert_codegen.pilot.probe import probe


def test_a_place_among_pixels_suits_a_folded_curve_and_a_linear_reading_does_not() -> None:
    rng = np.random.default_rng(0)
    t = rng.random(4000)
    pixels = np.exp(-0.5 * ((np.arange(48) - 4 - 40 * t[:, None]) / 1.8) ** 2) + 0.03 * rng.standard_normal((4000, 48))
    linear = t[:, None] * rng.uniform(0.5, 1.0, 16) + 0.3 * rng.random((4000, 3)) @ rng.random((3, 16))
    easy, hard = (probe(np.asarray(x, np.float64), t, "hilbert", (1, 2, 3)) for x in (pixels, linear))
    assert easy[1] < 0.8 and easy[2] < 0.9
    assert hard[1] > 1.2 and hard[1] < hard[2] < hard[3]


def test_a_circle_is_compared_with_cosine_and_sine() -> None:
    rng = np.random.default_rng(0)
    t = rng.random(3000)
    field = np.cos(2 * np.pi * (t[:, None] - np.arange(8) / 8)) + 0.01 * rng.standard_normal((3000, 8))
    found = probe(field, t, "moore", (1, 2))
    assert 0.9 < found[1] < found[2]


def test_nothing_is_said_of_few_samples_wide_inputs_or_maps() -> None:
    rng = np.random.default_rng(0)
    assert probe(rng.random((100, 4)), rng.random(100), "hilbert", (1,)) == {}
    assert probe(rng.random((700, 2000)), rng.random(700), "hilbert", (1,)) == {}
    assert probe(rng.random((700, 4, 4)), rng.random((700, 4, 4)), "hilbert", (1,)) == {}


def test_nothing_is_said_of_a_constant_value() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((2000, 8))
    for curve in ("hilbert", "moore"):
        assert probe(inputs, np.full(2000, 0.3), curve, (1, 2)) == {}
        assert probe(inputs, np.float32(0.3) + 1e-8 * rng.random(2000), curve, (1, 2)) == {}
        assert probe(inputs, rng.uniform(1.1, 2.0, 2000), curve, (1, 2)) == {}, "all beyond the range"
