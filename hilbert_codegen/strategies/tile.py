"""`tile`: the full table cut into 8 x 8 tiles, each a base plus one of few patterns of differences.

On a grid whose cells are powers of two of codes wide, tiles repeat: only some dozens of patterns are distinct, exactly
rounded output included. Elsewhere nearly every tile is its own pattern, and the table would grow instead of shrink.
"""

from __future__ import annotations

import numpy as np

from hilbert_codegen.reference import Ideal
from hilbert_codegen.spec import Spec
from hilbert_codegen.strategies import STRATEGIES, Built, IntArray, Refused, Table, as_output, smallest_unsigned

SIDE = 8
#: 32 patterns interleave in a bank of 2048 entries, so that (raw word & 0x0707) is the index inside a pattern.
BANK = 32
LOCAL_MASK = 0x0707


def tiles_of(table: IntArray) -> IntArray:
    """(256, 256) table -> (1024, 64): tile (y >> 3) * 32 + (x >> 3), entry (y & 7) * 8 + (x & 7)."""
    return table.reshape(32, SIDE, 32, SIDE).transpose(0, 2, 1, 3).reshape(1024, SIDE * SIDE)


def pack(patterns: IntArray) -> tuple[IntArray, IntArray]:
    """Interleave (count, 64) patterns into banks: (entries, offset of each pattern)."""
    count = len(patterns)
    number = np.arange(count)
    offset = (number % BANK) * SIDE + (number // BANK) * (BANK * SIDE * SIDE)
    local = np.arange(SIDE * SIDE)
    local_word = (local % SIDE) | ((local // SIDE) << 8)
    size = int(offset.max()) + LOCAL_MASK + 1
    entries = np.zeros(size, dtype=np.int64)
    entries[offset[:, None] + local_word[None, :]] = patterns
    return entries, offset


class Tile:
    """Two table loads a point, constant time: 12 to 16 KB on the cell grid."""

    name = "tile"
    summary = "8 x 8 tiles: a base and a shared pattern of differences"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused where the tiles do not repeat enough to be smaller than the full table."""
        if spec.heads.bits != 8:
            raise Refused("tiles index 8-bit heads")
        tables, models = [], []
        wanted = [("", ideal.codes)] + ([("far_", ideal.distance.astype(np.int64))] if distance else [])
        for prefix, source in wanted:
            tiles = tiles_of(source)
            base = tiles.min(axis=1)
            patterns, which = np.unique(tiles - base[:, None], axis=0, return_inverse=True)
            entries, offset = pack(patterns)
            bits = {"uint8": 8, "uint16": 16, "uint32": 32}[smallest_unsigned(int(entries.max()))]
            if len(entries) * bits // 8 + 4096 > 65536:
                raise Refused(
                    f"{len(patterns)} of 1024 tiles are distinct: no smaller than the full table "
                    f"(a cell is {float(spec.pitch(0)):.4g} x {float(spec.pitch(1)):.4g} codes; powers of two repeat)"
                )
            if offset.max() + LOCAL_MASK >= 1 << 16:
                raise Refused(f"{len(patterns)} patterns do not fit 16-bit offsets")
            offsets = offset[np.asarray(which).reshape(-1)]
            kind = "distance" if prefix else "value"
            out = "uint8" if prefix else spec.output.dtype
            tables += [
                Table(f"{prefix}base", out, base, f"smallest {kind} of tile (y >> 3) << 5 | x >> 3, of the raw codes"),
                Table(f"{prefix}offset", "uint16", offsets, f"index in {prefix}pattern of the tile's pattern"),
                Table(
                    f"{prefix}pattern",
                    smallest_unsigned(int(entries.max())),
                    entries,
                    f"what is added to the tile's base, at offset + (raw word & 0x0707); {len(patterns)} patterns",
                ),
            ]
            models.append((base, offsets, entries))

        def run(model: tuple[IntArray, IntArray, IntArray], x: IntArray, y: IntArray) -> IntArray:
            base, offsets, entries = model
            word = x | (y << 8)
            tile = ((word >> 11) << 5) | ((word >> 3) & 31)
            return np.asarray(base[tile] + entries[offsets[tile] + (word & LOCAL_MASK)])

        def decode(x: IntArray, y: IntArray) -> IntArray:
            return as_output(spec, run(models[0], x, y))

        def measure(x: IntArray, y: IntArray) -> IntArray:
            return run(models[1], x, y)

        return Built(
            strategy=self.name,
            tables=tuple(tables),
            decode=decode,
            distance=measure if distance else None,
            note="The full table in 8 x 8 tiles, each a base and one of few patterns: constant time.",
        )


STRATEGIES.add(Tile.name, Tile())
