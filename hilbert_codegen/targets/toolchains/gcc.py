"""GNU compilers for cores without an operating system: arm-none-eabi-gcc, riscv64-unknown-elf-gcc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.toolchains import TOOLCHAINS, Toolchain
from hilbert_codegen.targets.tools import Found, Missing, find, run


class Gcc(Toolchain):
    """Compiles with arm-none-eabi-gcc or riscv64-unknown-elf-gcc, or the commands in the environment variables ARM_GCC and
    RISCV_GCC.
    """

    name = "gcc"
    # A loop that fills or copies stays a loop: no memset or memcpy behind the program's back.
    own_flags = ("-fno-tree-loop-distribute-patterns",)

    def rank(self, core: Core) -> int:
        """First for scalar code, where clang's is longer."""
        return 20 if core.vectors else 10

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The compiler on PATH and its version."""
        one = architecture
        return find([one.gcc], r"\) (\d+\.\d+\S*)", one.gcc_remedy, variable=one.gcc_variable)

    def knows(self, core: Core, version: str) -> str | None:
        """None if this gcc is new enough for the core."""
        if int(version.split(".")[0]) < core.gcc:
            return f"gcc {version} does not know {core.name} ({core.gcc} and later have)"
        return None

    def target(self, core: Core) -> Sequence[str]:
        """The core."""
        return core.flags

    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link with libgcc and nothing else."""
        run(
            [
                *self.command(core),
                *core.link_flags,
                "-nostdlib",
                "-nostartfiles",
                "-Wl,--gc-sections",
                "-Wl,--build-id=none",
                "-T",
                script,
                *objects,
                "-lgcc",
                "-o",
                target,
            ],
            f"linking {target.name} for {core.title}",
        )


TOOLCHAINS.add(Gcc.name, Gcc())
