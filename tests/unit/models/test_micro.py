"""TFLite Micro's own interpreter on the committed models of the line sensor: what a microcontroller computes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_runtime", reason="tflite-runtime is not installed (extra tflite)")

from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.networks import Setting
from hilbert_codegen.pilot.settings import load_pilot
from tests.paths import LINE_SENSOR, MODELS


def test_the_bytes_are_those_of_the_reference_kernels() -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed (extra micro)")
    pilot = load_pilot(LINE_SENSOR / "pilot.toml")
    settings = pilot.config.evaluate.model_copy(update={"seeds": [0]})
    models = [table for table in pilot.config.model if table.name == "p = 3"]
    short = replace(pilot, config=pilot.config.model_copy(update={"evaluate": settings, "model": models}))
    found = evaluate(short, 200, micro=True)
    checks = [result.micro for result in (*found.baselines, *found.models)]
    assert [check.values for check in checks if check] == [200, 400], "one value of the 1D head, two of the two heads"
    assert [check.differing for check in checks if check] == [0, 0]
    assert found.micro_lines == (
        "TFLite Micro gives the same bytes: 600 output values of 2 quantized nets, all equal.",
    )


def test_other_bytes_are_counted() -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed (extra micro)")
    pilot = load_pilot(LINE_SENSOR / "pilot.toml")
    setting = Setting(pilot, pilot.samples(20), False, (), lambda *_: None, micro=True)
    path = LINE_SENSOR / "models" / "p3_int8_s0.tflite"
    run = setting.infer(path, [0], "")
    spoilt = run.outputs[0].copy()
    spoilt.reshape(-1)[[2, 7]] ^= np.array([1, 4], dtype=spoilt.dtype)
    check = setting.check_micro(path, [0], replace(run, outputs=(spoilt,)), "")
    assert check is not None and (check.values, check.differing, check.largest) == (40, 2, 4.0)


def test_only_tflite_models_run_there() -> None:
    pytest.importorskip("onnx", reason="onnx is not installed (extra onnx)")
    with pytest.raises(UsageError, match=r"two_qdq_int8\.onnx: TFLite Micro runs TFLite models alone"):
        infer(MODELS / "onnx" / "two_qdq_int8.onnx", np.zeros((1, 4), np.float32), micro=True)


def test_a_model_that_it_refuses_is_said_with_its_reason() -> None:
    # A concatenation of more tensors than its kernel takes, which tflite-runtime runs.
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed (extra micro)")
    samples = np.linspace(0, 1, 16, dtype=np.float32)[None]
    path = MODELS / "inference" / "joined.tflite"
    assert infer(path, samples).outputs[0].size == 48
    with pytest.raises(UsageError, match=r"joined\.tflite: can't be run by TFLite Micro: .*CONCATENATION"):
        infer(path, samples, micro=True)


def test_without_the_package_one_line_names_the_extra(tmp_path: Path) -> None:
    hidden = tmp_path / "tflite_micro"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('none', name='tflite_micro')\n", encoding="utf-8")
    command = [sys.executable, "-m", "hilbert_codegen", "evaluate", "pilot.toml", "--limit", "20", "--micro", "-q"]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    }
    ended = subprocess.run(command, cwd=LINE_SENSOR, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.strip() == (
        "hilbert-codegen: running 1d_int8_s0.tflite by TFLite Micro needs the package tflite_micro; "
        "pip install 'hilbert_codegen[micro]'"
    )
    assert "Traceback" not in ended.stdout + ended.stderr
