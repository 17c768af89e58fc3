"""The estimate of cycles: basic blocks from what was executed, and both kinds of model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_tests.conftest import decoder_of, needs_board, needs_compiler, plan_of
from firmware_tests.test_speed import own_scales
from hilbert_codegen.bench.firmware import Program, make_sweep
from hilbert_codegen.bench.session import Decoder
from hilbert_codegen.targets.architectures import RISCV
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.cores import CORES
from hilbert_codegen.targets.cycles import TIMINGS, Estimate, _assembly, _by_table, _unconditional, estimate, registers
from hilbert_codegen.targets.disassembly import UNKNOWN, Instruction, disassemble, llvm_tool
from hilbert_codegen.targets.emulators import EMULATORS, Job
from hilbert_codegen.targets.toolchains import TOOLCHAINS, choose
from hilbert_codegen.targets.tools import Missing

#: push; loop of ldrb, subs, bne that runs three times; pop.
CODE = [
    Instruction(0, "push {r4, lr}"),
    Instruction(2, "ldrb r1, [r0]"),
    Instruction(4, "subs r2, #1"),
    Instruction(6, "bne 0x2", "#-8"),
    Instruction(8, "pop {r4, pc}"),
]
STEPS = Counter({(0, 2): 1, (2, 4): 3, (4, 6): 3, (6, 2): 2, (6, 8): 1, (8, -1): 1})


def test_table_prices_taken_and_not_taken() -> None:
    """M0+: push of 2 is 3; loop 2 + 1 + branch 2 taken, 1 not; pop with pc of 2 is 5."""
    priced = _by_table(TIMINGS["cortex-m0plus"], CODE, STEPS)
    assert priced.cycles == 3 + 3 * (2 + 1) + 2 * 2 + 1 + 5
    assert "Cortex-M0+" in priced.model


@pytest.mark.parametrize(
    ("text", "count"), [("push {r4, lr}", 2), ("pop {r4, r5, r6, r7, pc}", 5), ("ldm r0!, {r4-r7}", 4), ("nop", 0)]
)
def test_registers(text: str, count: int) -> None:
    assert registers(text) == count


def test_conditions_are_taken_off() -> None:
    texts = ["ite ge", "movge r0, r1", "addlt.w r0, r1, #4", "it eq", "bxeq lr", "bls 0x20", "teq r0, r1"]
    plain = _unconditional([Instruction(2 * i, text) for i, text in enumerate(texts)])
    assert [line.text for line in plain] == ["mov r0, r1", "add.w r0, r1, #4", "bx lr", "bls 0x20", "teq r0, r1"]


def test_calls_are_priced_as_branches() -> None:
    """llvm-mca assumes 100 cycles for a call."""
    assert _assembly(Instruction(0, "bl 0x120", "#0x10")) == "b #0x10"
    assert _assembly(Instruction(0, "blx r3")) == "bx r3"
    assert _assembly(Instruction(0, "bls 0x120", "#-0x8")) == "bls #-0x8"


def test_every_core_has_a_model() -> None:
    for core in CORES.values():
        assert core.architecture is RISCV or (core.llvm_model is None) != (core.timing_table is None)
        assert core.timing_table is None or core.timing_table in TIMINGS


NOPS = """
#include "depth_decoder.h"
uint16_t depth_decode(int8_t x, int8_t y) {{ (void)x; (void)y; return 0; }}
__attribute__((naked)) void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{{
    __asm volatile(".syntax unified \\n 1: {body} subs r2, r2, #1 \\n bne 1b \\n bx lr");
}}
"""


@pytest.mark.parametrize("name", ["microbit", "mps2-an386", "mps2-an500", "mps3-an547"])
def test_estimate_grows_with_the_loop(name: str, decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """Twenty dependent adds more in the loop cost twenty cycles per point more, by every model."""
    board = needs_board(name, "qemu")
    if isinstance(llvm_tool("llvm-mca"), Missing) and board.core.llvm_model:
        pytest.skip("llvm-mca is not installed")
    found = []
    for count in (4, 24):
        chosen = decoder("full", NOPS.format(body="adds r3, r3, r0 \\n " * count))
        program = Program(tmp_path / str(count), board, choose(board.core), "depth", chosen.files)
        image = program.image(measure=True, rows=1)
        outcome = EMULATORS["qemu"].run(Job(image.elf, board, 60, count=image.decoder, entry=image.entry, trace=True))
        priced = estimate(image.elf, board.core, image.decoder, outcome.steps, outcome.path)
        assert isinstance(priced, Estimate)
        assert board.core_name in priced.model or board.core.title in priced.model
        found.append(priced.cycles / 256)
    assert found[1] - found[0] == pytest.approx(20, abs=0.2)


def test_what_the_disassembler_does_not_know_has_no_price(decoder: Callable[..., Decoder], tmp_path: Path) -> None:
    """The bits of a vmla by which GNU as says that its numbers have no sign, which LLVM does not read."""
    board = needs_board("mps3-an547", "qemu")
    if isinstance(llvm_tool("llvm-mca"), Missing):
        pytest.skip("llvm-mca is not installed")
    chosen = decoder("full", NOPS.format(body=".inst.w 0xfe1bee4a \\n adds r3, r3, r0 \\n "))
    program = Program(tmp_path / "image", board, choose(board.core), "depth", chosen.files)
    image = program.image(measure=True, rows=1)
    outcome = EMULATORS["qemu"].run(Job(image.elf, board, 60, count=image.decoder, entry=image.entry, trace=True))
    priced = estimate(image.elf, board.core, image.decoder, outcome.steps, outcome.path)
    assert isinstance(priced, Estimate)
    assert priced.unpriced == (UNKNOWN,)
    assert priced.cycles > 0


@pytest.mark.parametrize(("heads", "order"), [(2, 3), (3, 1), (3, 2), (4, 1), (6, 1)])
@pytest.mark.parametrize("own", [False, True])
def test_other_tools_read_what_gnu_as_writes(heads: int, order: int, own: bool, tmp_path: Path) -> None:
    """Helium in assembly has the same bits from every assembler: nothing in gcc's build is unknown to LLVM."""
    needs_compiler("gcc")
    if isinstance(llvm_tool("llvm-objdump"), Missing):
        pytest.skip("llvm-objdump is not installed")
    board = BOARDS["mps3-an547"]
    shape = f"curve.dimensions={heads}", 'code.target="cortex-m55"', 'code.variants=["mve"]'
    plan = plan_of(tmp_path, order, *shape, *(own_scales(heads) if own else ()))
    files = decoder_of(plan, make_sweep(plan), "auto" if heads == 2 else "corner").files
    image = Program(tmp_path / "image", board, TOOLCHAINS["gcc"], "depth", files).image()
    code = disassemble(image.elf, board.core, *image.decoder)
    assert any(one.mnemonic.startswith("vldr") for one in code)
    assert UNKNOWN not in [one.mnemonic for one in code]
