"""Each seeded fault of mutants.toml must make its test fail: what the tests are worth."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
MUTANTS = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
#: One failing example is enough here; hypothesis would look for the smallest for minutes. The same examples each time: a fault is
#: caught always or never.
NO_SHRINKING = """
from hypothesis import Phase, settings
settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True)
"""


def copy_of_the_project(target: Path) -> Path:
    """Everything a test of the list needs, and nothing it could damage."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".hypothesis")
    for name in ("hilbert_codegen", "templates", "cmake", "tests", "firmware_tests", "renode"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", target)
    for name in ("tests", "firmware_tests"):
        with (target / name / "conftest.py").open("a", encoding="utf-8") as stream:
            stream.write(NO_SHRINKING)
    return target


def run(project: Path, *tests: str, seconds: int) -> subprocess.CompletedProcess[str]:
    """pytest on `tests` in the copy."""
    # What it prints is read, so the caller's options for pytest must not add to it.
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutation",
         *tests],
        cwd=project, env=environment, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip


def test_without_a_fault_the_tests_pass(tmp_path: Path) -> None:
    """Else a test that fails in any case, in the copy, would count as one that catches a fault."""
    done = run(copy_of_the_project(tmp_path / "project"), *sorted({m["test"] for m in MUTANTS}), seconds=1200)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "refuses" not in done.stdout, f"a test of the list is skipped everywhere\n{done.stdout[-3000:]}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["name"] for mutant in MUTANTS])
def test_fault_is_caught(mutant: dict[str, str], tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    path = project / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["find"]) == 1, f"{mutant['file']}: the text to replace must stand there exactly once"
    path.write_text(text.replace(mutant["find"], mutant["replace"]), encoding="utf-8")
    done = run(project, mutant["test"], seconds=300)
    said = done.stdout + done.stderr
    if done.returncode == 0 and "skipped" in said and "passed" not in said and "refuses" not in said:
        pytest.skip(f"{mutant['test']} is skipped here")
    # 1: tests ran and failed. Anything else (no such test, an error of collection) says nothing of the fault.
    assert done.returncode == 1, f"exit status {done.returncode}: the fault was not caught\n{said[-2000:]}"
