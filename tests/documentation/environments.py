"""Virtual environments that hold this project with some of its extras, and nothing else.

pip would take minutes for each; here the packages that the extras require, and those that they require in turn, are
linked from the environment of the tests into a new one. What is not required is not there, for child processes as well.
"""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.paths import ROOT

#: Extras that commands of the program need. `train` and `torch` are for people's own programs.
EXTRAS = ("tflite", "micro", "onnx", "plot", "mean", "boards")


def distributions(extras: Iterable[str]) -> dict[str, importlib.metadata.Distribution]:
    """All that the project needs with `extras`, by name; skips the test where some of it is not installed."""
    found: dict[str, importlib.metadata.Distribution] = {}
    left = [("hilbert_codegen", frozenset(extras))]
    seen = set()
    while left:
        name, wanted = left.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
        for line in found[name].requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                left.append((need.name, frozenset(need.extras)))
    return found


def environment(folder: Path, extras: Iterable[str]) -> Path:
    """Make the environment in the new `folder`; returns the path of its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
    for name, distribution in distributions(extras).items():
        if name == "hilbert_codegen":
            continue
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(distribution.locate_file(top)))
    (site / "checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
