"""Heads whose ranges differ: every figure is that of the same net with all heads in one range."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from hilbert_codegen.curves import make_curve  # noqa: E402
from hilbert_codegen.pilot.advise import advise_from_pilot  # noqa: E402
from hilbert_codegen.pilot.evaluate import evaluate  # noqa: E402
from hilbert_codegen.pilot.forecast import known_of  # noqa: E402
from hilbert_codegen.pilot.networks import float_decode  # noqa: E402
from hilbert_codegen.pilot.results import Evaluation  # noqa: E402
from hilbert_codegen.pilot.settings import load_pilot  # noqa: E402
from hilbert_codegen.training.codec import Decoder  # noqa: E402
from hilbert_codegen.training.loss import HeadCurve  # noqa: E402

Range = tuple[float, float]


def write_net(path: Path, ranges: list[Range], quantized: bool) -> None:
    """A net that moves every value of its input, the heads in [0, 1], into a range; 256 codes span it."""
    helper, number = onnx.helper, onnx.numpy_helper.from_array
    nodes, constants, outputs = [], [], []
    for axis, (low, high) in enumerate(ranges):
        name = "xyz"[axis]
        weights = np.zeros((len(ranges), 1), np.float32)
        weights[axis] = high - low
        constants += [number(weights, f"w{name}"), number(np.array([low], np.float32), f"b{name}")]
        real = f"real_{name}" if quantized else name
        nodes.append(helper.make_node("Gemm", ["points", f"w{name}", f"b{name}"], [real]))
        if quantized:
            scale = (high - low) / 256
            constants += [number(np.float32(scale), f"s{name}"), number(np.int8(-128 - low / scale), f"z{name}")]
            nodes.append(helper.make_node("QuantizeLinear", [real, f"s{name}", f"z{name}"], [f"q{name}"]))
            nodes.append(helper.make_node("DequantizeLinear", [f"q{name}", f"s{name}", f"z{name}"], [name]))
        outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1]))
    given = helper.make_tensor_value_info("points", onnx.TensorProto.FLOAT, [1, len(ranges)])
    graph = helper.make_graph(nodes, "net", [given], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def evaluated(folder: Path, ranges: list[Range]) -> Evaluation:
    """A pilot of such nets; the noise takes some points to other branches."""
    folder.mkdir()
    count = len(ranges)
    for name, quantized in (("float.onnx", False), ("int8.onnx", True)):
        write_net(folder / name, ranges, quantized)
    pairs = ", ".join(f"[{low:g}, {high:g}]" for low, high in ranges)
    order = 3 if count == 2 else 2
    (folder / "decoder.toml").write_text(
        f"curve.dimensions = {count}\ncurve.order = {order}\ncurve.inset = 0.02\nheads.range = [{pairs}]\n"
        'model.file = "int8.onnx"\n',
        encoding="utf-8",
    )
    rng = np.random.default_rng(0)
    t = rng.random(200)
    points = HeadCurve(make_curve("hilbert", order, dimensions=count), 0.02).targets(t) + rng.normal(
        0, 0.03, (200, count)
    )
    # Multiples of 2^-12: no value is rounded on its way into a range, so all nets give the same codes.
    np.savez(folder / "data.npz", inputs=np.rint(points.clip(0, 1) * 4096) / 4096, truth=t)
    (folder / "pilot.toml").write_text(
        '[data]\nfile = "data.npz"\ntruth_in = "t"\n[[model]]\nname = "net"\ndecoder = "decoder.toml"\n'
        'float = "float.onnx"\nquantized = "int8.onnx"\n',
        encoding="utf-8",
    )
    return evaluate(load_pilot(folder / "pilot.toml"), compiler=())


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """All that is found about the net, but what names its scales and times."""
    (net,) = evaluation.models
    known = known_of(net)
    assert net.noise is not None and known is not None and net.decoder is not None
    advice = advise_from_pilot(evaluation, [1], ["cell"], heads=(2,))
    return {
        **{f"{name} {kind}": getattr(part, kind).figures
           for name, part in net.subsets.items() for kind in ("quantization", "float_truth", "quantized_truth")},
        "noise": dict(enumerate((*net.noise.sd, net.noise.along, net.noise.across, net.noise.along_robust, net.noise.correlation))),
        "wrong branch": net.wrong_branch, "jumps": {"": net.jumps}, "distance": net.distance,
        "known": {"length": known.length, "scale": known.scale, "noise": float(known.noise.std())},
        "half branch": {"": net.decoder["half_branch_codes"]},
        "estimators": {name: getattr(trial, name) for _, _, trial in advice.estimators for name in ("sigma", "gate")},
        "advice": {f"{c.named} {name}": getattr(c, name) for c in advice.candidates
                   for name in ("half_branch", "noise", "blur", "score", "jumps")},
    }  # fmt: skip


@pytest.mark.parametrize(
    "ranges",
    [[(0.0, 1.0), (-1.0, 1.0)], [(-1.0, 1.0), (0.0, 1.0)], [(0.0, 1.0), (-3.0, 1.0), (-1.0, 1.0)]],
)
def test_figures_are_those_of_heads_that_are_rescaled_alike(tmp_path: Path, ranges: list[Range]) -> None:
    alike = evaluated(tmp_path / "alike", [(0.0, 1.0)] * len(ranges))
    differing = evaluated(tmp_path / "differing", ranges)
    wanted, found = figures(alike), figures(differing)
    assert wanted.keys() == found.keys()
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-9, abs=1e-12, nan_ok=True), name
    first, second = alike.models[0], differing.models[0]
    assert second.warnings == first.warnings
    assert second.misread is None is first.misread
    # What they are held to is right: the float net's points read off the curve by its definition.
    assert first.plan is not None and first.trace.float_heads is not None and first.trace.float_t is not None
    by_hand, _ = Decoder(first.plan.spec).nearest(*np.moveaxis(first.trace.float_heads, -1, 0))
    assert first.trace.float_t == pytest.approx(by_hand, abs=1e-12)
    assert 0 < first.subsets["all"].float_truth.mae < 0.1 and not math.isnan(first.wrong_branch["float"])


def test_real_heads_are_decoded_each_on_its_own_range(tmp_path: Path) -> None:
    (net,) = evaluated(tmp_path / "a", [(0.0, 1.0), (-1.0, 1.0)]).models
    assert net.plan is not None
    t = np.linspace(0.0, 1.0, 101)
    heads = HeadCurve(net.plan.spec.curve, 0.02).targets(t) * [1, 2] - [0, 1]
    assert float_decode(net.plan, heads)[0] == pytest.approx(t, abs=1e-12)
