"""Shared fixtures: configurations as text, specifications for property tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hilbert_codegen.config.loading import load
from hilbert_codegen.spec.plan import Plan, make_plan

CELL_GRID = """
[heads]
scale = 0.00390625
zero_point = -128
"""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip, naming the program, where it is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a configuration to a fresh file and return its path."""

    def write(text: str = CELL_GRID, name: str = "depth.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def plan(config_file: Callable[..., Path]) -> Callable[..., Plan]:
    """The plan of a configuration on the cell grid with "key=value" overrides."""

    def make(*settings: str) -> Plan:
        return make_plan(load(config_file(), settings))

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that the processes end together: pages of documentation, each with all of its commands."""
    items.sort(key=lambda item: "tests/documentation" not in item.nodeid)
