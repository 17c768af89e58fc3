"""Cross compilers for the board program. One file here each, which registers itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from hilbert_codegen.errors import UsageError
from hilbert_codegen.registry import Registry
from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.tools import Found, Missing, Unusable, run

#: For every source: the decoder is built as a product would be, -O2; sections let the linker drop what is not called.
COMMON_FLAGS = (
    "-std=c99",
    "-O2",
    "-g0",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-common",
    "-Wall",
    "-Wextra",
)


class Toolchain(ABC):
    """What a file of this folder registers: a compiler found on this machine, and its way to compile and to link.

    Attributes:
        name: as --compiler takes it.
        own_flags: what this compiler needs beside COMMON_FLAGS.
    """

    name: str
    own_flags: tuple[str, ...] = ()

    @abstractmethod
    def rank(self, core: Core) -> int:
        """Its place in the order in which `auto` tries compilers for `core`, the lowest first."""

    @abstractmethod
    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The compiler for an instruction set and its version, or how to install it."""

    @abstractmethod
    def knows(self, core: Core, version: str) -> str | None:
        """None if this version compiles for `core`, else the reason why not."""

    @abstractmethod
    def target(self, core: Core) -> Sequence[str]:
        """The flags that choose `core`."""

    @abstractmethod
    def link(self, core: Core, objects: Sequence[Path], script: Path, target: Path) -> None:
        """Link objects by a linker script; CheckFailed if it fails."""

    def supports(self, core: Core) -> str | None:
        """None if it is there and compiles for `core`, else the reason why not."""
        found = self.find(core.architecture)
        return found.reason if isinstance(found, Missing) else self.knows(core, found.version)

    def command(self, core: Core) -> tuple[str, ...]:
        """The words that start the compiler; UsageError with the way to install it if it is not there."""
        found = self.find(core.architecture)
        if isinstance(found, Missing):
            raise found.error()
        return found.command

    def compile(
        self,
        core: Core,
        source: Path,
        target: Path,
        include: Sequence[Path],
        defines: Mapping[str, str],
        flags: Sequence[str],
    ) -> None:
        """Compile one C file; CheckFailed with the compiler's first error if it fails."""
        words = [*self.command(core), *self.target(core), *COMMON_FLAGS, *self.own_flags]
        words += [*(f"-I{path}" for path in include), *(f"-D{name}={value}" for name, value in defines.items())]
        run([*words, *flags, "-c", source, "-o", target], f"compiling {source.name} for {core.title}")


TOOLCHAINS: Registry[Toolchain] = Registry("compiler", __name__)


def choose(core: Core, wanted: str = "auto") -> Toolchain:
    """The compiler for `core`: the one wanted, or the best of those that are there.

    UsageError says what to install if no compiler is there.
    """
    if wanted != "auto":
        toolchain = TOOLCHAINS[wanted]
        found = toolchain.find(core.architecture)
        if isinstance(found, Missing):
            raise found.error()
        reason = toolchain.supports(core)
        if reason is not None:
            raise UsageError(f"--compiler {wanted}: {reason}")
        return toolchain
    problems = []
    for toolchain in sorted(TOOLCHAINS, key=lambda one: one.rank(core)):
        found = toolchain.find(core.architecture)
        if isinstance(found, Unusable):
            raise found.error()
        if isinstance(found, Missing):
            problems.append(f"{found.reason} ({found.remedy})")
            continue
        reason = toolchain.supports(core)
        if reason is None:
            return toolchain
        problems.append(reason)
    raise UsageError(f"no compiler for {core.title}: {'; '.join(problems)}")
