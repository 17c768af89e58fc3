"""Disassembly of an image, by llvm-objdump, GNU objdump or the Python package capstone, whichever is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hilbert_codegen.targets.architectures import ARM
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.image import load
from hilbert_codegen.targets.tools import Found, Missing, find, platform_hint, run

LLVM_REMEDY = platform_hint(
    "install it with: sudo apt install llvm-19",
    "install it with: brew install llvm, and put $(brew --prefix llvm)/bin on PATH",
    "install it with: winget install LLVM.LLVM",
)
#: What stands for an instruction that the disassembler does not know: assemblers may write one in a way that others do not read.
UNKNOWN = "unknown"
LLVM_VERSIONS = ("21", "20", "19", "18", "17", "16")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its address, its text without comment, and the offset a branch has (or None)."""

    address: int
    text: str
    branch: str | None = None

    @property
    def mnemonic(self) -> str:
        """The first word, in lower case."""
        return self.text.split()[0].lower()


def llvm_tool(name: str, pattern: str = r"LLVM version (\d+\.\d+\.\d+)") -> Found | Missing:
    """An LLVM program: the newest that is installed under a versioned name, else the plain name."""
    return find([*(f"{name}-{version}" for version in LLVM_VERSIONS), name], pattern, LLVM_REMEDY)


def disassemble(elf: Path, core: Core, start: int, end: int) -> list[Instruction]:
    """The instructions in [start, end) in the order of their addresses, UNKNOWN what the disassembler does not know; empty
    if none is installed."""
    window = [f"--start-address=0x{start:x}", f"--stop-address=0x{end:x}"]
    tool = llvm_tool("llvm-objdump")
    if isinstance(tool, Found):
        # A RISC-V image says itself which extensions it has.
        known = [f"--mcpu={core.name}"] if core.architecture is ARM else []
        command = [*tool.command, "-d", "--no-show-raw-insn", *known, *window, str(elf)]
    else:
        name = core.architecture.gcc.removesuffix("gcc") + "objdump"
        tool = find([name], r"Binutils\D*(\d+\.\d+\S*)|(\d+\.\d+\.\d+)", "install binutils")
        if isinstance(tool, Missing):
            return _by_capstone(elf, start, end) if core.architecture is ARM else []
        command = [*tool.command, "-d", "--no-show-raw-insn", *window, str(elf)]
    found = []
    for line in run(command, f"disassembling {elf.name}").splitlines():
        parts = re.match(r"^\s*([0-9a-f]+):\s+(.*)$", line.replace("<unknown>", UNKNOWN))
        if parts is None or not re.match(r"[a-z]", parts[2]):
            continue
        text, _, comment = parts[2].partition("@")
        offset = re.search(r"imm = (#-?0x[0-9a-f]+)", comment)
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>|;.*", "", text)).strip()
        if text and not text.startswith("."):
            found.append(Instruction(int(parts[1], 16), text, offset[1] if offset else None))
    return found


def _by_capstone(elf: Path, start: int, end: int) -> list[Instruction]:
    """The same by capstone, from PyPI, which has no Helium; empty if it is not installed."""
    try:
        import capstone
    except ImportError:
        return []
    engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    engine.skipdata, engine.syntax = True, capstone.CS_OPT_SYNTAX_NOREGNAME
    try:
        code = load(elf).read(start, end - start)
    except (KeyError, OSError):
        return []
    found = [(int(one.address), f"{one.mnemonic} {one.op_str}".strip()) for one in engine.disasm(code, start)]
    return [Instruction(address, text) for address, text in found if not text.startswith(".")]
