"""The posterior mean: the exact table against quadrature, its ties and gate, and the `patch` strategy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.curves import cell_inset, make_curve
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.exact.posterior import mean_ball
from hilbert_codegen.exact.reference import Ideal, ideal
from hilbert_codegen.kernels import STRATEGIES, Refused
from hilbert_codegen.spec.specification import Estimator, Heads, Output, Spec

pytest.importorskip("flint")


def make_spec(
    order: int = 3,
    *,
    kind: str = "hilbert",
    inset: Fraction | None = None,
    sigma: Fraction = Fraction(2, 5),
    gate: Fraction = Fraction(1, 4),
    codes: tuple[int, int] = (0, 65535),
    dtype: str = "uint16",
    scale: tuple[Fraction, Fraction] = (Fraction(1, 256), Fraction(1, 256)),
    heads: str = "int8",
) -> Spec:
    return Spec(
        make_curve(kind, order, "d2xy"),
        cell_inset(order) if inset is None else inset,
        Heads(heads, "interleaved", scale, (-128, -128), (Fraction(0), Fraction(1))),
        Output(dtype, codes),
        Estimator("mean", sigma, gate),
    )


def quadrature(spec: Spec, raw: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean s by Gauss-Legendre in quarters of a segment: knows neither erf nor that the weight splits by axis."""
    legendre: Any = np.polynomial.legendre  # some releases of NumPy give it no types
    nodes, weights = legendre.leggauss(12)
    place = ((np.arange(4 * spec.curve.segments)[:, None] + (nodes + 1) / 2) / 4).reshape(-1)
    weight = np.tile(weights, 4 * spec.curve.segments)
    vertices = spec.curve.vertices.astype(float)
    start = np.minimum(place.astype(int), spec.curve.segments - 1)
    points = vertices[start] + (place - start)[:, None] * (vertices[start + 1] - vertices[start])
    x = np.array([float(spec.coordinate(0, int(code))) for code in raw])
    y = np.array([float(spec.coordinate(1, int(code))) for code in raw])
    width = 2 * float(spec.estimator.sigma) ** 2
    across = (x[:, None] - points[:, 0]) ** 2
    result = np.empty((len(y), len(x)))
    for row, value in enumerate(y):
        far = across + (value - points[:, 1]) ** 2
        likelihood = weight * np.exp((far.min(axis=1, keepdims=True) - far) / width)
        result[row] = likelihood @ place / likelihood.sum(axis=1)
    return result


@pytest.mark.parametrize(
    "spec",
    [
        make_spec(1),
        make_spec(2, inset=Fraction(1, 10)),
        make_spec(2, sigma=Fraction(1, 5), gate=Fraction(0), codes=(10000, -500), dtype="int16"),
        make_spec(2, kind="serpentine", scale=(Fraction(1, 250), Fraction(1, 300)), inset=Fraction(1, 8)),
    ],
    ids=["p1", "inset", "reversed", "serpentine"],
)
def test_table_is_the_rounded_integral(spec: Spec) -> None:
    some = spec.heads.codes()[::3]  # code 0, the middle of the cell grid, among them
    table = ideal(spec, (some, some))
    c0, c1 = spec.output.codes
    value = c0 + quadrature(spec, some) / spec.curve.segments * (c1 - c0) + 0.5
    near_border = np.abs(value - np.rint(value)) < 1e-6
    checked = table.averaged & ~near_border
    assert checked.sum() > 1500
    assert (near_border & table.averaged).sum() < 100  # the exact ties of symmetry, and no more
    np.testing.assert_array_equal(table.codes[checked], np.floor(value[checked]))


def test_near_the_curve_it_is_the_nearest_point_and_the_gate_is_exact() -> None:
    # 5/32 of a cell is five codes exactly: pairs at that very distance are within the gate.
    spec = make_spec(gate=Fraction(5, 32))
    mean = ideal(spec)
    nearest = ideal(Spec(spec.curve, spec.inset, spec.heads, spec.output))
    np.testing.assert_array_equal(mean.codes[~mean.averaged], nearest.codes[~mean.averaged])
    assert not mean.averaged[nearest.distance < 5].any()
    assert mean.averaged[nearest.distance > 5].all()
    at_five = nearest.distance == 5
    assert mean.averaged[at_five].any() and not mean.averaged[at_five].all()
    assert (mean.codes != nearest.codes).mean() > 0.3


def test_tie_on_the_axis_of_symmetry_is_settled() -> None:
    # The middle column of a Hilbert curve is its own mirror image: the mean is M / 2, 32767.5 rounds up.
    spec = make_spec()
    table = ideal(spec)
    middle = table.averaged[:, 0]  # raw bits 0 are code 0, grid coordinate 3.5
    assert spec.coordinate(0, 0) == Fraction(7, 2)
    assert middle.sum() > 50
    assert (table.codes[middle, 0] == 32768).all()


def test_escalation_agrees_with_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec(2)
    chosen = np.arange(0, 256, 23)
    codes = spec.heads.codes()[chosen]
    fast = ideal(spec, (codes, codes))
    monkeypatch.setattr(
        "hilbert_codegen.exact.posterior.UNIT_ROUNDOFF", 1.0
    )  # nothing is sure: every pair goes to balls
    slow = ideal(spec, (codes, codes))
    np.testing.assert_array_equal(fast.codes, slow.codes)


def test_balls_far_off_the_grid_stay_finite() -> None:
    spec = make_spec(3, sigma=Fraction(1, 20))
    ball = mean_ball(spec, Fraction(-300), Fraction(7, 3), 256)
    assert ball.is_finite()
    assert ball.rel_accuracy_bits() > 100
    assert 0 <= float(ball.mid()) <= 63


@pytest.mark.parametrize(
    "spec",
    [
        make_spec(),
        make_spec(2, gate=Fraction(3, 20)),
        make_spec(3, inset=Fraction(1, 10)),
        make_spec(3, codes=(10000, -500), dtype="int16"),
        make_spec(2, codes=(1000000, 1090000), dtype="int32"),
    ],
    ids=["cell", "p2", "inset", "reversed", "int32"],
)
def test_patch_is_exact_and_smaller_than_the_full_table(spec: Spec) -> None:
    domain = proof_domain(spec)
    expected = reference_for(spec, domain)
    built = STRATEGIES["patch"].build(spec, expected, True)
    prove(spec, built, domain, expected)
    far = sum(table.nbytes for table in built.portable.tables if table.name.startswith("far"))
    assert built.portable.table_bytes - far < 0.6 * 65536 * np.dtype(spec.output.dtype).itemsize


def test_patch_says_why_it_refuses() -> None:
    spec = make_spec()
    nearest = Spec(spec.curve, spec.inset, spec.heads, spec.output)
    with pytest.raises(Refused, match="posterior mean"):
        STRATEGIES["patch"].build(nearest, ideal(nearest), False)
    wide = make_spec(1, codes=(0, 1 << 20), dtype="int32")
    with pytest.raises(Refused, match="spans"):
        STRATEGIES["patch"].build(wide, ideal(wide), False)
    # A table without any smoothness is not worth patches.
    noise = np.random.default_rng(1).integers(0, 20000, (256, 256))
    still = ideal(spec)
    with pytest.raises(Refused, match=r"no smaller|32 bits"):
        STRATEGIES["patch"].build(spec, Ideal(noise, still.averaged, still.distance, still.vertex, still.arc), False)
