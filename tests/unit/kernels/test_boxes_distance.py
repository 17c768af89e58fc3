"""Distances of `boxes`: its model and its C against the exact reference, and what its argument notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import make_curve
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.many import measure_tuples
from hilbert_codegen.kernels import Refused
from hilbert_codegen.kernels.boxes import proved
from hilbert_codegen.kernels.boxes.distance import distances_of
from hilbert_codegen.kernels.code_offsets import CodeOffsets
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Heads, Output, Spec
from tests.unit.exact.test_many import spec_of


def scaled(spec: Spec, *scales: float) -> Spec:
    """`spec` with decimal scales, whose unit takes several words."""
    every = (scales * spec.dimensions)[: spec.dimensions]
    return replace(spec, heads=replace(spec.heads, scale=tuple(Fraction(scale) for scale in every)))


SPECS = {
    "cell grid": lambda n, p: spec_of(n, p),
    "one scale": lambda n, p: scaled(spec_of(n, p), 0.00437),
    "three scales": lambda n, p: scaled(spec_of(n, p, "moore"), 0.0031, 0.0044, 0.0052),
    # A code of the first head is a fifth of a code of the others, so distances go past 255.
    "far": lambda n, p: scaled(spec_of(n, p), 0.0008, 0.004),
}


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("dimensions", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
def test_the_model_is_exact(name: str, dimensions: int, order: int) -> None:
    spec = SPECS[name](dimensions, order)
    layout, _ = proved(spec)
    far = distances_of(layout)
    far.check()
    generator = np.random.default_rng(4)
    queries = generator.integers(-128, 128, (3000, dimensions))
    queries[::2] = generator.integers(-8, 8, queries[::2].shape) * 16
    codes, wanted = measure_tuples(spec, queries)
    raw = (queries & 255).T
    assert np.array_equal(layout.decode(*raw), codes) and np.array_equal(far.measure(*raw), wanted)
    assert len(np.unique(wanted)) > 20


def test_sums_on_a_border_are_rounded_up() -> None:
    """Offsets of one head are halves of codes, so sums such as (k - 1/2)^2 occur."""
    heads = Heads("int8", "interleaved", (Fraction(1, 8), Fraction(1, 16), Fraction(1, 16)), (0, 3, -40),
                  (Fraction(1, 16), Fraction(33, 16)))  # fmt: skip
    spec = Spec(make_curve("hilbert", 1, dimensions=3), Fraction(0), heads, Output("int32", (-5, 70000)))
    far = distances_of(proved(spec)[0])
    queries = np.stack(np.meshgrid(np.arange(-20, 30), np.arange(-5, 40, 3), np.arange(-60, 20, 2)), axis=-1).reshape(
        -1, 3
    )
    assert np.array_equal(far.measure(*(queries & 255).T), measure_tuples(spec, queries)[1])


def changed(values: NDArray[Any], place: int, by: int) -> NDArray[Any]:
    copy = values.copy()
    copy.reshape(-1)[place] += by
    return copy


FAULTS: dict[str, tuple[Callable[[CodeOffsets], CodeOffsets], str]] = {
    "a code that adds one more": (lambda a: replace(a, terms=changed(a.terms, 0, 1)), "an offset of head x is wrong"),
    "half a cell that takes one more": (lambda a: replace(a, terms=changed(a.terms, 1, 1)), "an offset of head x"),
    "a head that starts elsewhere": (lambda a: replace(a, terms=changed(a.terms, 5, 1)), "an offset of head y"),
    "a border elsewhere": (lambda a: replace(a, half_squared=changed(a.half_squared, 0, 1)), "half a code is wrong"),
    "half a code too large": (lambda a: replace(a, half_squared=np.array([0, 1 << 30])), "half a code"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_argument_notices(fault: str) -> None:
    far = distances_of(proved(spec_of(3, 1))[0])
    change, says = FAULTS[fault]
    with pytest.raises(CheckFailed, match=says):
        replace(far, offsets=change(far.offsets)).check()


def test_numbers_that_nobody_means_are_refused() -> None:
    layout, _ = proved(spec_of(3, 1))
    spec = scaled(spec_of(3, 1), 1 / 256, 1 / 256)
    odd = replace(spec.heads, scale=(*spec.heads.scale[:2], Fraction(7**190, 256 * 7**190 + 1)))
    with pytest.raises(Refused, match="distances: scales, ranges and inset have no common unit"):
        distances_of(replace(layout, spec=replace(spec, heads=odd)))


HEADS = "[curve]\ndimensions = {n}\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\nlayout = '{layout}'\n"


def plan_of(folder: Path, heads: int, layout: str, *settings: str) -> Plan:
    path = folder / "many.toml"
    path.write_text(HEADS.format(n=heads, layout=layout), encoding="utf-8")
    return make_plan(load(path, ("decoder.distance=true", *settings)))


@pytest.mark.parametrize(
    ("heads", "layout", "settings"),
    [
        (3, "planar", ()),
        (4, "interleaved", ("heads.scale=[0.0031, 0.0044, 0.0052, 0.004]", "curve.inset=0.15")),
        (5, "planar", ("heads.scale=0.00437", "output.dtype=int32", "output.codes=[0, 2147483647]")),
        (6, "interleaved", ("curve.kind=moore", "output.codes=[65535, 0]")),
    ],
)
def test_compiled_c_is_the_reference(heads: int, layout: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    plan = plan_of(tmp_path, heads, layout, "code.strategy=boxes", *settings)
    generated = generate(plan)
    assert generated.built.strategy == "boxes"
    verdicts = verify(plan, generated)
    assert [verdict.function.removeprefix("hilbert_") for verdict in verdicts] == [
        "decode", "decode_block", "distance", "decode_block_distance", "decode_block_distance (distance)"
    ]  # fmt: skip
    assert [verdict.mismatches for verdict in verdicts] == [0] * 5
    names = ", ".join(f"int8_t {axis}" for axis in "xyz") if heads == 3 else "const int8_t *pHeads"
    assert f"uint8_t hilbert_distance({names});" in generated.files["hilbert_decoder.h"].decode()
    assert "Proved: value and distance, equal to" in generated.files["hilbert_decoder.c"].decode()
