"""What the package uses besides its own Python: folders of files, and packages that only some commands need.

The folders lie beside the package in a source tree and inside it in a wheel. The packages come with an extra.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from hilbert_codegen.errors import UsageError

_PACKED = Path(__file__).parent / "_resources"
_TREE = Path(__file__).parent.parent


def resource(name: str) -> Path:
    """The folder `name` ("templates", ...) of the source tree, or its copy in the installed package."""
    for base in (_PACKED, _TREE):
        if (base / name).is_dir():
            return base / name
    raise UsageError(f"{name}: the installation lacks this folder; install hilbert_codegen again")


def require(extra: str, purpose: str, *modules: str) -> Any:
    """The first of `modules` that is installed, imported.

    Args:
        extra: the extra of this package that installs it (pyproject.toml, optional-dependencies).
        purpose: what needs it, as the start of a sentence: "reading net.tflite".
        modules: dotted names, the preferred one first.

    Raises UsageError with the command that installs the extra where none of them is installed.
    """
    for name in modules:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != name.split(".")[0]:
                raise  # it is installed, and lacks something of its own
    packages = " or ".join(name.split(".")[0] for name in modules)
    raise UsageError(f"{purpose} needs the package {packages}; pip install 'hilbert_codegen[{extra}]'")
