"""Instructions of Armv8.1-M that an emulator takes for others: never a wrong result, the instruction is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tests.conftest import needs_board, needs_compiler
from hilbert_codegen.bench.boardrun import judge, lacks, run_image, unsupported
from hilbert_codegen.bench.firmware import Image, Program, Sweep
from hilbert_codegen.bench.session import Decoder
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.emulators import EMULATORS, Outcome
from hilbert_codegen.targets.gaps import TAIL_LOOP, ZERO_REGISTER, call_target, places
from hilbert_codegen.targets.image import load
from hilbert_codegen.targets.toolchains import TOOLCHAINS

#: A decoder of no use, with one of each among instructions that are none of them.
WITH_BOTH = """
#include "depth_decoder.h"
uint16_t depth_decode(int8_t x, int8_t y) { (void)x; (void)y; return 0; }
__attribute__((naked)) void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{
    __asm volatile("cmp r0, r1 \\n csel r3, r0, r1, eq \\n csinv r3, r0, zr, ne \\n dls lr, r2 \\n 1: le lr, 1b \\n"
                   "dlstp.16 lr, r2 \\n 2: letp lr, 2b \\n bx lr");
}
"""

TRUE_ON_EQUAL, TRUE_ON_UNEQUAL = 0xEA5F901F, 0xEA5F900F


def word(code: int) -> bytes:
    """An instruction of four bytes as it lies in memory."""
    return (code >> 16).to_bytes(2, "little") + (code & 0xFFFF).to_bytes(2, "little")


def helium_image(chosen: Decoder, folder: Path) -> tuple[Board, Image]:
    needs_compiler("clang")
    board = BOARDS["mps3-an547"]
    return board, Program(folder, board, TOOLCHAINS["clang"], "depth", chosen.files).image(rows=1)


def test_found_among_others(decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """By their code, among conditional selects without the zero register and loops without predication."""
    _, image = helium_image(decoder("full", WITH_BOTH), tmp_path)
    code = load(image.elf).read(image.entry, image.decoder[1] - image.entry)
    selects, loops = (list(places(gap, image.entry, code)) for gap in (ZERO_REGISTER, TAIL_LOOP))
    assert [(at - image.entry, first, second) for at, first, second in selects] == [(6, 0xEA50, 0xA31F)]
    assert [(at - image.entry, first, second) for at, first, second in loops] == [(18, 0xF012, 0xE001)]


def test_where_a_loop_taken_for_a_call_leads() -> None:
    """The address at which Renode 1.16.1 as released stops, for the place of the instruction there."""
    assert call_target(0x10001518, 0xF012, 0xE001) == 0x1041351C


def test_a_machine_without_the_zero_register(decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """The program tries it before it runs such a decoder; here what it tries is spoilt, in the place of the machine."""
    needs_board("mps3-an547", "qemu")
    chosen = decoder("full", WITH_BOTH)
    board, image = helium_image(chosen, tmp_path)
    content = image.elf.read_bytes()
    assert content.count(word(TRUE_ON_EQUAL)) == 1
    spoilt = tmp_path / "spoilt.elf"
    spoilt.write_bytes(content.replace(word(TRUE_ON_EQUAL), word(TRUE_ON_UNEQUAL)))
    right, wrong = (
        run_image(EMULATORS["qemu"], replace(image, elf=elf), board, chosen.plan, sweep, rows=1)
        for elf in (image.elf, spoilt)
    )
    assert not right.gap and right.mismatches and not unsupported(board, right)
    assert unsupported(board, wrong) and not wrong.passed and not wrong.mismatches
    assert lacks(wrong).startswith("csinv r3, r0, zr, ne at 0x1000")
    assert lacks(wrong).endswith(", in which it reads the program counter for the zero register")


@pytest.mark.parametrize("lands", [True, False])
def test_a_loop_taken_for_a_call(lands: bool, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    """Where the emulator stopped tells such a loop from a decoder that went astray, which is a failure."""
    chosen = decoder("full", WITH_BOTH)
    board, image = helium_image(chosen, tmp_path)
    at = image.entry + 18
    left = call_target(at, 0xF012, 0xE001) + (0 if lands else 4)
    said = f"the emulator stopped: cpu: CPU abort [PC=0x{left:08X}]: Trying to execute code outside RAM or ROM"
    verdict = judge(Outcome([], said), image, board, chosen.plan, sweep, 1, False)
    assert unsupported(board, verdict) == lands and not verdict.passed
    assert verdict.reason.startswith(f"dlstp.16 lr, r2 at 0x{at:08x}, which it takes for a call" if lands else said)
