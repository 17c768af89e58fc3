"""The reference of three and more heads against the definition in fractions, tuple by tuple."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import cell_inset, make_curve
from hilbert_codegen.exact.many import decode_tuples, measure_tuples
from hilbert_codegen.exact.reference import ideal
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.specs import decode_plainly, many_heads


def spec_of(dimensions: int, order: int, kind: str = "hilbert", scale: Fraction = Fraction(1, 256)) -> Spec:
    curve = make_curve(kind, order, dimensions=dimensions)
    heads = Heads("int8", "interleaved", (scale,) * dimensions, (-128,) * dimensions, (Fraction(0), Fraction(1)))
    return Spec(curve, cell_inset(order), heads, Output("uint16", (0, 65536 if curve.closed else 65535)))


@settings(max_examples=40, deadline=None)
@given(spec=many_heads(), data=st.data())
def test_random_tuples_decode_as_the_definition_says(spec: Spec, data: st.DataObject) -> None:
    code = st.integers(-128, 127)
    queries = data.draw(st.lists(st.tuples(*[code] * spec.dimensions), min_size=1, max_size=3))
    found = decode_tuples(spec, np.array(queries, dtype=np.int64))
    assert found.tolist() == [decode_plainly(spec, *query)[0] for query in queries]


def rounded(square: Fraction) -> int:
    """floor(d + 1/2) of a squared distance, 255 at most: by the definition, one border after the other."""
    return next((k for k in range(255) if square < Fraction(2 * k + 1, 2) ** 2), 255)


@settings(max_examples=30, deadline=None)
@given(spec=many_heads(), data=st.data())
def test_distances_of_random_tuples_are_what_the_definition_says(spec: Spec, data: st.DataObject) -> None:
    code = st.integers(-128, 127)
    queries = data.draw(st.lists(st.tuples(*[code] * spec.dimensions), min_size=1, max_size=3))
    codes, far = measure_tuples(spec, np.array(queries, dtype=np.int64))
    wanted = [decode_plainly(spec, *query) for query in queries]
    assert codes.tolist() == [code for code, _ in wanted]
    assert far.tolist() == [rounded(square) for _, square in wanted]


def test_distances_on_borders_and_off_the_grid() -> None:
    """One head's offsets are halves of codes, the others' whole: squared distances such as (k - 1/2)^2 occur."""
    heads = Heads("int8", "interleaved", (Fraction(1, 8), Fraction(1, 16), Fraction(1, 16)), (0, 3, -40),
                  (Fraction(1, 16), Fraction(33, 16)))  # fmt: skip
    spec = Spec(make_curve("hilbert", 1, dimensions=3), Fraction(0), heads, Output("int32", (-5, 70000)))
    queries = np.random.default_rng(8).integers(-60, 70, (400, 3))
    queries[:10, 2] = 127  # far off the grid
    codes, far = measure_tuples(spec, queries)
    wanted = [decode_plainly(spec, *query) for query in queries.tolist()]
    assert codes.tolist() == [code for code, _ in wanted]
    assert far.tolist() == [rounded(square) for _, square in wanted]
    borders = {Fraction(2 * k + 1, 2) ** 2 for k in range(200)}
    assert sum(square in borders for _, square in wanted) > 3


@pytest.mark.parametrize("kind", ["hilbert", "moore"])
@pytest.mark.parametrize(("dimensions", "order"), [(3, 2), (4, 1), (6, 1)])
def test_ties_take_the_own_cell_then_the_smallest_s(kind: str, dimensions: int, order: int) -> None:
    # An odd number of codes a cell puts codes on borders and bisectors, where several points are equally near.
    curve = make_curve(kind, order, dimensions=dimensions)
    heads = Heads("int8", "interleaved", (Fraction(1, 4),) * dimensions, (0,) * dimensions, (Fraction(0), Fraction(3)))
    spec = Spec(curve, Fraction(0), heads, Output("int32", (0, 1000)))
    step = int(spec.pitch(0)) // 2
    generator = np.random.default_rng(3)
    queries = generator.integers(-1, 2 * curve.side, (60, dimensions)) * step
    wanted = [decode_plainly(spec, *query)[0] for query in queries.tolist()]
    assert decode_tuples(spec, queries).tolist() == wanted


@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (3, 3), (4, 1)])
@pytest.mark.parametrize("scale", [Fraction(1, 256), Fraction(0.0041)])
@pytest.mark.parametrize("kind", ["hilbert", "moore"])
def test_a_product_is_its_tuples(dimensions: int, order: int, scale: Fraction, kind: str) -> None:
    """Codes of some axes tie: they are on borders of cells and half cells, of others not."""
    spec = spec_of(dimensions, order, kind, scale)
    codes = [np.arange(-128 + axis // 2, 128, 16 + 3 * (axis // 2)) for axis in range(dimensions)]
    answers = ideal(spec, codes, distance=True)
    assert answers.codes.shape == answers.distance.shape == tuple(len(axis) for axis in reversed(codes))
    grids = np.meshgrid(*reversed(codes), indexing="ij")[::-1]
    wanted, far = measure_tuples(spec, np.stack([g.reshape(-1) for g in grids], axis=1))
    assert np.array_equal(answers.codes.reshape(-1), wanted)
    assert np.array_equal(answers.distance.reshape(-1), far)
    assert np.array_equal(ideal(spec, codes).codes, answers.codes)


def test_vertices_of_three_heads_decode_to_themselves() -> None:
    spec = spec_of(3, 2)
    queries = spec.curve.vertices * 64 + 32 - 128
    assert decode_tuples(spec, queries).tolist() == [round(65535 * k / 63) for k in range(64)]


def test_heads_must_be_as_many_as_the_curve_has_axes() -> None:
    spec = spec_of(3, 1)
    with pytest.raises(ValueError, match="3 heads for a curve of 4"):
        Spec(make_curve("hilbert", 1, dimensions=4), spec.inset, spec.heads, spec.output)
