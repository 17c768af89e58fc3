"""Records of `corner` as paths, for its assembly: its model, the proof of its tables, and what is left to records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.kernels import IntArray, Refused, corner
from hilbert_codegen.kernels.corner import paths as module
from hilbert_codegen.kernels.corner.geometry import Lists, Parts, lists_of
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.paths import SELDOM, paths_of
from hilbert_codegen.kernels.corner.tables import layout_of
from hilbert_codegen.spec.specification import Spec
from tests.unit.exact.test_many import spec_of
from tests.unit.kernels.test_boxes import HEADS, plan_of

#: The cell grid; a decimal scale; no code at an end of its axis; results that fall; heads of their own.
GRIDS: dict[str, tuple[str, ...]] = {
    "grid": (),
    "decimal": ("heads.scale=0.00437", "heads.zero_point=-97", "curve.inset=0.1"),
    "whole": ("heads.scale=0.00392",),
    "falling": ("output.codes=[65535, 0]",),
    "own": ("heads.scale=[0.00437,0.0041,0.0045]", "heads.zero_point=[-97,-105,-88]", "curve.inset=0.1"),
    "own, near the grid": ("heads.scale=[0.0039,0.00392,0.00391]", "heads.zero_point=[-128,-127,-126]"),
}


def spec_on(grid: str, folder: Path) -> Spec:
    return plan_of(folder, HEADS.format(n=3, layout="interleaved"), GRIDS[grid]).spec


def numbered(spec: Spec) -> Layout:
    geometry = Parts(spec)
    return layout_of(spec, geometry, lists_of(geometry), numbered=True)


def codes_of(spec: Spec) -> IntArray:
    """Random codes, and those about the middle of every axis, where half segments of other corners are near."""
    rng = np.random.default_rng(1)
    centre = [np.argmin([abs(place - spec.curve.side / 2 + 0.5) for place in axis]) - 128 for axis in Parts(spec).place]
    near = np.clip(np.array(centre) + rng.integers(-40, 40, (60000, 3)), -128, 127)
    return np.concatenate([rng.integers(-128, 128, (60000, 3)), near])


@pytest.mark.parametrize("grid", GRIDS)
def test_the_model_is_exact_on_random_codes_and_on_ties(grid: str, tmp_path: Path) -> None:
    spec = spec_on(grid, tmp_path)
    made = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, 3), dtype=np.int64)), False).offers["thumb2"]()
    assert made is not None and made.params["paths"] and made.argument is not None
    made.argument()
    codes = codes_of(spec)
    assert np.array_equal(made.decode(*(codes & 255).T), decode_tuples(spec, codes))


@pytest.mark.parametrize("grid", GRIDS)
def test_boxes_have_the_paths_of_their_records(grid: str, tmp_path: Path) -> None:
    """The same half segments as with a record for every box, which are kept once."""
    spec = spec_on(grid, tmp_path)
    layout = numbered(spec)
    geometry = Parts(spec)
    plain = layout_of(spec, geometry, lists_of(geometry))
    assert layout.box is not None and plain.box is None
    assert len(layout.record) == len(np.unique(layout.record)) < 32
    own = plain.record & plain.fields.several == 0
    assert np.array_equal(layout.record[layout.box][own], plain.record[own])


@pytest.mark.parametrize("grid", GRIDS)
def test_paths_that_share_an_end_are_seldom(grid: str, tmp_path: Path) -> None:
    layout = numbered(spec_on(grid, tmp_path))
    paths = paths_of(layout, (2, 0, 1))
    codes = np.random.default_rng(2).integers(0, 256, (3, 100000))
    assert layout.box is not None
    number = layout.box[sum(share[code] for share, code in zip(layout.share, codes, strict=True))]
    assert paths.seldom and np.isin(number, list(paths.seldom)).mean() < SELDOM + 0.01
    assert all(paths.paths[which].halves for which in paths.seldom)


def test_registers_point_to_the_distances_that_most_paths_read(tmp_path: Path) -> None:
    alike, own = (paths_of(numbered(spec_on(grid, tmp_path)), (2, 0, 1)) for grid in ("grid", "own"))
    assert alike.pages == [(0, 0)] * 3
    # The curve of order 1 has one segment along the axis that it goes along but once.
    assert own.pages == [(1, -256), (1, 0), (2, 0)]


@pytest.mark.parametrize(("heads", "kind"), [(4, "hilbert"), (3, "moore")])
def test_more_heads_and_closed_curves_have_records(heads: int, kind: str) -> None:
    """Lists of the former compare along several axes, and so do those of the latter."""
    spec = spec_of(heads, 1, kind)
    made = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, heads), dtype=np.int64)), False).offers["thumb2"]()
    assert made is not None and not made.params["paths"]


@pytest.mark.parametrize("limit", ["MOST", "MOST_LISTS"])
def test_many_paths_are_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 1)
    with pytest.raises(Refused, match="too many"):
        paths_of(numbered(spec_of(3, 1)), (2, 0, 1))


def test_pairs_are_refused() -> None:
    """Two half segments of a vertex that are no turn have a path of records."""
    layout = numbered(spec_of(3, 1))
    pair = replace(layout, record=np.append(layout.record, layout.fields.several | layout.fields.single))
    with pytest.raises(Refused, match="no turn"):
        paths_of(pair, (2, 0, 1))


def test_the_proof_notices_a_box_with_another_path(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(3, 1)

    def turned(spec: Spec, geometry: Parts, lists: Lists, numbered: bool = False) -> Layout:
        layout = layout_of(spec, geometry, lists, numbered)
        return replace(layout, box=np.roll(layout.box, 1)) if numbered and layout.box is not None else layout

    monkeypatch.setattr(corner.offers, "layout_of", turned)
    made = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, 3), dtype=np.int64)), False).offers["thumb2"]()
    assert made is not None and made.argument is not None
    with pytest.raises(CheckFailed):
        made.argument()
