"""The front door under hostile input: an error of one line, or whole files in the folder asked for; nothing else."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hilbert_codegen.cli import main
from hilbert_codegen.cli._boards import read_outputs
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import HilbertError, UsageError
from hilbert_codegen.models.model import find_heads
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.emulators.renode import Renode
from hilbert_codegen.targets.tools import Found, Missing, Unusable

tflite = pytest.importorskip("tflite")

from tests.conftest import needs  # noqa: E402
from tests.paths import ROOT  # noqa: E402
from tests.tflite_files import Head, tflite_file  # noqa: E402

FUZZ = settings(deadline=timedelta(seconds=20), suppress_health_check=list(HealthCheck))
#: Every number of cases is multiplied by this: HILBERT_CODEGEN_FUZZ=10 for tens of thousands.
FACTOR = int(os.environ.get("HILBERT_CODEGEN_FUZZ", "1"))


def cases(number: int) -> settings:
    """`number` cases of a property, or as many times that as the environment asks for."""
    return settings(FUZZ, max_examples=number * FACTOR)


EXAMPLES = sorted(ROOT.glob("examples/**/*.tflite"))

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from([
        "*/ int evil; /*", "/* ", "*/", "??/", "\\", "a\\\n#include <evil.h>", "\u202eevil", "\x1b[2J", "\x00", "//",
        '"; system("x"); "', "{{ 7 * 7 }}", "{% raw %}", "%s%n", "../../../etc/passwd", "/etc/passwd", "CON", "é" * 50,
        "a" * 5000, "int", "", " ", "-o", "$(touch evil)", "`touch evil`", "[bold]", "[/bold]", "\r\n", "🙂",
    ]),
)  # fmt: skip


class Verbatim(str):
    """TOML as it is to be written."""

    __slots__ = ()


NUMBER = st.one_of(
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, -1, 2, 3, 6, 7, 9, 127, 128, -128, 255, 256, 65535, 65536, 10**400, -(2**63)]),
    # As a decimal number these are longer than Python converts; TOML has hexadecimal ones too.
    st.sampled_from([Verbatim("0x" + "f" * 4000), Verbatim("0b1" + "0" * 20_000), Verbatim("0o" + "7" * 9000)]),
    st.floats(),
    st.floats(0, 1),
)
#: Dotted keys: of few parts, and of so many that a parser may take long.
DOTTED = st.builds(
    lambda part, count, gap: gap.join([part] * count),
    st.sampled_from(["a", "heads", '"a.b"', '"\\\""', "''"]), st.sampled_from([2, 30, 33, 40_000]), st.sampled_from([".", " . "]),
)  # fmt: skip
VALUE = st.recursive(
    st.one_of(NUMBER, HOSTILE, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(HOSTILE, inner, max_size=2)),
    max_leaves=4,
)
GOOD: dict[str, dict[str, Any]] = {
    "curve": {"kind": "hilbert", "order": 1, "inset": "cell", "orientation": "transpose"},
    "heads": {"dtype": "int8", "layout": "planar", "scale": [0.00390625, 0.004], "zero_point": -128, "range": [0, 1]},
    "output": {"dtype": "uint16", "codes": [500, 10000]},
    "decoder": {"estimator": "nearest", "distance": True},
    "code": {"prefix": "depth", "strategy": "auto", "max_flash_bytes": 1048576, "target": "cortex-m4"},
}


def toml(value: Any) -> str:
    """`value` as inline TOML."""
    if isinstance(value, Verbatim):
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(
            c if " " <= c <= "~" and c not in '"\\' else f"\\U{min(ord(c), 0x10FFFF):08x}" for c in value
        ) + '"'  # fmt: skip
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "inf", "-inf": "-inf"}.get(str(value), "nan")
    return str(value)


def sound_tables(heads: int = 2) -> dict[str, Any]:
    """The tables of a sound configuration."""
    tables: dict[str, Any] = {table: dict(keys) for table, keys in GOOD.items()}
    if heads > 2:
        turned = ",".join(f"-{axis}" if axis == "z" else axis for axis in reversed("xyzuvw"[:heads]))
        tables["curve"] |= {"dimensions": heads, "orientation": turned}
        tables["heads"]["scale"] = [0.00390625, 0.004, *[0.0041] * (heads - 2)]
        tables["decoder"]["distance"] = False
    return tables


def sound(heads: int) -> str:
    """A sound configuration."""
    return "\n".join(f"{toml(table)} = {toml(keys)}" for table, keys in sound_tables(heads).items())


@st.composite
def configurations(draw: st.DrawFn, heads: int = 2) -> str:
    """A sound configuration with one to three values, keys or tables replaced by anything."""
    tables = sound_tables(heads)
    for _ in range(draw(st.integers(1, 3))):
        table = draw(st.sampled_from(list(GOOD)))
        what = draw(st.integers(0, 9))
        if what == 0:
            tables[draw(HOSTILE)] = draw(VALUE)
        elif what == 1:
            tables[table] = draw(VALUE)
        elif isinstance(tables[table], dict):
            key = draw(st.one_of(st.sampled_from(list(GOOD[table])), HOSTILE) if what == 2 else st.sampled_from(
                [*GOOD[table], *(("sigma", "gate", "threshold") if table == "decoder" else ())]))  # fmt: skip
            tables[table][key] = draw(VALUE)
    lines = []
    for table, keys in tables.items():
        lines.append(f"{toml(table)} = {toml(keys)}")
    if draw(st.integers(0, 19)) == 0:
        key = draw(DOTTED)
        lines.insert(
            draw(st.integers(0, len(lines))), draw(st.sampled_from([f"{key} = 1", f"[{key}]", f"x = {{{key} = 1}}"]))
        )
    return "\n".join(lines)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def one_line(error: HilbertError) -> None:
    text = str(error)
    assert text and "\n" not in text and "\r" not in text, repr(text)
    assert len(text) < 2000, len(text)


def try_plan(path: Path, *overrides: str) -> None:
    try:
        make_plan(load(path, overrides))
    except UsageError as error:
        one_line(error)


@cases(800)
@given(configurations())
@example("[heads]\nscale = 0." + "1" * 500_000 + "\nzero_point = 0")
@example("[heads]\nscale = 1e-999999999999\nzero_point = 0")
@example("[heads]\nscale = 0e999999999\nzero_point = 0")
@example("x = " + "[" * 5000)
@example("[heads]\nscale = " + "[" * 320 + "]" * 320 + "\nzero_point = 0")
@example(".".join("a" * 3000) + " = 1")
@example(".".join("a" * 40_000) + " = 1")
@example("[heads]\nscale = 1\nzero_point = 0x" + "f" * 3600)
@example("[heads]\nscale = 1\nzero_point = " + "9" * 5000)
@example('[heads]\nscale = 1\nzero_point = 0\n[model]\nfile = "a\\u0000b"')
@example('[heads]\nscale = 1\nzero_point = 0\n[model]\nfile = "/dev/zero"')
@example('[heads]\nscale = 1\nzero_point = 0\n[model]\nfile = "/"')
def test_any_configuration(text: str) -> None:
    with folder() as place:
        (place / "a.toml").write_text(text, encoding="utf-8", newline="")
        try_plan(place / "a.toml")


@pytest.mark.parametrize("heads", [3, 4, 5, 6])
def test_a_sound_configuration_of_more_heads_is_one(heads: int) -> None:
    """What `test_any_configuration_of_more_heads` starts from, so that it is not refused for something else."""
    with folder() as place:
        (place / "a.toml").write_text(sound(heads), encoding="utf-8")
        assert make_plan(load(place / "a.toml")).spec.dimensions == heads


@cases(300)
@given(st.integers(3, 6).flatmap(lambda heads: configurations(heads=heads)))
def test_any_configuration_of_more_heads(text: str) -> None:
    with folder() as place:
        (place / "a.toml").write_text(text, encoding="utf-8", newline="")
        try_plan(place / "a.toml")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["curve.dimensions=7"], "curve.dimensions = 7: it takes a whole number from 2 to 6"),
        (["curve.dimensions=0"], "curve.dimensions = 0: it takes a whole number from 2 to 6"),
        (["curve.dimensions=3", "curve.order=4"], "give 1 to 3, or fewer heads"),
        (["curve.dimensions=6", "curve.order=2"], "give 1, or fewer heads"),
        (["curve.dimensions=4", "curve.order=2", "curve.kind=serpentine", "heads.dtype=int16"], "int16"),
        (["curve.dimensions=3", "decoder.estimator=mean", "decoder.sigma=0.3", "decoder.gate=0"], "2^24 results"),
        (["curve.dimensions=3", "curve.orientation=x,y"], "curve.orientation"),
        (
            ["curve.dimensions=6", "curve.order=1", "decoder.estimator=fused", "decoder.threshold=0.1"],
            "7 codes, and 6 is the most",
        ),
        (
            ["curve.dimensions=7", "decoder.estimator=fused"],
            "curve.dimensions = 7: it takes a whole number from 2 to 6",
        ),
        (
            ["curve.dimensions=true", "decoder.estimator=fused"],
            "curve.dimensions = true: it takes a whole number from 2 to 6",
        ),
        (
            ["curve.dimensions=3", "curve.order=2", "decoder.estimator=fused"],
            "decoder.threshold: needed by the fused estimator",
        ),
        (["curve.dimensions=4", "curve.order=1", "heads.scale=[0.004, 0.004]"], "heads.scale"),
    ],
)
def test_heads_that_do_not_exist_get_one_line(settings: list[str], said: str) -> None:
    with folder() as place:
        (place / "a.toml").write_text("[heads]\nscale = 0.00390625\nzero_point = -128\n", encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            make_plan(load(place / "a.toml", settings))
        one_line(caught.value)
        assert said in str(caught.value)


@cases(500)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_as_configuration(content: bytes) -> None:
    with folder() as place:
        (place / "a.toml").write_bytes(content)
        try_plan(place / "a.toml")


@cases(300)
@given(
    st.lists(st.tuples(st.sampled_from([f"{t}.{k}" for t in GOOD for k in GOOD[t]]), VALUE, st.booleans()), max_size=2)
)
def test_any_setting(pairs: list[tuple[str, Any, bool]]) -> None:
    with folder() as place:
        (place / "a.toml").write_text("[heads]\nscale = 0.00390625\nzero_point = -128\n", encoding="utf-8")
        try_plan(place / "a.toml", *(f"{key}={value if bare else toml(value)}" for key, value, bare in pairs))


def read(content: bytes, outputs: object = None) -> None:
    with folder() as place:
        (place / "a.tflite").write_bytes(content)
        try:
            find_heads(place / "a.tflite", outputs).values()
        except UsageError as error:
            one_line(error)


@cases(800)
@given(st.data())
def test_any_bytes_of_a_model(data: st.DataObject) -> None:
    """A small model with a few bytes or words changed, cut off, or with something inserted."""
    content = bytearray(tflite_file(Head(), Head(name="y")) if data.draw(st.booleans()) else tflite_file(Head()))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        what = data.draw(st.integers(0, 3))
        if what == 0:
            content[at] = data.draw(st.integers(0, 255))
        elif what == 1:
            word = data.draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x10000000]))
            content[at : at + 4] = word.to_bytes(4, "little")
        elif what == 2:
            del content[at + 1 :]
        else:
            content[at:at] = data.draw(st.binary(max_size=8))
    read(bytes(content), data.draw(st.sampled_from([None, 0, 1, "heads", ("heads", "y"), (1, 0), 99, (0, 0, 0)])))


@pytest.mark.skipif(not EXAMPLES, reason="no example model is there")
@cases(300)
@given(st.data())
def test_any_bytes_of_a_real_model(data: st.DataObject) -> None:
    """Real models with a few words changed, most of them in the metadata at either end."""
    content = bytearray(data.draw(st.sampled_from(EXAMPLES)).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.one_of(st.integers(0, min(4000, len(content) - 5)), st.integers(0, len(content) - 5)))
        at = len(content) - 5 - place if data.draw(st.booleans()) else place
        content[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    read(bytes(content))


@cases(200)
@given(st.binary(max_size=200))
def test_any_bytes_as_model(content: bytes) -> None:
    read(content)
    read(content[:4] + b"TFL3" + content[8:])


HEADS = st.builds(
    Head,
    name=HOSTILE.map(lambda text: text.encode("utf-8", "replace").decode()),
    shape=st.lists(st.integers(-1, 1000), max_size=4),
    kind=st.integers(0, 18),
    scale=st.lists(st.one_of(st.floats(width=32), st.just(0.00390625)), max_size=2),
    zero_point=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2),
)


@cases(300)
@given(st.lists(HEADS, min_size=0, max_size=4))
def test_any_metadata(heads: list[Head]) -> None:
    with folder() as place:
        (place / "a.tflite").write_bytes(tflite_file(*heads))
        (place / "a.toml").write_text('[model]\nfile = "a.tflite"\n', encoding="utf-8")
        try_plan(place / "a.toml")


def without_comments(text: str) -> str:
    """C text without its comments and what stands in for the configuration's hash."""
    code = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    assert "//" not in code and "/*" not in code and "??" not in code
    return re.sub(r"0x[0-9A-F]{8}UL", "HASH", code)


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    with folder() as place:
        (place / "a.tflite").write_bytes(tflite_file(Head()))
        (place / "a.toml").write_text('[curve]\norder = 1\n[model]\nfile = "a.tflite"\n', encoding="utf-8")
        files = generate(make_plan(load(place / "a.toml", ["code.max_flash_bytes=1048576"]))).files
        return {name: without_comments(content.decode()) for name, content in files.items()}


@cases(15)
@given(
    name=HOSTILE.map(lambda text: text.encode("utf-8", "replace").decode()),
    file=HOSTILE.map(lambda text: re.sub(r"[/\x00]|^-", "_", text)[:60].encode("utf-8", "replace").decode()),
)
@example(name="*/ int evil; /*", file="* #define depth evil\n*.tflite")
@example(name="\\\n??/\n*", file="*\\\n")
@example(name="*", file="a*")
def test_names_stay_in_comments(plain: dict[str, str], name: str, file: str) -> None:
    """Tensor, model and configuration names of any text: the code outside of comments is the same, and ASCII."""
    with folder() as place:
        model, config = place / f"m{file}", place / f"c{file}"
        model.write_bytes(tflite_file(Head(name=name)))
        config.write_text(f"[curve]\norder = 1\n[model]\nfile = {toml(model.name)}\n", encoding="utf-8")
        files = generate(make_plan(load(config, ["code.max_flash_bytes=1048576"]))).files
        for file_name, content in files.items():
            text = content.decode("ascii")
            assert text.isprintable() or set(text) - set("\n") == {c for c in text if c.isprintable()}
            assert without_comments(text) == plain[file_name]


@needs("gcc")
def test_hostile_names_compile_without_a_comment_warning(tmp_path: Path) -> None:
    model = tmp_path / "a *\\?? x"
    model.write_bytes(tflite_file(Head(name="*\\\n// */ ??/ /* \\")))
    config = tmp_path / "*\\ \\.toml"
    config.write_text(f"[curve]\norder = 1\n[model]\nfile = {toml(model.name)}\n", encoding="utf-8")
    for name, content in generate(make_plan(load(config, ["code.max_flash_bytes=1048576"]))).files.items():
        (tmp_path / name).write_bytes(content)
    subprocess.run(
        ["gcc", "-std=c99", "-trigraphs", "-Wall", "-Wextra", "-Wcomment", "-Werror", "-c", "hilbert_decoder.c"],
        cwd=tmp_path, check=True,
    )  # fmt: skip


def tree(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@cases(100)
@given(configurations(), st.sampled_from(["generate", "check", "show"]))
def test_any_command_writes_whole_files_or_none(text: str, command: str) -> None:
    """The command line itself: exit status 0, 1 or 2, one line of error, both files or neither, nothing elsewhere."""
    with folder() as place:
        (place / "in").mkdir()
        (place / "in" / "a.toml").write_text(text, encoding="utf-8", newline="")
        before = tree(place)
        words = [command, str(place / "in" / "a.toml")]
        if command != "show":
            words += ["-o", str(place / "out")]
        out, err = io.StringIO(), io.StringIO()
        status: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(words)
            except SystemExit as stop:
                status = stop.code
        after = tree(place)
        made = {name for name in after if name not in before}
        assert {name: after[name] for name in before} == before
        assert status in (0, 1, 2)
        if status == 2:
            assert not made
            assert err.getvalue().startswith("hilbert-codegen: ") and err.getvalue().count("\n") == 1, err.getvalue()
        if made:
            assert command == "generate" and status == 0
            assert len(made) == 2 and all(
                re.fullmatch(r"out/[A-Za-z][A-Za-z0-9_]*_decoder\.[ch]", name) for name in made
            )


#: What a command may take of the machine: a laptop's worth of memory, and time for the slowest sound configuration.
MEMORY, SECONDS = 3 << 30, 60


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@cases(15)
@given(
    text=st.one_of(configurations(), st.just('[model]\nfile = "m"\n')),
    damage=st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=4)), max_size=4),
    command=st.sampled_from(["generate", "generate", "check", "show", "plot", "advise", "evaluate"]),
    pair=st.tuples(st.sampled_from([f"{table}.{key}" for table in GOOD for key in GOOD[table]]), VALUE),
    changed=st.booleans(),
)
def test_any_command_as_a_process(
    text: str, damage: list[tuple[int, bytes]], command: str, pair: tuple[str, Any], changed: bool
) -> None:
    """A process of its own, with limits: no traceback, in time and memory, nothing outside of -o."""
    with folder() as place:
        model = bytearray(tflite_file(Head()))
        for where, what in damage:
            model[where % len(model) : where % len(model) + len(what)] = what
        (place / "in").mkdir()
        (place / "in" / "m").write_bytes(model)
        (place / "in" / "a.toml").write_text(text, encoding="utf-8", newline="")
        before = tree(place)
        words = [sys.executable, "-m", "hilbert_codegen", command, "in/a.toml"]
        words += {"show": [], "plot": ["-o", "out/a.svg"], "advise": [], "evaluate": ["--report", "out/a.html"]}.get(
            command, ["-o", "out"]
        )
        setting = f"{pair[0]}={toml(pair[1])}"
        if changed and command in ("generate", "check", "show", "plot"):
            words += ["--set", setting]
        done = subprocess.run(
            words, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=limited, capture_output=True, text=True, errors="replace", timeout=2 * SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1, 2), (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        after = tree(place)
        made = {name for name in after if name not in before}
        assert {name: after[name] for name in before} == before
        assert all(name.startswith("out/") for name in made), made
        if done.returncode == 2:
            assert not made and done.stderr.strip()


def test_numbers_too_long_to_be_exact_are_refused(tmp_path: Path) -> None:
    """Exact arithmetic on a number of a thousand digits would take minutes."""
    path = tmp_path / "a.toml"
    path.write_text(
        f"[curve]\ninset = 0.{'123' * 400}\n[heads]\nscale = 0.00390625\nzero_point = 0\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match=r"curve\.inset"):
        load(path)


PILOT = """
[data]
file = "data.npz"
truth_in = "t"
[[model]]
name = "m"
decoder = "d.toml"
float = "f.tflite"
quantized = "q.tflite"
"""


def archive(**arrays: np.ndarray[Any, Any]) -> bytes:
    """A .npz file's bytes."""
    stream = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(stream, **named)
    return stream.getvalue()


GOOD_DATA = archive(inputs=np.zeros((3, 4), np.uint8), truth=np.linspace(0, 1, 3))


@cases(500)
@given(st.data())
def test_any_bytes_as_samples(data: st.DataObject) -> None:
    content = bytearray(GOOD_DATA)
    if data.draw(st.booleans(), "damaged"):
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        content = bytearray(data.draw(st.binary(max_size=300)))
    with folder() as place:
        (place / "pilot.toml").write_text(PILOT, encoding="utf-8")
        (place / "data.npz").write_bytes(content)
        try:
            load_pilot(place / "pilot.toml").samples()
        except HilbertError as error:
            one_line(error)


def array_file(header: bytes) -> bytes:
    """A .npy file with this header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)


HEADER = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4), }"


@cases(200)
@given(st.data())
def test_any_header_of_samples(data: st.DataObject) -> None:
    """Archives that are sound, of arrays whose headers are not: NumPy reads those as Python."""
    header = bytearray(HEADER)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(header) - 1))
        what = data.draw(
            st.one_of(
                st.sampled_from([b"(", b")", b"'", b"{", b"[", b"\\", b"\n", b"0x", b"9" * 30]), st.binary(max_size=2)
            )
        )
        header[at : at + data.draw(st.integers(0, 2))] = what
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("inputs.npy", array_file(bytes(header) + b"\n"))
        made.writestr("truth.npy", array_file(HEADER + b"\n"))
    with folder() as place:
        (place / "pilot.toml").write_text(PILOT, encoding="utf-8")
        (place / "data.npz").write_bytes(stream.getvalue())
        (place / "codes.npy").write_bytes(array_file(bytes(header) + b"\n"))
        for reading in (lambda: load_pilot(place / "pilot.toml").samples(), lambda: read_outputs(place / "codes.npy")):
            try:
                reading()
            except HilbertError as error:
                one_line(error)


@pytest.mark.parametrize("header", [b"{'descr': '|u1', 'shape': ((3, 4), }\n", b"((\n", b"'\n", b"{\n"])
def test_headers_with_something_left_open(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "codes.npy").write_bytes(array_file(header))
    with pytest.raises(UsageError, match="can't be read") as caught:
        read_outputs(tmp_path / "codes.npy")
    one_line(caught.value)


def test_codes_past_64_bits_with_a_sign_do_not_become_others(tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", np.array([[2**64 - 1, 3]], dtype=np.uint64))
    found = read_outputs(tmp_path / "codes.npy")
    assert found is not None and found.tolist() == [[2**63 - 1, 3]]


WORDS = st.lists(
    st.sampled_from(["gcc", "nonesuch", '"', "'", "\\", "-O2", " ", "$(touch evil)", "\n", "--help", "é", ";", "-o", "/"]),
    max_size=4,
).map("".join)  # fmt: skip


@cases(20)
@given(WORDS.filter(lambda text: "gcc" not in text))
@example('"gcc')
@example("gcc '")
@example("")
def test_any_command_of_a_compiler_or_an_emulator(words: str) -> None:
    """Commands given by the user, unbalanced quotes among them: one line, and nothing is run by a shell."""
    with folder() as place:
        (place / "a.toml").write_text("[heads]\nscale = 0.00390625\nzero_point = -128\n", encoding="utf-8")
        for command in (["verify", str(place / "a.toml"), f"--compiler={words}", "-q"],):
            err = io.StringIO()
            status: object = 0
            with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
                try:
                    main(command)
                except SystemExit as stop:
                    status = stop.code
            assert status in (1, 2), (status, err.getvalue())
            assert err.getvalue().count("hilbert-codegen: ") == 1, err.getvalue()
        with mock.patch.dict(os.environ, {"RENODE": words}):
            assert isinstance(Renode().find(), (Found, Missing, Unusable))
        assert sorted(path.name for path in place.iterdir()) == ["a.toml"]


@pytest.mark.parametrize(
    "content",
    [
        archive(inputs=np.array([object()], dtype=object), truth=np.zeros(1)),
        archive(inputs=np.zeros((0, 4)), truth=np.zeros(0)),
        archive(inputs=np.full((2, 4), np.nan), truth=np.zeros(2)),
        archive(inputs=np.array(["a", "b"]), truth=np.zeros(2)),
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
        + b" " * 51
        + b"\n",
    ],
    ids=["pickle", "empty", "nan", "text", "promises-8-TB"],
)
def test_samples_made_to_do_harm(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pilot.toml").write_text(PILOT, encoding="utf-8")
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_pilot(tmp_path / "pilot.toml").samples()
    one_line(caught.value)


@pytest.mark.parametrize("what", ["fifo", "zero", "folder", "missing", "nul"])
def test_what_is_no_ordinary_file(tmp_path: Path, what: str) -> None:
    """As the model and as the configuration: no hang, no endless reading."""
    place = {"fifo": tmp_path / "pipe", "zero": Path("/dev/zero"), "folder": tmp_path, "missing": tmp_path / "no",
             "nul": tmp_path / "a\0b"}[what]  # fmt: skip
    if what == "fifo":
        os.mkfifo(place)
    config = tmp_path / "a.toml"
    config.write_text("[heads]\nscale = 0.00390625\nzero_point = -128\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(config, model=place)
    one_line(caught.value)
    if what != "fifo":  # a pipe is a good configuration: the shell's <(...)
        with pytest.raises(UsageError) as caught:
            load(place)
        one_line(caught.value)


def test_memory_stayed_in_bounds() -> None:
    """Runs last: the peak of this whole process, hypothesis and NumPy included."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform != "darwin" else 1024)
    assert peak < 1_500_000, f"{peak} kB"
    assert shutil.which("python3") is None or peak > 0
