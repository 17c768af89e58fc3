"""GNU Arm Embedded: arm-none-eabi-gcc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.toolchains import TOOLCHAINS, Toolchain
from hilbert_codegen.targets.tools import Found, Missing, find, platform_hint, run

REMEDY = platform_hint(
    "install it with: sudo apt install gcc-arm-none-eabi",
    "install it with: brew install --cask gcc-arm-embedded",
    "install it with: winget install Arm.GnuArmEmbeddedToolchain",
)


class Gcc(Toolchain):
    """Compiles with arm-none-eabi-gcc, or the command in the environment variable ARM_GCC."""

    name = "gcc"
    # A loop that fills or copies stays a loop: no memset or memcpy behind the program's back.
    own_flags = ("-fno-tree-loop-distribute-patterns",)

    def rank(self, core: Core) -> int:
        """First for scalar code, where clang's is longer."""
        return 20 if core.helium else 10

    def find(self) -> Found | Missing:
        """The compiler on PATH and its version."""
        return find(["arm-none-eabi-gcc"], r"\) (\d+\.\d+\S*)", REMEDY, variable="ARM_GCC")

    def knows(self, core: Core, version: str) -> str | None:
        """None if this gcc is new enough for the core."""
        if int(version.split(".")[0]) < core.gcc:
            return f"gcc {version} has no -mcpu={core.name} ({core.gcc} and later have)"
        return None

    def target(self, core: Core) -> Sequence[str]:
        """The core."""
        return core.flags

    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link with libgcc and nothing else."""
        run(
            [
                *self.command(),
                *core.flags,
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
