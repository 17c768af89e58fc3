"""Running compilers and the programs they make, with a time limit and errors that say what to install."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.errors import CheckFailed, UsageError

#: The flags that generated code compiles clean with, beside -Werror.
WARNINGS = (
    "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wcast-qual", "-Werror",
)  # fmt: skip


def require(program: str, remedy: str) -> str:
    """Full path of `program`; UsageError with `remedy` if it is not on PATH."""
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"{program}: not found on PATH; {remedy}")
    return found


def run(
    command: Sequence[str], *, folder: Path, what: str, seconds: float = 120.0, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `command` in `folder`; CheckFailed with the end of its output if it fails, hangs or can't start."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=seconds,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{what}: no end after {seconds:g} s: {' '.join(command)}") from None
    except OSError as error:
        raise UsageError(f"{what}: {command[0]} can't be run: {error.strerror}") from None
    if check and done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise CheckFailed(f"{what}: exit status {done.returncode} of {' '.join(command)}\n{tail}")
    return done
