"""Estimated cycles of what was executed: basic blocks and how often each ran, priced by a model of the core.

Two kinds of model. Where LLVM has a scheduling model of the core, llvm-mca prices each basic block as if repeated
(steady state), and the blocks are added up by how often they ran: what a loop costs that is entered once is right, what
two blocks that alternate cost together is an approximation. Where LLVM has none (the two- and three-stage cores
without caches or dual issue), the core's instruction timings from its Technical Reference Manual are added up instruction
by instruction. Neither knows of flash wait states, caches, bus contention or branch prediction.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from hilbert_codegen.cores import Core
from hilbert_codegen.disassembly import Instruction, disassemble, llvm_tool
from hilbert_codegen.tools import Missing, ToolFailed, run

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


@dataclass(frozen=True)
class Block:
    """Instructions that always run one after the other, and how many times they did."""

    code: tuple[Instruction, ...]
    times: int


def blocks(code: Sequence[Instruction], steps: Steps) -> list[Block]:
    """Cut what was executed into basic blocks.

    Args:
        code: the instructions of the counted range, by address.
        steps: (address, next address) -> times.
    """
    executed: Counter[int] = Counter()
    for (address, _), times in steps.items():
        executed[address] += times
    following = {a.address: b.address for a, b in pairwise(code)}
    leaders = {following_ for address, following_ in steps if following.get(address) != following_}
    leaders |= {
        following[address] for address, target in steps if address in following and following[address] != target
    }
    found: list[Block] = []
    current: list[Instruction] = []
    for instruction in code:
        ran = executed.get(instruction.address, 0)
        if current and (instruction.address in leaders or ran != executed[current[0].address]):
            found.append(Block(tuple(current), executed[current[0].address]))
            current = []
        if ran:
            current.append(instruction)
    if current:
        found.append(Block(tuple(current), executed[current[0].address]))
    return found


def estimate(elf: Path, core: Core, window: tuple[int, int], steps: Steps) -> Estimate | Missing:
    """Price the executed `steps` of the address range `window` of an image.

    Returns Missing if the core's model needs a program that is not installed.
    """
    code = disassemble(elf, core, *window)
    if core.timing_table is not None:
        if not code:
            return Missing("no disassembler", "install llvm or binutils for Arm")
        return _by_table(TIMINGS[core.timing_table], code, steps)
    return _by_mca(core, blocks(code, steps))


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


_REGION = re.compile(r"Code Region - block(\d+).*?Total Cycles:\s+(\d+)", re.DOTALL)


def _mca_total(command: Sequence[str], source: Path, iterations: int) -> dict[int, int]:
    output = run(
        [*command, f"-iterations={iterations}", "-instruction-info=0", "-resource-pressure=0", source], "llvm-mca"
    )
    return {int(number): int(cycles) for number, cycles in _REGION.findall(output)}


def _assembly(instruction: Instruction) -> str:
    """The text as an assembler reads it: a branch's target as the offset."""
    if instruction.branch is None:
        return instruction.text
    return re.sub(r"(0x[0-9a-f]+|#-?0x[0-9a-f]+)$", instruction.branch, instruction.text)


def _by_mca(core: Core, parts: Sequence[Block]) -> Estimate | Missing:
    tool = llvm_tool("llvm-mca")
    if isinstance(tool, Missing):
        return tool
    assert core.llvm_model is not None
    triple = "thumbv8.1m.main-none-eabi" if core.helium else "thumbv7em-none-eabi"
    if core.name == "cortex-m33":
        triple = "thumbv8m.main-none-eabi"
    command = [*tool.command, f"-mtriple={triple}", f"-mcpu={core.llvm_model}"]
    unpriced: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
        source = Path(folder) / "blocks.s"

        def write(skipped: set[str]) -> dict[int, Block]:
            lines: list[str] = []
            kept = {}
            for number, block in enumerate(parts):
                texts = [_assembly(i) for i in block.code if i.mnemonic not in skipped]
                if texts:
                    kept[number] = block
                    lines += [f"# LLVM-MCA-BEGIN block{number}", *texts, f"# LLVM-MCA-END block{number}"]
            source.write_text("\n".join(lines).replace("# LLVM", "@ LLVM") + "\n", encoding="ascii")
            return kept

        skipped: set[str] = set()
        while True:
            kept = write(skipped)
            try:
                few, many = _mca_total(command, source, 100), _mca_total(command, source, 300)
                break
            except ToolFailed as error:
                # An instruction that the scheduling model lacks: leave it out and say so.
                culprit = re.search(r"instruction: (\S+)|note: instruction:\s+(\S+)", error.output)
                name = (culprit[1] or culprit[2]).lower() if culprit else None
                if name is None:
                    numbered = re.search(r"blocks\.s:(\d+):", error.output)
                    if numbered is None:
                        raise
                    name = source.read_text(encoding="ascii").splitlines()[int(numbered[1]) - 1].split()[0].lower()
                if name in skipped:
                    raise
                skipped.add(name)
                unpriced.append(name)
    total = sum((many[number] - few[number]) / 200 * block.times for number, block in kept.items())
    return Estimate(total, f"llvm-mca {tool.version} {core.llvm_model}", tuple(unpriced))
