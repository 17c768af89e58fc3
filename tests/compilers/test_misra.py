"""cppcheck with its MISRA C:2012 addon on generated code: nothing but the deviations that are listed with a reason."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hilbert_codegen.emit.misra import DEVIATIONS, banner
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.variants import VARIANTS
from tests.compilers.matrix.cases import SHAPES, cases, made
from tests.conftest import needs
from tests.paths import ROOT

DOCUMENT = ROOT / "docs" / "misra.md"


def without_entries(text: str) -> str:
    """The code with its tables' entries left out: cppcheck takes minutes and gigabytes for a table."""
    return re.sub(r"(\] \w+_TABLE_ATTR = \{)[^}]*\};", r"\g<1>0};", text)


def findings(folder: Path) -> list[str]:
    """What cppcheck says of m_decoder.c in `folder`, the portable variant, as "file:line: rule or id: text"."""
    done = subprocess.run(
        [
            "cppcheck", "--enable=all", "--inconclusive", "--addon=misra", "--std=c99", "--platform=unix32",
            *(f"-DM_{variant.switch}=0" for variant in VARIANTS), "-U__hexagon__", "-U__thumb__", "-UM_CODE_ATTR",
            "-UM_TABLE_ATTR", "--suppress=missingIncludeSystem", "--suppress=unusedFunction",
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
        shapes = ["cell", "odd", "angle", "plain"]
    seen = set()
    for shape, name in cases(tmp_path, shapes, [strategy]):
        folder = tmp_path / f"{shape}-{name}"
        folder.mkdir()
        for file, content in made(shape, name, tmp_path)[1].files.items():
            (folder / file).write_text(without_entries(content.decode()), encoding="ascii")
        found = findings(folder)
        unexplained = [line for line in found if not any(f"[misra-c2012-{rule}]" in line for rule in DEVIATIONS)]
        assert not unexplained, "\n".join(unexplained)
        seen.update(found)
    assert any("[misra-c2012-" in line for line in seen), "the addon said nothing: did it run?"


def test_the_document_gives_every_deviation_with_its_reason() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| Rule ([0-9.]+) \| (.*?) \|", text, flags=re.MULTILINE))
    assert listed == DEVIATIONS


def test_the_banner_names_them(tmp_path: Path) -> None:
    for content in made("cell", "full", tmp_path)[1].files.values():
        assert banner() in content.decode()
