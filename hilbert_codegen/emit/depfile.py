"""Dependency files for build systems: what a generated file was made from, in the syntax of make (and of ninja)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.errors import UsageError
from hilbert_codegen.resources import resource


def tool_files() -> list[Path]:
    """Every file of this tool that can change what it generates: its modules, their data, the templates."""
    package = Path(__file__).resolve().parents[1]
    found = [*package.rglob("*.py"), *package.rglob("*.json"), *resource("templates").resolve().rglob("*.j2")]
    return sorted(set(found))


def _escaped(path: Path) -> str:
    """A path as make reads it: blanks and # by a backslash, $ doubled."""
    text = path.as_posix().replace("\\", "\\\\").replace("$", "$$")
    for character in " #":
        text = text.replace(character, "\\" + character)
    return text


def rule(outputs: Sequence[Path], inputs: Sequence[Path]) -> str:
    """One rule "outputs: inputs", a line for each input."""
    targets = " ".join(_escaped(path) for path in outputs)
    return f"{targets}:" + "".join(f" \\\n  {_escaped(path)}" for path in inputs) + "\n"


#: The form of `rule` with a decoder's file among its outputs: what is told apart from everybody else's files.
_OURS = re.compile(r"[^\n]*_decoder\.[ch][^\n]*:(?: \\\n  [^\n]+)+\n")


def refuse_foreign(path: Path, outputs: Sequence[Path]) -> None:
    """Raise UsageError if writing the depfile `path` would overwrite a file that is none, or one of `outputs`."""
    if path.resolve() in [output.resolve() for output in outputs]:
        raise UsageError(f"--depfile {path}: is one of the generated files; choose another name")
    if path.is_dir():
        raise UsageError(f"--depfile {path}: can't be written: is a folder; choose another name")
    try:
        present = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError):
        present = "?"
    if present and not _OURS.fullmatch(present):
        raise UsageError(f"--depfile {path}: was not made by this tool; move it away, or choose another name")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--depfile {path}: can't be written: no such folder; make it, or choose another place")
