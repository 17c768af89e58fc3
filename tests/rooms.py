"""The rooms of the package, read from the code: the picture and the table of docs/inside.md.

python -m tests.rooms      writes them there again
"""

from __future__ import annotations

import ast
import re
from functools import partial

import grimp

from tests.paths import ROOT

PAGE = ROOT / "docs" / "inside.md"
PACKAGE = "hilbert_codegen"
#: Modules that every room uses: arrows from them would hide the others.
EVERYWHERE = {"errors", "registry", "resources"}


def arrows() -> dict[str, set[str]]:
    """Room -> the rooms it imports, read from all imports but those for type checkers."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    rooms = {child.removeprefix(f"{PACKAGE}.") for child in graph.find_children(PACKAGE)} - {"__main__"}
    found: dict[str, set[str]] = {room: set() for room in sorted(rooms)}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            one, other = (name.removeprefix(f"{PACKAGE}.").split(".")[0] for name in (importer, imported))
            if one != other and one in rooms and other in rooms:
                found[one].add(other)
    return found


def picture() -> str:
    """A Mermaid flow chart: an arrow from each room to the rooms that build on it, left out where a longer way says so."""
    uses = {room: found - EVERYWHERE for room, found in arrows().items() if room not in EVERYWHERE}

    def reach(room: str) -> set[str]:
        below = set(uses[room])
        return below.union(*(reach(one) for one in below))

    lines = ["```mermaid", "flowchart LR"]
    for room in sorted(uses):
        lower = uses[room] - set().union(*(reach(one) for one in uses[room]))
        lines += [f"    {one} --> {room}" for one in sorted(lower)]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Each room with the first line of its docstring."""
    rows = ["| room | what lives there |", "|---|---|"]
    for room in arrows():
        path = ROOT / PACKAGE / room / "__init__.py"
        path = path if path.is_file() else path.parent.with_suffix(".py")
        said = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
        rows.append(f"| `{room}` | {said} |")
    return "\n".join(rows)


def _filled(content: str, found: re.Match[str]) -> str:
    return f"{found[1]}\n{content}\n\n{found[3]}"


def written(text: str) -> str:
    """The page `text` with picture and table as the code has them."""
    for name, content in (("picture", picture()), ("rooms", table())):
        pattern = rf"(<!-- {name}: .*? -->\n)(.*?)(<!-- end of {name} -->)"
        text = re.sub(pattern, partial(_filled, content), text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
