from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hilbert_codegen.cli import main


def call(*arguments: object) -> int:
    """Exit status of the command line."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
        sys.exit(0)
    return int(stop.value.code or 0)


def test_generate_then_check(
    config_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = config_file(), tmp_path / "out"
    assert call("generate", config, "-o", out, "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert sorted(path.name for path in out.iterdir()) == ["hilbert_decoder.c", "hilbert_decoder.h"]
    assert call("check", config, "-o", out) == 0
    assert call("check", config, "-o", out, "--set", "output.codes=[0, 1000]") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("--- hilbert_decoder.c")
    assert "run generate" in captured.err


def test_dry_run_and_list_write_nothing(
    config_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("generate", config_file(), "-o", out, "--dry-run") == 0
    assert "would write" in capsys.readouterr().err
    assert call("generate", config_file(), "-o", out, "--list-outputs", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == ["hilbert_decoder.c", "hilbert_decoder.h"]
    assert not out.exists()


def test_generate_reports_json(
    config_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("generate", config_file(), "-o", tmp_path / "out", "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["written"]
    assert record["proved"] == "all 65536 pairs of codes"


def test_usage_errors_exit_2_and_write_nothing(
    config_file: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("generate", config_file(), "-o", out, "--set", "curve.order=9") == 2
    assert call("generate", tmp_path / "none.toml", "-o", out) == 2
    assert call("generate", config_file(), "--bogus") == 2
    assert call("nonsense") == 2
    assert not out.exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_strict_turns_a_lost_part_into_a_failure(config_file: Callable[..., Path], tmp_path: Path) -> None:
    lossy = ("--set", "heads.scale=0.003", "--set", "code.strategy=full")
    assert call("generate", config_file(), "-o", tmp_path / "a", *lossy) == 0
    assert call("generate", config_file(), "-o", tmp_path / "b", *lossy, "--strict") == 1
    assert not (tmp_path / "b").exists()


def test_show_lists_origin_and_sizes(config_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", config_file(), "--format", "json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["derived"]["levels"] == 2017
    assert {"full", "tile"} <= {row["strategy"] for row in record["strategies"]}
    assert {"key": "heads.scale", "value": "[0.00390625, 0.00390625]", "from": "depth.toml"} in record["values"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot_is_reproducible(config_file: Callable[..., Path], tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    assert call("plot", config_file(), "-o", first) == 0
    assert call("plot", config_file(), "-o", second) == 0
    assert first.read_bytes() == second.read_bytes()
    assert call("plot", config_file(), "-o", tmp_path / "a.bmp") == 2


@pytest.mark.parametrize("command", ["generate", "check", "verify", "show", "plot"])
def test_every_command_has_help(command: str) -> None:
    def output(*words: str) -> str:
        line = [sys.executable, "-m", "hilbert_codegen", *words]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    assert command in output("--help")
    assert "Usage:" in output(command, "-h")
