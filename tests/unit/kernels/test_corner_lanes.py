"""`corner` in lanes of 16 bits: its model, and that its argument for all tuples notices faults in its tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.corner_geometry import Parts, lists_of
from hilbert_codegen.kernels.corner_lanes import SEVERAL, Lanes, lanes_of
from hilbert_codegen.kernels.corner_tables import layout_of
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_boxes import changed

SPEC = spec_of(4, 1)


@pytest.fixture(scope="module")
def known() -> tuple[Lanes, Parts]:
    return lanes_of(SPEC)


def test_the_argument_holds(known: tuple[Lanes, Parts]) -> None:
    lanes, geometry = known
    lanes.check(geometry)


@pytest.mark.parametrize("table", ["share", "role", "phase", "base", "pair", "far"])
def test_the_argument_notices(table: str, known: tuple[Lanes, Parts]) -> None:
    lanes, geometry = known
    fault: dict[str, Any] = {table: changed(getattr(lanes, table), 3, 1)}
    with pytest.raises(CheckFailed, match=f"lanes: {table}"):
        replace(lanes, **fault).check(geometry)


def test_the_argument_notices_a_wrong_distance(known: tuple[Lanes, Parts]) -> None:
    lanes, geometry = known
    layout = replace(lanes.layout, gap=changed(lanes.layout.gap, 200, 1 << 8))
    with pytest.raises(CheckFailed, match="order of the exact"):
        replace(lanes, layout=layout).check(geometry)


def test_codes_are_told_apart_by_the_exact_bound(known: tuple[Lanes, Parts]) -> None:
    """`far` is a gap beyond which the square of the distance exceeds 1 - 2 d, and not before."""
    lanes, geometry = known
    gap, g = lanes.layout.gap[0], geometry.offset[0]
    for code in range(0, 256, 7):
        for other in range(256):
            assert (gap[other] >= lanes.far[code]) == (g[other] ** 2 > 1 - 2 * g[code])


@pytest.mark.parametrize(("dimensions", "order"), [(3, 2), (4, 1), (6, 1)])
def test_the_model_is_exact_on_random_codes_and_on_ties(dimensions: int, order: int) -> None:
    spec = spec_of(dimensions, order)
    lanes, _ = lanes_of(spec)
    geometry = Parts(spec)
    portable = layout_of(spec, geometry, lists_of(geometry))
    generator = np.random.default_rng(5)
    queries = generator.integers(-128, 128, (6000, dimensions))
    queries[3000:] = generator.choice(np.arange(-128, 128, 16), (3000, dimensions))
    assert np.array_equal(lanes.decode(portable, *(queries & 255).T), decode_tuples(spec, queries))
    assert (lanes.pair < SEVERAL).any()


def test_results_that_16_bits_do_not_tell_apart_are_refused() -> None:
    with pytest.raises(Refused, match="closer call"):
        lanes_of(spec_of(3, 1))
