"""Blocks of a table as windows of one shared pool.

A decoder that adds a base to what it finds in the pool needs each block only up to a constant, modulo the width of
the result. Two blocks whose edges agree (again up to a constant) can share them, so a pool is a short common
"superstring" of its blocks: end-to-end overlaps are made greedily, the longest first, in a fixed order, so the same
blocks give the same pool everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

#: Entries between a pool entry and the one below it: the y byte counts in units of 256 of the raw word.
STRIDE = 256
SIDE = 8


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


@dataclass(frozen=True)
class _Link:
    """A block of a chain: which, how far along the chain it starts, and what was added to its entries."""

    block: int
    at: int
    added: int


def _distinct(blocks: IntArray, modulus: int, exact: bool) -> tuple[IntArray, IntArray, IntArray]:
    """(different blocks up to a constant, which of them each block is, the constant of each block)."""
    first = np.zeros(len(blocks), np.int64) if exact else blocks[:, 0, 0]
    shape = (blocks - first[:, None, None]) % modulus
    flat, which = np.unique(shape.reshape(len(blocks), -1), axis=0, return_inverse=True)
    return flat.reshape(-1, *blocks.shape[1:]), np.asarray(which).reshape(-1), first


def _chains(blocks: IntArray, axes: tuple[int, ...], modulus: int, exact: bool) -> list[tuple[int, list[_Link]]]:
    """Chains of overlapping blocks, each along one of `axes` (1 down, 2 across): (axis, links)."""
    count, length = len(blocks), blocks.shape[axes[0]]
    along = {axis: blocks if axis == 2 else blocks.transpose(0, 2, 1) for axis in axes}
    axis_of, following, overlap = [0] * count, [-1] * count, [0] * count
    preceded = [False] * count
    group = list(range(count))

    def root(block: int) -> int:
        while group[block] != block:
            group[block] = group[group[block]]
            block = group[block]
        return block

    def keys(part: IntArray) -> list[bytes]:
        shape = part if exact else (part - part[:, :1, :1]) % modulus
        return [entry.tobytes() for entry in shape]

    for shared in range(length - 1, 0, -1):
        for axis in axes:
            heads: dict[bytes, list[int]] = {}
            for block, key in enumerate(keys(along[axis][:, :, :shared])):
                if not preceded[block] and axis_of[block] in (0, axis):
                    heads.setdefault(key, []).append(block)
            for block, key in enumerate(keys(along[axis][:, :, length - shared :])):
                if following[block] >= 0 or axis_of[block] not in (0, axis):
                    continue
                for other in heads.get(key, ()):
                    if not preceded[other] and axis_of[other] in (0, axis) and root(block) != root(other):
                        following[block], overlap[block], preceded[other] = other, shared, True
                        axis_of[block] = axis_of[other] = axis
                        group[root(other)] = root(block)
                        break
    chains = []
    for start in range(count):
        if preceded[start]:
            continue
        axis = axis_of[start] or axes[-1]
        links = [_Link(start, 0, 0)]
        while (after := following[links[-1].block]) >= 0:
            last = links[-1]
            step = length - overlap[last.block]
            rise = 0 if exact else int(along[axis][last.block, 0, step] - along[axis][after, 0, 0])
            links.append(_Link(after, last.at + step, (last.added + rise) % modulus))
        chains.append((axis, links))
    return chains


def row_pool(rows: IntArray, modulus: int, exact: bool = False) -> Pool:
    """Pool of equally long rows, shape (count, length); `exact` forbids constants (all bases are 0)."""
    blocks, which, first = _distinct(rows[:, None, :], modulus, exact)
    length = rows.shape[1]
    offset, added = np.zeros(len(blocks), np.int64), np.zeros(len(blocks), np.int64)
    entries: list[IntArray] = []
    start = 0
    for _, links in _chains(blocks, (2,), modulus, exact):
        chain = np.zeros(links[-1].at + length, np.int64)
        for link in links:
            chain[link.at : link.at + length] = (blocks[link.block, 0] + link.added) % modulus
            offset[link.block], added[link.block] = start + link.at, link.added
        entries.append(chain)
        start += len(chain)
    return Pool(np.concatenate(entries), offset[which], (first - added[which]) % modulus, len(blocks))


def _cut(links: list[_Link], room: int) -> list[list[_Link]]:
    """A chain of tiles in parts of at most `room` entries each, every part starting at 0."""
    parts: list[list[_Link]] = []
    start = 0
    for link in links:
        if not parts or link.at - start + SIDE > room:
            parts.append([])
            start = link.at
        parts[-1].append(_Link(link.block, link.at - start, link.added))
    return parts


def _length(part: list[_Link]) -> int:
    return part[-1].at + SIDE


def _fill(parts: list[list[_Link]], room: int) -> list[list[_Link]]:
    """Take out of `parts` those that fill `room` best, by dynamic programming over their lengths."""
    ways: dict[int, tuple[int, ...]] = {0: ()}
    for index, part in enumerate(parts):
        for size in sorted(ways, reverse=True):
            ways.setdefault(size + _length(part), (*ways[size], index))
        if room in ways:
            break
    chosen = ways[max(size for size in ways if size <= room)]
    taken = [parts[index] for index in chosen]
    for index in reversed(chosen):
        del parts[index]
    return taken


def _place(
    chains: list[tuple[int, list[_Link]]], rows: int, taken_rows: int, taken_columns: int
) -> dict[int, tuple[int, int]] | None:
    """Block -> (first entry, what was added), all within `rows` rows; None if they do not fit.

    Chains that go down fill lanes of 8 columns from the right, those that go across shelves of 8 rows from the top.
    """
    down = [part for axis, links in chains if axis == 1 for part in _cut(links, rows)]
    across = [part for axis, links in chains if axis == 2 for part in _cut(links, STRIDE - taken_columns)]
    for parts in (down, across):
        parts.sort(key=_length, reverse=True)
    where: dict[int, tuple[int, int]] = {}
    column = STRIDE
    while down:
        column -= SIDE
        row = taken_rows if column < taken_columns else 0
        if column < 0 or not (lane := _fill(down, rows - row)):
            return None
        for part in lane:
            for link in part:
                where[link.block] = ((row + link.at) * STRIDE + column, link.added)
            row += _length(part)
        while row + SIDE <= rows and across and len(across[-1]) == 1:
            (link,) = across.pop()
            where[link.block] = (row * STRIDE + column, link.added)
            row += SIDE
    for row in range(0, rows - SIDE + 1, SIDE):
        start = taken_columns if row < taken_rows else 0
        for part in _fill(across, max(column - start, 0)):
            for link in part:
                where[link.block] = (row * STRIDE + start + link.at, link.added)
            start += _length(part)
    return None if across else where


def tile_pool(tiles: IntArray, modulus: int, exact: bool = False, taken: tuple[int, int] = (0, 0)) -> Pool:
    """Pool of 8 x 8 tiles, shape (count, 8, 8): entry (y, x) of a tile is at offset + 256 y + x.

    The entries form rows of 256, as many as it takes; the first `taken` (rows, columns) at the left stay 0, for
    tables of the caller's own.
    """
    blocks, which, first = _distinct(tiles, modulus, exact)
    chains = _chains(blocks, (1, 2), modulus, exact)
    area = sum(_length(links) * SIDE for _, links in chains)
    rows = max(SIDE, taken[0], area // STRIDE)
    while (where := _place(chains, rows, *taken)) is None:
        rows += 1
    picture = np.zeros((rows, STRIDE), np.int64)
    offset, added = np.zeros(len(blocks), np.int64), np.zeros(len(blocks), np.int64)
    for block, (at, plus) in where.items():
        row, column = divmod(at, STRIDE)
        picture[row : row + SIDE, column : column + SIDE] = (blocks[block] + plus) % modulus
        offset[block], added[block] = at, plus
    return Pool(picture.reshape(-1), offset[which], (first - added[which]) % modulus, len(blocks))
