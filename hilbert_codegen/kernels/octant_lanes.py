"""The tables of `octant` for eight 16-bit lanes at once (Helium): any scale up to order 3, in 6 to 8 KB, and no branch.

The nearest point lies on a part of the curve: a half segment, or a vertex that both segments leave. Three comparisons of
a number of x with a number of y tell which one in a quarter of a dual square (folding.py), as in line.py:

- first, gx > gy: between the own vertex's two segments, or the square's two far edges;
- second, gx > w(gy): a far horizontal edge is nearer than the own vertex;
- third, gy > w(gx): a far vertical edge is.

A word of `number_x` is a share of the quarter's number above a rank of x, one of `number_y` the same of y, and their sum
is the number with the third comparison as the carry into its lowest bit. The first and the second are the lower and the upper
bytes of `key_x` and `key_y`, which Helium compares all at once, adding to the bytes of the number where they hold. `nearest`
has the part by the number, a byte. Where ties run in circles that no order of the codes settles, equal codes have equal ranks, and
x >= y adds to the number once more: ties have entries of their own.

A result is base + mx gx + my gy as everywhere in octant.py, but 32-bit sums do not fit the lanes. So that
16 bits are enough, the results are taken apart: with span / segments = S / M in lowest terms, results before rounding
are multiples of 1 / D beyond what g adds, D the denominator of S / M, and

    floor(A + z) = floor((a + floor(z D)) / D),   A = a / D a vertex's result, z = +-g |S / M| + 1/2.

`line` holds floor(z D) by page (head and direction) and code, as quotient and remainder by D, the remainder in the
lowest bits; a part's `turn` holds the remainder of a, lifted so that the sum of both carries where it reaches D, and
its `base` holds the quotient. That is exact by construction, whatever the span. An entry of `turn` is, from the top,

    | phase | page | shift |          shift of the raw word x | y << 8 that brings the code to the top: 8 x, 0 y

and of a vertex the shift is one that leaves nothing of the word.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import Implementation, IntArray, Table, as_output
from hilbert_codegen.kernels.distances import BEYOND, FAR, NEAR, SLOTS, Distances
from hilbert_codegen.kernels.folding import (
    Folded,
    Item,
    Part,
    Quarters,
    other_vertex,
    own_vertex,
    places,
    tie_order,
)
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: What a byte has room for.
BYTE = 256
#: More half cells along an axis than at order 3 make more parts than a byte names.
MAX_HALVES = 14
#: A shift that leaves nothing of the raw word.
GONE = 16
#: Slots of distances.py, of x and y, by part as seen from the query's own quarter.
SLOTS_OF = {
    Part.VERTEX: (NEAR, NEAR),
    Part.VERTICAL: (NEAR, BEYOND),
    Part.HORIZONTAL: (BEYOND, NEAR),
    Part.FAR_VERTICAL: (FAR, BEYOND),
    Part.FAR_HORIZONTAL: (BEYOND, FAR),
}


class _NoFit(Exception):  # noqa: N818 - it says what happened
    """The fields of a word are too narrow."""


def _ranks(x: list[Item], y: list[Item], wanted: IntArray) -> tuple[IntArray, IntArray, bool]:
    """(rank of every code of x, of y, whether ties are apart), as low as what is `wanted` (of tie_order) lets them be.

    Where it matters, a rank of x exceeds one of y exactly where the comparison gives 1. Where no order settles the ties, ranks compare as
    the codes do, and are equal where these are.
    """
    order = tie_order(x, y, wanted)
    if order is None:
        items = {(which, item) for which, codes in enumerate((x, y)) for item in codes}
        keys = sorted({key for _, (_, key) in items})
        groups = [[entry for entry in items if entry[1][1] == key] for key in keys]
    else:
        groups = [[entry] for entry in order]
    asked = wanted >= 0
    # Of every class of x and of y, the highest rank so far.
    top = [np.full(count, -1) for count in asked.shape[::-1]]
    found: dict[tuple[int, Item], int] = {}
    for group in groups:
        least = [0]
        for which, (number, _) in group:
            before = int(top[1 - which][asked[:, number] if which == 0 else asked[number]].max(initial=-1))
            least.append(before + (which == 0 or order is None))
        for which, item in group:
            found[which, item] = top[which][item[0]] = max(least)
    return np.array([found[0, item] for item in x]), np.array([found[1, item] for item in y]), order is None


def _apart(number: IntArray, room: int, times: int) -> IntArray:
    """`number` with free values between its multiples of `room`, so that these lie `times` as far apart."""
    return np.asarray(number % room + times * room * (number // room))


@dataclass(frozen=True)
class _Numbers:
    """How quarters are numbered: by two bytes, to each of which Helium adds `step` where its comparison holds.

    The lower byte has the carry and the quarters of some rows, the upper one the block of rows; either has room for what is added.
    Where ties are apart there is a second comparison, which adds once more: always, for the upper byte.

    Attributes:
        halves: half cells of a row.
        outcomes: of the comparison of the lower bytes.
        step: what is added, even.
    """

    halves: int
    outcomes: int
    step: int

    @property
    def rows(self) -> int:
        """Rows of a block."""
        quarters_of_block = BYTE // (self.step * self.outcomes) * (self.step // 2)
        return min(quarters_of_block // self.halves, self.halves)

    @property
    def second(self) -> int:
        """What the comparison of the upper bytes adds to them."""
        return self.step * (self.outcomes - 1)

    def _lower(self, quarter: IntArray) -> IntArray:
        return 2 * _apart(quarter, self.step // 2, self.outcomes)

    def of_x(self, half: IntArray) -> IntArray:
        """The share of half cells of x."""
        return self._lower(half)

    def of_y(self, half: IntArray) -> IntArray:
        """The share of half cells of y."""
        row, block = half % self.rows, half // self.rows
        return self._lower(self.halves * row) + BYTE * _apart(block, self.second, 2)

    def fits(self, bits: int) -> bool:
        """Whether words of 16 bits have ranks of so many below."""
        return self.rows > 0 and int(self.of_y(np.arange(self.halves)).max()) + 1 << bits <= 1 << 16

    @classmethod
    def of(cls, halves: int, outcomes: int, bits: int) -> _Numbers:
        """Those with the fewest entries that fit; raises _NoFit."""
        # Shares of x and y add up, as a row has an even number of half cells.
        found = [one for one in (cls(halves, outcomes, step) for step in (2, 4)) if one.fits(bits)]
        if not found:
            raise _NoFit
        return min(found, key=lambda one: int(one.of_y(np.array(halves - 1))) + BYTE * one.second)


class _Words:
    """The words whose sum and whose comparison give the number of a quarter and of what is nearest in it; raises _NoFit.

    Attributes:
        ties: whether equal codes have equal ranks, as no order settles them.
        bits: of the ranks in the words of number_x and number_y.
        number_x, number_y, key_x, key_y: by raw bits.
    """

    def __init__(self, folds: list[Folded], around: Quarters) -> None:
        self.x, self.y = folds
        self.around = around
        *first, self.ties = _ranks(self.x.items, self.y.items, around.wanted)
        # A tie with the own vertex is the own vertex's.
        beside_row, beside_column = around.lone & around.far_horizontal, around.lone & around.far_vertical
        second_x, second_y, _ = _ranks(self.x.squares, self.y.bounds, np.where(beside_row, 0, -1))
        third_y, third_x, _ = _ranks(self.y.squares, self.x.bounds, np.where(beside_column, 0, -1).T)
        # Where ties are apart, the second comparison must be of no equals.
        self.key_x, self.key_y = 2 * second_x << 8 | first[0], 2 * second_y + 1 << 8 | first[1]
        if max(int(ranks.max()) for ranks in first) >= BYTE or max(self.key_x.max(), self.key_y.max()) >> 16:
            raise _NoFit
        self.bits = bits = max(int(max(third_x.max(), third_y.max())).bit_length(), 1)
        self.numbers = numbers = _Numbers.of(len(around.lone), 3 if self.ties else 2, bits)
        self.number_x = (numbers.of_x(self.x.half) << bits) + (1 << bits) - 1 - third_x
        self.number_y = (numbers.of_y(self.y.half) << bits) + third_y

    def number(self, x: IntArray, y: IntArray) -> IntArray:
        """Number of the entry of `nearest`, by raw bits x and y."""
        numbers, one, other = self.numbers, self.key_x[x], self.key_y[y]
        number = (self.number_x[x] + self.number_y[y]) >> self.bits
        for left, right, unit in ((one & 0xFF, other & 0xFF, 1), (one >> 8, other >> 8, BYTE)):
            number = number + numbers.step * unit * (left > right)
            number = number + numbers.step * unit * (self.ties & (left >= right))
        return np.asarray(number)

    def outcomes(self, hx: int, hy: int) -> list[tuple[int, Part]]:
        """(number, what is nearest) for all that the comparisons can give in a quarter."""
        numbers, around = self.numbers, self.around
        start = int(numbers.of_x(np.array(hx)) + numbers.of_y(np.array(hy)))
        found = []
        for first in range(3 if self.ties else 2):
            right = first == 2 or (first == 1 and (not self.ties or around.wanted[hy, hx] == 1))
            for near in range(4):
                number = start + (near & 1) + numbers.step * first + BYTE * numbers.second * (near >> 1)
                found.append((number, around.nearest(hx, hy, right, near >> 1 == 1, near & 1 == 1)))
        return found


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


class _Results:
    """What goes to `line`, `base` and `turn`, by part; raises _NoFit."""

    def __init__(self, spec: Spec, folds: list[Folded]) -> None:
        c0, c1 = spec.output.codes
        self.unit = Fraction(abs(c1 - c0), spec.curve.segments)
        self.start, self.step = c0, Fraction(c1 - c0, spec.curve.segments)
        self.segments, self.count = spec.curve.segments, len(spec.curve.points)
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
        self.line, self.page = _pages(rows)
        self.phase_at = 8 + max(self.page).bit_length()
        # What is above the phase is added as well.
        if self.phase_at + self.shift > 16 or int(self.line.max()) + (1 << self.shift) > 1 << 16:
            raise _NoFit
        self.place = places(spec)

    def value(self, turn: IntArray, code: IntArray) -> IntArray:
        """What is added to the base; without a fraction there is no phase."""
        page = turn & (1 << self.phase_at) - BYTE
        phase = turn >> self.phase_at if self.shift else 0
        return np.asarray((self.line[page | code] + phase) >> self.shift)

    def _vertex(self, vertex: int) -> tuple[int, int]:
        """(quotient, remainder) of the numerator of a vertex's result."""
        exact = (self.start + vertex * self.step) * self.denominator
        assert exact.denominator == 1
        return divmod(exact.numerator, self.denominator)

    def _edge(self, axis: int, vertex: int, towards: int) -> tuple[int, int]:
        """(base, turn) of the half segment that runs along `axis` from one vertex towards another."""
        forth = (towards - vertex) % self.count == 1
        page = 2 * axis + (forth != (self.sign > 0))
        # Back from the first vertex of a closed curve lies its end.
        whole, part = self._vertex(vertex if vertex or forth else self.segments)
        phase = part + (1 << self.shift) - self.denominator
        return (whole - self.lift[page]) & 0xFFFF, phase << self.phase_at | self.page[page] << 8 | 8 * (axis == 0)

    def of(self, hx: int, hy: int, part: Part) -> tuple[int, int]:
        """(base, turn) of a part seen from a quarter."""
        place = self.place
        ox, oy, nx, ny = own_vertex(hx), own_vertex(hy), other_vertex(hx), other_vertex(hy)
        if part is Part.VERTEX:
            nearest = (self.start + int(place[oy, ox]) * self.step + Fraction(1, 2)).__floor__()
            return (nearest - int(self.value(np.array(GONE), np.array(0)))) & 0xFFFF, GONE
        x = nx if part is Part.FAR_VERTICAL else ox
        y = ny if part is Part.FAR_HORIZONTAL else oy
        upright = part in (Part.VERTICAL, Part.FAR_VERTICAL)
        towards = place[ny, x] if upright else place[y, nx]
        return self._edge(int(upright), int(place[y, x]), int(towards))


def _parts(words: _Words, results: _Results, distance: bool) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """(what is nearest by number, base, turn, slots by part); parts differ in any of the three, in slots only where distances matter."""
    known: dict[tuple[int, int, int], int] = {}
    numbered: dict[int, int] = {}
    for hy, hx in np.ndindex(words.around.lone.shape):
        for number, part in words.outcomes(hx, hy):
            slot_x, slot_y = SLOTS_OF[part] if distance else (NEAR, NEAR)
            entry = (*results.of(hx, hy, part), (SLOTS + slot_y) << 8 | slot_x)
            numbered[number] = known.setdefault(entry, len(known))
    nearest = np.zeros(max(numbered) + 1, dtype=np.int64)
    nearest[list(numbered)] = list(numbered.values())
    base, turn, slots = np.array(list(known), dtype=np.int64).T
    return nearest, base, turn, slots


class Lanes:
    """The tables and the model for one specification.

    Attributes:
        tables: those of the value, and `slots` where distances are wanted.
    """

    def __init__(self, spec: Spec, folds: list[Folded], around: Quarters, distance: bool) -> None:
        """Raises _NoFit."""
        self.spec = spec
        self.words, self.results = _Words(folds, around), _Results(spec, folds)
        self.nearest, self.base, self.turn, self.slots = _parts(self.words, self.results, distance)
        if len(self.base) > BYTE:
            raise _NoFit
        words, by_x, by_y = self.words, "by the raw bits of x", "by the raw bits of y"
        share, keys = (
            f"share of the quarter's number << {words.bits} | rank",
            "two bytes to compare with those of",
        )
        self.tables: tuple[Table, ...] = (
            Table("number_x", "uint16", words.number_x, f"{share}, {by_x}"),
            Table("number_y", "uint16", words.number_y, f"{share}, {by_y}"),
            Table("key_x", "uint16", words.key_x, f"{keys} key_y, {by_x}"),
            Table("key_y", "uint16", words.key_y, f"{keys} key_x, {by_y}"),
            Table("nearest", "uint8", self.nearest, "half segment or vertex, by what was compared"),
            Table("base", "uint16", self.base, "whole part of the result at the vertex of each part"),
            Table("turn", "uint16", self.turn, "phase, page and shift of each part"),
            Table("line", "uint16", self.results.line, "what a code adds to the result, by page"),
        )
        if distance:
            meaning = "slot of the term of y << 8 | slot of that of x, by part"
            self.tables += (Table("slots", "uint16", self.slots, meaning),)

    @property
    def table_bytes(self) -> int:
        """Bytes of its tables in flash."""
        return sum(table.nbytes for table in self.tables)

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes of raw bits, by the steps of templates/variants/mve/octant.c.j2."""
        part = self.nearest[self.words.number(x, y)]
        turn = self.turn[part]
        code = ((x | y << 8) << (turn & 0xFF) & 0xFFFF) >> 8
        return as_output(self.spec, self.base[part] + self.results.value(turn, code))

    def slots_of(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        """Slots of the terms of raw bits x and y (distances.py)."""
        slots = self.slots[self.nearest[self.words.number(x, y)]]
        return slots & 0xFF, (slots >> 8) - SLOTS

    def implementation(self, away: Distances | None = None) -> Implementation:
        """All that C needs, with the distances `away`, whose terms must be narrow, if there are."""
        words, results = self.words, self.results
        params = {
            "bits": words.bits,
            "ties": words.ties,
            "step": f"{words.numbers.step}U",
            "second": f"0x{BYTE * words.numbers.second:04X}U",
            "phase_at": results.phase_at,
            "above": f"0x{0xFFFF << results.phase_at & 0xFF00:04X}U",
            "page": f"0x{(1 << results.phase_at) - BYTE:04X}U",
            "fraction": results.shift,
        }
        code = Implementation(self.tables, self.decode, params=params)
        return code if away is None else away.beside(code, self.slots_of)


def lanes(spec: Spec, folds: list[Folded], around: Quarters, codes: IntArray, distance: bool = False) -> Lanes | None:
    """Tables and model in lanes of 16 bits, or None where results or fields do not fit those, or ties are not all told apart.

    Args:
        spec: 8-bit heads.
        folds, around: of folding.py.
        codes: the exact results, [y, x] by raw bits.
        distance: whether parts tell their slots as well.
    """
    if INTEGER_TYPES[spec.output.dtype][0] > 16 or len(around.lone) > MAX_HALVES:
        return None
    try:
        found = Lanes(spec, folds, around, distance)
    except _NoFit:
        return None
    # On a closed curve results may be rounded to its end, to be given as its start: no line leads there. On a few of them a
    # code lies on many ties at once, too, of which the comparisons settle some the wrong way.
    y, x = np.divmod(np.arange(codes.size), BYTE)
    return found if np.array_equal(found.decode(x, y), codes.reshape(-1)) else None
