"""The PyTorch example's pilot: ONNX files from one end to the other, and heads that were swapped on purpose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from hilbert_codegen.cli import main
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from tests.paths import LINE_SENSOR

TORCH = LINE_SENSOR.parent / "line_sensor_torch"


def test_swapped_heads_fail_strictly_and_right_ones_pay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").symlink_to(TORCH / "models")
    shutil.copy(TORCH / "decoder.toml", tmp_path)
    shutil.copy(LINE_SENSOR / "samples.npz", tmp_path)
    text = (TORCH / "pilot.toml").read_text(encoding="utf-8").replace("../line_sensor/", "")
    path = tmp_path / "pilot.toml"
    path.write_text(text, encoding="utf-8")
    (model,) = evaluate(load_pilot(path), limit=200).models
    assert model.misread is None
    assert model.gain("1D", "mae").value > 3
    swapped = text.replace(
        'decoder = "decoder.toml"', 'decoder = "decoder.toml"\nset = ["curve.orientation=transpose"]'
    )
    path.write_text(swapped + '\n[kpi]\nmodel = "p = 2"\nlimit = 1000.0\n', encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(path), "--limit", "200", "--strict", "-q"])
    assert stop.value.code == 1
    assert "d2xy fits the truth" in capsys.readouterr().err
