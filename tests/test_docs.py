"""The documentation: commands run, the reference is that of the schema, links and site hold."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hilbert_codegen.reference_page import page
from tests.conftest import needs

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
#: Pages whose commands need boards and emulators: firmware_tests runs those.
BOARDS = {"boards.md", "ci.md"}
WITH_COMMANDS = [path for path in DOCS if "```console" in path.read_text(encoding="utf-8") and path.name not in BOARDS]


def commands(text: str) -> list[str]:
    """The lines after "$ " in console blocks, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_there_are_commands_to_run() -> None:
    assert {"index.md", "choosing.md", "integration.md"} <= {path.name for path in WITH_COMMANDS}


@needs("gcc")
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: path.name)
def test_every_command_works(path: Path, tmp_path: Path) -> None:
    """In a folder with the page's first TOML block as depth.toml."""
    text = path.read_text(encoding="utf-8")
    configuration = re.search(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    if configuration:
        (tmp_path / "depth.toml").write_text(configuration[1], encoding="utf-8")
    for line in commands(text):
        words = shlex.split(line)
        if words[0] == "hilbert-codegen":
            words[:1] = [sys.executable, "-m", "hilbert_codegen"]
        done = subprocess.run(
            words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_configuration_reference_is_that_of_the_schema() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == page(), (
        "run: python -m hilbert_codegen.reference_page > docs/configuration.md"
    )


@pytest.mark.parametrize("path", [*DOCS, ROOT / "README.md", ROOT / "SOUNDNESS.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
