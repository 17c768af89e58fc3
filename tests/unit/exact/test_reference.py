from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import cell_inset, make_curve
from hilbert_codegen.exact.reference import ideal
from hilbert_codegen.spec.specification import Heads, Output, Spec, type_range
from tests.specs import decode_plainly, specs


def hilbert(order: int, inset: Fraction) -> Spec:
    heads = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, (-128, -128), (Fraction(0), Fraction(1)))
    return Spec(make_curve("hilbert", order), inset, heads, Output("uint16", (0, 65535)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(spec=specs(), data=st.data())
def test_agrees_with_the_definition_in_fractions(spec: Spec, data: st.DataObject) -> None:
    low, high = type_range(spec.heads.dtype)
    # The grid's own borders are where ties live: draw codes near them as often as anywhere.
    lines = [[spec.origin(a) + spec.pitch(a) * i / 2 for i in range(2 * spec.curve.side)] for a in (0, 1)]
    code = [
        st.one_of(st.integers(low, high), st.sampled_from(axis).map(lambda v: min(max(round(v), low), high)))
        for axis in lines
    ]
    xs = np.array(data.draw(st.lists(code[0], min_size=3, max_size=6)))
    ys = np.array(data.draw(st.lists(code[1], min_size=3, max_size=6)))
    answer = ideal(spec, (xs, ys))
    for row, y in enumerate(ys.tolist()):
        for column, x in enumerate(xs.tolist()):
            wanted, distance2 = decode_plainly(spec, x, y)
            assert answer.codes[row, column] == wanted
            d = int(answer.distance[row, column])
            assert d == 255 or (2 * d - 1) ** 2 <= 4 * distance2 < (2 * d + 1) ** 2 or (d == 0 and 4 * distance2 < 1)


@pytest.mark.parametrize("inset", [cell_inset(2), Fraction(1, 10)])
def test_every_pair_at_order_2(inset: Fraction) -> None:
    spec = hilbert(2, inset)
    codes = spec.heads.codes()[::5]
    answer = ideal(spec, (codes, codes))
    for row, y in enumerate(codes.tolist()):
        for column, x in enumerate(codes.tolist()):
            assert answer.codes[row, column] == decode_plainly(spec, x, y)[0]


@pytest.mark.parametrize(("order", "levels"), [(1, 619), (2, 1037), (3, 1891), (4, 3701)])
def test_levels_at_inset_a_tenth(order: int, levels: int) -> None:
    """Distinct outputs at scale 1/256, zero point -128, inset 0.1, counted independently of this package."""
    assert len(np.unique(ideal(hilbert(order, Fraction(1, 10))).codes)) == levels


def test_reversing_the_codes_mirrors_the_output() -> None:
    forward = ideal(hilbert(3, cell_inset(3))).codes
    spec = hilbert(3, cell_inset(3))
    backward = ideal(Spec(spec.curve, spec.inset, spec.heads, Output("uint16", (65535, 0)))).codes
    # floor(v + 1/2) rounds halves up on both sides, so a tie in rounding may differ by one code.
    assert set(np.unique(forward + backward - 65535)) <= {0, 1}


def test_curve_points_decode_to_themselves() -> None:
    spec = hilbert(3, cell_inset(3))
    answer = ideal(spec)
    for index, (x, y) in enumerate(spec.curve.points):
        code = [int(spec.origin(a) + spec.pitch(a) * v) & 255 for a, v in ((0, x), (1, y))]
        assert answer.distance[code[1], code[0]] == 0
        assert answer.codes[code[1], code[0]] == math.floor(65535 * index / spec.curve.segments + 0.5)


def test_closed_curve_wraps() -> None:
    spec = hilbert(2, cell_inset(2))
    turn = Spec(make_curve("moore", 2), spec.inset, spec.heads, Output("uint16", (0, 65536)))
    codes = ideal(turn).codes
    assert codes.min() == 0
    assert codes.max() <= 65535
    # At 8 bits the last 1/64 of a cell rounds up to a full turn, which is the first code.
    turn = Spec(make_curve("moore", 2), spec.inset, spec.heads, Output("uint8", (0, 256)))
    answer = ideal(turn)
    last = answer.arc > turn.curve.segments - 1 / 32
    assert last.any()
    assert set(np.unique(answer.codes[last])) == {0}
    assert answer.codes.max() == 255


def test_codes_far_off_the_grid_are_refused() -> None:
    spec = hilbert(2, cell_inset(2))
    heads = Heads("int8", "interleaved", (Fraction(10**6),) * 2, (0, 0), (Fraction(0), Fraction(1)))
    with pytest.raises(ValueError, match="off the grid"):
        ideal(Spec(spec.curve, spec.inset, heads, spec.output))
