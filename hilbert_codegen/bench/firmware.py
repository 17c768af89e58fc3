"""The board program: generated decoder + generated self-test + start-up code -> one ELF image for one board."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.emit.prove import Domain, reference_for
from hilbert_codegen.emit.render import environment
from hilbert_codegen.errors import UsageError
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES, type_range
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.toolchains import Toolchain
from hilbert_codegen.targets.tools import Found, ToolFailed

#: Rows of the sweep and points a row: all pairs of 8-bit codes, or a 256 x 256 grid of 16-bit codes.
ROWS = COLUMNS = 256
#: Bytes of stack of the board program.
STACK_BYTES = 2048

#: What the board program is made of, besides the decoder.
SOURCES = ("startup.c", "console.c", "main.c")

_FNV_START = 2166136261
_FNV_PRIME = 16777619


def checksums(values: NDArray[np.int64], bits: int) -> list[int]:
    """FNV-1a over the words of each row of `values` (rows, columns), each taken as an unsigned `bits`-bit word."""
    mask = np.uint64((1 << bits) - 1)
    words = values.astype(np.int64).view(np.uint64) & mask
    total = np.full(len(values), _FNV_START, dtype=np.uint64)
    for column in words.T:
        total = ((total ^ column) * np.uint64(_FNV_PRIME)) & np.uint64(0xFFFFFFFF)
    return [int(value) for value in total]


@dataclass(frozen=True)
class Sweep:
    """The pairs of codes that the board program runs over, and the exact answers.

    Attributes:
        pairs: codes (x, y), int64, shape (256, 256, 2), [row, column].
        listed: whether the program must hold the pairs as data, because they follow no rule.
        output: exact results, int64, shape (256, 256), [row, column].
        distance: exact distances, int64, the same shape.
        statement: one line saying what the pairs are.
    """

    pairs: NDArray[np.int64]
    listed: bool
    output: NDArray[np.int64]
    distance: NDArray[np.int64]
    statement: str


def make_sweep(plan: Plan, outputs: NDArray[np.int64] | None = None) -> Sweep:
    """The pairs to run: by default all of 8-bit heads in the order of their raw bits, every 257th code of both axes of
    16-bit heads; with `outputs` (codes a network gave, shape (n, 2), 8-bit heads) those, from the start again until
    there are 65,536.

    Raises UsageError where `outputs` are not codes of the heads.
    """
    codes = plan.spec.heads.codes()
    if outputs is not None:
        low, high = type_range(plan.spec.heads.dtype)
        if plan.spec.heads.bits != 8 or outputs.ndim != 2 or outputs.shape[1] != 2 or not len(outputs):
            raise UsageError(f"the network's outputs have shape {outputs.shape}: give (n, 2) codes of 8-bit heads")
        if outputs.min() < low or outputs.max() > high:
            raise UsageError(f"the network's outputs lie in {outputs.min()}..{outputs.max()}: give {low}..{high}")
        table = reference_for(plan.spec, Domain(codes, codes, True, ""))
        pairs = np.resize(outputs.astype(np.int64), (ROWS, COLUMNS, 2))
        x, y = pairs[..., 0] & 255, pairs[..., 1] & 255
        statement = f"65,536 pairs from {len(outputs)} outputs of the network"
        return Sweep(pairs, True, table.codes[y, x], table.distance[y, x].astype(np.int64), statement)
    statement = "all 65,536 pairs of codes"
    if plan.spec.heads.bits != 8:
        codes = np.arange(-32768, 32768, 257, dtype=np.int64)
        statement = "65,536 pairs of codes: every 257th of each head, both ends included"
    exact = reference_for(plan.spec, Domain(codes, codes, plan.spec.heads.bits == 8, statement))
    pairs = np.stack(np.meshgrid(codes, codes), axis=-1)
    return Sweep(pairs, False, exact.codes, exact.distance.astype(np.int64), statement)


def selftest_files(plan: Plan, sweep: Sweep) -> dict[str, bytes]:
    """The generated self-test, `<prefix>_selftest.h` and `.c`: name -> bytes."""
    spec = plan.spec
    head, out = spec.heads.ctype, spec.output.ctype
    bits = INTEGER_TYPES[spec.output.dtype][0]
    index = "-32768 + 257 i" if spec.heads.bits == 16 else "with the bits of i"
    values = {
        "p": plan.prefix,
        "P": plan.prefix.upper(),
        "hash": int(plan.digest[:8], 16),
        "domain": sweep.statement,
        "listed": sweep.listed,
        "pairs": sweep.pairs.reshape(-1).tolist() if sweep.listed else [],
        "x_of": "listed" if sweep.listed else f"{index}, i the column",
        "y_of": "listed" if sweep.listed else f"{index}, i the row",
        "in_type": head,
        "out_type": out,
        "out_unsigned": f"uint{bits}_t",
        "planar": spec.heads.layout == "planar",
        "distance": plan.distance,
        "output_sums": checksums(sweep.output, bits),
        "distance_sums": checksums(sweep.distance, 8),
    }
    env = environment()
    env.trim_blocks = env.lstrip_blocks = True
    return {
        f"{plan.prefix}_selftest{suffix}": env.get_template(f"harness/selftest{suffix}.j2")
        .render(values)
        .encode("ascii")
        for suffix in (".c", ".h")
    }


@dataclass(frozen=True)
class Image:
    """A linked board program.

    Attributes:
        elf: the file.
        compiler: "gcc 12.2.1", "clang 19.1.7".
        decoder: address range [start, end) of the decoder's functions and of what they call.
        entry: address of decode_block.
        code_bytes: of the decoder's functions and what they call, constants in the code included.
        table_bytes: of the decoder's constant tables.
    """

    elf: Path
    compiler: str
    decoder: tuple[int, int]
    entry: int
    code_bytes: int
    table_bytes: int
    symbols: Mapping[str, int]


class DoesNotFit(UsageError):  # noqa: N818 - named as CheckFailed is
    """The program is larger than the board's flash or RAM."""


class Program:
    """The board program for one decoder on one board: compiled once, linked for each kind of run.

    Args:
        folder: where sources, objects and images go (made if missing).
        board: memory map, UART and core.
        toolchain: what compiles it.
        prefix: prefix of the decoder's C names.
        files: decoder and self-test: name -> content.
        defines: macros for the decoder ("DEPTH_USE_MVE": "0").

    UsageError names the compiler's first error, or the sizes where the image does not fit the board.
    """

    def __init__(
        self,
        folder: Path,
        board: Board,
        toolchain: Toolchain,
        prefix: str,
        files: Mapping[str, bytes],
        defines: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.board, self.toolchain, self.prefix = folder, board, toolchain, prefix
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self._objects: list[Path] = []
        self._harness: list[str] = []
        for name in SOURCES:
            self._harness_object(name, {"HARNESS_MEASURE": "0"})
        for name in sorted(files):
            if name.endswith(".c"):
                target = folder / f"{name[:-2]}.o"
                toolchain.compile(board.core, folder / name, target, [folder], defines or {}, ())
                self._objects.append(target)
                if name == f"{prefix}_selftest.c":
                    self._harness.append(target.name)

    def _harness_object(self, name: str, extra: Mapping[str, str], suffix: str = "") -> Path:
        firmware = resource("firmware_tests") / "board"
        target = self.folder / f"board_{name[:-2]}{suffix}.o"
        uart = self.board.uart
        macros = {
            "CONSOLE_KIND": f"CONSOLE_{uart.kind}",
            "CONSOLE_BASE": f"0x{uart.base:08X}u",
            "SELFTEST_HEADER": f'"{self.prefix}_selftest.h"',
            "HARNESS_PREFIX": self.prefix,
            **extra,
        }
        self.toolchain.compile(self.board.core, firmware / name, target, [firmware, self.folder], macros, ())
        if not suffix:
            self._objects.append(target)
            self._harness.append(target.name)
        return target

    def image(self, measure: bool = False, rows: int = ROWS) -> Image:
        """Link an image.

        Args:
            measure: the program that only runs decode_block (see main.c), instead of the one that checks everything.
            rows: how many of the 256 rows run, spread over the square.
        """
        objects, harness = list(self._objects), list(self._harness)
        if measure:
            plain = self.folder / "board_main.o"
            other = self._harness_object("main.c", {"HARNESS_MEASURE": "1"}, "_measure")
            objects[objects.index(plain)] = other
            harness[harness.index(plain.name)] = other.name
        script = self.folder / "link.ld"
        values = {"board": self.board, "harness": harness, "stack_bytes": STACK_BYTES, "rows": rows}
        script.write_text(environment().get_template("harness/link.ld.j2").render(values), encoding="ascii")
        elf = self.folder / (f"measure{rows}.elf" if measure else f"run{rows}.elf")
        try:
            self.toolchain.link(self.board.core, objects, script, elf)
        except ToolFailed as error:
            over = re.findall(r"(FLASH|RAM)['` ].*?overflowed by (\d+) bytes", error.output)
            if not over:
                raise
            sizes = ", ".join(
                f"{region} has {getattr(self.board, region.lower()).size} bytes, {extra} too few"
                for region, extra in dict(over).items()
            )
            raise DoesNotFit(
                f"the program does not fit {self.board.name} ({sizes}): lower code.max_flash_bytes, choose a smaller "
                "strategy or a larger board"
            ) from None
        found = self.toolchain.find()
        assert isinstance(found, Found)
        return _inspect(elf, f"{self.toolchain.name} {found.version}", self.prefix)


def _inspect(elf: Path, compiler: str, prefix: str) -> Image:
    symbols = _symbols(elf)
    start, end = symbols["__decoder_start"], symbols["__decoder_end"]
    name = f"{prefix}_decode_block"
    return Image(
        elf=elf,
        compiler=compiler,
        decoder=(start, end),
        entry=symbols[name] & ~1,
        code_bytes=end - start,
        table_bytes=symbols["__tables_end"] - symbols["__tables_start"],
        symbols=symbols,
    )


def _symbols(path: Path) -> dict[str, int]:
    try:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection
    except ImportError:
        raise UsageError("boards need pyelftools; install it with: pip install 'hilbert_codegen[boards]'") from None
    with path.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols() if symbol.name}
