"""Distances of `corner`: its model and its C against the exact reference, close calls among them, and what its check notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbert_codegen.bench.verify import run_pairs, verify
from hilbert_codegen.emit.choose import survey
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import measure_tuples
from hilbert_codegen.exact.reference import codes_only
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.code_offsets import CodeOffsets
from hilbert_codegen.kernels.corner import Corner, distance
from hilbert_codegen.kernels.corner.distance import ROOM, Distances, Offset, distances_of
from hilbert_codegen.kernels.corner.geometry import LAST, Parts, lists_of
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.kernels.corner.tables import layout_of
from hilbert_codegen.spec.specification import Output, Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_boxes import changed
from tests.unit.kernels.test_boxes_distance import SPECS, plan_of, scaled


def widened(axis: list[Offset], shift: int) -> Fraction:
    """In place of what the squares of an axis are off by: of six heads as much as a margin can be."""
    return Fraction(1 << shift, 4 * 6)


def made(spec: Spec, room: int = ROOM) -> tuple[Distances, Parts]:
    geometry = Parts(spec)
    return distances_of(layout_of(spec, geometry, lists_of(geometry)), geometry, room), geometry


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
def test_the_model_is_exact(name: str, dimensions: int, order: int) -> None:
    """Random codes, those near vertices and middles between them, and some of which no rounded sum tells the distance."""
    spec = SPECS[name](dimensions, order)
    far, geometry = made(spec)
    far.check(geometry)
    generator = np.random.default_rng(4)
    queries = generator.integers(-128, 128, (3000, dimensions))
    queries[::2] = generator.integers(-8, 8, queries[::2].shape) * 16
    codes, wanted = measure_tuples(spec, queries)
    raw = (queries & 255).T
    assert np.array_equal(far.layout.decode(*raw), codes) and np.array_equal(far.measure(*raw), wanted)
    assert len(np.unique(wanted)) > 20


def test_where_it_makes_tables_fit_squares_have_16_bits() -> None:
    """Their margin leaves more to whole numbers, but they are half as long."""
    spec = scaled(spec_of(6, 1), 0.0041, 0.0044, 0.0037)
    wide, _ = made(spec, 1 << 16)
    far, geometry = made(spec, wide.table_bytes - 1)
    far.check(geometry)
    assert [table.dtype for table in far.tables[:2]] == ["uint16", "uint16"] and far.roots.shift < wide.roots.shift
    assert far.table_bytes < 0.75 * wide.table_bytes
    queries = np.random.default_rng(5).integers(-128, 128, (6000, 6))
    assert np.array_equal(far.measure(*(queries & 255).T), measure_tuples(spec, queries)[1])
    assert made(spec, far.table_bytes - 1)[0].tables[0].dtype == "uint32"


def test_squares_for_which_16_bits_are_too_few_have_32() -> None:
    spec = SPECS["far"](6, 1)
    wide, _ = made(spec, 1 << 16)
    assert made(spec, wide.table_bytes - 1)[0].tables[0].dtype == "uint32"


def test_on_the_cell_grid_nothing_is_rounded() -> None:
    far, _ = made(spec_of(3, 2))
    assert far.margin == 0 and far.offsets is None
    assert [table.name for table in far.tables] == ["near_square", "far_square", "root"]


@pytest.mark.parametrize(("dimensions", "order"), [(3, 2), (4, 1), (6, 1)])
def test_whole_numbers_decide_close_calls(dimensions: int, order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a margin that is wider than needed they have to decide many distances, and they decide them rightly."""
    monkeypatch.setattr(distance, "_error", widened)
    spec = scaled(spec_of(dimensions, order), 0.0041, 0.0044, 0.0037)
    far, geometry = made(spec)
    far.check(geometry)
    queries = np.random.default_rng(5).integers(-128, 128, (6000, dimensions))
    assert np.array_equal(far.measure(*(queries & 255).T), measure_tuples(spec, queries)[1])
    assert far.margin > 1 << (far.roots.shift - 4)


def first_list(layout: Layout) -> int:
    """Where in `more` the record is that the first list of two or more follows."""
    among = layout.record[layout.fields.kinds(layout.record) == Kind.AMONG] & ((1 << layout.at) - 1)
    return int(next(at for at in among.tolist() if not layout.words[at + 2] & LAST)) - len(layout.record)


def twice_in_a_list(far: Distances) -> Distances:
    """The second half segment of a list has the record of the first."""
    layout = far.layout
    at = first_list(layout)
    by = int(layout.more[at + 1] - layout.more[at + 3])
    return replace(far, layout=replace(layout, more=changed(layout.more, at + 3, by)))


def border(far: Distances) -> int:
    """A sum at which the distance rises, among those that have a root each."""
    return int(np.flatnonzero(np.diff(far.roots.root[: far.roots.steps[0][0]]))[-1]) + 1


def whole(far: Distances) -> CodeOffsets:
    assert far.offsets is not None
    return far.offsets


def off(far: Distances, **fields: Any) -> Distances:
    return replace(far, offsets=replace(whole(far), **fields))


FAULTS: dict[str, tuple[Callable[[Distances], Distances], str]] = {
    "a square that is more": (lambda a: replace(a, near=changed(a.near, 300, 9)), "more than the margin"),
    "a square from the other vertex": (lambda a: replace(a, far=changed(a.far, 2, -9)), "more than the margin"),
    "other codes": (lambda a: replace(a, first=a.first + 1), "more than the margin"),
    "a margin too small": (lambda a: replace(a, margin=1), "more than the margin"),
    "a margin that reaches over a border": (lambda a: replace(a, margin=1 << a.roots.shift), "or the margin is"),
    "no whole numbers": (lambda a: replace(a, offsets=None), "more than the margin"),
    "codes off the grid that move": (lambda a: replace(a, still=-1), "not told by their gaps"),
    "codes on the grid that do not": (lambda a: replace(a, still=a.still + 999), "not told by their gaps"),
    "two records alike": (twice_in_a_list, "have one record"),
    "a root one off": (
        lambda a: replace(a, roots=replace(a.roots, root=changed(a.roots.root, border(a), -1))),
        "a root is wrong",
    ),
    "an offset one off": (lambda a: off(a, terms=changed(whole(a).terms, 0, 1)), "an offset of head x"),
    "half a code one off": (
        lambda a: off(a, half_squared=changed(whole(a).half_squared, 0, 1)),
        "half a code is wrong",
    ),
}


@pytest.fixture(scope="module")
def known() -> tuple[Distances, Parts]:
    return made(scaled(spec_of(4, 1), 0.0037))


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_notices(fault: str, known: tuple[Distances, Parts]) -> None:
    far, geometry = known
    change, says = FAULTS[fault]
    with pytest.raises(CheckFailed, match=says):
        change(far).check(geometry)


def test_what_is_too_far_is_limited(known: tuple[Distances, Parts]) -> None:
    """A code of one head is worth much more than one of another."""
    spec = SPECS["far"](4, 1)
    far, geometry = made(spec)
    assert far.limit
    with pytest.raises(CheckFailed, match="is not limited"):
        replace(far, near=changed(far.near, int(far.near.argmax()), -5)).check(geometry)
    assert not known[0].limit


def test_half_segments_that_records_do_not_tell_apart_are_refused() -> None:
    """All results are one, so two half segments of a list have the same record."""
    spec = replace(spec_of(4, 2), output=Output("uint8", (5, 5)))
    with pytest.raises(Refused, match="two half segments of a list have one record"):
        Corner().build(spec, codes_only(np.zeros(0, np.int64)), True)


#: Heads, further settings, and whether the margin is made wide, of decoders that are compiled.
COMPILED = [
    (3, "planar", ("curve.order=2", "heads.scale=[0.0041, 0.0044, 0.0037]"), True),
    (4, "interleaved", ("heads.dtype=uint8", "heads.zero_point=0", "output.codes=[65535, 0]"), False),
    (4, "interleaved", ("heads.scale=[0.0031, 0.0044, 0.0052, 0.004]", "curve.inset=0.15"), False),
    (4, "interleaved", ("heads.scale=[0.0031, 0.0044, 0.0052, 0.004]", "curve.inset=0.15"), True),
    (4, "planar", ("curve.order=2",), False),
    (5, "planar", ("heads.scale=0.00437", "output.dtype=uint8", "output.codes=[0, 200]"), True),
    (6, "interleaved", ("curve.kind=moore", "output.codes=[0, 3600]"), True),
    (6, "interleaved", ("heads.scale=[0.0012, 0.004, 0.004, 0.0041, 0.0042, 0.0043]",), True),
]  # fmt: skip


@pytest.mark.parametrize(("heads", "layout", "settings", "wide"), COMPILED)
def test_compiled_c_is_the_reference(
    heads: int, layout: str, settings: tuple[str, ...], wide: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As generated, or with a margin so wide that whole numbers decide hundreds of distances."""
    if wide:
        monkeypatch.setattr(distance, "_error", widened)
    plan = plan_of(tmp_path, heads, layout, "code.strategy=corner", *settings)
    generated = generate(plan)
    verdicts = verify(plan, generated)
    assert [verdict.function.removeprefix("hilbert_") for verdict in verdicts] == [
        "decode", "decode_block", "distance", "decode_block_distance", "decode_block_distance (distance)"
    ]  # fmt: skip
    assert [verdict.mismatches for verdict in verdicts] == [0] * 5
    rounded = wide or any(setting.startswith("heads.scale") for setting in settings)
    assert ("hilbert_reached" in generated.files["hilbert_decoder.c"].decode()) == rounded


def test_compiled_whole_numbers_decide_beside_other_corners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes near the middle between vertices, where the nearest half segment is often another corner's."""
    monkeypatch.setattr(distance, "_error", widened)
    plan = plan_of(tmp_path, 4, "interleaved", "code.strategy=corner", "heads.scale=0.00437")
    generated = generate(plan)
    generator = np.random.default_rng(6)
    queries = generator.integers(-128, 128, (100_000, 4))
    middle = round(plan.spec.origin(0) + plan.spec.pitch(0) / 2)
    near = generator.random(queries.shape) < 0.4
    queries[near] = middle + generator.integers(-14, 15, int(near.sum()))
    codes, wanted = measure_tuples(plan.spec, queries)
    results = run_pairs(plan, generated, queries)
    for function in ("hilbert_decode", "hilbert_decode_block_distance"):
        assert np.array_equal(results[function], codes), function
    for function in ("hilbert_distance", "hilbert_decode_block_distance (distance)"):
        assert np.array_equal(results[function], wanted), function


def test_auto_takes_it_and_says_that_no_variant_gives_distances(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 4, "interleaved", "code.target=cortex-m4")
    found = {candidate.name: candidate for candidate in survey(plan, codes_only(np.zeros(0, np.int64)))}
    assert next(iter(found)) == "corner" and found["boxes"].built is not None
    assert found["corner"].built is not None
    assert found["corner"].built.missing == {"thumb2": "distances are given by the portable C alone"}
    cost, slower = found["corner"].cost, found["boxes"].cost
    assert cost is not None and slower is not None and 10 * cost < slower
