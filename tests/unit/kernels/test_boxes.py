"""`boxes`: its model, its C, and that its argument for all tuples notices every kind of fault in the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import run_pairs
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.kernels.boxes import LAST, Argument, Layout, layouts
from hilbert_codegen.kernels.half_cells import Geometry
from hilbert_codegen.spec.plan import Plan, make_plan
from tests.unit.exact.test_many import spec_of

SPEC = spec_of(4, 1)


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry(SPEC)


@pytest.fixture(scope="module")
def layout(geometry: Geometry) -> Layout:
    return next(layouts(SPEC, geometry))


def changed(values: NDArray[Any], place: int, by: int) -> NDArray[Any]:
    copy = values.copy()
    copy.reshape(-1)[place] += by
    return copy


def without_the_second(entries: NDArray[Any]) -> NDArray[Any]:
    """The first list of two or more ends after its first entry."""
    first = int(np.flatnonzero(entries >> LAST == 0)[0])
    return changed(entries, first, 1 << LAST)


def swapped(entries: NDArray[Any]) -> NDArray[Any]:
    """The first two entries of a list of three change places."""
    first = next(i for i in range(len(entries)) if not (entries[i : i + 2] >> LAST).any())
    copy = entries.copy()
    copy[[first, first + 1]] = copy[[first + 1, first]]
    return copy


FAULTS: dict[str, tuple[Callable[[Layout], Layout], str]] = {
    "a position one off": (lambda a: replace(a, place=changed(a.place, 200, 1 << 14)), "result is wrong|close a call"),
    "a position in the next half cell": (lambda a: replace(a, place=changed(a.place, 200, 1 << 29)), "half cell"),
    "a half segment left out": (lambda a: replace(a, entries=without_the_second(a.entries)), "missing in the list"),
    "a list out of order": (lambda a: replace(a, entries=swapped(a.entries)), "order that settles ties"),
    "a direction turned": (lambda a: replace(a, entries=changed(a.entries, 0, 1 << 12)), "no half segment|missing"),
    "a box with another's list": (lambda a: replace(a, box=changed(a.box, 0, 1)), "missing|no half"),
    "a vertex with another's index": (lambda a: replace(a, vertex=changed(a.vertex, 5, 1)), "result is wrong"),
}


def test_the_argument_holds(layout: Layout, geometry: Geometry) -> None:
    Argument(layout, geometry).check()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_argument_notices(fault: str, layout: Layout, geometry: Geometry) -> None:
    change, says = FAULTS[fault]
    with pytest.raises(CheckFailed, match=says):
        Argument(change(layout), geometry).check()


def test_the_model_is_exact_where_codes_are_drawn(layout: Layout) -> None:
    queries = np.random.default_rng(5).integers(-128, 128, (20000, 4))
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(SPEC, queries))


HEADS = "[curve]\ndimensions = {n}\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\nlayout = '{layout}'\n"


def plan_of(folder: object, text: str, settings: tuple[str, ...] = ()) -> Plan:
    path = folder / "many.toml"  # type: ignore[operator]
    path.write_text(text)
    return make_plan(load(path, ("code.strategy=boxes", *settings)))


@pytest.mark.parametrize("layout_of", ["interleaved", "planar"])
@pytest.mark.parametrize(
    ("heads", "settings"),
    [(4, ()), (5, ("output.codes=[10000, 500]",)), (6, ("curve.kind=moore", "output.dtype=int16"))],
)
def test_compiled_c_is_the_reference(heads: int, settings: tuple[str, ...], layout_of: str, tmp_path: object) -> None:
    plan = plan_of(tmp_path, HEADS.format(n=heads, layout=layout_of), settings)
    generated = generate(plan)
    assert generated.domain.listed is not None
    queries = generated.domain.listed[::7]
    for function, found in run_pairs(plan, generated, queries).items():
        assert np.array_equal(found, generated.ideal.codes[::7]), function


def test_three_heads_are_proved_on_all_triples(tmp_path: object) -> None:
    generated = generate(plan_of(tmp_path, HEADS.format(n=3, layout="interleaved")))
    assert generated.domain.pairs == 1 << 24
    source = generated.files["hilbert_decoder.c"].decode()
    assert "Proved: value, equal to the exact reference on all 16777216 triples of codes." in source
    assert "hilbert_decode(int8_t x, int8_t y, int8_t z)" in source


def test_the_model_is_exact_on_the_ties_of_three_heads() -> None:
    """Codes on cell borders and in the middle of cells, where several half segments are equally near."""
    spec = spec_of(3, 2)
    codes = np.arange(-128, 128, 16)
    queries = np.stack([axis.reshape(-1) for axis in np.meshgrid(codes, codes, codes)], axis=1)
    found = next(layouts(spec, Geometry(spec))).decode(*(queries & 255).T)
    assert np.array_equal(found, decode_tuples(spec, queries))
