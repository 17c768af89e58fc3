"""The arithmetic that Hexagon's vector unit (HVX) decodes with, on grids whose cells are powers of two of codes wide.

HVX has no gather outside its tightly coupled memory, so tables larger than its registers are out; but it multiplies
64 lanes at a time and looks 16-bit values up in tables of 16 entries. So the nearest point is computed: with k the
vertex of the query's own cell, o and i the unit steps to the next and the previous vertex, d the query's offset from
the vertex in codes, a = o.d and b = i.d, the arc length in codes is

    s = P k + r,    r = a > b ? max(a, 0) : min(-b, 0),    P codes a cell,

but in the outer quadrant of a turn (a < 0 and b < 0). There the neighbour in direction -o is nearer if it has a half
segment along -i and b^2 > P^2 - 2 P |a|, the one in direction -i if it has one along -o and a^2 > P^2 - 2 P |b|; where
both are, the larger of |a| and |b| decides. The output is c0 + s D / (P M) rounded; k and r stay apart so that two 16-bit
fractions are precise enough.

`build` gives the constants, or None where this does not equal the reference on every pair; the model takes the same
integer steps as templates/hvx.c.j2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.reference import Ideal
from hilbert_codegen.spec import INTEGER_TYPES, Spec
from hilbert_codegen.strategies import Built, Table

IntArray = NDArray[np.int64]

#: Cells of a table of one-byte indices; order 4 has 256.
MOST_CELLS = 256
#: The tables of bytes and of pairs of bytes, in their order in memory.
BYTES = ("own", "near1", "near2")
PAIRS = ("forth", "back", "sign")
#: Entries of 16 bits in a vector register of 128 bytes.
REGISTER = 64


@dataclass(frozen=True)
class Arithmetic:
    """Tables by raw cell (y's top bits << order | x's top bits) and constants; vectors of two bytes are x | y << 8.

    Attributes:
        order: p.
        shift: log2 of P, the codes of a cell.
        own: k.
        near1, near2: index of the neighbour's vertex in direction -o and -i.
        forth, back: the steps o and i, bytes -1, 0 or 1.
        sign: bytes: what |b| is to be multiplied by to be r at the first neighbour, and |a| at the second; 0 where
            that has no such half segment.
        closed: whether r < 0 at vertex 0 means the last segment.
        start: c0.
        whole_cell, part_cell: output codes of a segment: whole + part / 65536, part 0..65535.
        whole_code, part_code: output codes of a head code, part -32768..32767.
        rounding: what is added before the fraction is dropped.
        seam: on a closed curve the code that is written as c0, else None.
    """

    order: int
    shift: int
    own: IntArray
    near1: IntArray
    near2: IntArray
    forth: IntArray
    back: IntArray
    sign: IntArray
    closed: bool
    start: int
    whole_cell: int
    part_cell: int
    whole_code: int
    part_code: int
    rounding: int
    seam: int | None

    def place(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        """Vertex index k and codes r past it, of raw bytes x and y, by the steps of the C."""
        codes = 1 << self.shift
        cell = (y >> self.shift) << self.order | (x >> self.shift)
        dx, dy = (x & (codes - 1)) - codes // 2, (y & (codes - 1)) - codes // 2
        a = dx * _byte(self.forth[cell], 0) + dy * _byte(self.forth[cell], 1)
        b = dx * _byte(self.back[cell], 0) + dy * _byte(self.back[cell], 1)
        # Equally near on both sides of vertex 0 of a closed curve: the smaller arc length is the one past it.
        tie = (self.own[cell] == 0) if self.closed else 0
        own = np.where(a > b - tie, np.maximum(a, 0), np.minimum(-b, 0))
        u, v = np.maximum(-a, 0), np.maximum(-b, 0)
        r1, r2 = v * _byte(self.sign[cell], 0), u * _byte(self.sign[cell], 1)
        is1 = r1 * r1 + (u << (self.shift + 1)) > codes * codes
        is2 = r2 * r2 + (v << (self.shift + 1)) > codes * codes
        first = is1 & ((u > v) | ~is2)
        k = np.where(first, self.near1[cell], np.where(is2, self.near2[cell], self.own[cell]))
        r = np.where(first, r1, np.where(is2, r2, own))
        if self.closed:
            k = np.where((k << self.shift) + r < 0, len(self.own), k)
        return k, r

    def output(self, k: IntArray, r: IntArray, bits: int) -> IntArray:
        """Output bits (unsigned) of vertex indices and codes past them."""
        low = (k * self.part_cell + r * self.part_code + self.rounding) >> 16
        code = (low + k * self.whole_cell + r * self.whole_code + self.start) % (1 << bits)
        if self.seam is not None:
            code = np.where(code == self.seam, self.start % (1 << bits), code)
        return np.asarray(code)

    @property
    def indices(self) -> IntArray:
        """The tables BYTES one after the other, each in whole registers of 128 entries.

        Half-word j of a register has entry j in its low byte and entry 64 + j in its high byte.
        """
        return self._registers(BYTES, 2 * REGISTER)

    @property
    def pairs(self) -> IntArray:
        """The tables PAIRS one after the other, each in whole registers of 64 entries.

        Word j of a register has entry j in its low half and entry 32 + j in its high half.
        """
        return self._registers(PAIRS, REGISTER) % 65536

    def _registers(self, names: tuple[str, ...], room: int) -> IntArray:
        registers = -(-len(self.own) // room)
        rows = []
        for name in names:
            entries = np.zeros(registers * room, np.int64)
            entries[: len(self.own)] = getattr(self, name)
            rows.append(entries.reshape(registers, 2, room // 2).transpose(0, 2, 1).reshape(-1))
        return np.concatenate(rows)

    def parameters(self, indent: str, bits: int) -> dict[str, object]:
        """What templates/hvx.c.j2 needs: every constant as it stands in the C. `indent` is blank space."""
        cells, side, codes = len(self.own), 1 << self.order, 1 << self.shift
        byte_entries = -(-cells // (2 * REGISTER)) * 2 * REGISTER
        pair_entries = -(-cells // REGISTER) * REGISTER

        def four(byte: int) -> str:
            return f"0x{byte * 0x01010101:08X}"

        def two(value: int) -> str:
            return f"0x{(value & 0xFFFF) * 0x00010001:08X}"

        return {
            "cells": cells,
            "indent": indent,
            # A lookup is of 32 bytes or 16 pairs; within a register, two bits of the selector choose the quarter.
            "byte_lookups": [(group // 4, group) for group in range(-(-cells // 32))],
            "pair_lookups": [(group // 4, group) for group in range(-(-cells // 16))],
            "at": {name: index * byte_entries for index, name in enumerate(BYTES)}
            | {name: index * pair_entries for index, name in enumerate(PAIRS)},
            "shift": self.shift,
            "double_shift": self.shift + 1,
            "row_shift": 8 - 2 * self.order,
            "column_mask": four(side - 1),
            "row_mask": four((side - 1) << self.order),
            "inside_mask": four(codes - 1),
            "half_cells": four(codes // 2),
            "cell_square": codes * codes,
            "closed": self.closed,
            "rounding": self.rounding,
            "part_cell": two(self.part_cell),
            "part_code": two(self.part_code),
            "whole_cell": _int16(self.whole_cell),
            "whole_code": _int16(self.whole_code),
            "start": _int16(self.start),
            "out_mask": (1 << bits) - 1 if bits == 8 else -1,
            "seam": None if self.seam is None else str(self.seam if bits == 8 else _int16(self.seam)),
        }


def _int16(value: int) -> int:
    """The value of -32768..32767 with the same low 16 bits."""
    return (value + 32768) % 65536 - 32768


def _byte(pairs: IntArray, which: int) -> IntArray:
    """The signed byte `which` of 16-bit values."""
    byte = (pairs >> (8 * which)) & 0xFF
    return np.where(byte > 127, byte - 256, byte)


def _pair(x: int, y: int) -> int:
    return (x & 0xFF) | (y & 0xFF) << 8


def build(spec: Spec, ideal: Ideal) -> Arithmetic | None:
    """The constants for `spec`, or None where HVX is not served this way: other grids, orders over 4, 16-bit heads,
    32-bit output, or a curve or output for which the steps above are not exact.
    """
    curve = spec.curve
    bits = INTEGER_TYPES[spec.output.dtype][0]
    if spec.heads.bits != 8 or bits > 16 or not spec.canonical or len(curve.points) > MOST_CELLS:
        return None
    codes = 256 // curve.side
    if spec.pitch(0) != codes or spec.pitch(1) != codes or spec.estimator.kind != "nearest":
        return None
    number = {point: index for index, point in enumerate(curve.points)}
    count = len(curve.points)
    raw = np.arange(curve.side) * codes
    cells = [
        [int((spec.heads.codes()[code] - spec.origin(axis)) / spec.pitch(axis) + Fraction(1, 2)) for code in raw]
        for axis in (0, 1)
    ]
    if any(sorted(column) != list(range(curve.side)) for column in cells):
        return None
    tables: dict[str, list[int]] = {name: [] for name in BYTES + PAIRS}

    def step(k: int, change: int) -> tuple[int, int]:
        other = (k + change) % count if curve.closed else k + change
        if not 0 <= other < count:
            return 0, 0
        (ax, ay), (bx, by) = curve.points[k], curve.points[other]
        return bx - ax, by - ay

    def neighbour(k: int, away: tuple[int, int], along: tuple[int, int]) -> tuple[int, int]:
        """(index, sign) of the vertex in direction -away, if it has a half segment along -along: else (k, 0)."""
        x, y = curve.points[k]
        other = number.get((x - away[0], y - away[1]))
        wanted = (-along[0], -along[1])
        if away == (0, 0) or along == (0, 0) or away == wanted or other is None:
            return k, 0
        return (other, 1) if step(other, 1) == wanted else (other, -1) if step(other, -1) == wanted else (k, 0)

    for row in range(curve.side):
        for column in range(curve.side):
            k = number[cells[0][column], cells[1][row]]
            forth, back = step(k, 1), step(k, -1)
            other1, sign1 = neighbour(k, forth, back)
            other2, sign2 = neighbour(k, back, forth)
            tables["own"].append(k)
            tables["forth"].append(_pair(*forth))
            tables["back"].append(_pair(*back))
            tables["near1"].append(other1)
            tables["near2"].append(other2)
            tables["sign"].append(_pair(sign1, sign2))

    c0, c1 = spec.output.codes
    cell = Fraction(c1 - c0, curve.segments)
    whole_cell, whole_code = cell.__floor__(), round(cell / codes)
    part_cell = round((cell - whole_cell) * 65536)
    part_code = round((cell / codes - whole_code) * 65536)
    if not (0 <= part_cell <= 65535 and -32768 <= part_code <= 32767):
        return None

    seam = c1 % (1 << bits) if curve.closed and (c1 - c0) % (1 << bits) else None

    def made(rounding: int) -> Arithmetic:
        return Arithmetic(
            order=curve.order,
            shift=codes.bit_length() - 1,
            **{name: np.array(values, dtype=np.int64) for name, values in tables.items()},
            closed=curve.closed,
            start=c0,
            whole_cell=whole_cell,
            part_cell=part_cell,
            whole_code=whole_code,
            part_code=part_code,
            rounding=rounding,
            seam=seam,
        )

    x, y = np.meshgrid(np.arange(256), np.arange(256))
    wanted = ideal.codes % (1 << bits)
    vertex, past = made(32768).place(x, y)
    # Half, but for the errors of the fractions: every point bounds the constant from both sides.
    missed = (wanted - made(32768).output(vertex, past, bits) + (1 << bits) // 2) % (1 << bits) - (1 << bits) // 2
    fraction = vertex * part_cell + past * part_code
    floor = ((fraction + 32768) >> 16) + missed
    bounding = np.ones_like(wanted, dtype=bool) if seam is None else wanted != c0 % (1 << bits)
    least = int(((floor << 16) - fraction)[bounding].max())
    most = int(((floor << 16) - fraction)[bounding].min()) + 65535
    rounding = min(max(32768, least), most)
    arithmetic = made(rounding)
    return arithmetic if np.array_equal(arithmetic.output(vertex, past, bits), wanted) else None


def add_hvx(spec: Spec, ideal: Ideal, built: Built, indent: str = "") -> Built:
    """`built` with the tables and parameters of its HVX variant, where there is one."""
    arithmetic = build(spec, ideal)
    if arithmetic is None:
        return replace(built, params={**built.params, "hvx": None})
    cells = f"by raw cell (y's top bits << {arithmetic.order} | x's top bits), each in whole vector registers"
    tables = (
        Table("hvx_bytes", "uint8", arithmetic.indices, f"indices of the own vertex and of two neighbours {cells}"),
        Table("hvx_pairs", "uint16", arithmetic.pairs, f"steps to the next and the last vertex, and signs, {cells}"),
    )
    beside = [replace(table, when="USE_HVX", beside=True) for table in tables]
    bits = INTEGER_TYPES[spec.output.dtype][0]
    params = {**built.params, "hvx": arithmetic.parameters(indent, bits)}
    return replace(built, tables=(*built.tables, *beside), params=params)
