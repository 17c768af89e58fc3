"""The limit of flash: what `show` marks, and a strategy that was named and takes more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilbert_codegen.cli import main

CONFIG = "[heads]\nscale = 0.00390625\nzero_point = -128\n"


def show(config: Path, capsys: pytest.CaptureFixture[str], *settings: str) -> dict[str, dict[str, object]]:
    words = [word for setting in settings for word in ("--set", setting)]
    main_ends(["show", str(config), "--format", "json", *words], 0)
    return {one["strategy"]: one for one in json.loads(capsys.readouterr().out)["strategies"]}


def main_ends(words: list[str], status: int) -> None:
    try:
        main(words)
    except SystemExit as end:
        assert end.code in (status, None if status == 0 else status)
    else:
        assert status == 0


def test_show_marks_what_is_taken_and_knows_the_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Planar heads cost Helium's strategies more: full 0.67 instead of 0.47."""
    config = tmp_path / "depth.toml"
    config.write_text(CONFIG, encoding="utf-8")
    usual = show(config, capsys, "code.target=cortex-m55")
    planar = show(config, capsys, "code.target=cortex-m55", "heads.layout=planar")
    assert [name for name, one in usual.items() if one["taken"]] == ["tile_direct"]
    for name, least in {"full": 0.15, "tile_direct": 0.15, "tile": 0.15}.items():
        before, after = usual[name]["instructions_per_point"], planar[name]["instructions_per_point"]
        assert isinstance(before, float) and isinstance(after, float)
        assert after > before + least and not planar[name]["typical"]


def test_a_named_strategy_over_the_limit_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "depth.toml"
    config.write_text(CONFIG + '[code]\nstrategy = "full"\n', encoding="utf-8")
    main_ends(["generate", str(config), "-o", str(tmp_path / "src")], 0)
    said = capsys.readouterr().err
    assert "warning: code.max_flash_bytes = 20480: full takes 131" in said and "of code" in said
    main_ends(["generate", str(config), "-o", str(tmp_path / "strict"), "--strict"], 1)
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize(
    ("settings", "variant", "without"),
    [
        (
            ["code.target=cortex-m4", "heads.layout=planar"],
            "thumb2",
            {name: "interleaved" for name in ("full", "tile", "tile_direct", "tile_word", "segment")},
        ),
        (["code.target=cortex-m0plus"], "thumb1", {"segment": "third outcome"}),
        (["code.target=cortex-m55", "curve.order=4"], "mve", {"octant": "lanes of 16 bits"}),
    ],
    ids=["planar", "ties", "fine"],
)
def test_show_says_why_a_variant_is_not_there(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: list[str],
    variant: str,
    without: dict[str, str],
) -> None:
    config = tmp_path / "depth.toml"
    config.write_text(CONFIG, encoding="utf-8")
    found = show(config, capsys, *settings)
    assert {name for name, one in found.items() if one["without"]} == set(without)
    for name, reason in without.items():
        missing, there = found[name]["without"], found[name]["variants"]
        assert isinstance(missing, dict) and reason in missing[variant] and there == ["portable"]
    main_ends(["show", str(config), *(word for setting in settings for word in ("--set", setting))], 0)
    assert f"without {variant}: {next(iter(without))}" in capsys.readouterr().out


def test_where_no_layout_is_found_the_portable_c_is_the_next_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "depth.toml"
    config.write_text(CONFIG, encoding="utf-8")
    usual = show(config, capsys, "code.target=cortex-m4")["tile"]
    monkeypatch.setattr("hilbert_codegen.kernels.pictures.reaching_pool", lambda *_: None)
    found = show(config, capsys, "code.target=cortex-m4")["tile"]
    assert not usual["without"] and usual["variants"] == ["thumb2", "portable"]
    assert found["variants"] == ["portable"]
    assert found["without"] == {"thumb2": "the windows of its tiles were not laid such that no sum needs a mask"}
    before, after = usual["instructions_per_point"], found["instructions_per_point"]
    assert isinstance(before, float) and isinstance(after, float) and after > before
