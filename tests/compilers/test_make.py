"""The rules for plain make of docs/integration.md: a decoder is generated when what it depends on is newer, and once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.paths import ROOT

tflite = pytest.importorskip("tflite")

from tests.tflite_files import Head, tflite_file  # noqa: E402

CONFIG = '[curve]\norder = 2\n[model]\nfile = "depth.tflite"\n[code]\nprefix = "depth"\n'


@needs("make")
def test_the_rules_generate_once(tmp_path: Path) -> None:
    rules = re.search(
        r"^```make\n(.*?)^```$", (ROOT / "docs" / "integration.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert rules is not None
    (tmp_path / "Makefile").write_text(rules[1], encoding="utf-8")
    (tmp_path / "depth.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "depth.tflite").write_bytes(tflite_file(Head()))
    command = tmp_path / "hilbert-codegen"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hilbert_codegen "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    def make() -> bool:
        """Whether a decoder was generated."""
        done = subprocess.run(
            ["make", "depth_decoder.o"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return "generate depth.toml" in done.stdout

    assert make()
    assert not make()
    # A file that is newer, though the same: a checkout makes such.
    later = time.time() + 2
    for name in ("depth.tflite", "depth.toml"):
        os.utime(tmp_path / name, (later, later))
    time.sleep(2.1)
    assert make()
    assert not make()
