"""Tiles of the full table and what they share, all in one table: what the strategies `tile...` have in common.

On a grid whose cells are powers of two of codes wide, tiles repeat up to a constant. So a tile is a base, and the start
of a window in a pool, which other tiles share. The pool holds results, or arc lengths, which repeat more than rounded
results do; then the result of every arc length lies behind it.

All lies in one `picture` with rows of 256 entries: number the tiles such that the part of y lies above the part of x
with a gap, and (raw word >> shift) & mask is the index of a tile's base, in two steps, or one where a core shifts an
operand for nothing. The start of its window follows `columns` entries further on, or in the next entry, where one load
of a word is to read both. The pool fills what these leave free. A start is held less the raw word of the tile's first
codes, so that adding the raw word gives the index in the pool.

Cores differ in what they do for nothing, hence in the tables they want:

- Portable C and Helium take a start plus a raw word modulo 2^16.
- 32-bit Thumb loads signed halfwords and adds halves of a register, but has no instruction to spare for the modulus. So
  the windows are laid such that no sum leaves the range of signed starts (`reaching_pool`), and a bias is taken off the
  address of the picture.
- 16-bit Thumb has no scaled index: what becomes an index is held doubled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.windows import STRIDE, distinct, reaching_pool, tile_pool, tiles_of
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: A picture is indexed by 16 bits, and its entries have as many.
MOST = 1 << 16


@dataclass(frozen=True)
class Shape:
    """What a picture is made of.

    Attributes:
        width, rows: codes of x and of y that a tile spans, powers of two.
        arc: whether the pool holds arc lengths, else results.
        paired: whether the start of a tile lies next to its base.
    """

    width: int
    rows: int
    arc: bool
    paired: bool = False

    @property
    def shift(self) -> int:
        """The index of a tile's base is (raw word >> shift) & mask."""
        return self.width.bit_length() - 1 - self.paired

    @property
    def mask(self) -> int:
        """See `shift`."""
        return (STRIDE // self.rows - 1) * self.stride | (self.columns - 1) << self.paired

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return STRIDE // self.width

    @property
    def stride(self) -> int:
        """Entries from a base to the one of the tile below."""
        return STRIDE * self.rows // self.width << self.paired

    @property
    def starts(self) -> int:
        """Entries from a base to the start of its tile."""
        return 1 if self.paired else self.columns

    @property
    def far_starts(self) -> int:
        """Entries from a base to the start of its tile's distances."""
        return 2 * self.columns

    def bases(self) -> IntArray:
        """Index of the base of every tile, in the order of `tiles_of`."""
        rows = np.arange(STRIDE // self.rows)[:, None] * self.stride
        return np.asarray(rows + (np.arange(self.columns) << self.paired)).reshape(-1)

    def words(self) -> IntArray:
        """Raw word of the first codes of every tile."""
        rows = np.arange(STRIDE // self.rows)[:, None] * self.rows * STRIDE
        return np.asarray(rows + np.arange(self.columns) * self.width).reshape(-1)

    def tile(self, word: IntArray) -> IntArray:
        """Index of the base of the tile that a raw word lies in."""
        return (word >> self.shift) & self.mask


@dataclass(frozen=True)
class Picture:
    """Bases, starts and pool, for 16-bit results by arc length those; `far` holds the pool of distances.

    Attributes:
        shape: what it is made of.
        entries: all of it, uint16.
        pool_end: entries before the results by arc length.
        result: results by arc length in a table of their own, or none of them.
        far: entries of the pool of distances, uint8, or none.
        bias: what a start plus a raw word, and a base of arc lengths, has above the index; see `reaching_pool`.
    """

    shape: Shape
    entries: IntArray
    pool_end: int
    result: IntArray
    far: IntArray
    bias: int = 0

    def size(self, bits: int) -> int:
        """Bytes, with results of that many bits."""
        return 2 * len(self.entries) + len(self.result) * bits // 8 + len(self.far)


def arc_lengths(spec: Spec, ideal: Ideal) -> IntArray | None:
    """Arc length of every pair in the smallest units that make all whole; None where they do not fit 16 bits."""
    if spec.estimator.kind != "nearest":
        return None
    places = [spec.coordinate(axis, code) for axis in (0, 1) for code in spec.heads.codes().tolist()]
    unit = math.lcm(2, *(place.denominator for place in places))
    if unit * spec.curve.segments >= MOST:
        return None
    arc = np.rint(ideal.arc * unit).astype(np.int64)
    return np.asarray(arc // int(np.gcd.reduce(arc, axis=None)))


def make_picture(
    spec: Spec, ideal: Ideal, shape: Shape, distance: bool, most: int = MOST, reaching: bool = False
) -> Picture | None:
    """The picture of `shape`; None where it cannot be smaller than `most` bytes, or is not found.

    `reaching`: with starts that need no modulus (see `reaching_pool`).
    """
    bits = INTEGER_TYPES[spec.output.dtype][0]
    arcs = arc_lengths(spec, ideal) if shape.arc else None
    if (arcs is None and shape.arc) or (bits > 16 and not shape.arc):
        return None
    modulus = 1 << 16 if arcs is not None else 1 << bits
    tiles = tiles_of(ideal.codes if arcs is None else arcs, shape.width, shape.rows)
    # Even if every tile shared half of its entries; two bytes each.
    if 4 * len(tiles) + distinct(tiles, modulus)[0].size >= most:
        return None
    bases, words = shape.bases(), shape.words()
    places = [bases, bases + shape.starts, *([bases + shape.far_starts] if distance else [])]
    bias, taken = 0, np.concatenate(places)
    if reaching:
        found = reaching_pool(tiles, modulus, taken, words)
        if found is None:
            return None
        pool, bias = found
    else:
        pool = tile_pool(tiles, modulus, taken=taken)
    entries, base, result = pool.entries, pool.base, np.zeros(0, np.int64)
    if arcs is not None:
        result = np.zeros(int(arcs.max()) + 1, np.int64)
        result[arcs] = ideal.codes
        if bits <= 16:
            # A base leads behind the pool, and is large enough that no sum needs more than its 16 bits.
            base = (base + MOST // 2) % MOST - MOST // 2 + len(entries) + bias
            entries, result = np.concatenate([entries, result % MOST]), result[:0]
            if base.min() < 0 or base.max() >= MOST:
                return None
    if len(entries) + bias > MOST:
        return None
    entries[places[0]] = base
    entries[places[1]] = (pool.offset + bias - words) % MOST
    far = np.zeros(0, np.int64)
    if distance:
        distances = tiles_of(ideal.distance.astype(np.int64), shape.width, shape.rows)
        far_pool = tile_pool(distances, 256, exact=True)
        far = far_pool.entries
        if len(far) > MOST:
            return None
        entries[places[2]] = (far_pool.offset - words) % MOST
    return Picture(shape, entries, len(pool.entries), result, far, bias)


def far_name(name: str) -> str:
    """Name of the table of distances beside the picture `name`."""
    return name.replace("picture", "far_pattern")


def _tables(spec: Spec, picture: Picture, name: str) -> tuple[Table, ...]:
    parts = ["bases of the tiles", "starts of their windows", "around them the pool"]
    if picture.shape.paired:
        parts[:2] = ["base of each tile and start of its window"]
    if len(picture.far):
        parts.insert(-1, "starts of the distances' windows")
    if picture.pool_end < len(picture.entries):
        parts.append("at the end the results by arc length")
    tables = [Table(name, "uint16", picture.entries, f"rows of 256: {', '.join(parts)}")]
    if len(picture.result):
        tables.append(Table("result", spec.output.dtype, picture.result, "results by arc length", 8))
    if len(picture.far):
        tables.append(Table(far_name(name), "uint8", picture.far, "windows of distances"))
    return tuple(tables)


@dataclass(frozen=True)
class _Steps:
    """What C does with a picture.

    Attributes:
        picture: the tables.
        name: of the table that the picture becomes.
        doubled_starts: whether starts are held doubled.
        doubled_arcs: whether bases and pool are.
    """

    spec: Spec
    picture: Picture
    name: str
    doubled_starts: bool = False
    doubled_arcs: bool = False

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """The steps for the result."""
        picture, word = self.picture, x | (y << 8)
        entries, tile = picture.entries, picture.shape.tile(word)
        start = entries[tile + picture.shape.starts]
        if picture.bias:
            place = (start ^ MOST // 2) - MOST // 2 + word - picture.bias
        elif self.doubled_starts:
            place = ((start + 2 * word) & 0xFFFF) >> 1
        else:
            place = (start + word) & 0xFFFF
        found = entries[tile] + entries[place]
        if len(picture.result):
            found = picture.result[found & 0xFFFF]
        elif picture.shape.arc:
            found = entries[(found - picture.bias) >> self.doubled_arcs]
        return as_output(self.spec, found)

    def measure(self, x: IntArray, y: IntArray) -> IntArray:
        """The steps for the distance."""
        word = x | (y << 8)
        start = self.picture.entries[self.picture.shape.tile(word) + self.picture.shape.far_starts]
        return np.asarray(self.picture.far[(start + word) & 0xFFFF])

    def implementation(self) -> Implementation:
        """All of it, with the constants of the templates."""
        picture, shape = self.picture, self.picture.shape
        return Implementation(
            tables=_tables(self.spec, picture, self.name),
            decode=self.decode,
            distance=self.measure if len(picture.far) else None,
            params={
                "picture": self.name,
                "far": far_name(self.name),
                "shift": shape.shift,
                "mask": f"0x{shape.mask:04X}U",
                "starts": shape.starts,
                "far_starts": shape.far_starts,
                "arc": shape.arc,
                "wide": len(picture.result) > 0,
                "bias": picture.bias,
                "paired": shape.paired,
                "doubled_starts": self.doubled_starts,
                "doubled_arcs": self.doubled_arcs,
                # Where the index is one shift of both bytes of the raw word.
                "both_shift": shape.shift if shape.mask == (0xFF >> shape.shift) * 0x0101 else 0,
                # For assembly: the index in bytes, and of the upper of two raw words in a register.
                "byte_shift": shape.shift - 1,
                "byte_mask": f"0x{2 * shape.mask:04X}U",
                "byte_starts": 2 * shape.starts,
                "upper_shift": shape.shift + 16,
                "byte_bias": f"{2 * picture.bias}U",
            },
        )


def _doubled(spec: Spec, picture: Picture) -> _Steps | None:
    """What 16-bit Thumb computes with, where it gains from tables of its own."""
    shape, places = picture.shape, picture.shape.bases()
    entries, starts = picture.entries.copy(), places + shape.starts
    if shape.paired:
        entries[starts] = 2 * entries[starts] % MOST
        fits = len(entries) <= MOST // 2
    else:
        kept = np.concatenate([starts, *([places + shape.far_starts] if len(picture.far) else [])])
        changed = np.setdiff1d(np.arange(picture.pool_end), kept)
        entries[changed] *= 2
        fits = shape.arc and not len(picture.result) and bool(entries.max() < MOST)
    steps = _Steps(spec, replace(picture, entries=entries), "thumb1_picture", shape.paired, shape.arc)
    return steps if fits else None


class Tiles:
    """A strategy of tiles: the smallest picture of a few shapes. Constant time."""

    def __init__(self, name: str, summary: str, shapes: Sequence[Shape]) -> None:
        self.name, self.summary, self.shapes = name, summary, tuple(shapes)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, and where the tiles do not repeat enough to be smaller than the full table."""
        if spec.heads.bits != 8:
            raise Refused("tiles index 8-bit heads")
        bits = INTEGER_TYPES[spec.output.dtype][0]
        if bits > 16 and not self._has_arcs:
            raise Refused("results wider than 16 bits do not fit the entries of its pool")
        picture = self._smallest(spec, ideal, bits, distance, self.shapes)
        if picture is None:
            raise Refused(
                f"tiles do not repeat enough to be smaller than the full table (a cell is {float(spec.pitch(0)):.4g} x "
                f"{float(spec.pitch(1)):.4g} codes; whole powers of two repeat)"
            )
        shape = picture.shape

        def signed() -> Implementation:
            """For 32-bit Thumb: the smallest whose windows can be laid such that no sum is masked."""
            shapes = [other for other in self.shapes if other.arc == shape.arc]
            found = self._smallest(spec, ideal, bits, distance, shapes, reaching=True)
            if found is None:
                raise Refused("the windows of its tiles were not laid such that no sum needs a mask")
            return _Steps(spec, found, "thumb2_picture").implementation()

        portable = _Steps(spec, picture, "picture").implementation()

        def doubled() -> Implementation:
            found = _doubled(spec, picture)
            return portable if found is None else found.implementation()

        held = "arc lengths, and the result of each" if shape.arc else "results"
        return Built(
            strategy=self.name,
            portable=portable,
            note=f"Tiles of {shape.width} x {shape.rows} codes, each a base and a window of a shared pool of {held}: "
            "constant time.",
            kind="direct" if self._has_arcs and not shape.arc else "",
            offers={"thumb1": doubled, "thumb2": signed},
        )

    @property
    def _has_arcs(self) -> bool:
        return any(shape.arc for shape in self.shapes)

    def _smallest(
        self, spec: Spec, ideal: Ideal, bits: int, distance: bool, shapes: Sequence[Shape], reaching: bool = False
    ) -> Picture | None:
        best, size = None, 65536 * bits // 8
        for shape in shapes:
            picture = make_picture(spec, ideal, shape, distance, size, reaching)
            if picture is not None and picture.size(bits) < size:
                best, size = picture, picture.size(bits)
        return best
