from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from hilbert_codegen.bench.firmware import make_sweep, selftest_files
from hilbert_codegen.bench.verify import verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit import choose
from hilbert_codegen.emit import writer as output
from hilbert_codegen.emit.choose import code_bytes, table_bytes, too_large
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.kernels import STRATEGIES, Refused
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.variants import VARIANTS, equipped
from tests.conftest import needs
from tests.paths import GOLDEN
from tests.specs import specs

CONFIGS = sorted(GOLDEN.glob("*.toml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_golden(config: Path) -> None:
    """The committed C is what the generator gives; `make goldens` writes it again."""
    files = generate(make_plan(load(config))).files
    assert output.difference(config.with_suffix(""), files) == ""


#: Those that share tiles, and so the time to join them, get the same specifications.
TOGETHER = [tuple(name for name in STRATEGIES.names() if name.startswith("tile"))]
TOGETHER += [(name,) for name in STRATEGIES.names() if not name.startswith("tile")]


def test_what_else_was_rendered_changes_nothing(plan: Callable[..., Plan]) -> None:
    """Not the program of a board either, whose templates are laid out otherwise."""
    made = plan("code.strategy=closed")
    before = generate(made).files
    selftest_files(made, make_sweep(made))
    assert generate(made).files == before


@pytest.mark.slow
@pytest.mark.parametrize("strategies", TOGETHER, ids="-".join)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=specs())
def test_strategy_is_exact_or_refuses(strategies: tuple[str, ...], spec: Spec) -> None:
    domain = proof_domain(spec)
    expected = reference_for(spec, domain)
    for strategy, distance in itertools.product(strategies, (False, True)):
        try:
            built = STRATEGIES[strategy].build(spec, expected, distance=distance)
        except Refused as refusal:
            assert str(refusal)
            continue
        built = equipped(built, VARIANTS.names(), spec, expected)
        prove(spec, built, domain, expected)


def test_a_wrong_model_is_never_rendered(plan: Callable[..., Plan]) -> None:
    made = plan("code.strategy=tile")
    domain = proof_domain(made.spec)
    expected = reference_for(made.spec, domain)
    built = STRATEGIES["tile"].build(made.spec, expected, distance=False)
    codes = expected.codes.copy()
    codes[3, 7] ^= 1
    with pytest.raises(
        CheckFailed, match=r"variant portable: decode is not exact: 1 of 65536 pairs differ, first at x = 7, y = 3"
    ):
        prove(made.spec, built, domain, replace(expected, codes=codes))


def test_auto_takes_the_fastest_that_fits(plan: Callable[..., Plan]) -> None:
    roomy = generate(plan("code.max_flash_bytes=200000"))
    small = generate(plan("code.max_flash_bytes=17408"))
    assert roomy.built.strategy == "full"
    assert small.built.strategy == "tile" and 16000 < small.table_bytes <= 16500


def test_the_limit_is_of_tables_and_code(plan: Callable[..., Plan]) -> None:
    """The tables of a tile fit 16 KB, with its code it does not; and no more bytes are counted than there are."""
    for limit in (4700, 8192, 16384, 30000):
        made = plan(f"code.max_flash_bytes={limit}")
        built = generate(made).built
        assert built.strategy != "tile" or limit > 16384
        assert table_bytes(made, built) + code_bytes(made, built) <= limit
        assert 100 < code_bytes(made, built) < 3000
        assert not too_large(made, built)


def test_code_was_measured_for_every_kind_on_every_core() -> None:
    """What costs.json has instructions of, it has bytes of."""
    known = json.loads(Path(choose.__file__).with_name("costs.json").read_text(encoding="utf-8"))
    for which in ("", "_planar"):
        for core, kinds in known[f"instructions_per_point{which}"].items():
            for kind, variants in kinds.items():
                assert set(variants) <= set(known[f"code_bytes{which}"][core][kind]), (which, core, kind)


def test_the_code_of_planar_heads_is_counted_as_such(plan: Callable[..., Plan]) -> None:
    """Two pointers and no word that has both codes: more of it on an M4; with distances no less."""
    sizes = []
    for changes in ([], ["heads.layout=planar"], ["heads.layout=planar", "decoder.distance=true"]):
        made = plan("code.strategy=tile", "code.target=cortex-m4", *changes)
        sizes.append(code_bytes(made, generate(made).built))
    assert sizes[0] + 50 < sizes[1] <= sizes[2]


def test_tables_are_counted_on_the_target(plan: Callable[..., Plan]) -> None:
    """The largest variant of segment is Helium's, which an M4 does not have."""
    made = [generate(plan("code.strategy=segment", f"code.target=cortex-{core}")) for core in ("m4", "m55")]
    assert made[0].table_bytes == made[0].built.portable.table_bytes < made[1].table_bytes
    assert made[1].table_bytes == made[1].built.variants["mve"].table_bytes
    anywhere = generate(plan("code.strategy=segment", "code.target=any"))
    assert anywhere.table_bytes == max(code.table_bytes for code in anywhere.built.implementations.values())


def test_nothing_fits_is_an_error_with_the_sizes(plan: Callable[..., Plan]) -> None:
    with pytest.raises(UsageError, match=r"no strategy fits: .*full 131\d\d\d bytes"):
        generate(plan("code.max_flash_bytes=100"))


def test_generation_is_deterministic(plan: Callable[..., Plan]) -> None:
    assert generate(plan()).files == generate(plan()).files


def test_hostile_file_name_stays_inside_the_comment(config_file: Callable[..., Path]) -> None:
    made = make_plan(load(config_file(name="a*-/b??-\\.toml".replace("-/", "∕")), ["code.prefix=ok"]))
    for content in generate(made).files.values():
        banner = content.split(b"*/")[0]
        assert b"Proved:" in banner


@pytest.mark.slow
@needs("gcc")
@pytest.mark.parametrize("strategy", STRATEGIES.names())
@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["heads.layout=planar", "output.dtype=int16", "output.codes=[10000, 500]"],
        ["curve.inset=0.1", "heads.scale=[0.00437, 0.0041]", "heads.zero_point=[-97, -110]"],
        ["output.dtype=int32", "heads.dtype=uint8", "heads.zero_point=0", "curve.order=4"],
        ["curve.kind=moore", "output.dtype=uint8", "decoder.distance=true", "curve.order=2"],
        ["output.dtype=int8", "output.codes=[-128, 127]", "decoder.distance=true", "curve.orientation=transpose"],
        ["curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97", "curve.order=2", "decoder.distance=true"],
    ],
    ids=["default", "planar", "any-scale", "int32", "moore", "int8", "distance"],
)
def test_compiled_c_equals_the_reference(plan: Callable[..., Plan], strategy: str, changes: list[str]) -> None:
    made = plan(f"code.strategy={strategy}", *changes)
    try:
        generated = generate(made)
    except UsageError as refused:
        pytest.skip(f"{strategy} refuses this configuration: {refused}")
    for verdict in verify(made, generated):
        assert verdict.mismatches == 0, f"{verdict.function}: {verdict.first}"


@needs("gcc")
def test_verify_reports_the_first_mismatch(plan: Callable[..., Plan]) -> None:
    made = plan("code.strategy=full")
    generated = generate(made)
    codes = generated.ideal.codes.copy()
    codes[0, 5] += 1
    tampered = replace(generated, ideal=replace(generated.ideal, codes=codes))
    verdict = verify(made, tampered)[0]
    assert verdict.mismatches == 1
    assert verdict.first == f"x = 5, y = 0: expected {codes[0, 5]}, got {codes[0, 5] - 1}"


@needs("gcc")
@pytest.mark.parametrize(
    "changes",
    [
        ["heads.scale=1.52587890625e-05", "heads.zero_point=-32768"],
        ["heads.scale=3.1e-05", "heads.range=[-1, 1]", "curve.inset=0.1", "decoder.distance=true"],
        ["heads.scale=[3.1234567e-05, 2.9345671e-05]", "heads.range=[-1, 1]", "curve.kind=moore", "curve.order=5"],
    ],
    ids=["cell-grid", "symmetric", "moore"],
)
def test_int16_heads_say_what_was_proved(plan: Callable[..., Plan], changes: list[str]) -> None:
    made = plan("heads.dtype=int16", "heads.zero_point=0", *changes)
    generated = generate(made)
    assert not generated.domain.complete
    assert b"not all 2^32 pairs" in generated.files["hilbert_decoder.h"]
    for verdict in verify(made, generated):
        assert verdict.mismatches == 0, f"{verdict.function}: {verdict.first}"


@needs("gcc")
def test_closed_tells_the_closest_calls_apart(plan: Callable[..., Plan]) -> None:
    """Two branches 2^-53 apart in distance, from scales of few decimal digits."""
    made = plan(
        "heads.scale=[0.0078125, 0.00859375]", "heads.zero_point=[0, 52]", "heads.range=[-1, 1]", "curve.order=1",
        "curve.orientation=anti_transpose", "output.dtype=uint8", "code.strategy=closed",
    )  # fmt: skip
    assert [verdict.mismatches for verdict in verify(made, generate(made))] == [0, 0]


def test_goldens_are_ascii_with_unix_line_ends() -> None:
    for folder in (path.with_suffix("") for path in CONFIGS):
        for path in folder.glob("*.[ch]"):
            content = path.read_bytes()
            assert content.isascii()
            assert b"\r" not in content
            assert os.fsencode(str(Path.cwd())) not in content
            assert np.max([len(line) for line in content.splitlines()]) < 400
