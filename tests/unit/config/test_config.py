from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import Plan, make_plan
from tests.paths import GOLDEN

BAD = [
    ("curve.order=0", "curve.order = 0", "1 to 6"),
    ("curve.order=9", "curve.order = 9", "1 to 6"),
    ("curve.order='two'", "curve.order", "1 to 6"),
    ("curve.order=true", "curve.order = true", "1 to 6"),
    ("curve.inset=0.5", "curve.inset = 0.5", "[0, 0.5)"),
    ("curve.inset=-0.1", "curve.inset = -0.1", "[0, 0.5)"),
    ("curve.inset='cel'", "curve.inset", '"cell"'),
    ("curve.kind=peano", "curve.kind", "hilbert, moore, serpentine"),
    ("curve.orientation=up", "curve.orientation", "mirror_x"),
    ("heads.dtype=int4", "heads.dtype", '"int8"'),
    ("heads.scale=0", "heads.scale = 0", "positive"),
    ("heads.scale=-1", "heads.scale = -1", "positive"),
    ("heads.scale=nan", "heads.scale = NaN", "finite"),
    ("heads.scale=inf", "heads.scale = Infinity", "finite"),
    ("heads.scale=1e300", "heads.scale", "proportion"),
    ("heads.scale=[0.1,0.1,0.1]", "heads.scale", "one for each head"),
    ("heads.zero_point=[1,2,3]", "heads.zero_point", "one for each head"),
    ("heads.range=[[0,1],[0,1],[0,1]]", "heads.range", "one for each head"),
    ("curve.dimensions=7", "curve.dimensions", "2 to 6"),
    ("curve.orientation=z,x,y", "curve.orientation", "d2xy"),
    ("heads.scale=100", "heads.scale", "check scale"),
    ("heads.zero_point=300", "heads.zero_point", "[-128, 127]"),
    ("heads.zero_point=1.5", "heads.zero_point", "whole number"),
    ("heads.range=[1, 0]", "heads.range", "low"),
    ("output.codes=[5, 5]", "output.codes", "different"),
    ("output.codes=[0, 70000]", "output.codes", "[0, 65535]"),
    ("output.codes=[1]", "output.codes", "t = 0"),
    ("decoder.sigma=0.4", "decoder.sigma", "mean"),
    ("decoder.estimator=mean", "decoder.sigma", "0.4"),
    ("code.prefix=int", "code.prefix", "keyword"),
    ("code.prefix=2d", "code.prefix", "identifier"),
    ("code.prefix='a*/b'", "code.prefix", "identifier"),
    ("code.strateggy=full", "code.strateggy", "did you mean strategy"),
    ("code.max_flash_bytes=0", "code.max_flash_bytes", "64"),
    ("code.version='1.0'", "code.version", "three numbers"),
    ("code.version='1.0.0; x'", "code.version", "three numbers"),
    ("code.version=1", "code.version = 1", "three numbers"),
    ("cruve.order=2", "[cruve]", "curve"),
    ("model.file=nowhere.tflite", 'depth.toml: model.file = "nowhere.tflite": no such file', ".tflite"),
    ("model.file=''", "depth.toml: model.file", ".tflite"),
    ("curve.order" + ".a" * 20_000 + "=1", "--set curve.order.a.a", "table.key=value"),
    ("curve\norder=1", "--set curve order=1", "table.key=value"),
]


@pytest.mark.parametrize(("setting", "names", "remedy"), BAD, ids=[bad[0][:60] for bad in BAD])
def test_bad_value_is_named_with_the_remedy(
    config_file: Callable[..., Path], setting: str, names: str, remedy: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(load(config_file(), [setting]))
    message = str(caught.value)
    assert names in message
    assert remedy in message
    assert "\n" not in message and len(message) < 500


def test_missing_scale_says_where_to_get_it(config_file: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"depth.toml: heads.scale: missing; .*--model"):
        load(config_file("[curve]\norder = 2\n"))


MISNAMED = [
    ("[head]\nscale = 0.1\nzero_point = 0\n", "[head]: unknown table; did you mean [heads]?"),
    ("[heads]\nscal = 0.1\nzero_point = 0\n", "heads.scal: unknown key in [heads]; did you mean scale?"),
    ("[decoders]\nsigma = 0.4\n", "[decoders]: unknown table; did you mean [decoder]?"),
    ('[model]\nfil = "m.tflite"\n', "model.fil: unknown key in [model]; did you mean file?"),
    ("[task]\ntitle = 'a'\n", "is a pilot file"),
    ("[[model]]\nname = 'a'\n", "is a pilot file"),
]


@pytest.mark.parametrize(("text", "says"), MISNAMED)
def test_a_misspelt_name_comes_before_what_is_missing(config_file: Callable[..., Path], text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(config_file(text))
    assert f"depth.toml: {says}" in str(caught.value)


def test_a_value_that_is_not_given_is_not_shown(config_file: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"^depth.toml: decoder\.sigma: needed by the mean"):
        make_plan(load(config_file(), ["decoder.estimator=mean"]))
    with pytest.raises(UsageError, match=r"^depth.toml: decoder\.gate: needed by the mean"):
        make_plan(load(config_file(), ["decoder.estimator=mean", "decoder.sigma=0.4"]))


def test_encodings(config_file: Callable[..., Path]) -> None:
    """A byte order mark is read over; what is not UTF-8, or a model, is told so."""
    path = config_file()
    text = path.read_text(encoding="utf-8")
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(path).config.heads.zero_point == (-128, -128)
    for content, says in [
        (text.encode("utf-16"), "is not UTF-8 (byte 1); save it as UTF-8"),
        (b"# caf\xe9\n", "is not UTF-8 (byte 6); save it as UTF-8"),
        (b"\x1c\x00\x00\x00TFL3\x00", "is a .tflite model, no configuration; give the model with --model"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            load(path)
        assert f"depth.toml: {says}" in str(caught.value)


@pytest.mark.parametrize("text", ["[curve\n", "a = \x00", "order = 3\n", "[curve]\norder = 1\norder = 2\n"])
def test_what_is_no_configuration_is_one_line(config_file: Callable[..., Path], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(config_file(text))
    assert "depth.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_setting() -> None:
    with pytest.raises(UsageError, match=r"--set curve\.order=2"):
        load(GOLDEN / "closed.toml", ["order=3"])


def test_origin_of_every_value(config_file: Callable[..., Path]) -> None:
    settings = load(config_file(), ["curve.order=2"])
    assert settings.origin["curve.order"] == "--set"
    assert settings.origin["heads.scale"] == "depth.toml"
    assert settings.origin["output.dtype"] == "default"


def test_one_number_stands_for_both_axes(config_file: Callable[..., Path]) -> None:
    one, two = load(config_file()), load(config_file(), ["heads.scale=[0.00390625, 0.00390625]"])
    assert one.config.heads.scale == two.config.heads.scale


def test_decimal_literal_is_the_binary_number_it_denotes(plan: Callable[..., Plan]) -> None:
    scale = plan("heads.scale=0.1", "heads.range=[0, 25.6]").spec.heads.scale[0]
    assert scale == Fraction(0.1)


def test_inset_is_the_decimal_fraction_as_written(plan: Callable[..., Plan]) -> None:
    inset = plan("curve.inset=0.1").spec.inset
    assert (inset.numerator, inset.denominator) == (1, 10)


def test_lost_part_of_the_curve_is_a_warning(plan: Callable[..., Plan]) -> None:
    lossy = plan("heads.scale=0.003", "curve.inset=0.1")
    assert lossy.lost > 0
    assert "is lost" in lossy.warnings[0]
    assert not plan().warnings
