"""Generated C obeys .clang-format, and templates keep to lines that people can read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hilbert_codegen.emit.choose import survey
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.emit.render import render
from tests.compilers.matrix.cases import plan_of
from tests.paths import ROOT

#: Beside this Python if it came from PyPI (extra `test`), else on PATH.
FORMATTER = shutil.which("clang-format", path=str(Path(sys.executable).parent)) or shutil.which("clang-format-19")
#: Shapes that between them have every strategy, layout and width.
SHAPES = ("cell", "odd", "odds", "ring", "soft")


def without_rows(text: str) -> str:
    """The code with the first rows of each table alone: the others are written alike, and the formatter takes seconds for them."""
    return re.sub(r"(_TABLE_ATTR = \{\n(?:.*\n){20})(?:.*\n)*?(\};)", r"\1\2", text)


def formatted(text: str) -> str:
    """`text` as clang-format writes it."""
    assert FORMATTER is not None
    command = [FORMATTER, f"--style=file:{ROOT / '.clang-format'}", "--assume-filename=decoder.c"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(FORMATTER is None, reason="clang-format is not installed (extra test)")
@pytest.mark.parametrize("shape", SHAPES)
def test_generated_c_is_formatted(shape: str, tmp_path: Path) -> None:
    if shape == "soft":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    plan = plan_of(shape, "auto", tmp_path)
    domain = proof_domain(plan.spec)
    for candidate in survey(plan, reference_for(plan.spec, domain)):
        if candidate.built is not None:
            for name, content in render(plan, candidate.built, domain).items():
                text = without_rows(content.decode("ascii"))
                assert formatted(text) == text, f"{candidate.name}: {name}"


@pytest.mark.skipif(FORMATTER is None, reason="clang-format is not installed (extra test)")
def test_what_is_not_formatted_is_found() -> None:
    text = "int a(void)\n{\n    return 0;\n}\n"
    assert formatted(text) == text
    assert formatted(text.replace("    return", "  return")) == text
    assert formatted(text.replace("(void)\n{", "(void) {")) == text


@pytest.mark.parametrize("path", sorted((ROOT / "templates").rglob("*.j2")), ids=lambda path: path.name)
def test_lines_of_templates_are_under_120_characters(path: Path) -> None:
    long = [n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if len(line) >= 120]
    assert not long, f"{path.relative_to(ROOT)}: lines {long}"
