"""Which tensors of a model are the heads: by name, signature or index, never by the order of a file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
import tflite

from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.model import AXES, HeadTensors, find_heads, find_outputs
from tests.tflite_files import Head, tflite_file

A = Head("a", (1, 1), scale=(0.25,), zero_point=(1,))
B = Head("b", (1, 1), scale=(0.5,), zero_point=(2,))
C = Head("c", (1, 1), scale=(0.75,), zero_point=(3,))
LONG = "a_very_long_name_of_a_fused_layer/" * 8


def heads(folder: Path, *tensors: Head, **options: Any) -> HeadTensors:
    signatures = options.pop("signatures", {})
    path = folder / "net.tflite"
    path.write_bytes(tflite_file(*tensors, signatures=signatures))
    return find_heads(path, **options)


def refusal(folder: Path, *tensors: Head, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        heads(folder, *tensors, **options).values()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [("x", "y"), ("output_0", "output_1")],
)
def test_the_signature_decides_and_not_the_order_of_the_file(tmp_path: Path, names: tuple[str, str]) -> None:
    found = heads(tmp_path, A, B, signatures={"serving_default": {names[0]: 1, names[1]: 0}})
    assert found.indices == (1, 0)
    assert found.values() == {
        "dtype": "int8",
        "layout": "planar",
        "scale": (Decimal("0.5"), Decimal("0.25")),
        "zero_point": (2, 1),
    }


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_any_number_of_heads(tmp_path: Path, count: int) -> None:
    tensors = [Head(f"t{i}", (1, 1), scale=(2.0**-i,), zero_point=(i,)) for i in range(count)]
    names = {f"output_{i}": count - 1 - i for i in range(count)}
    found = heads(tmp_path, *tensors, signatures={"s": names}, dimensions=count)
    assert found.values()["zero_point"] == tuple(range(count - 1, -1, -1))
    one = heads(tmp_path, Head("t", (1, 7, count)), dimensions=count)
    assert (one.layout, one.indices, len(one.values()["scale"])) == ("interleaved", (0,), count)


def test_heads_among_other_outputs(tmp_path: Path) -> None:
    found = heads(tmp_path, C, A, B, signatures={"s": {"confidence": 0, "y": 1, "x": 2}})
    assert found.indices == (2, 1)
    message = refusal(tmp_path, C, A, B, signatures={"s": {"output_0": 0, "output_1": 1, "output_2": 2}})
    assert "3 outputs" in message and "model] outputs" in message


@pytest.mark.parametrize("signatures", [{}, {"s": {"dense": 0, "dense_1": 1}}, {"s": {"u": 0, "v": 1}}])
def test_outputs_that_nothing_tells_apart_are_listed(tmp_path: Path, signatures: dict[str, dict[str, int]]) -> None:
    message = refusal(tmp_path, A, B, signatures=signatures)
    for text in ("0: 'a'", "1: 'b'", "[1, 1]", "scale 0.25 zero point 1", "scale 0.5 zero point 2", "[model] outputs"):
        assert text in message
    for name in signatures.get("s", {}):
        assert repr(name) in message


def test_numbers_in_tensor_names_are_no_order(tmp_path: Path) -> None:
    message = refusal(
        tmp_path, Head("StatefulPartitionedCall:1", (1, 1)), Head("StatefulPartitionedCall:0", (1, 1))
    )  # fmt: skip
    assert "nothing in it says which" in message


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [(("b", "a"), (1, 0)), ((1, 0), (1, 0)), (("second", 0), (1, 0)), (("first", "b"), (0, 1))],
)
def test_outputs_by_signature_name_tensor_name_or_index(
    tmp_path: Path, wanted: tuple[str | int, ...], indices: tuple[int, ...]
) -> None:
    signatures = {"s": {"first": 0, "second": 1}}
    assert heads(tmp_path, A, B, signatures=signatures, outputs=wanted).indices == indices


def test_names_are_whole(tmp_path: Path) -> None:
    first, second = Head(LONG + "x", (1, 1)), Head(LONG + "y", (1, 1), scale=(0.5,))
    found = heads(tmp_path, first, second, outputs=(LONG + "y", LONG + "x"))
    assert found.indices == (1, 0)
    assert LONG + "y" in found.place(0) and LONG + "x" in found.place(1)
    assert "no output" in refusal(tmp_path, first, second, outputs=(LONG, LONG + "x"))


@pytest.mark.parametrize(
    ("tensors", "signatures"),
    [
        ((Head("Identity", (1, 1)), Head("Identity", (1, 1))), {}),
        ((Head("a\n", (1, 1)), Head("a\t", (1, 1))), {}),
        ((Head("p", (1, 1)), Head("q", (1, 1))), {"s": {"q": 0, "p": 1}}),
    ],
)
def test_a_name_of_two_outputs_is_refused_with_the_indices(
    tmp_path: Path, tensors: Sequence[Head], signatures: dict[str, dict[str, int]]
) -> None:
    name = tensors[0].name.replace("\n", "?")
    message = refusal(tmp_path, *tensors, signatures=signatures, outputs=(name, name))
    assert "names 2 outputs; give the index, 0 or 1" in message
    assert heads(tmp_path, *tensors, signatures=signatures, outputs=(1, 0)).indices == (1, 0)


@pytest.mark.parametrize("wanted", [(0, 0), ("a", 0), ("a", "first")])
def test_one_output_for_two_heads_is_refused(tmp_path: Path, wanted: tuple[object, ...]) -> None:
    assert "named twice" in refusal(tmp_path, A, B, signatures={"s": {"first": 0}}, outputs=wanted)


@pytest.mark.parametrize("count", range(2, 7))
def test_two_outputs_of_one_tensor_are_no_two_heads(tmp_path: Path, count: int) -> None:
    tensors = [Head(f"t{i}", (1, 1), zero_point=(i,)) for i in range(count)]
    (tmp_path / "twice.tflite").write_bytes(tflite_file(*tensors, outputs=[*range(count - 1), 0]))
    axes = {axis: place for place, axis in enumerate(AXES[:count])}
    (tmp_path / "shaped.tflite").write_bytes(
        tflite_file(*tensors, signatures={"s": axes}, reshapes={count - 1: 1 % (count - 1)})
    )
    first = 1 % (count - 1)
    for name, said, choices in (
        ("twice.tflite", f"outputs 0 and {count - 1} are one tensor, '0: t0'", [range(count), None]),
        (
            "shaped.tflite",
            f"outputs {first} and {count - 1} are one tensor, '{first}: t{first}'",
            [range(count), AXES[:count], [f"t{i}" for i in range(count)], [0, *AXES[1:count]], None],
        ),
    ):
        for wanted in choices:
            with pytest.raises(UsageError) as error:
                find_heads(tmp_path / name, None if wanted is None else tuple(wanted), dimensions=count)
            assert said in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UsageError, match="are one tensor"):
        find_outputs(tmp_path / "twice.tflite", (0, count - 1))


def test_several_signatures_need_a_name(tmp_path: Path) -> None:
    both = {"fast": {"x": 0, "y": 1}, "exact": {"x": 1, "y": 0}}
    message = refusal(tmp_path, A, B, signatures=both)
    assert "model.signature" in message and "'fast', 'exact'" in message
    assert heads(tmp_path, A, B, signatures=both, signature="exact").indices == (1, 0)
    assert "'slow'; it has 'fast', 'exact'" in refusal(tmp_path, A, B, signatures=both, signature="slow")
    assert "it has none" in refusal(tmp_path, A, B, signature="exact")


def test_heads_of_different_shapes_or_types_are_refused(tmp_path: Path) -> None:
    wide = Head("b", (1, 10, 10, 1))
    assert "different shapes" in refusal(tmp_path, Head("a", (1, 19, 19, 1)), wide, outputs=(0, 1))
    unsigned = Head("b", (1, 1), kind=tflite.TensorType.UINT8)
    assert "different types" in refusal(tmp_path, A, unsigned, outputs=(0, 1))


def test_channels_first_is_a_plane_for_each_head(tmp_path: Path) -> None:
    found = heads(tmp_path, Head("maps", (1, 2, 3, 5)))
    assert (found.layout, found.channels_first) == ("planar", True)
    assert "plane 1" in found.place(1)
    samples = np.arange(4 * 2 * 3 * 5).reshape(4, 2, 3, 5)
    points = found.points([samples])
    assert np.array_equal(points[:, 0], samples[:, 0].reshape(-1))
    assert np.array_equal(points[:, 1], samples[:, 1].reshape(-1))


def test_a_shape_of_two_readings_needs_the_layout(tmp_path: Path) -> None:
    tensor = Head("maps", (1, 2, 8, 2))
    assert "heads.layout" in refusal(tmp_path, tensor)
    assert heads(tmp_path, tensor, layout="planar").channels_first
    assert not heads(tmp_path, tensor, layout="interleaved").channels_first


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [((4, 2, 8, 8), "batch of 1"), ((1, 8, 8), "2 channels"), ((1, 1), "2 channels"), ((), "2 channels")],
)
def test_a_tensor_without_two_channels_is_refused(tmp_path: Path, shape: tuple[int, ...], remedy: str) -> None:
    assert remedy in refusal(tmp_path, Head("t", shape))


def test_two_outputs_of_two_channels_each_are_no_pair(tmp_path: Path) -> None:
    one, two = Head("a", (1, 2)), Head("b", (1, 2))
    signatures = {"s": {"output_0": 0, "output_1": 1}}
    assert "each hold all 2 heads" in refusal(tmp_path, one, two, signatures=signatures)
    assert heads(tmp_path, one, two, signatures=signatures, outputs="output_1").indices == (1,)


def test_what_is_not_quantized_for_a_head_is_refused(tmp_path: Path) -> None:
    assert "not quantized" in refusal(tmp_path, Head("t", (1, 2), kind=tflite.TensorType.FLOAT32, scale=()))
    assert "per channel" in refusal(tmp_path, Head("t", (1, 2), scale=(0.5, 0.25), zero_point=(0, 0)))
    assert "not quantized" in refusal(tmp_path, Head("t", (1, 2), scale=(float("nan"),)))


def test_a_float_model_has_heads_too(tmp_path: Path) -> None:
    tensors = [Head(name, (1, 1), kind=tflite.TensorType.FLOAT32, scale=()) for name in "ab"]
    assert heads(tmp_path, *tensors, signatures={"s": {"x": 1, "y": 0}}).indices == (1, 0)


def test_codes_made_real_at_the_end_are_told_from_a_float_net(tmp_path: Path) -> None:
    real = Head("t", (1, 2), kind=tflite.TensorType.FLOAT32, scale=())
    assert [head.coded for head in heads(tmp_path, real).tensors] == [False]
    assert [head.coded for head in heads(tmp_path, Head()).tensors] == [True]
    # A reshape stands for whatever passes numbers on as they are, a DEQUANTIZE among it.
    (tmp_path / "net.tflite").write_bytes(tflite_file(Head(), real, outputs=[1], reshapes={1: 0}))
    assert [head.coded for head in find_heads(tmp_path / "net.tflite").tensors] == [True]


def test_the_output_of_a_baseline(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(tflite_file(A, B, signatures={"s": {"value": 1}}))
    assert find_outputs(tmp_path / "net.tflite", "value") == (1,)
    assert find_outputs(tmp_path / "net.tflite", ("value", 0)) == (1, 0)


def test_the_configuration_takes_the_heads_of_the_signature(tmp_path: Path) -> None:
    names = {"x": 1, "y": 0}
    (tmp_path / "net.tflite").write_bytes(tflite_file(A, B, signatures={"one": names, "two": names}))
    config = tmp_path / "c.toml"
    config.write_text('[model]\nfile = "net.tflite"\nsignature = "two"\n', encoding="utf-8")
    settings = load(config)
    assert settings.config.heads.zero_point == (2, 1)
    assert settings.config.heads.layout == "planar"
    assert settings.heads is not None and settings.heads.indices == (1, 0)
    assert settings.origin["heads.scale"] == "net.tflite"


MAP = Head("maps", (1, 2, 8, 2), scale=(0.25,), zero_point=(3,))


@pytest.mark.parametrize(
    ("tensor", "setting"),
    [
        (MAP, 'layout = "interleaved"'),
        (MAP, 'layout = "planar"'),
        (Head("x", (1, 8, 8, 2), scale=(0.25,), zero_point=(3,)), 'layout = "interleaved"'),
        (Head("x", (1, 2, 8, 8), scale=(0.25,), zero_point=(3,)), 'layout = "planar"'),
        (MAP, 'layout = "planar"\ndtype = "int8"\nscale = [0.25, 0.25]\nzero_point = 3'),
    ],
)
def test_what_the_model_says_may_be_written_too(tmp_path: Path, tensor: Head, setting: str) -> None:
    (tmp_path / "net.tflite").write_bytes(tflite_file(tensor))
    config = tmp_path / "c.toml"
    config.write_text(f'[model]\nfile = "net.tflite"\n[heads]\n{setting}\n', encoding="utf-8")
    settings = load(config)
    found = settings.config.heads
    assert f'layout = "{found.layout}"' in setting
    assert (found.dtype, found.scale, found.zero_point) == ("int8", (Decimal("0.25"), Decimal("0.25")), (3, 3))
    assert settings.heads is not None and settings.heads.channels_first == ("planar" in setting)


@pytest.mark.parametrize(
    ("setting", "model"),
    [
        ("layout=planar", '"interleaved"'),
        ("dtype=uint8", '"int8"'),
        ("scale=0.5", "[0.25, 0.25]"),
        ("scale=[0.25]", "[0.25, 0.25]"),
        ("zero_point=true", "[3, 3]"),
        ("zero_point=[3, 4]", "[3, 3]"),
    ],
)
def test_what_the_model_does_not_say_is_refused(tmp_path: Path, setting: str, model: str) -> None:
    (tmp_path / "net.tflite").write_bytes(tflite_file(Head("x", (1, 8, 8, 2), scale=(0.25,), zero_point=(3,))))
    config = tmp_path / "c.toml"
    config.write_text('[model]\nfile = "net.tflite"\n', encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(config, [f"heads.{setting}"])
    key = setting.partition("=")[0]
    assert str(caught.value).startswith(f"c.toml: heads.{key} = ")
    assert f"the model net.tflite says {model}; delete the key, or name another model" in str(caught.value)
