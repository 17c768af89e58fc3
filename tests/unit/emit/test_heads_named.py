"""Every place that tells a firmware engineer which buffer is which head."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("tflite")
import tflite

from hilbert_codegen.cli import main
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.models.model import find_heads
from hilbert_codegen.spec.plan import make_plan
from tests.tflite_files import Head, tflite_file

LONG = "streamable/decoder/shortcut/" * 6


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A net whose file has y before x, with names of 170 characters."""
    heads = Head(LONG + "y", (1, 1)), Head(LONG + "x", (1, 1))
    (tmp_path / "net.tflite").write_bytes(tflite_file(*heads, signatures={"serving_default": {"x": 1, "y": 0}}))
    path = tmp_path / "depth.toml"
    path.write_text('[curve]\norder = 1\n[model]\nfile = "net.tflite"\n', encoding="utf-8")
    return path


def test_the_header_names_the_tensor_of_each_head_whole(config: Path) -> None:
    header = generate(make_plan(load(config))).files["hilbert_decoder.h"].decode()
    assert max(map(len, header.splitlines())) <= 120
    joined = "".join(line.removeprefix(" *").strip() for line in header.splitlines())
    for axis, index in (("x", 1), ("y", 0)):
        assert joined.count(f"head {axis}: output {index}") == 1  # the banner's
        assert joined.count(LONG + axis) == 2


@pytest.mark.parametrize("distance", [False, True])
def test_each_parameter_is_followed_by_the_tensor_of_its_head(config: Path, distance: bool) -> None:
    plan = make_plan(load(config, [f"decoder.distance={str(distance).lower()}", "code.strategy=closed"]))
    header = generate(plan).files["hilbert_decoder.h"].decode()
    text = "".join(line.removeprefix(" *").strip() for line in header.splitlines())
    for axis, index in (("x", 1), ("y", 0)):
        said = (
            f"@param[in]  pSrc{axis.upper()}      codes of the {axis} head, blockSize of them:output {index} "
            f"'{LONG}{axis}'(signature: '{axis}') of net.tflite@param"
        )
        assert text.replace("' (sig", "'(sig").count(said) == 1 + distance
    assert "@par Heads of the model" not in header


def test_heads_of_one_buffer_are_listed(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(tflite_file(Head("a@b", (1, 2))))
    (tmp_path / "a.toml").write_text('[curve]\norder = 1\n[model]\nfile = "net.tflite"\n', encoding="utf-8")
    header = generate(make_plan(load(tmp_path / "a.toml"))).files["hilbert_decoder.h"].decode()
    assert " * @par Heads of the model\n * - head x: output 0 'a\\@b', channel 0 of net.tflite\n" in header


def test_generate_prints_the_call_that_fetches_each_head(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["generate", str(config), "-o", str(config.parent)])
    said = capsys.readouterr().err
    assert "pSrcX = interpreter.output(1)->data.int8;" in said
    assert "pSrcY = interpreter.output(0)->data.int8;" in said


def test_show_names_the_tensors(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", str(config), "--format", "json"])
    shown = json.loads(capsys.readouterr().out)["derived"]
    assert [head.split(": ")[0] for head in shown["heads"]] == ["head x", "head y"]
    assert LONG + "x" in shown["heads"][0]
    assert shown["off_square_share"] == 0


@pytest.mark.parametrize(
    ("head", "calls"),
    [
        (Head("t", (1, 4, 6, 2)), {"pSrc": "interpreter.output(0)->data.int8"}),
        (
            Head("t", (1, 2, 4, 6), kind=tflite.TensorType.INT16),
            {"pSrcX": "interpreter.output(0)->data.i16", "pSrcY": "interpreter.output(0)->data.i16 + 24"},
        ),
    ],
)
def test_calls_of_one_tensor(tmp_path: Path, head: Head, calls: dict[str, str]) -> None:
    (tmp_path / "net.tflite").write_bytes(tflite_file(head))
    assert dict(find_heads(tmp_path / "net.tflite").fetch()) == calls


@pytest.mark.parametrize(
    ("zero_point", "ends", "percent"),
    [(0, "[0, 1]", 75), (-128, "[0, 1]", 74), (0, "[-1, 1]", 0), (0, "[-1, 0.5]", 0)],
)
def test_codes_off_the_unit_square_are_a_warning_past_half(
    tmp_path: Path, zero_point: int, ends: str, percent: int
) -> None:
    path = tmp_path / "tanh.toml"
    path.write_text(f"[heads]\nscale = 0.0078125\nzero_point = {zero_point}\nrange = {ends}\n", encoding="utf-8")
    plan = make_plan(load(path))
    said = [warning for warning in plan.warnings if "unit square" in warning]
    assert len(said) == bool(percent)
    if percent:
        assert f"heads.range = [0, 1]: {percent} % of the code square" in said[0]
        assert plan.off_square > 0.5


@pytest.mark.parametrize(
    ("scale", "zero_point", "ranges", "share", "named"),
    [
        # Each head's codes span its own range: right, though y's and z's reach past the first's.
        ("[0.00390625, 0.0078125]", "[-128, 0]", "[[0, 1], [-1, 1]]", 0, ""),
        ("[0.0078125, 0.00390625]", "[0, -128]", "[[-1, 1], [0, 1]]", 0, ""),
        # y has the codes of [-1, 1] and was given [0, 0.25]: 33 of 256 codes are inside.
        (
            "[0.00390625, 0.0078125]",
            "[-128, 0]",
            "[[0, 1], [0, 0.25]]",
            1 - 33 / 256,
            "heads.range = [[0, 1], [0, 0.25]]: 87 % of the code square lies off the unit square: the codes span "
            "x 0..0.9961 of [0, 1], y -1..0.9922 of [0, 0.25]; ",
        ),
    ],
)
def test_each_head_is_held_to_its_own_range(
    tmp_path: Path, scale: str, zero_point: str, ranges: str, share: float, named: str
) -> None:
    path = tmp_path / "two.toml"
    path.write_text(f"[heads]\nscale = {scale}\nzero_point = {zero_point}\nrange = {ranges}\n", encoding="utf-8")
    plan = make_plan(load(path))
    assert float(plan.off_square) == share
    said = [warning for warning in plan.warnings if "unit square" in warning]
    assert len(said) == bool(named) and all(named in line for line in said)


@pytest.mark.parametrize(
    ("scale", "zero_point", "ends", "said"),
    [
        (1 / 256, -128, "[0, 1]", ""),
        (1 / 128, 0, "[-1, 1]", ""),
        (1 / 4096, -128, "[0, 1]", "[0, 1] of the fused head: its codes span 0..0.06226 and reach only 6 % of it; "),
        (1 / 256, 0, "[0, 1]", "[0, 1] of the fused head: its codes span -0.5..0.4961 and reach only 49 % of it; "),
        (1 / 32, 0, "[0, 1]", "[0, 1] of the fused head: its codes span -4..3.969 (87 % of them lie off it); "),
        (1 / 256, -128, "[2, 3]", "[2, 3] of the fused head: its codes span 0..0.9961 and reach only 0 % of it; "),
    ],
)
def test_a_fused_head_whose_codes_miss_its_range_is_a_warning(
    tmp_path: Path, scale: float, zero_point: int, ends: str, said: str
) -> None:
    path = tmp_path / "fused.toml"
    path.write_text(
        f"[heads]\nscale = [0.00390625, 0.00390625, {scale}]\nzero_point = [-128, -128, {zero_point}]\n"
        f'range = [[0, 1], [0, 1], {ends}]\n[decoder]\nestimator = "fused"\nthreshold = 0.04\n',
        encoding="utf-8",
    )
    warnings = make_plan(load(path)).warnings
    assert len(warnings) == bool(said)
    assert all(f"fused.toml: heads.range = {said}set heads.range" in line for line in warnings)
