"""Swapped and mirrored heads are noticed on real outputs."""

from __future__ import annotations

import numpy as np
import pytest

from hilbert_codegen.curves import ORIENTATIONS, make_curve
from hilbert_codegen.pilot.orientation import better_orientation
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


def test_a_swap_among_three_heads_is_noticed() -> None:
    on = HeadCurve(make_curve("hilbert", 2, dimensions=3))
    t = np.random.default_rng(3).random(800)
    heads = on.targets(t)
    assert better_orientation(on, heads, t) is None
    found = better_orientation(on, heads[:, [0, 2, 1]], t)
    assert found is not None and found.startswith("x,z,y fits")


def test_a_net_that_has_learnt_nothing_is_not_suspected() -> None:
    rng = np.random.default_rng(3)
    assert better_orientation(HeadCurve(make_curve("hilbert", 2)), rng.random((900, 2)), rng.random(900)) is None
