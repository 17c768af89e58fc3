"""The C compiler of this machine, for the generated C compiled and run here."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.toolchains.zig import REMEDY, package

#: The system's compilers, best first.
NAMES = ("gcc", "clang", "cc")


def find_host_compiler() -> tuple[str, ...]:
    """The words that start a C compiler for this machine: gcc, clang or cc on PATH, else the package ziglang; or none."""
    for name in NAMES:
        if shutil.which(name):
            return (name,)
    return (*package(), "cc", "-fno-sanitize=undefined") if package() else ()


def host_compiler() -> tuple[str, ...]:
    """The same; UsageError with the remedy where there is none."""
    found = find_host_compiler()
    if not found:
        raise UsageError(f"no C compiler here: none of {', '.join(NAMES)} is on PATH; {REMEDY}, which has one")
    return found


def compiler_title(command: Sequence[str]) -> str:
    """A compiler as people call it: the first word, or "zig cc" for that of the package."""
    return "zig cc" if command[1:3] == ("-m", "ziglang") else command[0]
