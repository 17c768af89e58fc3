"""The same configuration gives the same bytes, whoever runs the tool, wherever, and from whatever it was installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.paths import ROOT

CONFIG = """
[curve]
order = 3
inset = 0.1
[heads]
scale = [0.00437, 0.0041]
zero_point = [-97, -110]
[code]
strategy = "full"
max_flash_bytes = 131072
"""


def digest(folder: Path) -> str:
    """One hash of the names and bytes of all files in `folder`."""
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def run(python: str, folder: Path, tool_path: str | None, cwd: Path, **environment: str) -> str:
    """Generate with `python` into a fresh folder; the digest of what came."""
    folder.mkdir(parents=True)
    config = folder / "depth.toml"
    config.write_text(CONFIG, encoding="utf-8")
    values = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if tool_path is not None:
        values["PYTHONPATH"] = tool_path
    command = [python, "-m", "hilbert_codegen", "generate", str(config), "-o", str(folder / "out"), "-q"]
    done = subprocess.run(
        command, cwd=cwd, env={**values, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return digest(folder / "out")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("expected")
    return run(sys.executable, place / "first", str(ROOT), ROOT)


SURROUNDINGS: dict[str, dict[str, str]] = {
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "Turkish, Kiritimati, hash seed 77": {
        "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "77",
    },
    "ASCII, another user": {
        "LC_ALL": "C", "PYTHONUTF8": "0", "USER": "mallory", "LOGNAME": "mallory", "HOME": "/nonexistent", "COLUMNS": "20",
    },
    "another instant": {"SOURCE_DATE_EPOCH": "1", "TZ": "UTC+11"},
}  # fmt: skip


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings_do_not_matter(name: str, tmp_path: Path, expected: str) -> None:
    assert run(sys.executable, tmp_path / "a folder", str(ROOT), tmp_path, **SURROUNDINGS[name]) == expected


def virtual_environment(python: str, place: Path, package: str) -> str:
    """A new environment of `python` with `package` and its dependencies; the path of its interpreter.

    By the pip of the tests: to install one in each environment, and to compile all that is installed, takes longer than the rest.
    """
    subprocess.run([python, "-m", "venv", "--without-pip", str(place)], check=True, capture_output=True, timeout=200)
    inside = str(place / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", inside, "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "-q", "--no-compile", package],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"the dependencies can't be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return inside


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    place = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(place), str(ROOT)],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next(place.glob("*.whl"))


def interpreters() -> dict[str, str]:
    """Version -> interpreter, of the Pythons at hand: on PATH and from pyenv."""
    found = {f"3.{minor}": shutil.which(f"python3.{minor}") for minor in range(10, 15)}
    for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3")):
        version = ".".join(path.parent.parent.name.split(".")[:2])
        if int(version.split(".")[1]) >= 10:
            found[version] = str(path)
    return {version: path for version, path in found.items() if path}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_wheel_in_an_empty_environment(version: str, wheel: Path, tmp_path: Path, expected: str) -> None:
    """From the built wheel, the tree nowhere in sight, on every Python at hand."""
    at_hand = interpreters()
    if version not in at_hand:
        pytest.skip(f"Python {version} is not at hand")
    python = virtual_environment(at_hand[version], tmp_path / "venv", str(wheel))
    assert run(python, tmp_path / "made", None, tmp_path) == expected


def test_the_wheel_has_what_a_user_needs_and_nothing_of_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = "hilbert_codegen/"
    assert {f"{package}py.typed", f"{package}_resources/cmake/hilbert_codegen.cmake"} <= names
    assert f"{package}_resources/templates/harness/selftest.c.j2" in names
    assert not [name for name in names if "harness/check" in name or "/tests/" in name or name.startswith("tests")]
