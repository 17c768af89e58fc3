"""Remembered proofs: a decoder of three and more heads that was proved here once need not be proved again.

What is remembered is a file for every proof, named by the hash of all that the proof depends on: configuration, tables, version
and files of this tool, versions of Python and NumPy. The first proof is never spared, and `verify` and `--no-cache` spare none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from hilbert_codegen import __version__
from hilbert_codegen.emit.depfile import tool_files
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built
from hilbert_codegen.spec.plan import Plan

#: Names the folder of remembered proofs; empty: nothing is remembered.
VARIABLE = "HILBERT_CODEGEN_CACHE"


class _Deferred:
    """See `deferred`."""

    def __init__(self, make: Callable[[], Ideal]) -> None:
        self._make = make

    @cached_property
    def _ideal(self) -> Ideal:
        return self._make()

    @property
    def curve(self) -> Ideal:
        """Of a fused decoder what the heads of the curve give, made when something of it is asked for."""
        return deferred(lambda: cast(Ideal, self._ideal.curve))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ideal, name)


def deferred(make: Callable[[], Ideal]) -> Ideal:
    """The exact answers of three and more heads, made when something of them is asked for."""
    return cast(Ideal, _Deferred(make))


@dataclass(frozen=True)
class Proofs:
    """A folder of remembered proofs; it need not exist, and nothing fails where it can't be written."""

    folder: Path

    @classmethod
    def of_user(cls) -> Proofs | None:
        """The user's: $HILBERT_CODEGEN_CACHE, else `hilbert_codegen` in $XDG_CACHE_HOME or ~/.cache. None where that is off."""
        named = os.environ.get(VARIABLE)
        if named is not None:
            return cls(Path(named)) if named else None
        try:
            home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        except RuntimeError:  # no home folder
            return None
        return cls(Path(home) / "hilbert_codegen")

    def key(self, plan: Plan, built: Built) -> str:
        """The hash of all that the proof of `built` depends on."""
        digest = hashlib.sha256(f"{__version__} {sys.version} {np.__version__} {plan.digest} {built.strategy}".encode())
        for file in tool_files():
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        for variant, code in built.implementations.items():
            digest.update(
                f"{variant} {sorted(code.params)} {[code.params[name] for name in sorted(code.params)]}".encode()
            )
            for table in code.tables:
                digest.update(
                    f"{table.name} {table.dtype}".encode() + np.asarray(table.values).astype(np.int64).tobytes()
                )
        return digest.hexdigest()

    def has(self, key: str) -> bool:
        """Whether the proof is remembered."""
        return (self.folder / key).is_file()

    def remember(self, key: str, statement: str) -> None:
        """Remember a proof that has just been made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / key).write_text(f"{statement}\n", encoding="utf-8")
        except OSError:
            return  # it will be proved again
