"""`line`: the results stored by line of the grid and axis code, found by three comparisons. Made for Helium.

The nearest point of the curve lies on a row or on a column of the grid, and its place there depends on one code alone.
So a page of 256 results for every row of vertices, indexed by x codes, and one for every column, indexed by y codes,
hold all results: where the row has no segment at a code, the place in its page is free, and holds the code's own vertex.

What remains is to tell the page, and whether x or y is the index. In the quarter of a dual square (folding.py) that the
point lies in, three comparisons of a number of x with a number of y decide it:

- gx > gy, ties as they must be: between the own vertex's two segments, or the square's two far edges;
- gx > w(gy): a far horizontal edge is nearer than the own vertex, w(g) = sqrt(1 - 2 g) being the parabola of equal
  distance;
- gy > w(gx): a far vertical edge is nearer than the own vertex.

`column` and `row` hold the halves of a sum: the number of the quarter, and below it ranks whose carry is the third
comparison. `key_x` and `key_y` hold two bytes each, for the other two, which Helium compares, and adds to the bytes of
the number, at once. `page` then gives the page and the shift of the raw word that leaves the code beside it.

Where ties run in circles, two things help. `row` and `key_y` may be indexed by the highest bits of x below the code of
y, which costs no instruction: the ranks of y need suit a part of the codes of x only. And where the own vertex's two
segments compete, no far edge is near, so that one of the other comparisons is free to tell the tie: gx >= gy in place of
gx > w(gy), if the ranks of these y serve no far edge, or gy > gx in place of gy > w(gx), if those of these x do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table
from hilbert_codegen.kernels.folding import (
    Part,
    fold,
    other_vertex,
    own_vertex,
    quarters,
    refused_constraints,
    tie_ranks,
)
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: Low bits of a word of `column` or `row`, for the ranks.
RANK_BITS = 6
#: What the comparison of the upper bytes adds to the number of an entry of `page`.
UPPER = 4 << 8
#: At most so many of the highest bits of x index the tables of y.
MOST_BITS = 2


class _NoFit(Exception):  # noqa: N818 - it says what happened
    """The comparisons do not tell all, or have too many ranks."""


class _Comparisons:
    """The words of the three comparisons, with `bits` of x in the index of y; raises _NoFit.

    Attributes:
        column, row, key_x, key_y: by raw bits of x, and by `index` of those of y.
        by_near_h, by_near_v: by class of y and class of x, which comparison tells a tie that gx > gy does not.
    """

    def __init__(self, spec: Spec, bits: int) -> None:
        self.bits = bits
        self.x, self.y = (fold(spec, axis) for axis in (0, 1))
        self.around = quarters(spec)
        blocks = np.arange(256).reshape(1 << bits, -1)
        lone = self.around.lone
        self.near_row, self.near_column = lone & self.around.far_horizontal, lone & self.around.far_vertical
        free_h = self.around.contested.copy()
        for block in blocks:
            halves = np.unique(self.x.half[block])
            free_h[np.ix_(self.near_row[:, halves].any(axis=1), halves)] = False
        free_v = self.around.contested & ~self.near_column.any(axis=0)
        refused = np.zeros_like(free_h)
        for block in blocks:
            items = [self.x.items[code] for code in block]
            refused |= refused_constraints(items, self.y.items, self.around.wanted, free_h | free_v)
        self.by_near_h, self.by_near_v = refused & free_h, refused & free_v & ~free_h
        if (refused & ~free_h & ~free_v).any():
            raise _NoFit
        squares = spec.curve.side - 1
        square = self.x.half // 2 + 128 * (self.x.half % 2)
        line = squares * (self.y.half // 2) + 256 * (self.y.half % 2)
        self.column, self.key_x = 2 * square << RANK_BITS, np.zeros(256, dtype=np.int64)
        rows, keys = [], []
        for block in blocks:
            right, near_h, near_v = self._ranks(block, refused)
            self.column[block] += (1 << RANK_BITS) - 1 - near_v[1]
            self.key_x[block] = near_h[0] << 8 | right[0]
            rows.append((2 * line << RANK_BITS) + near_v[0])
            keys.append(near_h[1] << 8 | right[1])
        self.row, self.key_y = np.stack(rows, axis=1).reshape(-1), np.stack(keys, axis=1).reshape(-1)

    def _ranks(self, block: IntArray, refused: NDArray[np.bool_]) -> list[tuple[IntArray, IntArray]]:
        """Ranks of the comparisons gx > gy, gx > w(gy), gy > w(gx), or of what these tell instead, for a block of x;
        of the greater side first."""
        x, y = self.x, self.y
        halves = np.unique(x.half[block])
        ties_y = self.by_near_h[:, halves].any(axis=1)
        ties_x = self.by_near_v.any(axis=0)
        against_y = [square if ties_y[square[0]] else bound for square, bound in zip(y.squares, y.bounds, strict=True)]
        against_x = [square if ties_x[square[0]] else bound for square, bound in zip(x.squares, x.bounds, strict=True)]
        # A tie with the own vertex is the own vertex's.
        want_h = np.where(self.by_near_h, 1, np.where(self.near_row, 0, -1))
        want_v = np.where(self.by_near_v | self.near_column, 0, -1).T
        found = [
            tie_ranks([x.items[i] for i in block], y.items, np.where(refused, -1, self.around.wanted)),
            tie_ranks([x.squares[i] for i in block], against_y, want_h),
            tie_ranks(y.squares, [against_x[i] for i in block], want_v),
        ]
        ranks = []
        for pair, limit in zip(found, (255, 255, (1 << RANK_BITS) - 1), strict=True):
            if pair is None or max(rank.max() for rank in pair) > limit:
                raise _NoFit
            ranks.append(pair)
        return ranks

    def index(self, x: IntArray, y: IntArray) -> IntArray:
        """Where the tables of y have their entry."""
        return np.asarray(y << self.bits | x >> 8 - self.bits)


def _comparisons(spec: Spec) -> _Comparisons:
    for bits in range(MOST_BITS + 1):
        try:
            return _Comparisons(spec, bits)
        except _NoFit:
            continue
    raise Refused(
        "the codes of the two heads fall into too many ranks, or tie in circles that no comparison is left to settle"
    )


class _Pages:
    """What the comparisons lead to: `page` by the number of an entry, and `result`, pages of results by axis code.

    Attributes:
        words: the words that are compared.
        between: what the comparison of the lower bytes adds to the number of an entry.
        page: page of results << 8 | shift of the raw word that leaves the code to look up there beside it: 8 x, 0 y.
        result: output codes, pages by x of the rows of vertices and by y of the columns.
    """

    def __init__(self, spec: Spec, words: _Comparisons, codes: IntArray) -> None:
        """`codes` are the exact results by raw word x | y << 8."""
        self.words, self.side = words, spec.curve.side
        squares = self.side - 1
        self.between = 2 * squares * squares
        page = np.zeros(UPPER + 4 * 256, dtype=np.int64)
        for hy in np.unique(words.y.half).tolist():
            for hx in np.unique(words.x.half).tolist():
                index = 2 * (hx // 2 + squares * (hy // 2)) + (hx % 2 + 2 * (hy % 2)) * 256
                for state in range(8):
                    right, near_h, near_v = bool(state & 1), bool(state & 2), bool(state & 4)
                    number = index + near_v + self.between * right + UPPER * near_h
                    page[number] = self._entry(hx, hy, right, near_h, near_v)
        bits_y, bits_x = np.divmod(np.arange(1 << 16), 256)
        self.page = page[: int(self._number(bits_x, bits_y).max()) + 1]
        self.result = np.zeros(2 * self.side * 256, dtype=np.int64)
        self.result[self._place(bits_x, bits_y)] = codes

    def _entry(self, hx: int, hy: int, right: bool, near_h: bool, near_v: bool) -> int:
        """The entry of a quarter for what the comparisons gx > gy, gx > w(gy), gy > w(gx) give."""
        words, around = self.words, self.words.around
        own = own_vertex(hx), own_vertex(hy)
        far = other_vertex(hx), other_vertex(hy)
        at_x, at_y = own[1] << 8 | 8, (self.side + own[0]) << 8
        far_x, far_y = far[1] << 8 | 8, (self.side + far[0]) << 8
        part = around.nearest(hx, hy, right, near_h, near_v)
        if part is Part.VERTICAL:
            tie = (words.by_near_h[hy, hx] and near_h) or (words.by_near_v[hy, hx] and not near_v)
            return at_x if tie else at_y
        return {Part.FAR_VERTICAL: far_y, Part.FAR_HORIZONTAL: far_x}.get(part, at_x)

    def _number(self, x: IntArray, y: IntArray) -> IntArray:
        """Number of the entry of raw bits x and y."""
        words = self.words
        at = words.index(x, y)
        left, right = words.key_x[x], words.key_y[at]
        entry = (words.column[x] + words.row[at]) >> RANK_BITS
        entry = entry + self.between * ((left & 255) > (right & 255))
        return np.asarray(entry + UPPER * ((left >> 8) > (right >> 8)))

    def _place(self, x: IntArray, y: IntArray) -> IntArray:
        """Index of their result."""
        entry = self.page[self._number(x, y)]
        return np.asarray((entry & 0xFF00) | (((x | y << 8) << (entry & 255)) & 0xFFFF) >> 8)

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes by the steps of templates/kernels/line.c.j2."""
        return self.result[self._place(x, y)]

    def tables(self, dtype: str) -> tuple[Table, ...]:
        """All tables, with results of type `dtype`."""
        words, bits = self.words, self.words.bits
        of_y = f"its raw bits and the highest {bits} of x" if bits else "its raw bits"
        number = "number of the quarter << 6 | rank"
        return (
            Table("column", "uint16", words.column, f"{number}, the part of x, by its raw bits"),
            Table("row", "uint16", words.row, f"{number}, the part of y, by {of_y}"),
            Table("key_x", "uint16", words.key_x, "two bytes to compare with those of key_y, by the raw bits of x"),
            Table("key_y", "uint16", words.key_y, f"two bytes to compare with those of key_x, by {of_y}"),
            Table("page", "uint16", self.page, "page of results << 8 | 8 where x is the index in it, 0 where y is"),
            Table("result", dtype, self.result, "decoded codes, pages by x of the rows and by y of the columns"),
        )

    def params(self) -> dict[str, object]:
        """Constants for the templates."""
        return {
            "bits": self.words.bits,
            "shift": 8 - self.words.bits,
            "rank_bits": RANK_BITS,
            "low": f"{self.between}U",
            "high": f"{UPPER}U",
            "steps": f"0x{UPPER | self.between:04X}U",
        }


class Line:
    """Three dependent loads a point, constant time; 9 KB at order 2, 14 to 17 KB at order 3. Slower than `segment` without Helium."""

    name = "line"
    summary = "results by row or column of the grid and axis code; any scale, inset and zero point"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, other estimators, distances, results wider than 16 bits, from order 4 on, and where
        ties of the codes run in circles that cannot be settled."""
        if spec.heads.bits != 8:
            raise Refused("tables by axis code are for 8-bit heads")
        if spec.estimator.kind != "nearest":
            raise Refused(f"the estimator {spec.estimator.kind} depends on both codes nearly everywhere")
        if distance:
            raise Refused("pages by axis code hold no distances")
        if INTEGER_TYPES[spec.output.dtype][0] > 16:
            raise Refused("results of 32 bits do not fit the lanes it is made for")
        if 4 * (spec.curve.side - 1) ** 2 > 256:
            raise Refused(f"the squares of {spec.curve.side} x {spec.curve.side} vertices do not number in a byte")
        pages = _Pages(spec, _comparisons(spec), ideal.codes.reshape(-1))
        return Built(
            strategy=self.name,
            portable=Implementation(pages.tables(spec.output.dtype), pages.decode, params=pages.params()),
            note="Results by row or column of the grid and axis code, found by three comparisons: constant time.",
            kind="ties" if pages.words.bits else "",
        )


STRATEGIES.add(Line.name, Line())
