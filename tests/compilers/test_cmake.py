"""A downstream project built with the CMake module: host and Arm, Ninja and Make, generated and committed files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

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


@pytest.fixture(params=GENERATORS)
def generator(request: pytest.FixtureRequest) -> str:
    """A generator of CMake whose program is installed."""
    name = str(request.param)
    if shutil.which(GENERATORS[name]) is None:
        pytest.skip(f"{GENERATORS[name]} is not installed")
    return name


class Project:
    """A copy of a folder of tests/compilers, with a configuration and a model, and its build folder."""

    def __init__(self, folder: Path, template: str = "downstream") -> None:
        shutil.copytree(HERE / template, folder / "project")
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


def test_host_regenerates_only_on_change(generator: str, tmp_path: Path) -> None:
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


class Several(Project):
    """downstream_several: seven decoders with a model each; the models' zero points tell them apart in the result."""

    #: Configuration -> prefix; the model has the same name, and only the configuration names it.
    NAMES: ClassVar = {
        "depth": "depth", "angle": "angle", "more/odd name": "other", "kept": "first", "more/kept": "second",
        "shared": "shared", "part/part": "part",
    }  # fmt: skip

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "downstream_several")
        for name, prefix in self.NAMES.items():
            config = self.source / f"{name}.toml"
            config.parent.mkdir(exist_ok=True)
            config.write_text(
                f'[curve]\norder = 1\n[model]\nfile = "{config.stem}.tflite"\n[code]\nprefix = "{prefix}"\n'
                'strategy = "closed"\n',
                encoding="utf-8",
            )
            self.model(name, -128)
        for name in ("kept", "more/kept"):
            main(["generate", str(self.source / f"{name}.toml"), "-o", str(self.source / "committed"), "-q"])

    def model(self, name: str, zero_point: int) -> None:
        """Write the model of configuration `name`: one output called "a;b"."""
        head = Head(name="a;b", zero_point=(zero_point,))
        (self.source / f"{name}.tflite").write_bytes(tflite_file(head))

    def app(self) -> list[int]:
        """What the six decoders of `app` say of (40, 50): depth, angle, named, part, first, second."""
        done = subprocess.run([str(self.build / "app")], capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    def times(self) -> dict[str, int]:
        """When each generated .c file was written."""
        return {path.name: path.stat().st_mtime_ns for path in self.build.rglob("*_decoder.c")}

    def written(self, before: dict[str, int]) -> set[str]:
        """The generated .c files that were written since `before`."""
        return {name for name, when in self.times().items() if before.get(name) != when}


def test_several_decoders(generator: str, tmp_path: Path) -> None:
    """Two targets, three folders, a shared folder of outputs, -j, clean: what changed is made again, and nothing else."""
    project = Several(tmp_path)
    project.configure(generator)
    project.make("-j", "4")
    old = project.app()
    assert len(set(old)) == 1
    every = {f"{name}_decoder.c" for name in ("depth", "angle", "named", "part", "shared")}
    assert project.written({}) == every

    before = project.times()
    for _ in range(2):
        said = project.make("-j", "4")
    assert project.written(before) == set() and "Building" not in said, said

    def rebuild(*names: str) -> set[str]:
        before = project.times()
        time.sleep(1.1)  # make compares whole seconds on some file systems
        for name in names:
            project.model(name, -112)
        project.make("-j", "4")
        return project.written(before)

    assert rebuild("angle") == {"angle_decoder.c"}
    new = project.app()
    assert new[1] != old[1] and new[:1] + new[2:] == old[:1] + old[2:], "the second decoder is stale"
    project.make("--target", "clean")
    assert rebuild() == every
    assert rebuild("depth", "more/odd name", "part/part", "shared") == every - {"angle_decoder.c"}
    assert project.app() == [new[1]] * 4 + old[4:]
    assert subprocess.run([str(project.build / "part" / "other")], check=False).returncode == 0

    project.make("--target", "app-decoder-check")
    project.model("more/kept", -112)
    project.make("--target", "app-kept-decoder-check")
    assert "second_decoder.c" in project.make("--target", "app-decoder-check", fails=True)


@needs("arm-none-eabi-gcc")
def test_arm(generator: str, tmp_path: Path) -> None:
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


CALLS = {
    "hilbert_add_decoder(TARGET app CONFIG none.toml)": "none.toml does not exist",
    "hilbert_add_decoder(TARGET app)": "give CONFIG file.toml, or COMMITTED folder",
    "hilbert_add_decoder(TARGET app CONFIG)": "no value after: CONFIG",
    "hilbert_add_decoder(TARGET app CONFIG depth.toml MODEL none.tflite)": "none.tflite does not exist",
    "hilbert_add_decoder(TARGET app CONFIG depth.toml SETTING a)": "unknown arguments: SETTING;a",
    "hilbert_add_decoder(TARGET none CONFIG depth.toml)": "'none' is no target",
    "hilbert_add_decoder(TARGET headers CONFIG depth.toml)": "'headers' compiles nothing",
    "hilbert_add_decoder(TARGET found CONFIG depth.toml)": "'found' compiles nothing",
    "hilbert_add_decoder(TARGET custom CONFIG depth.toml)": "'custom' compiles nothing",
    "hilbert_add_decoder(TARGET ns::app CONFIG depth.toml)": "is an ALIAS; name the target itself, app",
    'enable_language(C)\nhilbert_add_decoder(TARGET app CONFIG depth.toml SET "curve.order=2;x")': "curve.order",
    "enable_language(CXX)\nhilbert_add_decoder(TARGET app CONFIG depth.toml)": "LANGUAGES C CXX",
    "enable_language(C)\nhilbert_add_decoder(TARGET app CONFIG depth.toml MODEL depth.tflite)\n"
    "hilbert_add_decoder(TARGET app CONFIG depth.toml MODEL depth.tflite OUTPUT_DIR other)": "each its own code.prefix",
    "enable_language(C)\nhilbert_add_decoder(TARGET app CONFIG depth.toml MODEL depth.tflite)\nhilbert_add_decoder("
    "TARGET app CONFIG depth.toml MODEL depth.tflite SET curve.order=1)": "one decoder of two requests",
}


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    project = Project(tmp_path)
    top = (
        "cmake_minimum_required(VERSION 3.20)\nproject(wrong NONE)\nfind_package(hilbert_codegen REQUIRED CONFIG)\n"
        "add_executable(app main.c)\nadd_executable(ns::app ALIAS app)\nadd_library(headers INTERFACE)\n"
        "add_library(found UNKNOWN IMPORTED)\nadd_custom_target(custom)\n"
    )
    for number, (call, error) in enumerate(CALLS.items()):
        project.build = tmp_path / f"build{number}"
        (project.source / "CMakeLists.txt").write_text(top + call + "\n", encoding="utf-8")
        said = " ".join(project.configure("Unix Makefiles", fails=True).split())
        assert error in said and said.count("CMake Error at ") == 1, call


def test_depfile_escapes_what_make_would_misread() -> None:
    text = rule([Path("a b.c")], [Path("c#d"), Path("e$f")])
    assert text == "a\\ b.c: \\\n  c\\#d \\\n  e$$f\n"
    names = {path.name for path in tool_files()}
    assert {"generate.py", "costs.json", "decoder.c.j2"} <= names
