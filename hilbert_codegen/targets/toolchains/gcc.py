"""GNU Arm Embedded: arm-none-eabi-gcc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.toolchains import COMMON_FLAGS, TOOLCHAINS
from hilbert_codegen.targets.tools import Found, Missing, find, platform_hint, run

REMEDY = platform_hint(
    "install it with: sudo apt install gcc-arm-none-eabi",
    "install it with: brew install --cask gcc-arm-embedded",
    "install it with: winget install Arm.GnuArmEmbeddedToolchain",
)


class Gcc:
    """Compiles with arm-none-eabi-gcc, or the command in the environment variable ARM_GCC."""

    name = "gcc"

    def rank(self, core: Core) -> int:
        """First for scalar code, where clang's is longer."""
        return 20 if core.helium else 10

    def find(self) -> Found | Missing:
        """The compiler on PATH and its version."""
        return find(["arm-none-eabi-gcc"], r"\) (\d+\.\d+\S*)", REMEDY, variable="ARM_GCC")

    def _command(self) -> tuple[str, ...]:
        found = self.find()
        if isinstance(found, Missing):
            raise found.error()
        return found.command

    def supports(self, core: Core) -> str | None:
        """None if this gcc knows the core."""
        found = self.find()
        if isinstance(found, Missing):
            return found.reason
        if int(found.version.split(".")[0]) < core.gcc:
            return f"gcc {found.version} has no -mcpu={core.name} ({core.gcc} and later have)"
        return None

    def compile(
        self,
        core: Core,
        source: Path,
        target: Path,
        include: Sequence[Path],
        defines: Mapping[str, str],
        flags: Sequence[str],
    ) -> None:
        """Compile one C file."""
        run(
            [
                *self._command(),
                *core.flags,
                *COMMON_FLAGS,
                # A loop that fills or copies stays a loop: no memset or memcpy behind the program's back.
                "-fno-tree-loop-distribute-patterns",
                *[f"-I{path}" for path in include],
                *[f"-D{name}={value}" for name, value in defines.items()],
                *flags,
                "-c",
                source,
                "-o",
                target,
            ],
            f"compiling {source.name} for {core.title}",
        )

    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link with libgcc and nothing else."""
        run(
            [
                *self._command(),
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
