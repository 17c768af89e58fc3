"""The shares of `corner` for assembly with 16-bit instructions, three heads: in bytes where those serve, as the index of a byte is
not shifted; and times four where that serves, so that they add up to the offset of a record in its table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hilbert_codegen.kernels import IntArray, Table, smallest_unsigned

#: Bytes of a record: a power of two.
RECORD = 2


@dataclass(frozen=True)
class Offsets:
    """Shares of three heads, times a power of two.

    Attributes:
        base: what the shares of one head are multiplied by to be those of the next, of which there is one table then; else 0.
        up: that power.
        first: those of x, and of y behind them unless there is one table.
        last: those of z; empty where there is one table.
        down: by how much the entries of `last` are less: a power of two.
    """

    base: int
    up: int
    first: IntArray
    last: IntArray
    down: int

    def tables(self) -> tuple[Table, ...]:
        """Those that the assembly has."""
        times = f", times {1 << self.up}" if self.up else ""
        of = f"the first heads{times}: 256 for each" if len(self.last) else f"every head{times}"
        first = Table("offset", "uint8", self.first, f"share of every code of {of}")
        if not len(self.last):
            return (first,)
        times = f", times {1 << self.up}" if self.up else ""
        if self.down:
            times = f", by {1 << (self.down - self.up)}"
        name = smallest_unsigned(int(self.last.max()))
        return first, Table("offset_last", name, self.last, f"share of every code of the last head{times}")

    def shares(self) -> IntArray:
        """The shares that the assembly adds up."""
        if not len(self.last):
            return np.asarray(np.stack([self.first * self.base**axis for axis in range(3)]) >> self.up)
        return np.asarray(np.concatenate([self.first.reshape(2, 256), (self.last << self.down)[None, :]]) >> self.up)


def offsets_of(shares: IntArray, base: int) -> Offsets | None:
    """Those of three heads, or None where bytes do not serve."""
    none = np.zeros(0, dtype=np.int64)
    first = shares[0] if base else shares[:2].reshape(-1)
    up = RECORD if first.max() << RECORD <= 255 else 0
    if first.max() > 255:
        return None
    if base:
        return Offsets(base, up, first << up, none, 0)
    last = shares[2] << up
    down = 8 if not (last & 255).any() else 0
    return Offsets(0, up, first << up, last >> down, down)
