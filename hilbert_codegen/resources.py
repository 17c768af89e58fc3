"""Where the files that are not Python live: beside the package in a source tree, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from hilbert_codegen.errors import UsageError

_PACKED = Path(__file__).parent / "_resources"
_TREE = Path(__file__).parent.parent


def resource(name: str) -> Path:
    """The folder `name` ("templates", ...) of the source tree, or its copy in the installed package."""
    for base in (_PACKED, _TREE):
        if (base / name).is_dir():
            return base / name
    raise UsageError(f"{name}: the installation lacks this folder; install hilbert_codegen again")
