"""Tiles of a table as windows of one shared pool.

A decoder that adds a base to what it finds in the pool needs each block only up to a constant, modulo the width of
the result. Two tiles that agree where they overlap (again up to a constant) can share those entries. Tiles are joined two
by two to larger pieces, first those whose joint bounding box saves most, and the pieces packed into rows of 256; of a few
limits to the height of a piece the best is taken. All of it is greedy in a fixed order, so the same tiles give the same
pool everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: Entries between a pool entry and the one below it: the y byte counts in units of 256 of the raw word.
STRIDE = 256
#: Rows of a tile, unless said otherwise.
ROWS = 8
#: Columns of the largest piece that tiles are joined to.
WIDEST = 64
#: Rows of the tallest piece: what is tried, and where different tiles are many, the last only.
HEIGHTS = (8, 9, 10, 12, 15, 22)
MANY = 300
#: A start has 16 bits.
MOST = 1 << 16
#: Entries between the limits to the places of tiles that are tried.
LIMIT_STEP = 256
#: How many pools of a process are remembered.
REMEMBERED = 32
#: Instead of the gain of a candidate that is none any more.
DEAD = -1


@dataclass(frozen=True)
class Pool:
    """Windows into shared entries: block i is entries[offset[i] + index] + base[i] (mod the modulus).

    Attributes:
        entries: shape (n,), 0 <= entry < modulus.
        offset: index of each block's first entry, shape (blocks,).
        base: what to add, shape (blocks,), 0 <= base < modulus; all 0 where blocks were taken as they are.
        distinct: number of different blocks.
    """

    entries: IntArray
    offset: IntArray
    base: IntArray
    distinct: int


def distinct(blocks: IntArray, modulus: int, exact: bool = False) -> tuple[IntArray, IntArray, IntArray]:
    """(different blocks up to a constant, which of them each block is, the constant of each block)."""
    count = len(blocks)
    first = np.zeros(count, np.int64) if exact else blocks.reshape(count, -1)[:, 0]
    shape = (blocks.reshape(count, -1) - first[:, None]) % modulus
    flat, which = np.unique(shape, axis=0, return_inverse=True)
    return flat.reshape(-1, *blocks.shape[1:]), np.asarray(which).reshape(-1), first


def _keys(parts: IntArray, modulus: int, exact: bool) -> list[bytes]:
    """What two parts of equal shape, (count, ...), have in common if they differ by no more than a constant."""
    flat = parts.reshape(len(parts), -1)
    shape = flat if exact else (flat - flat[:, :1]) % modulus
    return [entry.tobytes() for entry in shape]


class _Shifts:
    """Which tiles, of `rows` rows and `width` columns, agree with which, one moved `down` (less than `rows`) and `right`
    (less than `width` either way) of the other.

    The part of a tile that another covers has a number, the same for all parts that differ by no more than a constant,
    and a corner that tells the constant.
    """

    def __init__(self, tiles: IntArray, modulus: int, exact: bool) -> None:
        count, self.rows, self.width = tiles.shape
        self.exact, self.modulus = exact, modulus
        self.numbers = np.zeros((4, self.rows, 2 * self.width - 1, count), np.int64)
        self.upper, self.lower, self.upper_corner, self.lower_corner = self.numbers
        for down in range(self.rows):
            for right in range(1 - self.width, self.width):
                upper = tiles[:, down:, max(right, 0) : self.width + min(right, 0)]
                lower = tiles[:, : self.rows - down, max(-right, 0) : self.width - max(right, 0)]
                known: dict[bytes, int] = {}
                for parts, numbers in ((upper, self.upper), (lower, self.lower)):
                    keys = _keys(parts, modulus, exact)
                    numbers[down, right] = [known.setdefault(key, len(known)) for key in keys]
                self.upper_corner[down, right] = upper[:, 0, 0]
                self.lower_corner[down, right] = lower[:, 0, 0]

    def rise(self, one: IntArray, other: IntArray, down: IntArray, right: IntArray) -> IntArray:
        """What must be added to `other` to agree with `one`, -1 where nothing does; 0 <= down < rows, |right| < width."""
        # One index, in the order of memory, where a negative `right` counts from the end: a fraction of the time of three.
        _, _, shifts, count = self.numbers.shape
        line = (down * shifts + right + shifts * (right < 0)) * count
        line_one, line_other = line + one, line + other
        upper, lower, upper_corner, lower_corner = self.numbers.reshape(4, -1)
        agree = upper.take(line_one) == lower.take(line_other)
        if self.exact:
            return np.asarray(agree - 1)
        plus = (upper_corner.take(line_one) - lower_corner.take(line_other)) % self.modulus
        return np.asarray(np.where(agree, plus, -1))

    def candidates(self) -> tuple[IntArray, ...]:
        """Pairs of tiles that agree where one lies over the other, moved by less than makes their box as large as both: one,
        other, how far down and right the other is, what must be added to it."""
        found = []
        for down in range(self.rows):
            for right in range(1 - self.width, self.width):
                box = (self.rows + down) * (self.width + abs(right))
                if (down, right) > (0, 0) and box < 2 * self.rows * self.width:
                    same = self.upper[down, right][:, None] == self.lower[down, right]
                    one, other = np.nonzero(same)
                    found.append(np.stack([one, other, np.full_like(one, down), np.full_like(one, right)]))
        one, other, down, right = np.concatenate(found, axis=1)
        return one, other, down, right, self.rise(one, other, down, right)


@dataclass(frozen=True)
class _Piece:
    """Joined tiles.

    Attributes:
        where: a row (tile, y, x, what was added to it) for each, shape (tiles, 4).
        height, width: of the bounding box.
        covered: the entries of it that belong to a tile, shape (height, width).
    """

    where: IntArray
    height: int
    width: int
    covered: NDArray[np.bool_]

    @property
    def area(self) -> int:
        """Entries covered."""
        return int(np.count_nonzero(self.covered))

    @cached_property
    def rows(self) -> list[tuple[int, int, int]]:
        """(row, first column, count) of all stretches of entries covered in a row."""
        return _stretches(self.covered)

    @cached_property
    def columns(self) -> list[tuple[int, int, int]]:
        """(column, first row, count) of all stretches of entries covered in a column."""
        return _stretches(self.covered.T)

    @cached_property
    def row_bits(self) -> int:
        """The entries covered as a number, with a bit an entry, row by row."""
        return _bits(self.rows, STRIDE)


def _stretches(covered: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    change = np.diff(np.pad(covered, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    line, first = np.nonzero(change == 1)
    _, behind = np.nonzero(change == -1)
    return list(zip(line.tolist(), first.tolist(), (behind - first).tolist(), strict=True))


@dataclass(frozen=True)
class _Packed:
    """Pieces, the first entry of the box of each, and how many entries that takes (the last ones may be unused)."""

    pieces: list[_Piece]
    starts: list[int]
    size: int


class _Joiner:
    """Joins tiles to pieces of at most `tallest` rows, as long as that makes their bounding boxes smaller in sum."""

    def __init__(self, shifts: _Shifts, candidates: tuple[IntArray, ...], tallest: int) -> None:
        count = shifts.upper.shape[2]
        self.shifts = shifts
        self.modulus, self.tallest = shifts.modulus, tallest
        self.piece = np.arange(count)
        self.y, self.x, self.added = np.zeros((3, count), np.int64)
        self.height, self.width = np.full(count, shifts.rows, np.int64), np.full(count, shifts.width, np.int64)
        #: Candidates: two tiles, how far down and right the other is, what must be added to it. A pair of pieces can
        #: be joined by any of their tiles.
        self.one, self.other, self.down, self.right, self.rise = candidates
        self.gain = self._gain(np.arange(len(self.one)))

    def join(self) -> list[_Piece]:
        """Join while there is a gain; the pieces, in the order of their first tiles."""
        while len(self.gain) and self.gain[best := int(self.gain.argmax())] > 0:
            kept = self._join(best)
            concerned = self.piece == kept
            touched = np.nonzero((concerned[self.one] | concerned[self.other]) & (self.gain != DEAD))[0]
            self.gain[touched] = self._gain(touched)
            hopeful = touched[self.gain[touched] > 0]
            dead = np.concatenate([self._repeated(touched), hopeful[self._conflicts(hopeful)]])
            self.gain[dead] = DEAD
            if np.count_nonzero(self.gain == DEAD) * 4 > len(self.gain):
                alive = self.gain != DEAD
                for name in ("one", "other", "down", "right", "rise", "gain"):
                    setattr(self, name, getattr(self, name)[alive])
        pieces = []
        for piece in np.unique(self.piece):
            tile = np.nonzero(self.piece == piece)[0]
            where = np.stack([tile, self.y[tile], self.x[tile], self.added[tile]], axis=1)
            height, width = int(self.height[piece]), int(self.width[piece])
            covered = np.zeros((height, width), bool)
            for _, y, x, _ in where:
                covered[y : y + self.shifts.rows, x : x + self.shifts.width] = True
            pieces.append(_Piece(where, height, width, covered))
        return pieces

    def _offset(self, which: IntArray) -> tuple[IntArray, IntArray]:
        """How far down and right of the piece of `one` that of `other` would be."""
        one, other = self.one[which], self.other[which]
        return self.y[one] + self.down[which] - self.y[other], self.x[one] + self.right[which] - self.x[other]

    def _gain(self, which: IntArray) -> IntArray:
        """By how much the joint bounding box of these candidates is smaller than both; 0 where not to be joined."""
        a, b = self.piece[self.one[which]], self.piece[self.other[which]]
        down, right = self._offset(which)
        height = np.maximum(self.height[a], down + self.height[b]) - np.minimum(down, 0)
        width = np.maximum(self.width[a], right + self.width[b]) - np.minimum(right, 0)
        gain = self.height[a] * self.width[a] + self.height[b] * self.width[b] - height * width
        return np.asarray(np.where((a != b) & (height <= self.tallest) & (width <= WIDEST), np.maximum(gain, 0), 0))

    def _repeated(self, which: IntArray) -> IntArray:
        """Those of these candidates that lie in one piece by now, or mean the same as another."""
        a, b = self.piece[self.one[which]], self.piece[self.other[which]]
        down, right = self._offset(which)
        sign = np.where(a < b, 1, -1)
        # Pieces lie less than a row of STRIDE apart, so that a number stands for all four.
        same = (np.minimum(a, b) * len(self.piece) + np.maximum(a, b)) * STRIDE * STRIDE * 4
        same += (sign * down + STRIDE) * STRIDE * 2 + sign * right + STRIDE
        order = np.argsort(same, kind="stable")
        first = np.ones(len(which), bool)
        first[order[1:]] = np.diff(same[order]) != 0
        return np.asarray(which[~first | (a == b)])

    def _join(self, candidate: int) -> int:
        """Join the two pieces of a candidate; the number of the new piece."""
        one, other = self.one[candidate], self.other[candidate]
        kept, gone = self.piece[one], self.piece[other]
        down, right = (int(offset[0]) for offset in self._offset(np.array([candidate])))
        moved, own = self.piece == gone, self.piece == kept
        self.added[moved] += self.added[one] + self.rise[candidate] - self.added[other]
        self.added %= self.modulus
        self.y[moved] += max(down, 0)
        self.x[moved] += max(right, 0)
        self.y[own] += max(-down, 0)
        self.x[own] += max(-right, 0)
        self.piece[moved] = kept
        self.height[kept] = max(self.y[self.piece == kept]) + self.shifts.rows
        self.width[kept] = max(self.x[self.piece == kept]) + self.shifts.width
        return int(kept)

    def _conflicts(self, which: IntArray) -> IntArray:
        """Those of these candidates (as indices into `which`) where some tiles of the two pieces do not agree."""
        order = np.argsort(self.piece, kind="stable")
        size = np.bincount(self.piece, minlength=len(order))
        start = np.cumsum(size) - size
        one, other = self.one[which], self.other[which]
        a, b = self.piece[one], self.piece[other]
        down, right = self._offset(which)
        plus = self.added[one] + self.rise[which] - self.added[other]
        # Every tile s of the one piece with every tile t of the other.
        pairs = size[a] * size[b]
        of = np.repeat(np.arange(len(which)), pairs)
        number = np.arange(len(of)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
        s = order[start[a][of] + number // size[b][of]]
        t = order[start[b][of] + number % size[b][of]]
        down, right = self.y[t] + down[of] - self.y[s], self.x[t] + right[of] - self.x[s]
        near = (abs(down) < self.shifts.rows) & (abs(right) < self.shifts.width)
        of, s, t, down, right = of[near], s[near], t[near], down[near], right[near]
        wanted = self.added[t] + plus[of] - self.added[s]
        above = down < 0
        s, t = np.where(above, t, s), np.where(above, s, t)
        sign = np.where(above, -1, 1)
        rise = self.shifts.rise(s, t, sign * down, sign * right)
        conflict = np.zeros(len(which), bool)
        conflict[of[(rise < 0) | ((rise - sign * wanted) % self.modulus != 0)]] = True
        return np.asarray(np.nonzero(conflict)[0])


def _first_free(free: int, stretches: list[tuple[int, int, int]], step: int) -> int:
    """The first place where the bits of a piece are all `free`; -1 if there is none. Lines are `step` bits apart."""
    known = {1: free}

    def stretch(length: int) -> int:
        """Where that many bits in a row are free."""
        if length not in known:
            half = length // 2
            known[length] = stretch(length - half) & (stretch(half) >> (length - half))
        return known[length]

    places = -1
    for line, first, length in stretches:
        places &= stretch(length) >> line * step + first
    return (places & -places).bit_length() - 1


def _bits(stretches: list[tuple[int, int, int]], step: int) -> int:
    """The bits of a piece as a number."""
    return sum(((1 << length) - 1) << line * step + first for line, first, length in stretches)


def _marked(places: IntArray) -> int:
    """A number with the bits at these places set."""
    marks = np.zeros(int(places.max(initial=-1)) + 1, np.uint8)
    marks[places] = 1
    return int.from_bytes(np.packbits(marks, bitorder="little").tobytes(), "little")


def _pack_up(
    pieces: list[_Piece], taken: IntArray, limits: Sequence[tuple[int, int]] | None = None, most: int | None = None
) -> _Packed | None:
    """Put each piece as far up as it can be, within its limits (lowest and highest start) where there are any; None where
    one does not fit, or all take `most` entries or more. The picture is a number with a bit an entry, row by row.
    """
    used = _marked(taken)
    if most is not None and used.bit_length() >= most:
        return None
    starts = []
    for number, piece in enumerate(pieces):
        bits = piece.row_bits
        low, high = limits[number] if limits is not None else (0, used.bit_length())
        room = (1 << max(used.bit_length(), low) + bits.bit_length()) - 1
        start = _first_free((room & ~used) >> low, piece.rows, STRIDE) + low
        if start > high or (most is not None and start + bits.bit_length() >= most):
            return None
        used |= bits << start
        starts.append(start)
    return _Packed(pieces, starts, used.bit_length())


def _pack_left(pieces: list[_Piece], taken: IntArray, size: int) -> _Packed | None:
    """Put each piece as far left as it can be within `size` entries; None if they do not fit.

    The picture is a number with a bit an entry, column by column, where a bit below each column is never free.
    """
    rows, last = -(-size // STRIDE), size % STRIDE or STRIDE
    step = rows + 1
    free = sum(((1 << (rows if x < last else rows - 1)) - 1) << x * step for x in range(STRIDE))
    free &= ~_marked(taken % STRIDE * step + taken // STRIDE)
    starts = []
    for piece in pieces:
        start = _first_free(free, piece.columns, step)
        if start < 0:
            return None
        free &= ~(_bits(piece.columns, step) << start)
        starts.append(start % step * STRIDE + start // step)
    return _Packed(pieces, starts, size)


@lru_cache(maxsize=REMEMBERED)
def _joined(data: bytes, rows: int, width: int, modulus: int, exact: bool) -> tuple[list[_Piece], ...]:
    """The tiles (int64, as bytes) joined to pieces of various heights, each time the tallest pieces first.

    Remembered, since the same tiles are packed in more than one layout.
    """
    blocks = np.frombuffer(data, np.int64).reshape(-1, rows, width)
    shifts = _Shifts(blocks, modulus, exact)
    candidates = shifts.candidates()
    joined = []
    for tallest in HEIGHTS if len(blocks) <= MANY else HEIGHTS[-1:]:
        pieces = _Joiner(shifts, candidates, tallest).join()
        joined.append(sorted(pieces, key=lambda piece: (-piece.height, -piece.width)))
    return tuple(joined)


@lru_cache(maxsize=REMEMBERED)
def _smallest(data: bytes, rows: int, width: int, modulus: int, exact: bool, occupied: bytes) -> _Packed:
    """The best of a few ways to join and to pack the tiles; the entries `occupied`, int64 as bytes, are left free.

    Remembered, since one command builds the same tables more than once.
    """
    joined, taken = _joined(data, rows, width, modulus, exact), np.frombuffer(occupied, np.int64)
    packings = [packed for pieces in joined if (packed := _pack_up(pieces, taken)) is not None]
    best = min(packings, key=lambda packed: packed.size)
    area = len(taken) + sum(piece.area for piece in joined[-1])
    least = max(area, int(taken.max(initial=-1)) + 1)
    # The tallest pieces cover the least entries, but often pack well only column by column.
    for size in range(least, best.size, max(rows, area // 64)):
        for pieces in joined[-2:]:
            if (left := _pack_left(pieces, taken, size)) is not None:
                return left
    return best


class _Reach:
    """Pieces, to be packed such that the offset of each tile lies between two limits."""

    def __init__(self, pieces: list[_Piece], taken: IntArray) -> None:
        self.pieces, self.taken = pieces, taken
        tiles, y, x, _ = np.concatenate([piece.where for piece in pieces]).T
        self.tiles, self.place = tiles, y * STRIDE + x
        counts = np.array([len(piece.where) for piece in pieces])
        self.firsts = np.cumsum(counts) - counts

    def pack(self, low: IntArray, high: IntArray, most: int) -> _Packed | None:
        """The packing in less than `most` entries such that the offset of each tile lies in low..high; None if there is
        none. Where the upper limit of a piece is near, it is packed before those that can lie further down.
        """
        lows = np.maximum(0, np.maximum.reduceat(low[self.tiles] - self.place, self.firsts))
        highs = np.minimum.reduceat(high[self.tiles] - self.place, self.firsts)
        order = np.argsort(highs // (4 * LIMIT_STEP), kind="stable").tolist()
        limits = list(zip(lows[order].tolist(), highs[order].tolist(), strict=True))
        return _pack_up([self.pieces[i] for i in order], self.taken, limits, most)


@lru_cache(maxsize=REMEMBERED)
def _reaching(
    data: bytes, rows: int, width: int, modulus: int, occupied: bytes, lowest: bytes, highest: bytes
) -> tuple[_Packed, int] | None:
    """The best packing that `reaching_pool` finds, and its bias; all arrays are int64 as bytes. Remembered as by `_smallest`."""
    taken, low_words, high_words = (np.frombuffer(array, np.int64) for array in (occupied, lowest, highest))
    reaches = [_Reach(pieces, taken) for pieces in _joined(data, rows, width, modulus, False)[:3]]
    least, most = int(taken.max(initial=-1)) + 1, MOST
    best: tuple[_Packed, int] | None = None
    # The tiles of the highest words reach from `first_reached` on, those of the lowest up to a few rows behind that.
    for first_reached in range(0, len(data) // taken.itemsize, LIMIT_STEP):
        bias = int(high_words.max()) - first_reached - MOST // 2
        low, high = high_words - MOST // 2 - bias, low_words + MOST // 2 - 1 - bias
        for reach in reaches:
            packed = reach.pack(low, high, most)
            if packed is not None:
                best, most = (packed, bias), packed.size
        if most <= least:
            break
    return best


def tiles_of(table: IntArray, width: int = ROWS, rows: int = ROWS) -> IntArray:
    """A (256, 256) table in tiles of `rows` rows and `width` columns, row by row; shape (count, rows, width)."""
    cut = table.reshape(STRIDE // rows, rows, STRIDE // width, width)
    return np.asarray(cut.transpose(0, 2, 1, 3).reshape(-1, rows, width))


def tile_pool(tiles: IntArray, modulus: int, exact: bool = False, taken: IntArray | None = None) -> Pool:
    """Pool of tiles, shape (count, rows, width): entry (y, x) of a tile is at offset + 256 y + x.

    The entries form rows of 256, the last of them as long as need be; those that are `taken` (indices) stay 0, for
    tables of the caller's own. Unless `exact`, entries are as small as can be, so that a base and an entry make no
    carry where the caller's numbers leave room for it.
    """
    taken = np.zeros(0, np.int64) if taken is None else taken
    blocks, which, first = distinct(tiles, modulus, exact)
    packed = _smallest(blocks.tobytes(), *blocks.shape[1:], modulus, exact, taken.astype(np.int64).tobytes())
    return _filled(blocks, which, first, modulus, exact, taken, packed)


def reaching_pool(tiles: IntArray, modulus: int, taken: IntArray, words: IntArray) -> tuple[Pool, int] | None:
    """A pool as of `tile_pool`, and a bias with -32768 <= offset + bias - word <= 32767 for every tile, where one is found.

    `words` are the raw words of the tiles' first codes. With starts of offset + bias - word, signed and of 16 bits, the
    place of a point is its start plus its raw word, less the bias, and no carry has to be masked.
    """
    blocks, which, first = distinct(tiles, modulus)
    lowest, highest = np.full(len(blocks), MOST), np.full(len(blocks), -1)
    np.minimum.at(lowest, which, words)
    np.maximum.at(highest, which, words)
    occupied = taken.astype(np.int64).tobytes()
    best = _reaching(blocks.tobytes(), *blocks.shape[1:], modulus, occupied, lowest.tobytes(), highest.tobytes())
    if best is None:
        return None
    return _filled(blocks, which, first, modulus, False, taken, best[0]), best[1]


def _filled(
    blocks: IntArray, which: IntArray, first: IntArray, modulus: int, exact: bool, taken: IntArray, packed: _Packed
) -> Pool:
    """The pool of the tiles that were packed; `which` block each is, and its constant."""
    entries = np.zeros(packed.size, np.int64)
    offset, added = np.zeros(len(blocks), np.int64), np.zeros(len(blocks), np.int64)
    window = STRIDE * np.arange(blocks.shape[1])[:, None] + np.arange(blocks.shape[2])
    for piece, start in zip(packed.pieces, packed.starts, strict=True):
        tile, y, x, plus = piece.where.T
        if not exact:
            signed = (blocks[tile] + plus[:, None, None] + modulus // 2) % modulus - modulus // 2
            plus = plus - signed.min()
        offset[tile], added[tile] = start + y * STRIDE + x, plus
        entries[offset[tile][:, None, None] + window] = (blocks[tile] + plus[:, None, None]) % modulus
    end = max(int(offset.max()) + int(window.max()), int(taken.max(initial=0))) + 1
    return Pool(entries[:end], offset[which], (first - added[which]) % modulus, len(blocks))
