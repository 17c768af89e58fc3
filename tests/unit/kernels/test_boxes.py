"""`boxes`: its model, its C, and that its argument for all tuples notices every kind of fault in the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import run_pairs
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import make_curve
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import decode_tuples
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.boxes import Argument, proved
from hilbert_codegen.kernels.boxes.fixed import Fixed, fixed_layouts
from hilbert_codegen.kernels.boxes.layout import LAST, Layout, Lists
from hilbert_codegen.kernels.boxes.whole import Whole, whole_layout
from hilbert_codegen.kernels.half_cells import Geometry
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of

SPEC = spec_of(4, 1)


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    return Geometry(SPEC)


@pytest.fixture(scope="module")
def lists(geometry: Geometry) -> Lists:
    return Lists.of(geometry)


@pytest.fixture(scope="module")
def fixed(geometry: Geometry, lists: Lists) -> Fixed:
    return next(fixed_layouts(SPEC, geometry, lists))


@pytest.fixture(scope="module")
def whole(lists: Lists) -> Whole:
    return whole_layout(SPEC, lists)


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


#: Faults of the tables that both builds have: what changes, and what the argument says.
OF_LISTS: dict[str, tuple[Callable[[Lists], Lists], str]] = {
    "a half segment left out": (lambda a: replace(a, entries=without_the_second(a.entries)), "missing in the list"),
    "a list out of order": (lambda a: replace(a, entries=swapped(a.entries)), "order that settles ties"),
    "a direction turned": (lambda a: replace(a, entries=changed(a.entries, 0, 1 << 12)), "no half segment|missing"),
    "a box with another's list": (lambda a: replace(a, box=changed(a.box, 0, 1)), "missing|no half"),
    "a vertex with another's index": (lambda a: replace(a, vertex=changed(a.vertex, 5, 1)), "result is wrong"),
}
OF_FIXED: dict[str, tuple[Callable[[Fixed], Fixed], str]] = {
    "a position one off": (lambda a: replace(a, place=changed(a.place, 200, 1 << 14)), "result is wrong|close a call"),
    "a position in the next half cell": (lambda a: replace(a, place=changed(a.place, 200, 1 << 29)), "half cell"),
}
OF_WHOLE: dict[str, tuple[Callable[[Whole], Whole], str]] = {
    "a half cell that starts late": (lambda a: replace(a, start=changed(a.start, 1, 1)), "half cell"),
    "a code that adds one more": (lambda a: replace(a, terms=changed(a.terms, 0, 1)), "result is wrong|close a call"),
    "a half cell that takes one more": (lambda a: replace(a, terms=changed(a.terms, 1, 1)), "result is wrong"),
    "half a cell one more": (lambda a: replace(a, half_words=changed(a.half_words, 0, 1)), "wrong|close a call"),
    "half a cell without headroom": (lambda a: replace(a, half_words=changed(a.half_words, 0, 1 << 27)), "no room"),
}


@pytest.mark.parametrize("build", ["fixed", "whole"])
def test_the_argument_holds(build: str, request: pytest.FixtureRequest, geometry: Geometry) -> None:
    Argument(request.getfixturevalue(build), geometry).check()


@pytest.mark.parametrize("build", ["fixed", "whole"])
@pytest.mark.parametrize("fault", OF_LISTS)
def test_the_argument_notices_faults_of_the_lists(
    fault: str, build: str, request: pytest.FixtureRequest, geometry: Geometry
) -> None:
    layout: Layout = request.getfixturevalue(build)
    change, says = OF_LISTS[fault]
    with pytest.raises(CheckFailed, match=says):
        Argument(replace(layout, lists=change(layout.lists)), geometry).check()


@pytest.mark.parametrize("fault", OF_FIXED)
def test_the_argument_notices(fault: str, fixed: Fixed, geometry: Geometry) -> None:
    change, says = OF_FIXED[fault]
    with pytest.raises(CheckFailed, match=says):
        Argument(change(fixed), geometry).check()


@pytest.mark.parametrize("fault", OF_WHOLE)
def test_the_argument_notices_in_whole_numbers(fault: str, whole: Whole, geometry: Geometry) -> None:
    change, says = OF_WHOLE[fault]
    with pytest.raises(CheckFailed, match=says):
        Argument(change(whole), geometry).check()


def test_the_argument_notices_a_sum_that_is_too_large(
    fixed: Fixed, geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fixed, "square_bits", 2 * fixed.fraction)
    with pytest.raises(CheckFailed, match="too large for its type"):
        Argument(fixed, geometry).check()


@pytest.mark.parametrize("build", ["fixed", "whole"])
def test_the_model_is_exact_where_codes_are_drawn(build: str, request: pytest.FixtureRequest) -> None:
    queries = np.random.default_rng(5).integers(-128, 128, (20000, 4))
    layout: Layout = request.getfixturevalue(build)
    assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(SPEC, queries))


def wide(dimensions: int, order: int, same: bool, seed: int) -> Spec:
    """Results of all 32 bits at scales of a few decimal digits, of a kind that no fixed number of bits decodes."""
    generator = np.random.default_rng(seed)
    scales = [Fraction(float(f"{generator.uniform(0.8, 1.5) / 256:.5f}")) for _ in range(dimensions)]
    zero = generator.integers(-128, -100, dimensions).tolist()
    heads = Heads(
        "int8", "interleaved", tuple(scales[:1] * dimensions if same else scales),
        tuple(zero[:1] * dimensions if same else zero), (Fraction(0), Fraction(1)),
    )  # fmt: skip
    curve = make_curve("moore" if seed % 2 else "hilbert", order, dimensions=dimensions)
    codes = [(-(1 << 31), (1 << 31) - 1), ((1 << 31) - 1, -(1 << 31)), (0, 10**9)][seed % 3]
    return Spec(curve, Fraction(int(generator.integers(1, 40)), 100), heads, Output("int32", codes))


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
def test_results_of_32_bits_are_served_and_exact(dimensions: int, order: int, same: bool) -> None:
    for seed in range(3):
        spec = wide(dimensions, order, same, seed)
        layout, _ = proved(spec)
        assert isinstance(layout, Whole)
        queries = np.random.default_rng(seed).integers(-128, 128, (1000, dimensions))
        assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(spec, queries))


def test_numbers_that_nobody_means_are_refused() -> None:
    spec = spec_of(3, 1)
    heads = replace(spec.heads, scale=(Fraction(1, 256), Fraction(1, 256), Fraction(1, 256) + Fraction(1, 7**200)))
    with pytest.raises(Refused, match="no common unit of less than 512 bits"):
        proved(replace(spec, heads=heads, output=Output("int32", (0, 2**31 - 1))))


#: One word, two, and four; rising, falling, and a full turn.
OF_32_BITS = [
    (4, ("curve.inset=0.15", "output.dtype=int32", "output.codes=[-2147483648, 2147483647]")),
    (5, ("heads.scale=0.00437", "heads.zero_point=-97", "output.dtype=int32", "output.codes=[2147483647, -2147483648]")),
    (6, ("curve.kind=moore", "heads.scale=[0.0041, 0.0042, 0.0043, 0.0044, 0.0045, 0.0046]", "heads.range=[0, 1.1]",
         "output.dtype=int32", "output.codes=[-2147483648, 2147483648]")),
]  # fmt: skip
HEADS = "[curve]\ndimensions = {n}\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\nlayout = '{layout}'\n"


def plan_of(folder: object, text: str, settings: tuple[str, ...] = ()) -> Plan:
    path = folder / "many.toml"  # type: ignore[operator]
    path.write_text(text)
    return make_plan(load(path, ("code.strategy=boxes", *settings)))


@pytest.mark.parametrize("layout_of", ["interleaved", "planar"])
@pytest.mark.parametrize(
    ("heads", "settings"),
    [(4, ()), (5, ("output.codes=[10000, 500]",)), (6, ("curve.kind=moore", "output.dtype=int16")), *OF_32_BITS],
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
    geometry = Geometry(spec)
    lists = Lists.of(geometry)
    for layout in (next(fixed_layouts(spec, geometry, lists)), whole_layout(spec, lists)):
        assert np.array_equal(layout.decode(*(queries & 255).T), decode_tuples(spec, queries))
