"""What must fail does, and says why: wrong results, hangs, faults, silence, guards, another program, too small a board."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tests.conftest import CONFIG, decoder_of, needs_board, plan_of
from hilbert_codegen.bench.boardrun import Verdict, judge, run_image
from hilbert_codegen.bench.firmware import Image, Program, Sweep
from hilbert_codegen.bench.measure import measure
from hilbert_codegen.bench.session import Decoder, How, attempts
from hilbert_codegen.cli import main
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.boards import BOARDS, Board, Region, Uart
from hilbert_codegen.targets.emulators import EMULATORS, MOST_LINES, Job, Outcome, Watch, present
from hilbert_codegen.targets.emulators import choose as emulators_for
from hilbert_codegen.targets.toolchains import choose
from hilbert_codegen.targets.tools import Found

BODY = """
#include "depth_decoder.h"
uint16_t depth_decode(int8_t x, int8_t y) {{ (void)x; (void)y; return 0; }}
void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{{
    (void)pSrc; (void)pDst; (void)blockSize;
    {body}
}}
"""

BOTH = pytest.mark.parametrize("emulator", ["qemu", "renode", "unicorn"])


def run(emulator: str, board: Board, chosen: Decoder, sweep: Sweep, folder: Path, timeout: float = 60) -> Verdict:
    program = Program(folder, board, choose(board.core), "depth", chosen.files, chosen.defines)
    return run_image(EMULATORS[emulator], program.image(), board, chosen.plan, sweep, timeout=timeout)


@BOTH
def test_one_flipped_entry(emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """One of 65,536 table entries off by one: FAIL, one mismatch on each path, and its place and values."""
    board = needs_board("mps2-an386", emulator)
    good = decoder("full")
    text = good.files["depth_decoder.c"].decode("ascii")
    start = text.index("{", text.index("depth_value[65536]"))
    numbers = list(re.finditer(r"(\d+)U", text[start : text.index("}", start)]))
    assert len(numbers) == 65536
    raw_x, raw_y = 0x21, 0xC3
    entry = numbers[raw_x | raw_y << 8]
    wrong = int(entry[1]) ^ 1
    text = text[: start + entry.start(1)] + str(wrong) + text[start + entry.end(1) :]
    verdict = run(
        emulator, board, replace(good, files={**good.files, "depth_decoder.c": text.encode("ascii")}), sweep, tmp_path
    )
    assert not verdict.passed
    assert verdict.paths == {"decode": 1, "decode_block": 1}
    assert f"decode: x = 33, y = -61: expected {entry[1]}, got {wrong}" in verdict.reason


@BOTH
def test_hang(emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    board = needs_board("mps2-an386", emulator)
    chosen = decoder("full", BODY.format(body="for (;;) { }"))
    verdict = run(emulator, board, chosen, sweep, tmp_path, timeout=2)
    assert not verdict.passed
    assert "had not ended after" in verdict.reason


@BOTH
@pytest.mark.parametrize("name", ["microbit", "mps2-an386", "mps2-an505"])
def test_fault(emulator: str, name: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """A trap in decode_block: FAIL with the stacked registers, pc in the decoder, and the instruction there."""
    board = needs_board(name, emulator)
    chosen = decoder("full", BODY.format(body='__asm volatile("udf #0");'))
    program = Program(tmp_path, board, choose(board.core), "depth", chosen.files)
    image = program.image()
    verdict = run_image(EMULATORS[emulator], image, board, chosen.plan, sweep, timeout=60)
    assert not verdict.passed
    assert verdict.fault is not None
    assert image.decoder[0] <= verdict.fault.registers["pc"] < image.decoder[1]
    assert set(verdict.fault.registers) == {"r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr"}
    assert verdict.fault.registers["r2"] == 256
    assert "stacked r0=0x" in verdict.reason
    assert "udf" in verdict.reason
    if not board.core.baseline:
        assert verdict.fault.undefined and "undefined instruction" in verdict.reason


@BOTH
def test_silence(emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """A program that prints nothing is a failure, however it ends."""
    board = needs_board("mps2-an386", emulator)
    mute = replace(board, uart=Uart("CMSDK", 0x20200000, board.uart.renode))
    verdict = run(emulator, mute, decoder("full"), sweep, tmp_path, timeout=2)
    assert not verdict.passed
    assert "it printed nothing" in verdict.reason


def test_guards(decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """Right on whole rows, but one element too many is written: the short blocks with guards catch it."""
    board = needs_board("mps2-an386", "qemu")
    good = decoder("full")
    text = good.files["depth_decoder.c"].decode("ascii")
    # In every variant, whichever of them this core takes.
    body = r"(depth_decode_block\(const int8_t \*pSrc, uint16_t \*pDst, uint32_t blockSize\)\n\{\n)(.*?)\n\}\n"
    text, count = re.subn(
        body, r"\1    uint16_t *const pEnd = &pDst[blockSize];\n\n\2\n    *pEnd = 0x1234u;\n}\n", text, flags=re.DOTALL
    )
    assert count == text.count("uint32_t blockSize)\n{")
    verdict = run("qemu", board, replace(good, files={**good.files, "depth_decoder.c": text.encode()}), sweep, tmp_path)
    assert not verdict.passed
    assert "guarded blocks failed" in verdict.reason


def test_another_program(decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """The self-test of another configuration is not taken for this one's."""
    board = needs_board("mps2-an386", "qemu")
    other = plan_of(tmp_path, 2)
    chosen = decoder("full")
    image = Program(tmp_path / "b", board, choose(board.core), "depth", chosen.files).image()
    verdict = run_image(EMULATORS["qemu"], image, board, other, sweep)
    assert not verdict.passed
    assert "is it another program" in verdict.reason


def test_too_large(plan: Plan, decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """A table larger than the flash: one error with the sizes."""
    board = needs_board("mps2-an386", "qemu")
    small = replace(board, flash=Region(0, 64 * 1024))
    program = Program(tmp_path, small, choose(board.core), "depth", decoder("full").files)
    with pytest.raises(UsageError, match=r"does not fit mps2-an386 \(FLASH has 65536 bytes, \d+ too few\)"):
        program.image()


@pytest.mark.parametrize("emulator", ["qemu", "renode"])
def test_unsupported_instruction(emulator: str, plan: Plan, sweep: Sweep) -> None:
    """A Helium variant the emulator can't run: reported as such, and the portable one measured in its place."""
    board = needs_board("mps3-an547", emulator)
    good = decoder_of(plan, sweep, "full")
    text = good.files["depth_decoder.c"].decode("ascii")
    # An encoding that no Cortex-M defines stands for an instruction that an emulator lacks.
    start = text.index("{", text.index("void depth_decode_block(", text.index("#elif DEPTH_USE_MVE")))
    text = text[: start + 1] + '\n    __asm volatile("udf #1");\n' + text[start + 1 :]
    chosen = replace(good, files={**good.files, "depth_decoder.c": text.encode("ascii")})
    records = measure(chosen, board, sweep, How(emulator, rows=2))
    assert records[0].status == "unsupported"
    assert records[0].instructions is None
    assert "not supported by this emulator: udf" in records[0].note
    assert records[1].status == "ok" and records[1].variant == "DEPTH_USE_MVE=0"
    assert "in place of the Helium variant" in records[1].note
    assert all(record.emulator != emulator for record in records[2:])


class Lacking:
    """A stand-in for an emulator that lacks an instruction of whatever it is given, for ever."""

    name, rank, notes_reads, runs = "lacking", 0, False, 0

    def find(self, architecture: Architecture = ARM) -> Found:
        return Found(("lacking",), "1")

    def has(self, board: Board) -> bool:
        return True

    def close(self) -> None:
        pass

    def run(self, job: Job) -> Outcome:
        self.runs += 1
        stacked = "HC stacked r0=00000000 r1=00000000 r2=00000000 r3=00000000 r12=00000000 lr=00000000 pc=00000000"
        status = "HC status cfsr=00010000 hfsr=40000000"
        return Outcome(["HC fault exception=03", stacked, status, "HC end FAIL"], None)


def test_an_emulator_that_always_lacks_something_ends(
    plan: Plan, sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each variant is tried once by each emulator, whatever it answers; nothing passed, so the command fails."""
    stand_in = Lacking()
    (tmp_path / "depth.toml").write_text(CONFIG.format(order=2), encoding="utf-8")
    assert EMULATORS.names(), "the real ones register when first asked for: before they are put aside"
    monkeypatch.setattr(EMULATORS, "_entries", {"lacking": stand_in})
    board = BOARDS["mps3-an547"]
    try:
        choose(board.core)
    except UsageError as error:
        pytest.skip(str(error))
    records = measure(decoder_of(plan, sweep, "full"), board, sweep, How(rows=1))
    assert [record.status for record in records] == ["unsupported", "unsupported"]
    assert stand_in.runs == 2
    with pytest.raises(SystemExit) as end:
        main(["run", str(tmp_path / "depth.toml"), "--board", "mps3-an547"])
    assert end.value.code == 1 and stand_in.runs == 4
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["UNSUPPORTED", "UNSUPPORTED"]


def test_a_run_that_goes_on_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is from line to line; only a program that never stops printing comes to an end by it."""
    now = 0.0
    monkeypatch.setattr(
        time, "monotonic", lambda: now
    )  # by a clock that does not depend on what else this machine does
    watch = Watch(5)
    for _ in range(4):
        now += 3
        assert watch.left > 0
        watch.line()
    now += 6
    assert watch.left <= 0
    for _ in range(MOST_LINES + 1):
        watch.line()
    now += 6
    watch.line()
    assert watch.left <= 0


GOOD = [
    "HC begin depth hash={hash} rows=256 columns=256 bytes=2", "HC path decode rows=256 bad=0",
    "HC path decode_block rows=256 bad=0", "HC tails lengths=42 bad=0", "HC stack bytes=4", "HC end PASS",
]  # fmt: skip


@pytest.mark.parametrize("lost", range(len(GOOD)))
def test_every_line_is_needed(lost: int, plan: Plan, sweep: Sweep) -> None:
    """A PASS at the end is not enough: without any one of the lines (but the stack's) the run has failed."""
    lines = [line.format(hash=plan.digest[:8]) for line in GOOD]
    board = needs_board("mps2-an386", "qemu")
    image = Image(Path("none.elf"), "gcc", (0, 4), 0, 4, 0, {})
    assert judge(Outcome(lines), image, board, plan, sweep, 256, False).passed
    verdict = judge(Outcome(lines[:lost] + lines[lost + 1 :]), image, board, plan, sweep, 256, False)
    assert verdict.passed == lines[lost].startswith("HC stack")


@pytest.mark.parametrize(
    "line",
    ["HC path decode rows=256 bad=1", "HC path decode rows=255 bad=0", "HC tails lengths=42 bad=1", "HC end FAIL"],
)  # fmt: skip
def test_bad_lines(line: str, plan: Plan, sweep: Sweep) -> None:
    """A line that says something is wrong is a failure even where PASS follows."""
    lines = [text.format(hash=plan.digest[:8]) for text in GOOD]
    board = needs_board("mps2-an386", "qemu")
    image = Image(Path("none.elf"), "gcc", (0, 4), 0, 4, 0, {})
    key = line.split("=")[0].rsplit(" ", 1)[0]
    changed = [line if text.startswith(key) else text for text in lines]
    changed = changed if line in changed else [*lines[:-1], line, lines[-1]]
    assert not judge(Outcome(changed), image, board, plan, sweep, 256, False).passed


@pytest.mark.parametrize("wanted", ["auto", "all"])
def test_each_emulator_tries_a_decoder_once(wanted: str, plan: Plan) -> None:
    """Where emulators lack an instruction: the variant on all that are there, the portable one on those that were due."""
    board = needs_board("mps3-an547", "qemu")
    tried = attempts(
        Decoder("full", plan, {}),
        board,
        wanted,
        lambda decoder, emulator: (decoder.variant, emulator.name),
        lambda pair: pair[0] == "default",
    )
    due = [("default", emulator.name) for emulator in present(board)]
    due += [("DEPTH_USE_MVE=0", emulator.name) for emulator in emulators_for(board, wanted)]
    assert sorted(tried) == sorted(due)
