"""ONNX files that PyTorch exported and onnxruntime quantized: heads, inference, what spoils them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from hilbert_codegen.config.loading import load  # noqa: E402
from hilbert_codegen.errors import UsageError  # noqa: E402
from hilbert_codegen.models.inference import infer, inspect_network  # noqa: E402
from hilbert_codegen.models.model import find_heads, find_outputs  # noqa: E402
from hilbert_codegen.spec.plan import make_plan  # noqa: E402
from tests.paths import MODELS  # noqa: E402

FOLDER = MODELS / "onnx"
QUANTIZED = sorted(path.name for path in FOLDER.glob("*int8.onnx"))


def test_the_files_are_there() -> None:
    assert len(QUANTIZED) == 9


@pytest.mark.parametrize("name", QUANTIZED)
def test_heads_of_a_quantized_model(name: str) -> None:
    found = find_heads(FOLDER / name)
    values = found.values()
    assert values["dtype"] == ("uint8" if "uint8" in name else "int8")
    assert values["layout"] == "planar"
    assert found.channels_first == name.startswith("maps")
    assert all(0 < scale < 1 for scale in values["scale"])
    if "symmetric" in name:
        assert values["zero_point"] == (0, 0)
    elif name.startswith("two"):  # a sigmoid's range starts at 0
        assert set(values["zero_point"]) == {0 if "uint8" in name else -128}
    assert len(found.fetch()) == 2


@pytest.mark.parametrize("name", QUANTIZED)
def test_inference_gives_codes_close_to_the_float_net(name: str) -> None:
    plain = FOLDER / f"{name.split('_')[0]}_float.onnx"
    shape = (20, 8) if name.startswith("two") else (20, 1, 4, 6)
    samples = np.random.default_rng(1).random(shape)
    heads = find_heads(FOLDER / name)
    run = infer(FOLDER / name, samples, heads.indices)
    exact = infer(plain, samples, find_heads(plain).indices)
    codes = heads.points(list(run.outputs))
    assert codes.dtype == np.dtype(heads.values()["dtype"])
    assert codes.shape == (20 if name.startswith("two") else 20 * 24, 2)
    for index in range(len(run.outputs)):
        gap = np.abs(run.real(index) - exact.real(index))
        assert gap.max() < 12 * run.scale[index]
        assert len(np.unique(run.outputs[index])) > 3


def test_codes_are_what_goes_into_the_dequantization() -> None:
    """The integer tensor itself, made an output of the same file, has the codes that `infer` gives."""
    model = onnx.load(FOLDER / "two_qdq_int8.onnx")
    node = next(node for node in model.graph.node if node.output[0] == "x")
    model.graph.output.append(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.INT8, [1, 1]))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    samples = np.random.default_rng(1).random((30, 8)).astype(np.float32)
    wanted = [session.run([node.input[0]], {"pixels": sample[None]})[0][0, 0] for sample in samples]
    run = infer(FOLDER / "two_qdq_int8.onnx", samples, find_outputs(FOLDER / "two_qdq_int8.onnx", "x"))
    assert run.outputs[0][:, 0].tolist() == wanted


@pytest.mark.parametrize("name", ["two_float.onnx", "two_qdq_int8.onnx", "two_qoperator_uint8.onnx"])
def test_work_of_the_network(name: str) -> None:
    network = inspect_network(FOLDER / name)
    assert (network.parameters, network.macs) == (8 * 4 + 2 * 4, 8 * 4 + 2 * 4)
    picture = inspect_network(FOLDER / name.replace("two", "maps"))
    assert (picture.parameters, picture.macs) == (4 * 9 + 2 * 4, 24 * (4 * 9 + 2 * 4))


def test_a_sigmoid_of_coarse_input_is_reported() -> None:
    path = FOLDER / "two_qdq_int8.onnx"
    model = onnx.load(path)
    sigmoids = [node for node in model.graph.node if node.op_type == "Sigmoid"]
    producer = {output: node for node in model.graph.node for output in node.output}
    scale = producer[sigmoids[0].input[0]].input[1]
    for tensor in model.graph.initializer:
        if tensor.name == scale:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.5), scale))
    changed = path.parent / "none"  # the content is given, so nothing is read
    from hilbert_codegen.models.model import FORMATS, Output

    outputs = [Output(0, "x", (), (1, 1), "int8"), Output(1, "y", (), (1, 1), "int8")]
    lines = FORMATS["onnx"].network(changed, model.SerializeToString(), outputs).spoilers
    assert any("sigmoid has an 8-bit input (scale 0.5)" in line for line in lines)


def test_a_plan_from_an_onnx_model(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    (tmp_path / "net.onnx").write_bytes((FOLDER / "two_qdq_int8.onnx").read_bytes())
    path.write_text('[curve]\norder = 1\n[model]\nfile = "net.onnx"\noutputs = ["y", "x"]\n', encoding="utf-8")
    plan = make_plan(load(path))
    assert plan.settings.heads is not None and plan.settings.heads.indices == (1, 0)


@pytest.mark.parametrize("count", range(2, 7))
@pytest.mark.parametrize("kind", ["Identity", "QuantizeLinear"])
def test_two_outputs_of_one_tensor_are_no_two_heads(tmp_path: Path, count: int, kind: str) -> None:
    model = onnx.load(FOLDER / "two_qdq_int8.onnx")
    graph = model.graph
    scale = next(node for node in graph.node if "x" in node.output).input[1:]
    for place in range(count - 1):
        name = f"copy_{place}"
        if kind == "Identity":
            graph.node.append(onnx.helper.make_node("Identity", ["x"], [name]))
        else:
            graph.node.append(onnx.helper.make_node("QuantizeLinear", ["x", *scale], [f"codes_{place}"]))
            graph.node.append(onnx.helper.make_node("DequantizeLinear", [f"codes_{place}", *scale], [name]))
        graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1]))
    path = tmp_path / "copies.onnx"
    onnx.save(model, path)
    assert find_heads(path, ("x", "y")).indices == (0, 1)
    copies = [f"copy_{place}" for place in range(count - 1)]
    for wanted in (("x", *copies), (0, *range(2, count + 1)), (*copies, 0)):
        with pytest.raises(UsageError, match="are one tensor") as error:
            find_heads(path, wanted, dimensions=count)
        assert "\n" not in str(error.value)
    assert find_outputs(path, ("y", "copy_0")) == (1, 2)
    with pytest.raises(UsageError, match="outputs 0 and 2 are one tensor"):
        find_outputs(path, (0, "copy_0"))


def test_float_outputs_and_damage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not quantized"):
        find_heads(FOLDER / "two_float.onnx").values()
    content = (FOLDER / "two_qdq_int8.onnx").read_bytes()
    rng = np.random.default_rng(0)
    for length in (0, 1, 50, len(content) // 2):
        (tmp_path / "cut.onnx").write_bytes(content[:length])
        with pytest.raises(UsageError, match=r"cut\.onnx"):
            find_heads(tmp_path / "cut.onnx").values()
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            damaged[place] = rng.integers(0, 256)
        (tmp_path / "bad.onnx").write_bytes(damaged)
        try:
            find_heads(tmp_path / "bad.onnx").values()
        except UsageError as error:
            assert "\n" not in str(error)
