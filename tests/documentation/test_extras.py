"""Without an extra, whatever needs it ends in one line that says which to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.test_docs import EXTRAS, RUNNER
from tests.paths import LINE_SENSOR, MODELS, ROOT

MODEL = '[curve]\norder = 1\n[model]\nfile = "{}"\n'
MEAN = "[heads]\nscale = 0.00390625\nzero_point = -128\n[decoder]\nestimator = 'mean'\nsigma = 0.4\ngate = 0.1\n"
PLAIN = "[heads]\nscale = 0.00390625\nzero_point = -128\n"


def without(extra: str, *words: str) -> subprocess.CompletedProcess[str]:
    """hilbert-codegen with `words`, as where `extra` is not installed."""
    command = [sys.executable, "-c", RUNNER, ",".join(EXTRAS[extra]), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("extra", "config", "command"),
    [
        ("tflite", MODEL.format(LINE_SENSOR / "models" / "p3_int8_s0.tflite"), "show"),
        ("onnx", MODEL.format(MODELS / "onnx" / "two_qdq_int8.onnx"), "show"),
        ("plot", PLAIN, "plot"),
        ("mean", MEAN, "check"),
    ],
)
def test_a_missing_extra_is_one_line(extra: str, config: str, command: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(config, encoding="utf-8")
    done = without(extra, command, str(path), *(["-o", str(tmp_path / "a.svg")] if command == "plot" else []))
    assert done.returncode == 2
    assert f"pip install 'hilbert_codegen[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_report_without_its_extra_is_refused_before_the_work(tmp_path: Path) -> None:
    done = without(
        "plot", "evaluate", str(LINE_SENSOR / "pilot.toml"), "--limit", "20", "--report", str(tmp_path / "r.html")
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'hilbert_codegen[plot]'" in done.stderr
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(("module", "extra"), [("hilbert_codegen.torch", "torch"), ("hilbert_codegen.keras", "train")])
def test_a_missing_framework_names_its_extra(module: str, extra: str) -> None:
    code = RUNNER.replace('runpy.run_module("hilbert_codegen", run_name="__main__")', f"import {module}")
    command = [sys.executable, "-c", code, ",".join(EXTRAS[extra])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert f"pip install 'hilbert_codegen[{extra}]'" in done.stderr.splitlines()[-1]


def test_every_extra_has_its_packages_here() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    named = {line.split(" = ")[0] for line in extras.splitlines() if " = [" in line}
    assert named - {"docs", "test", "dev"} == set(EXTRAS)
