"""Without an extra, whatever needs it ends in one line that says which to install; with that extra alone it works.

The environments are real ones (see `environments`): what a child process of the program imports lacks as well.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documentation.environments import EXTRAS, environment
from tests.paths import LINE_SENSOR, MODELS, ROOT

PLAIN = "[curve]\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\n"
FILES = {
    "plain.toml": PLAIN,
    "mean.toml": PLAIN + "[decoder]\nestimator = 'mean'\nsigma = 0.4\ngate = 0.1\n",
    "tflite.toml": '[curve]\norder = 1\n[model]\nfile = "net.tflite"\n',
    "onnx.toml": '[curve]\norder = 1\n[model]\nfile = "net.onnx"\n',
    "pilot.toml": "[data]\nfile = 'samples.npz'\ninputs = 'pixels'\ntruth = 't'\ntruth_in = 't'\ndivide = 255.0\n"
    "[[baseline]]\nname = '1D'\nquantized = '1d.{form}'\n",
}
BOARD = "--board mps2-an386 --emulator unicorn"
#: extra -> commands that need it, and it alone but for those that stand before it.
COMMANDS = {
    "tflite": ("show tflite.toml", "generate tflite.toml -o src", "evaluate tflite_pilot.toml --limit 20"),
    "onnx": ("show onnx.toml", "generate onnx.toml -o src", "evaluate onnx_pilot.toml --limit 20"),
    "plot": ("plot plain.toml -o a.svg",),
    "mean": ("generate mean.toml -o src",),
    "boards": (f"run plain.toml {BOARD}", f"measure plain.toml {BOARD} --points 64"),
    "tflite+plot": ("evaluate tflite_pilot.toml --limit 20 --report a.html",),
    "tflite+micro": ("evaluate tflite_pilot.toml --limit 20 --micro",),
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The Python of an environment with the extras that are given, made once."""

    @functools.lru_cache
    def make(extras: frozenset[str]) -> Path:
        return environment(tmp_path_factory.mktemp("environment") / "venv", extras)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Configurations, models and a pilot."""
    for name, text in FILES.items():
        for form in ("tflite", "onnx") if "{form}" in text else ("",):
            (tmp_path / (f"{form}_{name}" if form else name)).write_text(text.replace("{form}", form), encoding="utf-8")
    shutil.copy(LINE_SENSOR / "models" / "p3_int8_s0.tflite", tmp_path / "net.tflite")
    shutil.copy(LINE_SENSOR / "models" / "1d_int8_s0.tflite", tmp_path / "1d.tflite")
    shutil.copy(MODELS / "onnx" / "two_qdq_int8.onnx", tmp_path / "net.onnx")
    shutil.copy(LINE_SENSOR.parent / "line_sensor_torch" / "models" / "1d_int8.onnx", tmp_path / "1d.onnx")
    shutil.copy(LINE_SENSOR / "samples.npz", tmp_path)
    return tmp_path


def run(python: Path, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [str(python), "-m", "hilbert_codegen", *command.split()]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize(
    ("extras", "command"), [(extras, command) for extras, commands in COMMANDS.items() for command in commands]
)
def test_a_missing_extra_is_one_line_and_alone_it_is_enough(
    extras: str, command: str, folder: Path, python: functools._lru_cache_wrapper[Path]
) -> None:
    wanted = extras.split("+")
    before = set(folder.iterdir())
    done = run(python(frozenset(EXTRAS) - {wanted[-1]}), command, folder)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'hilbert_codegen[{wanted[-1]}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert set(folder.iterdir()) == before  # refused before the work
    if extras == "mean":  # its exact table takes most of a minute, and tests/unit/exact computes it
        command = "--version"
    done = run(python(frozenset(wanted)), command, folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "extra"), [("hilbert_codegen.torch", "torch"), ("hilbert_codegen.keras", "train")])
def test_a_missing_framework_names_its_extra(
    module: str, extra: str, python: functools._lru_cache_wrapper[Path]
) -> None:
    command = [str(python(frozenset(EXTRAS))), "-c", f"import {module}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert f"pip install 'hilbert_codegen[{extra}]'" in done.stderr.splitlines()[-1]


def test_every_extra_has_its_packages_here() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    named = {line.split(" = ")[0] for line in extras.splitlines() if " = [" in line}
    assert (
        named - {"docs", "test", "dev", "train", "torch"} == set(EXTRAS) == {n for x in COMMANDS for n in x.split("+")}
    )
