"""Remembered proofs spare a repetition, never the first, and nothing where anything has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbert_codegen.cli import group
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit import generate as module
from hilbert_codegen.emit.proofs import Proofs
from hilbert_codegen.emit.prove import prove
from hilbert_codegen.spec.plan import make_plan

HEADS = "[curve]\ndimensions = 4\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\n[code]\nprefix = 'q'\n"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A line for every proof that is made."""
    made: list[str] = []

    def counting(*arguments: object) -> None:
        made.append("proof")
        prove(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "prove", counting)
    return made


def test_only_a_repetition_is_spared(tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HILBERT_CODEGEN_CACHE", str(tmp_path / "cache"))
    config = tmp_path / "q.toml"
    config.write_text(HEADS, encoding="utf-8")
    words = ["generate", str(config), "-o", str(tmp_path / "out"), "-q"]
    for options, proofs in (([], 1), ([], 1), (["--no-cache"], 2), (["--set", "output.codes=[0, 1000]"], 3)):
        group.main([*words, *options], standalone_mode=False)
        assert len(counted) == proofs, options
    assert len(list((tmp_path / "cache").iterdir())) == 2
    monkeypatch.setenv("HILBERT_CODEGEN_CACHE", "")
    group.main(words, standalone_mode=False)
    assert len(counted) == 4


@pytest.mark.slow
def test_spared_and_made_give_the_same_files_and_a_folder_that_cannot_be_written_harms_nothing(
    tmp_path: Path, counted: list[str]
) -> None:
    config = tmp_path / "q.toml"
    config.write_text(HEADS.replace("4", "3", 1), encoding="utf-8")
    plan = make_plan(load(config))
    told: list[str] = []
    first = module.generate(plan, told.append, proofs=Proofs(tmp_path))
    assert "exact reference, 0 %" in told and "proof of corner, 100 %" in told
    again = module.generate(plan, proofs=Proofs(tmp_path))
    assert again.files == first.files
    assert len(counted) == 1
    module.generate(make_plan(load(config, ["curve.order=1"])), proofs=Proofs(config))
    assert len(counted) == 2
    assert (again.ideal.codes == first.ideal.codes).all()


def test_another_version_of_the_tool_is_another_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "q.toml"
    config.write_text(HEADS, encoding="utf-8")
    plan = make_plan(load(config))
    built = module.generate(plan).built
    key = Proofs(tmp_path).key(plan, built)
    monkeypatch.setattr("hilbert_codegen.emit.proofs.tool_files", lambda: [config])
    assert Proofs(tmp_path).key(plan, built) != key
