"""A downstream project built with the CMake module: host and Arm, Ninja and Make, generated and committed files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hilbert_codegen.cli import main
from hilbert_codegen.emit.depfile import rule, tool_files
from hilbert_codegen.resources import resource
from tests.conftest import needs
from tests.paths import ROOT

tflite = pytest.importorskip("tflite")

from tests.tflite_files import Head, tflite_file  # noqa: E402

HERE = Path(__file__).parent
CONFIG = '[curve]\norder = 2\n[code]\nprefix = "depth"\nmax_flash_bytes = 131072\n'
GENERATORS = {"Ninja": "ninja", "Unix Makefiles": "make"}

pytestmark = needs("cmake")


class Project:
    """A copy of tests/downstream with a configuration and a model, and its build folder."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(HERE / "downstream", folder / "project")
        self.source, self.build = folder / "project", folder / "build"
        (self.source / "depth.toml").write_text(CONFIG, encoding="utf-8")
        (self.source / "depth.tflite").write_bytes(tflite_file(Head()))

    def run(self, *words: str, fails: bool = False) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["cmake", *words], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def configure(self, generator: str, *options: str, fails: bool = False) -> str:
        tool = f"{sys.executable};-m;hilbert_codegen"
        return self.run(
            "-S", str(self.source), "-B", str(self.build), "-G", generator, f"-DHILBERT_CODEGEN={tool}",
            f"-Dhilbert_codegen_DIR={resource('cmake')}", *options, fails=fails,
        )  # fmt: skip

    def make(self, *options: str, fails: bool = False) -> str:
        return self.run("--build", str(self.build), *options, fails=fails)

    @property
    def generated(self) -> Path:
        return self.build / "app-depth-decoder" / "depth_decoder.c"


@pytest.mark.parametrize("generator", GENERATORS)
def test_host_regenerates_only_on_change(generator: str, tmp_path: Path) -> None:
    if shutil.which(GENERATORS[generator]) is None:
        pytest.skip(f"{GENERATORS[generator]} is not installed")
    project = Project(tmp_path)
    project.configure(generator)
    assert not project.generated.exists()
    project.make()
    assert subprocess.run([str(project.build / "app")], check=False).returncode == 0
    first = project.generated.stat().st_mtime_ns

    project.make()
    assert project.generated.stat().st_mtime_ns == first, "nothing changed, and it was generated again"

    time.sleep(1.1)  # make compares whole seconds on some file systems
    (project.source / "depth.tflite").write_bytes(tflite_file(Head(scale=(0.0043,), zero_point=(-120,))))
    project.make()
    second = project.generated.stat().st_mtime_ns
    assert second > first
    assert "-120" in project.generated.read_text(encoding="ascii")

    time.sleep(1.1)
    (project.source / "depth.toml").write_text(CONFIG.replace("order = 2", "order = 1"), encoding="utf-8")
    project.make()
    assert "curve of order 1" in project.generated.with_suffix(".h").read_text(encoding="ascii")
    third = project.generated.stat().st_mtime_ns
    project.make()
    assert project.generated.stat().st_mtime_ns == third

    (project.source / "depth.toml").write_text(CONFIG.replace("order = 2", "order = 9"), encoding="utf-8")
    assert "curve.order = 9" in project.make(fails=True)
    assert project.generated.stat().st_mtime_ns == third


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("generator", GENERATORS)
def test_arm(generator: str, tmp_path: Path) -> None:
    if shutil.which(GENERATORS[generator]) is None:
        pytest.skip(f"{GENERATORS[generator]} is not installed")
    project = Project(tmp_path)
    project.configure(generator, f"-DCMAKE_TOOLCHAIN_FILE={project.source / 'arm.cmake'}")
    project.make()
    app = (project.build / "app").read_bytes()
    assert app[:5] == b"\x7fELF\x01" and app[18] == 40, "a 32-bit ELF file for Arm"


def test_committed_files_need_no_python(tmp_path: Path) -> None:
    project = Project(tmp_path)
    config, model = str(project.source / "depth.toml"), str(project.source / "depth.tflite")
    main(["generate", config, "--model", model, "-o", str(project.source / "committed"), "-q"])
    project.configure("Unix Makefiles", "-DCOMMITTED=ON", "-DHILBERT_CODEGEN=/no/such/tool")
    project.make()
    assert subprocess.run([str(project.build / "app")], check=False).returncode == 0
    (project.source / "committed" / "depth_decoder.c").unlink()
    assert "no *_decoder.c" in project.configure("Unix Makefiles", "-DCOMMITTED=ON", fails=True)


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.source / "depth.tflite").unlink()
    assert "does not exist" in project.configure("Unix Makefiles", fails=True)


def test_depfile_escapes_what_make_would_misread() -> None:
    text = rule([Path("a b.c")], [Path("c#d"), Path("e$f")])
    assert text == "a\\ b.c: \\\n  c\\#d \\\n  e$$f\n"
    names = {path.name for path in tool_files()}
    assert {"generate.py", "costs.json", "decoder.c.j2"} <= names
