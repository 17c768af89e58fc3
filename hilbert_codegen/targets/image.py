"""An ELF image as it lies in memory: segments and symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hilbert_codegen.errors import UsageError


@dataclass(frozen=True)
class Loaded:
    """What an ELF file holds.

    Attributes:
        segments: (physical address, content) of what is loaded.
        offsets: where each segment's content starts in the file, in the order of `segments`.
        symbols: name -> value, as it stands in the symbol table (bit 0 set for Thumb functions).
    """

    segments: tuple[tuple[int, bytes], ...]
    offsets: tuple[int, ...]
    symbols: Mapping[str, int]

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from `address`; KeyError where nothing is loaded."""
        for start, content in self.segments:
            if start <= address and address + size <= start + len(content):
                return content[address - start : address - start + size]
        raise KeyError(f"nothing is loaded at 0x{address:08x}")

    def place(self, address: int) -> int:
        """Where the byte at `address` stands in the file; KeyError where nothing is loaded."""
        for (start, content), offset in zip(self.segments, self.offsets, strict=True):
            if start <= address < start + len(content):
                return offset + address - start
        raise KeyError(f"nothing is loaded at 0x{address:08x}")


def load(elf: Path) -> Loaded:
    """Read an ELF file; UsageError without pyelftools."""
    try:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection
    except ImportError:
        raise UsageError("boards need pyelftools; install it with: pip install 'hilbert_codegen[boards]'") from None
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        parts = [part for part in file.iter_segments() if part["p_type"] == "PT_LOAD" and part["p_filesz"]]
        table = file.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        return Loaded(
            tuple((int(part["p_paddr"]), part.data()) for part in parts),
            tuple(int(part["p_offset"]) for part in parts),
            {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols() if symbol.name},
        )
