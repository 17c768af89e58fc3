"""Instruction sets that the boards' cores have: what compilers, emulators and the board program call and need of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hilbert_codegen.targets.tools import platform_hint


@dataclass(frozen=True, eq=False)
class Architecture:
    """One instruction set with its tools.

    Attributes:
        name: as in messages.
        startup: the file of firmware_tests/board that starts the program and reports faults.
        triple: clang's name of a system without an operating system.
        gcc: GNU compiler; its other programs have the same start of their names.
        gcc_variable: environment variable that holds another command for it.
        gcc_remedy: how to install it.
        qemu: QEMU's emulator of whole systems.
        qemu_variable, qemu_remedy: the same for that.
        four_bytes: whether an instruction whose first halfword is given has four bytes, not two.
        traps: number of an exception -> its name.
    """

    name: str
    startup: str
    triple: str
    gcc: str
    gcc_variable: str
    gcc_remedy: str
    qemu: str
    qemu_variable: str
    qemu_remedy: str
    four_bytes: Callable[[int], bool]
    traps: Mapping[int, str]

    def lengths(self, start: int, code: bytes) -> list[int]:
        """The addresses of the instructions of the straight stretch `code`, which starts at `start`."""
        found, at = [], 0
        while at < len(code):
            found.append(start + at)
            at += 4 if self.four_bytes(code[at] | code[at + 1] << 8) else 2
        return found


ARM = Architecture(
    name="Arm",
    startup="startup.c",
    triple="arm-none-eabi",
    gcc="arm-none-eabi-gcc",
    gcc_variable="ARM_GCC",
    gcc_remedy=platform_hint(
        "install it with: sudo apt install gcc-arm-none-eabi",
        "install it with: brew install --cask gcc-arm-embedded",
        "install it with: winget install Arm.GnuArmEmbeddedToolchain",
    ),
    qemu="qemu-system-arm",
    qemu_variable="QEMU",
    qemu_remedy=platform_hint(
        "install it with: sudo apt install qemu-system-arm",
        "install it with: brew install qemu",
        "install it with: winget install SoftwareFreedomConservancy.QEMU",
    ),
    # 0b11101, 0b11110 and 0b11111 start an instruction of four bytes (Armv7-M ARM, A5.1).
    four_bytes=lambda half: half >= 0xE800,
    traps={2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault"},
)

RISCV = Architecture(
    name="RISC-V",
    startup="startup_riscv.c",
    triple="riscv32-unknown-elf",
    gcc="riscv64-unknown-elf-gcc",
    gcc_variable="RISCV_GCC",
    gcc_remedy=platform_hint(
        "install it with: sudo apt install gcc-riscv64-unknown-elf",
        "install it with: brew install riscv64-elf-gcc, and name it in the environment variable RISCV_GCC",
        "install xPack's riscv-none-elf-gcc, and name it in the environment variable RISCV_GCC",
    ),
    qemu="qemu-system-riscv32",
    qemu_variable="QEMU_RISCV",
    qemu_remedy=platform_hint(
        "install it with: sudo apt install qemu-system-misc",
        "install it with: brew install qemu",
        "install it with: winget install SoftwareFreedomConservancy.QEMU",
    ),
    # The lowest two bits set (RISC-V unprivileged ISA, "expanded instruction-length encoding").
    four_bytes=lambda half: half & 3 == 3,
    # RISC-V privileged ISA, mcause.
    traps={
        0: "misaligned instruction address", 1: "instruction access fault", 2: "illegal instruction", 3: "breakpoint",
        4: "misaligned load", 5: "load access fault", 6: "misaligned store", 7: "store access fault",
        11: "environment call",
    },
)  # fmt: skip
