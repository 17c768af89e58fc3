from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from hilbert_codegen.curves import CURVES, ORDERS_OF, ORIENTATIONS, Curve, cell_inset, make_curve
from hilbert_codegen.errors import UsageError


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["hilbert", "moore", "serpentine"])
def test_every_grid_point_is_visited_once(name: str, orientation: str, order: int) -> None:
    curve = make_curve(name, order, orientation)
    assert sorted(curve.points) == [(x, y) for x in range(2**order) for y in range(2**order)]


def test_hilbert_is_the_usual_d2xy() -> None:
    assert make_curve("hilbert", 1).points == ((0, 0), (0, 1), (1, 1), (1, 0))
    assert make_curve("hilbert", 2).points[:4] == ((0, 0), (1, 0), (1, 1), (0, 1))
    assert all(make_curve("hilbert", p).points[-1] == (2**p - 1, 0) for p in range(1, 7))


def test_moore_closes() -> None:
    assert all(make_curve("moore", order).segments == 4**order for order in range(1, 7))


def test_orientations_are_eight_different_curves() -> None:
    assert len({make_curve("hilbert", 2, name).points for name in ORIENTATIONS}) == 8


def test_length_is_that_of_the_paper() -> None:
    tenth = Fraction(1, 10)
    assert make_curve("hilbert", 2).length(tenth) == 4
    assert make_curve("hilbert", 3).length(tenth) == Fraction(72, 10)
    assert make_curve("hilbert", 3).length(cell_inset(3)) == Fraction(63, 8)


@pytest.mark.parametrize("points", [((0, 0), (1, 1)), ((0, 0), (1, 0), (0, 0)), ((0, 0), (0, -1))])
def test_what_is_no_walk_is_refused(points: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="curve bad"):
        Curve("bad", 1, "d2xy", False, points)


def test_unknown_curve_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match="hilbert, moore, serpentine"):
        CURVES["peano"]


MORE = [(dimensions, order) for dimensions, orders in ORDERS_OF.items() if dimensions > 2 for order in orders]


@pytest.mark.parametrize(("dimensions", "order"), MORE)
@pytest.mark.parametrize("name", ["hilbert", "moore", "serpentine"])
def test_every_grid_point_of_more_dimensions_is_visited_once(name: str, dimensions: int, order: int) -> None:
    curve = make_curve(name, order, dimensions=dimensions)
    assert curve.dimensions == dimensions
    assert sorted(curve.points) == list(itertools.product(range(2**order), repeat=dimensions))


@pytest.mark.parametrize("dimensions", range(2, 7))
def test_order_1_is_the_binary_reflected_gray_code(dimensions: int) -> None:
    gray = [index ^ index >> 1 for index in range(2**dimensions)]
    points = make_curve("hilbert", 1, dimensions=dimensions).points
    assert [int("".join(map(str, point)), 2) for point in points] == gray


def test_skillings_walk_of_three_dimensions() -> None:
    # The first corner of order 2 and the last vertex, as the package hilbertcurve gives them.
    points = make_curve("hilbert", 2, dimensions=3).points
    assert points[:8] == (
        (0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (0, 1, 1), (0, 0, 1),
    )  # fmt: skip
    assert points[-1] == (3, 0, 0)


def test_orientations_of_three_dimensions_are_signed_permutations() -> None:
    turned = make_curve("hilbert", 1, "z,-x,y", 3).points
    assert turned == tuple((z, 1 - x, y) for x, y, z in make_curve("hilbert", 1, dimensions=3).points)
    for bad in ("z,x", "x,x,y", "x,y,w", "transpose"):
        with pytest.raises(ValueError, match="orientation"):
            make_curve("hilbert", 1, bad, 3)


@pytest.mark.parametrize(("order", "dimensions"), [(4, 3), (3, 4), (2, 5), (2, 6), (1, 7)])
def test_orders_past_the_proof_are_refused(order: int, dimensions: int) -> None:
    with pytest.raises(ValueError, match="not in"):
        make_curve("hilbert", order, dimensions=dimensions)
