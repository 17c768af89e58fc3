"""The documentation: everything it tells to type is run, the reference is that of the schema, links and site hold.

Every page gets a scratch project: the page's first TOML block as depth.toml, the example's pilot with the samples cut
down to a thousand and one seed, and the checkout's own `hilbert-codegen` and `pip` on PATH. What differs from the page:

- `measure` gets --points 256, and one board where the page names none;
- `pip install hilbert_codegen[...]` resolves the checkout with these extras, as a dry run;
- `make ...` is a dry run too, since its targets are the tests themselves, and pages of figures;
- `hilbert-codegen` runs in an environment with the extras that the page installs or names, and no other;
- lines that change the machine (apt-get, curl) and the `uses:` steps of GitHub are left out.

A command whose tool is missing is left out as well, and the test is then skipped with the names of the tools.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.cli import group
from hilbert_codegen.config.reference_page import page
from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import choose
from hilbert_codegen.targets.toolchains import TOOLCHAINS
from tests.compilers.matrix.run import CLANG
from tests.conftest import needs
from tests.documentation.environments import EXTRAS, environment
from tests.paths import ROOT

LINE = ROOT / "examples" / "line_sensor"
#: tests/documentation/test_inside.py runs what is typed in inside.md, in a copy of the project to which that page adds.
INSIDE = ROOT / "docs" / "inside.md"
DOCS = sorted(set((ROOT / "docs").glob("*.md")) - {INSIDE})
PAGES = [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", LINE / "README.md"]
#: Fences whose content is run or parsed here or, for C, CMake and make, by tests/compilers/test_cmake.py and the like.
FENCES = {"console", "python", "yaml", "toml", "c", "cmake", "make"}
#: Commands that are the same from every page with the same configuration and take seconds: they run once, in whichever
#: process of pytest comes first. What later lines of a page read (-o, --keep, >) is made for each page.
ONCE = re.compile(r"pip |.* pilot\.toml|hilbert-codegen (?:verify|run|measure) (?!.*(?:>|--keep|--junit|--baseline))")
#: What a wrapper on PATH does before it becomes the checkout's own program, in an environment of the page's extras.
TOOL = """#!{python}
import os, sys
words = sys.argv[1:]
if words[:1] == ["measure"]:
    words += ["--points", "256"]
    if "--board" not in words:
        words += ["--board", "mps2-an386"]
os.execv({inside!r}, [{inside!r}, "-m", "hilbert_codegen", *words])
"""
PIP = """#!{python}
import os, sys
words = [w.replace("hilbert_codegen[", {root!r} + "[") for w in sys.argv[1:]]
os.environ.pop("PYTHONPATH", None)
os.execv(sys.executable, [sys.executable, "-m", "pip", *words, "--dry-run", "--quiet"])
"""


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def console(text: str) -> list[str]:
    """The lines after "$ " in console blocks, in order."""
    return [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]


def table(text: str) -> list[str]:
    """The commands of a table whose first column is a subcommand with its arguments."""
    found = re.findall(r"^\| `([a-z]+(?: [^`]*)?)` \|", text, flags=re.MULTILINE)
    names = group.list_commands(None)  # type: ignore[arg-type]
    return [f"hilbert-codegen {words}" for words in found if words.split()[0] in names]


def indented(text: str) -> list[str]:
    return re.findall(r"^    (make .*)$", text, flags=re.MULTILINE)


def steps(value: Any) -> list[str]:
    """The shell commands of a GitHub or GitLab file: everything under `run:` and `script:`."""
    if isinstance(value, dict):
        found = []
        for key, item in value.items():
            if key in ("run", "script"):
                found += [item] if isinstance(item, str) else list(item)
            else:
                found += steps(item)
        return found
    return [line for item in value for line in steps(item)] if isinstance(value, list) else []


def continuous(text: str) -> list[str]:
    """The commands of all YAML blocks, a line each; `venv/bin/` is the PATH of the test."""
    if not blocks(text, "yaml"):
        return []
    yaml = pytest.importorskip("yaml")
    lines = [line for block in blocks(text, "yaml") for step in steps(yaml.safe_load(block)) for line in
             step.replace("\\\n", " ").splitlines()]  # fmt: skip
    provide = re.compile(r"sudo |apt-get |curl |tar |mkdir -p \"\$HOME|echo .*GITHUB_PATH")
    return [line.replace("venv/bin/", "") for line in lines if line.strip() and not provide.match(line.strip())]


def lacking(line: str) -> str:
    """The tool that `line` needs and this machine has not, or ""."""
    words = shlex.split(line, comments=True)
    if words[0] == "hilbert-codegen":
        for board in [word for before, word in itertools.pairwise(words) if before == "--board" and word != "all"]:
            try:
                choose(BOARDS[board])
            except UsageError as error:
                return str(error)
        if words[1] in ("run", "measure") and (why := TOOLCHAINS["gcc"].supports(BOARDS["mps2-an386"].core)):
            return why
        if words[1] == "measure" and not shutil.which("qemu-system-arm"):
            return "qemu-system-arm"
        if words[1] in ("evaluate", "advise") and not any(map(_importable, ("tflite_runtime", "ai_edge_litert"))):
            return "tflite-runtime or ai-edge-litert"
        if "--compiler" in words:
            words = shlex.split(words[words.index("--compiler") + 1])
            words[0] = CLANG if words[0] == "clang" else words[0]
    return "" if words[0] in ("hilbert-codegen", "pip") or shutil.which(words[0]) else words[0]


def _importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def extras_of(text: str) -> frozenset[str]:
    """The extras that a page installs or names; a page that installs none follows index.md."""
    start = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    installed = re.compile(r"hilbert_codegen\[([a-z,]+)\]")
    named = set(",".join(installed.findall(text) or installed.findall(start)).split(","))
    return frozenset(name for name in EXTRAS if name in named or re.search(rf"extras? [^.]*`{name}`", text))


@functools.lru_cache
def python_with(extras: frozenset[str]) -> str:
    """The Python of an environment with `extras` alone; one for all pages that name the same."""
    folder = tempfile.mkdtemp(prefix="hilbert_codegen-extras-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(environment(Path(folder) / "venv", extras))


def scratch(folder: Path, text: str) -> dict[str, str]:
    """The project that a page's commands find; returns their environment."""
    for name in ("decoder.toml", "latency.json", "models"):
        (folder / name).symlink_to(LINE / name)
    shutil.copy(LINE / "models" / "p3_int8_s0.tflite", folder / "depth_int8.tflite")
    pilot = (LINE / "pilot.toml").read_text(encoding="utf-8")
    (folder / "pilot.toml").write_text(pilot.replace("seeds = [0, 1, 2]", "seeds = [0]"), encoding="utf-8")
    with np.load(LINE / "samples.npz") as samples:
        np.savez(folder / "samples.npz", **{name: samples[name][:1000] for name in samples.files})
    configuration = [*blocks(text, "toml"), *blocks((ROOT / "docs" / "index.md").read_text(encoding="utf-8"), "toml")][
        0
    ]
    (folder / "depth.toml").write_text(configuration, encoding="utf-8")
    for block in blocks(text, "cmake")[:1]:
        (folder / "CMakeLists.txt").write_text(block, encoding="utf-8")
        shutil.copy(ROOT / "tests" / "compilers" / "downstream" / "main.c", folder)
    tools = folder / "bin"
    tools.mkdir()
    for name, program in (("hilbert-codegen", TOOL), ("pip", PIP)):
        words = {"root": str(ROOT), "inside": python_with(extras_of(text))}
        (tools / name).write_text(program.format(python=sys.executable, **words), encoding="utf-8")
        (tools / name).chmod(0o755)
    if shutil.which(CLANG):
        (tools / "clang").symlink_to(str(shutil.which(CLANG)))
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each command of ONCE that has run; the processes of pytest share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "commands_that_ran"
    folder.mkdir(exist_ok=True)
    return folder


def is_first(ran: Path, line: str, configuration: str) -> bool:
    """Whether nobody has run this line on this configuration yet; from now on somebody has."""
    try:
        (ran / hashlib.sha256(f"{line.strip()}\n{configuration}".encode()).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def test_there_are_commands_to_run() -> None:
    with_commands = {path.name for path in DOCS if console(path.read_text(encoding="utf-8"))}
    assert {"index.md", "choosing.md", "integration.md", "boards.md", "ci.md", "pilot.md"} <= with_commands
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert sum("--baseline" in line for line in continuous(text)) == 1
    assert any("--board mps2-an386 --board mps3-an547" in line for line in continuous(text))
    assert len(table((ROOT / "README.md").read_text(encoding="utf-8"))) == 10


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_command_stands_where_it_is_not_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"^```(\w+)", text, flags=re.MULTILINE)) <= FENCES
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^    (?:\$ )?(?:hilbert-codegen|pip|python|cppcheck|gcc) .*", outside, flags=re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", text)) <= targets
    assert set(re.findall(r"`hilbert-codegen ([a-z-]+)", text)) <= set(group.list_commands(None))  # type: ignore[arg-type]


@needs("gcc")
@needs("bash")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_works(path: Path, tmp_path: Path, ran: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = [*console(text), *table(text), *continuous(text)]
    dry = [line.replace("make ", "make -n ", 1) for line in indented(text)]
    if not lines and not dry:
        return
    environment = scratch(tmp_path, text)
    missing = []
    if continuous(text) or path.name == "misra.md":  # the commit that is checked has the generated files in it
        # For cppcheck code without large tables, which it needs minutes for.
        made = "src" if continuous(text) else ". --set code.strategy=closed"
        lines.insert(0, f"hilbert-codegen generate depth.toml -o {made} -q")
    for line in [*lines, *dry]:
        if line.startswith("pip ") and "tensorflow" in line:
            continue
        if why := lacking(line):
            missing.append(why)
            continue
        # The pilot has a configuration of its own, the same for every page, and pip has none.
        configuration = "" if "depth.toml" not in line else (tmp_path / "depth.toml").read_text(encoding="utf-8")
        if ONCE.match(line.strip()) and not is_first(ran, line.split("#")[0], configuration):
            continue
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", line], cwd=ROOT if line in dry else tmp_path, env=environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    if missing:
        pytest.skip(f"not all run: {'; '.join(dict.fromkeys(missing))}")


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs" / "training.md"], ids=lambda path: path.name)
def test_python_of_the_page_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace, in which the README finds the variables that stand for the reader's own."""
    from hilbert_codegen import Decoder

    text = path.read_text(encoding="utf-8")
    scratch(tmp_path, (ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    codes = np.arange(-128, 128, dtype=np.int8)
    space: dict[str, Any] = {"t": np.linspace(0.0, 1.0, 9), "x_pred": codes, "y_pred": codes,
                             "decoder": Decoder.load("depth.toml")}  # fmt: skip
    found = blocks(text, "python")
    assert found
    for block in found:
        exec(compile(block, str(path), "exec"), space)


def test_configuration_reference_is_that_of_the_schema() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == page(), (
        "run: python -m hilbert_codegen.config.reference_page > docs/configuration.md"
    )


@pytest.mark.parametrize("path", [*DOCS, INSIDE, *sorted(ROOT.glob("*.md"))], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    start = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "assets/tables.css" in start and (tmp_path / "site" / "assets" / "tables.css").is_file()
    assert 'href="soundness/"' in start
    assert 'href="../misra/"' in (tmp_path / "site" / "soundness" / "index.html").read_text(encoding="utf-8")
    assert not list((tmp_path / "site").rglob("*.py"))
