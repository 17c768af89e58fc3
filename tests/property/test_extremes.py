"""All strategies at the ends of what a configuration may say: tables of one value or none, cells of a fraction of a code."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hilbert_codegen.bench.verify import verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import CURVES, ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.kernels import STRATEGIES, Refused, Table
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.spec.specification import Estimator, Heads, Output, Spec
from hilbert_codegen.variants import VARIANTS, equipped
from tests.conftest import needs

NEAREST = Estimator()
FEW_CODES = [(6, 5), (0, 1), (5, 9), (255, 254), (0, 255), (3, 120)]


def extreme(
    kind: str = "hilbert", order: int = 4, inset: Fraction | None = None, codes: tuple[int, int] = (6, 5),
    orientation: str = "d2xy", zero: tuple[int, int] = (-128, -128), estimator: Estimator = NEAREST,
) -> Spec:  # fmt: skip
    heads = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, zero, (Fraction(0), Fraction(1)))
    curve = make_curve(kind, order, orientation)
    return Spec(curve, cell_inset(order) if inset is None else inset, heads, Output("uint8", codes), estimator)


@st.composite
def extremes(draw: st.DrawFn) -> Spec:
    """Curves squeezed into a few codes, heads that see a corner of it, outputs of a few codes, both estimators."""
    kind = draw(st.sampled_from(CURVES.names()))
    order = draw(st.sampled_from([1, 1, 2, 3, 4]))
    # The cell is to be at least a quarter of a code.
    insets = [k for k in (Fraction(499, 1000), Fraction(49, 100), Fraction(2, 5), Fraction(0), cell_inset(order))
              if 256 * (1 - 2 * k) / ((1 << order) - 1) >= Fraction(1, 4)]  # fmt: skip
    mean = order < 4 and kind != "moore" and draw(st.booleans())
    gate = Fraction(draw(st.sampled_from([0, 1, 2])))
    return extreme(
        kind, order, draw(st.sampled_from(insets)), draw(st.sampled_from(FEW_CODES)),
        draw(st.sampled_from(sorted(ORIENTATIONS))), draw(st.tuples(*[st.sampled_from([-128, 127, 0, -2])] * 2)),
        Estimator("mean", Fraction(draw(st.sampled_from(["0.05", "1", "2"]))), gate) if mean else NEAREST,
    )  # fmt: skip


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(extremes(), st.booleans())
@example(extreme(estimator=Estimator("mean", Fraction(1), Fraction(2))), True)
@example(extreme(order=1, inset=Fraction(499, 1000)), False)
def test_every_strategy_is_exact_or_refuses(spec: Spec, distance: bool) -> None:
    if spec.estimator.kind == "mean":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    domain = proof_domain(spec)
    expected = reference_for(spec, domain)
    served = set()
    for name in STRATEGIES.names():
        try:
            built = STRATEGIES[name].build(spec, expected, distance)
        except Refused as refusal:
            assert str(refusal)
            continue
        prove(spec, equipped(built, VARIANTS.names(), spec, expected), domain, expected)
        served.add(name)
    assert "full" in served


def test_lanes_of_segment_that_labels_do_not_fit_are_refused(config_file: Callable[..., Path]) -> None:
    """All of the curve lies within a code of the middle; the portable C serves it."""
    text = '[curve]\nkind = "moore"\norder = 1\norientation = "anti_transpose"\ninset = 0.499\n[heads]\nscale = 0.00390625\n'
    text += (
        'zero_point = -128\n[output]\ndtype = "uint8"\ncodes = [5, 9]\n[code]\nstrategy = "segment"\nvariants = "all"\n'
    )
    made = generate(make_plan(load(config_file(text), [])))
    assert made.built.missing["mve"] == "a label takes more than the lower half of a sum"


PATCH = """
[curve]
order = 4
[heads]
scale = 0.00390625
zero_point = -128
[output]
codes = [6, 5]
[decoder]
estimator = "mean"
sigma = 1
gate = 2
[code]
strategy = "patch"
"""


@needs("gcc")
def test_patches_without_a_bent_one_compile(config_file: Callable[..., Path]) -> None:
    pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    made = make_plan(load(config_file(PATCH), ["decoder.distance=true"]))
    for verdict in verify(made, generate(made)):
        assert verdict.mismatches == 0, f"{verdict.function}: {verdict.first}"


def test_a_table_without_entries_is_no_table() -> None:
    with pytest.raises(ValueError, match="table t is empty"):
        Table("t", "uint8", make_curve("hilbert", 1).vertices[:0, 0], "nothing")
