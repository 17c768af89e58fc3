"""A pilot of a model with two inputs: an INT8 net of TensorFlow's (tests/models/make_inference.py) that adds them up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("tflite_runtime")

from hilbert_codegen.cli import main
from hilbert_codegen.curves import make_curve
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.training.loss import HeadCurve
from tests.paths import MODELS

PILOT = """
[data]
file = "samples.npz"
inputs = {inputs}
truth = "t"
truth_in = "t"

[[model]]
name = "sum"
decoder = "depth.toml"
quantized = "net.tflite"
"""


@pytest.fixture
def pilot(tmp_path: Path) -> Path:
    """`first` and `second` are split points of the curve at t, whose sum the net gives."""
    (tmp_path / "net.tflite").symlink_to(MODELS / "inference" / "added.tflite")
    (tmp_path / "depth.toml").write_text('[curve]\norder = 2\n[model]\nfile = "net.tflite"\n', encoding="utf-8")
    rng = np.random.default_rng(0)
    t = rng.random(300)
    points = HeadCurve(make_curve("hilbert", 2)).targets(t)
    first = points + (1 - points) * rng.random((300, 2))
    np.savez(tmp_path / "samples.npz", first=first, second=points - first, t=t, unlike=np.zeros((300, 5)))
    return tmp_path / "pilot.toml"


def write(pilot: Path, inputs: str) -> Path:
    pilot.write_text(PILOT.format(inputs=inputs), encoding="utf-8")
    return pilot


@pytest.mark.parametrize(
    "inputs",
    [
        '{ there = "second", here = "first" }',
        '{ "serving_default_there:0" = "second", here = "first" }',
    ],
)
def test_each_input_gets_its_array(pilot: Path, inputs: str) -> None:
    (model,) = evaluate(load_pilot(write(pilot, inputs))).models
    assert model.subsets["all"].quantized_truth.mae < 0.005
    assert model.misread is None


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ('"first"', ["net.tflite", "2 inputs ('there' [1, 2], 'here' [1, 2])", "[data] inputs"]),
        (
            '{ here = "first", their = "second" }',
            ["net.tflite", "no array in [data] inputs for 'there' [1, 2]", "'here'"],
        ),
        ('{ here = "first", there = "second", more = "second" }', ["net.tflite", "2 inputs", "the data 3"]),
        ('{ here = "first", there = "unlike" }', ["net.tflite", "'there'", "[1, 2]", "a sample [5]"]),
        ('{ here = "first", there = "third" }', ["pilot.toml", "data.inputs", '"third"', "it has first, second"]),
        ("{}", ["pilot.toml", "data.inputs", "give one for every input"]),
        ("{ here = 3 }", ["pilot.toml", "data.inputs"]),
    ],
)
def test_what_does_not_fit_is_one_line(
    pilot: Path, inputs: str, named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(write(pilot, inputs)), "-q"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    for text in named:
        assert text in said
