"""The arithmetic that Hexagon's vector unit (HVX) decodes with: any scale, inset and zero point, orders 1 to 4.

HVX has no gather outside its tightly coupled memory, so tables larger than its registers are out; but it looks bytes up
in registers, 32 entries an instruction, compares 128 bytes at a time and multiplies. So a point is decided in bytes, and
only then multiplied. Per axis, a code gives its cell with the side of the vertex that it is on, and a rank: the ranks of x and
y compare as the distances from the vertex do, exactly, whatever the scales (folding.py). Per cell, a byte tells which
of the four sides of its vertex have a segment of the curve, and which far edges compete in the outer quadrant of a turn:

- both segments on the sides of the point: the horizontal one where rank x > rank y;
- one: that one;
- none: the vertex itself, or a far edge where the rank along it exceeds `near` of the rank across: then the point moves
  to the cell of the neighbour whose segment that is.

With X the vertex's coordinate along the chosen segment, m = +-1 the direction of the curve there and k the vertex's place,

    result = c0 + D / M (k - m X) + m D / (M P) (code - origin) = constant + share K + slope code,

K = k - m X an integer. The class of a point (which axis, which m) gives the constant and the slope. Sums are formed of the
factors' whole numbers, which may wrap in 16 bits, of their 65536ths in 32 bits, and of finer parts, in 16 bits again.

`build` gives the constants, or None where this does not equal the reference on every pair; the model takes the same
integer steps as templates/variants/hvx.c.j2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, Table, as_output
from hilbert_codegen.kernels.folding import CORNER, Folded, Quarters, fold, places, quarters, tie_order
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec
from hilbert_codegen.variants import Variant, add

IntArray = NDArray[np.int64]

#: Cells of a table of bytes; order 4 has as many.
MOST_CELLS = 256
#: Entries of one lookup: of bytes, and of pairs of bytes. A register has four times as many.
BYTES, PAIRS = 32, 16
#: Bits of a vertex's place up to order 3, in a byte with two more.
VERTEX_BITS = 6
#: Bits of the low parts of factors.
FINE = 6
#: No rank exceeds it.
NEVER = 255

#: Sides of a vertex, as bits: greater and smaller x, greater and smaller y by order (beside y's bits of a cell).
SIDES_X = (0x10, 0x20)
SIDES_Y = {1: (0x40, 0x80), 2: (0x40, 0x80), 3: (0x40, 0x80), 4: (0x04, 0x08)}
#: Where the lowest of these bits is.
SIDE_SHIFT = {1: 4, 2: 4, 3: 4, 4: 2}
#: Bits of a cell: equal ranks count as rank x > rank y, with two own segments and with two far edges.
TIE_OWN, TIE_FAR = 1, 2
#: Classes: bits 0 and 1 tell the axis of the chosen segment, bits 2 and 3 the same again where the arc length falls.
HORIZONTAL, VERTICAL = 1, 2
FALLING = 2
#: Added (exclusive or) where the last segment of a closed curve ends at vertex 0.
SEAM = 0b1100
CLASSES = 16
#: (class, axis, m, whether it is the last segment of a closed curve) of all but the vertex itself, which is class 0.
EDGES = [
    ((bit if m > 0 else bit | bit << FALLING) ^ (SEAM if last else 0), axis, m, last)
    for axis, bit in enumerate((HORIZONTAL, VERTICAL))
    for m in (1, -1)
    for last in (False, True)
]
#: -m by class.
MINUS = np.array([-sum(m for number, _, m, _ in EDGES if number == kind) for kind in range(CLASSES)])


def _lookups(table: IntArray) -> int:
    """Instructions that look bytes up in `table`: a group of 32 without an entry but 0 takes none."""
    return len(set((np.flatnonzero(table) // BYTES).tolist()))


@dataclass(frozen=True)
class Sides:
    """Cell and side of a code by its byte: `before[byte >> shift]`, or `after` where the code exceeds `last` there.

    They are a part of the cell's number, and the bit of the side; no such bit where the code lies off the grid.
    """

    shift: int
    last: IntArray | None
    before: IntArray
    after: IntArray | None

    @property
    def lookups(self) -> int:
        """The number of lookup instructions that these tables take."""
        return sum(_lookups(table) for table in (self.last, self.before, self.after) if table is not None)

    def of(self, code: IntArray) -> IntArray:
        """The byte that is looked up for each code, of the shape of `code`."""
        block = (code & 0xFF) >> self.shift
        if self.last is None or self.after is None:
            return np.asarray(self.before[block])
        return np.asarray(np.where(code > self.last[block], self.after[block], self.before[block]))


def _sides(codes: IntArray, values: IntArray) -> Sides:
    """The fewest lookups for these bytes of codes: one of blocks of equal ones, or three of blocks with one change."""
    found = []
    table, known = np.zeros(256, dtype=np.int64), np.zeros(256, dtype=bool)
    table[codes & 0xFF], known[codes & 0xFF] = values, True
    for shift in range(6):
        starts = np.arange(0, 256, 1 << shift)
        before, after, last = (np.zeros(len(starts), dtype=np.int64) for _ in range(3))
        changes = 0
        for block, start in enumerate(starts.tolist()):
            inside = [at for at in range(start, start + (1 << shift)) if known[at]]
            if inside:
                before[block], after[block] = table[inside[0]], table[inside[-1]]
                same = [at for at in inside if table[at] == before[block]]
                last[block] = same[-1] - (256 if same[-1] > codes.max() else 0)
                changes = max(changes, sum(int(table[a] != table[b]) for a, b in pairwise(inside)))
        if changes == 0:
            found.append(Sides(shift, None, before, None))
        elif changes == 1:
            found.append(Sides(shift, last, before, after))
    return min(found, key=lambda sides: sides.lookups)


@dataclass(frozen=True)
class Axis:
    """What is looked up by the code of one head.

    Attributes:
        low, high: range of the codes, -128..127 or 0..255.
        below, above: what is first subtracted from a code, and then added, both saturating, so that those off the grid
            fall together.
        sides: by the code, so changed.
        rank: by its byte; the length is a power of two where it repeats.
    """

    low: int
    high: int
    below: int
    above: int
    sides: Sides
    rank: IntArray

    def code(self, raw: IntArray) -> IntArray:
        """Codes of raw bits, changed as above."""
        code = np.where(raw > self.high, raw - 256, raw)
        return np.asarray(np.minimum(np.maximum(code - self.below, self.low) + self.above, self.high))


def _axis(spec: Spec, axis: int, folded: Folded, ranks: IntArray) -> Axis:
    order, last = spec.curve.order, spec.curve.side - 1
    bits = SIDES_X if axis == 0 else SIDES_Y[order]
    codes = np.sort(spec.heads.codes())
    low, high = int(codes[0]), int(codes[-1])
    raw = codes & 0xFF
    inside = np.array([0 <= spec.coordinate(axis, code) < last for code in codes.tolist()])
    # Half cells with an even number are on the greater side of their vertex.
    side = np.where(folded.half[raw] % 2 == 0, bits[0], bits[1])
    sides = (folded.own[raw] << (order * axis)) | np.where(inside, side, 0)
    rank = ranks[raw]
    within = np.flatnonzero(inside)
    first, end = (max(int(within[0]) - 1, 0), min(int(within[-1]) + 1, 255)) if len(within) else (0, 255)
    table = np.zeros(256, dtype=np.int64)
    kept = np.arange(first, end + 1)
    changed = codes[kept] + high - codes[end]
    table[changed & 0xFF] = rank[kept]
    whole = Axis(low, high, 0, 0, _sides(codes, sides), _period(codes[inside] & 0xFF, rank[inside]))
    part = Axis(low, high, first, first + 255 - end, _sides(changed, sides[kept]), table)
    return min(part, whole, key=lambda axis: _lookups(axis.rank) + axis.sides.lookups)


def _period(raw: IntArray, rank: IntArray) -> IntArray:
    """The shortest table that repeats, a power of two long, with these ranks of raw bits."""
    for size in (32, 64, 128, 256):
        entries = np.zeros(size, dtype=np.int64)
        entries[raw % size] = rank
        if (entries[raw % size] == rank).all():
            break
    return entries


#: A number of an axis in the order of ranks: 0, 1 the distance of a code of x, y; 2, 3 the bound that codes along the
#: far edge across from it must exceed. With it, half cell and distance from the vertex.
Event = tuple[int, int, Fraction]


@dataclass(frozen=True)
class Ranks:
    """Ranks by raw bits of x and y, from 1, and by rank what 255 - rank along must be less than for the far edge to be
    nearer; whether equal ranks are ties, for the cells to settle.
    """

    rank: tuple[IntArray, IntArray]
    near: tuple[IntArray, IntArray]
    ties: bool


def _ranks(folds: Sequence[Folded], around: Quarters, ties: bool) -> Ranks | None:
    """Ranks of bytes, or None where those do not suffice; ties are equal ranks, or else settled by the ranks."""
    x, y = folds
    order = None if ties else tie_order(x.items, y.items, around.wanted)
    if ties:
        order = [(which, item) for which in (0, 1) for item in set(folds[which].items)]
    if order is None:
        return None
    # By half cells [y, x]: where a far edge competes, crossed by the distance of x, of y.
    far = (around.lone & around.far_vertical, around.lone & around.far_horizontal)
    competes = around.wanted >= 0
    bounds = [
        (which, half, offset)
        for which in (0, 1)
        for half, offset in sorted(set(folds[which].items))
        if offset > CORNER and far[which].any(axis=which)[half]
    ]
    # Equal distances are one step where they are ties, and otherwise as ordered.
    keyed = [((item[1] ** 2, 0, 0 if ties else at), (which, *item)) for at, (which, item) in enumerate(order)]
    keyed += [((1 - 2 * offset, 1, 0), (2 + which, half, offset)) for which, half, offset in bounds]
    bounded = set(bounds)

    def apart(one: Event, other: Event) -> bool:
        """Whether `other`, which comes later, needs a greater rank."""
        (before, half, offset), (behind, other_half, other_offset) = one, other
        if behind > 1:
            return False
        if before == behind:
            # What is looked up by rank must be of one code.
            return offset != other_offset and (one in bounded or other in bounded)
        if before > 1:
            cells = (other_half, half) if behind == 1 else (half, other_half)
            return before - 2 != behind and bool(far[before - 2][cells])
        cells = (other_half, half) if behind == 1 else (half, other_half)
        return bool(competes[cells]) and (offset != other_offset if ties else behind == 0)

    number: dict[Event, int] = {}
    group: list[Event] = []
    rank = 1
    for _, step in groupby(sorted(keyed), key=lambda entry: entry[0]):
        events = [event for _, event in step]
        if any(apart(one, other) for one in group for other in events):
            rank, group = rank + 1, []
        group += events
        number |= dict.fromkeys(events, rank)
    if rank >= NEVER:
        return None
    # Greater ranks all do as well: those that spread the entries of `near` over the fewest lookups.
    entries = [number[entry] for entry in bounds]
    more = min(range(min(BYTES, NEVER - rank)), key=lambda more: len({(entry + more) // BYTES for entry in entries}))
    rank += more
    number = {event: least + more for event, least in number.items()}
    near = []
    for which in (0, 1):
        table = np.zeros(rank + 1, dtype=np.int64)
        for axis, half, offset in bounds:
            if axis == which:
                table[number[axis, half, offset]] = NEVER - number[2 + axis, half, offset]
        near.append(table)
    of_x, of_y = (np.array([number[(which, *item)] for item in folded.items]) for which, folded in enumerate(folds))
    return Ranks((of_x, of_y), (near[0], near[1]), ties)


@dataclass(frozen=True)
class Cells:
    """Bytes by cell, y << order | x, and which bits stand for what.

    Attributes:
        around: sides of the vertex with a segment of the curve, as SIDES_X and SIDES_Y; the far edges that belong to the
            curve in the quadrant without; TIE_OWN and TIE_FAR.
        far_horizontal, far_vertical: the bits that stand for those edges.
        vertex: k.
        falls: HORIZONTAL and VERTICAL where the arc length falls with x and y, and the side of the last segment at
            vertex 0 of a closed curve.
    """

    around: IntArray
    far_horizontal: int
    far_vertical: int
    vertex: IntArray
    falls: IntArray


def _cells(spec: Spec, around: Quarters) -> Cells | None:
    """None for curves that start or end amid the grid such that the far edges in their quarters differ."""
    curve = spec.curve
    side, order, count = curve.side, curve.order, len(curve.points)
    place = places(spec)
    sides_y = SIDES_Y[order]
    taken = sum(SIDES_X) | sum(sides_y) | TIE_OWN | TIE_FAR
    far_h, far_v = (1 << bit for bit in range(8) if not 1 << bit & taken)
    cells = {name: np.zeros(side * side, dtype=np.int64) for name in ("around", "vertex", "falls")}
    for y in range(side):
        for x in range(side):
            k, cell = int(place[y, x]), y << order | x
            bits, falls, fars = 0, 0, set()
            for axis, names in enumerate((SIDES_X, sides_y)):
                for step, bit in zip((1, -1), names, strict=True):
                    at = (x + step, y) if axis == 0 else (x, y + step)
                    if not all(0 <= place_of < side for place_of in at):
                        continue
                    ahead = int(place[at[1], at[0]]) - k
                    if curve.closed and abs(ahead) == count - 1:
                        ahead = -1 if k == 0 else 1
                    if abs(ahead) == 1:
                        bits |= bit
                        falls |= (HORIZONTAL, VERTICAL)[axis] if ahead != step else 0
                        falls |= bit if ahead < 0 and k == 0 else 0
            for hy in _halves(y, side):
                for hx in _halves(x, side):
                    if around.contested[hy, hx] and not around.vertical_first[hy, hx]:
                        bits |= TIE_OWN
                    if not around.vertical[hy, hx] and not around.horizontal[hy, hx]:
                        far_bits = far_h * around.far_horizontal[hy, hx] + far_v * around.far_vertical[hy, hx]
                        fars.add(int(far_bits) + TIE_FAR * int(around.far_vertical_first[hy, hx]))
            if len(fars) > 1:
                return None
            cells["around"][cell] = bits | next(iter(fars), 0)
            cells["vertex"][cell] = k
            cells["falls"][cell] = falls
    return Cells(cells["around"], far_h, far_v, cells["vertex"], cells["falls"])


def _halves(place: int, side: int) -> list[int]:
    """Half cells whose own vertex has this coordinate."""
    return [half for half in (2 * place - 1, 2 * place) if 0 <= half < 2 * side - 2]


@dataclass(frozen=True)
class Factor:
    """A factor as whole + (high + low / 2^FINE) / 2^16, whole and high of 16 bits with sign, low of FINE."""

    whole: int
    high: int
    low: int

    @classmethod
    def of(cls, exact: Fraction) -> Factor:
        """The representable factor nearest to `exact`."""
        total = round(exact * (1 << 16 + FINE))
        rest = total + (1 << FINE - 1) >> FINE
        whole = rest + (1 << 15) >> 16
        return cls(whole, rest - (whole << 16), total - (rest << FINE))

    def times(self, sign: int) -> Factor:
        """Each part times `sign`."""
        return Factor(sign * self.whole, sign * self.high, sign * self.low)


@dataclass(frozen=True)
class Arithmetic:
    """All tables and constants.

    Attributes:
        order: p.
        axes: x and y.
        near: by rank, of x for vertical far edges, of y for horizontal ones; see Ranks.
        ties: whether equal ranks are ties for the cells to settle.
        cells: by cell.
        share: output codes of a segment.
        slope: by class, output codes of a head code.
        constant: by class, without low parts.
        wraps: whether the last segment of a closed curve has classes of its own.
        start: c0 modulo 2^bits.
        seam: on a closed curve the code that is written as c0, else None.
    """

    order: int
    axes: tuple[Axis, Axis]
    near: tuple[IntArray, IntArray]
    ties: bool
    cells: Cells
    share: Factor
    slope: tuple[Factor, ...]
    constant: tuple[Factor, ...]
    wraps: bool
    start: int
    seam: int | None

    @property
    def one_slope(self) -> bool:
        """Whether the slopes of both axes are the same, but for the sign."""
        rising, falling = self.slope[HORIZONTAL], self.slope[VERTICAL | VERTICAL << FALLING]
        return rising == falling.times(-1)

    @property
    def far(self) -> bool:
        """Whether a far edge can be nearer than a vertex anywhere."""
        return any(near.any() for near in self.near)

    @property
    def joined(self) -> bool:
        """Whether the C finds a cell's `falls` in the bits above its `vertex`."""
        return len(self.cells.vertex) <= 1 << VERTEX_BITS and not self.wraps

    def place(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """(class, K, code along the chosen axis) of raw bits x and y, by the steps of the C."""
        cells, order = self.cells, self.order
        sides_x, sides_y = sum(SIDES_X), sum(SIDES_Y[order])
        x, y = self.axes[0].code(x), self.axes[1].code(y)
        side_x, side_y = self.axes[0].sides.of(x), self.axes[1].sides.of(y)
        rank_x, rank_y = (axis.rank[code % len(axis.rank)] for axis, code in zip(self.axes, (x, y), strict=True))
        column, row = side_x & ((1 << order) - 1), side_y & (((1 << order) - 1) << order)
        cell = row | column
        around = cells.around[cell]
        sides = side_x ^ side_y ^ cell
        own = around & sides
        near_h = np.where(self.near[1][rank_y] > NEVER - rank_x, cells.far_horizontal, 0)
        near_v = np.where(self.near[0][rank_x] > NEVER - rank_y, cells.far_vertical, 0)
        far = np.where(own != 0, 0, around & (near_h | near_v))
        if self.ties:
            rank_x = rank_x + (np.where(own != 0, around, around >> 1) & 1)
        # Of own segments the horizontal one is taken where rank x is greater, of far edges the vertical one.
        segments = own | far
        first = np.where(segments & (sides_x | cells.far_vertical) != 0, rank_x, 0)
        second = np.where(segments & (sides_y | cells.far_horizontal) != 0, rank_y, 0)
        axis = np.where(first > second, HORIZONTAL, np.where(second > 0, VERTICAL, 0))
        axis = np.where(far != 0, axis ^ (HORIZONTAL | VERTICAL), axis)
        horizontal = axis & HORIZONTAL != 0
        step = steps(order)[sides >> SIDE_SHIFT[order] | np.where(horizontal, 16, 0)]
        cell = cell + np.where(far != 0, step, 0)
        falls = cells.falls[cell]
        found = axis | (axis & falls) << FALLING
        if self.wraps:
            side = np.where(horizontal, side_x & sides_x, side_y & sides_y)
            found = np.where(side & falls != 0, found ^ SEAM, found)
        along = np.where(horizontal, column, row >> order)
        return found, cells.vertex[cell] + along * MINUS[found], np.where(horizontal, x, y)

    def parts(self, found: IntArray, k: IntArray, code: IntArray) -> tuple[IntArray, IntArray]:
        """Sums of products, whole and 65536ths, without the constants."""
        share = self.share

        def slope(name: str) -> IntArray:
            return np.array([getattr(factor, name) for factor in self.slope])[found]

        fine = (k * share.low + code * slope("low")) >> FINE
        return k * share.whole + code * slope("whole"), fine + k * share.high + code * slope("high")

    def output(self, found: IntArray, k: IntArray, code: IntArray, bits: int) -> IntArray:
        """Output bits (unsigned) of what `place` gives."""
        whole, part = self.parts(found, k, code)
        whole = whole + np.array([factor.whole for factor in self.constant])[found]
        part = part + np.array([factor.high for factor in self.constant])[found]
        result = (whole + (part >> 16)) % (1 << bits)
        if self.seam is not None:
            result = np.where(result == self.seam, self.start, result)
        return np.asarray(result)


def steps(order: int) -> IntArray:
    """What is added to a cell's number for the next in the row, | 16 in the column, by the sides, shifted down."""
    step = np.zeros(BYTES, dtype=np.int64)
    for x, bit_x in zip((1, -1), SIDES_X, strict=True):
        for y, bit_y in zip((1, -1), SIDES_Y[order], strict=True):
            sides = (bit_x | bit_y) >> SIDE_SHIFT[order]
            step[sides], step[sides | 16] = x, y << order
    return step


def build(spec: Spec, ideal: Ideal) -> Arithmetic | None:
    """The constants for `spec`, or None where HVX is not served this way: orders over 4, 16-bit heads, 32-bit output,
    or a specification for which the steps above are not exact.
    """
    curve = spec.curve
    bits = INTEGER_TYPES[spec.output.dtype][0]
    if spec.heads.bits != 8 or bits > 16 or len(curve.points) > MOST_CELLS or spec.estimator.kind != "nearest":
        return None
    folds, around = [fold(spec, axis) for axis in (0, 1)], quarters(spec)
    cells, ranks = _cells(spec, around), _ranks(folds, around, False) or _ranks(folds, around, True)
    if cells is None or ranks is None:
        return None
    axes = [_axis(spec, axis, folds[axis], ranks.rank[axis]) for axis in (0, 1)]
    c0, c1 = spec.output.codes
    share = Fraction(c1 - c0, curve.segments)
    modulus = 1 << bits
    wraps = curve.closed and (c1 - c0) % modulus != 0
    steps_of = [share / spec.pitch(axis) for axis in (0, 1)]
    slope, nominal = [Factor.of(Fraction(0))] * CLASSES, [c0 + Fraction(1, 2)] * CLASSES
    for kind, axis, m, last in EDGES:
        # With one slope the C multiplies that of m = -1 by the code times -m.
        one = m > 0 and steps_of[0] == steps_of[1]
        slope[kind] = Factor.of(-steps_of[axis]).times(-1) if one else Factor.of(m * steps_of[axis])
        shift = axes[axis].below - axes[axis].above
        nominal[kind] += m * steps_of[axis] * (shift - spec.origin(axis)) + (c1 - c0 if last else 0)

    def made(constant: Sequence[Fraction]) -> Arithmetic:
        return Arithmetic(
            order=curve.order,
            axes=(axes[0], axes[1]),
            near=ranks.near,
            ties=ranks.ties,
            cells=cells,
            share=Factor.of(share),
            slope=tuple(slope),
            constant=tuple(Factor.of(Fraction(round(value * 65536), 65536)) for value in constant),
            wraps=wraps,
            start=c0 % modulus,
            seam=c1 % modulus if wraps else None,
        )

    x, y = np.meshgrid(np.arange(256), np.arange(256))
    wanted = ideal.codes % modulus
    first = made(nominal)
    found, k, code = first.place(x, y)
    whole, part = first.parts(found, k, code)
    total = (whole << 16) + part
    free = wanted == c0 % modulus if wraps else np.zeros_like(wanted, dtype=bool)
    constant = list(nominal)
    for kind in np.unique(found[~free]).tolist():
        # Every point of a class bounds its constant from both sides.
        sums, codes = (array[(found == kind) & ~free] for array in (total, wanted))
        near = round(nominal[kind] * 65536)
        floor = (sums + near) >> 16
        floor += (codes - floor + modulus // 2) % modulus - modulus // 2
        least = int(((floor << 16) - sums).max())
        most = int(((floor << 16) - sums).min()) + 65535
        constant[kind] = Fraction(min(max(near, least), most), 65536)
    arithmetic = made(constant)
    return arithmetic if np.array_equal(arithmetic.output(found, k, code, bits), wanted) else None


class _Registers:
    """Tables in whole vector registers, one after the other; small ones share a register, a quarter each.

    HVX looks up in registers whose words (of pairs) or half-words (of bytes) hold entry j below and entry j + half as
    many above.
    """

    def __init__(self, entries: int) -> None:
        self.size = 4 * entries
        self.rows: list[IntArray] = []
        self.free: list[tuple[int, int]] = []

    def small(self, table: IntArray) -> dict[str, object]:
        """A table of one lookup: its register and quarter, which the template takes."""
        for at, row in enumerate(self.rows):
            for quarter, entries in enumerate(row.reshape(4, -1)):
                if (at, quarter) not in self.free and np.array_equal(entries[: len(table)], table):
                    return {"at": at, "quarter": quarter}
        if not self.free:
            self.free = [(len(self.rows), quarter) for quarter in range(4)]
            self.rows.append(np.zeros(self.size, dtype=np.int64))
        at, quarter = self.free.pop(0)
        start = quarter * (self.size // 4)
        self.rows[at][start : start + len(table)] = table
        return {"at": at, "quarter": quarter}

    def large(self, table: IntArray) -> dict[str, object]:
        """A table of several lookups: its first register."""
        rows = np.concatenate([table, np.zeros(-len(table) % self.size, dtype=np.int64)]).reshape(-1, self.size)
        count = len(rows)
        for at in range(len(self.rows) - count + 1):
            if np.array_equal(self.rows[at : at + count], rows):
                return {"at": at, "quarter": None}
        self.rows += list(rows)
        return {"at": len(self.rows) - count, "quarter": None}

    @property
    def values(self) -> IntArray:
        """All registers in the order of their bytes."""
        return np.concatenate([row.reshape(2, -1).T.reshape(-1) for row in self.rows])


def _four(byte: int) -> str:
    return f"0x{byte * 0x01010101:08X}"


def _two(value: int) -> str:
    return f"0x{(value & 0xFFFF) * 0x00010001:08X}"


def _int16(value: int) -> int:
    """The value of -32768..32767 with the same low 16 bits."""
    return (value + 32768) % 65536 - 32768


def _tables(arithmetic: Arithmetic) -> tuple[IntArray, IntArray, dict[str, object]]:
    """(bytes, pairs, what the template needs to know of them)."""
    by_bytes, by_pairs, cells = _Registers(BYTES), _Registers(PAIRS), arithmetic.cells
    kinds: dict[str, set[int]] = {}
    found: dict[str, object] = {}

    def add(name: str, kind: str, table: IntArray) -> None:
        if len(table) <= BYTES:
            found[name] = by_bytes.small(table) | {"kind": kind}
            return
        # Groups of 32 without an entry but 0 need no lookup.
        groups = kinds.setdefault(kind, set())
        groups.update(at // BYTES for at in np.flatnonzero(table).tolist())
        found[name] = by_bytes.large(table) | {"kind": kind}

    for name, axis, near in zip("xy", arithmetic.axes, arithmetic.near, strict=True):
        add(f"rank_{name}", "rank", axis.rank)
        add(f"before_{name}", "side", axis.sides.before)
        if axis.sides.last is not None and axis.sides.after is not None:
            add(f"last_{name}", "side", axis.sides.last & 0xFF)
            add(f"after_{name}", "side", axis.sides.after)
        if arithmetic.far:
            add(f"near_{name}", "near", near)
    add("around", "cell", cells.around)
    if arithmetic.joined:
        add("vertex", "cell", cells.vertex | (cells.falls & (HORIZONTAL | VERTICAL)) << VERTEX_BITS)
    else:
        add("vertex", "cell", cells.vertex)
        add("falls", "cell", cells.falls)
    add("steps", "sides", steps(arithmetic.order) % 256)
    add("minus", "class", MINUS % 256)
    pairs = {"constant_whole": [factor.whole for factor in arithmetic.constant]}
    pairs["constant_high"] = [factor.high for factor in arithmetic.constant]
    if not arithmetic.one_slope:
        add("slope_low", "class", np.array([factor.low for factor in arithmetic.slope]) % 256)
        pairs["slope_whole"] = [factor.whole for factor in arithmetic.slope]
        pairs["slope_high"] = [factor.high for factor in arithmetic.slope]
    for name, values in pairs.items():
        found[name] = by_pairs.small(np.array(values) % 65536)
    functions = {kind: [(group // 4, group) for group in sorted(groups)] for kind, groups in kinds.items()}
    return by_bytes.values, by_pairs.values, {"at": found, "functions": functions}


def _parameters(arithmetic: Arithmetic, bits: int) -> dict[str, object]:
    """What templates/variants/hvx.c.j2 needs beside the tables: every constant as it stands in the C."""
    order, cells, falling = arithmetic.order, arithmetic.cells, arithmetic.slope[HORIZONTAL | HORIZONTAL << FALLING]
    sides_y = SIDES_Y[order]
    axes = {
        name: {
            "below": _four(axis.below) if axis.below else None,
            "above": _four(axis.above) if axis.above else None,
            "shift": axis.sides.shift,
            "block_mask": _four(0xFF >> axis.sides.shift) if axis.sides.shift in (1, 2) else None,
            "rank_mask": _four(len(axis.rank) - 1) if BYTES < len(axis.rank) < 256 else None,
            "changes": axis.sides.last is not None,
        }
        for name, axis in zip("xy", arithmetic.axes, strict=True)
    }
    return {
        "axes": axes,
        "order": order,
        "column_mask": _four((1 << order) - 1),
        # Up to order 3 the vertex's mask does as well, and takes no other register.
        "row_mask": _four((1 << VERTEX_BITS) - 1 if order <= 3 else 0xF0),
        "code_type": "Vb" if arithmetic.axes[0].low < 0 else "Vub",
        "sides_x": _four(sum(SIDES_X)),
        "sides_y": _four(sum(sides_y)),
        "ties": arithmetic.ties,
        "far": arithmetic.far,
        "far_horizontal": _four(cells.far_horizontal),
        "far_vertical": _four(cells.far_vertical),
        "first": _four(sum(SIDES_X) | cells.far_vertical),
        "second": _four(sum(sides_y) | cells.far_horizontal),
        "side_shift": SIDE_SHIFT[order],
        "horizontal": _four(HORIZONTAL),
        "vertical": _four(VERTICAL),
        "both": _four(HORIZONTAL | VERTICAL),
        "falling": FALLING,
        "joined": arithmetic.joined,
        "vertex_bits": VERTEX_BITS,
        "vertex_mask": _four((1 << VERTEX_BITS) - 1),
        "wraps": arithmetic.wraps,
        "wrap": _four(SEAM),
        "share_whole": _int16(arithmetic.share.whole),
        "share_high": _two(arithmetic.share.high),
        "share_low": _four(arithmetic.share.low & 0xFF),
        "fine": FINE,
        "one_slope": arithmetic.one_slope,
        # Codes are times -m.
        "slope_whole": _int16(falling.whole),
        "slope_high": _two(falling.high),
        "slope_low": _four(falling.low & 0xFF),
        "start": _int16(arithmetic.start),
        "out_mask": (1 << bits) - 1 if bits == 8 else -1,
        "seam": None if arithmetic.seam is None else str(arithmetic.seam if bits == 8 else _int16(arithmetic.seam)),
    }


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """Its own tables and parameters, beside the portable ones, which decode what is left of a block."""
    arithmetic = build(spec, ideal) if spec.dimensions == 2 else None
    if arithmetic is None:
        return None
    by_bytes, by_pairs, places_of = _tables(arithmetic)
    bits = INTEGER_TYPES[spec.output.dtype][0]

    def decode(x: IntArray, y: IntArray) -> IntArray:
        return as_output(spec, arithmetic.output(*arithmetic.place(x, y), bits))

    tables = (
        Table("hvx_bytes", "uint8", by_bytes, "tables by code, rank, cell and class, in vector registers"),
        Table("hvx_pairs", "uint16", by_pairs, "constants and slopes by class, in vector registers"),
    )
    return Implementation(
        tables=(*built.portable.tables, *tables),
        decode=decode,
        distance=built.portable.distance,
        params=_parameters(arithmetic, bits) | places_of,
    )


add(
    Variant(
        name="hvx",
        title="Hexagon vectors of 128 bytes, from v66 on",
        chosen="where the compiler has them",
        condition="defined(__HVX__) && defined(__HVX_LENGTH__) && defined(__HVX_ARCH__)",
        runs_on=lambda core: False,
        implement=implement,
        value="((__HVX_LENGTH__ == 128) && (__HVX_ARCH__ >= 66))",
        includes=("hexagon_types.h", "hvx_hexagon_protos.h"),
        table_attribute="HVX_ALIGNED",
    )
)
