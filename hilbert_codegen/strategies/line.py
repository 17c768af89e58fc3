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
"""

from __future__ import annotations

import numpy as np

from hilbert_codegen.folding import fold, other_vertex, own_vertex, quarters, tie_ranks
from hilbert_codegen.hvx import add_hvx
from hilbert_codegen.reference import Ideal
from hilbert_codegen.spec import INTEGER_TYPES, Spec
from hilbert_codegen.strategies import STRATEGIES, Built, IntArray, Refused, Table

#: Low bits of a word of `column` or `row`, for the ranks.
RANK_BITS = 6
#: What the comparison of the upper bytes adds to the number of an entry of `page`.
UPPER = 4 << 8


class Line:
    """Three dependent loads a point, constant time; 9 KB at order 2, 14 KB at order 3. Slower than `segment` without Helium."""

    name = "line"
    summary = "results by row or column of the grid and axis code; any scale, inset and zero point"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, other estimators, distances, results wider than 16 bits, from order 4 on, and where
        no order of the codes settles the ties (grids whose codes repeat from cell to cell)."""
        if spec.heads.bits != 8:
            raise Refused("tables by axis code are for 8-bit heads")
        if spec.estimator.kind != "nearest":
            raise Refused(f"the estimator {spec.estimator.kind} depends on both codes nearly everywhere")
        if distance:
            raise Refused("pages by axis code hold no distances")
        if INTEGER_TYPES[spec.output.dtype][0] > 16:
            raise Refused("results of 32 bits do not fit the lanes it is made for")
        squares = spec.curve.side - 1
        between = 2 * squares * squares
        if 2 * between > 256:
            raise Refused(f"the squares of {spec.curve.side} x {spec.curve.side} vertices do not number in a byte")
        around = quarters(spec)
        half_x, half_y = (fold(spec, axis).half for axis in (0, 1))
        column, row, key_x, key_y = self._words(spec)

        def number(x: IntArray, y: IntArray) -> IntArray:
            left, right = key_x[x], key_y[y]
            entry = (column[x] + row[y]) >> RANK_BITS
            entry = entry + between * ((left & 255) > (right & 255))
            return np.asarray(entry + UPPER * ((left >> 8) > (right >> 8)))

        side = spec.curve.side
        page = np.zeros(UPPER + 4 * 256, dtype=np.int64)
        for hy in np.unique(half_y).tolist():
            for hx in np.unique(half_x).tolist():
                own = own_vertex(hx), own_vertex(hy)
                far = other_vertex(hx), other_vertex(hy)
                at_x, at_y = own[1] << 8 | 8, (side + own[0]) << 8
                far_x, far_y = far[1] << 8 | 8, (side + far[0]) << 8
                for state in range(8):
                    right, near_h, near_v = bool(state & 1), bool(state & 2), bool(state & 4)
                    entry = at_x
                    if around.lone[hy, hx]:
                        if around.far_vertical[hy, hx] and near_v and (right or not around.far_horizontal[hy, hx]):
                            entry = far_y
                        elif around.far_horizontal[hy, hx] and near_h:
                            entry = far_x
                    elif around.vertical[hy, hx] and not (right and around.horizontal[hy, hx]):
                        entry = at_y
                    index = 2 * (hx // 2 + squares * (hy // 2)) + (hx % 2 + 2 * (hy % 2)) * 256
                    page[index + near_v + between * right + UPPER * near_h] = entry
        bits_y, bits_x = np.divmod(np.arange(1 << 16), 256)
        used = number(bits_x, bits_y)
        page = page[: int(used.max()) + 1]

        def place(x: IntArray, y: IntArray) -> IntArray:
            entry = page[number(x, y)]
            return np.asarray((entry & 0xFF00) | (((x | y << 8) << (entry & 255)) & 0xFFFF) >> 8)

        result = np.zeros(2 * side * 256, dtype=np.int64)
        result[place(bits_x, bits_y)] = ideal.codes.reshape(-1)

        def decode(x: IntArray, y: IntArray) -> IntArray:
            return result[place(x, y)]

        built = Built(
            strategy=self.name,
            tables=(
                Table("column", "uint16", column, "number of the quarter << 6 | rank, the part of x, by its raw bits"),
                Table("row", "uint16", row, "number of the quarter << 6 | rank, the part of y, by its raw bits"),
                Table("key_x", "uint16", key_x, "two bytes to compare with those of key_y, by the raw bits of x"),
                Table("key_y", "uint16", key_y, "two bytes to compare with those of key_x, by the raw bits of y"),
                Table("page", "uint16", page, "page of results << 8 | 8 where x is the index in it, 0 where y is"),
                Table(
                    "result", spec.output.dtype, result, "decoded codes, pages by x of the rows and by y of the columns"
                ),
            ),
            decode=decode,
            distance=None,
            note="Results by row or column of the grid and axis code, found by three comparisons: constant time.",
            params={
                "mve": 1,
                "rank_bits": RANK_BITS,
                "low": f"{between}U",
                "high": f"{UPPER}U",
                "steps": f"0x{UPPER | between:04X}U",
            },
        )
        return add_hvx(spec, ideal, built)

    def _words(self, spec: Spec) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """(column, row, key_x, key_y) by raw bits; see the head of this file."""
        x, y = (fold(spec, axis) for axis in (0, 1))
        squares = spec.curve.side - 1
        right = tie_ranks(x.items, y.items, quarters(spec).wanted)
        if right is None:
            raise Refused("no order of the codes settles all ties between two segments")
        # A tie with the own vertex is the own vertex's: then x must not exceed y.
        tie = np.zeros((2 * squares, 2 * squares), dtype=np.int64)
        near_h, near_v = tie_ranks(x.squares, y.bounds, tie), tie_ranks(y.squares, x.bounds, tie)
        assert near_h is not None and near_v is not None  # the same wish everywhere makes no circle
        top = (1 << RANK_BITS) - 1
        for ranks, limit in ((right, 255), (near_h, 255), (near_v, top)):
            highest = max(int(rank.max()) for rank in ranks)
            if highest > limit:
                raise Refused(f"the codes of the two heads fall into {highest + 1} ranks, of which {limit + 1} fit")
        square = x.half // 2 + 128 * (x.half % 2)
        line = squares * (y.half // 2) + 256 * (y.half % 2)
        column = (2 * square << RANK_BITS) + top - near_v[1]
        row = (2 * line << RANK_BITS) + near_v[0]
        return column, row, near_h[0] << 8 | right[0], near_h[1] << 8 | right[1]


STRATEGIES.add(Line.name, Line())
