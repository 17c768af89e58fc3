"""Which variants are in a file, who proves them, and what follows for boards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from hilbert_codegen.bench.session import Session
from hilbert_codegen.cli import group
from hilbert_codegen.emit.choose import for_cores, variants_of
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import prove
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets.cores import CORES, core
from hilbert_codegen.variants import PORTABLE, VARIANTS

Codes = NDArray[np.int64]

#: What each core executes beside portable C.
OWN = {
    **dict.fromkeys(["cortex-m0", "cortex-m0plus", "cortex-m23"], "thumb1"),
    **dict.fromkeys(["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"], "thumb2"),
    **dict.fromkeys(["cortex-m55", "cortex-m85"], "mve"),
    **dict.fromkeys(["rv32imc", "rv32imc_zba_zbb"], "riscv"),
    "rv32imc_zve32x": "rvv",
}
OTHERS = [name for name in VARIANTS.names() if name != PORTABLE]


def source(plan: Plan) -> str:
    return generate(plan).files["hilbert_decoder.c"].decode("ascii")


def switches(text: str) -> set[str]:
    """Variants whose switch stands in the C."""
    return {name for name in OTHERS if VARIANTS[name].switch in text}


@pytest.mark.parametrize("target", CORES)
def test_auto_takes_what_the_target_executes(plan: Callable[..., Plan], target: str) -> None:
    text = source(plan("code.strategy=tile", f"code.target={target}"))
    own = {OWN[target]} if target in OWN else set()
    assert switches(text) == own
    assert f"auto: {', '.join([*sorted(own), PORTABLE])}  [default]" in text


@pytest.mark.parametrize("settings", [["code.variants=all"], ["code.target=any"]])
def test_all_variants(plan: Callable[..., Plan], settings: list[str]) -> None:
    assert switches(source(plan("code.strategy=tile", *settings))) == set(OTHERS)


@pytest.mark.parametrize("wanted", OTHERS)
def test_variants_by_name_and_the_portable_one_with_them(plan: Callable[..., Plan], wanted: str) -> None:
    made = plan("code.strategy=tile", f'code.variants=["{wanted}"]')
    assert variants_of(made) == tuple(sorted([wanted, PORTABLE]))
    assert switches(source(made)) == {wanted}
    assert not switches(source(plan("code.strategy=tile", "code.variants=portable", "code.target=cortex-m55")))


def test_an_unknown_variant_is_a_usage_error(plan: Callable[..., Plan]) -> None:
    with pytest.raises(UsageError, match=r"code.variants = \[\"mve\", \"neon\"\]: no variant 'neon'; .* mve, portable"):
        generate(plan('code.variants=["mve","neon"]'))


@pytest.mark.parametrize("strategy", ["tile", "tile_direct", "tile_word", "segment", "octant", "full"])
def test_each_variant_is_proved(plan: Callable[..., Plan], strategy: str) -> None:
    """A fault in one model alone is found, and named."""
    made = plan(f"code.strategy={strategy}", "code.variants=all", "curve.inset=0.1", "code.max_flash_bytes=200000")
    if strategy.startswith("tile"):
        made = plan(f"code.strategy={strategy}", "code.variants=all", "code.max_flash_bytes=200000")
    generated = generate(made)
    built = generated.built
    assert {"hvx", "mve"} <= set(built.variants)
    assert strategy == "octant" or "rvv" in built.variants
    assert strategy in ("octant", "full") or {"thumb1", "thumb2"} <= set(built.variants)
    for name, code in built.variants.items():

        def wrong(x: Codes, y: Codes, model: Callable[..., Codes] = code.decode) -> Codes:
            return np.asarray(model(x, y) ^ ((x == 9) & (y == 200)))

        faulty = replace(built, variants={**built.variants, name: replace(code, decode=wrong)})
        with pytest.raises(CheckFailed, match=f"variant {name}: decode is not exact: 1 of 65536"):
            prove(made.spec, faulty, generated.domain, generated.ideal)


def test_tables_stand_behind_the_switches_of_those_that_read_them(plan: Callable[..., Plan]) -> None:
    text = source(plan("code.strategy=tile", "code.variants=all", "code.max_flash_bytes=30000"))
    before = {
        name: text[: text.index(f"hilbert_{name}[")].rsplit("\n#", 1)[1].splitlines()[0]
        for name in ("picture", "thumb1_picture", "thumb2_picture", "hvx_bytes")
    }
    assert before == {
        "picture": "if !HILBERT_USE_RISCV && !HILBERT_USE_THUMB1 && !HILBERT_USE_THUMB2",
        "thumb1_picture": "if HILBERT_USE_THUMB1",
        "thumb2_picture": "if HILBERT_USE_RISCV || HILBERT_USE_THUMB2",
        "hvx_bytes": "if HILBERT_USE_HVX",
    }


def test_boards_get_the_variants_of_their_cores(plan: Callable[..., Plan]) -> None:
    made = plan("code.strategy=tile")
    cores = [core("cortex-m55"), core("cortex-m0")]
    found = Session(made, tuple(cores)).decoder()
    assert switches(found.files["hilbert_decoder.c"].decode("ascii")) == {"mve", "thumb1"}
    assert found.portable(cores[0]).variant == "HILBERT_USE_MVE=0"
    fixed = plan("code.strategy=tile", "code.variants=portable")
    assert for_cores(fixed, cores) is fixed


@pytest.mark.parametrize("target", ["cortex-m4", "cortex-m55", "any"])
def test_boards_run_the_strategy_that_is_generated(target: str, plan: Callable[..., Plan]) -> None:
    """Whatever boards are named: those of other cores would have another one, if the choice were theirs."""
    made = plan(f"code.target={target}", "code.max_flash_bytes=32768")
    strategy = generate(made).built.strategy
    added: dict[str, dict[str, tuple[str, ...]]] = {
        "cortex-m4": {"cortex-m4": (), "cortex-m55": ("mve",)},
        "cortex-m55": {"cortex-m4": ("thumb2",), "cortex-m55": ()},
        "any": {"cortex-m4": (), "cortex-m55": ()},
    }
    for name, variants in added[target].items():
        session = Session(made, (core(name),))
        assert session.decoder().strategy == strategy
        assert session.added() == variants


@pytest.mark.parametrize("name", ["cortex-m0+", "Cortex-M0+", "cortex-m0plus"])
def test_the_core_called_m0plus(name: str, plan: Callable[..., Plan]) -> None:
    """By the name that people use, and by that of compilers' flags."""
    assert core(name) is CORES["cortex-m0plus"]
    made = plan(f"code.target={name}")
    assert made.config.code.target == "cortex-m0plus"
    assert variants_of(made) == ("portable", "thumb1")


def test_costs_are_those_of_what_runs(plan: Callable[..., Plan]) -> None:
    """A Cortex-M55 without Helium in the file is no faster than other cores."""
    runner = CliRunner()
    rows = {}
    for wanted in ("auto", "portable"):
        path = plan().settings.folder / "depth.toml"
        words = [
            "show",
            str(path),
            "--format",
            "json",
            "--set",
            "code.target=cortex-m55",
            "--set",
            f"code.variants={wanted}",
        ]
        shown = json.loads(runner.invoke(group, words, catch_exceptions=False).stdout)
        rows[wanted] = {row["strategy"]: row for row in shown["strategies"]}
        assert shown["derived"]["variants"] == (["mve", PORTABLE] if wanted == "auto" else [PORTABLE])
    assert rows["auto"]["tile"]["instructions_per_point"] < 2 < 10 < rows["portable"]["tile"]["instructions_per_point"]
    assert rows["auto"]["tile"]["variants"] == ["mve", PORTABLE]
    assert rows["auto"]["closed"]["instructions_per_point"] == rows["portable"]["closed"]["instructions_per_point"]
