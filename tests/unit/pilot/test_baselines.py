"""What a baseline's head values stand for."""

from __future__ import annotations

import numpy as np
import pytest

from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.settings import BaselineTable


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0), (0.0, 7.0), (2.0, -2.0)])
def test_cosine_and_sine_are_told_from_heads_of_any_range(low: float, high: float) -> None:
    t = np.arange(16) / 16
    unit = np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], axis=-1)
    heads = low + (high - low) * (unit + 1) / 2
    assert KINDS["cos_sin"].decode(heads, (low, high)) == pytest.approx(t, abs=1e-12)


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({}, (0.0, 1.0)),
        ({"kind": "ensemble"}, (0.0, 1.0)),
        ({"kind": "cos_sin"}, (-1.0, 1.0)),
        ({"kind": "cos_sin", "range": [0, 1]}, (0.0, 1.0)),
        ({"kind": "l1", "range": [-3, 3]}, (-3.0, 3.0)),
    ],
)
def test_each_kind_has_a_range_of_its_own_unless_one_is_given(
    given: dict[str, object], ends: tuple[float, float]
) -> None:
    assert BaselineTable.model_validate({"name": "1D", "quantized": "net.tflite", **given}).range == ends
