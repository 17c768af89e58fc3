"""`corner` in lanes of 16 bits: its model, and that its argument for all tuples notices faults in its tables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.kernels import IntArray, Refused
from hilbert_codegen.kernels.corner.geometry import Parts, lists_of
from hilbert_codegen.kernels.corner.kinds import Kinds
from hilbert_codegen.kernels.corner.lanes import CLOSE, CODES, HIGHEST, LONELY, Lanes, lanes_of
from hilbert_codegen.kernels.corner.lanes_argument import LanesArgument, Link, check_order
from hilbert_codegen.kernels.corner.lanes_number import Pairs
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import Phases
from hilbert_codegen.kernels.corner.tables import layout_of
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_boxes import changed

#: A scale of no simple fraction of a cell.
ROUND = Fraction(0.00437)
#: The tables of lanes of any kind.
Tables = TypeVar("Tables", Lanes, Phases, Kinds)


def faulty(lanes: Tables, table: str, at: int, value: int) -> Tables:
    """The same with one other value in a table."""
    values: IntArray = getattr(lanes, table).copy()
    values.reshape(-1)[at] = value
    fault: dict[str, Any] = {table: values}
    return replace(lanes, **fault)


def off_grid(heads: int, order: int) -> Spec:
    """Cells that are no whole number of codes, so that squares are rounded; results that fall along the curve."""
    spec = spec_of(heads, order)
    head = Heads("uint8", "interleaved", (ROUND,) * heads, (31,) * heads, (Fraction(0), Fraction(1)))
    return replace(spec, inset=Fraction(1, 10), heads=head, output=Output("uint16", (10000, 500)))


def turned(heads: int, orientation: str) -> Spec:
    """Order 1 on the cell grid, with heads that follow other axes of the curve."""
    return replace(spec_of(heads, 1), curve=make_curve("hilbert", 1, orientation, heads))


KNOWN = {"pairs": spec_of(4, 1), "one by one": spec_of(3, 2), "off the grid": off_grid(3, 2)}


@pytest.fixture(scope="module", params=KNOWN)
def known(request: pytest.FixtureRequest) -> tuple[Lanes, Parts]:
    return lanes_of(KNOWN[request.param])


@cache
def portable(spec: Spec) -> Layout:
    geometry = Parts(spec)
    return layout_of(spec, geometry, lists_of(geometry))


def test_the_argument_holds(known: tuple[Lanes, Parts]) -> None:
    lanes, geometry = known
    LanesArgument(lanes, geometry).check()


def box_with_a_chain(lanes: Lanes) -> int:
    if isinstance(lanes.number, Pairs):
        return int(np.flatnonzero(lanes.chain)[0]) & lanes.number.mask
    return int(np.flatnonzero(lanes.gates)[0])


def first_entry(lanes: Lanes) -> int:
    """The first entry of a chain that has results."""
    return int(np.flatnonzero(lanes.more[lanes.entries : 2 * lanes.entries] != CLOSE)[0])


@pytest.mark.parametrize(
    ("table", "at", "by", "message"),
    [
        ("share", lambda lanes: 3, 0, "another box than"),
        ("line", lambda lanes: 100, 700, "order of the distances|off by more"),
        ("line", lambda lanes: CODES + 5, 1, "a result"),
        ("place", lambda lanes: 128, 1, "a result"),
        ("role", lambda lanes: box_with_a_chain(lanes), 1, "lanes: box"),
        ("base", lambda lanes: box_with_a_chain(lanes), 1, "a result is wrong"),
        ("more", lambda lanes: first_entry(lanes), 1, "lanes: box"),
        ("more", lambda lanes: lanes.entries + first_entry(lanes), 1, "another corner's half segment is wrong"),
        ("more", lambda lanes: 2 * lanes.entries, 1, "behind the end"),
        ("more", lambda lanes: 2 * lanes.entries + first_entry(lanes), 10000, "no end"),
        ("more", lambda lanes: 3 * lanes.entries + 128, 40, "off by more"),
    ],
)
def test_the_argument_notices(table: str, at: Any, by: int, message: str, known: tuple[Lanes, Parts]) -> None:
    number = known[0].number
    half = 1 << number.halves if isinstance(number, Pairs) else 1
    noticed(known, table, at(known[0]), by or half, message)


def noticed(known: tuple[Lanes, Parts], table: str, at: int, by: int, message: str) -> None:
    lanes, geometry = known
    old = int(getattr(lanes, table).reshape(-1)[at])
    with pytest.raises(CheckFailed, match=message):
        LanesArgument(faulty(lanes, table, at, old ^ by), geometry).check()


@pytest.mark.parametrize(
    ("table", "by", "message"),
    [
        ("gates", 1, "asks for what is no axis"),
        ("lead", 1, "lanes: box"),
        ("lead", LONELY, "whether the vertex is alone"),
    ],
)
def test_the_argument_notices_faults_in_zones(table: str, by: int, message: str) -> None:
    known = lanes_of(KNOWN["one by one"])
    noticed(known, table, box_with_a_chain(known[0]), by, message)


def test_the_argument_notices_faults_in_chains_by_class() -> None:
    """Of every twentieth box and class that has a chain, that it has none; what is no entry; a class that no code has."""
    known = lanes_of(KNOWN["pairs"])
    for at in np.flatnonzero(known[0].chain)[::20].tolist():
        noticed(known, "chain", at, int(known[0].chain[at]), "missing in the list")
    noticed(known, "chain", int(np.flatnonzero(known[0].chain)[0]), 1 << 10, "no end")
    number = known[0].number
    assert isinstance(number, Pairs)
    noticed(known, "share", 10, 1 << number.places[0], "another zone or class than")


@pytest.mark.parametrize("orientation", ["x,y,z,u", "x,y,u,z", "u,z,y,x", "x,-u,z,y", "z,y,x,u"])
def test_classes_lead_to_few_chains(orientation: str) -> None:
    """Of random codes, of which 58 in 1000 are beside an axis of the zone that their box asks for; and whichever head
    follows the axis that every vertex has a half segment along, whose class no index has. The model is exact with all."""
    spec = turned(4, orientation)
    lanes, geometry = lanes_of(spec)
    number = lanes.number
    assert isinstance(number, Pairs)
    queries = np.random.default_rng(8).integers(-128, 128, (20000, 4))
    asked = lanes.chain[number.index(number.totals(lanes.share, (queries & 255).T))] > 0
    assert 0.01 < asked.mean() < 0.03
    LanesArgument(lanes, geometry).check()
    assert np.array_equal(lanes.decode(portable(spec), *(queries & 255).T), decode_tuples(spec, queries))


@pytest.mark.parametrize(("heads", "orientation"), [(3, "x,z,y"), (3, "z,y,x"), (5, "x,y,z,v,u"), (5, "v,y,z,u,x")])
def test_an_odd_number_of_heads_in_any_order(heads: int, orientation: str) -> None:
    """One axis is in two pairs: with three heads perhaps the one that every vertex has a half segment along."""
    spec = turned(heads, orientation)
    lanes, geometry = lanes_of(spec)
    LanesArgument(lanes, geometry).check()
    queries = np.random.default_rng(9).integers(-128, 128, (6000, heads))
    assert np.array_equal(lanes.decode(portable(spec), *(queries & 255).T), decode_tuples(spec, queries))


def test_the_argument_notices_a_margin_that_is_too_small() -> None:
    lanes, geometry = lanes_of(KNOWN["off the grid"])
    assert lanes.margin > 0
    with pytest.raises(CheckFailed, match="off by more than the margin"):
        LanesArgument(replace(lanes, margin=lanes.margin // 4), geometry).check()


def test_the_argument_notices_a_half_segment_that_no_chain_has() -> None:
    lanes, geometry = lanes_of(KNOWN["one by one"])
    at = box_with_a_chain(lanes)
    fault = replace(lanes, gates=changed(lanes.gates, at, -int(lanes.gates[at])))
    with pytest.raises(CheckFailed, match="missing in the list"):
        LanesArgument(fault, geometry).check()


def test_chains_have_close_calls_first() -> None:
    """Behind others they would leave the results of those where savings are equal, whichever comes first."""
    lanes, geometry = lanes_of(spec_of(6, 1))
    LanesArgument(lanes, geometry).check()
    _, other, further = lanes.more[:-CODES].reshape(3, -1)
    entry = next(i for i in range(lanes.entries) if further[i] and other[i] == CLOSE != other[further[i]])
    more = lanes.more.copy()
    for part in (0, lanes.entries):
        places = [part + entry, part + int(further[entry])]
        more[places] = lanes.more[places[::-1]]
    with pytest.raises(CheckFailed, match=r"is missing in the list"):
        LanesArgument(replace(lanes, more=more), geometry).check()


def test_what_order_of_a_chain_settles_ties() -> None:
    """Of those with results by rank, and close calls before them: they may be any that they stand for."""
    rank = np.array([5, 3, 9])
    first, second, close = Link(True, [(1, (0,))]), Link(True, [(0, (1,))]), Link(False, [(2, (0,)), (0, (0, 1))])
    check_order([close, first, second], rank, "here")
    for chain in ([second, first], [first, close], [close, second, first]):
        with pytest.raises(CheckFailed, match="here: a chain is not in the order that settles ties"):
            check_order(chain, rank, "here")


@pytest.mark.parametrize("spec", [spec_of(heads, order) for heads, order in ((3, 1), (3, 2), (4, 1), (5, 1), (6, 1))])
def test_the_model_is_exact_on_random_codes_and_on_ties(spec: Spec) -> None:
    lanes, _ = lanes_of(spec)
    generator = np.random.default_rng(5)
    queries = generator.integers(-128, 128, (6000, spec.dimensions))
    queries[3000:] = generator.choice(np.arange(-128, 128, 16), (3000, spec.dimensions))
    assert np.array_equal(lanes.decode(portable(spec), *(queries & 255).T), decode_tuples(spec, queries))
    assert lanes.margin == 0


@pytest.mark.parametrize(
    "spec",
    [
        off_grid(3, 1),
        off_grid(3, 2),
        off_grid(4, 1),
        off_grid(5, 1),
        off_grid(6, 1),
        spec_of(3, 1, "moore"),
        spec_of(3, 2, "moore"),
    ],
)
def test_the_model_is_exact_at_any_scale_and_on_closed_curves(spec: Spec) -> None:
    lanes, geometry = lanes_of(spec)
    LanesArgument(lanes, geometry).check()
    least = int(spec.heads.codes().min())
    queries = np.random.default_rng(6).integers(least, least + 256, (6000, spec.dimensions))
    assert np.array_equal(lanes.decode(portable(spec), *(queries & 255).T), decode_tuples(spec, queries))


def test_savings_that_rounded_squares_leave_open_are_close_calls() -> None:
    """With a margin far above the error many are, and all results are right."""
    spec = off_grid(3, 2)
    lanes, geometry = lanes_of(spec)
    wide = 600
    costs = [min(round(lanes.unit * (1 - 2 * g)) - wide, HIGHEST) for g in geometry.offset[0]]
    more = np.append(lanes.more[:-CODES], costs)
    rough = replace(lanes, margin=wide, more=more)
    LanesArgument(rough, geometry).check()
    queries = np.random.default_rng(7).integers(0, 256, (20000, 3))
    assert np.array_equal(rough.decode(portable(spec), *queries.T), decode_tuples(spec, queries))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match="too large"):
        lanes_of(spec_of(3, 3))
    spec = spec_of(4, 1)
    scales = (Fraction(1, 256), Fraction(1, 200), Fraction(1, 256), Fraction(1, 256))
    with pytest.raises(Refused, match="distances of their own"):
        lanes_of(replace(spec, heads=replace(spec.heads, scale=scales)))
