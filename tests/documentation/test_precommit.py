"""The pre-commit hook, run by pre-commit as a project that uses it would: from a clone, in its own environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.paths import ROOT

yaml = pytest.importorskip("yaml")
pytest.importorskip("pre_commit")

CONFIG = '[heads]\nscale = 0.00390625\nzero_point = -128\n[code]\nprefix = "depth"\nmax_flash_bytes = 32768\n'
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *words], cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Make `folder` a repository with everything in it committed; the commit."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD")


@needs("git")
def test_hook_passes_and_fails_when_it_should(tmp_path: Path) -> None:
    """By the snippet of docs/integration.md, with the checkout in the place of the repository's address."""
    hooks = tmp_path / "hooks"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", "build", ".hypothesis", ".*_cache")
    for name in ("hilbert_codegen", "templates", "cmake", "firmware_tests", "renode"):
        shutil.copytree(ROOT / name, hooks / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, hooks)
    commit = repository(hooks)

    text = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
    snippet = yaml.safe_load(text.split("## pre-commit")[1].split("```yaml")[1].split("```")[0])
    snippet["repos"][0] |= {"repo": str(hooks), "rev": commit}
    project = tmp_path / "project"
    project.mkdir()
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(snippet), encoding="utf-8")
    (project / "depth.toml").write_text(CONFIG, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "hilbert_codegen", "generate", "depth.toml", "-o", "src", "-q"],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=100, check=True,
    )  # fmt: skip
    repository(project)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PRE_COMMIT_HOME"] = str(tmp_path / "cache")

    def hook(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pre_commit", *words], cwd=project, env=environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    status, said = hook("install-hooks")
    if status != 0 and "No matching distribution" in said:
        pytest.skip("the hook's dependencies can't be installed here")
    assert status == 0, said
    status, said = hook("run", "--all-files")
    assert status == 0 and "Passed" in said, said

    source = project / "src" / "depth_decoder.c"
    whole = source.read_text(encoding="ascii")
    source.write_text(whole.replace("blockSize > 0U", "blockSize > 1U"), encoding="ascii")
    assert source.read_text(encoding="ascii") != whole
    git(project, "add", "-A")
    status, said = hook("run")
    assert status == 1 and "Failed" in said and "blockSize > 1U" in said, said

    git(project, "reset", "-q", "--hard")
    (project / "depth.toml").write_text(CONFIG.replace("-128", "-120"), encoding="utf-8")
    git(project, "add", "-A")
    status, said = hook("run")
    assert status == 1 and "Failed" in said, said
