"""What keeps the project in order for those who come next."""

from __future__ import annotations

import re
import sys

from hilbert_codegen import __version__
from tests.paths import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def name_of(requirement: str) -> str:
    """The distribution's name in the form in which PyPI compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]).lower()


def test_the_lock_has_every_requirement_at_one_version_for_each_python() -> None:
    lines = [line for line in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines() if line]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ ;]+( ; .+)?", line) for line in lines)
    locked = {name_of(line) for line in lines}
    extras = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert extras is not None
    wanted = [*PROJECT["dependencies"], *(r for e in extras[1].split() for r in PROJECT["optional-dependencies"][e])]
    assert {name_of(requirement) for requirement in wanted} <= locked, "run: make lock"


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text, flags=re.MULTILINE)
    assert found[0] == ("Unreleased", "")
    assert __version__ in [version for version, _ in found]
    assert all(date for _, date in found[1:])


def test_every_seeded_fault_still_has_its_line_and_its_test() -> None:
    """tests/mutations runs them, in many minutes; this tells at once who moved the line."""
    mutants = tomllib.loads((ROOT / "tests" / "mutations" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
    for mutant in mutants:
        text = (ROOT / mutant["file"]).read_text(encoding="utf-8")
        assert text.count(mutant["find"]) == 1, f"{mutant['name']}: not once in {mutant['file']}"
        file, _, test = mutant["test"].partition("::")
        assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8"), mutant["name"]


def test_the_package_tells_type_checkers_of_its_types() -> None:
    assert (ROOT / "hilbert_codegen" / "py.typed").is_file()


def test_no_file_holds_two_versions_of_itself() -> None:
    """The lines that git leaves between two versions that it could not merge."""
    folders = ("docs", "templates", "hilbert_codegen", "tests", "firmware_tests", "examples", "benchmarks", "cmake")
    paths = [*ROOT.glob("*.md"), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    texts = [path for path in paths if path.suffix in {".md", ".py", ".j2", ".toml", ".c", ".h", ".cmake", ".txt"}]
    assert len(texts) > 300
    for path in texts:
        assert not re.search(r"^(<{7}|>{7}) ", path.read_text(encoding="utf-8"), flags=re.MULTILINE), path
