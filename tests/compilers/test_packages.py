"""Package formats: built where the tools are Python packages, else checked for form."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from hilbert_codegen.cli import main
from hilbert_codegen.emit import writer as output
from hilbert_codegen.emit.packages import PACKAGES
from tests.conftest import needs

FILES = {
    "arduino": {"library.properties"},
    "cmsis-pack": {"hilbert_codegen.depth_decoder.pdsc"},
    "esp-idf": {"CMakeLists.txt", "idf_component.yml"},
    "meson": {"meson.build"},
    "platformio": {"library.json"},
    "zephyr": {"zephyr/module.yml", "zephyr/CMakeLists.txt", "zephyr/Kconfig"},
}


@pytest.fixture
def package(tmp_path: Path, config_file: Callable[..., Path]) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        config, folder = config_file(), tmp_path / name
        words = [
            "--set",
            "code.prefix=depth",
            "--set",
            "code.max_flash_bytes=131072",
            "--set",
            "code.version=2.1.0",
            "--package",
            name,
            "-q",
        ]
        main(["generate", str(config), *words, "-o", str(folder)])
        main(["check", str(config), *words, "-o", str(folder)])
        return folder

    return make


def test_every_format_is_listed_here() -> None:
    assert PACKAGES.names() == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, package: Callable[[str], Path]) -> None:
    folder = package(name)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == FILES[name] | {"depth_decoder.c", "depth_decoder.h"}
    for path in found:
        assert output.MARK in (folder / path).read_bytes()[:4096]


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="neither cc, gcc nor clang is installed")
def test_meson_builds(package: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("mesonbuild")
    folder = package("meson")
    advice = (folder / "meson.build").read_text()
    documented = re.findall(r"dependency\('.*?\]\)", advice)[0].replace("NAME", "depth")
    (tmp_path / "subprojects").mkdir()
    (tmp_path / "own").mkdir()
    for file in folder.glob("depth_decoder.*"):
        shutil.copy(file, tmp_path / "own")
    shutil.move(folder, tmp_path / "subprojects" / "depth")
    (tmp_path / "meson.build").write_text(
        f"project('app', 'c')\ndecoder = {documented}\nassert(decoder.version() == '2.1.0')\n"
        "test('app', executable('app', 'main.c', dependencies : decoder))\n"
        "test('alone', executable('alone', 'main.c', 'own/depth_decoder.c', "
        "include_directories : include_directories('own')))\n"
    )
    shutil.copy(Path(__file__).parent / "downstream" / "main.c", tmp_path)
    for words in (["setup", "build"], ["test", "-C", "build"]):
        done = subprocess.run(
            [sys.executable, "-m", "mesonbuild.mesonmain", *words], cwd=tmp_path, capture_output=True, text=True,
            timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@needs("cmake")
def test_esp_idf_component_registers_the_source(package: Callable[[str], Path], tmp_path: Path) -> None:
    """Form only: ESP-IDF's function is replaced by one that makes a library of what it is told."""
    folder = package("esp-idf")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(app C)\n"
        'function(idf_component_register)\ncmake_parse_arguments(a "" "" "SRCS;INCLUDE_DIRS" ${ARGN})\n'
        "add_library(component ${a_SRCS})\ntarget_include_directories(component PUBLIC ${a_INCLUDE_DIRS})\n"
        "endfunction()\nadd_subdirectory(esp-idf)\n"
    )
    assert folder.name == "esp-idf"
    for words in (["-S", ".", "-B", "out"], ["--build", "out"]):
        subprocess.run(["cmake", *words], cwd=tmp_path, check=True, capture_output=True, timeout=200)


@pytest.mark.parametrize("name", FILES)
def test_the_version_is_that_of_the_configuration(name: str, package: Callable[[str], Path]) -> None:
    folder = package(name)
    texts = [(folder / path).read_text() for path in FILES[name]]
    # Zephyr's modules and CMake files have none.
    assert any("2.1.0" in text for text in texts) == (name != "zephyr")
    assert not any("1.0.0" in text for text in texts)


def test_platformio_manifest(package: Callable[[str], Path]) -> None:
    manifest = json.loads((package("platformio") / "library.json").read_text())
    assert manifest["name"] == "depth_decoder" and manifest["headers"] == "depth_decoder.h"


def test_arduino_properties(package: Callable[[str], Path]) -> None:
    lines = (package("arduino") / "library.properties").read_text().splitlines()
    keys = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    assert set(keys) == {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
                         "architectures", "includes"}  # fmt: skip
    assert (package("arduino") / keys["includes"]).is_file()


def test_zephyr_module(package: Callable[[str], Path]) -> None:
    yaml = pytest.importorskip("yaml")
    folder = package("zephyr")
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / module["build"]["kconfig"]).is_file()
    assert "config DEPTH_DECODER" in (folder / "zephyr" / "Kconfig").read_text()


def test_pack_description(package: Callable[[str], Path]) -> None:
    """Against Open-CMSIS-Pack's PACK.xsd where PACK_XSD names it; always: the files it lists are there."""
    folder = package("cmsis-pack")
    path = folder / "hilbert_codegen.depth_decoder.pdsc"
    files = [file.get("name") for file in ElementTree.parse(path).getroot().iter("file")]
    assert files == ["depth_decoder.h", "depth_decoder.c"]
    assert all((folder / str(name)).is_file() for name in files)
    schema = os.environ.get("PACK_XSD")
    if schema:
        etree = pytest.importorskip("lxml.etree")
        etree.XMLSchema(etree.parse(schema)).assertValid(etree.parse(str(path)))
