"""`corner`: its model, its C, and that its argument for all tuples notices every kind of fault in the tables."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.bench.verify import run_pairs
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.kernels import IntArray, Refused
from hilbert_codegen.kernels.corner import Corner
from hilbert_codegen.kernels.corner.apart import chosen, points_of
from hilbert_codegen.kernels.corner.argument import Argument
from hilbert_codegen.kernels.corner.geometry import ACROSS, LAST, Item, Parts, asked, items, lists_of, united
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.kernels.corner.params import only_of
from hilbert_codegen.kernels.corner.tables import layout_of
from hilbert_codegen.kernels.half_cells import boxes_of, unbeaten
from hilbert_codegen.spec.specification import Output
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_boxes import HEADS, changed, plan_of

SPEC = spec_of(4, 1)


def made(dimensions: int, order: int, kind: str = "hilbert") -> tuple[Layout, Parts]:
    spec = spec_of(dimensions, order, kind)
    geometry = Parts(spec)
    return layout_of(spec, geometry, lists_of(geometry)), geometry


@pytest.fixture(scope="module")
def known() -> tuple[Layout, Parts]:
    return made(4, 1)


def flagged(layout: Layout, kind: Kind) -> IntArray:
    """Boxes with records of a kind."""
    return np.flatnonzero(layout.fields.kinds(layout.record) == kind)


def turn_turned(layout: Layout) -> Layout:
    """The axes of a turn change places, so that the wrong one is added to and ties go the wrong way."""
    fields, place = layout.fields, int(np.flatnonzero(layout.fields.is_turn(layout.record))[0])
    record = int(layout.record[place])
    one, other = record >> fields.axis, record >> fields.other & fields.axis_mask
    return replace(
        layout, record=changed(layout.record, place, (other - one) * ((1 << fields.axis) - (1 << fields.other)))
    )


def place_of(layout: Layout) -> int:
    """Where the record is that the first list follows, in `more`."""
    return int(layout.record[flagged(layout, Kind.AMONG)[0]] & ((1 << layout.at) - 1)) - len(layout.record)


def list_ends_late(layout: Layout) -> Layout:
    """A list goes on with what is no half segment of another corner."""
    at = place_of(layout) + 2
    while not layout.more[at] & LAST:
        at += 2
    return replace(layout, more=changed(layout.more, at, -LAST), margin=8 * layout.margin)


def list_ends_early(layout: Layout) -> Layout:
    """A list of several ends with the first."""
    among = layout.record[flagged(layout, Kind.AMONG)] & ((1 << layout.at) - 1)
    at = next(place for place in (among - len(layout.record) + 2).tolist() if not layout.more[place] & LAST)
    return replace(layout, more=changed(layout.more, at, LAST))


def result_off(layout: Layout) -> Layout:
    """The record of a box with one nearest half segment gives results one higher."""
    plain = int(np.flatnonzero(layout.fields.is_single(layout.record))[0])
    return replace(layout, record=changed(layout.record, plain, 1 << layout.shift))


def others_forgotten(layout: Layout) -> Layout:
    """A box beside other corners has the record of one that is not."""
    record = layout.record.copy()
    record[flagged(layout, Kind.AMONG)[0]] = layout.more[place_of(layout)]
    return replace(layout, record=record)


def another_gate(layout: Layout) -> Layout:
    """Other corners are asked for along an axis that they are not across."""
    place = flagged(layout, Kind.AMONG)[0]
    gate = int(layout.fields.axes(layout.record[place]))
    wrong = next(axis for axis in range(4) if axis != gate)
    return replace(layout, record=changed(layout.record, place, (wrong - gate) << layout.fields.axis))


def equal_told_apart(layout: Layout) -> Layout:
    """The distance of one code, equal to that of others, is one more, and no result of one half segment changes."""
    fields = layout.fields
    turns = layout.words[fields.is_turn(layout.words)]
    words = np.concatenate([layout.words[fields.is_single(layout.words)], *fields.unfolded(turns)])
    for axis, code in np.ndindex(*layout.gap.shape):
        gap = layout.gap[axis, code]
        along = words[fields.axes(words) == axis]
        before, after = (layout._result(along, np.full(len(along), value)) for value in (gap, gap + 1))
        # The last of the equal ones, so that the rest of the order stays right.
        equal = np.flatnonzero(layout.gap.reshape(-1) == gap)
        alone = len(equal) == 1 or equal[-1] != axis * 256 + code or gap + 1 in layout.gap
        if gap > 0 and np.array_equal(before, after) and not alone:
            return replace(layout, gap=changed(layout.gap, axis * 256 + code, 1))
    raise AssertionError("no such code")


def across_another(layout: Layout) -> Layout:
    """The first axis of a half segment of a corner beside is given as its neighbour."""
    return replace(layout, more=changed(layout.more, place_of(layout) + 2, 1 << ACROSS))


def more_savings_than_sure(layout: Layout) -> Layout:
    return replace(layout, margin=layout.margin // 3)


FAULTS: dict[str, tuple[Callable[[Layout], Layout], str]] = {
    "a distance far off": (lambda a: replace(a, gap=changed(a.gap, 200, 1 << 14)), "order of the exact"),
    "equal distances told apart": (equal_told_apart, "order of the exact"),
    "a code in the next box": (lambda a: replace(a, share=changed(a.share, 200, 1)), "another box"),
    "the zone too far": (lambda a: replace(a, zone=a.zone * 9 // 8), "zone"),
    "a result one off": (result_off, "result is wrong"),
    "a turn turned": (turn_turned, "result is wrong|no half segment|order that settles ties"),
    "a list that ends early": (list_ends_early, "missing in the list"),
    "a list that ends late": (list_ends_late, "no half segment|not of another corner|description|result is wrong"),
    "other corners forgotten": (others_forgotten, "missing in the list"),
    "another gate": (another_gate, "none of the axes"),
    "a wrong description": (across_another, "description of a half segment"),
    "a margin below the error": (more_savings_than_sure, "margin"),
    "positions from codes": (lambda a: replace(a, term=a.term + a.one // 256), "too close a call"),
}


def test_the_argument_holds(known: tuple[Layout, Parts]) -> None:
    Argument(*known).check()


def test_the_argument_notices_ties_that_go_the_other_way(
    known: tuple[Layout, Parts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Layout, "ahead", False)
    with pytest.raises(CheckFailed, match="order that settles ties"):
        Argument(*known).check()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_argument_notices(fault: str, known: tuple[Layout, Parts]) -> None:
    layout, geometry = known
    change, says = FAULTS[fault]
    with pytest.raises(CheckFailed, match=says):
        Argument(change(layout), geometry).check()


def test_flags_of_shares() -> None:
    """With five heads a share says whether its code is in the zone, and a record along which axes that is asked."""
    layout, geometry = made(5, 1)
    assert layout.flags == 10
    Argument(layout, geometry).check()
    code = int(np.flatnonzero(layout.gap[0] >= layout.zone)[0])
    unsaid = replace(layout, share=changed(layout.share, code, -(1 << layout.flags)))
    with pytest.raises(CheckFailed, match="another box"):
        Argument(unsaid, geometry).check()
    place = flagged(layout, Kind.AMONG)[0]
    asked = int(layout.record[place]) & (1 << layout.fields.kind) - (1 << layout.asked)
    unasked = replace(layout, record=changed(layout.record, place, -asked))
    with pytest.raises(CheckFailed, match="none of the axes"):
        Argument(unasked, geometry).check()


def off_the_grid(tmp_path: Path, heads: int, *settings: str) -> tuple[Layout, Parts]:
    spec = plan_of(tmp_path, HEADS.format(n=heads, layout="interleaved"), settings).spec
    geometry = Parts(spec)
    return layout_of(spec, geometry, lists_of(geometry)), geometry


def test_distances_leave_room_for_those_next_to_them(tmp_path: Path) -> None:
    """The decimal scale would make these distances equal: they take the numbers up to the bound that the last one has."""
    settings = "curve.order=2", "curve.inset=0.05", "heads.scale=0.0052", "heads.zero_point=-110"
    layout, geometry = off_the_grid(tmp_path, 3, *settings)
    apart = np.diff(sorted({g for axis in geometry.offset for g in axis}))
    assert min(apart) < 1e-12
    Argument(layout, geometry).check()
    # Else every half segment has a base of its own, and no record is of a turn.
    assert layout.fields.is_turn(layout.record).any() and not len(flagged(layout, Kind.PAIR))


def test_some_half_cells_are_cut(tmp_path: Path) -> None:
    """Three heads of order 2 that reach the ends of their axes seldom: no part for those, three half cells in two parts."""
    settings = "curve.order=2", "curve.inset=0", "heads.scale=0.00392"
    layout, geometry = off_the_grid(tmp_path, 3, *settings)
    assert geometry.cells == [0, 1, 1, 2, 3, 4, 4, 5, 5] and not geometry.ends
    Argument(layout, geometry).check()
    queries = np.random.default_rng(2).integers(-128, 128, (6000, 3))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(geometry.spec, queries))
    wrong = np.where(geometry.part[0] == 1, 2, geometry.part[0])
    with pytest.raises(CheckFailed, match="another box"):
        Argument(replace(layout, share=layout.share + (wrong - geometry.part[0])), geometry).check()


OFTEN = {
    "alike": ("curve.inset=0", "heads.scale=0.00311", "heads.zero_point=-102"),
    "own": (
        "curve.inset=0.1",
        "heads.scale=[0.00311,0.0030,0.0032,0.00305,0.00315,0.0029]",
        "heads.zero_point=[-102,-105,-98,-100,-93,-110]",
    ),
}


@pytest.mark.parametrize("settings", OFTEN.values(), ids=OFTEN)
def test_long_lists_that_are_frequent_stay_apart(settings: tuple[str, ...], tmp_path: Path) -> None:
    """Six heads that never get beyond 0.7 come to long lists often: as many stay apart as bytes number records, or as there is room for."""
    layout, geometry = off_the_grid(tmp_path, 6, *settings)
    lists = lists_of(geometry)
    whole, apart = united(geometry, lists), chosen(geometry, lists, 256, 700, True)
    assert asked(geometry, whole) > 0.65 and asked(geometry, apart) < 0.42
    assert all(set(lists[box]) <= set(apart[box]) for box in lists)
    assert 250 <= len(layout.record) <= 256
    Argument(layout, geometry).check()
    codes = np.random.default_rng(6).integers(-128, 128, (20000, 6))
    assert np.array_equal(layout.decode(*(codes & 255).T), decode_tuples(layout.spec, codes))


def test_lists_stay_apart_as_far_as_there_are_words(tmp_path: Path) -> None:
    _, geometry = off_the_grid(tmp_path, 6, *OFTEN["alike"])
    lists = lists_of(geometry)
    often = []
    for words in (400, 500, 600):
        found = points_of(geometry, chosen(geometry, lists, 256, words, True))
        more = sum(
            1 + 2 * sum(bool(item.across) for item in listed) for _, listed in found if any(i.across for i in listed)
        )
        assert len(found) <= 256 and len(found) + more <= words
        often.append(asked(geometry, chosen(geometry, lists, 256, words, True)))
    assert often == sorted(often, reverse=True) and often[0] > often[-1]


def test_turns_stand_for_half_segments_where_few_points_are(tmp_path: Path) -> None:
    """Of the half cells that have one record in place of several none has more points than another one for which there are records."""
    _, geometry = off_the_grid(tmp_path, 6, *OFTEN["alike"])
    lists = lists_of(geometry)
    found = chosen(geometry, lists, 256, 2000, True)
    turned = {
        geometry.cell(box)
        for box in lists
        if len(found[box]) > len(lists[box]) and not any(i.across for i in lists[box])
    }
    points = Counter[tuple[int, ...]]()
    for (cell, _), count in points_of(geometry, lists).items():
        points[cell] += count
    assert turned and max(points[cell] for cell in turned) < max(points.values()) / 8


def test_lists_are_united_where_they_are_seldom_asked_for(tmp_path: Path) -> None:
    settings = "heads.scale=0.00437", "heads.zero_point=-97", "curve.inset=0.1"
    layout, geometry = off_the_grid(tmp_path, 5, *settings)
    whole = united(geometry, lists_of(geometry))
    assert asked(geometry, whole) < 0.25
    assert len(layout.record) == len(points_of(geometry, whole))


UNEVEN = {
    # Few codes in the upper half cell; none at an end; none in the upper half cell; few in the lower one.
    "few": (0.003, -60, 0.0, (1, 0), (0,)),
    "few, none clamped": (0.0021, -128, 0.0, (2, 0), ()),
    "none": (0.00196, -127, 0.0, (3, 0), ()),
    "none, clamped": (0.0028, -50, 0.1, (2, 0), (0,)),
    "upper": (0.01, -128, 0.0, (0, 1), (1,)),
    "both": (0.00437, -97, 0.1, (1, 1), ()),
}


@pytest.mark.parametrize("case", UNEVEN.values(), ids=UNEVEN)
def test_half_cells_with_few_codes_are_not_cut(
    case: tuple[float, int, float, tuple[int, int], tuple[int, ...]], tmp_path: Path
) -> None:
    scale, zero, inset, cuts, ends = case
    settings = f"heads.scale={scale}", f"heads.zero_point={zero}", f"curve.inset={inset}"
    layout, geometry = off_the_grid(tmp_path, 6, *settings)
    assert (tuple(map(len, geometry.cuts)), geometry.ends) == (cuts, ends)
    assert layout.box is not None and len(layout.box) <= 4096
    Argument(layout, geometry).check()
    codes = np.random.default_rng(6).integers(-128, 128, (20000, 6))
    assert np.array_equal(layout.decode(*(codes & 255).T), decode_tuples(layout.spec, codes))


def test_heads_of_their_own_have_a_part_less_along_the_rarest_axis(tmp_path: Path) -> None:
    layout, geometry = off_the_grid(tmp_path, 6, *OFTEN["own"])
    along = np.bincount(geometry.heads.axis)
    assert geometry.coarse is not None and along[geometry.coarse] == along.min()
    assert layout.box is not None and len(layout.box) == 3072
    # Four bytes and two that are moved.
    assert [int(share.max()) > 255 for share in layout.share].count(True) == 2


def test_the_argument_notices_two_boxes_of_one_number(tmp_path: Path) -> None:
    layout, geometry = off_the_grid(tmp_path, 6, *OFTEN["own"])
    geometry.digits[1] = geometry.digits[1] | {2: geometry.digits[1][3]}
    with pytest.raises(CheckFailed, match="two boxes have one number"):
        Argument(layout, geometry).check()


def test_heads_of_their_own_are_cut_less(tmp_path: Path) -> None:
    """Three heads of order 2: their tables are long."""
    for scale, cut in (("0.00392", 3), ("[0.00392,0.0039,0.00391]", 2)):
        _, geometry = off_the_grid(tmp_path, 3, "curve.order=2", "curve.inset=0", f"heads.scale={scale}")
        assert sum(map(bool, geometry.cuts)) == cut


def test_a_part_may_be_nearer_to_other_corners_throughout(tmp_path: Path) -> None:
    """No half segment of the own vertex is nearest in its box; one is listed first all the same, as savings start there."""
    settings = "curve.order=2", "curve.inset=0.05", "heads.scale=0.00343", "heads.zero_point=-112"
    layout, geometry = off_the_grid(tmp_path, 3, *settings)
    lonely = 0
    for box, tables, _ in boxes_of(geometry):
        cell = geometry.cell(box)
        found = unbeaten(geometry, cell, tables)
        lonely += all(item.across for item in items(geometry, cell, found))
    assert lonely
    assert not any(listed[0].across for listed in lists_of(geometry).values())
    Argument(layout, geometry).check()
    queries = np.random.default_rng(2).integers(-128, 128, (20000, 3))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(geometry.spec, queries))


@pytest.mark.parametrize(("heads", "order", "only"), [(3, 1, (2, 0, 1)), (3, 2, ()), (4, 1, ())])
def test_axes_that_all_lists_share(heads: int, order: int, only: tuple[int, ...]) -> None:
    """The assembly of three heads of order 1 compares three distances, which are in every list."""
    layout, _ = made(heads, order)
    assert only_of(layout) == only
    if only:
        at = place_of(layout)
        assert only_of(replace(layout, more=changed(layout.more, at, 1 << layout.fields.axis))) == ()


def plain(seed: int) -> tuple[int, tuple[str, ...]]:
    """Number of heads and settings: scales, insets and zero points as people write them."""
    generator = np.random.default_rng(seed)
    heads = int(generator.integers(3, 5))
    order = int(generator.integers(1, 6 - heads))
    scale = round(float(generator.uniform(0.0035, 0.0055)), int(generator.integers(3, 6)))
    inset = round(float(generator.uniform(0.04, 0.2)), int(generator.integers(1, 4)))
    zero = int(generator.integers(-128, -90))
    return heads, (
        f"curve.order={order}", f"curve.inset={inset}", f"heads.scale={scale}", f"heads.zero_point={zero}"
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_plain_scales_are_served(seed: int, tmp_path: Path) -> None:
    """Their binary numbers are close to ties that the decimal ones would have."""
    heads, settings = plain(seed)
    spec = plan_of(tmp_path, HEADS.format(n=heads, layout="interleaved"), settings).spec
    geometry = Parts(spec)
    layout = layout_of(spec, geometry, lists_of(geometry))
    Argument(layout, geometry).check()
    queries = np.random.default_rng(seed).integers(-128, 128, (3000, heads))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(spec, queries))


#: Exact ties of the decimal scale 0.005, some of them down to the first order of what the binary one differs by.
CLOSE = "curve.order=2", "curve.inset=0.05", "heads.scale=0.005", "heads.zero_point=-100"


#: A scale and a zero point for each of up to six heads.
SCALES, ZERO_POINTS = (0.00437, 0.0041, 0.0045, 0.00425, 0.0043, 0.00415), (-97, -105, -88, -100, -93, -110)


@pytest.mark.parametrize(("heads", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
def test_distances_of_heads_of_their_own(heads: int, order: int, tmp_path: Path) -> None:
    """Each head has a table of them: 16 bits are enough, though bases of vertices have to move for that, and turns remain."""
    own = f"heads.scale={list(SCALES[:heads])}", f"heads.zero_point={list(ZERO_POINTS[:heads])}"
    layout, geometry = off_the_grid(tmp_path, heads, f"curve.order={order}", "curve.inset=0.1", *own)
    assert int(layout.gap.max()) < 1 << 16 and not layout.flags
    assert layout.fields.is_turn(layout.record).any() and not len(flagged(layout, Kind.PAIR))
    Argument(layout, geometry).check()
    queries = np.random.default_rng(6).integers(-128, 128, (6000, heads))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(geometry.spec, queries))


def test_distances_that_16_bits_do_not_tell_apart(tmp_path: Path) -> None:
    """Decimal scales that divide a cell make pairs of distances that differ by some 2^-55: they take more bits, and turns remain."""
    own = "heads.scale=[0.00392, 0.0039, 0.004]", "heads.zero_point=[-128, -126, -127]"
    layout, geometry = off_the_grid(tmp_path, 3, "curve.inset=0", *own)
    assert int(layout.gap.max()) >= 1 << 16
    assert layout.fields.is_turn(layout.record).any() and not len(flagged(layout, Kind.PAIR))
    Argument(layout, geometry).check()


@pytest.mark.parametrize("what", ["slope", "second"])
def test_the_argument_needs_every_term(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = plan_of(tmp_path, HEADS.format(n=3, layout="interleaved"), CLOSE).spec
    geometry = Parts(spec)
    layout = layout_of(spec, geometry, lists_of(geometry))
    Argument(layout, geometry).check()
    if what == "slope":
        layout = replace(layout, slope=0 * layout.slope)
    else:
        monkeypatch.setattr(Layout, "second", 0)
    with pytest.raises(CheckFailed, match="too close a call"):
        Argument(layout, geometry).check()


#: Half segments of six heads that distances of 30 bits do not tell apart.
DIGITS = (
    (
        "curve.inset=0.125",
        "heads.scale=[0.00303255, 0.00411079, 0.00468522, 0.00305251, 0.00363929, 0.00420448]",
        "heads.zero_point=[-124, -126, -114, -126, -110, -127]",
    ),
    (
        "curve.inset=0",
        "heads.scale=[0.00332263, 0.0032638, 0.00454593, 0.00397228, 0.00454441, 0.00367306]",
        "heads.zero_point=[-128, -128, -119, -128, -125, -125]",
    ),
)


#: For the first of them, where distances of 30 bits take the farther one.
CLOSEST = np.array(
    [[first, second, -16, 15, -65, -77] for first, second in ((-85, -78), (-85, 73), (100, -78), (56, -78))]
)


@pytest.mark.parametrize("settings", DIGITS)
def test_scales_of_many_digits(settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their distances have fractional bits, without which some half segments would be too close a call."""
    layout, geometry = off_the_grid(tmp_path, 6, *settings)
    assert layout.wide
    Argument(layout, geometry).check()
    queries = np.concatenate([CLOSEST, np.random.default_rng(8).integers(-128, 128, (3000, 6))])
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(geometry.spec, queries))
    whole = Layout.exact

    def rounded(self: Layout, axis: int, raw: IntArray) -> tuple[IntArray, IntArray]:
        g, rest = whole(self, axis, raw)
        return g + (rest >> (self.wide - 1)), 0 * rest

    monkeypatch.setattr(Layout, "exact", rounded)
    with pytest.raises(CheckFailed, match="too close a call"):
        Argument(layout, geometry).check()


def test_heads_that_differ_by_the_zero_point_have_the_same_distances(tmp_path: Path) -> None:
    """Also where distances are rounded: else what is equally near would be told apart."""
    scales = "heads.scale=[0.00303255, 0.00303255, 0.00411079, 0.00411079]"
    layout, _ = off_the_grid(tmp_path, 4, "curve.inset=0.1", scales, "heads.zero_point=[-97, -100, -88, -101]")
    assert layout.wide
    for first, second, apart in ((0, 1, 3), (2, 3, 13)):
        codes = np.arange(-90, 120)
        for one, other in zip(layout.exact(first, codes & 255), layout.exact(second, codes - apart & 255), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("scale", ["0.00390625", "0.004", "0.00437", "0.003921568859368563"])
@pytest.mark.parametrize("heads", [3, 6])
def test_savings_fit_their_integers(heads: int, scale: str, tmp_path: Path) -> None:
    """The least is that of a half segment across all axes but one; the terms below it, too."""
    spec = plan_of(tmp_path, HEADS.format(n=heads, layout="interleaved"), (f"heads.scale={scale}",)).spec
    geometry = Parts(spec)
    # A few boxes will do: the sizes do not depend on them.
    layout = layout_of(spec, geometry, {(0,) * heads: [Item(0, int(geometry.heads.axis[0]), ())]})
    found = [layout.exact(a, np.arange(256)) for a in range(heads)]
    largest, slope = (int(max(np.abs(part).max() for part in parts)) for parts in zip(*found, strict=True))
    assert 2 * largest <= layout.one
    most = layout.one**2 * (heads - 1) + largest**2
    assert most < 1 << (31 if layout.narrow else 63) and (3 << 29 if layout.narrow else 3 << 61) > most
    rests = ((2 * layout.one * slope) << layout.second) * heads + slope * slope
    assert rests < 1 << 63
    # In units of the result, as the first comparison has them.
    rough = int((layout.gap >> layout.rough).max())
    assert layout.cell**2 * (heads - 1) + rough**2 < 3 << 29


@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
def test_the_model_is_exact_on_random_codes_and_on_ties(dimensions: int, order: int) -> None:
    layout, geometry = made(dimensions, order)
    generator = np.random.default_rng(5)
    queries = generator.integers(-128, 128, (6000, dimensions))
    # Borders of cells, their middles, and quarters: several half segments are equally near there.
    queries[3000:] = generator.choice(np.arange(-128, 128, 16), (3000, dimensions))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(geometry.spec, queries))


THREE = "heads.scale=[0.00437, 0.00391, 0.00402]", "heads.zero_point=[-97, -120, -128]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heads", "layout", "settings"),
    [
        (3, "interleaved", ("curve.order=2", "curve.inset=0.1", *THREE)),
        (3, "interleaved", CLOSE),
        (4, "planar", ("output.codes=[10000, 500]", "heads.dtype=uint8", "heads.zero_point=0")),
        (5, "interleaved", ("output.dtype=int16", "output.codes=[-32768, 32767]")),
        (6, "planar", ("curve.kind=moore",)),
        (6, "interleaved", ("curve.kind=moore", "output.codes=[0, 3600]")),
        (4, "interleaved", ("curve.kind=moore", "output.dtype=int16", "output.codes=[180, -180]")),
        (6, "interleaved", ("curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97", "output.dtype=uint8")),
        (6, "planar", DIGITS[0]),
    ],
)
def test_compiled_c_is_the_reference(heads: int, layout: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    plan = plan_of(tmp_path, HEADS.format(n=heads, layout=layout), ("code.strategy=corner", *settings))
    if heads == 3:
        queries = np.random.default_rng(1).integers(-128, 128, (20000, 3))
        # The closest tie of CLOSE, and its neighbourhood.
        near = [np.arange(code - 8, code + 9) for code in (60, -60, 0)]
        queries[: 17**3] = np.stack(np.meshgrid(*near), axis=-1).reshape(-1, 3)
        generated = generate(plan)
        wanted = decode_tuples(plan.spec, queries)
    else:
        generated = generate(plan)
        assert generated.domain.listed is not None
        queries, wanted = generated.domain.listed[::7], generated.ideal.codes[::7]
        if settings == DIGITS[0]:
            queries, wanted = np.concatenate([CLOSEST, queries]), np.concatenate([[118, 32129, 65417, 65417], wanted])
    for function, found in run_pairs(plan, generated, queries).items():
        assert np.array_equal(found, wanted), function


@pytest.mark.parametrize(
    ("heads", "order", "codes", "returns"),
    [
        (5, 1, (500, 10000), True),
        (3, 2, (0, 40), True),
        (4, 1, (360, 0), True),
        (6, 1, (0, 3600), True),
        (4, 1, (806, 50912), True),
        (4, 1, (0, 1 << 16), False),
    ],
)
def test_the_end_of_a_closed_curve_is_its_start(heads: int, order: int, codes: tuple[int, int], returns: bool) -> None:
    """A turn ends where it began: what is rounded to its end, if anything is, is given as its start, by the portable C."""
    spec = replace(spec_of(heads, order, "moore"), inset=Fraction(0), output=Output("uint16", codes))
    built = Corner().build(spec, ideal_of(spec, np.zeros((1, heads), dtype=np.int64)), False)
    assert bool(built.portable.params["returns"]) == returns
    # Codes near the first vertex, from both sides of it, and others.
    first = np.array([127 if place else -128 for place in spec.curve.points[0]])
    generator = np.random.default_rng(4)
    queries = generator.integers(-128, 128, (6000, heads))
    queries[3000:] = np.clip(first + generator.integers(-6, 7, (3000, heads)), -128, 127)
    exact = decode_tuples(spec, queries)
    assert np.array_equal(built.portable.decode(*(queries & 255).T), exact)
    assert codes[1] not in exact
    if returns:
        for offer in built.offers.values():
            with pytest.raises(Refused, match="portable C alone"):
                offer()
        layout = layout_of(spec, geometry := Parts(spec), lists_of(geometry))
        with pytest.raises(CheckFailed, match="a result is wrong"):
            Argument(layout, geometry).check()
        # Of long ranges only the first vertex itself would be, which is that of the first segment.
        assert (codes[1] in layout.decode(*(queries & 255).T)) == (abs(codes[1] - codes[0]) < 9000)


def test_lanes_that_their_proof_cannot_follow_are_left_out(tmp_path: Path) -> None:
    """Few codes in a box, of which some are nearer to corners that its chain takes for close calls."""
    settings = "curve.order=2", "curve.inset=0.3804", "heads.scale=0.0078125", "heads.zero_point=-120"
    plan = plan_of(
        tmp_path,
        HEADS.format(n=4, layout="interleaved"),
        ("code.strategy=corner", "code.target=cortex-m55", "code.max_flash_bytes=1048576", *settings),
    )
    assert "mve" not in generate(plan).built.variants


@pytest.mark.parametrize("inset", [Fraction(0), Fraction(1, 20), Fraction(1, 10), Fraction(1, 4)])
@pytest.mark.parametrize(("heads", "order"), [(3, 1), (3, 2), (4, 1), (5, 1)])
def test_boxes_cut_in_any_way_are_exact(heads: int, order: int, inset: Fraction) -> None:
    """Where more or fewer codes are clamped half cells are cut otherwise; the argument and random queries hold with all."""
    spec = replace(spec_of(heads, order, scale=Fraction(0.00437)), inset=inset)
    geometry = Parts(spec)
    layout = layout_of(spec, geometry, lists_of(geometry))
    Argument(layout, geometry).check()
    queries = np.random.default_rng(3).integers(-128, 128, (8000, heads))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(spec, queries))


@pytest.mark.parametrize(("heads", "order"), [(3, 2), (4, 1), (6, 1)])
def test_the_margin_is_above_any_error(heads: int, order: int) -> None:
    """Of random codes, the savings of every two of a list in 32 bits against the exact ones: less than it, and near enough."""
    spec = replace(spec_of(heads, order, scale=Fraction(0.00437)), inset=Fraction(1, 10))
    geometry = Parts(spec)
    layout = layout_of(spec, geometry, lists_of(geometry))
    c0, c1 = spec.output.codes
    unit = abs(c1 - c0) * (1 << layout.shift) / (spec.curve.segments << layout.rough)
    codes = np.random.default_rng(4).integers(0, 256, (heads, 20000))
    exact = np.array([[float(geometry.offset[a][code]) for code in axis] for a, axis in enumerate(codes.tolist())])
    whole = np.stack([layout.gap[a][axis] >> layout.rough for a, axis in enumerate(codes)])

    def savings(along: int, across: set[int]) -> tuple[IntArray, Any]:
        found = whole[along] ** 2 - sum(layout.level - 2 * layout.cell * whole[a] for a in across)
        return found, exact[along] ** 2 - sum(1 - 2 * exact[a] for a in across)

    largest = 0.0
    for listed in layout.lists:
        for one, other in itertools.combinations([set(), *listed], 2):
            for along, second in itertools.product(range(heads), repeat=2):
                if along not in one and second not in other:
                    (a, true), (b, wanted) = savings(along, one), savings(second, other)
                    largest = max(largest, float(np.abs((a - b) - (true - wanted) * unit**2).max()))
    assert layout.margin / 3 < largest < layout.margin
