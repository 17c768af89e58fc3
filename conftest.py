"""Markers of all tests, by their folder."""

from __future__ import annotations

import os

import pytest

from tests.paths import TESTS

#: Marker by folder: what the tests there need (pyproject.toml describes them).
MARKERS = ("unit", "property", "compilers", "documentation", "mutations", "boards")

#: Unit tests that evaluate whole pilots, or build or prove many decoders, which takes twice as long where lines are counted:
#: `make check` and `make coverage` leave them to `make test`.
SLOW = {
    "test_pilot.py",
    "test_fused_pilot.py",
    "test_onnx_pilot.py",
    "test_several_inputs.py",
    "test_study.py",
    "test_boxes.py",
    "test_boxes_distance.py",
    "test_corner.py",
    "test_corner_distance.py",
    "test_corner_kinds.py",
    "test_corner_lanes.py",
    "test_corner_phases.py",
    "test_windows.py",
    "test_micro.py",
}

# What a test proves is proved by it: no proof that was remembered stands in for one.
os.environ["HILBERT_CODEGEN_CACHE"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test the marker of its folder."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else "boards"
        if folder in MARKERS:
            item.add_marker(folder)
        if item.path.name in SLOW:
            item.add_marker("slow")
