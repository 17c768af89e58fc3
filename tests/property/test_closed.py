"""`closed`: exact on ties and next to them, with 8- and 16-bit heads, for any scale and span."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbert_codegen.bench.verify import run_pairs, verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import proof_domain, prove
from hilbert_codegen.exact.reference import ideal
from hilbert_codegen.exact.ties import hard_codes
from hilbert_codegen.kernels import STRATEGIES, Refused
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.conftest import needs
from tests.specs import decode_plainly

TIE = """
[curve]
order = 2
inset = 0
orientation = "rotate_90"
[heads]
dtype = "int16"
scale = 1
zero_point = -7568
range = [0, 34758]
"""
#: Scales as people write them; those of few digits are no binary fractions, and bring pairs within 2^-53 of a tie.
SCALES = [2.0**-15, 0.001, 0.0011, 0.0009, 3.05e-5, 1 / 32767, 0.1, 1.0, 3 * 2.0**-17]


@st.composite
def wide(draw: st.DrawFn) -> Spec:
    """16-bit heads whose range spans about all codes, with outputs of any span."""
    order = draw(st.integers(1, 4))
    curve = make_curve(draw(st.sampled_from(["hilbert", "moore"])), order, draw(st.sampled_from(sorted(ORIENTATIONS))))
    scale = draw(st.sampled_from(SCALES)), draw(st.sampled_from(SCALES))
    if draw(st.booleans()):
        scale = scale[0], scale[0]
    half = round(draw(st.sampled_from([32768, 32767, 30000, 17379])) * max(scale), 6) or max(scale)
    zero = (draw(st.integers(-300, 300)), draw(st.integers(-300, 300)))
    heads = Heads(
        "int16", "interleaved", (Fraction(scale[0]), Fraction(scale[1])), zero, (Fraction(-half), Fraction(half))
    )
    inset = draw(st.sampled_from([cell_inset(order), Fraction(0), Fraction(1, 10), Fraction(7, 100)]))
    top = (1 << 31) + (curve.closed)
    output = draw(
        st.sampled_from(
            [
                Output("uint16", (0, 65535)),
                Output("int16", (32767, -3000)),
                Output("int32", (-(1 << 31), top - 1)),
                Output("int32", ((1 << 31) - 1, -(1 << 31))),
                Output("int32", (0, 1 << 18)),
                Output("uint8", (7, 9)),
            ]
        )
    )
    return Spec(curve, inset, heads, output)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wide())
def test_every_scale_and_span_is_served_exactly(spec: Spec) -> None:
    domain = proof_domain(spec)
    expected = ideal(spec, domain.codes)
    built = STRATEGIES["closed"].build(spec, expected, distance=True)
    prove(spec, built, domain, expected)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wide(), st.data())
def test_hard_pairs_are_as_the_definition_says(spec: Spec, data: st.DataObject) -> None:
    """The reference itself, on ties: every half segment, in fractions."""
    codes = [st.sampled_from(sorted(codes)) for codes in hard_codes(spec)]
    pairs = data.draw(st.lists(st.tuples(*codes), min_size=4, max_size=8))
    x, y = np.array(pairs).T
    answer = ideal(spec, (x, y))
    for index, (a, b) in enumerate(pairs):
        assert answer.codes[index, index] == decode_plainly(spec, a, b)[0]


def whole_pitch(spec_order: int, pitch: Fraction, offset: Fraction) -> Spec:
    """A grid of cells of `pitch` codes whose first vertex lies at the code `offset`."""
    side = 1 << spec_order
    heads = Heads("int16", "interleaved", (Fraction(1),) * 2, (0, 0), (offset, offset + pitch * (side - 1)))
    return Spec(make_curve("hilbert", spec_order), Fraction(0), heads, Output("uint16", (0, 65535)))


@pytest.mark.parametrize("pitch", [Fraction(11586), Fraction(7569), Fraction(20001, 2), Fraction(4096)])
def test_the_domain_holds_ties_of_every_kind(pitch: Fraction) -> None:
    spec = whole_pitch(2, pitch, Fraction(-15000))
    domain = proof_domain(spec)
    x = [spec.coordinate(0, int(code)) for code in domain.codes[0] if -15000 < code < -15000 + 3 * pitch]
    y = [spec.coordinate(1, int(code)) for code in domain.codes[1] if -15000 < code < -15000 + 3 * pitch]

    def folded(value: Fraction) -> Fraction:
        return min(value % 1, 1 - value % 1)

    of_x, of_y = {folded(v) for v in x}, {folded(v) for v in y}
    inner = {g for g in of_x & of_y if 0 < g < Fraction(1, 2)}
    assert len(inner) >= 3
    parabola = {g for g in of_x if (1 - g * g) / 2 in of_y and 0 < g < Fraction(1, 2)}
    assert bool(parabola) == (pitch in (7569, 4096))  # a cell of 3^2 29^2 or 2^12 codes has points on it
    # Results that lie on the border between two codes: 65535 x / 15 + 1/2 a whole number.
    on_border = {v for v in x if (65535 * v / 15 + Fraction(1, 2)).denominator == 1}
    assert bool(on_border) == (pitch in (11586, 4096))


@needs("gcc")
def test_pairs_that_tie_go_to_the_own_cell(config_file: Callable[..., Path]) -> None:
    """x is 20385 / 11586 cells, y one cell more: as far from the own vertical as from the horizontal of the next cell."""
    made = make_plan(load(config_file(TIE)))
    got = run_pairs(made, generate(made), np.array([[12817, 24403]]), ["gcc"])
    assert {name: values.tolist() for name, values in got.items()} == {
        "hilbert_decode": [51377],
        "hilbert_decode_block": [51377],
    }


@needs("gcc")
@pytest.mark.parametrize(
    "changes",
    [
        ["heads.scale=0.0011", "heads.range=[-32.1, 32.7]", "curve.order=4", "decoder.distance=true"],
        ["heads.scale=0.001", "heads.range=[-32.768, 32.768]", "output.dtype=int32"],
        ["heads.scale=[0.0009, 0.0013]", "heads.range=[-29, 29.1]", "curve.kind=moore", "output.dtype=int32",
         "output.codes=[-2147483648, 2147483648]", "decoder.distance=true"],
        ["heads.scale=0.001", "heads.range=[-32.7, 32.7]", "output.dtype=int32", "output.codes=[2147483647, -2147483648]"],
        ["heads.scale=0.0001", "heads.range=[-3.2, 3.1]", "curve.kind=moore", "curve.order=1", "output.codes=[65535, 0]"],
    ],
    ids=["decimal", "int32", "full-turn", "whole-int32", "small-ring"],
)  # fmt: skip
def test_compiled_c_is_exact_on_ties(plan: Callable[..., Plan], changes: list[str]) -> None:
    made = plan("heads.dtype=int16", "heads.zero_point=0", "code.strategy=closed", *changes)
    for verdict in verify(made, generate(made), ["gcc", "-fsanitize=undefined", "-fno-sanitize-recover=all"]):
        assert verdict.mismatches == 0, f"{verdict.function}: {verdict.first}"


def test_a_unit_of_too_many_words_is_refused() -> None:
    spec = whole_pitch(1, Fraction(256), Fraction(1, 1 << 300))
    domain = proof_domain(spec)
    with pytest.raises(Refused, match="no common unit"):
        STRATEGIES["closed"].build(spec, ideal(spec, [codes[:3] for codes in domain.codes]), distance=False)
