from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen import Decoder, decode, encode, make_curve
from hilbert_codegen.curves import cell_inset
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Heads, Output, Spec
from hilbert_codegen.training.loss import HeadCurve
from hilbert_codegen.training.projection import project
from tests.specs import decode_plainly

UNIT = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, (-128, -128), (Fraction(0), Fraction(1)))

#: Some releases of NumPy give it no types.
MASKED: Any = np.ma


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


def many(dimensions: int, order: int) -> Decoder:
    heads = Heads("int8", "interleaved", (Fraction(1, 256),) * dimensions, (-128,) * dimensions, UNIT.range)
    curve = make_curve("hilbert", order, dimensions=dimensions)
    return Decoder(Spec(curve, cell_inset(order), heads, Output("uint16", (0, 65535))))


@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (3, 3), (4, 2), (5, 1), (6, 1)])
def test_more_heads_encode_and_decode(dimensions: int, order: int) -> None:
    decoder = many(dimensions, order)
    t = np.linspace(0, 1, 301).reshape(7, 43)
    heads = encode(t, decoder.spec.curve)
    assert len(heads) == dimensions
    np.testing.assert_allclose(np.asarray(decode(*heads, decoder), dtype=np.float64), t, atol=1e-9)
    if dimensions > 3:
        codes = np.random.default_rng(1).integers(-128, 128, (dimensions, 2, 50)).astype(np.int8)
        found = decode(*codes, decoder)
        assert found.shape == (2, 50) and found.dtype == np.uint16
        flat = codes.reshape(dimensions, -1).T.astype(np.int64)
        assert found.reshape(-1).tolist() == [decode_plainly(decoder.spec, *query)[0] for query in flat.tolist()]


@pytest.mark.parametrize(("dimensions", "order"), [(2, 4), (3, 2), (4, 2), (6, 1)])
def test_the_float_decoder_visits_the_segments_that_matter(dimensions: int, order: int) -> None:
    """The nearest of all segments, found by visiting every one of them, off the grid too."""
    curve = make_curve("hilbert", order, dimensions=dimensions)
    points = np.random.default_rng(2).uniform(-1.0, curve.side, (2000, dimensions))
    start = curve.vertices[:-1].astype(float)
    step = np.diff(curve.vertices, axis=0)
    off = points[:, None] - start
    along = np.clip((off * step).sum(axis=-1), 0, 1)
    square = np.square(off - along[..., None] * step).sum(axis=-1)
    best = square.argmin(axis=1)
    arc, least = project(curve, points)
    np.testing.assert_allclose(least, square[np.arange(2000), best], atol=1e-12)
    np.testing.assert_allclose(arc, best + along[np.arange(2000), best], atol=1e-9)


def test_three_heads_decode_codes_by_the_whole_table() -> None:
    decoder = many(3, 1)
    codes = np.random.default_rng(1).integers(-128, 128, (3, 40)).astype(np.int8)
    wanted = [decode_plainly(decoder.spec, *query)[0] for query in codes.T.tolist()]
    assert decode(*codes, decoder).tolist() == wanted
    with pytest.raises(ValueError, match="2 arrays for 3 heads"):
        decode(codes[0], codes[1], decoder)


def test_single_codes_keep_their_shape(plan: Callable[..., Plan]) -> None:
    decoder = Decoder(plan().spec)
    for zero in (np.int8(3), np.array(3, np.int8)):
        got = decode(zero, zero, decoder)
        assert np.shape(got) == ()
        assert got == decode(np.full((1, 1), 3, np.int8), np.full((1, 1), 3, np.int8), decoder)[0, 0]
    assert np.shape(decode(0.5, 0.25, decoder)) == ()
    assert decode(np.zeros((0, 3)), np.zeros((0, 3)), decoder).shape == (0, 3)


def test_values_that_are_no_numbers_give_none(plan: Callable[..., Plan]) -> None:
    """NaN where a head is NaN or infinite; values however large are as near to the curve as its border."""
    decoder = Decoder(plan().spec)
    x, y = np.array([np.nan, 0.5, np.inf, -np.inf, 0.5]), np.array([0.5, np.nan, 0.5, 0.5, 0.5])
    np.testing.assert_array_equal(np.isnan(decode(x, y, decoder)), [True, True, True, True, False])
    t, distance = decoder.nearest(np.array([1e160, -1e300]), np.array([0.2, 0.9]))
    np.testing.assert_array_equal(t, decode(np.array([1.0, 0.0]), np.array([0.2, 0.9]), decoder))
    assert (distance > 1e160).all()


@pytest.mark.parametrize(
    ("x", "y", "problem"),
    [
        (np.zeros(3), np.zeros(3, np.int8), "some heads hold integers and others real numbers"),
        (np.zeros(3, np.int8), np.zeros(3), "some heads hold integers and others real numbers"),
        (None, None, "x holds object values"),
        (np.zeros(3, bool), np.zeros(3, bool), "x holds bool values"),
        (np.zeros(3), np.zeros(3) + 1j, "y holds complex128 values"),
        (np.zeros(3), MASKED.masked_equal(np.zeros(3), 0), "y is a masked array"),
        (np.array(["1"]), np.array(["1"]), "x holds <U1 values"),
    ],
    ids=["float-int", "int-float", "none", "bool", "complex", "masked", "text"],
)
def test_what_holds_no_numbers_is_refused(x: Any, y: Any, problem: str, plan: Callable[..., Plan]) -> None:
    with pytest.raises(TypeError, match=problem):
        decode(x, y, Decoder(plan().spec))


def test_sixteen_bit_codes_are_refused(plan: Callable[..., Plan]) -> None:
    decoder = Decoder(plan("heads.dtype=int16", "heads.scale=0.0000152587890625").spec)
    with pytest.raises(ValueError, match="8-bit heads only"):
        decode(np.zeros(3, np.int16), np.zeros(3, np.int16), decoder)


@pytest.mark.parametrize("t", [np.nan, np.inf, [0.5, -np.inf]])
def test_targets_that_are_no_numbers_are_refused(t: object) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        encode(t, make_curve("hilbert", 2))  # type: ignore[arg-type]
    for other in (None, True, 1j, MASKED.masked_equal([0.5], 0.5)):
        with pytest.raises(TypeError, match=r"^t "):
            encode(other, make_curve("hilbert", 2))  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [[], ["curve.kind=moore"], ["curve.inset=0.1", "curve.order=2"]])
def test_ties_of_real_heads_go_to_the_own_cell(plan: Callable[..., Plan], changes: list[str]) -> None:
    """Real values of all codes, on grids where many tie, decode to what the exact table has."""
    decoder = Decoder(plan("curve.orientation=rotate_90", "output.dtype=int32", *changes).spec)
    codes = np.arange(-128, 128, dtype=np.int8)
    x, y = np.meshgrid(codes, codes)
    t = np.asarray(decode(decoder.real(0, x), decoder.real(1, y), decoder), dtype=np.float64)
    exact = decoder.t_of(decode(x, y, decoder))
    apart = np.abs(t - exact)
    np.testing.assert_allclose(np.minimum(apart, 1 - apart) if decoder.spec.curve.closed else apart, 0, atol=1e-8)


@pytest.mark.parametrize(("dimensions", "wrong"), [(2, "y"), (3, "z"), (4, "y"), (6, "w")])
def test_codes_of_another_type_are_named(plan: Callable[..., Plan], dimensions: int, wrong: str) -> None:
    decoder = Decoder(plan(f"curve.dimensions={dimensions}", "curve.order=1").spec)
    arrays = {name: np.zeros(3, np.uint8 if name == wrong else np.int8) for name in "xyzuvw"[:dimensions]}
    with pytest.raises(TypeError, match=f"^{wrong} holds uint8: codes must be int8$"):
        decode(*arrays.values(), decoder)


@pytest.mark.parametrize("inset", [-0.1, 0.5, np.nan, np.inf])
def test_insets_that_place_no_curve_are_refused(inset: float) -> None:
    curve = make_curve("hilbert", 2)
    with pytest.raises(ValueError, match=rf"^inset {inset}: give a number in \[0, 0.5\)"):
        encode(0.5, curve, inset)
    with pytest.raises(ValueError, match=r"^inset"):
        HeadCurve(curve, inset)


@pytest.mark.parametrize("ends", [(1.0, 0.0), (1.0, 1.0), (0.0, np.nan), (-np.inf, 0.0)])
def test_ranges_that_place_no_curve_are_refused(ends: tuple[float, float]) -> None:
    curve = make_curve("hilbert", 2)
    with pytest.raises(ValueError, match=r"^head_range .*: its low end is not below its high end"):
        encode(0.5, curve, head_range=ends)
    with pytest.raises(ValueError, match=r"^head_range"):
        HeadCurve(curve, head_range=ends)
