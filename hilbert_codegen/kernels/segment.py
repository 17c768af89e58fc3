"""`segment`: the results stored by segment and axis code, and found by one comparison. Any scale, inset, zero point.

Wherever a query is, its result depends on one of its two codes only, or on none, or (near a vertex that both segments
leave, in the corner zone of folding.py) on a few of both. So all results fit in rows: one row for every half segment
and the codes that can fall on it. What remains is to tell the row. An entry of `column` holds, of an x code,

    31                                        0
    | class sum | comparison | x label | y label |

the same fields of a y code are in `row`, and the sum of the two words is all that is needed: the classes (half cell and
zone) add up to the number of an entry of `pick`, the comparison field carries into the lowest bit of it when x exceeds
y in the order that decides between two segments, and the labels stay side by side. The entry of `pick` is at once a
rotation, which brings the label that matters, or a window over parts of both, to the top, and a place in `result`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.folding import Folded, Item, Quarters, fold, quarters, tie_ranks
from hilbert_codegen.spec.specification import Spec

WORD = 32
#: Entries of `pick` are rotations in their low bits: rows start at a multiple of this, plus the rotation.
GRAIN = 32
#: More entries of `pick` than this, and the tables come near the full one, which is faster.
MAX_ENTRIES = 1 << 14


def _bits(count: int) -> int:
    """Bits that number `count` things."""
    return max(count - 1, 0).bit_length()


@dataclass(frozen=True)
class Axis:
    """The codes of one head sorted into classes; arrays run over raw bits.

    Attributes:
        half: half cell of each class.
        zone: whether each class is the corner zone of its half cell.
        of: class of each code.
        key: what the comparison compares: g^2, in the corner zone 1 - 2 g, the square of w(g).
        label: number of the code within its class, counted along the axis.
        start: how many distinct queries lie before the first one of each class.
    """

    half: IntArray
    zone: NDArray[np.bool_]
    of: IntArray
    key: tuple[Fraction, ...]
    label: IntArray
    start: IntArray

    @property
    def items(self) -> list[Item]:
        """Class and key of each code."""
        return list(zip(self.of.tolist(), self.key, strict=True))

    def size(self, number: int) -> int:
        """Distinct queries in class `number`."""
        return int(self.label[self.of == number].max()) + 1

    @property
    def corner_bits(self) -> int:
        """Bits that number the queries of a corner zone."""
        return max((_bits(self.size(n)) for n in np.flatnonzero(self.zone).tolist()), default=0)

    def shift(self, window: int) -> IntArray:
        """First label of the class of each code: rows of results of neighbouring classes then lie end to end."""
        sizes = np.array([self.size(number) for number in range(len(self.half))])
        room = np.minimum((1 << window) - sizes + 1, GRAIN)
        return np.asarray((self.start % room)[self.of])


def _axis(folded: Folded, split: bool) -> Axis:
    corner = folded.corner & split
    both, of = np.unique(2 * folded.half + corner, return_inverse=True)
    key = tuple(1 - 2 * g if c else g * g for g, c in zip(folded.offset, corner.tolist(), strict=True))
    # Codes clamped to the grid are one query: they share a label.
    queries = sorted(set(folded.place))
    number = {place: index for index, place in enumerate(queries)}
    position = np.array([number[place] for place in folded.place])
    start = np.array([position[of == index].min() for index in range(len(both))])
    return Axis(both // 2, both % 2 == 1, of, key, position - start[of], start)


def _wanted(x: Axis, y: Axis, around: Quarters) -> IntArray:
    """What the comparison must give where x and y tie, by class [y, x]: 1, 0, or -1 where it does not matter."""
    at = np.ix_(y.half, x.half)
    xz, yz = x.zone[None, :], y.zone[:, None]
    first = around.vertical_first[at]
    wanted = np.full(first.shape, -1, dtype=np.int64)
    contested = around.contested[at]
    # Outside the corner zones x greater means the horizontal segment; in both corner zones w turns the order round.
    wanted[contested & ~xz & ~yz] = ~first[contested & ~xz & ~yz]
    wanted[contested & xz & yz] = first[contested & xz & yz]
    lone = around.lone[at]
    # A tie with the own vertex is the own vertex's.
    wanted[lone & ~xz & yz] = 0
    wanted[lone & xz & ~yz] = 1
    return wanted


def _equal_ranks(x: Axis, y: Axis) -> tuple[IntArray, IntArray]:
    """Ranks that compare as the keys do, ties as equal."""
    in_x, in_y = set(x.key), set(y.key)
    rank = 0
    found: dict[Fraction, int] = {}
    run = ""
    for key in sorted(in_x | in_y):
        kind = "xy" if key in in_x and key in in_y else "x" if key in in_x else "y"
        # Neighbours of one axis alone need not be told apart.
        rank += kind != run or kind == "xy"
        run = kind
        found[key] = rank
    return np.array([found[key] - 1 for key in x.key]), np.array([found[key] - 1 for key in y.key])


def _rotated(word: IntArray, amount: IntArray | int) -> IntArray:
    """`word` turned right by the low five bits of `amount`."""
    amount = np.asarray(amount) % WORD
    return np.asarray(((word >> amount) | (word << (WORD - amount))) & 0xFFFFFFFF)


@dataclass(frozen=True)
class Demand:
    """One entry of `pick`: the rotation it needs, and value by place in the window."""

    rotation: int
    places: tuple[int, ...]
    values: tuple[int, ...]


def _functions(
    entry: IntArray, place: IntArray, codes: IntArray
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Entries whose codes are a function of the place: (entry, places, codes), places rising."""
    order = np.lexsort((codes, place, entry))
    triples = np.stack([entry[order], place[order], codes[order]], axis=1)
    triples = triples[np.flatnonzero((np.diff(triples, axis=0, prepend=-1) != 0).any(axis=1))]
    clash = np.flatnonzero((np.diff(triples[:, :2], axis=0) == 0).all(axis=1))
    fine = triples[~np.isin(triples[:, 0], triples[clash, 0])]
    for group in np.split(fine, np.flatnonzero(np.diff(fine[:, 0])) + 1):
        if len(group):
            yield int(group[0, 0]), tuple(group[:, 1].tolist()), tuple(group[:, 2].tolist())


def _demands(
    codes: IntArray, total: IntArray, entry: IntArray, rotations: Sequence[int], window: int
) -> dict[int, Demand]:
    """Entry -> the first rotation whose window tells all pairs of the entry that differ, with their results."""
    demands: dict[int, Demand] = {}
    for rotation in rotations:
        place = _rotated(total, rotation) >> (WORD - window)
        for number, places, values in _functions(entry, place, codes):
            demands.setdefault(number, Demand(rotation % GRAIN, places, values))
    if len(demands) < len(np.unique(entry)):
        raise Refused("a result depends on more of both codes than a window holds")
    return demands


def _pack(demands: Sequence[Demand], window: int) -> tuple[IntArray, list[int]]:
    """Lay the rows of results over one another in one array where their places are free or agree.

    Returns the array (unused places hold 0) and the start of each row, which is its rotation modulo GRAIN.
    """
    capacity = 1 << 16
    values = np.zeros(capacity + (1 << window), dtype=np.int64)
    used = np.zeros(len(values), dtype=bool)
    starts = [0] * len(demands)
    end = 0
    for number in sorted(range(len(demands)), key=lambda n: (-len(demands[n].places), demands[n].rotation, n)):
        demand = demands[number]
        places, wanted = np.array(demand.places), np.array(demand.values)
        candidates = np.arange(demand.rotation, end + 2 * GRAIN + GRAIN, GRAIN)
        at = candidates[:, None] + places[None, :]
        at = np.minimum(at, len(values) - 1)
        taken = used[at]
        fits = np.flatnonzero((~taken | (values[at] == wanted)).all(axis=1))
        # Where most of the row is there already, then as low as can be.
        start = int(candidates[fits[np.argmax(taken[fits].sum(axis=1))]])
        if start >= capacity:
            raise Refused("the results do not fit 16-bit places")
        values[start + places] = wanted
        used[start + places] = True
        starts[number] = start
        end = max(end, int(start + places.max()) + 1)
    return values[:end], starts


@dataclass(frozen=True)
class Words:
    """The words of all codes, and where the fields lie in them.

    Attributes:
        column, row: words by the raw bits of an x code, of a y code.
        strict: whether the comparison has two outcomes; with ties that no order settles it has three.
        entries: numbers that entries of `pick` can have.
        carry: bits below the number of an entry.
        unit: lowest bit of the comparison field.
        window: bits of the label of x, and of what a place in `result` is told by.
        low: bits of the label of y.
        rotations: what can bring a label to the top.
    """

    column: IntArray
    row: IntArray
    strict: bool
    entries: int
    carry: int
    unit: int
    window: int
    low: int
    rotations: tuple[int, ...]

    @classmethod
    def of(cls, spec: Spec) -> Words:
        """Raises Refused where the fields do not fit one word."""
        around = quarters(spec)
        folds = [fold(spec, axis) for axis in (0, 1)]
        reached = np.ix_(np.unique(folds[1].half), np.unique(folds[0].half))
        split = bool(around.lone[reached].any())
        head_x, head_y = (_axis(folded, split) for folded in folds)
        ranks = tie_ranks(head_x.items, head_y.items, _wanted(head_x, head_y, around))
        strict = ranks is not None
        rank_x, rank_y = ranks if ranks is not None else _equal_ranks(head_x, head_y)
        # Three outcomes need four entries a pair of classes.
        entries = (2 if strict else 4) * len(head_x.half) * len(head_y.half)
        if entries > MAX_ENTRIES:
            raise Refused(f"it would pick from {entries} pairs of half cells, against the full table's 65536 results")
        index = _bits(entries) - (0 if strict else 1)
        compare = max(_bits(int(max(rank_x.max(), rank_y.max())) + 1), 1)
        corner_x, corner_y = (axis.corner_bits for axis in (head_x, head_y))
        window, low = _widths(head_x, head_y, WORD - index - compare, index + compare)
        label_x = head_x.label + head_x.shift(window)
        beside = 1 << (low - corner_y)
        in_corner = head_y.label * beside + (head_y.label + head_y.start[head_y.of]) % beside
        label_y = np.where(head_y.zone[head_y.of], in_corner, head_y.label + head_y.shift(low))
        carry = WORD - index
        unit = 1 << (carry - compare)
        column = ((head_x.of * 2) << carry) + rank_x * unit + (label_x << low)
        row = ((head_y.of * len(head_x.half) * 2) << carry) + ((1 << compare) - 1 - rank_y) * unit + label_y
        rotations = (0, low + window, low, low + corner_x)
        return cls(column, row, strict, entries, carry, unit, window, low, rotations)

    def sums(self, x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        """(sum of the words of raw bits x and y, number of the entry of `pick`)."""
        total = self.column[x] + self.row[y]
        entry = total >> self.carry
        if not self.strict:
            entry = entry + ((total + self.unit) >> self.carry)
        return total, entry


def _widths(x: Axis, y: Axis, room: int, others: int) -> tuple[int, int]:
    """(bits of a window and of the label of x, bits of the label of y) in `room` bits beside `others`."""
    plain_y = max(_bits(y.size(n)) for n in range(len(y.half)) if not y.zone[n])
    wide_x = max(_bits(x.size(n)) for n in range(len(x.half)))
    window = max(1, x.corner_bits + y.corner_bits, plain_y, wide_x)
    low = max(1, y.corner_bits, plain_y)
    if window + low > room:
        raise Refused(f"its fields take {others + window + low} of {WORD} bits: too many codes a cell")
    # Spare bits let labels start anywhere, so that rows of results that start apart can lie end to end.
    window = min(room - low, max(window, _bits(2 * GRAIN)))
    return window, min(room - window, max(low, _bits(2 * GRAIN)), window)


class Rows:
    """The results in rows: `pick` by the number of an entry, `results` by place.

    Attributes:
        words: the words that lead there.
        demands: by the number of an entry.
        pick: places of rows in `results`, whose low five bits are a rotation.
        results: output codes.
    """

    def __init__(self, words: Words, codes: IntArray) -> None:
        """`codes` are the exact results by raw word x | y << 8; raises Refused where they do not fit."""
        bits_y, bits_x = np.divmod(np.arange(1 << 16), 256)
        self.words = words
        self.demands = _demands(codes, *words.sums(bits_x, bits_y), words.rotations, words.window)
        distinct = sorted(set(self.demands.values()), key=lambda d: (d.rotation, d.places, d.values))
        self.results, starts = _pack(distinct, words.window)
        start_of = dict(zip(distinct, starts, strict=True))
        self.pick = np.zeros(max(self.demands) + 1, dtype=np.int64)
        for number, demand in self.demands.items():
            self.pick[number] = start_of[demand]

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes by the steps of templates/kernels/segment.c.j2."""
        total, entry = self.words.sums(x, y)
        start = self.pick[entry]
        return np.asarray(self.results[start + (_rotated(total, start) >> (WORD - self.words.window))])

    def tables(self) -> list[Table]:
        """What leads to a place in `result`."""
        column_meaning, row_meaning = (
            f"class, rank and label of {head} code by its raw bits" for head in ("an x", "a y")
        )
        pick_meaning = "place of a row in result; its low five bits rotate the label to the top"
        return [
            Table("column", "uint32", self.words.column, column_meaning, 8),
            Table("row", "uint32", self.words.row, row_meaning, 8),
            Table("pick", "uint16", self.pick, pick_meaning),
        ]

    def params(self) -> dict[str, object]:
        """Constants for the templates."""
        words = self.words
        return {
            "carry": words.carry,
            "window_shift": WORD - words.window,
            "strict": words.strict,
            "lane_shift": words.carry - 16,
            "unit_low": f"{words.unit & 0xFFFF}U",
            "unit_high": f"{words.unit >> 16}U",
            "mask": f"{(1 << words.window) - 1}U",
            "unit": f"0x{words.unit:08X}U",
        }


class Joined:
    """The same for cores with few registers: the results behind `pick`, in one table. Two outcomes only.

    Attributes:
        places: entries of `pick`, moved, and the results.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        # The lowest five bits remain a rotation.
        before = -(-len(rows.pick) // GRAIN) * GRAIN
        self.places = np.zeros(before + len(rows.results), dtype=np.int64)
        self.places[: len(rows.pick)] = rows.pick + before
        self.places[before:] = rows.results % (1 << 16)

    @property
    def suits(self) -> bool:
        """Whether places need no more than their 16 bits, and the comparison is a carry."""
        return self.rows.words.strict and int(self.places.max()) < 1 << 16 and len(self.places) <= 1 << 16

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Raw bits of output codes by the steps of templates/variants/thumb1/segment.c.j2."""
        total, entry = self.rows.words.sums(x, y)
        start = self.places[entry]
        return np.asarray(self.places[start + (_rotated(total, start) >> (WORD - self.rows.words.window))])

    def table(self) -> Table:
        """What the words lead to."""
        meaning = "places of rows of results, whose low five bits rotate the label to the top; then the results"
        return Table("places", "uint16", self.places, meaning)


class Lanes:
    """The same for lanes of 16 bits: halves of the words, and for a rotation a shift of the lower half, where the labels are.

    Attributes:
        places: places of rows in `results`, by the number of an entry.
        turns: shifts that bring the label to the bottom, left where positive.
    """

    def __init__(self, rows: Rows) -> None:
        """The fields of the words must suit (see `suits`). Raises Refused where a result depends on what is above the labels."""
        self.rows = rows
        if any(demand.rotation == 0 and len(set(demand.values)) > 1 for demand in rows.demands.values()):
            raise Refused("a label takes more than the lower half of a sum")
        # A constant needs no label: its place is moved to where it lies, and its shift leaves nothing.
        constants = {number: demand.places[0] for number, demand in rows.demands.items() if demand.rotation == 0}
        constant = np.array(list(constants), dtype=np.int64)
        self.places, self.turns = rows.pick.copy(), rows.words.window - rows.pick % GRAIN
        self.places[constant] += np.array(list(constants.values()), dtype=np.int64)
        self.turns[constant] = -16

    @staticmethod
    def suits(words: Words) -> bool:
        """Whether both labels lie in the lower halves of the words, equally wide."""
        return words.low == words.window and 2 * words.window <= 16 < words.carry

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes by the steps of templates/variants/mve/segment.c.j2."""
        total, entry = self.rows.words.sums(x, y)
        turn = self.turns[entry]
        label = np.where(turn > 0, total << np.maximum(turn, 0), (total & 0xFFFF) >> np.maximum(-turn, 0))
        return np.asarray(self.rows.results[self.places[entry] + (label & ((1 << self.rows.words.window) - 1))])

    def tables(self) -> list[Table]:
        """What leads to a place in `result`."""
        halves = []
        for name, head, word in (("column", "x", self.rows.words.column), ("row", "y", self.rows.words.row)):
            for half, values in (("low", word & 0xFFFF), ("high", word >> 16)):
                meaning = f"{half} half of the word of an {head} code by its raw bits"
                halves.append(Table(f"{name}_{half}", "uint16", values, meaning))
        meaning = "shift that brings the label of the same entry to the bottom, left where positive"
        return [
            *halves,
            Table("place", "uint16", self.places, "place of a row in result, by the top of a sum"),
            Table("turn", "int8", self.turns, meaning, 24),
        ]


class Segment:
    """About twelve instructions per point on Cortex-M3 and M4, constant time; 6 to 14 KB at orders 2 and 3.

    On the cell grid, where ties need a comparison with three outcomes, two instructions and some KB more.
    """

    name = "segment"
    summary = "results by segment and axis code; any scale, inset and zero point"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, other estimators, distances, and where the fields do not fit one word."""
        if spec.heads.bits != 8:
            raise Refused("tables by axis code are for 8-bit heads")
        if spec.estimator.kind != "nearest":
            raise Refused(f"the estimator {spec.estimator.kind} depends on both codes nearly everywhere")
        if distance:
            raise Refused("rows of results hold no distances; octant has them at any scale")
        rows = Rows(Words.of(spec), ideal.codes.reshape(-1))
        result = Table("result", spec.output.dtype, rows.results, "decoded codes by half segment and label")

        def lanes() -> Implementation:
            if not Lanes.suits(rows.words):
                raise Refused("its words do not divide into halves of 16 bits")
            narrow = Lanes(rows)
            return Implementation((*narrow.tables(), result), narrow.decode, params=rows.params())

        def joined() -> Implementation:
            found = Joined(rows)
            if not found.suits:
                raise Refused(
                    "its places take more than 16 bits"
                    if rows.words.strict
                    else "its ties are no carry, but a third outcome"
                )

            def decode(x: IntArray, y: IntArray) -> IntArray:
                return as_output(spec, found.decode(x, y))

            return Implementation((*tables[:2], found.table()), decode, params=rows.params())

        tables = rows.tables()
        return Built(
            strategy=self.name,
            portable=Implementation((*tables, result), rows.decode, params=rows.params()),
            note="Results by half segment and axis code, the segment found by one comparison: constant time.",
            kind="" if rows.words.strict else "ties",
            offers={"mve": lanes, "thumb1": joined},
        )


STRATEGIES.add(Segment.name, Segment())
