"""`corner` in lanes by kinds of boxes: its model, and that its argument for all tuples notices faults in its tables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.corner import Corner
from hilbert_codegen.kernels.corner.argument import Argument, CloseCall
from hilbert_codegen.kernels.corner.kinds import (
    ACROSS,
    AXIS,
    BELOW,
    NEXT,
    NUMBERS,
    Kinds,
    Zoned,
    kinds_of,
)
from hilbert_codegen.kernels.corner.kinds_argument import KindsArgument
from hilbert_codegen.kernels.corner.lanes import BYTE, HIGHEST
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.savings import CROSSING, Wrong
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_corner_lanes import faulty, off_grid, portable

Known = tuple[Kinds, Zoned, Layout]


def scaled(scale: float, zero_point: int, inset: Fraction) -> Spec:
    head = Heads("int8", "interleaved", (Fraction(scale),) * 3, (zero_point,) * 3, (Fraction(0), Fraction(1)))
    return replace(spec_of(3, 2), inset=inset, heads=head)


def distinct(scales: tuple[float, ...], zero_points: tuple[int, ...], inset: Fraction) -> Spec:
    """Heads that each have a scale and a zero point of their own."""
    spec = scaled(scales[0], zero_points[0], inset)
    scale = tuple(Fraction(one) for one in scales)
    return replace(spec, heads=replace(spec.heads, scale=scale, zero_point=zero_points))


WHOLE = scaled(0.00392, -128, Fraction(0))
OWN = distinct((0.00437, 0.0041, 0.0045), (-97, -105, -88), Fraction(1, 10))
KNOWN = {"cell grid": spec_of(3, 2), "off the grid": off_grid(3, 2), "no inset": WHOLE, "heads of their own": OWN}


@cache
def known_of(spec: Spec) -> Known:
    return *kinds_of(spec), portable(spec)


@pytest.fixture(params=["cell grid", "off the grid", "heads of their own"])
def known(request: pytest.FixtureRequest) -> Known:
    return known_of(KNOWN[request.param])


def noticed(known: Known, fault: Kinds, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        KindsArgument(fault, *known[1:]).check()


def several(lanes: Kinds) -> int:
    """The first entry that is a close call."""
    return 1 + int(np.flatnonzero(lanes.links[1:] & BELOW == 0)[0])


def long_one(lanes: Kinds) -> int:
    """The entry of a kind of which another one follows, neither a close call."""
    further = lanes.links >> NEXT & BELOW
    alone = lanes.links & BELOW != 0
    following = alone[np.where(further > 0, further + lanes.behind, 0)]
    return int(np.flatnonzero(alone & following & (further > 0))[0])


@pytest.mark.parametrize("name", KNOWN)
def test_the_argument_holds(name: str) -> None:
    KindsArgument(*known_of(KNOWN[name])).check()


@pytest.mark.parametrize(
    ("table", "at", "change", "message"),
    [
        ("share", lambda lanes: 3, lambda lanes, old: old + 1, "another part of its axis"),
        ("share", lambda lanes: -3, lambda lanes, old: old + 1, "another part of its axis"),
        ("distance", lambda lanes: 100, lambda lanes, old: old + 1500, "are not in the order|result, is wrong"),
        ("distance", lambda lanes: -100, lambda lanes, old: old + 1500, "are not in the order|result, is wrong"),
        ("kind", lambda lanes: int(np.flatnonzero(lanes.kind)[-1]), lambda lanes, old: 0, "is wrong"),
        ("kind", lambda lanes: np.flatnonzero(lanes.kind >= lanes.chained)[0], lambda lanes, old: 0, "is wrong"),
        ("ids", lambda lanes: 0, lambda lanes, old: old ^ 1, "is wrong|missing|order that settles|close call"),
        ("ids", lambda lanes: 5, lambda lanes, old: old & ~BELOW, "number of a close call"),
        ("ids", lambda lanes: 5, lambda lanes, old: old | 3 << AXIS, "a number or an axis is none"),
        ("links", lambda lanes: 0, lambda lanes, old: 1, "a number or an axis is none"),
        ("links", lambda lanes: 1, lambda lanes, old: old | 3 << ACROSS, "a number or an axis is none"),
        ("links", lambda lanes: 1, lambda lanes, old: old ^ 1, "of its chain, or its result"),
        ("links", lambda lanes: long_one(lanes), lambda lanes, old: old & ~(BELOW << NEXT), "missing in the list"),
        ("links", lambda lanes: lanes.behind, lambda lanes, old: 1, "what follows nothing is something"),
        (
            "links",
            lambda lanes: long_one(lanes),
            lambda lanes, old: old | BELOW << NEXT,
            "no end|is wrong|another half",
        ),
        ("links", several, lambda lanes, old: old ^ 1 << AXIS, "there is another half segment"),
        ("base", lambda lanes: lanes.ids[0] & 255, lambda lanes, old: old + 1, "result, is wrong"),
        ("phase", lambda lanes: lanes.ids[0] & 255, lambda lanes, old: old + 40, "result, is wrong"),
        ("phase", lambda lanes: NUMBERS - 1, lambda lanes, old: HIGHEST + 1, "does not fit 15 bits"),
        ("phase", lambda lanes: NUMBERS - 1, lambda lanes, old: -1, "does not fit 15 bits"),
        ("slope", lambda lanes: NUMBERS - 1, lambda lanes, old: HIGHEST + 1, "slope does not fit"),
        ("slope", lambda lanes: lanes.ids[0] & 255, lambda lanes, old: old + 9, "result, is wrong"),
        ("slope", lambda lanes: lanes.ids[0] & 255, lambda lanes, old: 0, "is wrong"),
    ],
)
def test_the_argument_notices(table: str, at: Any, change: Any, message: str, known: Known) -> None:
    lanes = known[0]
    place = int(at(lanes))
    noticed(known, faulty(lanes, table, place, change(lanes, int(getattr(lanes, table).flat[place]))), message)


def test_the_argument_notices_sums_of_two_boxes(known: Known) -> None:
    noticed(known, replace(known[0], stride=known[0].stride - 1), "the same sum")


def test_the_argument_notices_tables_that_are_not_for_all_heads() -> None:
    """Those of the first head alone, where heads are not alike; and the other way round, shares of one head for another."""
    lanes, boxes, layout = known_of(KNOWN["heads of their own"])
    alike = replace(lanes, share=boxes.part[0][None] + 1, distance=lanes.distance[:1])
    noticed((lanes, boxes, layout), alike, "not in the order|another part of its axis")
    noticed((lanes, boxes, layout), replace(lanes, share=lanes.share[[0, 1, 1]]), "another part of its axis")
    noticed((lanes, boxes, layout), replace(lanes, distance=lanes.distance[[0, 2, 1]]), "not in the order")


def test_the_argument_notices_whether_vertices_are_alone(known: Known) -> None:
    noticed(known, replace(known[0], lonely=known[0].lonely + 1), "whether the vertex is alone")
    noticed(known, replace(known[0], lonely=known[0].lonely - 1), "whether the vertex is alone")


def test_the_argument_notices_a_chain_that_is_exchanged(known: Known) -> None:
    """Two half segments of a chain, each with what follows the other."""
    lanes = known[0]
    first = long_one(lanes)
    second = int(lanes.links[first] >> NEXT & BELOW) + lanes.behind
    links = lanes.links.copy()
    mask = BELOW << NEXT
    links[first] = lanes.links[second] & ~mask | lanes.links[first] & mask
    links[second] = lanes.links[first] & ~mask | lanes.links[second] & mask
    noticed(known, replace(lanes, links=links), "order that settles ties|missing in the list|is wrong")


def test_the_argument_notices_that_savings_are_off_by_more() -> None:
    known = known_of(KNOWN["off the grid"])
    lanes, off = known[0], known[0].wrong
    assert off.sure > 0 and off.margin > 0
    for less in (Wrong(off.margin - 1, off.sure, off.later), Wrong(off.margin, off.sure - 1, off.later)):
        noticed(known, replace(lanes, wrong=less), "off by more than the margin")
    noticed(known, replace(lanes, wrong=replace(off, later=off.later - 1)), "taken for sure where it is a close call")


def test_the_argument_notices_savings_that_are_missed(known: Known) -> None:
    """All distances less by some: those across axes count for less, those along for nearly the same."""
    lanes = known[0]
    ranks = np.unique(lanes.distance, return_inverse=True)[1].reshape(lanes.distance.shape)
    less = replace(lanes, distance=np.maximum(lanes.distance - 40, ranks))
    noticed(known, less, "may seem to save less")


def test_on_the_cell_grid_but_half_segments_across_two_axes_are_close_calls() -> None:
    assert known_of(KNOWN["cell grid"])[0].wrong.sure == 0


def test_the_argument_notices_exact_distances_that_do_not_tell() -> None:
    """Positions of too few bits, as no table of the portable functions has them."""
    lanes, boxes, layout = known_of(KNOWN["off the grid"])
    rough = replace(layout, wide=0, one=8, factor=layout.factor * 0 + 1, slope=layout.slope * 0, term=layout.term * 0)
    with pytest.raises(CheckFailed, match="too close a call"):
        KindsArgument(lanes, boxes, rough).check()


EXACT = {
    **KNOWN,
    "turned": replace(spec_of(3, 2), curve=make_curve("hilbert", 2, "x,-y,z", 3)),
    "results of eight bits": replace(spec_of(3, 2), output=Output("uint8", (0, 255))),
    "both ends within": scaled(0.0052, -60, Fraction(1, 20)),
    "few codes": scaled(1 / 600, -128, Fraction(1, 8)),
    "few chains": scaled(1 / 512, -128, Fraction(1, 8)),
    "own zero points": distinct((0.00392,) * 3, (-128, -127, -120), Fraction(0)),
    "own scales that are far apart": distinct((0.003, 0.006, 1 / 256), (-128, 20, -60), Fraction(1, 20)),
    "own heads, turned": replace(OWN, curve=make_curve("hilbert", 2, "-y,z,x", 3), output=Output("uint16", (999, 3))),
}


@pytest.mark.parametrize("name", EXACT)
def test_the_model_is_exact_on_random_codes_and_on_ties(name: str) -> None:
    spec = EXACT[name]
    lanes, boxes, layout = known_of(spec)
    KindsArgument(lanes, boxes, layout).check()
    generator = np.random.default_rng(5)
    least = int(spec.heads.codes().min())
    queries = generator.integers(least, least + 256, (8000, 3))
    queries[4000:] = generator.choice(np.arange(least, least + 256, 8), (4000, 3))
    flat = (queries & 255).T
    exact = decode_tuples(spec, queries)
    assert np.array_equal(lanes.decode(layout, *flat), exact)
    # Along chains, those that are no close call, too.
    asked = np.flatnonzero(lanes.kinds(flat) >= lanes.chained)
    assert len(asked)
    assert np.array_equal(lanes.exactly(layout, flat[:, asked]), exact[asked])


def test_savings_that_rounded_distances_leave_open_are_close_calls() -> None:
    """With bounds far above the error many are, and all results are right."""
    lanes, boxes, layout = known_of(KNOWN["off the grid"])
    rough = replace(lanes, wrong=Wrong(600, 900, 1200))
    KindsArgument(rough, boxes, layout).check()
    queries = np.random.default_rng(7).integers(0, 256, (20000, 3))
    assert np.array_equal(rough.decode(layout, *queries.T), decode_tuples(KNOWN["off the grid"], queries))


def test_kinds_and_what_follows_have_room() -> None:
    for lanes, _, _ in map(known_of, KNOWN.values()):
        assert len(lanes.ids) <= BYTE
        assert len(lanes.links) - lanes.behind <= BELOW + 1
        assert int(lanes.distance.max()) ** 2 >> 16 < CROSSING
        assert sum(table.nbytes for table in lanes.tables()) < 6600


@pytest.mark.parametrize(
    ("scale", "inset"), [(1 / 256, Fraction(1, 10)), (1 / 255, Fraction(0)), (1 / 384, Fraction(1, 8))]
)
def test_codes_half_way_between_vertices(scale: float, inset: Fraction) -> None:
    lanes, boxes, layout = known_of(scaled(scale, -128, inset))
    KindsArgument(lanes, boxes, layout).check()


def test_scales_that_64_bits_do_not_tell_apart_are_left_to_the_portable_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def close(self: object, *_: object) -> None:
        raise CloseCall("two half segments are too close a call")

    spec = known_of(KNOWN["cell grid"])[0].spec
    built = Corner().build(spec, ideal_of(spec, np.zeros((1, 3), dtype=np.int64)), False)
    monkeypatch.setattr(Argument, "check_apart", close)
    made = built.offers["mve"]()
    assert made is not None and "lane_role" in [table.name for table in made.tables]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match="not three heads"):
        kinds_of(spec_of(4, 1))
    with pytest.raises(Refused, match="too many boxes"):
        kinds_of(spec_of(3, 3))
    with pytest.raises(Refused, match="too many half segments"):
        kinds_of(spec_of(3, 2, "moore"))
    with pytest.raises(Refused, match="no distances of 16 bits"):
        kinds_of(replace(spec_of(3, 2), output=Output("uint16", (0, 20))))


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0005, -128), (0.0013, 50), (0.0021, 100)])
def test_codes_that_reach_few_boxes(scale: float, zero_point: int) -> None:
    """The last boxes may be of the first kind, and all of one."""
    spec = scaled(scale, zero_point, Fraction(0))
    lanes, boxes, layout = known_of(spec)
    KindsArgument(lanes, boxes, layout).check()
    queries = np.random.default_rng(9).integers(-128, 128, (4000, 3))
    assert np.array_equal(lanes.decode(layout, *(queries & 255).T), decode_tuples(spec, queries))
