"""Instructions of Armv8.1-M that an emulator may take for others, where it should stop at them.

Renode 1.16.1 as released does: it reads the program counter where the conditional selects name the zero register, and takes the
start of a tail-predicated loop for a call. Armv8-M has neither, so what is compiled for that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hilbert_codegen.targets.architectures import ARM


@dataclass(frozen=True)
class Gap:
    """A kind of instruction.

    Attributes:
        says: what an emulator makes of it, as a relative clause.
        among: whether the instruction with these two halfwords is of the kind.
    """

    says: str
    among: Callable[[int, int], bool]


def _selects_zero(first: int, second: int) -> bool:
    """CSEL, CSINC, CSINV, CSNEG (Armv8-M ARM, C2.4) with register 15: CSET and CSETM among them."""
    return first & 0xFFF0 == 0xEA50 and second & 0xC000 == 0x8000 and 15 in (first & 15, second & 15)


def _starts_loop(first: int, second: int) -> bool:
    """WLSTP and DLSTP; with register 15 the same bits are LE and LCTP."""
    return first & 0xFFC0 == 0xF000 and second & 0xD001 == 0xC001 and first & 15 != 15


#: The board program tries this one, when it is told to (firmware_tests/board/main.c).
ZERO_REGISTER = Gap("in which it reads the program counter for the zero register", _selects_zero)
#: Where that leads (`call_target`) is megabytes away, out of every memory.
TAIL_LOOP = Gap("which it takes for a call", _starts_loop)


def places(gap: Gap, start: int, code: bytes) -> Iterator[tuple[int, int, int]]:
    """Address and halfwords of the instructions of that kind in the Arm code `code`, which starts at `start`."""
    for address in ARM.lengths(start, code):
        at = address - start
        first, second = (int.from_bytes(code[at + half : at + half + 2], "little") for half in (0, 2))
        if gap.among(first, second):
            yield address, first, second


def call_target(address: int, first: int, second: int) -> int:
    """Where BLX of an immediate (Armv7-A/R ARM, A8.8.25, encoding T2), its first halfword positive, leads."""
    high = (~second >> 13 & 1) << 23 | (~second >> 11 & 1) << 22 | (first & 0x3FF) << 12 | (second & 0x7FE) << 1
    return (address + 4 & ~3) + (high & ~3)
