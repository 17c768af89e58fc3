"""The PyTorch example's pilot: ONNX and TFLite files from one end to the other, and heads that were swapped on purpose."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tflite")
pytest.importorskip("tflite_runtime")

from hilbert_codegen.cli import main
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.spec.plan import make_plan
from tests.paths import LINE_SENSOR

TORCH = LINE_SENSOR.parent / "line_sensor_torch"


def code(name: str) -> str:
    """The generated C without what names the model: comments and the digest of the configuration."""
    text = generate(make_plan(load(TORCH / name))).files["line_decoder.c"].decode()
    return re.sub(r"CONFIG_HASH.*|0x[0-9A-F]{8}UL", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def test_onnx_and_tflite_files_of_one_net_have_one_decoder() -> None:
    assert code("decoder.toml") == code("decoder_tflite.toml")


def test_swapped_heads_fail_strictly_and_right_ones_pay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models").symlink_to(TORCH / "models")
    for name in ("decoder.toml", "decoder_tflite.toml"):
        shutil.copy(TORCH / name, tmp_path)
    shutil.copy(LINE_SENSOR / "samples.npz", tmp_path)
    text = (TORCH / "pilot.toml").read_text(encoding="utf-8").replace("../line_sensor/", "")
    path = tmp_path / "pilot.toml"
    path.write_text(text, encoding="utf-8")
    models = evaluate(load_pilot(path), limit=200).models
    assert [model.name for model in models] == ["p = 2, ONNX", "p = 2, TFLite"]
    for model in models:
        assert model.misread is None
        assert model.gain("1D, ONNX", "mae").value > 3 < model.gain("1D, TFLite", "mae").value
    # Two quantizers of one float net agree within a few per cent.
    first, second = (model.subsets["all"].quantized_truth.mae for model in models)
    assert abs(first - second) < 0.05 * first
    swapped = text.replace(
        'decoder = "decoder.toml"', 'decoder = "decoder.toml"\nset = ["curve.orientation=transpose"]'
    )
    for kpi in ('\n[kpi]\nmodel = "p = 2, ONNX"\nlimit = 1000.0\n', ""):
        path.write_text(swapped + kpi, encoding="utf-8")
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", str(path), "--limit", "200", "--strict", "-q"])
        assert stop.value.code == 1
        assert "d2xy fits the truth" in capsys.readouterr().err
    # The order of another training fails likewise, and by name.
    path.write_text(swapped.replace("orientation=transpose", "order=1"), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["evaluate", str(path), "--limit", "200", "--strict", "-q"])
    said = capsys.readouterr()
    assert "the Hilbert curve of order 2 fits the truth" in said.err
    assert (
        "FAIL: Has the float net of p = 2, ONNX learnt the task? seed 0: the Hilbert curve of order 2 fits" in said.out
    )
    path.write_text(text.replace('float = "models/p2_float.onnx"', 'float = "models/p2_int8.onnx"'), encoding="utf-8")
    with pytest.raises(UsageError, match=r'model.float = "models/p2_int8.onnx": is the quantized net itself'):
        evaluate(load_pilot(path), limit=200)
    shutil.copy(TORCH / "models" / "p2_int8.onnx", tmp_path / "copy.onnx")
    path.write_text(text.replace('float = "models/p2_float.onnx"', 'float = "copy.onnx"'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"is no float net, output 0 .* is quantized"):
        evaluate(load_pilot(path), limit=200)
    path.write_text(text, encoding="utf-8")
    main(["evaluate", str(path), "--limit", "200", "--strict", "-q"])
    assert "--strict judged the heads alone" in capsys.readouterr().err
