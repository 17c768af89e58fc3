"""Finding and running programs that do not come with Python: compilers, emulators, disassemblers."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hilbert_codegen.errors import CheckFailed, UsageError

#: The flags that generated code compiles clean with, beside -Werror.
WARNINGS = (
    "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wcast-qual", "-Werror",
)  # fmt: skip


#: A program that has not given its version by then hangs.
VERSION_SECONDS = 10.0


@dataclass(frozen=True)
class Found:
    """A program that is there: the words that start it, and its version as it gives it."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Missing:
    """A program that is not there: why not, and how to get it on this platform (one line)."""

    reason: str
    remedy: str

    def error(self) -> UsageError:
        """The same as an error for the user."""
        return UsageError(f"{self.reason}; {self.remedy}")


class Unusable(Missing):
    """A program that was named (by an option or an environment variable) and does not answer: never passed over."""


def platform_hint(linux: str, mac: str, windows: str) -> str:
    """The line for this operating system."""
    return {"Darwin": mac, "Windows": windows}.get(platform.system(), linux)


@cache
def _version(
    command: tuple[str, ...], pattern: str, environment: tuple[tuple[str, str], ...], query: str
) -> str | None:
    try:
        done = subprocess.run(
            [*command, query],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_SECONDS,
            env={**os.environ, **dict(environment)},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(pattern, done.stdout + done.stderr)
    return match.group(1) if match else None


def find(
    names: Sequence[str],
    pattern: str,
    remedy: str,
    variable: str | None = None,
    environment: Mapping[str, str] | None = None,
    called: str | None = None,
    package: tuple[str, ...] = (),
    query: str = "--version",
) -> Found | Missing:
    """The first of `names` on PATH that answers --version with `pattern`.

    Args:
        names: program names, best first.
        pattern: regular expression whose first group is the version.
        remedy: how to install it.
        variable: an environment variable that, if set, is the command (with arguments) to use instead.
        environment: extra environment variables for the version query.
        called: what the user knows `variable` by, for messages, where it is not the variable.
        package: the words that start an installed Python package that has it, tried before PATH.
        query: what it is asked for its version with.
    """
    extra = tuple(sorted((environment or {}).items()))
    if variable is not None and os.environ.get(variable):
        value = os.environ[variable]
        try:
            given = tuple(shlex.split(value))
        except ValueError as error:
            return Unusable(f"{called or variable} {value!r}: {error}", "quote it as a shell would need it")
        version = _version(given, pattern, extra, query) if given else None
        if version is None:
            reason = f"{called or variable} {value!r} does not start a program that answers --version as expected"
            return Unusable(reason, remedy)
        return Found(given, version)
    commands = [package] if package else []
    commands += [(where,) for name in names if (where := shutil.which(name)) is not None]
    for command in commands:
        version = _version(command, pattern, extra, query)
        if version is not None:
            return Found(command, version)
    return Missing(f"{names[-1]} is not on PATH", remedy)


def dying_with_us(command: Sequence[str]) -> list[str]:
    """`command`, started such that Linux kills it when the thread that starts it ends, by SIGKILL too.

    By setpriv of util-linux; without it, or on another system, the command as it is.
    """
    setpriv = shutil.which("setpriv") if platform.system() == "Linux" else None
    return [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), *command]


def require(program: str, remedy: str) -> str:
    """Full path of `program`; UsageError with `remedy` if it is not on PATH."""
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"{program}: not found on PATH; {remedy}")
    return found


def run(command: Sequence[str | Path], what: str, cwd: Path | None = None, timeout: float = 300) -> str:
    """Run a program to its end and return its standard output.

    Raises ToolFailed with its own words if it fails, CheckFailed if it hangs, UsageError if it can't be started.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"{what}: {words[0]} did not end within {timeout:.0f} s") from None
    except OSError as error:
        raise UsageError(f"{what}: {words[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        raise ToolFailed(what, words, done.stdout + done.stderr)
    return done.stdout


class ToolFailed(CheckFailed):
    """A compiler or the like ended with an error; `output` is all it said."""

    def __init__(self, what: str, words: Sequence[str], output: str) -> None:
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        telling = (
            [line for line in lines if re.search(r"(?i)\berror\b|overflowed|will not fit", line)]
            or lines
            or ["no message"]
        )
        super().__init__(f"{what}: {Path(words[0]).name} failed: {telling[0]}")
        self.output = output
