"""Pilots on the study's committed nets: a closed curve, and every kind of baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.advise import advise_from_pilot
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from tests.paths import EXAMPLES

pytest.importorskip("tflite_runtime")

MODELS = EXAMPLES / "study" / "models"


def pilot(folder: Path, task: str, tables: str) -> Path:
    """A pilot of a task of the study, in the folder of its models' names."""
    for file in (MODELS / task).iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "decoder.toml").write_text(
        '[curve]\nkind = "moore"\norder = 2\n[heads]\nscale = 0.00390625\nzero_point = -128\n', encoding="utf-8"
    )
    data = '[data]\nfile = "samples.npz"\ninputs = "readings"\ntruth_in = "t"\ntruth = "t"\ndivide = 255\n'
    path = folder / "pilot.toml"
    path.write_text(f"[task]\nvalues = [0, 360]\n{data}{tables}", encoding="utf-8")
    return path


def net(table: str, name: str, kind: str = "int8", more: str = "") -> str:
    """One table of a pilot."""
    return f'[[{table}]]\nname = "{name} {kind}"\nfloat = "{name}_float.tflite"\nquantized = "{name}_{kind}.tflite"\n{more}'


def test_angles_with_a_moore_curve_alone(tmp_path: Path) -> None:
    path = pilot(tmp_path, "encoder", net("model", "moore2", more='decoder = "decoder.toml"\n'))
    result = evaluate(load_pilot(path), 400)
    # An error near the place where t wraps round is small.
    assert result.models[0].closed and result.models[0].subsets["all"].quantized_truth.max < 0.1
    advice = advise_from_pilot(result, [1, 2, 3], ["cell"])
    assert {c.curve for c in advice.candidates} == {"moore"}


def test_every_kind_of_baseline(tmp_path: Path) -> None:
    tables = net("baseline", "1d") + net("baseline", "l1", more='kind = "l1"\n')
    tables += net("baseline", "1d", "wide", 'kind = "wide"\n') + net("baseline", "1d", "int16x8", "rival = false\n")
    tables += net("baseline", "cos_sin", more='kind = "cos_sin"\nrange = [-1.0, 1.0]\n')
    result = evaluate(load_pilot(pilot(tmp_path, "encoder", tables)), 400)
    assert [b.kind for b in result.baselines] == ["int8", "l1", "wide", "int16x8", "cos_sin"]
    error = {b.name: b.subsets["all"].quantization.rmse for b in result.baselines}
    assert error["1d wide"] < error["1d int8"] and error["1d int16x8"] < error["1d int8"]
    truth = {b.name: b.subsets["all"].quantized_truth.mae for b in result.baselines}
    # One output has a step where the angle wraps round; cosine and sine have none.
    assert truth["cos_sin int8"] < 0.5 * truth["1d int8"]


def test_a_kind_that_the_output_is_not_is_refused(tmp_path: Path) -> None:
    path = pilot(tmp_path, "encoder", net("baseline", "1d", more='kind = "int16x8"\n'))
    with pytest.raises(UsageError, match=r'int8 output; kind = "int16x8" takes int16'):
        evaluate(load_pilot(path), 50)
