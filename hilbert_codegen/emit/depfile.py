"""Dependency files for build systems: what a generated file was made from, in the syntax of make (and of ninja)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
