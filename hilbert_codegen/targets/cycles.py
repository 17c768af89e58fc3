"""Estimated cycles of what was executed, priced by a model of the core.

Two kinds of model. Where LLVM has a scheduling model of the core, llvm-mca prices a stretch of the instructions in the
order in which they were executed, branches taken as if foreseen. Where LLVM has none (the two- and three-stage cores
without caches or dual issue), the core's instruction timings from its Technical Reference Manual are added up instruction
by instruction. Neither knows of flash wait states, caches, bus contention or branch prediction.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.disassembly import Instruction, disassemble, llvm_tool
from hilbert_codegen.targets.tools import Missing, ToolFailed, run

Steps = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Timings:
    """Cycles by kind of instruction of a core without a scheduling model.

    Attributes:
        title: the model's name, with its source.
        load: a load or store of one register.
        multiple: what a load or store of n registers takes besides n.
        branch: a taken branch; one that is not taken takes 1.
        call: bl.
        indirect: bx, blx, or a move or add into pc.
        pop_pc: what a pop with pc takes besides the number of registers.
        multiply: with the fast multiplier, which the parts on the market have but for some small M0.
        divide: sdiv and udiv, where there are any.
    """

    title: str
    load: int
    multiple: int
    branch: int
    call: int
    indirect: int
    pop_pc: int
    multiply: int = 1
    divide: int = 0


#: Arm's Technical Reference Manuals, section "instruction set summary", with memory of zero wait states.
TIMINGS = {
    "cortex-m0": Timings("Arm DDI 0432 (Cortex-M0 TRM) timings, fast multiplier", 2, 1, 3, 4, 3, 4),
    "cortex-m0plus": Timings("Arm DDI 0484 (Cortex-M0+ TRM) timings, fast multiplier", 2, 1, 2, 3, 2, 3),
    # Also two stages and the same bus; the divider is the slower of the two that a licensee can choose.
    "cortex-m23": Timings("Cortex-M0+ timings applied to Cortex-M23, fast multiplier", 2, 1, 2, 3, 2, 3, divide=34),
}


@dataclass(frozen=True)
class Estimate:
    """Cycles of all that was executed, the model that says so, and instructions the model could not price."""

    cycles: float
    model: str
    unpriced: tuple[str, ...] = ()


def estimate(elf: Path, core: Core, window: tuple[int, int], steps: Steps, path: Sequence[int]) -> Estimate | Missing:
    """Price what was executed in the address range `window` of an image.

    Args:
        elf: the image.
        core: what it ran on.
        window: address range [start, end).
        steps: (address, next address) -> times, over everything that was executed there.
        path: a stretch of it, addresses in the order of execution.

    Returns Missing if the core's model needs a program that is not installed.
    """
    code = disassemble(elf, core, *window)
    if not code:
        return Missing("no disassembler is installed", "install it with: pip install 'hilbert_codegen[boards]'")
    if core.timing_table is not None:
        return _by_table(TIMINGS[core.timing_table], code, steps)
    if core.llvm_model is None:
        return Missing(f"there is no model of {core.title} here", "count instructions, or time it on a board")
    tool = llvm_tool("llvm-mca")
    if isinstance(tool, Missing):
        return tool
    at = {instruction.address: instruction for instruction in code}
    return _by_mca(core, [at[address] for address in path], sum(steps.values()))


def registers(text: str) -> int:
    """Number of registers in a list such as {r4, r5-r7, pc}."""
    inside = re.search(r"\{([^}]*)\}", text)
    count = 0
    for part in inside[1].split(",") if inside else []:
        low, _, high = part.strip().partition("-")
        count += int(high.strip()[1:]) - int(low.strip()[1:]) + 1 if high else 1
    return count


def _by_table(timings: Timings, code: Sequence[Instruction], steps: Steps) -> Estimate:
    at = {instruction.address: instruction for instruction in code}
    following = {a.address: b.address for a, b in pairwise(code)}
    total = 0
    for (address, target), times in steps.items():
        instruction = at[address]
        total += times * _cost(timings, instruction, taken=target != following.get(address))
    return Estimate(float(total), timings.title)


def _cost(timings: Timings, instruction: Instruction, taken: bool) -> int:
    name = instruction.mnemonic.removesuffix(".w").removesuffix(".n")
    text = instruction.text
    if name in ("ldm", "stm", "push", "pop") or re.match(r"(ldm|stm)(ia|db)?$", name):
        extra = timings.pop_pc if re.search(r"\bpc\b", text) else timings.multiple
        return registers(text) + extra
    if name.startswith(("ldr", "str")):
        return timings.load
    if name == "bl":
        return timings.call
    if name in ("bx", "blx", "bxns", "blxns"):
        return timings.indirect
    if name in ("cbz", "cbnz") or re.match(r"b(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?$", name):
        return timings.branch if taken else 1
    if name.startswith("mul"):
        return timings.multiply
    if name in ("udiv", "sdiv"):
        return timings.divide
    if name in ("mov", "add") and re.search(r"\spc,", text):
        return timings.indirect
    return 1


def _unconditional(code: Sequence[Instruction]) -> list[Instruction]:
    """The same without IT instructions and the conditions they set: for models that do not know them."""
    result: list[Instruction] = []
    conditional = 0
    for instruction in code:
        if re.fullmatch(r"it[te]{0,3}", instruction.mnemonic):
            conditional = len(instruction.mnemonic) - 1
            continue
        if conditional:
            conditional -= 1
            plain = re.sub(
                r"^([a-z]+?)(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)(\.|\s)", r"\1\3", instruction.text
            )
            instruction = Instruction(instruction.address, plain, instruction.branch)
        result.append(instruction)
    return result


def _assembly(instruction: Instruction, architecture: Architecture = ARM) -> str:
    """The text as llvm-mca reads it: a branch's target as the offset, a call as the branch it is (it assumes 100 cycles)."""
    text = instruction.text
    if architecture is RISCV:
        # Branches with the address they lead to, calls as auipc and jalr: where to does not matter.
        return re.sub(r"^((?:b|j)\w*\s.*?)0x[0-9a-f]+$", r"\1.", text)
    if instruction.branch is not None:
        text = re.sub(r"(0x[0-9a-f]+|#-?0x[0-9a-f]+)$", instruction.branch, text)
    return re.sub(r"^bl(x?)\s", r"b\1 ", text)


#: Low-overhead loops: nothing in the core's loop cache, and models either lack them or take them for calls.
_LOOP = re.compile(r"(wls|dls|le|wlstp|dlstp|letp|lctp)(\.|$)")


def _by_mca(core: Core, path: Sequence[Instruction], executed: int) -> Estimate | Missing:
    """Cycles of `executed` instructions at the rate of the stretch `path`."""
    tool = llvm_tool("llvm-mca")
    if isinstance(tool, Missing):
        return tool
    assert core.llvm_model is not None
    command = [*tool.command, f"-mtriple={core.triple}", f"-mcpu={core.llvm_model}", "-iterations=1"]
    unpriced: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
        source = Path(folder) / "path.s"
        while True:
            code = _unconditional(path) if "it" in unpriced else path
            texts = [
                _assembly(instruction, core.architecture)
                for instruction in code
                if instruction.mnemonic not in unpriced and not _LOOP.match(instruction.mnemonic)
            ]
            source.write_text("\n".join(texts) + "\n", encoding="ascii")
            try:
                output = run([*command, "-instruction-info=0", "-resource-pressure=0", source], "llvm-mca")
                break
            except ToolFailed as error:
                # An instruction that the scheduling model lacks: leave it out and say so.
                lacking = re.search(r"note: instruction:\s+(\S+)", error.output)
                line = re.search(r"path\.s:(\d+):", error.output)
                if lacking is not None:
                    name = lacking[1].lower()
                elif line is not None:
                    name = texts[int(line[1]) - 1].split()[0].lower()
                else:
                    raise
                name = "it" if re.fullmatch(r"it[te]{0,3}", name) else name
                if name in unpriced:
                    raise
                unpriced.append(name)
    total = re.search(r"Total Cycles:\s+(\d+)", output)
    assert total is not None
    rate = int(total[1]) / len(path)
    return Estimate(rate * executed, f"llvm-mca {tool.version} {core.llvm_model}", tuple(unpriced))
