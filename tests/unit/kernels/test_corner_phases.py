"""`corner` in lanes with phases: its model, and that its argument for all tuples notices faults in its tables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.curves import make_curve
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import Parts
from hilbert_codegen.kernels.corner.lanes import CLOSE, CODES, HIGHEST, NONE
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import FIRST, LAST, Phases, phases_of
from hilbert_codegen.kernels.corner.phases_argument import PhasesArgument
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_corner_lanes import faulty, off_grid, portable, turned

Known = tuple[Phases, Parts, Layout]
KNOWN = {"cell grid": spec_of(4, 1), "off the grid": off_grid(4, 1), "six": spec_of(6, 1)}


def known_of(spec: Spec) -> Known:
    return *phases_of(spec), portable(spec)


@pytest.fixture(scope="module", params=["cell grid", "off the grid"])
def known(request: pytest.FixtureRequest) -> Known:
    return known_of(KNOWN[request.param])


@pytest.fixture(scope="module")
def six() -> Known:
    return known_of(KNOWN["six"])


def boxes_of(lanes: Phases) -> list[int]:
    """The numbers of all boxes."""
    return [number for number in range(lanes.pairs.mask + 1) if number & ~lanes.pairs.mask == 0]


def listed_box(lanes: Phases) -> int:
    """The number of a box whose list has several half segments."""
    return max(boxes_of(lanes), key=lambda number: len(list(lanes.listed(number))))


def noticed(known: Known, fault: Phases, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        PhasesArgument(fault, *known[1:]).check()


def test_the_argument_holds(known: Known) -> None:
    PhasesArgument(*known).check()


@pytest.mark.parametrize(
    ("table", "at", "change", "message"),
    [
        ("share", lambda lanes: 3, lambda lanes, old: old ^ 1 << lanes.pairs.halves, "another box than"),
        ("share", lambda lanes: 3, lambda lanes, old: old ^ 1 << lanes.pairs.places[0], "another zone or class than"),
        ("line", lambda lanes: 100, lambda lanes, old: old + 700, "squares are not in the order|off by more"),
        ("more", lambda lanes: 3 * lanes.entries + 128, lambda lanes, old: old - 40, "off by more"),
        ("distance", lambda lanes: 100, lambda lanes, old: old + 1500, "a result is wrong"),
        ("role", lambda lanes: 0, lambda lanes, old: old ^ 1 << 8, "lanes: box"),
        ("base", lambda lanes: lanes.first, lambda lanes, old: old + 1, "a result is wrong"),
        ("phase", lambda lanes: lanes.first, lambda lanes, old: old + 600, "a result is wrong"),
        ("chain", lambda lanes: int(np.flatnonzero(lanes.chain)[0]), lambda lanes, old: 0, "missing in the list"),
        ("role", lambda lanes: listed_box(lanes) | lanes.first, lambda lanes, old: len(lanes.lists), "has no end"),
        ("lists", lambda lanes: len(lanes.lists) - 1, lambda lanes, old: old ^ LAST, "has no end"),
    ],
)
def test_the_argument_notices(table: str, at: Any, change: Any, message: str, known: Known) -> None:
    lanes = known[0]
    place = at(lanes)
    old = int(getattr(lanes, table).reshape(-1)[place])
    noticed(known, faulty(lanes, table, place, change(lanes, old)), message)


def test_the_argument_notices_another_shift(known: Known) -> None:
    noticed(known, replace(known[0], down=known[0].down + 1), "a result is wrong")


def test_the_argument_notices_what_no_lane_holds(known: Known) -> None:
    lanes = known[0]
    unused = next(i for i in range(len(lanes.phase)) if i & ~(lanes.pairs.mask | lanes.first))
    noticed(known, faulty(lanes, "phase", unused, LANE), "does not fit 16 bits")
    noticed(known, faulty(lanes, "phase", unused, -1), "is negative")


def test_the_argument_notices_distances_that_are_the_same() -> None:
    """With results of few codes the distance of a code may be that of the next one, and all results stay."""
    known = known_of(replace(spec_of(3, 1), output=Output("uint8", (0, 7))))
    lanes = known[0]
    order = np.argsort(lanes.line, kind="stable")
    low = next(int(at) for at in order if lanes.line[at] > 0)
    high = next(int(at) for at in order if lanes.line[at] > lanes.line[low])
    same = np.where(lanes.line == lanes.line[low], lanes.distance[high], lanes.distance)
    noticed(known, replace(lanes, distance=same), "distances are not in the order")


def test_the_argument_notices_faults_in_lists(six: Known) -> None:
    """A half segment that is missing, one across other axes, the other one of its box, and two that are exchanged."""
    lanes = six[0]
    begin = int(lanes.role[listed_box(lanes) | lanes.first])
    byte = int(lanes.lists[begin])
    noticed(six, faulty(lanes, "lists", begin, byte | LAST), "missing in the list")
    noticed(six, faulty(lanes, "lists", begin, byte ^ FIRST), "of its list|missing in the list|order that settles")
    noticed(six, faulty(lanes, "lists", begin, byte ^ 0b11), "of its list|missing in the list|order that settles")
    exchanged = lanes.lists.copy()
    exchanged[[begin, begin + 1]] = lanes.lists[[begin + 1, begin]]
    noticed(six, replace(lanes, lists=exchanged), "order that settles ties")


def test_the_argument_notices_a_margin_that_is_too_small() -> None:
    known = known_of(KNOWN["off the grid"])
    assert known[0].margin > 0
    noticed(known, replace(known[0], margin=known[0].margin // 4), "off by more than the margin")


def test_the_argument_notices_exact_distances_that_do_not_tell() -> None:
    """Positions of too few bits, as no table of the portable functions has them."""
    lanes, boxes, layout = known_of(KNOWN["off the grid"])
    rough = replace(layout, wide=0, one=8, factor=layout.factor * 0 + 1, slope=layout.slope * 0, term=layout.term * 0)
    with pytest.raises(CheckFailed, match="too close a call"):
        PhasesArgument(lanes, boxes, rough).check()


def test_a_half_segment_that_is_none_has_no_results(known: Known) -> None:
    lanes = known[0]
    assert (lanes.results(len(lanes.base), np.arange(4)) == NONE).all()


EXACT = [
    *(spec_of(heads, 1) for heads in (3, 4, 5, 6)),
    *(off_grid(heads, 1) for heads in (3, 4, 5, 6)),
    *(turned(4, orientation) for orientation in ("x,y,u,z", "u,z,y,x", "x,-u,z,y", "x,-y,z,u")),
    *(turned(heads, orientation) for heads, orientation in ((3, "x,z,y"), (3, "z,y,x"), (5, "v,y,z,u,x"))),
    replace(spec_of(6, 1), output=Output("uint8", (0, 255))),
    replace(spec_of(4, 1), output=Output("int16", (1000, -1000))),
    spec_of(3, 1, "moore"),
]


@pytest.mark.parametrize("spec", EXACT)
def test_the_model_is_exact_on_random_codes_and_on_ties(spec: Spec) -> None:
    lanes, boxes, layout = known_of(spec)
    PhasesArgument(lanes, boxes, layout).check()
    generator = np.random.default_rng(5)
    least = int(spec.heads.codes().min())
    queries = generator.integers(least, least + 256, (6000, spec.dimensions))
    queries[3000:] = generator.choice(np.arange(least, least + 256, 16), (3000, spec.dimensions))
    assert np.array_equal(lanes.decode(layout, *(queries & 255).T), decode_tuples(spec, queries))


@pytest.mark.parametrize("name", KNOWN)
def test_exact_distances_give_every_point(name: str) -> None:
    """Those that are no close call, too."""
    spec = KNOWN[name]
    lanes, _, layout = known_of(spec)
    least = int(spec.heads.codes().min())
    queries = np.random.default_rng(7).integers(least, least + 256, (3000, spec.dimensions))
    assert np.array_equal(lanes.exactly(layout, (queries & 255).T), decode_tuples(spec, queries))


def test_savings_that_rounded_squares_leave_open_are_close_calls() -> None:
    """With a margin far above the error many are, and all results are right."""
    lanes, boxes, layout = known_of(KNOWN["off the grid"])
    wide = 600
    costs = [min(round(lanes.unit * (1 - 2 * g)) - wide, HIGHEST) for g in boxes.offset[0]]
    rough = replace(lanes, margin=wide, more=np.append(lanes.more[: 3 * lanes.entries], costs))
    PhasesArgument(rough, boxes, layout).check()
    queries = np.random.default_rng(7).integers(0, 256, (20000, 4))
    assert np.array_equal(rough.decode(layout, *queries.T), decode_tuples(KNOWN["off the grid"], queries))


@pytest.mark.parametrize("orientation", ["x,y,z,u", "x,-y,z,u"])
def test_no_half_segment_has_the_number_of_a_close_call(orientation: str) -> None:
    """Else many points beside other corners would be taken for one: with the second of these orders a chain has one of
    number 0, and the numbers in chains a mark."""
    lanes, _ = phases_of(turned(4, orientation))
    found = {at for number in boxes_of(lanes) for _, at, across in lanes.listed(number) if across}
    assert (0 in found) == (lanes.mark > 0) == (orientation != "x,y,z,u")
    pair, there, _ = lanes.more[: 3 * lanes.entries].reshape(3, -1)
    exact = there[pair > 0] != CLOSE
    assert exact.sum() >= len(exact) - 2
    assert (there[pair > 0][exact] & lanes.mark == lanes.mark).all()


@pytest.mark.parametrize(("heads", "down"), [(3, 3), (4, 4), (5, 5), (6, 6)])
def test_distances_have_as_many_bits_as_lanes_hold(heads: int, down: int) -> None:
    assert phases_of(spec_of(heads, 1))[0].down == down


def test_costs_below_zero_stand_in_the_table() -> None:
    """Where a code is half way between two vertices, the cost is 0 less the margin."""
    lanes, _ = phases_of(replace(spec_of(4, 1), inset=Fraction(1, 10)))
    costs = lanes.more[-CODES:]
    line = lanes.tables()[1].values
    assert costs.min() < 0
    assert np.array_equal(line[2 * CODES : 3 * CODES].astype(np.uint16).view(np.int16), costs)


def test_codes_that_reach_but_one_half_of_an_axis() -> None:
    """No code is in the boxes of most vertices, whose half segments are nearest all the same."""
    spec = spec_of(4, 1)
    head = Heads("int8", "interleaved", (Fraction(1, 600),) * 4, (-128,) * 4, (Fraction(0), Fraction(1)))
    spec = replace(spec, heads=head)
    lanes, boxes, layout = known_of(spec)
    assert not boxes.half[0].any()
    PhasesArgument(lanes, boxes, layout).check()
    queries = np.random.default_rng(8).integers(-128, 128, (4000, 4))
    assert np.array_equal(lanes.decode(layout, *(queries & 255).T), decode_tuples(spec, queries))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(Refused, match="more than two half cells"):
        phases_of(spec_of(3, 2))
    spec = spec_of(4, 1)
    scales = (Fraction(1, 256), Fraction(1, 200), Fraction(1, 256), Fraction(1, 256))
    with pytest.raises(Refused, match="distances of their own"):
        phases_of(replace(spec, heads=replace(spec.heads, scale=scales)))
    with pytest.raises(Refused, match="no distances of 16 bits"):
        phases_of(
            replace(spec_of(3, 1), curve=make_curve("moore", 1, dimensions=3), output=Output("uint16", (3, 65000)))
        )
