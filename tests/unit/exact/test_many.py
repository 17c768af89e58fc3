"""The reference of three and more heads against the definition in fractions, tuple by tuple."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import cell_inset, make_curve
from hilbert_codegen.exact.many import decode_tuples
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
def test_a_product_is_its_tuples(dimensions: int, order: int, scale: Fraction) -> None:
    spec = spec_of(dimensions, order, scale=scale)
    codes = [np.arange(-128 + axis, 128, 19 + axis) for axis in range(dimensions)]
    table = ideal(spec, codes).codes
    assert table.shape == tuple(len(axis) for axis in reversed(codes))
    grids = np.meshgrid(*reversed(codes), indexing="ij")[::-1]
    assert np.array_equal(table.reshape(-1), decode_tuples(spec, np.stack([g.reshape(-1) for g in grids], axis=1)))


def test_vertices_of_three_heads_decode_to_themselves() -> None:
    spec = spec_of(3, 2)
    queries = spec.curve.vertices * 64 + 32 - 128
    assert decode_tuples(spec, queries).tolist() == [round(65535 * k / 63) for k in range(64)]


def test_heads_must_be_as_many_as_the_curve_has_axes() -> None:
    spec = spec_of(3, 1)
    with pytest.raises(ValueError, match="3 heads for a curve of 4"):
        Spec(make_curve("hilbert", 1, dimensions=4), spec.inset, spec.heads, spec.output)
