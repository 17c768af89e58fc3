"""Nets with a fused head in a pilot: the stereo example's, on few scenes; and curves of more heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen import Decoder, decode
from hilbert_codegen.curves import make_curve
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.training.loss import HeadCurve
from tests.paths import EXAMPLES, LINE_SENSOR

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


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_five_heads_and_one_beat_the_one_on_stereo(seed: int) -> None:
    """Over all pixels of the held-out scenes: 5 % in the mean absolute error, without loss in the root mean square."""
    model = STEREO / "models" / f"fused_h5p1_s{seed}_int8.tflite"
    decoder = Decoder.load(STEREO / "decoder_five.toml", model)
    with np.load(STEREO / "samples.npz") as samples:
        views, truth = samples["inputs"].astype(np.float32) / 255, samples["disparity"].reshape(-1) / 16
    codes = infer(model, views).outputs[0].reshape(-1, 6)
    found = decoder.t_of(decode(*codes.T, decoder)) - truth
    # Scale 1/256: the 1D head's largest code is 255/256, t = 1.
    single = decoder.real(5, codes[:, 5]) / (255 / 256) - truth
    assert np.abs(found).mean() < 0.95 * np.abs(single).mean()
    assert np.square(found).mean() < np.square(single).mean()


@pytest.mark.parametrize("heads", [3, 5])
def test_the_pilot_decodes_the_curve_of_more_heads_and_one(heads: int, tmp_path: Path) -> None:
    """The line sensor's net of one head more, whose last is read as t: it was not trained for that, but is decoded."""
    for name in ("models", "samples.npz", "decoder.toml"):
        (tmp_path / name).symlink_to(LINE_SENSOR / name)
    head, _ = (LINE_SENSOR / "pilot_heads.toml").read_text(encoding="utf-8").split("[[model]]", 1)
    settings = [f"curve.dimensions={heads}", "curve.order=1", "decoder.estimator=fused", "decoder.threshold=0.04"]
    net = f"models/h{heads + 1}p1"
    model = f"""[[model]]
name = "fused"
decoder = "decoder.toml"
set = {settings}
float = "{net}_float_s{{seed}}.tflite"
quantized = "{net}_int8_s{{seed}}.tflite"
"""
    path = tmp_path / "pilot.toml"
    path.write_text(head.replace("seeds = [0, 1, 2]", "seeds = [0]") + model, encoding="utf-8")
    found = evaluate(load_pilot(path), 50).models[0]
    trace, plan = found.trace, found.plan
    assert plan is not None and plan.spec.dimensions == heads and plan.spec.inputs == heads + 1
    assert trace.quantized_heads is not None and trace.quantized_heads.shape == (50, heads)
    with np.load(LINE_SENSOR / "samples.npz") as data:
        inputs = {"": data["pixels"][:50].astype(np.float64) / 255}
    codes = infer(LINE_SENSOR / f"{net}_int8_s0.tflite", inputs, (0,)).outputs[0].reshape(50, heads + 1)
    wanted = ideal_of(plan.spec, codes.astype(np.int64)).codes / 65535
    assert np.abs(trace.quantized_t - wanted).max() < 1e-9
    assert trace.float_t is not None and np.abs(trace.float_t - trace.quantized_t).mean() < 0.02


def test_tflite_micro_runs_it_to_the_same_bytes() -> None:
    pytest.importorskip("tflite_micro")
    with np.load(STEREO / "samples.npz") as data:
        views = {"": data["inputs"][:1].astype(np.float64) / 255}
    for name in ("1d", "fused"):
        path = STEREO / "models" / f"{name}_int8.tflite"
        ours, theirs = (infer(path, views, (0,), micro=micro) for micro in (False, True))
        assert (ours.outputs[0] == theirs.outputs[0]).all(), name
