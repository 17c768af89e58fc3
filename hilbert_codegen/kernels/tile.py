"""`tile`: the full table cut into tiles, each a base and a window of one shared pool.

On a grid whose cells are powers of two of codes wide, tiles repeat up to a constant. Rounded results repeat less than
arc lengths do: with those in the pool and the result of every arc length behind it (`arc`), one load more a point, the
tables are smallest up to order 3; on finer curves, whose results are nearly as many as the pool's entries,
with results in the pool (`direct`). Tiles are 16 or 8 codes wide and 8 high. The smallest of these tables is taken.

All lies in one `picture` with rows of 256 entries: number the tiles such that the part of y lies above the part of x
with a gap, and (raw word >> shift) & mask is the index of a tile's base, in two steps. The start of its window follows
`columns` further on, and the pool fills what these leave free. A start is held less the raw word of the tile's first
codes, so that adding the raw word gives the index in the pool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.windows import ROWS, STRIDE, distinct, tile_pool, tiles_of
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: What is tried: codes of x that a tile is wide, and whether the pool holds arc lengths.
SHAPES = ((16, True), (16, False), (8, False))
#: A picture is indexed by 16 bits.
MOST = 1 << 16


@dataclass(frozen=True)
class _Layout:
    """Where tiles of a width have their bases: (raw word >> shift) & mask."""

    width: int

    @property
    def shift(self) -> int:
        return self.width.bit_length() - 1

    @property
    def columns(self) -> int:
        return STRIDE // self.width

    @property
    def mask(self) -> int:
        return (STRIDE // ROWS - 1) * self.stride | self.columns - 1

    @property
    def stride(self) -> int:
        """Entries from a base to the one of the tile below."""
        return STRIDE * ROWS // self.width

    def bases(self) -> IntArray:
        """Index of the base of every tile, in the order of `tiles_of`."""
        return (np.arange(STRIDE // ROWS)[:, None] * self.stride + np.arange(self.columns)).reshape(-1)

    def words(self) -> IntArray:
        """Raw word of the first codes of every tile."""
        rows = np.arange(STRIDE // ROWS)[:, None] * ROWS * STRIDE
        return np.asarray(rows + np.arange(self.columns) * self.width).reshape(-1)


@dataclass(frozen=True)
class _Picture:
    """Bases, starts, pool and, for 16-bit results by arc length, those; `far` holds the pool of distances.

    Attributes:
        layout: of the tiles.
        entries: all of it, uint16.
        arc: whether the pool holds arc lengths.
        result: results by arc length in a table of their own, or none of them.
        far: entries of the pool of distances, uint8, or none.
    """

    layout: _Layout
    entries: IntArray
    arc: bool
    result: IntArray
    far: IntArray

    def size(self, bits: int) -> int:
        """Bytes, with results of that many bits."""
        return 2 * len(self.entries) + len(self.result) * bits // 8 + len(self.far)


def _arc_lengths(spec: Spec, ideal: Ideal) -> IntArray | None:
    """Arc length of every pair in the smallest units that make all whole; None where they do not fit 16 bits."""
    if spec.estimator.kind != "nearest":
        return None
    places = [spec.coordinate(axis, code) for axis in (0, 1) for code in spec.heads.codes().tolist()]
    unit = math.lcm(2, *(place.denominator for place in places))
    if unit * spec.curve.segments >= MOST:
        return None
    arc = np.rint(ideal.arc * unit).astype(np.int64)
    return np.asarray(arc // int(np.gcd.reduce(arc, axis=None)))


class Tile:
    """Three or four dependent loads a point, constant time: 13 to 29 KB on the cell grid."""

    name = "tile"
    summary = "tiles of 16 x 8 or 8 x 8 codes: a base and a window of a shared pool"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, and where the tiles do not repeat enough to be smaller than the full table."""
        if spec.heads.bits != 8:
            raise Refused("tiles index 8-bit heads")
        bits = INTEGER_TYPES[spec.output.dtype][0]
        picture = self._smallest(spec, ideal, bits, distance)
        layout, entries = picture.layout, picture.entries

        def local(x: IntArray, y: IntArray, block: int) -> tuple[IntArray, IntArray]:
            word = x | (y << 8)
            tile = (word >> layout.shift) & layout.mask
            return tile, (entries[tile + block * layout.columns] + word) & 0xFFFF

        def decode(x: IntArray, y: IntArray) -> IntArray:
            tile, place = local(x, y, 1)
            found = entries[tile] + entries[place]
            if picture.arc:
                found = entries[found] if bits <= 16 else picture.result[found & 0xFFFF]
            return as_output(spec, found)

        def measure(x: IntArray, y: IntArray) -> IntArray:
            return picture.far[local(x, y, 2)[1]]

        parts = ["bases of the tiles", "starts of their windows", "around them the pool"]
        if distance:
            parts.insert(2, "starts of the distances' windows")
        if picture.arc and bits <= 16:
            parts.append("at the end the results by arc length")
        tables = [Table("picture", "uint16", entries, f"rows of 256: {', '.join(parts)}")]
        if picture.arc and bits > 16:
            tables.append(Table("result", spec.output.dtype, picture.result, "results by arc length", 8))
        if distance:
            tables.append(Table("far_pattern", "uint8", picture.far, "windows of distances"))
        held = "arc lengths, and the result of each" if picture.arc else "results"
        portable = Implementation(
            tables=tuple(tables),
            decode=decode,
            distance=measure if distance else None,
            params={
                "shift": layout.shift,
                "double_shift": layout.shift - 1,
                "mask": f"0x{layout.mask:04X}U",
                "double_mask": f"0x{2 * layout.mask:04X}U",
                "starts": layout.columns,
                "double_starts": 2 * layout.columns,
                "far_starts": 2 * layout.columns,
                "arc": picture.arc,
                "wide": bits > 16,
            },
        )
        return Built(
            strategy=self.name,
            portable=portable,
            note=f"Tiles of {layout.width} x {ROWS} codes, each a base and a window of a shared pool of {held}: "
            "constant time.",
            kind="" if picture.arc else "direct",
        )

    def _smallest(self, spec: Spec, ideal: Ideal, bits: int, distance: bool) -> _Picture:
        arcs = _arc_lengths(spec, ideal)
        best, size = None, 65536 * bits // 8
        for width, arc in SHAPES:
            if (arc and arcs is None) or (not arc and bits > 16):
                continue
            picture = self._picture(spec, ideal, _Layout(width), arcs if arc else None, distance, size)
            if picture is not None and picture.size(bits) < size:
                best, size = picture, picture.size(bits)
        if best is None:
            raise Refused(
                f"tiles do not repeat enough to be smaller than the full table (a cell is {float(spec.pitch(0)):.4g} x "
                f"{float(spec.pitch(1)):.4g} codes; whole powers of two repeat)"
            )
        return best

    def _picture(
        self, spec: Spec, ideal: Ideal, layout: _Layout, arcs: IntArray | None, distance: bool, most: int
    ) -> _Picture | None:
        """The tables for tiles of arc lengths, or (None) of results; None where they cannot be smaller than `most`."""
        bits = INTEGER_TYPES[spec.output.dtype][0]
        modulus = 1 << 16 if arcs is not None else 1 << bits
        tiles = tiles_of(ideal.codes if arcs is None else arcs, layout.width)
        different, _, _ = distinct(tiles, modulus)
        # Even if every tile shared half of its entries; two bytes each.
        if 4 * len(tiles) + different.size >= most:
            return None
        bases, words = layout.bases(), layout.words()
        blocks = [bases + layout.columns * block for block in range(3 if distance else 2)]
        pool = tile_pool(tiles, modulus, taken=np.concatenate(blocks))
        entries, base, result = pool.entries, pool.base, np.zeros(0, np.int64)
        if arcs is not None:
            result = np.zeros(int(arcs.max()) + 1, np.int64)
            result[arcs] = ideal.codes
            if bits <= 16:
                # A base leads behind the pool, and is large enough that no sum needs more than its 16 bits.
                base = (base + (1 << 15)) % (1 << 16) - (1 << 15) + len(entries)
                entries, result = np.concatenate([entries, result % (1 << 16)]), result[:0]
                if base.min() < 0:
                    return None
        if len(entries) > MOST:
            return None
        entries[blocks[0]] = base
        entries[blocks[1]] = (pool.offset - words) % MOST
        far = np.zeros(0, np.int64)
        if distance:
            distances = tile_pool(tiles_of(ideal.distance.astype(np.int64), layout.width), 256, exact=True)
            far = distances.entries
            if len(far) > MOST:
                return None
            entries[blocks[2]] = (distances.offset - words) % MOST
        return _Picture(layout, entries, arcs is not None, result, far)


STRATEGIES.add(Tile.name, Tile())
