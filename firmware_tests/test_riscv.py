"""RISC-V boards: right on all pairs, counted as written, faults named, and what the kernels promise there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tests.conftest import decoder_of, needs_board, needs_compiler, plan_of
from firmware_tests.test_speed import ANY_SCALE, ROWS, SLACK
from hilbert_codegen.bench.boardrun import run_image
from hilbert_codegen.bench.firmware import Program, Sweep, make_sweep
from hilbert_codegen.bench.measure import measure
from hilbert_codegen.bench.session import Decoder, How
from hilbert_codegen.targets.emulators import EMULATORS, Job
from hilbert_codegen.targets.toolchains import TOOLCHAINS, choose

PLAIN, BITS, VECTOR = "riscv32-virt", "riscv32-virt-zbb", "riscv32-virt-vector"

#: Strategy -> settings, the best that is known of it in instructions per point on each board, and in cycles by the model that
#: `measure` names on the first.
PROMISED = {
    "full": ((), (5.3, 4.3, 0.39), 8.2),
    "tile": ((), (15.3, 13.3, 0.34), 19.8),
    "tile_direct": ((), (12.3, 11.3, 0.31), 15.8),
    "tile_word": ((), (12.3, 11.3, 0.31), 14.8),
    "segment": (ANY_SCALE, (None, None, 1.17), None),
}


@pytest.mark.parametrize("strategy", PROMISED)
def test_instructions_and_cycles(strategy: str, tmp_path: Path) -> None:
    settings, instructions, cycles = PROMISED[strategy]
    plan = plan_of(tmp_path, 3, *settings)
    sweep = make_sweep(plan)
    chosen = decoder_of(plan, sweep, strategy)
    for name, most in zip((PLAIN, BITS, VECTOR), instructions, strict=True):
        if most is None:
            continue
        (record,) = measure(chosen, needs_board(name, "qemu"), sweep, How("qemu", rows=ROWS))
        assert record.status == "ok", f"{name}: {record.note}"
        assert record.instructions_per_point is not None and record.instructions_per_point <= SLACK * most, name
        assert name == PLAIN or record.cycles_per_point is None
        if name == PLAIN and cycles is not None and record.cycles_per_point is not None:
            assert record.cycles_model is not None and "syntacore-scr1" in record.cycles_model
            assert record.cycles_per_point <= SLACK * cycles


@pytest.mark.parametrize("emulator", ["qemu", "unicorn"])
def test_all_pairs(emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path) -> None:
    board = needs_board(PLAIN, emulator)
    chosen = decoder("tile")
    image = Program(tmp_path, board, choose(board.core), "depth", chosen.files).image()
    verdict = run_image(EMULATORS[emulator], image, board, chosen.plan, sweep)
    assert verdict.passed, verdict.reason
    assert verdict.paths == {"decode": 0, "decode_block": 0} and verdict.stack_bytes is not None


#: Strategy, order and further settings of distances in several words.
WORDS = {
    "closed": (3, ANY_SCALE),
    "boxes": (3, ("curve.dimensions=3", "heads.scale=0.00405273", "heads.layout=planar")),
}


@pytest.mark.parametrize("strategy", WORDS)
@pytest.mark.parametrize("compiler", ["clang", "zig"])
def test_distances_of_several_words(compiler: str, strategy: str, tmp_path: Path) -> None:
    """clang 19 and 22 make wrong code of sums of products of which they know a factor."""
    needs_compiler(compiler)
    order, settings = WORDS[strategy]
    board, plan = needs_board(PLAIN, "unicorn"), plan_of(tmp_path, order, *settings, "decoder.distance=true")
    sweep = make_sweep(plan)
    chosen = decoder_of(plan, sweep, strategy)
    image = Program(tmp_path / "build", board, TOOLCHAINS[compiler], "depth", chosen.files).image(rows=4)
    verdict = run_image(EMULATORS["unicorn"], image, board, chosen.plan, sweep, rows=4)
    assert verdict.passed, verdict.reason


BODY = """
#include "depth_decoder.h"
uint16_t depth_decode(int8_t x, int8_t y) {{ (void)x; (void)y; return 0; }}
__attribute__((naked)) void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{{
    __asm volatile("{body}");
}}
"""


@pytest.mark.parametrize("emulator", ["qemu", "unicorn"])
def test_counts_what_is_written(emulator: str, decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """Instructions of two and of four bytes: 3 a point, 2 a call."""
    board = needs_board(PLAIN, emulator)
    loop = "nop \\n 1: addi a3, a3, 1000 \\n addi a2, a2, -1 \\n bnez a2, 1b \\n ret"
    image = Program(
        tmp_path, board, choose(board.core), "depth", decoder("full", BODY.format(body=loop)).files
    ).image(True, rows=3)  # fmt: skip
    outcome = EMULATORS[emulator].run(Job(image.elf, board, 60, count=image.decoder, entry=image.entry))
    assert outcome.instructions == 3 * (3 * 256 + 2)


@pytest.mark.parametrize("emulator", ["qemu", "unicorn"])
@pytest.mark.parametrize(
    ("body", "said"),
    [("unimp", "illegal instruction"), ("li a3, 0x08000000 \\n lw a3, 0(a3)", "load access fault")],
    ids=["illegal", "load"],
)
def test_a_fault_is_named(
    body: str, said: str, emulator: str, decoder: Callable[..., Decoder], sweep: Sweep, tmp_path: Path
) -> None:
    board = needs_board(PLAIN, emulator)
    image = Program(tmp_path, board, choose(board.core), "depth", decoder("full", BODY.format(body=body)).files).image()
    verdict = run_image(EMULATORS[emulator], image, board, decoder("full").plan, sweep, timeout=60)
    assert not verdict.passed and verdict.fault is not None
    assert verdict.fault.text.startswith(f"{said}: ") and verdict.fault.undefined == (said == "illegal instruction")
    assert image.decoder[0] <= verdict.fault.registers["pc"] < image.decoder[1]
    assert set(verdict.fault.registers) == {"pc", "ra", "sp"}
