"""Imports between the rooms of the package run one way: the contract in pyproject.toml, held by import-linter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

pytest.importorskip("importlinter", reason="import-linter is not installed (extra test)")

from tests import rooms

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package in `project`."""
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


def copy(target: Path) -> Path:
    """The package and its contract."""
    shutil.copytree(ROOT / "hilbert_codegen", target / "hilbert_codegen", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def test_imports_run_one_way() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("kernels.full", "variants.hvx"),
        ("kernels.octant", "emit.prove"),
        ("exact.reference", "kernels.folding"),
        ("targets.cores", "config.schema"),
        ("errors", "registry"),
    ],
)
def test_an_arrow_back_is_found(importer: str, imported: str, tmp_path: Path) -> None:
    project = copy(tmp_path)
    path = project / "hilbert_codegen" / f"{importer.replace('.', '/')}.py"
    path.write_text(path.read_text(encoding="utf-8") + f"\nimport hilbert_codegen.{imported}\n", encoding="utf-8")
    done = lint(project)
    assert done.returncode == 1
    assert re.search(rf"hilbert_codegen\.{importer} -> hilbert_codegen\.{imported}\b", done.stdout), done.stdout


def test_a_room_without_a_place_is_found(tmp_path: Path) -> None:
    project = copy(tmp_path)
    (project / "hilbert_codegen" / "attic.py").write_text('"""No room."""\n', encoding="utf-8")
    done = lint(project)
    assert done.returncode == 1
    assert "hilbert_codegen.attic" in done.stdout


def test_the_picture_is_that_of_the_code() -> None:
    """`python -m tests.rooms` writes picture and table of docs/inside.md."""
    text = rooms.PAGE.read_text(encoding="utf-8")
    assert rooms.written(text) == text
    assert "    kernels --> variants\n" in text and "variants --> kernels" not in text
