"""The paper's loss in NumPy, by hand and by its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import make_curve
from hilbert_codegen.training.loss import HeadCurve, difference, hilbert_loss

CURVES = [("hilbert", 1), ("hilbert", 3), ("moore", 2), ("serpentine", 2)]


@pytest.mark.parametrize(("name", "order"), CURVES)
@pytest.mark.parametrize("head_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_targets_lie_on_the_curve_and_decode_to_t(name: str, order: int, head_range: tuple[float, float]) -> None:
    on = HeadCurve(make_curve(name, order), 0.1, head_range)
    t = np.linspace(0.0, 0.999, 501)
    decoded, off = on.decode(on.targets(t))
    assert np.abs(difference(decoded, t, on.curve.closed)).max() < 1e-9
    assert np.allclose(off, 0.0, atol=1e-9)


def test_loss_by_hand() -> None:
    # Order 1, inset 0: (0,0) (0,1) (1,1) (1,0), length 3. The point lies 0.3 to the left of the middle of the first
    # segment: t = 1/6 there, r = 0.3 / 3. Its target is t = 1/2, the middle of the second segment, (0.5, 1).
    on = HeadCurve(make_curve("hilbert", 1), 0.0)
    assert on.length == 3.0
    heads = np.array([-0.3, 0.5])
    miss = (0.8**2 + 0.5**2) / 9
    pulls = 0.5 * (miss + 2.0 * (0.3 / 3) ** 2)
    published = (1 / 6 - 1 / 2) ** 2 + pulls
    assert hilbert_loss(heads, 0.5, on, alpha=0.5, beta=2.0, reach=math.inf) == pytest.approx(published)
    # The error of a third of the range is a whole cell: half a cell of it is seen, if no more may be.
    assert hilbert_loss(heads, 0.5, on, alpha=0.5, beta=2.0) == pytest.approx(published)
    assert hilbert_loss(heads, 0.5, on, alpha=0.5, beta=2.0, reach=0.5) == pytest.approx((1 / 6) ** 2 + pulls)
    absolute = hilbert_loss(heads, 0.5, on, alpha=0.0, task=lambda a, b: np.abs(a - b))
    assert absolute == pytest.approx(1 / 3)


def test_on_a_wrong_branch_only_the_pull_to_the_target_acts() -> None:
    # Published, the error along the branch outweighs the pull; clipped, it has no slope there.
    on = HeadCurve(make_curve("hilbert", 3))
    t, step = 0.9, 1e-4
    wrong = on.targets(0.05)
    towards = on.targets(0.05 + 1e-3) - wrong
    towards *= step / np.linalg.norm(towards)

    def slope(reach: float, alpha: float) -> float:
        a, b = (hilbert_loss(wrong + s * towards, t, on, alpha=alpha, reach=reach) for s in (-1, 1))
        return float(b - a) / (2 * step)

    assert slope(math.inf, 0.0) == pytest.approx(2 * (0.05 - 0.9) / on.length, rel=1e-3)
    assert slope(1.0, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert slope(1.0, 0.3) != 0.0


def test_the_error_of_an_angle_goes_the_short_way_round() -> None:
    on = HeadCurve(make_curve("moore", 2))
    across, along = (hilbert_loss(on.targets(a), b, on, reach=math.inf) for a, b in ((0.99, 0.01), (0.49, 0.51)))
    assert hilbert_loss(on.targets(0.99), 0.01, on, alpha=0.0, reach=math.inf) == pytest.approx(0.02**2)
    assert across == pytest.approx(along, rel=0.5)


@settings(deadline=None)
@given(st.integers(1, 4), st.floats(0, 1), st.floats(-0.3, 1.3), st.floats(-0.3, 1.3))
def test_loss_is_least_on_the_target(order: int, t: float, x: float, y: float) -> None:
    on = HeadCurve(make_curve("hilbert", order))
    assert hilbert_loss(on.targets(t), t, on) == pytest.approx(0.0, abs=1e-12)
    assert hilbert_loss(np.array([x, y]), t, on) >= 0.0


def test_shapes_follow_the_input() -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    t = np.random.default_rng(0).random((3, 4, 5))
    assert on.targets(t).shape == (3, 4, 5, 2)
    assert hilbert_loss(on.targets(t), t, on).shape == (3, 4, 5)


def test_one_truth_for_every_point() -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    t = np.random.default_rng(0).random((7, 1))
    heads = on.targets(t[:, 0]) + 0.01
    wanted = hilbert_loss(heads, t[:, 0], on)
    assert wanted.shape == (7,)
    np.testing.assert_array_equal(hilbert_loss(heads, t, on), wanted)
    for other in (0.5, t[:3, 0], t.T, np.zeros((7, 2))):
        with pytest.raises(ValueError, match=r"^t has shape .* for heads \(7, 2\): give one for every point, \(7,\)$"):
            hilbert_loss(heads, other, on)
