"""Swapped and mirrored heads are noticed on real outputs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES, ORIENTATIONS, make_curve
from hilbert_codegen.pilot.orientation import better_orientation, turned
from hilbert_codegen.training.loss import HeadCurve


@pytest.mark.parametrize("trained", sorted(ORIENTATIONS))
def test_each_orientation_is_told_from_the_configured_one(trained: str) -> None:
    rng = np.random.default_rng(3)
    t = rng.random((50, 40))
    heads = HeadCurve(make_curve("hilbert", 3, trained)).targets(t) + 0.01 * rng.standard_normal((50, 40, 2))
    found = better_orientation(HeadCurve(make_curve("hilbert", 3)), heads, t)
    same = make_curve("hilbert", 3, trained).points == make_curve("hilbert", 3).points
    assert (found is None) == same
    if found is not None:
        named = found.split(" fits")[0]
        assert make_curve("hilbert", 3, named).points == make_curve("hilbert", 3, trained).points
        assert "are the heads swapped or mirrored?" in found


def signed_permutations(count: int) -> list[str]:
    return [
        ",".join(sign + AXES[axis] for sign, axis in zip(signs, axes, strict=True))
        for axes in itertools.permutations(range(count))
        for signs in itertools.product(("", "-"), repeat=count)
    ]


def noticed(configured: HeadCurve, trained: str) -> None:
    rng = np.random.default_rng(3)
    t = rng.random(400)
    there = turned(configured, trained)
    heads = there.targets(t) + 0.01 * rng.standard_normal((400, configured.curve.dimensions))
    found = better_orientation(configured, heads, t)
    assert (found is None) == (there.curve.points == configured.curve.points), trained
    if found is not None:
        assert turned(configured, found.split(" fits")[0]).curve.points == there.curve.points


def test_all_48_orientations_of_three_heads_are_told_from_the_configured_one() -> None:
    for trained in signed_permutations(3):
        noticed(HeadCurve(make_curve("hilbert", 2, dimensions=3), head_range=(-1.0, 1.0)), trained)
    noticed(HeadCurve(make_curve("hilbert", 1, "-z,x,y", dimensions=3)), "y,-x,z")


@pytest.mark.parametrize(("heads", "order"), [(4, 2), (5, 1), (6, 1)])
def test_any_orientation_of_more_heads_is_noticed(heads: int, order: int) -> None:
    on = HeadCurve(make_curve("hilbert", order, dimensions=heads))
    every = signed_permutations(heads)
    for place in np.random.default_rng(heads).integers(0, len(every), 20):
        noticed(on, every[int(place)])


@pytest.mark.parametrize(
    ("heads", "configured", "trained", "orientation"),
    [
        (2, ("hilbert", 2), ("hilbert", 3), "d2xy"),
        (2, ("hilbert", 3), ("hilbert", 2), "d2xy"),
        (2, ("hilbert", 2), ("hilbert", 4), "rotate_90"),
        (2, ("moore", 3), ("hilbert", 3), "d2xy"),
        (2, ("hilbert", 3), ("moore", 3), "mirror_y"),
        (3, ("hilbert", 2), ("hilbert", 3), "d2xy"),
        (4, ("hilbert", 1), ("hilbert", 2), "z,-x,y,u"),
        (6, ("hilbert", 1), ("moore", 1), "d2xy"),
    ],
)
def test_another_order_or_kind_is_told_from_the_configured_one(
    heads: int, configured: tuple[str, int], trained: tuple[str, int], orientation: str
) -> None:
    rng = np.random.default_rng(3)
    t = rng.random(400)
    there = HeadCurve(make_curve(*trained, orientation, heads), head_range=(-1.0, 1.0))
    points = there.targets(t) + 0.004 * rng.standard_normal((400, heads))
    found = better_orientation(HeadCurve(make_curve(*configured, "d2xy", heads), head_range=(-1.0, 1.0)), points, t)
    assert found is not None
    titles = {"hilbert": "Hilbert", "moore": "Moore"}
    named = f"the {titles[trained[0]]} curve of order {trained[1]}"
    assert found.startswith(named + (" fits" if orientation == "d2xy" else f", {orientation}, fits"))
    assert f"the configured {titles[configured[0]]} curve of order {configured[1]}: is that the curve" in found
    assert ("curve.orientation" in found) == (orientation != "d2xy")


def test_a_stated_inset_is_that_of_the_training_too() -> None:
    t = np.random.default_rng(3).random(400)
    points = HeadCurve(make_curve("hilbert", 3), 0.2).targets(t)
    found = better_orientation(HeadCurve(make_curve("hilbert", 2), 0.2), points, t)
    assert found is not None and found.startswith("the Hilbert curve of order 3 fits the truth 9999 times better")


def test_a_net_that_has_learnt_nothing_is_not_suspected() -> None:
    rng = np.random.default_rng(3)
    assert better_orientation(HeadCurve(make_curve("hilbert", 2)), rng.random((900, 2)), rng.random(900)) is None


def test_three_heads_that_have_learnt_nothing_are_not_suspected() -> None:
    rng = np.random.default_rng(3)
    on = HeadCurve(make_curve("hilbert", 2, dimensions=3))
    assert better_orientation(on, rng.random((900, 3)), rng.random(900)) is None


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_swapped_heads_of_ranges_of_their_own_are_noticed(count: int) -> None:
    """Each is read by the range of its place, so no orientation fits the heads that are swapped."""
    rng = np.random.default_rng(count)
    on, t = HeadCurve(make_curve("hilbert", 1 if count > 2 else 3, dimensions=count)), rng.random(900)
    ranges = np.array([[0.0, 1.0], [-1.0, 1.0], [0.0, 6.0], [-2.0, 0.5], [0.0, 1.0], [0.0, 1.0]][:count])
    low, high = ranges.T
    real = low + (on.targets(t) + 0.01 * rng.standard_normal((900, count))) * (high - low)
    order = [1, 0, *range(2, count)]

    def moved(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((values - low) / (high - low))

    assert better_orientation(on, moved(real), t, ranges) is None
    found = better_orientation(on, moved(real[:, order]), t, ranges)
    names = ",".join(AXES[head] for head in order)
    assert found is not None and found.startswith(f"the heads in the order {names} fit the truth ")
