"""Pilots on real models: inference, the generated decoder, figures, verdict, advice, report."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.cli import advise, main
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.models.inference import inspect_network
from hilbert_codegen.pilot.advise import Advice, advise_from_noise, advise_from_pilot
from hilbert_codegen.pilot.choice import Candidate
from hilbert_codegen.pilot.costs import further_heads
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.intervals import Bootstrap, interval
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.networks import _noise as head_noise
from hilbert_codegen.pilot.networks import constant_heads, head_warnings
from hilbert_codegen.pilot.report import along_t_picture, histogram_picture, overheads, render_report
from hilbert_codegen.pilot.results import Evaluation, FloatArray, to_record
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.training.codec import Decoder, decode
from tests.conftest import needs
from tests.paths import LINE_SENSOR, MODELS

LINE = LINE_SENSOR
ORDERS = {"p = 1": 1, "p = 2": 2, "p = 3": 3}

tflite = pytest.importorskip("tflite")
pytest.importorskip("tflite_runtime")


def one_seed(tmp_path: Path, seed: int, *, keep: str = "") -> Path:
    """The example's pilot with one seed; `keep` names the only model, if given."""
    head, *models = (LINE / "pilot.toml").read_text(encoding="utf-8").split("[[model]]")
    last, kpi = models[-1].split("[kpi]")
    models[-1] = last
    chosen = [part for part in models if f'name = "{keep}"' in part] if keep else models
    text = "[[model]]".join([head, *chosen]) + "[kpi]" + kpi
    path = tmp_path / "pilot.toml"
    path.write_text(text.replace("seeds = [0, 1, 2]", f"seeds = [{seed}]"), encoding="utf-8")
    shutil.copy(LINE / "decoder.toml", tmp_path)
    shutil.copy(LINE / "samples.npz", tmp_path)
    (tmp_path / "models").symlink_to(LINE / "models")
    return path


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return evaluate(load_pilot(one_seed(tmp_path_factory.mktemp("line"), 0)), limit=3000)


def test_figures_agree_with_an_evaluation_by_hand(line: Evaluation) -> None:
    model = next(m for m in line.models if m.name == "p = 3")
    trace = model.trace
    assert trace.quantized_heads is not None and trace.float_heads is not None and model.plan is not None
    codes = np.rint(trace.quantized_heads * 256 - 128).astype(np.int8)
    decoder = Decoder(model.plan.spec)
    table = decoder.t_of(decode(codes[:, 0], codes[:, 1], decoder))
    assert np.array_equal(trace.quantized_t, table)
    real = decode(trace.float_heads[:, 0], trace.float_heads[:, 1], decoder)
    error = table - real.astype(np.float64)
    stats = model.subsets["all"].quantization
    assert stats.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert stats.robust_sd == pytest.approx(1.4826 * np.median(np.abs(error - np.median(error))))
    base = line.baselines[0].subsets["all"].quantization
    gain = model.gain("1D INT8", "rmse")
    assert gain.value == pytest.approx(base.rmse / stats.rmse)
    assert gain.low < gain.value < gain.high


def test_the_gain_is_what_the_noise_predicts_but_for_corners(line: Evaluation) -> None:
    for model in line.models:
        measured = model.gain("1D INT8", "robust_sd").value
        assert measured == pytest.approx(model.predicted["1D INT8"]["robust_sd"], rel=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_line_sensor_reaches_its_figures_in_every_seed(tmp_path: Path, seed: int) -> None:
    result = evaluate(load_pilot(one_seed(tmp_path, seed, keep="p = 3")))
    model = result.models[0]
    assert model.gain("1D INT8", "robust_sd").value >= 5.2
    whole = model.subsets["all"]
    assert whole.quantized_truth.rmse < 1.02 * whole.float_truth.rmse
    assert whole.quantized_truth.mae < 1.02 * whole.float_truth.mae
    assert model.jumps == 0
    # The baseline is a fair one: close to what rounding alone costs a single INT8 output, .37 codes of robust SD.
    assert result.baselines[0].robust_lsb < 0.5


def advice_of(evaluation: Evaluation, *, known: str) -> Advice:
    """Advice from the model called `known` alone, or from the 1D net alone."""
    models = tuple(model for model in evaluation.models if model.name == known)
    return advise_from_pilot(dataclasses.replace(evaluation, models=models), [1, 2, 3, 4], ["cell"])


#: What the line sensor's INT8 nets left as MAE to truth, in pixels, 10,000 samples, mean of three seeds; order 4 was trained
#: with the example's recipe (seeds 0 and 1) and is not committed: its RMSE is over twice that of order 3.
LINE_TRUTH = {1: 0.111, 2: 0.0944, 3: 0.0916}


@pytest.mark.parametrize("known", ["", "p = 1", "p = 2", "p = 3"])
def test_told_of_any_one_order_it_names_one_within_15_percent_of_the_best(line: Evaluation, known: str) -> None:
    # Order 4 is among what it may choose, and has a larger RMSE than one head.
    advice = advice_of(line, known=known)
    assert advice.best is not None and advice.best.order in LINE_TRUTH
    # Every order pays here, so one that was measured comes first, and what may do better is to be trained next.
    assert not known or advice.best.order == ORDERS[known]
    named = {advice.best.order, *advice.measure}
    assert named <= set(LINE_TRUTH)
    assert min(LINE_TRUTH[int(order)] for order in named) <= 1.15 * min(LINE_TRUTH.values())
    four = next(c for c in advice.candidates if c.order == 4)
    assert four.refusal.startswith("blur") and np.isnan(four.truth.rmse)


@pytest.mark.parametrize("known", ["", "p = 1", "p = 2", "p = 3"])
def test_forecasts_of_other_orders_hold_what_their_intervals_promise(line: Evaluation, known: str) -> None:
    advice = advice_of(line, known=known)
    for candidate in advice.candidates:
        if candidate.measured or candidate.order > 3 or np.isnan(candidate.truth.rmse):
            continue
        measured = next(m for m in line.models if ORDERS[m.name] == candidate.order).subsets["all"]
        for metric in ("mae", "rmse"):
            ratio = candidate.truth.figures[metric] / measured.quantized_truth.figures[metric]
            assert 1 / candidate.spread["truth"] <= ratio <= candidate.spread["truth"], (candidate.order, metric)
        for metric in ("rmse", "robust_sd"):
            ratio = candidate.quantization.figures[metric] / measured.quantization.figures[metric]
            factor = candidate.spread[f"quantization {metric}"]
            assert 1 / factor <= ratio <= factor, (candidate.order, metric)


def test_what_was_measured_is_said_as_measured(line: Evaluation) -> None:
    advice = advise_from_pilot(line, [1, 2, 3], ["cell", "0.1"])
    assert all(c.measured for c in advice.candidates) and len(advice.candidates) == 3
    third = advice.candidates[2]
    assert third.truth == line.models[2].subsets["all"].quantized_truth
    name, plain, best = advice.estimators[-1]
    assert name == "p = 3"
    # Of what corners add to the noise along the curve the mean removes more than half, however small the noise is.
    model = line.models[2]
    assert model.noise is not None and model.plan is not None
    curve = model.plan.spec.curve
    along = model.noise.along / 256 / float(curve.length(model.plan.spec.inset))
    assert best.quantization.rmse**2 - along**2 < 0.5 * (plain.quantization.rmse**2 - along**2)
    assert best.truth.rmse <= 1.01 * plain.truth.rmse


def test_the_order_of_the_tables_changes_nothing(line: Evaluation) -> None:
    turned = dataclasses.replace(line, models=line.models[::-1])
    one, two = (advise_from_pilot(e, [1, 2, 3, 4], ["cell"]) for e in (line, turned))
    assert one.candidates == two.candidates and one.best == two.best


def test_what_was_measured_has_the_interval_that_evaluate_gives(line: Evaluation) -> None:
    advice = advice_of(line, known="p = 2")
    second = next(c for c in advice.candidates if c.measured)
    model = next(m for m in line.models if m.name == "p = 2")
    changes = [model.change("1D INT8", metric) for metric in ("mae", "rmse")]
    assert second.ends == pytest.approx((1 + sum(c.low for c in changes) / 2, 1 + sum(c.high for c in changes) / 2))
    assert second.ends[0] < second.score < second.ends[1] < 1
    assert f"{100 * (second.score - 1):+.0f} % [{100 * (second.ends[0] - 1):+.0f}, " in advice.verdict[0]


def test_few_samples_are_named(line: Evaluation) -> None:
    def said(samples: int) -> list[str]:
        few = dataclasses.replace(line, samples=samples, points=samples)
        return [text for text in advise_from_pilot(few, [1, 2], ["cell"]).verdict if "samples only" in text]

    assert said(199) and not said(200)
    # 1 / sqrt(2 n) of a root mean square error.
    assert "There are 50 samples only" in said(50)[0] and "of some 10 %" in said(50)[0]


def test_the_decoder_of_a_measured_net_is_that_of_its_own_configuration(tmp_path: Path) -> None:
    path = one_seed(tmp_path, 0, keep="p = 3")
    text = (LINE / "decoder.toml").read_text(encoding="utf-8")
    code = '[code]\ntarget = "cortex-m0plus"\nstrategy = "segment"'
    (tmp_path / "decoder.toml").unlink()
    (tmp_path / "decoder.toml").write_text(text.replace("[code]", code), encoding="utf-8")
    advice = advise_from_pilot(evaluate(load_pilot(path), 100), [1], ["cell"], heads=(2, 3))
    two, three = further_heads(advice.candidates)
    assert (two.measured, two.strategy, two.core, two.holds_for) == (True, "segment", "cortex-m0plus", "")
    assert "for int8 heads" not in two.text(1.0)
    assert (three.measured, three.core) == (False, "cortex-m4") and "int8 heads of scale 1/256" in three.holds_for


def test_two_nets_of_one_order_are_not_one_net(line: Evaluation) -> None:
    twin = dataclasses.replace(line.models[2], name="another")
    advice = advise_from_pilot(dataclasses.replace(line, models=(*line.models, twin)), [3], ["cell"])
    assert [c.source for c in advice.candidates if c.order == 3] == ["measured on another", "measured on p = 3"]


def test_it_can_be_asked_before_a_hilbert_net_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = one_seed(tmp_path, 0)
    head, _ = path.read_text(encoding="utf-8").split("[[model]]", 1)
    path.write_text(head, encoding="utf-8")
    main(["advise", str(path), "--limit", "500", "-q"])
    said = capsys.readouterr().out
    assert "Train order" in said
    main(["evaluate", str(path), "--limit", "500", "-q"])


def test_moore_curves_are_advised_for_angles(tmp_path: Path) -> None:
    path = edited(one_seed(tmp_path, 0), ("[task]", "[task]\ncircular = true"))
    evaluation = evaluate(load_pilot(path).without_models(), 300)
    advice = advise_from_pilot(evaluation, [1, 2, 3], ["cell"])
    assert {c.curve for c in advice.candidates} == {"moore"}


def test_advice_says_when_a_second_head_will_not_help(tmp_path: Path) -> None:
    noisy = advise_from_noise(60.0, 15.0, 1 / 256, [1, 2, 3], ["cell"])
    assert noisy.verdict[0].startswith("More heads will not help") and noisy.best is None
    assert all(c.refusal.startswith("noise") for c in noisy.candidates)
    unsure = advise_from_noise(0.5, 0.5, 1 / 256, [1, 2, 3], ["cell"], spread=0.05)
    # 0.05 of the range are 0.15 cells of order 1, 0.75 of order 2: the first may be learnt, the others are ruled out.
    # But of the error to truth, sqrt(0.05^2 + (0.5 / 256)^2), quantization makes 0.1 %.
    assert unsure.best is None and unsure.measure == ()
    assert unsure.verdict[0].endswith("of the error to truth of the best 1D INT8 net that makes 0.1 % only.")
    first, *others = unsure.candidates
    assert (first.refusal, first.unsure) == ("", "blur") and np.isnan(first.score)
    assert all(c.refusal.startswith("blur") for c in others)
    fine = advise_from_noise(0.5, 0.5, 1 / 256, [1, 2, 3], ["cell"], wanted=0.01)
    assert "The wanted error is met without Hilbert heads already, by the best 1D INT8 net." in fine.verdict
    asked = advise_from_noise(0.5, 0.5, 1 / 256, [1, 2, 3], ["cell"], wanted=0.0006)
    (met,) = (line for line in asked.verdict if "wanted error" in line)
    assert met == "The smallest order that meets the wanted error is 2 with 2 heads (inset 0.125)."
    # The truth of other samples: what the nets say has nothing to do with it, and no order can help.
    path = one_seed(tmp_path, 0, keep="p = 3")
    samples = dict(np.load(LINE / "samples.npz"))
    np.savez(tmp_path / "samples.npz", pixels=samples["pixels"], t=samples["t"][::-1])
    evaluation = evaluate(load_pilot(path), 500)
    assert advice_of(evaluation, known="p = 3").best is None
    assert advice_of(evaluation, known="").best is None


def test_spoilers_are_found_in_the_model() -> None:
    network = inspect_network(MODELS / "spoiled.tflite")
    assert [("unbounded" in line, "sigmoid" in line) for line in network.spoilers] == [(True, False), (False, True)]
    clean = inspect_network(LINE / "models" / "p3_int8_s0.tflite")
    assert clean.spoilers == ()
    assert clean.macs == clean.parameters == 64 * 96 + 96 * 64 + 64 * 2


MAP = """
[task]
title = "Ramps"
unit = "m"
values = [0.5, 10.0]
[data]
inputs = "t.npy"
truth = "t.npy"
truth_in = "t"
mask = "mask.npy"
mask_label = "the left half"
[[baseline]]
name = "1D"
float = "map1d_float.tflite"
quantized = "map1d_int8.tflite"
[[model]]
name = "p = 1"
decoder = "decoder.toml"
float = "map_float.tflite"
quantized = "map_int8.tflite"
[kpi]
model = "p = 1"
metric = "max"
points = "mask"
limit = 1.0
"""


@pytest.fixture
def map_pilot(tmp_path: Path) -> Callable[..., Path]:
    """A pilot on maps of 8 x 8 pixels, two output tensors; (old, new) replacements change its text."""

    def write(*changes: tuple[str, str]) -> Path:
        text = MAP
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        for model in MODELS.glob("map*.tflite"):
            shutil.copy(model, tmp_path)
        (tmp_path / "decoder.toml").write_text(
            '[curve]\norder = 1\ninset = 0.25\n[model]\nfile = "map_int8.tflite"\noutputs = ["Identity", "Identity_1"]\n',
            encoding="utf-8",
        )
        t = np.random.default_rng(3).random((30, 8, 8, 1)).astype(np.float32)
        np.save(tmp_path / "t.npy", t)
        mask = np.zeros(t.shape, dtype=bool)
        mask[:, :, :4] = True
        np.save(tmp_path / "mask.npy", mask)
        path = tmp_path / "pilot.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_maps_with_a_mask_and_two_output_tensors(map_pilot: Callable[..., Path]) -> None:
    result = evaluate(load_pilot(map_pilot()))
    model = result.models[0]
    assert (result.samples, result.points) == (30, 30 * 64)
    assert model.plan is not None and model.plan.spec.heads.layout == "planar"
    assert model.subsets["mask"].quantization.count == 30 * 32
    assert model.subsets["all"].float_truth.max < 1e-5
    assert model.trace.float_t is not None
    errors = model.trace.quantized_t - model.trace.float_t
    assert model.subsets["mask"].quantization == ErrorStats.of(errors[:, :, :4])
    assert model.gain("1D", "mae", "mask").value > 1.0
    html = render_report(result)
    assert "the left half" in html and "Maps of the truth" in html


def test_the_report_is_one_file_that_needs_nothing(line: Evaluation) -> None:
    record = {
        "board": "mps2", "core": "cortex-m4", "emulator": "qemu", "strategy": "tile", "points": 65536, "mismatches": 0,
        "instructions_per_point": 10.5, "cycles_per_point": 12.25, "cycles_model": "table", "code_bytes": 100,
        "table_bytes": 2000, "stack_bytes": None,
    }  # fmt: skip
    html = render_report(line, [record])
    assert len(html) < 1_500_000

    class Links(HTMLParser):
        found: list[str]
        images = 0

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.images += tag == "img"
            assert tag not in ("script", "link", "iframe")
            for key, value in attrs:
                if key in ("src", "href"):
                    assert (value or "").startswith("data:"), value

    parser = Links()
    parser.feed(html)
    assert parser.images == 4
    for text in ("Spot on a line sensor", "p = 3", "1D INT8", "PASS", "mps2", "12.2", "robust SD", "predicted"):
        assert text in html
    assert "http" not in html.replace("http://www.w3.org", "")
    row = overheads(line, [record])[-1]
    macs_1d, macs_2d = 64 * 96 + 96 * 64 + 64, 64 * 96 + 96 * 64 + 128
    assert row["overhead"] == pytest.approx(100 * ((macs_2d / 2 + 12.25) / (macs_1d / 2) - 1))
    assert row["overhead"] < 7


@pytest.mark.filterwarnings("error")
def test_errors_of_zero_and_of_any_size_are_drawn_without_a_warning(map_pilot: Callable[..., Path]) -> None:
    model = evaluate(load_pilot(map_pilot())).models[0]
    assert model.trace.float_t is not None
    exact = replace(model, trace=replace(model.trace, quantized_t=model.trace.float_t))
    for result in (model, exact):
        for span in (0.0, 1e-300, -1.0, 1e300):
            assert "Quantization error against t" in along_t_picture([result], span, "m")
            assert "Histograms" in histogram_picture([result], abs(span), "m")


def test_text_of_the_pilot_is_escaped_in_the_report(map_pilot: Callable[..., Path]) -> None:
    result = evaluate(load_pilot(map_pilot(('"Ramps"', '"<script>alert(1)</script>"'))))
    assert "<script>" not in render_report(result)


def test_records_are_plain_json(line: Evaluation) -> None:
    record = json.loads(json.dumps(to_record(line), allow_nan=False))
    assert record["models"][2]["decoder"]["levels"] == 2017
    assert record["models"][0]["branch_jumps"] == 0
    # Errors are in t: 55 pixels are one.
    assert record["errors_in"] == "t" and record["range"] == [4.0, 59.0]
    mae = line.models[0].subsets["all"].quantized_truth.mae
    assert record["models"][0]["errors"]["all"]["quantized_truth"]["mae"] == mae < 0.2 / 55


@needs("gcc")
def test_strict_is_an_exit_status(map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", str(map_pilot()), "--strict", "-q"])
    assert "PASS: Is the limit kept by p = 1? The largest absolute error (error to truth" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(map_pilot(("limit = 1.0", "limit = 1e-6"))), "--strict", "-q"])
    assert stop.value.code == 1
    assert "FAIL" in capsys.readouterr().err


def edited(line_pilot: Path, *changes: tuple[str, str]) -> Path:
    """The pilot with (old, new) replacements of its text."""
    text = line_pilot.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    line_pilot.write_text(text, encoding="utf-8")
    return line_pilot


def test_heads_that_say_nothing_fail_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # All pixels far above full scale: every head sits at the end of its codes, so no quantization error moves.
    path = edited(one_seed(tmp_path, 0, keep="p = 3"), ("divide = 255", "divide = 255\noffset = -100000"))
    result = evaluate(load_pilot(path), limit=300)
    assert result.verdict is not None and not result.verdict.passed
    learnt, kpi, pays = (result.verdict.of(question) for question in ("learnt", "kpi", "pays"))
    assert learnt is not None and learnt.passed is False
    assert learnt.reasons[0].startswith("seed 0: the float net does not fit this truth: its mean absolute error, ")
    assert result.models[0].trace.float_t is not None
    given = 4 + 55 * result.models[0].trace.float_t  # pixels
    assert f"It gives {given.min():.4g} to {given.max():.4g} pixels, the truth is " in learnt.reasons[0]
    assert "the truth's unit or range, the heads' order or the curve" in learnt.reasons[0]
    for head in "xy":
        assert any(w.startswith(f"head {head} gives code ") and "at all points" in w for w in result.models[0].warnings)
    assert kpi is not None and kpi.passed is False and "counts for nothing" in kpi.reasons[-1]
    assert pays is not None and pays.passed is False
    json.dumps(to_record(result), allow_nan=False)
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(path), "--limit", "300", "--strict", "-q", "--report", str(tmp_path / "r.html")])
    assert stop.value.code == 1
    main(["advise", str(path), "--limit", "300", "-q"])
    said = capsys.readouterr().out
    assert "has not learnt" in said
    assert "sigma" not in said and "best estimator" not in said


def test_a_gain_of_a_net_that_has_not_learnt_is_no_pass(tmp_path: Path) -> None:
    # The truth of other samples: the nets are as good as ever at quantization, and useless.
    path = one_seed(tmp_path, 0, keep="p = 3")
    samples = dict(np.load(LINE / "samples.npz"))
    np.savez(tmp_path / "samples.npz", pixels=samples["pixels"], t=samples["t"][::-1])
    edited(path, ("limit = 0.1", "limit = 50"))
    result = evaluate(load_pilot(path), limit=1000)
    assert result.models[0].gain("1D INT8", "robust_sd").value > 4
    assert result.verdict is not None and not result.verdict.passed
    pays = result.verdict.of("pays")
    assert pays is not None and pays.passed is False
    assert advise_from_pilot(result, [1, 2, 3], ["cell"]).estimators == (), "no settings for a useless net"


def test_a_gain_in_quantization_is_not_the_answer_to_whether_it_pays(line: Evaluation) -> None:
    assert line.verdict is not None and line.verdict.passed
    for model in line.models:
        answer = line.verdict.of("pays", model.name)
        mae, rmse = (model.change("1D INT8", metric) for metric in ("mae", "rmse"))
        own, base = (net.subsets["all"].quantized_truth for net in (model, line.baselines[0]))
        assert mae.value == pytest.approx(own.mae / base.mae - 1) and mae.low < mae.value < mae.high
        assert answer is not None and answer.passed == (mae.high < 0 and rmse.low <= 0)
        interval = model.subsets["all"].truth_intervals["quantized", "mae"]
        assert interval.low < own.mae < interval.high


def test_intervals_of_errors_to_truth_hold_what_they_promise() -> None:
    covered = 0
    for trial in range(100):
        errors = np.random.default_rng(trial).normal(0, 1, 300)
        found = interval(Bootstrap(np.ones(300, bool), 200).figures(errors, ["mae"])[:, 0])
        covered += found.low <= np.sqrt(2 / np.pi) <= found.high
    assert 88 <= covered <= 100


def test_without_float_nets_only_errors_to_truth_are_given(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = map_pilot(('float = "map_float.tflite"\n', ""), ('float = "map1d_float.tflite"\n', ""))
    result = evaluate(load_pilot(path))
    assert result.models[0].gains == () and result.models[0].jumps is None
    assert result.models[0].subsets["all"].quantized_truth.count == 30 * 64
    assert result.verdict is not None and result.verdict.passed
    learnt = result.verdict.of("learnt")
    assert learnt is not None and learnt.passed is None
    main(["evaluate", str(path), "--report", str(path.parent / "r.html"), "-q"])
    assert "Quantization error" not in capsys.readouterr().out


UNLEARNT = ('quantized = "map1d_int8.tflite"', 'quantized = "map1d_int8.tflite"\nrange = [0, 7]')


def test_nothing_pays_against_a_baseline_that_has_not_learnt(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = map_pilot(UNLEARNT, ("limit = 1.0", "limit = 1.0\nmin_gain = 0.001"))
    main(["evaluate", str(path)])
    said, warned = capsys.readouterr()
    result = evaluate(load_pilot(path))
    t = result.truth
    off, constant = 9.5 * np.abs(t / 7 - t).mean(), 9.5 * np.abs(t - np.median(t)).mean()  # m; half of 2.4 is exceeded
    what = f"the mean absolute error of its float net, {off:.4g} m, is not below half of what the best constant answer "
    assert f"warning: 1D, seed 0: has not learnt the task: {what}has, {constant:.4g} m" in warned
    assert result.verdict is not None and not result.verdict.passed
    learnt, kpi, pays = (result.verdict.of(question) for question in ("learnt", "kpi", "pays"))
    assert pays is not None and pays.passed is None and f"1D has not learnt the task: {what}" in pays.reasons[-1]
    assert "OPEN: Does p = 1 pay?" in said
    assert kpi is not None and kpi.passed is False and "A gain over 1D counts for nothing" in " ".join(kpi.reasons)
    assert learnt is not None and learnt.passed
    assert "there is no 1D float net that has learnt the task" in learnt.reasons[0]


def test_a_baseline_that_leaves_its_range_is_nothing_to_compare_with(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # Clipped to 0.2 to 0.8, it would be a net with less than half of a constant answer's error.
    path = map_pilot((UNLEARNT[0], UNLEARNT[1].replace("[0, 7]", "[0.2, 0.8]")))
    result = evaluate(load_pilot(path))
    (baseline,) = result.baselines
    assert baseline.beats_a_constant and not baseline.comparable
    share = 100 * np.mean((result.truth < 0.14) | (result.truth > 0.86))
    said = f"gives values outside its range = [0.2, 0.8] at {share:.2g} % of the points"
    assert baseline.misread is not None and baseline.misread.startswith(said)
    assert result.verdict is not None
    pays = result.verdict.of("pays")
    assert pays is not None and pays.passed is None and f"1D {said}" in pays.reasons[-1]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(path), "--strict", "-q"])
    assert stop.value.code == 1 and said in capsys.readouterr().err


def test_a_baseline_that_has_learnt_is_not_warned_of(line: Evaluation) -> None:
    assert line.baselines[0].warnings == line.baselines[0].network.spoilers
    assert line.warnings == ()


@pytest.mark.parametrize("table", ["model", "baseline"])
@pytest.mark.parametrize("copied", [False, True])
def test_a_quantized_net_is_no_float_net(map_pilot: Callable[..., Path], table: str, copied: bool) -> None:
    name = {"model": "map", "baseline": "map1d"}[table]
    given = "copy.tflite" if copied else f"{name}_int8.tflite"
    path = map_pilot((f'float = "{name}_float.tflite"', f'float = "{given}"'))
    shutil.copy(path.parent / f"{name}_int8.tflite", path.parent / "copy.tflite")
    words = "is no float net, output 0 .* is quantized" if copied else "is the quantized net itself"
    with pytest.raises(UsageError, match=f'{table}.float = "{given}": .*{words}.*; name the float net'):
        evaluate(load_pilot(path))


def write_truth(path: Path, truth: FloatArray) -> Path:
    """The pilot of maps with its inputs in a file of their own, and this truth."""
    edited(path, ('inputs = "t.npy"', 'inputs = "x.npy"'))
    np.save(path.parent / "x.npy", np.load(path.parent / "t.npy"))
    np.save(path.parent / "t.npy", truth)
    return path


@pytest.mark.parametrize("command", ["evaluate", "advise"])
@pytest.mark.parametrize(
    ("truth_in", "factor", "words"),
    [
        ("t", 9500.0, ["lies outside t = 0 to 1", "min 9500, max 1.9e+04", 'write data.truth_in = "task"']),
        ("task", 0.2, ["100 % of it lies outside task.values", "min 0.2, max 0.4", "give it in the task's unit"]),
    ],
)
def test_truth_in_another_unit_is_refused(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str], command: str, truth_in: str, factor: float,
    words: list[str],
) -> None:  # fmt: skip
    path = map_pilot(('truth_in = "t"', f'truth_in = "{truth_in}"'))
    write_truth(path, factor * (1 + np.linspace(0, 1, 30 * 64).reshape(30, 8, 8, 1)))
    with pytest.raises(SystemExit) as stop:
        main([command, str(path), "-q"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    for word in ['pilot.toml: data.truth = "t.npy": ', *words]:
        assert word in said


@pytest.mark.parametrize("command", ["evaluate", "advise"])
def test_truth_outside_the_range_is_said(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    path = map_pilot()
    truth = np.load(path.parent / "t.npy").astype(np.float64)
    truth[:3] = -0.25  # 3 of 30 samples
    main([command, str(write_truth(path, truth))])
    said = capsys.readouterr().err
    assert 'warning: pilot.toml: data.truth = "t.npy": 10 % of it lies outside t = 0 to 1' in said
    assert f"(min -0.25, max {truth.max():.4g})" in said


def test_angles_a_turn_away_are_the_same_angles(map_pilot: Callable[..., Path]) -> None:
    path = edited(map_pilot(), ("[task]", "[task]\ncircular = true"))
    truth = np.load(path.parent / "t.npy").astype(np.float64)
    one = evaluate(load_pilot(path))
    two = evaluate(load_pilot(write_truth(path, truth - 1.0)))
    assert one.warnings == () and "% of it lies outside" in two.warnings[0]
    assert two.models[0].trace.truth == pytest.approx(one.models[0].trace.truth)
    assert two.models[0].wrong_branch == one.models[0].wrong_branch
    assert two.models[0].subsets["all"].float_truth.max < 0.01


def test_a_head_that_never_changes_is_named() -> None:
    codes = np.array([[3, -128, 5], [4, -128, 5], [4, -128, 7]], dtype=np.int8)
    real = np.array([[0.5, 0.25, 0.1], [0.5, 0.5, 0.1], [0.5, 0.0, 0.2]])
    assert constant_heads(codes, real) == [
        "head y gives code -128 at all points: it says nothing",
        "head x of the float net gives 0.5 at all points: it says nothing",
    ]
    assert constant_heads(codes[:1], None) == []


def test_the_two_heads_whose_errors_are_correlated_are_named(line: Evaluation) -> None:
    rng = np.random.default_rng(1)
    errors = rng.standard_normal((4000, 6))
    errors[:, 2] = 0.1  # a head that never changes hides nothing of the others
    errors[:, 4] = 0.8 * errors[:, 4] - 0.6 * errors[:, 1]
    noise = head_noise(errors, errors[:, 0], errors[:, 1:])
    assert noise.correlation == pytest.approx(-0.6, abs=0.05) and noise.correlated == ("y", "v")
    plan = line.models[0].plan
    assert plan is not None
    codes = np.zeros((5, 2), np.int8)
    (negative,) = head_warnings(plan, noise, codes)
    assert (
        f"heads y and v are correlated ({noise.correlation:.2f}, where one is too high the other is too low" in negative
    )
    (positive,) = head_warnings(plan, replace(noise, correlation=0.5), codes)
    assert "(+0.50): what enters both" in positive and "too low" not in positive


def test_advice_on_a_model_without_a_float_net_claims_nothing_of_it(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = map_pilot(('float = "map_float.tflite"\n', ""))
    advice = advise_from_pilot(evaluate(load_pilot(path)), [1, 2], ["cell"])
    measured = next(c for c in advice.candidates if c.measured)
    assert measured.learnt is None and np.isnan(measured.blur)
    main(["advise", str(path), "--heads", "2", "--order", "1", "-q"])
    said = capsys.readouterr().out
    assert "quantization RMSE unknown, for want of a float net" in said
    assert "nan" not in said and "has shown" not in said


def test_one_sample_has_no_interval(map_pilot: Callable[..., Path]) -> None:
    path = map_pilot()
    for name in ("t", "mask"):
        np.save(path.parent / f"{name}.npy", np.load(path.parent / f"{name}.npy")[:1])
    result = evaluate(load_pilot(path))
    assert np.isnan(result.models[0].gain("1D", "mae").low)
    assert result.verdict is not None
    pays = result.verdict.of("pays")
    assert pays is not None and pays.passed is None
    assert "nan" not in render_report(result).lower()


def test_a_constant_truth_is_no_test_of_a_net(map_pilot: Callable[..., Path]) -> None:
    path = map_pilot()
    np.save(path.parent / "t.npy", np.full((30, 8, 8, 1), 0.5, np.float32))
    result = evaluate(load_pilot(path))
    assert result.verdict is not None and not result.verdict.passed


def test_no_advice_comes_of_a_constant_truth(
    map_pilot: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = map_pilot()
    np.save(path.parent / "t.npy", np.full((30, 8, 8, 1), 0.5, np.float32))
    with pytest.raises(SystemExit) as stop:
        main(["advise", str(path), "-q"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    # Half of 0.5 to 10.
    assert (
        "pilot.toml: data.truth: it is 5.25 in all samples (30)" in said and "give samples from the whole range" in said
    )


def test_outputs_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = one_seed(tmp_path, 0, keep="p = 3")
    (tmp_path / "models").unlink()
    shutil.copytree(LINE / "models", tmp_path / "models")
    for model in (tmp_path / "models").glob("*float*"):
        content = bytearray(model.read_bytes())
        parsed = tflite.Model.GetRootAsModel(content, 0)
        buffers = [parsed.Buffers(i) for i in range(parsed.BuffersLength())]
        # Of a float net the largest buffer is weights.
        max(buffers, key=lambda buffer: buffer.DataLength()).DataAsNumpy().view(np.float32)[:] = np.nan
        model.write_bytes(content)
    with pytest.raises(CheckFailed, match="not finite for 50 of 50 samples"):
        evaluate(load_pilot(path), limit=50)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('name = "1D"', 'nam = "1D"'), ["baseline.0", "nam"]),
        (('float = "map_float.tflite"', 'float = "gone.tflite"'), ["model.float", "gone.tflite", "no such file"]),
        (('truth = "t.npy"', 'truth = "few.npy"'), ["data.truth", "few.npy", "29 entries for 30 inputs"]),
        (('truth = "t.npy"', 'truth = "short.npy"'), ["shape (30, 8, 8, 1), truth (30, 8, 4)"]),
        (('mask = "mask.npy"', 'mask = "short.npy"'), ["data.mask", "shape"]),
        (("values = [0.5, 10.0]", "values = [1, 1]"), ["task.values", "equal"]),
        (("values = [0.5, 10.0]", "values = [0, 1e-320]"), ["task.values.1", "1e-30 to 1e+30"]),
        (("values = [0.5, 10.0]", "values = [-1e308, 1e308]"), ["task.values.0", "1E+308", "1e+30"]),
        (('name = "1D"', 'name = "1D"\nrange = [2, 2]'), ["baseline.range = [2.0, 2.0]: the two are equal; give"]),
        (
            ("[kpi]", "[evaluate]\nseeds = [0, 1, 0]\n[kpi]"),
            ["evaluate.seeds = [0, 1, 0]: 0 is there twice; give every"],
        ),
        (('model = "p = 1"', 'model = "p = 9"'), ["kpi.model", "p = 9", "give one of"]),
        (('quantized = "map_int8.tflite"', 'quantized = "t.npy"'), ["t.npy", "TFLite"]),
        (('quantized = "map1d_int8.tflite"', 'quantized = "map1d_float.tflite"'), ["float32 output", "quantize"]),
        (('metric = "max"', 'metric = "worst"'), ["kpi.metric", "worst"]),
        (("limit = 1.0", "limit = -1.0"), ["kpi.limit"]),
    ],
)
def test_bad_pilots_get_one_line(map_pilot: Callable[..., Path], change: tuple[str, str], words: list[str]) -> None:
    path = map_pilot(change)
    np.save(path.parent / "short.npy", np.zeros((30, 8, 4)))
    np.save(path.parent / "few.npy", np.zeros((29, 8, 8)))
    with pytest.raises(UsageError) as caught:
        evaluate(load_pilot(path))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_evaluate_writes_over_nothing_that_it_reads_and_all_or_none(
    map_pilot: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = map_pilot()
    latency = path.parent / "latency.json"
    latency.write_text("[]", encoding="utf-8")
    read = [path, latency, *(path.parent / name for name in ("t.npy", "mask.npy", "decoder.toml"))]
    read += [path.parent / f"{name}.tflite" for name in ("map_float", "map_int8", "map1d_float", "map1d_int8")]
    before = {place: place.read_bytes() for place in read}
    new = tmp_path / "new.html"
    refused = [({option: place}, "reads") for place in read for option in ("--report", "--json")]
    refused += [({"--report": new, "--json": new}, "as well")]
    refused += [({"--report": new, "--json": tmp_path / "no" / "x.json"}, "no such folder")]
    refused += [({"--report": new, "--json": tmp_path}, "is a folder")]
    for options, said in refused:
        words = [str(word) for option in options.items() for word in option]
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", str(path), "--latency", str(latency), "-q", *words])
        assert stop.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and said in lines[0] and words[-2] in lines[0]
    assert {place: place.read_bytes() for place in read} == before
    assert not new.exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("command", ["evaluate", "advise"])
@pytest.mark.parametrize(
    ("array", "value", "settings", "words"),
    [
        ("x", np.nan, "", ["data.inputs", "x.npy", "not finite"]),
        ("x", -np.inf, "", ["data.inputs", "x.npy", "not finite"]),
        ("x", 1e300, "", ["data.inputs", "1e+300", "network"]),
        ("x", 1e300, "offset = -1e30\ndivide = 1e-30", ["data.inputs", "1e+300", "data.divide"]),
        ("t", np.inf, "", ["data.truth", "t.npy", "not finite"]),
        ("t", 1.7e308, "", ["data.truth", "1.7e+308", "truth_in"]),
        ("t", 1e300, "task", ["data.truth", "1e+300", "task.values"]),
    ],
)
def test_numbers_without_measure_get_one_line_and_no_warning(
    map_pilot: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    command: str,
    array: str,
    value: float,
    settings: str,
    words: list[str],
) -> None:
    task = settings == "task"
    changes = [('truth_in = "t"', 'truth_in = "task"'), ("values = [0.5, 10.0]", "values = [-1e-30, 1e-30]")]
    changes = changes if task else [('truth_in = "t"', f'truth_in = "t"\n{settings}')]
    path = map_pilot(('inputs = "t.npy"', 'inputs = "x.npy"'), *changes)
    np.save(path.parent / "x.npy", np.load(path.parent / "t.npy"))
    spoiled = np.load(path.parent / f"{array}.npy").astype(np.float64)
    spoiled.flat[7] = value
    np.save(path.parent / f"{array}.npy", spoiled)
    with pytest.raises(SystemExit) as stop:
        main([command, str(path), "-q"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["advise"],
        ["advise", "--noise-lsb", "-1"],
        ["advise", "--noise-lsb", "nan"],
        ["advise", "--noise-lsb", "1", "--inset", "0.5"],
        ["advise", "--noise-lsb", "1", "--order", "9"],
        ["evaluate", "nowhere.toml"],
    ],
)
def test_bad_requests_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err


def test_advice_names_the_smallest_order_of_each_number_of_heads() -> None:
    wanted = 0.001
    advice = advise_from_noise(1.2, 0.8, 1 / 256, [1, 2, 3], ["cell"], wanted, heads=(2, 3, 4))
    least: dict[int, Candidate] = {}
    for c in advice.candidates:
        if not c.refusal and c.quantization.rmse <= wanted:
            least.setdefault(c.heads, c)
    assert {heads: c.order for heads, c in least.items()} == {2: 3, 3: 2, 4: 1}
    (met,) = (line for line in advice.verdict if "wanted error" in line)
    assert met == (
        "The smallest order that meets the wanted error is 3 with 2 heads (inset 0.0625), 2 with 3 heads (inset 0.125), "
        "1 with 4 heads (inset 0.25)."
    )


def test_noise_below_that_of_rounding_is_raised_on_both_sides() -> None:
    least = 12**-0.5
    given, floor = (advise_from_noise(n, n, 1 / 256, [1], ["cell"], spread=0.001) for n in (0.01, least))
    assert given.baseline == floor.baseline
    assert given.baseline[0].rmse == pytest.approx(least / 256, rel=0.02)
    assert given.candidates[0].quantization == floor.candidates[0].quantization
    assert given.candidates[0].score == floor.candidates[0].score
    assert any("Noise below 0.29 codes" in line for line in given.verdict)
    assert not any("Noise below" in line for line in floor.verdict)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--noise-lsb", "1", "--limit", "50"], "--limit: is of no effect without a PILOT.toml"),
        (["--noise-lsb", "1", "--baseline-only"], "--baseline-only: is of no effect without a PILOT.toml"),
        (["pilot.toml", "--noise-1d-lsb", "1"], "--noise-1d-lsb: a pilot's baseline is measured"),
        (["pilot.toml", "--scale", "0.1"], "--scale: a pilot's nets have their own"),
        (["pilot.toml", "--truth-error", "1"], "--truth-error: a pilot's nets are measured"),
        (["pilot.toml", "--span", "10"], "--span: a pilot has it as task.values"),
    ],
)
def test_advise_refuses_what_would_be_of_no_effect(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["advise", *words])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = tmp_path / "nosuch.json"
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(tmp_path / "pilot.toml"), "--latency", str(gone)])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        f"hilbert-codegen: --latency {gone}: can't be read: No such file or directory; give a file of measure --format json\n"
    )


def test_advise_compares_any_number_of_heads_unless_told() -> None:
    (heads,) = (option for option in advise.command.params if option.name == "heads")
    assert heads.default == (2, 3, 4, 5, 6)


def test_advise_prints_a_ranking(capsys: pytest.CaptureFixture[str]) -> None:
    main(["advise", "--noise-lsb", "4", "--heads", "2", "--order", "2", "--order", "3", "--format", "json"])
    advice = json.loads(capsys.readouterr().out)
    assert [c["order"] for c in advice["candidates"]] == [2, 3]
    main(
        ["advise", "--noise-lsb", "3", "--span", "9500", "--heads", "2", "--order", "2", "--order", "3", "--order", "4"]
    )
    said = capsys.readouterr().out
    assert "Train order 3" in said and "Order 4 is ruled out by noise" in said
