"""The fused estimator: its definition in fractions, every strategy's model and C, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hilbert_codegen import Decoder, decode
from hilbert_codegen.bench.firmware import make_planes, make_sweep
from hilbert_codegen.bench.verify import verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import AXES
from hilbert_codegen.emit.choose import build
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.proofs import Proofs
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.exact.fusion import fuse, limits, single_codes
from hilbert_codegen.exact.many import results_of
from hilbert_codegen.exact.reference import ideal, ideal_of
from hilbert_codegen.kernels import Refused
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Fusion, Spec
from tests.conftest import needs
from tests.specs import decode_plainly, many_heads, specs, two_heads

Array = NDArray[np.int64]

TEXT = """
[heads]
scale = [0.00390625, 0.00390625, 0.0041]
zero_point = [-128, -128, -120]
range = [[0, 1], [0, 1], [0.1, 0.9]]
[output]
dtype = "int16"
codes = [-3000, 32767]
[decoder]
estimator = "fused"
threshold = 0.04
[code]
max_flash_bytes = 200000
"""


#: Three, four and five heads of the curve, no two of one zero point, and the last head.
MORE_TEXT = """
[curve]
dimensions = {heads}
order = {order}
[heads]
scale = [{scales}]
zero_point = {zero_point}
range = [{ranges}]
[output]
dtype = "int16"
codes = [32767, -3000]
[decoder]
estimator = "fused"
threshold = 0.04
[code]
prefix = "m"
"""
#: Three thresholds.
BANDS = ("decoder.threshold=[0.01, 0.08, 0.5]", "decoder.weight=[0.75, 0.1875, 0.0625]")
#: Orders of the tests by the curve's heads.
MORE = {3: 2, 4: 1, 5: 1}


@pytest.fixture
def fused_plan(tmp_path: Path) -> Callable[..., Plan]:
    """The plan of TEXT with changes, "table.key=value"."""
    path = tmp_path / "fused.toml"
    path.write_text(TEXT, encoding="utf-8")
    return lambda *changes: make_plan(load(path, changes))


@pytest.fixture
def more_plan(tmp_path: Path) -> Callable[..., Plan]:
    """The plan of MORE_TEXT for a number of the curve's heads, with changes."""

    def plan(heads: int, *changes: str) -> Plan:
        path = tmp_path / "more.toml"
        scales = ", ".join(["0.00390625"] * heads + ["0.0041"])
        ranges = ", ".join(["[0, 1]"] * heads + ["[0.1, 0.9]"])
        zero_point = [-128 + 2 * axis for axis in range(heads + 1)]
        text = MORE_TEXT.format(heads=heads, order=MORE[heads], scales=scales, zero_point=zero_point, ranges=ranges)
        path.write_text(text, encoding="utf-8")
        return make_plan(load(path, changes))

    return plan


def fused_plainly(spec: Spec, *codes: int) -> int:
    """The definition, with one rounding to a whole number after another."""
    assert spec.fusion is not None
    (low, high), (c0, c1) = spec.fusion.range, spec.output.codes
    t = (spec.fusion.scale * (codes[-1] - spec.fusion.zero_point) - low) / (high - low)
    single = math.floor(c0 + min(max(t, Fraction(0)), Fraction(1)) * (c1 - c0) + Fraction(1, 2))
    curve = decode_plainly(spec.of_curve, *codes[:-1])[0]
    apart = Fraction(abs(curve - single), abs(c1 - c0))
    weights = [w for t, w in zip(spec.fusion.thresholds, spec.fusion.weights, strict=True) if apart > t]
    weight = weights[-1] if weights else Fraction(1)
    return math.floor(weight * curve + (1 - weight) * single + Fraction(1, 2))


def agrees_with_its_definition(spec: Spec, data: st.DataObject) -> None:
    """Random tuples, with a random last head and one to three thresholds."""
    thresholds = data.draw(st.sets(st.fractions(0, Fraction(99, 100), max_denominator=1000), min_size=1, max_size=3))
    sixteenths = st.integers(1, 15).map(lambda parts: Fraction(parts, 16))
    weights = data.draw(st.lists(sixteenths, min_size=len(thresholds), max_size=len(thresholds)))
    fusion = Fusion(
        Fraction(data.draw(st.floats(0.001, 0.02))), data.draw(st.integers(-128, 127)), (Fraction(-1, 10), Fraction(1)),
        tuple(sorted(thresholds)), tuple(weights),
    )  # fmt: skip
    spec = replace(spec, fusion=fusion)
    codes = spec.heads.codes()
    drawn = np.random.default_rng(data.draw(st.integers(0, 1 << 30))).choice(codes, (20, spec.inputs))
    wanted = [fused_plainly(spec, *(int(code) for code in one)) for one in drawn]
    assert ideal_of(spec, drawn).codes.tolist() == wanted


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=specs(orders=range(1, 4)).filter(lambda spec: not spec.curve.closed), data=st.data())
def test_random_triples_decode_as_the_definition_says(spec: Spec, data: st.DataObject) -> None:
    agrees_with_its_definition(spec, data)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(spec=many_heads().filter(lambda spec: not spec.curve.closed and spec.dimensions < 6), data=st.data())
def test_random_tuples_of_more_heads_decode_as_the_definition_says(spec: Spec, data: st.DataObject) -> None:
    agrees_with_its_definition(spec, data)


def test_all_triples_are_their_list(fused_plan: Callable[..., Plan]) -> None:
    spec = fused_plan().spec
    some = np.array([-128, -7, 0, 33, 127])
    product = ideal(spec, (some, some[:4], some[:3])).codes
    z, y, x = np.meshgrid(some[:3], some[:4], some, indexing="ij")
    listed = ideal_of(spec, np.stack([x, y, z], axis=-1).reshape(-1, 3)).codes
    assert product.shape == (3, 4, 5) and product.reshape(-1).tolist() == listed.tolist()


@pytest.mark.slow
def test_every_strategy_is_proved_on_all_triples(fused_plan: Callable[..., Plan]) -> None:
    plan = fused_plan()
    domain = proof_domain(plan.spec)
    expected = reference_for(plan.spec, domain)
    assert domain.pairs == 1 << 24
    served = []
    for name in two_heads():
        try:
            built = build(plan, expected, name)
        except Refused:
            continue
        served.append(name)
        assert built.portable.tables[-1].name == "single" and list(built.implementations) == ["portable"]
        prove(plan.spec, built, domain, expected)
    assert {"full", "tile", "octant", "segment", "line", "closed"} <= set(served)
    codes = expected.codes.copy()
    codes[5, 3, 7] ^= 1
    with pytest.raises(CheckFailed, match="1 of 16777216 triples differ, first at x = 7, y = 3, z = 5"):
        prove(plan.spec, built, domain, replace(expected, codes=codes))


@needs("gcc")
@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("heads.layout=planar", "output.dtype=int32", "output.codes=[2147483647, -2147483648]", "decoder.threshold=0"),
        ("decoder.weight=0.375",),
        BANDS,
        ("output.dtype=int32", "output.codes=[-2147483648, 2147483647]", *BANDS),
    ],
    ids=["int16", "int32, planar, reversed", "weight", "three thresholds", "three thresholds, int32"],
)
def test_the_compiled_c_gives_it(changes: tuple[str, ...], fused_plan: Callable[..., Plan]) -> None:
    plan = fused_plan(*changes)
    verdicts = verify(plan, generate(plan))
    assert [verdict.mismatches for verdict in verdicts] == [0, 0] and verdicts[0].pairs == 1 << 24


def test_the_weight_is_the_curves_share(fused_plan: Callable[..., Plan]) -> None:
    """By fractions, on sums of both signs; sixteenths only."""
    spec = fused_plan("decoder.weight=0.375", "decoder.threshold=0").spec
    pairs = [(a, b) for a in (-3000, -7, 0, 5, 32767) for b in (-2999, -8, -1, 4, 32766)]
    found = fuse(spec, *(np.array(part, dtype=np.int64) for part in zip(*pairs, strict=True)))
    wanted = [math.floor(Fraction(3, 8) * a + Fraction(5, 8) * b + Fraction(1, 2)) for a, b in pairs]
    assert found.tolist() == wanted
    for weight in ("0", "1", "0.3"):
        with pytest.raises(UsageError, match=r"decoder\.weight = .*: it has to be sixteenths"):
            fused_plan(f"decoder.weight={weight}")


def test_past_each_threshold_its_weight_counts(fused_plan: Callable[..., Plan]) -> None:
    """At a threshold the weight below it still counts. A list of one is that one."""
    spec = fused_plan(*BANDS).spec  # 0.01, 0.08 and 0.5 of 35767: 357.67, 2861.36 and 17883.5
    assert limits(spec) == (357, 2861, 17883)
    curve = np.array([357, -357, 358, -358, 2861, -2861, 2862, -2862, 17883, 17884])
    sixteenths = [16, 16, 12, 12, 12, 12, 3, 3, 3, 1]
    pairs = zip(sixteenths, curve.tolist(), strict=True)
    wanted = [math.floor(Fraction(share * a, 16) + Fraction(1, 2)) for share, a in pairs]
    assert fuse(spec, curve, np.zeros(10, dtype=np.int64)).tolist() == wanted
    assert fused_plan("decoder.threshold=[0.04]", "decoder.weight=[0.5]").spec == fused_plan().spec


def test_the_header_says_which_average(fused_plan: Callable[..., Plan]) -> None:
    text = generate(fused_plan("decoder.weight=0.25")).files["hilbert_decoder.h"].decode()
    assert "floor((a + 3 b) / 4 + 1/2) where a and b are more than 1430 apart, else a." in text
    text = generate(fused_plan(*BANDS)).files["hilbert_decoder.h"].decode()
    told = [line.strip(" *") for line in text.splitlines() if "apart" in line]
    assert told == [
        "floor((a + 15 b) / 16 + 1/2) where a and b are more than 17883 apart,",
        "floor((3 a + 13 b) / 16 + 1/2) else where more than 2861 apart,",
        "floor((3 a + b) / 4 + 1/2) else where more than 357 apart, else a.",
    ]


def test_the_curve_is_read_by_the_mean_where_sigma_is_given(fused_plan: Callable[..., Plan]) -> None:
    pytest.importorskip("flint")
    spec = fused_plan("decoder.sigma=0.5", "decoder.gate=0.25").spec
    assert spec.estimator.kind == "mean" and spec.fusion is not None
    alone = ideal(spec.of_curve).codes
    # The third head of raw bits 0 has code 0: t = (0.0041 * 120 - 0.1) / 0.8 = 0.49.
    single = math.floor(
        -3000 + (Fraction(0.0041) * 120 - Fraction(0.1)) / (Fraction(0.9) - Fraction(0.1)) * 35767 + 0.5
    )
    far = np.abs(alone - single) > 0.04 * 35767
    wanted = np.where(far, (alone + single + 1) // 2, alone)
    assert (ideal(spec).codes[0] == wanted).all() and far.any() and not far.all()


@pytest.mark.slow
@pytest.mark.parametrize("heads", MORE)
def test_more_heads_are_proved_in_two_steps(heads: int, more_plan: Callable[..., Plan]) -> None:
    """The heads of the curve as ever, and all that they can give with all codes of the last head: a fault in either is told."""
    plan = more_plan(heads)
    spec, domain = plan.spec, proof_domain(plan.spec)
    expected = reference_for(spec, domain)
    assert f"all 2^{8 * heads + 8} tuples of codes, in two steps" in domain.statement
    assert domain.curve is not None and domain.listed is not None and expected.curve is not None
    for name in ("boxes", "corner"):
        built = build(plan, expected, name)
        assert built.fused is not None and list(built.implementations) == ["portable"]
        prove(spec, built, domain, expected)
    seen = np.unique(expected.curve.codes)
    assert np.isin(seen, results_of(spec.of_curve)).all()

    parts, result = built.fused, int(seen[7])
    assert parts is not None

    def wrong(curve: Array, last: Array) -> Array:
        return np.asarray(parts.step(curve, last) + ((curve == result) & (last == 255)))

    said = f"fusing is not exact, first where the curve gives {result} and {AXES[heads]} = -1: expected"
    with pytest.raises(CheckFailed, match=said):
        prove(spec, replace(built, fused=replace(parts, step=wrong)), domain, expected)
    codes = expected.curve.codes.copy()
    codes.flat[77] ^= 1
    with pytest.raises(CheckFailed, match=f"1 of {codes.size} (triples|tuples) differ"):
        prove(spec, built, domain, replace(expected, curve=replace(expected.curve, codes=codes)))


@needs("gcc")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("heads", "strategy", "layout"),
    [(3, "boxes", "planar"), (3, "corner", "interleaved"), (4, "boxes", "interleaved"), (4, "corner", "planar"), (5, "corner", "interleaved")],
)  # fmt: skip
def test_the_compiled_c_of_more_heads_gives_it(
    heads: int, strategy: str, layout: str, more_plan: Callable[..., Plan]
) -> None:
    """Compiled with the warnings that conversions give; tuples on both sides of the threshold, as near as there are."""
    plan = more_plan(heads, f"code.strategy={strategy}", f"heads.layout={layout}")
    generated = generate(plan)
    assert "int16_t m_decode(const int8_t *pHeads);" in generated.files["m_decoder.h"].decode()
    verdicts = verify(plan, generated)
    assert [verdict.mismatches for verdict in verdicts] == [0, 0] and verdicts[0].pairs == 3 << 16


def test_the_threshold_is_among_what_is_compared(more_plan: Callable[..., Plan]) -> None:
    spec = more_plan(3).spec
    domain = proof_domain(spec)
    assert domain.listed is not None and domain.curve is not None
    listed = domain.listed[-(1 << 12) :]
    order = np.sort(spec.heads.codes())
    single = single_codes(spec, order.tolist())[listed[:, -1] - order[0]]
    apart = np.abs(ideal_of(spec.of_curve, listed[:, :-1]).codes - single)
    # Within about a code of the last head, 183 codes of the output, on either side; some as near as can be.
    (limit,) = limits(spec)
    assert (np.abs(apart - limit) < 400).mean() > 0.9 and 0.3 < (apart > limit).mean() < 0.7
    assert {limit, limit + 1} <= set(apart.tolist())


def test_every_threshold_is_among_what_is_compared(more_plan: Callable[..., Plan]) -> None:
    spec = more_plan(3, *BANDS).spec
    domain = proof_domain(spec)
    assert domain.listed is not None
    listed = domain.listed[-(1 << 12) :]
    order = np.sort(spec.heads.codes())
    single = single_codes(spec, order.tolist())[listed[:, -1] - order[0]]
    apart = np.abs(ideal_of(spec.of_curve, listed[:, :-1]).codes - single)
    for limit in limits(spec):
        near = apart[np.abs(apart - limit) < 400]
        assert len(near) > 500 and 0.2 < (near > limit).mean() < 0.8


def test_boards_have_its_answers(more_plan: Callable[..., Plan]) -> None:
    plan = more_plan(4)
    domain = proof_domain(plan.spec)
    known = domain, reference_for(plan.spec, domain)
    sweep, planes = make_sweep(plan, known=known), make_planes(plan, known)
    assert planes is not None and planes.count == 8 and planes.beside.shape == (5, 64)
    for codes, answers in (
        (sweep.pairs[3, ::17], sweep.output[3, ::17]),
        (planes.codes(1)[9, ::17], planes.output[1, 9, ::17]),
    ):
        assert answers.tolist() == [fused_plainly(plan.spec, *map(int, one)) for one in codes]
    outputs = sweep.pairs.reshape(-1, 5)[:100]
    assert make_sweep(plan, outputs).output[0, :100].tolist() == sweep.output.reshape(-1)[:100].tolist()


def test_a_remembered_proof_takes_no_answers(more_plan: Callable[..., Plan], tmp_path: Path) -> None:
    plan = more_plan(5)
    told: list[str] = []
    first = generate(plan, told.append, proofs=Proofs(tmp_path / "cache"))
    assert "exact reference" in told
    told.clear()
    assert generate(plan, told.append, proofs=Proofs(tmp_path / "cache")).files == first.files
    assert "exact reference" not in told
    generate(more_plan(5, "decoder.threshold=0.05"), told.append, proofs=Proofs(tmp_path / "cache"))
    assert "exact reference" in told


@pytest.mark.parametrize("heads", MORE)
def test_numpy_decodes_more_heads(heads: int, more_plan: Callable[..., Plan]) -> None:
    decoder = Decoder(more_plan(heads).spec)
    drawn = np.random.default_rng(1).integers(-128, 128, (300, heads + 1))
    columns = [column.astype(np.int8) for column in drawn.T]
    codes = decode(*columns, decoder)
    assert codes.dtype == np.int16 and codes.tolist() == ideal_of(decoder.spec, drawn).codes.tolist()
    assert codes[:5].tolist() == [fused_plainly(decoder.spec, *map(int, one)) for one in drawn[:5]]
    real: Any = decode(*(decoder.real(axis, column) for axis, column in enumerate(columns)), decoder)
    # Rounding apart, but for queries as near to two branches, which the codes tell by their ties.
    assert (np.abs(decoder.t_of(codes) - real) * 35767 > 1.01).sum() <= 3


def test_numpy_decodes_codes_and_real_heads(fused_plan: Callable[..., Plan]) -> None:
    decoder = Decoder(fused_plan().spec)
    rng = np.random.default_rng(1)
    x, y, z = rng.integers(-128, 128, (3, 500)).astype(np.int8)
    codes = decode(x, y, z, decoder)
    assert codes.dtype == np.int16
    real: Any = decode(*(decoder.real(axis, head) for axis, head in enumerate((x, y, z))), decoder)
    # The results differ by their rounding, but where the two are apart by the threshold to a unit.
    assert (np.abs(decoder.t_of(codes) - real) * 35767 > 1.01).sum() <= 2
    assert np.isnan(decode(np.array([0.5]), np.array([0.5]), np.array([np.nan]), decoder)[0])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (("decoder.threshold=1",), "decoder.threshold = 1: needed by the fused estimator"),
        (("decoder.threshold=[]",), "decoder.threshold = []: needed by the fused estimator"),
        (("decoder.threshold=[0.1, 0.2]",), "decoder.weight: needed by several thresholds"),
        (("decoder.threshold=[0.1, 0.2]", "decoder.weight=0.5"), "decoder.weight = 0.5: 1 for 2 thresholds"),
        (
            ("decoder.threshold=[0.2, 0.1]", "decoder.weight=[0.5, 0.25]"),
            "decoder.threshold = [0.2, 0.1]: in codes of the result that is 7153, 3576; give each larger",
        ),
        (
            ("decoder.threshold=[0.1, 0.101]", "decoder.weight=[0.5, 0.25]", "output.codes=[0, 100]"),
            "in codes of the result that is 10, 10",
        ),
        (("decoder.threshold=['a']",), 'decoder.threshold = ["a"]: is no number'),
        (
            ("decoder.estimator=nearest", "heads.scale=0.004", "heads.zero_point=0", "heads.range=[0, 1]"),
            "only the fused",
        ),
        (("decoder.distance=true",), "there are no distances beside it"),
        (("curve.kind=moore",), "the curve is closed"),
        (("heads.dtype=int16", "heads.zero_point=0"), "give int8 or uint8"),
        (
            (
                "curve.dimensions=3",
                "heads.scale=0.004",
                "heads.zero_point=0",
                "heads.range=[0, 1]",
                "decoder.sigma=0.4",
                "decoder.gate=0",
            ),
            "a table of 2^24 results would take 32 MB of flash; delete sigma and gate, or take two heads",
        ),
        (("curve.dimensions=3", "curve.order=2"), "3 values, and curve.dimensions = 3, with a fused head"),
        (("curve.dimensions=6", "curve.order=1", "heads.scale=0.004"), "a point has 7 codes, and 6 is the most"),
        (("heads.scale=[0.004, 0.004]",), "2 values, and curve.dimensions = 2, with a fused head"),
        (("decoder.sigma=0.4",), "decoder.gate: needed by the mean"),
    ],
)
def test_what_can_not_be_fused_is_refused(
    changes: tuple[str, ...], problem: str, fused_plan: Callable[..., Plan]
) -> None:
    with pytest.raises(UsageError) as caught:
        fused_plan(*changes)
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_a_difference_of_the_threshold_leaves_the_curve(fused_plan: Callable[..., Plan]) -> None:
    spec = fused_plan().spec  # 0.04 of 35767 is 1430.68
    curve = np.array([-2000, -2000, 100, 100, 101])
    single = curve + np.array([1430, 1431, -1430, -1431, -1432])
    assert limits(spec) == (1430,)
    # Halves are rounded up, those of negative numbers too: -1284.5, -615.5.
    assert fuse(spec, curve, single).tolist() == [-2000, -1284, 100, -615, -615]
    exact = fused_plan("decoder.threshold=0.5", "output.codes=[0, 32766]").spec
    assert fuse(exact, np.array([0, 0]), np.array([16383, 16384])).tolist() == [0, 8192]
