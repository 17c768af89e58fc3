"""The cores the board program is built for, Arm Cortex-M and RISC-V: all that is known of a core is its row in `CORES`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture


@dataclass(frozen=True)
class Core:
    """One core.

    Attributes:
        name: "cortex-m4", as compilers and emulators spell it; of RISC-V the instruction set, "rv32imc_zba_zbb".
        title: as people spell it.
        flags: what gcc and clang alike need to compile for it.
        helium: whether it has the M-profile vector extension (MVE).
        rvv: whether it has RISC-V vectors, Zve32x at least.
        without_vectors: name of a core that has all but the vectors, and what came with them: its code runs here too.
        llvm_model: the name under which LLVM has a scheduling model that fits it, or None.
        timing_table: the name of a table in `hilbert_codegen.targets.cycles`, where LLVM has no model.
        triple: LLVM's name of the architecture, for `llvm_model`.
        macs: most multiply-accumulates of int8 per cycle that its instructions allow (Arm's technical reference manuals:
            SMLAD does two in a cycle, Helium with a 64-bit datapath eight; without either a multiply and an add take two
            cycles). A bound of what a network costs at least.
        gcc: first major version of gcc that knows it.
        counted_as: a core of the same instructions, whose counts in costs.json stand for its own while there are none.
        architecture: its instruction set.
    """

    name: str
    title: str
    flags: tuple[str, ...]
    helium: bool = False
    rvv: bool = False
    without_vectors: str = ""
    llvm_model: str | None = None
    timing_table: str | None = None
    triple: str = "thumbv7em-none-eabi"
    macs: float = 0.5
    gcc: int = 0
    counted_as: str = ""
    architecture: Architecture = ARM

    @property
    def plain(self) -> Core:
        """The core of the same kind without vectors (and the rest of Armv8.1-M), whose code this one executes too."""
        return CORES[self.without_vectors] if self.without_vectors else self

    @property
    def link_flags(self) -> tuple[str, ...]:
        """What a compiler needs to link for it: of RISC-V the base that there is a library for."""
        if self.architecture is not RISCV:
            return self.flags
        return (f"-march={self.name.split('_')[0]}", *self.flags[1:])

    @property
    def vectors(self) -> bool:
        """Whether it has vector instructions of any kind."""
        return self.helium or self.rvv

    @property
    def baseline(self) -> bool:
        """Whether it is Armv6-M or the Armv8-M baseline: no fault status registers, no IT blocks."""
        return self.architecture is ARM and self.timing_table is not None


_SOFT = ("-mthumb", "-mfloat-abi=soft")
_HARD = ("-mthumb", "-mfloat-abi=hard")


def _riscv(extensions: str, **more: Any) -> Core:
    """A RISC-V microcontroller: RV32IMC and more, without floating point.

    LLVM has a model of the Syntacore SCR1, an open core of this kind; none of a small one with bit manipulation or vectors.
    """
    name = "rv32imc" + "".join(f"_{extension}" for extension in extensions.split())
    title = "RV32IMC" + "".join(f" {extension.capitalize()}" for extension in extensions.split())
    flags = (f"-march={name}", "-mabi=ilp32")
    return Core(name, title, flags, triple="riscv32", architecture=RISCV, **more)


CORES: dict[str, Core] = {
    core.name: core
    for core in (
        Core("cortex-m0", "Cortex-M0", ("-mcpu=cortex-m0", *_SOFT), timing_table="cortex-m0"),
        Core("cortex-m0plus", "Cortex-M0+", ("-mcpu=cortex-m0plus", *_SOFT), timing_table="cortex-m0plus"),
        # LLVM uses its Cortex-M4 model for M3 and M33 too; all three are single-issue with three stages.
        Core("cortex-m3", "Cortex-M3", ("-mcpu=cortex-m3", *_SOFT), llvm_model="cortex-m3"),
        Core(
            "cortex-m4", "Cortex-M4", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", *_HARD), llvm_model="cortex-m4", macs=2
        ),
        Core("cortex-m7", "Cortex-M7", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", *_HARD), llvm_model="cortex-m7", macs=2),
        Core("cortex-m23", "Cortex-M23", ("-mcpu=cortex-m23", *_SOFT), timing_table="cortex-m23"),
        Core(
            "cortex-m33",
            "Cortex-M33",
            ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", *_HARD),
            llvm_model="cortex-m33",
            triple="thumbv8m.main-none-eabi",
            macs=2,
        ),
        Core(
            "cortex-m55",
            "Cortex-M55",
            ("-mcpu=cortex-m55", *_HARD),
            helium=True,
            without_vectors="cortex-m33",
            llvm_model="cortex-m55",
            triple="thumbv8.1m.main-none-eabi",
            macs=8,
        ),
        Core(
            "cortex-m85",
            "Cortex-M85",
            ("-mcpu=cortex-m85", *_HARD),
            helium=True,
            without_vectors="cortex-m33",
            llvm_model="cortex-m85",
            triple="thumbv8.1m.main-none-eabi",
            macs=8,
            gcc=13,
        ),
        _riscv("", llvm_model="syntacore-scr1-max"),
        _riscv("zba zbb"),
        # One multiplication a cycle and element of 32 bits, in the narrowest unit of 128 bits.
        _riscv("zve32x", rvv=True, without_vectors="rv32imc", gcc=14, macs=4),
    )
}


def core(name: str) -> Core:
    """The core called `name` ("cortex-m0+" is "cortex-m0plus"); UsageError with the names that exist if there is none."""
    name = name.lower().replace("m0+", "m0plus")
    if name not in CORES:
        raise UsageError(f"unknown core {name!r}: choose one of {', '.join(CORES)}")
    return CORES[name]
