"""`corner` in lanes with phases: its model, and that its argument for all tuples notices faults in its tables."""

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
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import Parts
from hilbert_codegen.kernels.corner.lanes import CLOSE, CODES, HIGHEST, NONE
from hilbert_codegen.kernels.corner.lanes_number import Pairs, Sums
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import FIRST, LAST, Phases, phases_of
from hilbert_codegen.kernels.corner.phases_argument import PhasesArgument
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_corner_lanes import faulty, off_grid, portable, turned

Known = tuple[Phases, Parts, Layout]
#: Scales and zero points of heads that are not alike.
SCALES = (0.00437, 0.0041, 0.0045, 0.00425, 0.0043, 0.00415)
ZERO_POINTS = (-97, -105, -88, -100, -93, -110)


def own_heads(heads: int, spec: Spec | None = None) -> Spec:
    """Order 1 with a scale and a zero point of every head."""
    scales = tuple(Fraction(scale) for scale in SCALES[:heads])
    head = Heads("int8", "interleaved", scales, ZERO_POINTS[:heads], (Fraction(0), Fraction(1)))
    return replace(spec or spec_of(heads, 1), heads=head, inset=Fraction(1, 10))


#: With three heads on the cell grid no factor of 15 bits serves all results.
SHIFTED = spec_of(3, 1)
KNOWN = {
    "cell grid": spec_of(4, 1),
    "off the grid": off_grid(4, 1),
    "own": own_heads(4),
    "shifted": SHIFTED,
    "six": spec_of(6, 1),
}


@cache
def known_of(spec: Spec) -> Known:
    return *phases_of(spec), portable(spec)


@pytest.fixture(scope="module", params=["cell grid", "off the grid", "own"])
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
        ("share", lambda lanes: 3, lambda lanes, old: old ^ bits_of(lanes)[0], "another box than"),
        ("share", lambda lanes: 3, lambda lanes, old: old ^ bits_of(lanes)[1], "another zone or class than"),
        ("share", lambda lanes: -3, lambda lanes, old: old ^ bits_of(lanes)[2], "another box than"),
        ("line", lambda lanes: 100, lambda lanes, old: old + 700, "distances are not in the order"),
        ("line", lambda lanes: -28, lambda lanes, old: old - 700, "distances are not in the order"),
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


def bits_of(lanes: Phases) -> tuple[int, int, int]:
    """The bits of shares that are a half cell and a class of the first axis, and a half cell of the last one."""
    number = lanes.pairs
    if isinstance(number, Sums):
        last = number.heads - 1
        place = [number.weight[axis] << number.drop for axis in (0, last)]
        bits = [place[0] << number.empty, 1 << number.lowest[0] + number.empty, place[1] << number.empty]
        return bits[0], bits[1], bits[2] >> number.empty + number.joint if last in number.high else bits[2]
    return 1 << number.halves, 1 << number.places[0], 1 << number.halves + number.pairs - 1


def test_the_argument_notices_another_factor(known: Known) -> None:
    noticed(known, replace(known[0], slope=known[0].slope * 101 // 100), "a result is wrong")
    noticed(known, replace(known[0], slope=0), "there is no factor")
    noticed(known, replace(known[0], down=1), "one and a shift")


def test_the_argument_notices_another_shift() -> None:
    known = known_of(SHIFTED)
    noticed(known, replace(known[0], down=known[0].down + 1), "a result is wrong")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": 3}, "may seem to save less|off by more"),
        ({"crossing": 10}, "may seem to save less"),
        ({"crossing": -20}, "off by more"),
        ({"crossing": 32000}, "do not fit 15 bits"),
        ({"rough": 1}, "may seem to save less|off by more"),
    ],
)
def test_the_argument_notices_savings_that_are_taken_in_another_way(
    change: dict[str, int], message: str, known: Known
) -> None:
    lanes = known[0]
    scale = replace(lanes.scale, **{name: getattr(lanes.scale, name) + by for name, by in change.items()})
    if "times" in change:
        scale = replace(scale, times=lanes.scale.times // 2)
    noticed(known, replace(lanes, scale=scale), message)


def test_the_argument_notices_heads_that_are_not_alike() -> None:
    """Tables of one head serve all only where all are alike; those of each have its codes in their place."""
    lanes, boxes, layout = known_of(own_heads(4))
    rows = lanes.line.reshape(-1, CODES)
    noticed(
        (lanes, boxes, layout), replace(lanes, line=rows[[1, 0, 2, 3]].reshape(-1)), "distances are not in the order"
    )
    shares = lanes.share[[1, 0, 2, 3]]
    noticed((lanes, boxes, layout), replace(lanes, share=shares), "another box than|another zone or class")
    alike = phases_of(spec_of(4, 1))[0]
    noticed(
        (lanes, boxes, layout), replace(alike, spec=lanes.spec), "another box than|another zone or class|of their own"
    )


def test_the_argument_notices_what_no_lane_holds(known: Known) -> None:
    lanes = known[0]
    for phase in (HIGHEST + 1, -HIGHEST - 1, int(lanes.line.max()) - HIGHEST - 1):
        noticed(known, faulty(lanes, "phase", lanes.first, phase), "does not fit its bits")
    shifted = known_of(SHIFTED)
    for phase in (LANE, -1):
        noticed(shifted, faulty(shifted[0], "phase", shifted[0].first, phase), "does not fit its bits")


def test_the_argument_notices_distances_that_are_the_same() -> None:
    """With results of few codes the distance of a code may be that of the next one, and all results stay."""
    known = known_of(replace(spec_of(3, 1), output=Output("uint8", (0, 7))))
    lanes = known[0]
    order = np.argsort(lanes.line, kind="stable")
    low = next(int(at) for at in order if lanes.line[at] > 0)
    high = next(int(at) for at in order if lanes.line[at] > lanes.line[low])
    same = np.where(lanes.line == lanes.line[low], lanes.line[high], lanes.line)
    noticed(known, replace(lanes, line=same), "distances are not in the order")


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


def test_the_argument_notices_a_margin_that_is_too_small(known: Known) -> None:
    lanes = known[0]
    noticed(known, replace(lanes, margin=lanes.margin // 4), "off by more than the margin")
    noticed(known, replace(lanes, later=lanes.later // 4), "off by more than the margin")


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
    *(own_heads(heads) for heads in (3, 4, 5, 6)),
    *(own_heads(4, turned(4, orientation)) for orientation in ("u,z,y,x", "x,-u,z,y")),
    own_heads(5, turned(5, "v,y,z,u,x")),
    own_heads(6, replace(spec_of(6, 1), output=Output("uint8", (255, 0)))),
    own_heads(3, spec_of(3, 1, "moore")),
    own_heads(4, replace(spec_of(4, 1), output=Output("uint8", (0, 9)))),
    replace(spec_of(4, 1), output=Output("uint8", (0, 2))),
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
    rough = replace(lanes, margin=600, later=1200)
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
    pair, there, _ = lanes.more.reshape(3, -1)
    exact = there[pair > 0] != CLOSE
    assert exact.sum() >= len(exact) - 2
    assert (there[pair > 0][exact] & lanes.mark == lanes.mark).all()


@pytest.mark.parametrize(("heads", "down"), [(3, 3), (4, 0), (5, 5), (6, 0)])
def test_a_shift_stands_for_the_factor_where_15_bits_are_too_few(heads: int, down: int) -> None:
    lanes, _ = phases_of(spec_of(heads, 1))
    assert (lanes.slope == 0, lanes.down) == (down > 0, down)
    assert lanes.scale.rough == (2 if down else 0)


def test_heads_that_are_alike_are_looked_up_in_pairs() -> None:
    assert type(phases_of(spec_of(4, 1))[0].number) is Pairs
    assert type(phases_of(own_heads(4))[0].number) is Sums


@pytest.mark.parametrize(("heads", "free"), [(heads, free) for heads in (3, 4, 5, 6) for free in range(heads)])
def test_shares_of_heads_that_are_not_alike_are_bytes(heads: int, free: int) -> None:
    """Every index is made of other bits, of which the low byte and the high one have what fits them."""
    number = Sums(heads, free)
    bits = [
        sum({number.weight[axis] << number.drop, *(1 << number.lowest[axis] + i for i in range(number.widths[axis]))})
        for axis in range(heads)
    ]
    assert sum(bits) == (1 << number.index_bits) - 1
    assert sum(bits[axis] for axis in number.low) == (1 << number.joint) - 1
    assert number.joint <= 8
    assert number.index_bits - number.joint <= 8
    assert (number.joint == 8) == (heads > 4)
    assert set(number.low) | set(number.high) == set(range(heads))


@pytest.mark.parametrize("name", ["cell grid", "own", "six"])
def test_entries_that_others_follow_stand_behind_those_that_none_do(name: str) -> None:
    """The assembly goes on where an entry is one of the last."""
    lanes = known_of(KNOWN[name])[0]
    further = lanes.more.reshape(3, -1)[2] > 0
    assert further.any()
    assert (np.diff(further.astype(int)) >= 0).all()
    assert lanes.params()["followed"] == np.flatnonzero(further)[0]


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
    with pytest.raises(Refused, match="no distances of 16 bits"):
        phases_of(
            replace(spec_of(3, 1), curve=make_curve("moore", 1, dimensions=3), output=Output("uint16", (3, 65000)))
        )
