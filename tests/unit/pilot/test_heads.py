"""Advice, noise model and pictures with any number of heads."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.cli import group
from hilbert_codegen.curves import make_curve
from hilbert_codegen.pilot.advise import advise_from_noise
from hilbert_codegen.pilot.costs import further_heads
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.noise import posterior_mean
from hilbert_codegen.pilot.report import curve_picture, noise_picture
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.training.loss import HeadCurve
from tests.paths import LINE_SENSOR


@pytest.mark.parametrize(("heads", "order"), [(3, 2), (4, 1), (6, 1)])
def test_the_posterior_mean_weighs_all_axes(heads: int, order: int) -> None:
    """Against the sum over 2000 places a segment, written down plainly."""
    on = HeadCurve(make_curve("hilbert", order, dimensions=heads))
    points = np.random.default_rng(4).random((12, heads))
    place = (np.arange(2000 * on.curve.segments) + 0.5) / (2000 * on.curve.segments)
    square = np.square((points[:, None] - on.targets(place)) / on.pitch).sum(axis=-1)
    weight = np.exp((square.min(axis=1, keepdims=True) - square) / (2 * 0.3**2))
    wanted = (weight * place).sum(axis=1) / weight.sum(axis=1)
    assert posterior_mean(on, points, 0.3) == pytest.approx(wanted, abs=0.005 / on.curve.segments)


@pytest.mark.slow
def test_advice_compares_numbers_of_heads_and_says_what_one_more_costs() -> None:
    """With noise of 6 codes two heads of order 3 jump; four heads of order 1, as long a curve, do not."""
    advice = advise_from_noise(6.0, 6.0, 1 / 256, (1, 2, 3), ["cell", Fraction(1, 10)], heads=(2, 3, 4))
    shapes = [(c.heads, c.order) for c in advice.candidates]
    assert shapes == sorted(shapes)
    assert set(shapes) == {(2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2)}
    of = {(c.heads, c.order): c for c in advice.candidates if c.inset == 2.0 ** -(c.order + 1)}
    assert "noise" in of[2, 3].refusal and not of[4, 1].refusal and not of[3, 2].refusal
    # A simulation of its own, noise before rounding: 0.88 and 0.44 of 1/256, where 6 / L would be 0.80 and 0.38 without corners.
    assert of[4, 1].quantization.rmse == pytest.approx(0.88 / 256, rel=0.06)
    assert of[3, 2].quantization.rmse == pytest.approx(0.44 / 256, rel=0.06)
    assert advice.best is not None
    assert (advice.best.heads, advice.best.order) == (4, 2)
    assert advice.verdict[0].startswith("Train 4 heads of order 2 with inset")
    costs = further_heads([c for c in advice.candidates if (c.heads, c.order) != (4, 2)])
    assert [cost.heads for cost in costs] == [2, 3, 4]
    assert all(cost.strategy and 0 < cost.flash_bytes <= 20480 for cost in costs)
    assert costs[0].instructions is not None
    assert "2 more output channels than one head" in costs[1].text(1.0)
    assert "1 more output channel than the best net without Hilbert heads" in costs[1].text(1.0, 2)
    assert "as many output channels as the best net without Hilbert heads" in costs[0].text(1.0, 2)
    assert "(for int8 heads of scale 1/256, uint16 results and up to 20480 bytes)" in costs[1].text(1.0)


def test_a_net_with_fewer_heads_is_advised_where_a_further_one_buys_nothing() -> None:
    advice = advise_from_noise(0.5, 0.5, 1 / 256, (1, 2), ["cell"], spread=0.004, heads=(2, 3, 4, 5, 6))
    assert advice.best is not None
    assert advice.best.heads == 2
    assert advice.verdict[0].startswith("Train order ")


def test_the_command_ranks_them(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["advise", "--noise-lsb", "3", "--heads", "2", "--heads", "4", "--order", "1", "-q", "--format", "json"]
    group.main(words, standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert [(c["heads"], c["order"]) for c in said["candidates"]] == [(2, 1), (4, 1)]
    assert [cost["heads"] for cost in said["heads"]] == [2, 4]
    assert said["best"]["heads"] == 4


def one_seed(folder: Path, seed: int) -> Path:
    """The example's pilot of two to six heads with one seed."""
    text = (LINE_SENSOR / "pilot_heads.toml").read_text(encoding="utf-8")
    text = text.replace("seeds = [0, 1, 2]", f"seeds = [{seed}]")
    path = folder / "pilot.toml"
    for name in ("decoder.toml", "samples.npz", "models/"):
        text = text.replace(f'"{name}', f'"{LINE_SENSOR.as_posix()}/{name}')
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_more_heads_reach_their_figures_in_every_seed(tmp_path: Path, seed: int) -> None:
    models = {model.name: model for model in evaluate(load_pilot(one_seed(tmp_path, seed))).models}
    for name, robust_sd, rmse in (("3 heads, p = 2", 7.5, 4.2), ("6 heads, p = 1", 9.0, 5.5)):
        assert models[name].gain("1D INT8", "robust_sd").value >= robust_sd, name
        assert models[name].gain("1D INT8", "rmse").value >= rmse, name
    two = models.pop("p = 3")
    for model in models.values():
        assert model.jumps == 0
        assert model.subsets["all"].quantized_truth.rmse < two.subsets["all"].quantized_truth.rmse, model.name


@pytest.mark.slow
def test_pictures_of_two_to_six_heads(tmp_path: Path) -> None:
    models = evaluate(load_pilot(one_seed(tmp_path, 0)), 100).models
    assert sorted(m.trace.across.shape[-1] for m in models if m.trace.across is not None) == [1, 2, 3, 4, 5]
    assert curve_picture(models).startswith("<img alt=")
    assert noise_picture(models).startswith("<img alt=")
