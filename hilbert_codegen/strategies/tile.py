"""`tile`: the full table cut into 8 x 8 tiles, each a base and a window of one shared pool of differences.

On a grid whose cells are powers of two of codes wide, tiles repeat: only some dozens are distinct up to a constant,
exactly rounded output included, and many of those overlap. Elsewhere nearly every tile is its own pattern, and the
table would grow instead of shrink.
"""

from __future__ import annotations

import numpy as np

from hilbert_codegen.hvx import add_hvx
from hilbert_codegen.reference import Ideal
from hilbert_codegen.spec import INTEGER_TYPES, Spec
from hilbert_codegen.strategies import STRATEGIES, Built, IntArray, Refused, Table, as_output
from hilbert_codegen.windows import STRIDE, Pool, tile_pool

SIDE = 8
COUNT = 1024
#: In a pool with rows of 256 entries, raw word & 0x0707 is the index inside a window.
LOCAL_MASK = 0x0707
#: Columns of the first 32 rows of the Helium picture: base, start of the window, start of the distance's window.
COLUMNS = 32


def tiles_of(table: IntArray) -> IntArray:
    """(256, 256) table -> (1024, 8, 8): tile (y >> 3) * 32 + (x >> 3), entry [y & 7, x & 7]."""
    return table.reshape(32, SIDE, 32, SIDE).transpose(0, 2, 1, 3).reshape(COUNT, SIDE, SIDE)


class Tile:
    """Two dependent loads a point, constant time: 6 to 32 KB on the cell grid."""

    name = "tile"
    summary = "8 x 8 tiles: a base and a window of a shared pool"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, and where the tiles do not repeat enough to be smaller than the full table."""
        if spec.heads.bits != 8:
            raise Refused("tiles index 8-bit heads")
        bits = INTEGER_TYPES[spec.output.dtype][0]
        modulus = 1 << bits
        tiles = tiles_of(ideal.codes)
        value = self._pool(spec, tiles, modulus, False, COUNT * (2 + bits // 8), 65536 * bits // 8)
        tables = self._tables("", value, bits, "difference", bits <= 16)
        far = None
        if distance:
            far = self._pool(spec, tiles_of(ideal.distance.astype(np.int64)), 256, True, COUNT * 2, 65536)
            tables += self._tables("far_", far, 8, "distance", bits <= 16)
        if bits <= 16:
            tables.append(self._picture(tiles, modulus, far))

        def entry(pool: Pool, x: IntArray, y: IntArray) -> IntArray:
            word = x | (y << 8)
            tile = ((word >> 11) << 5) | ((word >> 3) & 31)
            return np.asarray(pool.base[tile] + pool.entries[pool.offset[tile] + (word & LOCAL_MASK)])

        def decode(x: IntArray, y: IntArray) -> IntArray:
            return as_output(spec, entry(value, x, y))

        def measure(x: IntArray, y: IntArray) -> IntArray:
            assert far is not None
            return entry(far, x, y)

        built = Built(
            strategy=self.name,
            tables=tuple(tables),
            decode=decode,
            distance=measure if distance else None,
            note="The full table in 8 x 8 tiles, each a base and a window of a shared pool: constant time.",
            params={"mve": 2 if bits <= 16 else 0},
        )
        return add_hvx(spec, ideal, built)

    def _pool(self, spec: Spec, tiles: IntArray, modulus: int, exact: bool, fixed_bytes: int, full_bytes: int) -> Pool:
        shapes = tiles if exact else (tiles - tiles[:, :1, :1]) % modulus
        count = len(np.unique(shapes.reshape(COUNT, -1), axis=0))
        width = (modulus - 1).bit_length() // 8
        # Even if every tile shared half of its entries, the table would not get smaller.
        pool = tile_pool(tiles, modulus, exact) if fixed_bytes + count * 32 * width < full_bytes else None
        if pool is None or fixed_bytes + len(pool.entries) * width >= full_bytes or len(pool.entries) > 65536:
            raise Refused(
                f"{count} of {COUNT} tiles are distinct: no smaller than the full table (a cell is "
                f"{float(spec.pitch(0)):.4g} x {float(spec.pitch(1)):.4g} codes; whole powers of two repeat)"
            )
        return pool

    def _tables(self, prefix: str, pool: Pool, bits: int, kind: str, picture: bool) -> list[Table]:
        """Tables of the portable variant; distances have no base."""
        where = "of tile (y >> 3) << 5 | x >> 3, of the raw codes"
        start = f"start of the {kind} window"
        when = "!USE_MVE" if picture else ""
        pattern = Table(
            f"{prefix}pattern",
            f"uint{bits}",
            pool.entries,
            f"windows of {kind}s, entered at their start + (raw word & 0x0707); {pool.distinct} are distinct",
            when="" if prefix else when,
        )
        if prefix:
            return [Table(f"{prefix}offset", "uint16", pool.offset, f"{start} {where}", when=when), pattern]
        if picture:
            both = pool.offset << 16 | pool.base
            return [Table("tile", "uint32", both, f"{start} << 16 | base {where}", 8, when=when), pattern]
        return [
            Table("base", f"uint{bits}", pool.base, f"base {where}"),
            Table("offset", "uint16", pool.offset, f"{start} {where}"),
            pattern,
        ]

    def _picture(self, tiles: IntArray, modulus: int, far: Pool | None) -> Table:
        """The Helium layout: base and start of a tile lie 256 entries apart like the rows of the pool, below which
        (and beside which) they are, so that (raw word >> 3) & 0x1F1F is their index, in two steps instead of three.
        A start is held less the tile's first raw word, so that the raw word is the index inside the window.
        """
        columns = COLUMNS * (2 if far is None else 3)
        pool = tile_pool(tiles, modulus, False, taken=(32, columns))
        if len(pool.entries) > 65536:
            raise Refused("the pool does not fit 16-bit indices")
        at = (np.arange(32)[:, None] * STRIDE + np.arange(32)).reshape(-1)
        picture = pool.entries
        picture[at] = pool.base
        picture[at + COLUMNS] = (pool.offset - at * SIDE) % 65536
        if far is not None:
            picture[at + 2 * COLUMNS] = (far.offset - at * SIDE) % 65536
        meaning = (
            "rows of 256: bases of 32 x 32 tiles, starts of their windows, and around them the pool of differences"
        )
        return Table("picture", "uint16", picture, meaning, when="USE_MVE")


STRATEGIES.add(Tile.name, Tile())
