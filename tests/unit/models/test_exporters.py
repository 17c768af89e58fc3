"""Files of two outputs by TensorFlow's own converters (tests/models/make_heads.py): head x has the larger scale. And
files from PyTorch by litert-torch and onnx2tf (tests/models/make_litert.py): the nets of tests/models/onnx.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite")

from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.inference import infer
from hilbert_codegen.models.model import HeadTensors, find_heads
from tests.paths import MODELS

RUNTIMES = ("tflite_runtime", "ai_edge_litert")
runtime = pytest.mark.skipif(
    not any(map(importlib.util.find_spec, RUNTIMES)), reason="needs one of " + ", ".join(RUNTIMES)
)

FOLDER = MODELS / "heads"
FILES = sorted(path.name for path in FOLDER.glob("*.tflite"))
#: Keras 2 gives the outputs the names of their layers, a frozen function none: which head is which is the user's to say.
UNNAMED = {
    name: ("Identity", "Identity_1") if "_function_" in name else ("head_x", "half_y")
    for name in FILES
    if "_function_" in name or name.startswith("tf215_keras")
}
NAMED = [name for name in FILES if name not in UNNAMED]


def scales(found: HeadTensors) -> list[float]:
    return [float(scale) for scale in found.values()["scale"]]


def test_three_versions_are_there() -> None:
    assert {name.split("_")[0] for name in NAMED} == {"tf215", "tf216", "tf221"}


@pytest.mark.parametrize("name", NAMED)
def test_x_is_the_first_output_of_the_model_whatever_the_file_says(name: str) -> None:
    x, y = scales(find_heads(FOLDER / name))
    assert x == 1 / 256
    assert y < 0.6 * x


@pytest.mark.parametrize("name", sorted(UNNAMED))
def test_files_that_do_not_say_are_refused_until_the_heads_are_named(name: str) -> None:
    with pytest.raises(UsageError, match="nothing in it says which are the heads x, y"):
        find_heads(FOLDER / name)
    x, y = scales(find_heads(FOLDER / name, UNNAMED[name]))
    assert y < 0.6 * x


@runtime
@pytest.mark.parametrize("name", NAMED[:2])
def test_inference_follows_the_heads(name: str) -> None:
    heads = find_heads(FOLDER / name)
    run = infer(FOLDER / name, np.random.default_rng(0).uniform(-2, 2, (40, 8)), heads.indices)
    assert run.scale == tuple(scales(heads))
    assert run.real(0).max() > 0.5 >= run.real(1).max()


def layout(tool: str, net: str) -> tuple[str, bool]:
    """(layout, channels first) of the heads: litert-torch keeps the axes, onnx2tf turns channels last."""
    return ("planar", net == "maps") if net == "two" or tool == "litert_torch" else ("interleaved", False)


@runtime
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tool", ["litert_torch", "onnx2tf"])
@pytest.mark.parametrize(("net", "shape"), [("two", (8,)), ("maps", (1, 4, 6))])
def test_torchs_files_give_the_heads_of_the_net_in_order(
    net: str, shape: tuple[int, ...], tool: str, bits: int
) -> None:
    """Held against the float net by onnxruntime: within some steps of eight bits, while x and y differ by far more."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    plain = MODELS / "onnx" / f"{net}_float.onnx"
    samples = np.random.default_rng(1).random((12, *shape))
    wanted = infer(plain, samples)
    right = find_heads(plain).points([wanted.real(index) for index in range(len(wanted.outputs))])

    path = MODELS / "litert" / f"{net}_{tool}_int{bits}.tflite"
    heads = find_heads(path)
    assert (heads.layout, heads.channels_first) == layout(tool, net)
    assert heads.values()["dtype"] == f"int{bits}"
    last = tool == "onnx2tf" and net == "maps"
    run = infer(path, np.moveaxis(samples, 1, -1) if last else samples, heads.indices)
    found = heads.points([run.real(index) for index in range(len(run.outputs))])
    assert np.abs(found - right).max() < 0.02 < 0.05 < np.abs(found[:, ::-1] - right).mean()


def test_the_keras_helper_names_the_heads_and_fixes_their_range(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    from hilbert_codegen.keras.convert import fixed_range, to_tflite

    rng = np.random.default_rng(0)
    kernel = tf.Variable(rng.standard_normal((8, 2)).astype(np.float32))

    def network(pixels: object) -> object:
        heads = fixed_range(tf.matmul(pixels, kernel) + 0.5)
        return heads[:, 1:], heads[:, :1]

    path = tmp_path / "net.tflite"
    path.write_bytes(to_tflite(network, (1, 8), rng.random((30, 1, 8)), names=("x", "y")))
    found = find_heads(path)
    assert [tensor.aliases for tensor in found.tensors] == [("x",), ("y",)]
    assert scales(found) == [1 / 256, 1 / 256]
    assert found.values()["zero_point"] == (-128, -128)
    path.write_bytes(to_tflite(network, (1, 8), quantized=False, names=("x", "y")))
    assert find_heads(path).tensors[0].dtype == "float32"
    with pytest.raises(ValueError, match="3 names"):
        to_tflite(network, (1, 8), quantized=False, names=("x", "y", "z"))
    with pytest.raises(ValueError, match="does not hold 0"):
        fixed_range(tf.zeros((1, 2)), 0.1, 0.9)
