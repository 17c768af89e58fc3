from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen import Decoder, decode, encode, make_curve
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Heads, Output, Spec

UNIT = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, (-128, -128), (Fraction(0), Fraction(1)))


@settings(deadline=None)
@given(
    t=st.floats(0, 1),
    order=st.integers(1, 5),
    name=st.sampled_from(["hilbert", "serpentine"]),
    inset=st.sampled_from([None, Fraction(1, 10), Fraction(0)]),
)
def test_decode_inverts_encode(t: float, order: int, name: str, inset: Fraction | None) -> None:
    curve = make_curve(name, order)
    x, y = encode(t, curve, inset)
    decoder = Decoder(
        Spec(curve, Fraction(1, 2 ** (order + 1)) if inset is None else inset, UNIT, Output("uint16", (0, 9)))
    )
    assert decode(x, y, decoder) == pytest.approx(t, abs=1e-9)


def test_closed_curve_wraps_in_both_directions() -> None:
    curve = make_curve("moore", 3)
    assert encode(1.0, curve) == encode(0.0, curve)
    np.testing.assert_allclose(encode(-0.25, curve), encode(0.75, curve))


def test_shapes_are_kept(plan: Callable[..., Plan]) -> None:
    decoder = Decoder(plan().spec)
    x, y = encode(np.linspace(0, 1, 24).reshape(2, 3, 4), decoder.spec.curve)
    assert x.shape == y.shape == (2, 3, 4)
    assert decode(x, y, decoder).shape == (2, 3, 4)
    assert decode(np.zeros((5, 6), np.int8), np.zeros((5, 6), np.int8), decoder).dtype == np.uint16


def test_integer_codes_give_the_exact_table(plan: Callable[..., Plan]) -> None:
    decoder = Decoder(plan("curve.order=2", "output.dtype=int16").spec)
    codes = np.arange(-128, 128, dtype=np.int8)
    x, y = np.meshgrid(codes, codes)
    got = decode(x, y, decoder)
    assert got.dtype == np.int16
    raw = codes.view(np.uint8)
    np.testing.assert_array_equal(got, decoder.table.codes[np.ix_(raw, raw)])


def test_integers_of_another_type_are_refused(plan: Callable[..., Plan]) -> None:
    with pytest.raises(TypeError, match="must be int8"):
        decode(np.zeros(3, np.int32), np.zeros(3, np.int32), Decoder(plan().spec))


def test_load_reads_a_configuration(config_file: Callable[..., Path]) -> None:
    assert Decoder.load(config_file()).spec.canonical
