"""Counting is exact: the same number twice, the same by each emulator on one ELF, and the number the code says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tests.conftest import needs_board, needs_emulator
from hilbert_codegen.bench.boardrun import lacks, run_image, unsupported
from hilbert_codegen.bench.firmware import Program, Sweep
from hilbert_codegen.bench.session import Decoder
from hilbert_codegen.targets.disassembly import disassemble
from hilbert_codegen.targets.emulators import EMULATORS, Job
from hilbert_codegen.targets.emulators.qemu import _Blocks
from hilbert_codegen.targets.toolchains import choose

SHARED = ("microbit", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")


@pytest.mark.parametrize("strategy", ["full", "tile", "octant"])
@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("other", ["renode", "unicorn"])
def test_emulators_agree(
    other: str, name: str, strategy: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path
) -> None:
    """One ELF, QEMU and another emulator, the whole sweep: equal to the instruction."""
    needs_emulator(other)
    board = needs_board(name, "qemu")
    if not EMULATORS[other].has(board):
        pytest.skip(f"{other} has no {name}")
    chosen = decoder(strategy)
    image = Program(tmp_path, board, choose(board.core), "depth", chosen.files).image(measure=True)
    counts = {}
    for emulator in ("qemu", other):
        verdict = run_image(EMULATORS[emulator], image, board, chosen.plan, sweep, measure=True)
        if emulator == "renode" and unsupported(board, verdict):
            pytest.skip(f"Renode: not supported by this emulator: {lacks(verdict)}")
        assert verdict.passed, verdict.reason
        counts[emulator] = verdict.outcome.instructions
    assert counts[other] == counts["qemu"]


@pytest.mark.parametrize("name", ["mps2-an386", "mps3-an547"])
def test_blocks_and_single_instructions_agree(
    name: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path
) -> None:
    """QEMU's two ways of counting, by blocks and one instruction at a time, give one number."""
    board = needs_board(name, "qemu")
    chosen = decoder("octant")
    image = Program(tmp_path, board, choose(board.core), "depth", chosen.files).image(measure=True, rows=16)
    job = Job(image.elf, board, 60, count=image.decoder, entry=image.entry)
    by_block, single = (EMULATORS["qemu"].run(replace(job, trace=trace)) for trace in (False, True))
    assert by_block.instructions == single.instructions == sum(single.steps.values())


LOG = b"""IN: f
0x00000100:  f012 020f  ands     r2, r2, #0xf
0x00000104:  d041       beq      #0x182

Trace 0: 0x7f01 [00000000/00000100/00000050/ff000200] f
Trace 0: 0x7f01 [00000000/00000100/00000050/ff000200] f
Stopped execution of TB chain before 0x7f01 [00000100] f
----------------
IN: f
0x00000182:  fc93       .byte    0x93, 0xfc
0x00000184:  ae95       add      r6, sp, #0x254

Trace 0: 0x7f02 [00000000/00000182/00000050/ff000200] f
Trace 0: 0x7f01 [00000000/00000100/00000050/ff000200] f
----------------
IN: f
0x00000100:  f012 020f  ands     r2, r2, #0xf

Trace 0: 0x7f01 [00000000/00000100/00000050/ff000200] f
"""


def test_log_of_blocks() -> None:
    """An instruction of four bytes that the log shows as two, a block that was left, one made again in another's place."""
    blocks = _Blocks(trace=False)
    blocks.read(LOG)
    assert blocks.instructions() == 2 + 1 + 2 + 1


@pytest.mark.parametrize("emulator", ["qemu", "renode", "unicorn"])
def test_repeatable_and_followed(emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """Twice the same count, and the count is the number of followed steps between instructions."""
    board = needs_board("mps2-an386", emulator)
    chosen = decoder("tile")
    image = Program(tmp_path, board, choose(board.core), "depth", chosen.files).image(measure=True, rows=2)
    runs = [
        EMULATORS[emulator].run(Job(image.elf, board, 60, count=image.decoder, entry=image.entry, trace=trace))
        for trace in (False, True)
    ]
    assert runs[0].instructions == runs[1].instructions == sum(runs[1].steps.values())
    known = {line.address for line in disassemble(image.elf, board.core, *image.decoder)}
    assert {address for address, _ in runs[1].steps} <= known


LOOP = """
#include "depth_decoder.h"
uint16_t depth_decode(int8_t x, int8_t y) { (void)x; (void)y; return 0; }
__attribute__((naked)) void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{
    /* 2 instructions around a loop of 3 a point. */
    __asm volatile(".syntax unified \\n nop \\n 1: nop \\n subs r2, r2, #1 \\n bne 1b \\n bx lr");
}
"""


@pytest.mark.parametrize("emulator", ["qemu", "renode", "unicorn"])
@pytest.mark.parametrize("name", ["microbit", "mps2-an386"])
def test_counts_what_is_written(name: str, emulator: str, decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """A function whose instruction count is known by its source: 3 a point, 2 a call."""
    board = needs_board(name, emulator)
    chosen = decoder("full", LOOP)
    rows = 3
    image = Program(tmp_path, board, choose(board.core), "depth", chosen.files).image(measure=True, rows=rows)
    outcome = EMULATORS[emulator].run(Job(image.elf, board, 60, count=image.decoder, entry=image.entry))
    assert outcome.instructions == rows * (3 * 256 + 2)
