"""The tables of `octant` for eight 16-bit lanes at once (Helium): any scale up to order 3, in the same few KB.

A result is base + mx gx + my gy as everywhere in strategies/octant.py, but 32-bit sums do not fit the lanes. So that
16 bits are enough, the results are taken apart: with span / segments = S / M in lowest terms, results before rounding
are multiples of 1 / D beyond what g adds, D the denominator of S / M, and

    floor(A + z) = floor((a + floor(z D)) / D),   A = a / D a vertex's result, z = +-g |S / M| + 1/2.

`line` holds floor(z D) by page (head and direction) and code, as quotient and remainder by D, the remainder in the
lowest bits; an octant's `turn` holds the remainder of a, lifted so that the sum of both carries where it reaches D, and
its `base` holds the quotient. That is exact by construction, whatever the span.

A word of `column` is number << 8 | rank of x, of `row` number << 8 | 255 - rank of y: bits 8 to 16 of their sum are the
number of the octant, whose lowest bit is the carry gx > gy. An entry of `turn` is, from the top,

    | 0 | phase | page | shift |          shift of the raw word x | y << 8 that brings the code to the top: 8 x, 0 y

or, for an octant whose own vertex both segments leave,

    | 1 | row | octant across | 1 | 0 |   whether the far edge is a row's, the octant if it is nearer, a shift by >= 16

A far edge is nearer where the rank of the code along it exceeds `near` of the code across.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.folding import Folded, Quarters, other_vertex, own_vertex, places, tie_ranks
from hilbert_codegen.spec import Spec
from hilbert_codegen.strategies import IntArray, Model, Table

HELIUM = "USE_MVE"
#: No rank exceeds it.
NEVER = 255
LONE = 0x8000
ROW = 0x4000
#: With it the lowest byte, a signed shift, is 16 or more, or -16 or less: nothing is left of the raw word.
GONE = 0x10


@dataclass(frozen=True)
class Lanes:
    """Tables, an executable model of raw bits (x, y) -> result modulo 2^16, and constants for the template."""

    tables: tuple[Table, ...]
    decode: Model
    params: dict[str, object]


def _near(along: Folded, ranks: IntArray, across: Folded) -> list[tuple[int, int]]:
    """For each code across the range [first, last] of values that tell which codes along are nearer to the far edge."""
    known = sorted({(square, rank) for (_, square), rank in zip(along.squares, ranks.tolist(), strict=True)})
    result = []
    for _, bound in across.bounds:
        before = [rank for square, rank in known if square <= bound]
        behind = [rank for square, rank in known if square > bound]
        result.append((max(before, default=0), min(behind, default=NEVER + 1) - 1))
    return result


def _pages(rows: list[IntArray]) -> tuple[IntArray, list[int]]:
    """(different rows end to end, which of them each row is)."""
    different: list[IntArray] = []
    which = []
    for row in rows:
        at = next((i for i, other in enumerate(different) if np.array_equal(other, row)), len(different))
        if at == len(different):
            different.append(row)
        which.append(at)
    return np.concatenate(different), which


class _NoFit(Exception):  # noqa: N818 - it says what happened
    """The fields of a word are too narrow."""


class _Results:
    """What goes to `line`, `base` and `turn`, by half segment."""

    def __init__(self, spec: Spec, folds: list[Folded]) -> None:
        c0, c1 = spec.output.codes
        self.unit = Fraction(abs(c1 - c0), spec.curve.segments)
        self.start, self.step = c0, Fraction(c1 - c0, spec.curve.segments)
        self.sign = 1 if c1 >= c0 else -1
        self.denominator = self.unit.denominator
        self.shift = (self.denominator - 1).bit_length()
        rows, self.lift = [], []
        for folded in folds:
            for direction in (1, -1):
                scaled = [(direction * g * self.unit + Fraction(1, 2)) * self.denominator for g in folded.offset]
                whole, part = np.divmod([value.__floor__() for value in scaled], self.denominator)
                self.lift.append(-int(whole.min()))
                rows.append(((whole - whole.min()) << self.shift) + part)
        lines, which = _pages(rows)
        # A page may be named by bits that mean something else, so all that the bits can name are there.
        self.page_bits = 1 if len(lines) <= 512 else 2
        self.line = np.concatenate([lines, np.zeros((256 << self.page_bits) - len(lines), dtype=np.int64)])
        self.page = which
        self.phase_at = 8 + self.page_bits
        if self.phase_at + self.shift > 15 or self.line.max() >> 16:
            raise _NoFit

    def value(self, turn: IntArray, index: IntArray) -> IntArray:
        """What is added to the base; without a fraction there is no phase."""
        phase = turn >> self.phase_at if self.shift else 0
        return np.asarray(((self.line[index] + phase) & 0xFFFF) >> self.shift)

    def vertex(self, vertex: int) -> tuple[int, int]:
        """(quotient, remainder) of the numerator of a vertex's result."""
        exact = (self.start + vertex * self.step) * self.denominator
        assert exact.denominator == 1
        return divmod(exact.numerator, self.denominator)

    def edge(self, axis: int, forth: int, vertex: int) -> tuple[int, int]:
        """(base, turn) of an octant that runs from `vertex` along `axis`, forth (1) or back (-1) along the curve."""
        page = 2 * axis + (forth * self.sign < 0)
        whole, part = self.vertex(vertex)
        phase = part + (1 << self.shift) - self.denominator
        turn = phase << self.phase_at | self.page[page] << 8 | (8 if axis == 0 else 0)
        return (whole - self.lift[page]) & 0xFFFF, turn

    def alone(self, vertex: int, across: int, row: bool) -> tuple[int, int]:
        """(base, turn) of an octant whose vertex is alone; `across` -1 where no far edge is there either."""
        turn = LONE | ROW * row | across << 5 | GONE if across >= 0 else GONE
        page = turn >> 8 & (1 << self.page_bits) - 1
        nearest = (self.start + vertex * self.step + Fraction(1, 2)).__floor__()
        return (nearest - int(self.value(np.array(turn), np.array(page << 8)))) & 0xFFFF, turn


def lanes(spec: Spec, folds: list[Folded], around: Quarters) -> Lanes | None:
    """The tables, or None where the fields do not fit or no order of the codes settles the ties.

    Args:
        spec: 8-bit heads and results of at most 16 bits.
        folds, around: of folding.py.
    """
    squares = spec.curve.side - 1
    if 4 * squares * squares > NEVER:
        return None
    x, y = folds
    # Codes of one head are told apart by every bound of the other's as well.
    cuts = tuple(sorted({bound for _, bound in folded.bounds}) for folded in (y, x))
    ranks = tie_ranks(x.squares, y.squares, around.wanted, (cuts[0], cuts[1]))
    if ranks is None:
        return None
    rank_x, rank_y = (found + 1 for found in ranks)  # 0 is below all
    if max(rank_x.max(), rank_y.max()) > NEVER:
        return None
    near = [_near(y, rank_y, x), _near(x, rank_x, y)]
    bounds = [np.array([first if last < NEVER else NEVER for first, last in one]) for one in near]
    shared = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(*near, strict=True)]
    if all(first <= last for first, last in shared):
        bounds = [np.array([first if last < NEVER else NEVER for first, last in shared])] * 2
    near_table, near_page = _pages(bounds)
    try:
        results = _Results(spec, folds)
    except _NoFit:
        return None

    # The number of an octant, without the carry: squares' columns, then their rows, then right halves, then upper ones.
    part_x = 2 * (x.half // 2 + 2 * squares * squares * (x.half % 2))
    part_y = 2 * (squares * (y.half // 2) + squares * squares * (y.half % 2))
    column = part_x << 8 | rank_x
    row = part_y << 8 | NEVER - rank_y
    base, turn = _octants(spec, around, results)

    def decode(x: IntArray, y: IntArray) -> IntArray:
        number = (column[x] + row[y]) >> 8
        entry = turn[number]
        rows = entry & ROW != 0
        along = np.where(rows, rank_x[x], rank_y[y])
        bound = np.where(rows, near_table[256 * near_page[1] + y], near_table[256 * near_page[0] + x])
        number = np.where((entry >= LONE) & (along > bound), entry >> 5 & 0x1FF, number)
        entry = turn[number]
        gone = entry & GONE != 0
        code = np.where(gone, 0, ((x | y << 8) << np.where(gone, 0, entry & 0xFF)) >> 8 & 0xFF)
        value = results.value(entry, (entry & (1 << results.phase_at) - 1 & 0xFF00) | code)
        return np.asarray((base[number] + value) & 0xFFFF)

    by_x, by_y = "by the raw bits of x", "by the raw bits of y"
    return Lanes(
        tables=(
            Table("number_x", "uint16", column, f"part of the octant's number << 8 | rank, {by_x}", when=HELIUM),
            Table("number_y", "uint16", row, f"part of the octant's number << 8 | 255 - rank, {by_y}", when=HELIUM),
            Table("base", "uint16", base, "whole part of the result of each octant's vertex", when=HELIUM),
            Table("turn", "uint16", turn, "phase, page and shift of each octant, or the octant across", when=HELIUM),
            Table("line", "uint16", results.line, "what a code adds to the result, by page", when=HELIUM),
            Table("near", "uint8", near_table, "rank that a far edge's code exceeds to be nearer", when=HELIUM),
        ),
        decode=decode,
        params={
            "phase_at": results.phase_at,
            "above": f"0x{0xFF << results.phase_at & 0xFF00:04X}U",
            "page": f"0x{(1 << results.phase_at) - 256:04X}U",
            "fraction": results.shift,
            "near_x": 256 * near_page[0],
            "near_y": 256 * near_page[1],
        },
    )


def _octants(spec: Spec, around: Quarters, results: _Results) -> tuple[IntArray, IntArray]:
    """(base, turn) of all octants."""
    squares = spec.curve.side - 1
    count = len(spec.curve.points)
    place = places(spec)
    base, turn = (np.zeros(8 * squares * squares, dtype=np.int64) for _ in range(2))

    def number(hx: int, hy: int) -> int:
        return 2 * (hx // 2 + squares * (hy // 2) + squares * squares * (2 * (hx % 2) + hy % 2))

    for hy in range(2 * squares):
        for hx in range(2 * squares):
            ox, oy, nx, ny = own_vertex(hx), own_vertex(hy), other_vertex(hx), other_vertex(hy)
            own = int(place[oy, ox])
            for right in (0, 1):
                if around.vertical[hy, hx] and not (right and around.horizontal[hy, hx]):
                    forth = 1 if (int(place[ny, ox]) - own) % count == 1 else -1
                    entry = results.edge(1, forth, own)
                elif around.horizontal[hy, hx]:
                    forth = 1 if (int(place[oy, nx]) - own) % count == 1 else -1
                    entry = results.edge(0, forth, own)
                elif around.far_vertical[hy, hx] and (right or not around.far_horizontal[hy, hx]):
                    entry = results.alone(own, number(hx ^ 1, hy) + right, False)
                elif around.far_horizontal[hy, hx]:
                    entry = results.alone(own, number(hx, hy ^ 1) + right, True)
                else:
                    entry = results.alone(own, -1, False)
                base[number(hx, hy) + right], turn[number(hx, hy) + right] = entry
    return base, turn
