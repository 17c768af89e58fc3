"""The subcommands `boards`, `run` and `measure` as people and CI servers use them."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

import hilbert_codegen
from firmware_tests.conftest import CONFIG, needs_board, needs_compiler, needs_emulator
from hilbert_codegen.bench.measure import Record, compare, disagreements, read_baseline, rows_for, with_frame
from hilbert_codegen.cli import main
from hilbert_codegen.cli.measure import parse_clock, parse_frame, parse_tolerance
from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.tools import Found, Missing

KEYS = {
    "board", "core", "emulator", "strategy", "points", "mismatches", "instructions_per_point", "code_bytes", "table_bytes",
    "stack_bytes", "cycles_per_point", "cycles_model",
}  # fmt: skip


#: The package under test, whatever is installed beside it.
PACKAGE = str(Path(hilbert_codegen.__file__).parents[1])


def command(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hilbert_codegen", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": PACKAGE, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "depth.toml"
    path.write_text(CONFIG.format(order=2) + 'strategy = "full"\n', encoding="utf-8")
    return path


def test_boards(tmp_path: Path) -> None:
    done = command("boards", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = {record["board"]: record for record in json.loads(done.stdout)}
    assert set(records) == set(BOARDS.names())
    assert records["mps2-an386"]["core"] == "cortex-m4"
    for record in records.values():
        assert record["usable"] or record["problem"]


def test_run_passes_and_reports(config: Path, tmp_path: Path) -> None:
    needs_board("mps2-an386", "qemu")
    report = tmp_path / "report.xml"
    done = command("run", config, "--board", "mps2-an386", "--emulator", "qemu", "--junit", report, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS  full on mps2-an386 (Cortex-M4)")
    assert "65,536 pairs" in done.stdout
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")


def test_measure_json_and_baseline(config: Path, tmp_path: Path) -> None:
    needs_board("mps2-an386", "qemu")
    words = ["measure", str(config), "--board", "mps2-an386", "--emulator", "qemu", "--points", "512"]
    done = command(*words, "--format", "json", "--frame", "256x192", "--clock", "168MHz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert set(record) >= KEYS
    assert record["points"] == 512 and record["mismatches"] == 0 and record["status"] == "ok"
    assert record["instructions_per_point"] == pytest.approx(record["instructions"] / 512, abs=1e-4)
    assert record["table_bytes"] == 131072
    if record["cycles_per_point"] is not None:
        assert record["cycles_model"]
        assert record["milliseconds"] == pytest.approx(record["cycles_per_point"] * 49152 / 168e6 * 1e3, rel=1e-3)

    same = tmp_path / "same.json"
    same.write_text(done.stdout, encoding="utf-8")
    done = command(*words, "--baseline", same, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Instructions are exact" in done.stdout and "flash wait" in done.stdout

    better = tmp_path / "better.json"
    better.write_text(json.dumps([{**record, "instructions_per_point": 1.0}]), encoding="utf-8")
    done = command(*words, "--baseline", better, "--tolerance", "5%", cwd=tmp_path)
    assert done.returncode == 1
    assert "instructions_per_point 1.0 ->" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "{config}", "--board", "nonesuch"], "unknown board 'nonesuch': choose one of"),
        (["run", "{config}", "--board", "mps2-an386", "--emulator", "renode", "--renode", "/nonesuch"], "https://renode.io"),
        (["measure", "{config}", "--points", "0"], "--points 0: give a number from 1 to 65536"),
        (["measure", "{config}", "--frame", "big"], "--frame big: write it as WIDTHxHEIGHT"),
        (["measure", "{config}", "--clock", "1MHz"], "needs --frame"),
        (["measure", "{config}", "--frame", "2x2", "--clock", "fast"], "--clock fast"),
        (["measure", "{config}", "--frame", "2x2", "--clock", "168"], "write --clock 168MHz or --clock 168Hz"),
        (["measure", "{config}", "--strategy", "nonesuch"], "no such strategy"),
        (["measure", "{config}", "--baseline", "none.json"], "--baseline none.json: can't be read"),
        (["measure", "{config}", "--allow-missing", "tile"], "--allow-missing tile: the baseline has no such"),
    ],
)  # fmt: skip
def test_bad_requests(words: list[str], expected: str, config: Path, tmp_path: Path) -> None:
    """One line on standard error, exit status 2."""
    done = command(*[word.format(config=config) for word in words], cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_bare_machine(config: Path, tmp_path: Path) -> None:
    """No program on PATH: the cross compiler and the emulator of PyPI run the scalar cores, and a line tells of the others."""
    needs_emulator("unicorn")
    needs_compiler("zig")
    bare = {"PATH": str(tmp_path), "RENODE": "", "QEMU": "", "ARM_GCC": "", "ARM_CLANG": ""}
    done = command("measure", config, "--points", "512", "--format", "json", cwd=tmp_path, **bare)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert {record["core"] for record in records} == {
        "cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "rv32imc"
    }  # fmt: skip
    assert all(record["status"] == "ok" and record["emulator"] == "unicorn" for record in records)
    (left_out,) = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert "mps3-an547" in left_out and "https://renode.io" in left_out and "qemu-system-arm" in left_out
    done = command("run", config, "--board", "mps3-an547", cwd=tmp_path, **bare)
    assert done.returncode == 2
    assert "qemu-system-arm" in done.stderr and "renode" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_verify_on_a_bare_machine(config: Path, tmp_path: Path) -> None:
    """No C compiler on PATH: the one of PyPI compiles for this machine."""
    needs_compiler("zig")
    done = command("verify", config, cwd=tmp_path, PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "ziglang" in done.stdout and done.stdout.count("PASS") == 2


def test_renode_is_looked_for_anew_on_another_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found on one PATH is not taken to be on the next one."""
    program = tmp_path / "renode"
    program.write_text("#!/bin/sh\necho Renode v1.99.0.1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.delenv("RENODE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = EMULATORS["renode"].find()
    assert isinstance(found, Found) and found.version == "1.99.0.1"
    monkeypatch.setenv("PATH", "/nonexistent")
    assert isinstance(EMULATORS["renode"].find(), Missing)


def test_nothing_installed(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the packages too: what to install, one line."""
    for variable in ("RENODE", "QEMU", "ARM_GCC", "ARM_CLANG"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        main(["run", str(config), "--board", "mps2-an386"])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "qemu-system-arm" in line and "renode" in line and "hilbert_codegen[boards]" in line


def test_a_board_that_does_not_run_here_names_one_that_does(config: Path, tmp_path: Path) -> None:
    """The same core is proposed."""
    needs_emulator("qemu")
    words = ("run", config, "--board", "stm32f4_discovery", "--emulator", "qemu")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "it runs on renode, unicorn" in done.stderr
    assert "of the same core, Cortex-M4" in done.stderr and "mps2-an386" in done.stderr


def test_a_renode_that_does_not_answer_is_an_error(config: Path, tmp_path: Path) -> None:
    """Named and wrong: never passed over for another emulator; named as the user named it; ten seconds at most."""
    done = command("run", config, "--board", "mps2-an386", cwd=tmp_path, RENODE="/nope")
    assert done.returncode == 2 and "RENODE '/nope' does not start a program" in done.stderr
    done = command("run", config, "--board", "mps2-an386", "--renode", "/nope", cwd=tmp_path)
    assert done.returncode == 2 and "--renode '/nope' does not start a program" in done.stderr
    start = time.monotonic()
    done = command("run", config, "--board", "mps2-an386", cwd=tmp_path, RENODE=f"{sys.executable} -c 'import time; time.sleep(60)'")  # fmt: skip
    assert done.returncode == 2 and "does not start a program" in done.stderr
    assert time.monotonic() - start < 20


def test_all_emulators_are_compared(config: Path, tmp_path: Path) -> None:
    needs_emulator("unicorn")
    needs_board("mps2-an386", "qemu")
    words = ("measure", config, "--board", "mps2-an386", "--emulator", "all", "--points", "512", "--format", "json")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert {"qemu", "unicorn"} <= {record["emulator"] for record in records}
    assert len({record["instructions"] for record in records}) == 1
    one, two = RECORD, replace(RECORD, emulator="unicorn", instructions=5121)
    assert disagreements([one, two]) == ["tile on b: qemu counts 5120, unicorn counts 5121"]
    assert disagreements([one, replace(two, instructions=5120)]) == []


def descendants(process: int) -> dict[int, str]:
    """The running processes below `process` and their command lines, from Linux's /proc."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob(f"{process}/task/*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
            found |= {child: Path(f"/proc/{child}/cmdline").read_text() for child in children}
        except OSError:  # it ended meanwhile
            continue
        for child in children:
            found |= descendants(child)
    return found


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
@pytest.mark.parametrize(("emulator", "sign"), [("qemu", "-kernel"), ("renode", "--console")])
def test_a_killed_command_takes_its_emulator_along(emulator: str, sign: str, config: Path, tmp_path: Path) -> None:
    """By an option that only the process that runs the board has; QEMU waits (-S), or it would end too soon to be seen."""
    needs_board("mps2-an386", emulator)
    words = ["run", str(config), "--board", "mps2-an386", "--emulator", emulator]
    process = subprocess.Popen(
        [sys.executable, "-m", "hilbert_codegen", *words], cwd=tmp_path, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": PACKAGE, "QEMU": "qemu-system-arm -S"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    found: list[int] = []
    while not found and process.poll() is None:
        found = [child for child, line in descendants(process.pid).items() if sign in line and "setpriv" not in line]
        time.sleep(0.02)
    assert found, "no emulator was seen"
    time.sleep(2.0)  # while it starts, Renode ends with its standard input in any case
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(running, found)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [child for child in found if running(child)]
    for child in left:
        os.kill(child, signal.SIGKILL)
    assert not left


def test_parsers() -> None:
    assert parse_frame("256x192") == 49152
    assert parse_clock("168MHz") == 168e6 and parse_clock("1.5 GHz") == 1.5e9 and parse_clock("32768Hz") == 32768
    assert parse_tolerance("2%") == parse_tolerance("0.02") == 0.02
    assert (rows_for(1), rows_for(256), rows_for(257), rows_for(65536)) == (1, 1, 2, 256)
    for bad in ("0x2", "256", "-1x4"):
        with pytest.raises(UsageError):
            parse_frame(bad)


RECORD = Record(
    "b", "cortex-m4", "qemu", "7", "gcc 12", "tile", "default", "ok", 512, 0, 5120, 10.0, 100, 4096, 8, 12.0, "m"
)


def test_compare() -> None:
    old = {"board": "b", "strategy": "tile", "instructions_per_point": 10.0, "code_bytes": 100, "table_bytes": 4096}
    assert compare([RECORD], [old], 0.01) == []
    assert compare([replace(RECORD, instructions_per_point=10.05)], [old], 0.01) == []
    (line,) = compare([replace(RECORD, instructions_per_point=10.2)], [old], 0.01)
    assert "instructions_per_point 10.0 -> 10.2 (+2.0 %)" in line
    (line,) = compare([replace(RECORD, table_bytes=5000)], [old], 0.01)
    assert "table_bytes" in line
    (line,) = compare([replace(RECORD, status="failed")], [old], 0.01)
    assert "not now" in line
    # Nothing is compared in silence: what the baseline holds and the run lacks is a line, unless it is named.
    for name in ("board", "strategy", "variant"):
        (line,) = compare([RECORD], [{**old, name: "other"}], 0.0)
        assert "was measured in the baseline and is not now" in line
        assert compare([RECORD], [{**old, name: "other"}], 0.0, ["other"]) == []
    (line,) = compare([replace(RECORD, points=256)], [{**old, "points": 512}], 0.01)
    assert "256 points, the baseline has" in line
    (line,) = compare([replace(RECORD, stack_bytes=None)], [{**old, "stack_bytes": 8}], 0.01)
    assert line.endswith("stack_bytes 8 -> not measured")
    (line,) = compare([replace(RECORD, instructions_per_point=math.nan)], [old], 0.01)
    assert "instructions_per_point" in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "holds no measurement"),
        ('[{"board": "b", "strategy": "s", "status": "unsupported"}]', "holds no measurement"),
        ('[{"board": "b", "strategy": "s", "instructions_per_point": NaN}]', "instructions_per_point = nan of s on b is no number"),
        ('[{"board": "b", "strategy": "s", "points": "512"}]', "points = '512' of s on b is no number"),
        ('[{"board": "b", "strategy": "s", "code_bytes": true}]', "is no number"),
        ("[" * 100_000, "is no JSON"),
    ],
)  # fmt: skip
def test_a_baseline_that_holds_nothing_to_compare_with(content: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=problem):
        read_baseline(path)


def test_frame_takes_the_board_clock_where_none_is_given() -> None:
    record = replace(RECORD, board="stm32f4_discovery")
    (given,) = with_frame([record], 1000, 1e6, {"stm32f4_discovery": BOARDS["stm32f4_discovery"]})
    assert given.milliseconds == pytest.approx(12.0)
    (own,) = with_frame([record], 168_000, None, {"stm32f4_discovery": BOARDS["stm32f4_discovery"]})
    assert own.milliseconds == pytest.approx(12.0)


def test_without_pyelftools(config: Path, tmp_path: Path) -> None:
    """The extra is not installed: other commands work, and this one says how to get it."""
    needs_board("mps2-an386", "qemu")
    (tmp_path / "elftools.py").write_text("raise ImportError\n", encoding="ascii")
    assert command("--help", cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE}").returncode == 0
    done = command("run", config, "--board", "mps2-an386", cwd=tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE}")
    assert done.returncode == 2
    assert "hilbert_codegen[boards]" in done.stderr
