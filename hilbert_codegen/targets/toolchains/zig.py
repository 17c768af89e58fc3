"""Zig's C compiler, which comes from PyPI (ziglang): clang, lld and run-time library in one, with nothing to install."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.toolchains import TOOLCHAINS, Toolchain
from hilbert_codegen.targets.tools import Found, Missing, ToolFailed, find, run

REMEDY = "install it with: pip install 'hilbert_codegen[boards]'"


def package() -> tuple[str, ...]:
    """The words that start the Python package's zig, or none where it is not installed."""
    return (sys.executable, "-m", "ziglang") if importlib.util.find_spec("ziglang") is not None else ()


class Zig(Toolchain):
    """Compiles with the Python package ziglang, zig on PATH, or the command in the environment variable ARM_ZIG."""

    name = "zig"
    # zig cc adds checks of undefined behaviour, which have no place in a measurement.
    own_flags = ("-fno-sanitize=undefined",)

    def rank(self, core: Core) -> int:
        """After the compilers that someone chose to install."""
        return 30

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The compiler and the version of Zig."""
        return find(["zig"], r"^(\d+\.\d+\.\d+)", REMEDY, variable="ARM_ZIG", package=package(), query="version")

    def command(self, core: Core) -> tuple[str, ...]:
        """The words that start Zig's C compiler."""
        return (*super().command(core), "cc")

    def knows(self, core: Core, version: str) -> str | None:
        """None: every version of the package knows every core here."""
        return None

    def target(self, core: Core) -> Sequence[str]:
        """The core, in Zig's way to write it."""
        if core.architecture is RISCV:
            base, *extensions = core.name.split("_")
            features = "".join(f"+{one}" for one in [*base.removeprefix("rv32i"), *extensions])
            return ("-target", "riscv32-freestanding-none", f"-mcpu=generic_rv32{features}")
        hard = "-mfloat-abi=hard" in core.flags
        return ("-target", f"thumb-freestanding-eabi{'hf' if hard else ''}", f"-mcpu={core.name.replace('-', '_')}")

    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link; with Zig's run-time library only where it is needed, for Zig first compiles that for each core (seconds)."""
        try:
            self._link(core, objects, script, target, "-nostdlib")
        except ToolFailed as error:
            if "undefined symbol: __" not in error.output:
                raise
            self._link(core, objects, script, target, "-nostartfiles")

    def _link(self, core: Core, objects: Sequence[Path], script: Path, target: Path, libraries: str) -> None:
        run(
            [
                *self.command(core),
                *self.target(core),
                libraries,
                "-Wl,--gc-sections",
                "-Wl,--build-id=none",
                "-Wl,-e,Reset_Handler",
                f"-Wl,-T,{script}",
                *objects,
                "-o",
                target,
            ],
            f"linking {target.name} for {core.title}",
        )


TOOLCHAINS.add(Zig.name, Zig())
