"""The strategies for any scale, inset and zero point: exact or refused, and the geometry that they rest on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.emit.prove import proof_domain, prove
from hilbert_codegen.exact.reference import ideal
from hilbert_codegen.kernels import STRATEGIES, Implementation, Refused, Table
from hilbert_codegen.kernels.folding import fold, quarters, refused_constraints, tie_order
from hilbert_codegen.kernels.octant_lanes import Lanes, lanes
from hilbert_codegen.spec.specification import INTEGER_TYPES, Heads, Output, Spec
from hilbert_codegen.variants import equipped, hvx
from tests.specs import specs


def line_spec(order: int, scale: tuple[float, float], zero: tuple[int, int], inset: Fraction, **other: str) -> Spec:
    curve = make_curve(other.get("curve", "hilbert"), order, other.get("orientation", "d2xy"))
    exact = (Fraction(scale[0]), Fraction(scale[1]))
    heads = Heads("int8", "interleaved", exact, zero, (Fraction(0), Fraction(1)))
    return Spec(curve, inset, heads, Output("uint16", (0, 65535)))


CASES = {
    "cell grid": line_spec(3, (2**-8, 2**-8), (-128, -128), cell_inset(3)),
    "odd scale": line_spec(3, (0.00437, 0.00437), (-97, -97), Fraction(1, 10)),
    "two scales": line_spec(3, (0.00437, 0.0051), (-97, -110), Fraction(7, 100)),
    "part of the curve": line_spec(3, (0.002, 0.002), (-128, -128), Fraction(1, 10)),
    "turned, order 2": line_spec(2, (2**-8, 2**-8), (-128, -128), Fraction(0), orientation="anti_transpose"),
    "order 4": line_spec(4, (0.0041, 0.0041), (-120, -120), Fraction(1, 10)),
    "closed, cell grid": line_spec(
        3, (2**-8, 2**-8), (-128, -128), cell_inset(3), curve="moore", orientation="anti_transpose"
    ),
    # The scale is no exact 1/255, so that codes that would tie differ in the last bits.
    "nearly ties": line_spec(3, (1 / 255, 1 / 255), (-128, -128), Fraction(1, 10), curve="moore"),
}
#: Bytes of tables that each strategy keeps to up to order 3, and what Helium may take beyond.
LIMITS = {"octant": 4096, "segment": 22528, "line": 14336}
BEYOND = {"octant": 3328}
#: Where ties run in circles.
CIRCLES = {"cell grid", "closed, cell grid", "nearly ties"}


def table_of(code: Implementation, name: str) -> Table:
    """The table called `name`."""
    return next(table for table in code.tables if table.name == name)


def wrong_results(spec: Spec, helium: Lanes) -> int:
    """How many differ from the reference."""
    y, x = np.divmod(np.arange(1 << 16), 256)
    return int((helium.decode(x, y) != ideal(spec).codes.reshape(-1)).sum())


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_grid_is_exact(name: str, case: str) -> None:
    spec = CASES[case]
    expected = ideal(spec)
    if name == "line" and case == "order 4":
        with pytest.raises(Refused):
            STRATEGIES[name].build(spec, expected, distance=False)
        return
    built = equipped(STRATEGIES[name].build(spec, expected, distance=False), ["mve"], spec, expected)
    prove(spec, built, proof_domain(spec), expected)
    more = 1024 if spec.heads.scale[0] != spec.heads.scale[1] and name == "octant" else 0
    more += 1024 * (len(table_of(built.portable, "key_y").values) // 256 - 1) if name == "line" else 0
    for variant, code in built.implementations.items():
        beyond = BEYOND.get(name, 0) if variant == "mve" else 0
        assert spec.curve.order > 3 or code.table_bytes <= LIMITS[name] + beyond + more


@st.composite
def lattices(draw: st.DrawFn) -> Spec:
    """Specifications whose codes fall on few places of the cell, so that many tie."""
    order = draw(st.integers(1, 3))
    scale = draw(st.sampled_from([(1 / 256, 1 / 256), (1 / 128, 1 / 128), (3 / 512, 3 / 512), (1 / 256, 1 / 128)]))
    zero = draw(st.tuples(st.integers(-128, -96), st.integers(-128, -96)))
    inset = draw(st.sampled_from([cell_inset(order), Fraction(0), Fraction(1, 8), Fraction(1, 4)]))
    orientation = draw(st.sampled_from(sorted(ORIENTATIONS)))
    return line_spec(
        order, scale, zero, inset, curve=draw(st.sampled_from(["hilbert", "moore"])), orientation=orientation
    )


@pytest.mark.parametrize("case", CASES)
def test_distances_are_exact(case: str) -> None:
    spec = CASES[case]
    expected = ideal(spec)
    built = equipped(STRATEGIES["octant"].build(spec, expected, distance=True), ["mve"], spec, expected)
    assert ("mve" in built.variants) == (case != "order 4")
    assert all(code.distance is not None for code in built.implementations.values())
    prove(spec, built, proof_domain(spec), expected)
    assert max(code.table_bytes for code in built.implementations.values()) < 16384


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(specs(), lattices()))
def test_every_octant_has_a_distance(spec: Spec) -> None:
    """Cells of as many codes or not, codes far off the grid, ties: whatever the strategy decodes."""
    expected = ideal(spec)
    try:
        STRATEGIES["octant"].build(spec, expected, distance=False)
    except Refused:
        return
    built = equipped(STRATEGIES["octant"].build(spec, expected, distance=True), ["mve"], spec, expected)
    prove(spec, built, proof_domain(spec), expected)
    largest = max(code.table_bytes for code in built.implementations.values())
    # At order 4 the octants alone take half of it, and terms of 32 bits the other half.
    assert largest < (16384 if spec.curve.order <= 3 else 20992)


#: From a whole square to codes far off the grid on all sides, whose distances saturate; cells as large as each other or not.
FAR_OFF = {
    "cells of 256 codes": line_spec(1, (2**-8, 2**-8), (-128, -128), Fraction(0)),
    "far off": line_spec(1, (2**-6, 2**-6), (-32, -32), Fraction(1, 4)),
    "farther": line_spec(2, (2**-4, 0.0701), (0, 0), Fraction(1, 10)),
    "one axis": line_spec(3, (0.0171, 0.0037), (-40, -120), Fraction(1, 10)),
}


@pytest.mark.parametrize("case", FAR_OFF)
def test_distances_far_off_the_grid(case: str) -> None:
    spec = FAR_OFF[case]
    expected = ideal(spec)
    built = equipped(STRATEGIES["octant"].build(spec, expected, distance=True), ["mve"], spec, expected)
    prove(spec, built, proof_domain(spec), expected)
    found = {bool(code.params["away"]["steps"]) for code in built.implementations.values()}  # type: ignore[index]
    assert found == {expected.distance.max() > 90}
    assert max(code.table_bytes for code in built.implementations.values()) < 16384


@pytest.mark.parametrize("case", sorted(set(CASES) - {"order 4"}))
@pytest.mark.parametrize(
    "output",
    [Output("uint16", (0, 65535)), Output("int16", (32767, -3000)), Output("uint8", (0, 255))],
    ids=lambda output: f"{output.dtype}{output.codes}",
)
def test_octants_in_lanes_of_sixteen_bits_are_exact(case: str, output: Output) -> None:
    spec = replace(CASES[case], output=output)
    folds = [fold(spec, axis) for axis in (0, 1)]
    helium = lanes(spec, folds, quarters(spec), ideal(spec).codes)
    if spec.curve.closed and output.codes == (0, 255):
        assert helium is None  # codes next to the end of the curve are rounded to it, and are to be its start's
        return
    assert helium is not None
    assert not wrong_results(spec, helium)


def test_octants_take_lanes_where_they_can() -> None:
    for case in CASES:
        built = STRATEGIES["octant"].build(CASES[case], ideal(CASES[case]), distance=False)
        assert ("mve" in equipped(built, ["mve"], CASES[case], ideal(CASES[case])).variants) == (case != "order 4")
        assert built.kind == ("ties" if case in CIRCLES else "")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lattices())
@example(line_spec(2, (1 / 256, 1 / 128), (-96, -96), Fraction(0), curve="moore"))
def test_octants_in_lanes_settle_ties(spec: Spec) -> None:
    folds = [fold(spec, axis) for axis in (0, 1)]
    helium = lanes(spec, folds, quarters(spec), ideal(spec).codes)
    if helium is None:
        assert spec.curve.closed  # results are rounded to the end of the curve, or ties are not told apart
        return
    assert not wrong_results(spec, helium)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lattices())
def test_lines_settle_ties_or_are_refused(spec: Spec) -> None:
    expected = ideal(spec)
    try:
        built = STRATEGIES["line"].build(spec, expected, distance=False)
    except Refused:
        assert spec.curve.order == 3
        return
    prove(spec, built, proof_domain(spec), expected)


def test_lines_take_bits_of_x_on_the_cell_grid() -> None:
    spec = CASES["cell grid"]
    built = STRATEGIES["line"].build(spec, ideal(spec), distance=False)
    assert built.portable.params["bits"] == 1
    assert built.portable.table_bytes < 16384


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_constraints_are_refused_only_where_they_close_a_circle(data: st.DataObject) -> None:
    sizes = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    keys = st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(1, 2)])
    x, y = (data.draw(st.lists(st.tuples(st.integers(0, size - 1), keys), min_size=1)) for size in sizes)
    cells = st.lists(st.integers(-1, 1), min_size=sizes[0] * sizes[1], max_size=sizes[0] * sizes[1])
    wanted = np.array(data.draw(cells)).reshape(sizes[1], sizes[0])
    refused = refused_constraints(x, y, wanted)
    assert not refused[wanted != 1].any()
    granted = np.where(refused, -1, wanted)
    assert tie_order(x, y, granted) is not None
    for line, column in np.argwhere(refused):
        one_more = granted.copy()
        one_more[line, column] = 1
        assert tie_order(x, y, one_more) is None


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(orders=range(1, 4)))
def test_any_specification_is_exact_or_refused(spec: Spec) -> None:
    expected = ideal(spec)
    for name in LIMITS:
        try:
            built = STRATEGIES[name].build(spec, expected, distance=False)
        except Refused:
            continue
        prove(spec, built, proof_domain(spec), expected)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "output",
    [Output("uint16", (0, 65535)), Output("int16", (32767, -3000)), Output("uint8", (3, 250))],
    ids=lambda output: f"{output.dtype}{output.codes}",
)
def test_hvx_serves_every_kind_of_grid(case: str, output: Output) -> None:
    spec = replace(CASES[case], output=output)
    assert hvx.build(spec, ideal(spec)) is not None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specs(orders=range(1, 5)))
def test_hvx_is_exact_or_not_there(spec: Spec) -> None:
    expected = ideal(spec)
    arithmetic = hvx.build(spec, expected)
    if arithmetic is None:
        return
    bits = INTEGER_TYPES[spec.output.dtype][0]
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    np.testing.assert_array_equal(arithmetic.output(*arithmetic.place(x, y), bits), expected.codes % (1 << bits))


def test_octants_do_not_look_at_the_ideal_table() -> None:
    spec = CASES["odd scale"]
    expected = ideal(spec)
    wrong = replace(expected, codes=expected.codes + 1)
    strategy = STRATEGIES["octant"]
    one, other = strategy.build(spec, expected, False), strategy.build(spec, wrong, False)
    for a, b in zip(one.portable.tables, other.portable.tables, strict=True):
        np.testing.assert_array_equal(a.values, b.values)


def test_folding_puts_a_code_at_its_own_vertex() -> None:
    spec = CASES["two scales"]
    for axis in (0, 1):
        folded = fold(spec, axis)
        for code, half, place, offset in zip(
            spec.heads.codes().tolist(), folded.half.tolist(), folded.place, folded.offset, strict=True
        ):
            assert place == min(max(spec.coordinate(axis, code), Fraction(0)), Fraction(spec.curve.side - 1))
            assert 0 <= offset <= Fraction(1, 2)
            assert abs(place - (half + 1) // 2) == offset
        assert (folded.own == (folded.half + 1) // 2).all()


def test_quarters_count_the_segments() -> None:
    curve_spec = CASES["odd scale"]
    around = quarters(curve_spec)
    # Every inner segment runs along two squares, in each of which its two halves are one quarter's own segment.
    own = int(around.vertical.sum() + around.horizontal.sum())
    last = curve_spec.curve.side - 1
    points = curve_spec.curve.points
    border = sum(
        (a[0] == b[0] and a[0] in (0, last)) or (a[1] == b[1] and a[1] in (0, last)) for a, b in pairwise(points)
    )
    assert own == 2 * (2 * curve_spec.curve.segments - border)
    assert not (around.lone & around.contested).any()


def test_ties_in_a_circle_have_no_order() -> None:
    key = Fraction(1, 4)
    x, y = [(0, key), (1, key)], [(0, key), (1, key)]
    assert tie_order(x, y, np.array([[1, 0], [0, 1]])) is None
    assert refused_constraints(x, y, np.array([[1, 0], [0, 1]])).tolist() == [[False, False], [False, True]]
    order = tie_order(x, y, np.array([[1, 0], [1, 1]]))
    assert order is not None
    at = {entry: index for index, entry in enumerate(order)}
    assert at[0, (0, key)] > at[1, (0, key)]
    assert at[0, (1, key)] < at[1, (0, key)]
    assert at[0, (0, key)] > at[1, (1, key)]
