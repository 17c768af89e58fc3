"""Each seeded fault of mutants.toml must make its test fail: what the tests are worth."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
MUTANTS = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
#: One failing example is enough here; hypothesis would look for the smallest for minutes. The same examples each time: a fault is
#: caught always or never.
NO_SHRINKING = """
from hypothesis import Phase, settings
settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True)
"""


def copy_of_the_project(target: Path) -> Path:
    """Everything a test of the list needs, and nothing it could damage.

    What Python compiled comes along: it holds for a file of the same time and size, so not for the one with the fault.
    """
    ignore = shutil.ignore_patterns(".hypothesis")
    for name in ("hilbert_codegen", "templates", "cmake", "tests", "firmware_tests", "renode"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", target)
    for name in ("tests", "firmware_tests"):
        with (target / name / "conftest.py").open("a", encoding="utf-8") as stream:
            stream.write(NO_SHRINKING)
    return target


class Warm:
    """A process that runs pytest on a copy of the project; see warm.py."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(Path(__file__).parent / "warm.py")]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, project: Path, *tests: str, seconds: int) -> tuple[int, str]:
        """(exit status, what was printed) of pytest on `tests` in the copy."""
        assert self.process.stdin is not None and self.process.stdout is not None
        said = project / "said.txt"
        request = {"folder": str(project), "tests": tests, "said": str(said), "seconds": seconds}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()), said.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    started = Warm()
    yield started
    started.process.communicate()


def test_without_a_fault_the_tests_pass(warm: Warm, tmp_path: Path) -> None:
    """Else a test that fails in any case, in the copy, would count as one that catches a fault.

    One set of arguments of each: with the others it runs in the project itself, and fails there if it fails in any case.
    """
    tests = {mutant["test"].partition("[")[0]: mutant["test"] for mutant in MUTANTS}
    status, said = warm.run(copy_of_the_project(tmp_path / "project"), *tests.values(), seconds=1200)
    assert status == 0, said[-3000:]
    assert "refuses" not in said, f"a test of the list is skipped everywhere\n{said[-3000:]}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant["name"] for mutant in MUTANTS])
def test_fault_is_caught(mutant: dict[str, str], warm: Warm, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path / "project")
    path = project / mutant["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant["find"]) == 1, f"{mutant['file']}: the text to replace must stand there exactly once"
    path.write_text(text.replace(mutant["find"], mutant["replace"]), encoding="utf-8")
    status, said = warm.run(project, mutant["test"], seconds=300)
    if status == 0 and "skipped" in said and "passed" not in said and "refuses" not in said:
        pytest.skip(f"{mutant['test']} is skipped here")
    # 1: tests ran and failed. Anything else (no such test, an error of collection) says nothing of the fault.
    assert status == 1, f"exit status {status}: the fault was not caught\n{said[-2000:]}"
