"""Packages that only some commands need: imported where they are used, and named with their extra where they lack."""

from __future__ import annotations

import importlib
from typing import Any

from hilbert_codegen.errors import UsageError


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
