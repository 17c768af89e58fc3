"""Small nets trained for real with the loss as it is documented: model.compile("adam", loss=HilbertLoss(on))."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.training.loss import HeadCurve
from tests.paths import EXAMPLES, LINE_SENSOR, ROOT

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from hilbert_codegen.keras import HilbertLoss, encode  # noqa: E402

STEPS = 3000
BATCH = 256


def _samples(count: int, seed: int) -> tuple[Any, Any]:
    spec = importlib.util.spec_from_file_location("line_sensor_train", LINE_SENSOR / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pixels, t = module.make_samples(count, seed)
    return pixels.astype(np.float32) / 255, t


def _trained(on: HeadCurve, loss: Any, seed: int = 0) -> tuple[float, float]:
    """(share of test points a cell or more off, mean absolute error in t) of the line sensor's float net."""
    keras.utils.set_random_seed(seed)
    net = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(96, "relu"),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(2),
        ]
    )
    net.compile("adam", loss=loss, jit_compile=True, steps_per_execution=50)
    pixels, t = _samples(51_200, 1000)
    net.fit(pixels, t[:, None], batch_size=BATCH, epochs=STEPS * BATCH // len(pixels), verbose=0)
    pixels, t = _samples(4000, 1)
    decoded, _ = on.decode(np.asarray(net(pixels)))
    error = np.abs(decoded - t)
    return float((error * on.curve.segments > 1.5).mean()), float(error.mean())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_documented_loss_learns(order: int) -> None:
    on = HeadCurve(make_curve("hilbert", order))
    wrong, error = _trained(on, HilbertLoss(on))
    wrong_of_target, error_of_target = _trained(
        on, lambda t, heads: tf.reduce_sum((heads - encode(t[:, 0], on)) ** 2, axis=-1)
    )
    assert wrong <= wrong_of_target + 5e-4
    # Seeds of one recipe differ by 4 %.
    assert error <= 1.08 * error_of_target


def test_the_study_compares_both_losses(tmp_path: Path) -> None:
    """A short run of examples/study/losses.py on one of the study's tasks."""
    script = EXAMPLES / "study" / "losses.py"
    words = [
        "--tasks",
        "flight",
        "--orders",
        "3",
        "--steps",
        "600",
        "--seeds",
        "0",
        "--json",
        str(tmp_path / "rows.json"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(script), *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    wrong, wrong_of_target = row["documented"]["wrong"][0], row["target"]["wrong"][0]
    assert "more than by chance" not in done.stdout
    assert wrong <= wrong_of_target + 2 * np.sqrt(2 * wrong_of_target / row["points"]) + 1e-3
    assert row["documented"]["mae"][0] <= 1.1 * row["target"]["mae"][0]
