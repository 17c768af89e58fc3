"""A net with three outputs in a pilot: the stereo example's, on few scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.training.loss import HeadCurve
from tests.paths import EXAMPLES

pytest.importorskip("tflite_runtime")

STEREO = EXAMPLES / "stereo"


def test_the_pilot_decodes_three_outputs_by_their_definition(tmp_path: Path) -> None:
    text = (STEREO / "fused.toml").read_text(encoding="utf-8")
    head, model, _ = text.split("[[model]]")
    for name in ("decoder_fused.toml", "models", "samples.npz"):
        (tmp_path / name).symlink_to(STEREO / name)
    path = tmp_path / "fused.toml"
    # The nearest point, so that the exact mean's package is not needed.
    nearest = (STEREO / "decoder_fused.toml").read_text(encoding="utf-8").replace("sigma = 0.5\ngate = 0\n", "")
    (tmp_path / "decoder_fused.toml").unlink()
    (tmp_path / "decoder_fused.toml").write_text(nearest, encoding="utf-8")
    path.write_text(f"{head}[[model]]{model}", encoding="utf-8")
    result = evaluate(load_pilot(path), 2)
    one, fused = result.baselines[0].trace, result.models[0].trace
    assert fused.quantized_heads is not None and fused.quantized_heads.shape == (*one.truth.shape, 2)
    assert fused.float_t is not None and one.float_t is not None
    # The third output is the 1D net's, as both have one trunk: what is not averaged with it is within the threshold of it.
    apart = np.abs(fused.quantized_t - one.quantized_t)
    assert (apart <= 0.04 + 1e-4).mean() > 0.9
    curve, _ = HeadCurve(make_curve("hilbert", 3)).decode(fused.quantized_heads)
    far = np.abs(curve - one.quantized_t) > 0.0401
    assert far.any()
    assert np.abs(fused.quantized_t - (curve + one.quantized_t) / 2)[far].max() < 1e-4
    assert np.abs(fused.quantized_t - curve)[~far & (np.abs(curve - one.quantized_t) < 0.0399)].max() < 1e-4


def test_tflite_micro_runs_it_to_the_same_bytes() -> None:
    pytest.importorskip("tflite_micro")
    with np.load(STEREO / "samples.npz") as data:
        views = {"": data["inputs"][:1].astype(np.float64) / 255}
    for name in ("1d", "fused"):
        path = STEREO / "models" / f"{name}_int8.tflite"
        ours, theirs = (infer(path, views, (0,), micro=micro) for micro in (False, True))
        assert (ours.outputs[0] == theirs.outputs[0]).all(), name
