"""The command of docs/misra.md on generated code of all variants: nothing but the deviations that are listed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.misra import DEVIATIONS
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.spec.plan import make_plan
from tests.compilers.matrix.cases import SHAPES, cases, made
from tests.conftest import needs
from tests.decoders import unproved
from tests.paths import ROOT
from tests.specs import two_heads

THREE_HEADS = "[curve]\ndimensions = 3\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\n"
DOCUMENT = ROOT / "docs" / "misra.md"


def without_entries(text: str) -> str:
    """The code with its tables' entries left out: cppcheck takes minutes and gigabytes for a table."""
    return re.sub(r"(\] (?:\w+ )?\w+_TABLE_ATTR = \{)[^}]*\};", r"\g<1>0};", text)


def command() -> list[str]:
    """The words of the page's command, but for the file's name."""
    line = re.search(r"^\$ (cppcheck .*) depth_decoder\.c$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert line is not None
    return line[1].split()


def findings(folder: Path) -> list[str]:
    """What cppcheck says of m_decoder.c in `folder`, as "file:line: rule or id: text"."""
    done = subprocess.run(
        [
            *command(), "--enable=all", "--inconclusive", "--suppress=missingIncludeSystem",
            "--suppress=unusedFunction", "--suppress=ConfigurationNotChecked",
            "--template={file}:{line}: [{id}] {message}", "m_decoder.c",
        ],
        cwd=folder, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    return sorted({line for line in done.stderr.splitlines() if re.match(r"m_decoder\.[ch]:", line)})


@needs("cppcheck")
@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_no_finding_without_a_reason(strategy: str, tmp_path: Path) -> None:
    if "soft" in SHAPES and strategy == "patch":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
        shapes = ["soft"]
    else:
        # Of octant both have code that the other has not: ties that no order of codes settles, and distances.
        shapes = ["cell", "byte", "plain" if strategy in ("segment", "line") else "odd"]
    rules = {entry.guideline.removeprefix("Rule ") for entry in DEVIATIONS}
    seen = set()
    if strategy in two_heads():
        decoders = [made(shape, name, tmp_path)[1].files for shape, name in cases(tmp_path, shapes, [strategy])]
    else:
        (tmp_path / "three.toml").write_text(THREE_HEADS, encoding="utf-8")
        settings = ["code.prefix=m", f"code.strategy={strategy}", "code.max_flash_bytes=1048576", "code.variants=all"]
        # The second one has comparisons in 64 bits, and such of what a decimal scale and its binary number differ by; the
        # third a fused head with two thresholds.
        fused = [
            "decoder.estimator=fused",
            "decoder.threshold=[0.01, 0.08]",
            "decoder.weight=[0.5, 0.1875]",
            "output.dtype=int16",
        ]
        shapes_of_three: list[list[str]] = [[], ["heads.scale=0.00437", "curve.inset=0.1"], fused]
        if strategy == "corner":  # lanes by kinds of boxes
            of_two = ["curve.order=2", "curve.inset=0.1"]
            shapes_of_three += [of_two, [*of_two, "heads.scale=0.00437", "heads.layout=planar", "output.dtype=uint8"]]
            shapes_of_three += [[*of_two, "heads.scale=[0.00437, 0.0041, 0.0044]"]]
            shapes_of_three += [
                [*of_two[1:], "heads.scale=[0.00303255, 0.00411079, 0.00468522]"]
            ]  # distances with a rest
            of_code = ["decoder.distance=true", "heads.layout=planar", "heads.scale=[0.00437, 0.0041, 0.0044]"]
            shapes_of_three += [["decoder.distance=true"], of_code]
        if strategy == "boxes":  # numbers of several words, for an open curve and a closed one
            wide = [
                "heads.scale=[0.00437, 0.0041, 0.0044]",
                "output.dtype=int32",
                "output.codes=[-2147483648, 2147483648]",
            ]
            shapes_of_three += [[*wide, "output.codes=[2147483647, 0]"], [*wide, "curve.kind=moore"]]
            far = ["decoder.distance=true"]
            shapes_of_three += [far, [*far, *wide, "curve.kind=moore"]]
        else:
            shapes_of_three.append(["heads.scale=[0.00437, 0.0041, 0.0044]", "curve.inset=0.1"])
        decoders = [unproved(make_plan(load(tmp_path / "three.toml", [*settings, *more]))) for more in shapes_of_three]
    for number, files in enumerate(decoders):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_text(without_entries(content.decode()), encoding="ascii")
        found = findings(folder)
        unexplained = [line for line in found if not set(re.findall(r"\[misra-c2012-([0-9.]+)\]", line)) & rules]
        assert not unexplained, "\n".join(unexplained)
        seen.update(found)
    assert any("[misra-c2012-" in line for line in seen), "the addon said nothing: did it run?"


def test_the_document_gives_every_deviation_with_its_reason() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    listed = re.findall(r"^\| ((?:Rule|Dir) [0-9.]+) \| (.*?) \| (\w+) \|", text, flags=re.MULTILINE)
    assert listed == [(entry.guideline, entry.reason, entry.category) for entry in DEVIATIONS]


def test_the_user_has_them_in_the_header(tmp_path: Path) -> None:
    files = made("cell", "full", tmp_path)[1].files
    header, source = files["m_decoder.h"].decode(), files["m_decoder.c"].decode()
    for entry in DEVIATIONS:
        assert f" *   {entry.guideline} ({entry.category}): {entry.reason}\n" in header
    assert "MISRA C:2012: m_decoder.h lists the deviations." in source
