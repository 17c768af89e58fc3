"""clang as a cross compiler, linking with lld (or with the GNU compiler of the architecture, where it is there, for libgcc)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.toolchains import TOOLCHAINS, Toolchain
from hilbert_codegen.targets.tools import Found, Missing, find, platform_hint, run

REMEDY = platform_hint(
    "install it with: sudo apt install clang-19 lld-19",
    "install it with: brew install llvm lld, and put $(brew --prefix llvm)/bin on PATH",
    "install it with: winget install LLVM.LLVM",
)
#: Newest first. clang 16 is the first that knows the Cortex-M85.
NAMES = ("clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang")


class Clang(Toolchain):
    """Compiles with clang, or the command in the environment variable ARM_CLANG."""

    name = "clang"

    def rank(self, core: Core) -> int:
        """First for vectors: gcc 12 stops with an internal error on some of Helium, and has none of RISC-V's."""
        return 10 if core.vectors else 20

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The newest clang on PATH and its version."""
        return find(NAMES, r"clang version (\d+\.\d+\.\d+)", REMEDY, variable="ARM_CLANG")

    def knows(self, core: Core, version: str) -> str | None:
        """None if this clang is new enough."""
        return f"clang {version} is older than 16" if int(version.split(".")[0]) < 16 else None

    def target(self, core: Core) -> Sequence[str]:
        """The architecture without an operating system, and the core."""
        return (f"--target={core.architecture.triple}", *core.flags)

    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link with the GNU toolchain's libgcc where it is there, else with lld and no run-time library."""
        gcc = TOOLCHAINS["gcc"]
        same = core.plain if core.architecture is RISCV else core
        if gcc.supports(same) is None:
            gcc.link(same, objects, script, target)
            return
        major = self.find().version.split(".")[0]  # type: ignore[union-attr]
        lld = find([f"ld.lld-{major}", "ld.lld"], r"LLD (\d+\.\d+\.\d+)", REMEDY)
        if isinstance(lld, Missing):
            raise lld.error()
        run(
            [*lld.command, "--gc-sections", "--build-id=none", "-T", script, *objects, "-o", target],
            f"linking {target.name} for {core.title}",
        )


TOOLCHAINS.add(Clang.name, Clang())
