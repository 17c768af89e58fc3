"""docs/inside.md: what it tells to add is added to a copy of the project as it stands there, and run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.toolchains import choose
from hilbert_codegen.targets.tools import Missing
from tests.conftest import CELL_GRID, needs
from tests.paths import ROOT

PAGE = (ROOT / "docs" / "inside.md").read_text(encoding="utf-8")
SECTIONS = {text.splitlines()[0]: text for text in PAGE.split("\n## ")[1:]}
#: Where a row of `CORES` goes.
LAST_ROW = "    )\n}\n"


class Project:
    """A copy of the project with what a section of the page adds."""

    def __init__(self, folder: Path, section: str) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("hilbert_codegen", "templates", "firmware_tests", "renode"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        (folder / "depth.toml").write_text(CELL_GRID, encoding="utf-8")
        self.commands = re.findall(r"^\$ (.*)$", SECTIONS[section], flags=re.MULTILINE)
        for name, row, content in re.findall(
            r"^`([\w/.]+)`(, a row)?:\n\n```\w+\n(.*?)^```$", SECTIONS[section], flags=re.MULTILINE | re.DOTALL
        ):
            path = folder / name
            assert path.exists() == bool(row), name
            if row:
                text = path.read_text(encoding="utf-8")
                assert text.count(LAST_ROW) == 1
                content = text.replace(LAST_ROW, content + LAST_ROW)
            path.write_text(content, encoding="utf-8")

    def run(self, command: str) -> str:
        """What a command prints, run by the copy."""
        words = shlex.split(command)
        assert words[0] == "hilbert-codegen"
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "hilbert_codegen", *words[1:]],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """What Python prints in the copy."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout


@needs("gcc")
def test_add_a_strategy(tmp_path: Path) -> None:
    project = Project(tmp_path, "Add a strategy")
    (command,) = project.commands
    assert project.run(command).count("PASS") == 2
    shown = project.run("hilbert-codegen show depth.toml")
    assert "columns" in shown and "not measured" in shown


@needs("gcc")
def test_add_a_variant(tmp_path: Path) -> None:
    project = Project(tmp_path, "Add a variant")
    (command,) = project.commands
    assert project.run(command).count("PASS") == 2
    project.run("hilbert-codegen generate depth.toml --set code.variants=x86 -o src")
    text = (tmp_path / "src" / "hilbert_decoder.c").read_text(encoding="ascii")
    assert "#if defined(__x86_64__)\n#define HILBERT_USE_X86 1\n" in text
    assert "rounds = blockSize / 4U" in text
    # Nobody else has it unasked.
    project.run("hilbert-codegen generate depth.toml -o plain")
    assert "X86" not in (tmp_path / "plain" / "hilbert_decoder.c").read_text(encoding="ascii")


def test_a_fault_in_an_added_variant_is_found(tmp_path: Path) -> None:
    """Its model is proved as every other."""
    project = Project(tmp_path, "Add a variant")
    path = tmp_path / "hilbert_codegen" / "variants" / "x86.py"
    text = path.read_text(encoding="utf-8")
    wrong = "replace(built.portable, decode=lambda x, y: built.portable.decode(x, y) ^ (x == 3))"
    changed = text.replace("built.portable if", f"{wrong} if").replace(
        "from hilbert", "from dataclasses import replace\n\nfrom hilbert", 1
    )
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    code = (
        "from hilbert_codegen.cli import main; import sys; "
        "sys.argv = ['x', 'generate', 'depth.toml', '--set', 'code.variants=x86', '-o', 'src']; main()"
    )
    with pytest.raises(subprocess.CalledProcessError) as failed:
        project.python(code)
    assert failed.value.returncode == 1
    assert "variant x86: decode is not exact: 256 of 65536 pairs differ" in failed.value.stderr
    assert not (tmp_path / "src").exists()


def test_add_a_core(tmp_path: Path) -> None:
    """The core has the variants and the costs that follow from its row, and compilers build for it."""
    project = Project(tmp_path, "Add a core")
    (command,) = project.commands
    project.run(command)
    text = (tmp_path / "src" / "hilbert_decoder.c").read_text(encoding="ascii")
    assert "HILBERT_USE_THUMB1" in text and "HILBERT_USE_MVE" not in text
    shown = [
        project.run(f"hilbert-codegen show depth.toml --format json --set code.target={core}")
        for core in ("cortex-m1", "cortex-m0")
    ]
    assert shown[0].split('"strategies"')[1] == shown[1].split('"strategies"')[1]
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    code = (
        "from pathlib import Path; from hilbert_codegen.targets.cores import core; "
        "from hilbert_codegen.targets.toolchains import choose; one = core('cortex-m1'); "
        "choose(one).compile(one, Path('src/hilbert_decoder.c'), Path('decoder.o'), [Path('src')], {}, ())"
    )
    project.python(code)
    assert (tmp_path / "decoder.o").stat().st_size > 1000


def test_add_a_board(tmp_path: Path) -> None:
    if isinstance(found := EMULATORS["qemu"].find(), Missing):
        pytest.skip(f"qemu: {found.reason}")
    choose(BOARDS["mps2-an386"].core)
    project = Project(tmp_path, "Add a board")
    (command,) = project.commands
    assert "PASS  tile_direct on netduinoplus2 (Cortex-M4)" in project.run(command)
    assert "netduinoplus2" in project.run("hilbert-codegen boards")


def test_every_example_has_its_test() -> None:
    added = {name for name in SECTIONS if name.startswith("Add ")}
    assert added == {"Add a strategy", "Add a variant", "Add a core", "Add a board"}
