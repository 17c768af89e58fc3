"""The configurations that `make fuzz` draws: they are of every kind, most are no nonsense, and what they give is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from firmware_tests.conftest import needs_board
from firmware_tests.fuzz import Drawn, drawn, outcome
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import make_plan


def test_every_kind_is_drawn_and_most_make_a_plan(tmp_path: Path) -> None:
    chance, plans, config = random.Random(1), [], tmp_path / "empty.toml"
    config.write_text("", encoding="utf-8")
    for _ in range(400):
        try:
            plans.append(make_plan(load(config, drawn(chance).settings)))
        except UsageError as error:
            assert str(error).startswith("empty.toml: heads."), error
    assert len(plans) > 300
    assert {plan.spec.dimensions for plan in plans} == {2, 3, 4, 5, 6}
    assert {plan.spec.heads.dtype for plan in plans} == {"int8", "uint8", "int16"}
    assert {plan.spec.estimator.kind for plan in plans} == {"nearest", "mean"}
    assert any(plan.distance for plan in plans) and any(plan.spec.fusion for plan in plans)
    assert len({plan.spec.heads.scale for plan in plans}) > 200


@pytest.mark.parametrize("seed", [1, 2])
def test_a_drawn_configuration_passes_on_a_board(seed: int, tmp_path: Path) -> None:
    needs_board("mps2-an386", "unicorn")
    chance = random.Random(seed)
    for _ in range(8):
        what, said = outcome(drawn(chance, ("mps2-an386",)), tmp_path)
        if what != "refused":
            break
    assert what == "PASS", said


def test_what_is_refused_is_told_with_the_reason(tmp_path: Path) -> None:
    what, said = outcome(Drawn(("curve.dimensions=7",), "mps2-an386", "auto"), tmp_path)
    assert what == "refused" and "curve.dimensions" in said
