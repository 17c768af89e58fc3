"""The page From a Keras model to a proved decoder: its Python trains for real, its commands run on what that wrote."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.paths import ROOT

pytest.importorskip("keras", reason="keras is not installed (extra train)")
pytest.importorskip("tensorflow", reason="tensorflow is not installed (extra train)")

PAGE = ROOT / "docs" / "from_keras.md"


def fenced(kind: str) -> list[str]:
    """The page's blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@needs("gcc")
def test_every_step_of_the_page(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    for name, text in zip(("depth.toml", "pilot.toml"), fenced("toml"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "train.py").write_text("\n".join(fenced("python")), encoding="utf-8")
    run("train.py")
    runtime = any(importlib.util.find_spec(name) for name in ("tflite_runtime", "ai_edge_litert"))
    lines = [line[2:] for block in fenced("console") for line in block.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("hilbert-codegen")]
    assert [words[0] for words in commands] == ["advise", "evaluate", "generate", "verify"]
    said = {
        words[0]: run("-m", "hilbert_codegen", *words) for words in commands if runtime or "pilot.toml" not in words
    }
    assert "PASS  depth_decode_block" in said["verify"]
    assert (tmp_path / "src" / "depth_decoder.c").is_file()
    if runtime:
        assert "PASS: Has the float net of two heads learnt the task?" in said["evaluate"]
        assert "PASS: Does two heads pay?" in said["evaluate"]
        # The measured order 3 leaves a third of one head's error; it comes first, and forecasts behind it.
        advice = re.search(r"^Take order 3 .*: error to truth -(\d+) % \[", said["advise"], re.M)
        assert advice is not None and int(advice[1]) >= 55, said["advise"]
        assert "measured" in said["advise"] and "Order 4 is ruled out by blur" in said["advise"]
