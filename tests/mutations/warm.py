"""Runs of pytest in forks of one process that has imported the packages of others already: most of a short run is imports.

A request is a line of JSON on standard input: {"folder", "tests", "said", "seconds"}. pytest runs in `folder`, a copy of
the project, and writes to the file `said`; the answer is its exit status in a line, or minus the signal that ended it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

#: All that the project and its tests import, but nothing of the project itself: that comes from each copy.
PACKAGES = ("pytest", "_pytest.assertion.rewrite", "numpy", "jinja2", "pydantic", "click", "rich.table", "rich.progress",
            "hypothesis.strategies", "elftools.elf.elffile", "tflite", "flatbuffers", "fractions", "unittest.mock")  # fmt: skip


def run(request: dict[str, Any]) -> None:
    """In the fork: become a run of pytest on the copy."""
    folder = request["folder"]
    os.chdir(folder)
    sys.path.insert(0, folder)
    # What pytest prints is read, so the caller's options must not add to it; the commands that tests start are the copy's.
    os.environ.update(PYTHONPATH=folder, PYTEST_ADDOPTS="")
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.alarm(request["seconds"])
    pytest = importlib.import_module("pytest")
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutation"]
    code = pytest.main([*options, *request["tests"]])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))


def main() -> None:
    """Answer requests until standard input ends."""
    sys.dont_write_bytecode = True
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:  # of an extra that is not installed
            continue
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
