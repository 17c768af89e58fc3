"""How the assembly of `corner` compares savings: that its proof notices what could be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels.corner.bounds import Bounds, bounds_of, held
from hilbert_codegen.kernels.corner.geometry import Parts
from tests.unit.kernels.test_corner import off_the_grid

GRIDS: dict[str, tuple[str, ...]] = {
    "grid": (),
    "off": ("heads.scale=0.00437", "heads.zero_point=-97", "curve.inset=0.1"),
    "falling": ("output.codes=[10000, 500]",),
    "whole": ("curve.inset=0", "heads.scale=0.00392"),
}


@pytest.mark.parametrize("heads", [4, 6])
@pytest.mark.parametrize("grid", GRIDS)
def test_no_half_segment_that_is_nearer_is_left_out(heads: int, grid: str, tmp_path: Path) -> None:
    layout, geometry = off_the_grid(tmp_path, heads, *GRIDS[grid])
    savings = bounds_of(layout, geometry)
    savings.check(geometry)
    assert savings.layout.rough <= layout.rough and savings.layout.cell >= layout.cell
    # What passes the first bound for nothing is little.
    g = np.unique(layout.gap >> savings.layout.rough)
    first = (g * g)[:, None] + sum(sign * (g << shift) for shift, sign in savings.shifts)[None, :]
    nearer = (g * g)[:, None] + 2 * savings.layout.cell * g[None, :] > savings.base
    assert (first[nearer] > savings.least).all()
    assert ((first > savings.least) & ~nearer).mean() < 0.03


@pytest.mark.parametrize("heads", [4, 5, 6])
@pytest.mark.parametrize("last", [100, 1100, 10000, 25000, 40000, 50000, 65000])
def test_distances_have_as_many_bits_as_any_results_leave(heads: int, last: int, tmp_path: Path) -> None:
    """What is compared has 32 bits, wherever between two powers of two the distance of two vertices lies."""
    layout, geometry = off_the_grid(tmp_path, heads, "heads.scale=0.00392", f"output.codes=[0, {last}]")
    savings = bounds_of(layout, geometry)
    savings.check(geometry)
    most = int(layout.gap.max() >> savings.layout.rough)
    assert most * most + 2 * savings.layout.cell * most < 1 << 31
    # With twice as long ones it would have more, but for what is rounded.
    assert savings.layout.rough == 0 or 4 * (most * most + 2 * savings.layout.cell * most) > 1 << 30


def test_six_heads_take_distances_as_they_are(tmp_path: Path) -> None:
    for settings in GRIDS["off"], GRIDS["whole"]:
        layout, geometry = off_the_grid(tmp_path, 6, *settings)
        assert bounds_of(layout, geometry).layout.rough == 0
        assert int(layout.gap.max()) < 1 << 15


FAULTS: dict[str, tuple[Callable[[Bounds], Bounds], str]] = {
    "a margin below the error": (lambda s: replace(s, layout=replace(s.layout, margin=s.layout.margin // 3)), "margin"),
    "less above than the margin": (lambda s: replace(s, above=s.layout.margin - 1), "margin"),
    "less doubt than the margin": (lambda s: replace(s, doubt=s.above + s.layout.margin - 1), "margin"),
    "more bits than a number has": (
        lambda s: replace(s, above=s.above + 1, doubt=s.doubt + 1),
        "too many bits",
    ),
    "a first bound too high": (lambda s: replace(s, least=s.least + (s.least >> 4)), "first bound"),
    "another shift": (lambda s: replace(s, shifts=((s.shifts[0][0] - 1, 1), *s.shifts[1:])), "first bound"),
    "distances too long": (
        lambda s: replace(
            s, layout=replace(s.layout, gap=2 * s.layout.gap, margin=1 << 29), above=1 << 29, doubt=1 << 30
        ),
        "32 bits|margin",
    ),
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bounds, Parts]:
    layout, geometry = off_the_grid(tmp_path_factory.mktemp("savings"), 6, *GRIDS["off"])
    return bounds_of(layout, geometry), geometry


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_notices(fault: str, known: tuple[Bounds, Parts]) -> None:
    savings, geometry = known
    change, says = FAULTS[fault]
    with pytest.raises(CheckFailed, match=says):
        change(savings).check(geometry)


def test_numbers_that_an_instruction_holds() -> None:
    for value in (0, 1, 255, 256, 257, 511, 65535, 0x12345678, (1 << 31) - 1):
        below, above = held(value, False), held(value, True)
        assert below <= value <= above
        for found in (below, above):
            assert found == 0 or found >> max(0, found.bit_length() - 8) << max(0, found.bit_length() - 8) == found
        assert above - below <= value >> 7 or value < 256
