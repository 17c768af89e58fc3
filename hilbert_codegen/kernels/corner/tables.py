"""How the tables of `corner` are made: distances, bases and records, and the units of both comparisons of savings.

A scale of few decimal digits is a binary number close to it. Distances that would be equal with the decimal one then
differ by some 2^-55. So positions are taken apart into those of a simple fraction near the true step from code to code,
and the small rest times the code: where savings are equal by the former, the latter's terms of first order decide, and
of second where those are equal, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused, Table, smallest_unsigned
from hilbert_codegen.kernels.corner.apart import chosen
from hilbert_codegen.kernels.corner.geometry import LAST, MOST_BOXES, ZONE, Item, Lists, Parts, asked, gates_of, united
from hilbert_codegen.kernels.corner.layout import NARROW, Fields, Kind, Layout
from hilbert_codegen.kernels.corner.slots import slots_of, tables_of
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: More fractional bits of a result than this gain nothing.
MOST_SHIFT = 12
#: Cells are at most 2^WIDE units long where 32 bits are not enough.
WIDE = 30
#: Denominators of a simple step that stands for the true one, and how near it must be.
SIMPLE, NEAR = 1 << 24, Fraction(1, 1 << 46)
#: Bits of a distance up to half a cell in the comparison with 32 bits.
ROUGH = 13
#: Records that a byte has numbers for; and from how many half segments of other corners for a point on lists of boxes are worth more.
NUMBERS, OFTEN = 256, 0.25
#: Rounds in which distances are adjusted to the results at most.
ROUNDS = 400
#: Bytes of tables that lists which stay apart may make: with the code some 12,000.
BYTES = 10200


@dataclass(frozen=True)
class _Scale:
    """g of all codes in units of the result, and the bases that go with it: whole numbers that make every result right.

    With the result of half segment h at distance g wanted to be w, lo = w << shift and hi = lo + (1 << shift) - 1,

        lo <= base[h] + sign * g <= hi,     and equal distances are equal, greater ones greater.

    Attributes:
        shift: fractional bits of a result.
        unit: a cell in units of the result, 2^-shift of them.
        sign: (halves,) 1 or -1.
        g: (heads, 256) see above.
        base: (halves,) see above.
        zone: the least g of one above 3/8, or somewhat less: a number of 8 bits and zeros behind them.
    """

    shift: int
    unit: Fraction
    sign: IntArray
    g: IntArray
    base: IntArray
    zone: int


class _Bounds:
    """Exact distances in their order, and for every half segment the results that are wanted at some of them."""

    def __init__(self, geometry: Parts, shift: int) -> None:
        c0, c1 = geometry.spec.output.codes
        self.geometry, self.shift = geometry, shift
        self.unit = Fraction(abs(c1 - c0) << shift, geometry.spec.curve.segments)
        self.exact = sorted({g for axis in geometry.offset for g in axis} | {Fraction(0)})
        index = {g: i for i, g in enumerate(self.exact)}
        self.at = [np.array([index[g] for g in axis]) for axis in geometry.offset]
        self.sign = np.where(geometry.forth == (c1 > c0), 1, -1)

    def of(self, h: int) -> tuple[IntArray, IntArray]:
        """Indices of the distances that occur along half segment `h`, and the least number that gives each result."""
        geometry = self.geometry
        a = int(geometry.heads.axis[h])
        cell = 2 * int(geometry.at[h, a]) - (int(geometry.step[h, a]) < 0)
        codes = np.flatnonzero(geometry.half[a] == cell)
        return self.at[a][codes], wanted(geometry, h, codes) << self.shift

    def scale(self, g: IntArray, base: IntArray) -> _Scale:
        """The scale of those."""
        beyond = [int(value) for value, distance in zip(g, self.exact, strict=True) if distance > ZONE]
        first = min(beyond, default=int(g.max()) + 1)
        drop = max(0, first.bit_length() - 8)
        places = np.stack([g[at] for at in self.at])
        return _Scale(self.shift, self.unit, self.sign, places, base, first >> drop << drop)


def _level(geometry: Parts, shift: int) -> _Scale:
    """A scale in which both half segments of a vertex have one base, near its exact value. Raises Refused.

    Every distance has its bounds then, and takes the number nearest to the exact one that keeps to them. Bases are the
    exact values, rounded up. As long as that leaves a distance without a number, one of those whose results set it the two
    bounds that contradict each other moves its base by one: that which has been moved least.
    """
    bounds = _Bounds(geometry, shift)
    c0, c1 = geometry.spec.output.codes
    vertex = geometry.vertex.astype(np.int64)
    if geometry.spec.curve.closed:
        vertex = np.where((vertex > 0) | geometry.forth, vertex, geometry.spec.curve.segments)
    steps = [Fraction((c1 - c0) * v, geometry.spec.curve.segments) for v in range(geometry.spec.curve.segments + 1)]
    base = np.array([math.ceil((c0 + step + Fraction(1, 2)) * (1 << shift)) for step in steps])
    parts = [bounds.of(h) for h in range(len(vertex))]
    half = np.repeat(np.arange(len(vertex)), [len(at) for at, _ in parts])
    at, low = (np.concatenate(part) for part in zip(*parts, strict=True))
    high, sign, of = low + (1 << shift) - 1, bounds.sign[half], vertex[half]
    ahead = np.arange(len(bounds.exact))
    moved, moves = 0 * base, 0 * base
    for _ in range(ROUNDS):
        own = (base + moved)[of]
        lower, upper = np.where(sign > 0, (low - own, high - own), (own - high, own - low))
        least, most = 0 * ahead, (1 << 40) * (ahead > 0)
        np.maximum.at(least, at, lower)
        np.minimum.at(most, at, upper)
        # Each is less than the next one, whose bounds count, too.
        first, last = least, most
        least = np.maximum.accumulate(least - ahead) + ahead
        most = np.minimum.accumulate((most - ahead)[::-1])[::-1] + ahead
        none = np.flatnonzero(least > most)
        if not len(none):
            break
        # Where the bounds come from that leave the first of those none.
        below = int(np.flatnonzero((least == first)[: none[0] + 1])[-1])
        above = int(none[0] + np.flatnonzero((most == last)[none[0] :])[0])
        ways = {(int(of[i]), int(sign[i])) for i in np.flatnonzero((at == below) & (lower == first[below]))}
        ways |= {(int(of[i]), -int(sign[i])) for i in np.flatnonzero((at == above) & (upper == last[above]))}
        if not ways:
            break
        which, way = min(ways, key=lambda one: (4 * abs(int(moved[one[0]]) + one[1]) + int(moves[one[0]]), one))
        moved[which] += way
        moves[which] += 1
    found, before = [], -1
    for exact, lowest, highest in zip(bounds.exact, least.tolist(), most.tolist(), strict=True):
        value = max(min(math.floor(exact * bounds.unit + Fraction(1, 2)), highest), lowest, before + 1)
        if value > highest or (value != 0 and exact == 0):
            raise Refused("a result is a closer call than its fractional bits settle")
        found.append(value)
        before = value
    return bounds.scale(np.array(found, dtype=np.int64), (base + moved)[vertex])


def _loose(geometry: Parts, shift: int) -> _Scale:
    """A scale in which every half segment has a base of its own. Raises Refused.

    All bounds are differences of two of the unknowns g and -sign * base, bounded below. They are raised from the
    rounded exact values until all bounds are kept.
    """
    bounds = _Bounds(geometry, shift)
    exact, sign = bounds.exact, bounds.sign
    rises = np.arange(len(exact) - 1)
    above, below, least = [rises + 1], [rises], [np.ones(len(rises), dtype=np.int64)]
    start = [math.floor(g * bounds.unit + Fraction(1, 2)) for g in exact]
    for h in range(len(geometry.at)):
        node = len(start)
        places, low = bounds.of(h)
        high = low + (1 << shift) - 1
        own = np.full(len(places), node)
        # The unknown of the base is -sign * base: g - (-base) for one sign, base - g for the other.
        ends = (low, -high) if sign[h] > 0 else (-high, low)
        for upper, lower, bound in ((places, own, ends[0]), (own, places, ends[1])):
            above.append(upper)
            below.append(lower)
            least.append(bound)
        centre = low + (1 << (shift - 1)) - sign[h] * np.array(start)[places]
        start.append(-int(sign[h]) * int(np.median(centre)) if len(places) else 0)
    found = _raised(np.array(start, dtype=np.int64), *(np.concatenate(part) for part in (above, below, least)))
    return bounds.scale(found[: len(exact)] - found[0], -sign * (found[len(exact) :] - found[0]))


def _raised(value: IntArray, above: IntArray, below: IntArray, least: IntArray) -> IntArray:
    """`value` raised until value[above] - value[below] >= least everywhere. Raises Refused where that has no end."""
    value = value.copy()
    for _ in range(ROUNDS):
        wanted_value = value[below] + least
        low = np.flatnonzero(value[above] < wanted_value)
        if not len(low):
            return value
        np.maximum.at(value, above[low], wanted_value[low])
    raise Refused("a result is a closer call than its fractional bits settle")


def _scale_of(geometry: Parts, turns: int, singles: int) -> tuple[bool, _Scale]:
    """Whether there are turns, and a scale: the first of those that there are. Raises Refused.

    Heads that are not alike have a table of distances each, which are of 16 bits where those serve. Records of turns have
    room for `turns` fractional bits, others for `singles`.
    """
    c0, c1 = geometry.spec.output.codes
    farthest = max(g for axis in geometry.offset for g in axis) * abs(c1 - c0) / geometry.spec.curve.segments
    alike = geometry.alike
    short = 16 - math.floor(farthest).bit_length()
    # Squares of distances of 15 bits fit 32 bits as they are.
    fine = {short - 1} if len(geometry.place) > 3 and 0 < short - 1 < min(turns, MOST_SHIFT) else set()
    kinds: tuple[tuple[bool, Callable[[Parts, int], _Scale], int], ...] = (
        (True, _level, turns),
        (False, _loose, singles),
    )
    for level, scale, room in kinds:
        most = min(MOST_SHIFT, room)
        for shift in sorted({most} | ({min(most, short)} if not alike else set()) | (fine if level else set())):
            try:
                return level, scale(geometry, shift)
            except Refused as refused:
                last = refused
    raise last


def wanted(geometry: Parts, half: int, codes: IntArray) -> IntArray:
    """Exact results, without the end of a closed curve being its start."""
    c0, c1 = geometry.spec.output.codes
    found = geometry.heads.output[half][codes].astype(np.int64)
    vertex, forth = int(geometry.vertex[half]), bool(geometry.forth[half])
    late = geometry.spec.curve.closed and (vertex > geometry.spec.curve.segments // 2 or not (vertex or forth))
    return np.where(found == c0, c1, found) if late else found


class _Records:
    """The records of all half segments and vertices, and of turns."""

    def __init__(self, geometry: Parts, scale: _Scale, turns: bool) -> None:
        self.geometry, self.scale, self.turns = geometry, scale, turns
        self.fields = Fields.of(geometry.spec)

    def of(self, item: Item) -> int:
        """The record of a listed half segment."""
        h, fields = item.half, self.fields
        if item.along is None:
            return fields.single | self._vertex(h) << self.scale.shift
        sign, base = int(self.scale.sign[h]), int(self.scale.base[h])
        return item.along << fields.axis | fields.single | (sign & 3) << fields.sign | base & ((1 << fields.sign) - 1)

    def turn(self, first: Item, second: Item) -> int | None:
        """The record of a turn, `first` being taken where both are equally near; None where it can't say that."""
        fields, scale = self.fields, self.scale
        c0, c1 = self.geometry.spec.output.codes
        minus, plus = (first, second) if c1 > c0 else (second, first)
        signs = int(scale.sign[minus.half]), int(scale.sign[plus.half])
        # On a closed curve the first vertex has two bases, and ties of its own.
        one = scale.base[minus.half] == scale.base[plus.half]
        if not self.turns or signs != (-1, 1) or not one or minus.along is None or plus.along is None:
            return None
        base = int(scale.base[minus.half]) & ((1 << fields.other) - 1)
        return minus.along << fields.axis | plus.along << fields.other | base

    def _vertex(self, half: int) -> int:
        a = int(self.geometry.heads.axis[half])
        up = int(self.geometry.step[half, a]) > 0
        # Any code on the side that the half segment runs away from has the vertex's result.
        at = int(self.geometry.at[half, a])
        beyond = [i for i, v in enumerate(self.geometry.place[a]) if (v <= at if up else v >= at)]
        (value,) = set(self.geometry.heads.output[half][np.array(beyond)].tolist())
        return int(value) & 0xFFFF


def _simple(step: Fraction) -> Fraction:
    """A simple fraction near a step, if there is one, else the step itself."""
    found = step.limit_denominator(SIMPLE)
    return found if abs(step - found) < NEAR else step


def _wide(geometry: Parts) -> tuple[int, IntArray, IntArray, int, IntArray, IntArray]:
    """one, factor, term, wide, slope and middle of a layout, without rounding where that fits."""
    spec = geometry.spec
    least = int(spec.heads.codes().min())
    true = [1 / spec.pitch(a) for a in range(spec.dimensions)]
    steps = [_simple(step) for step in true]
    middle = np.array([zero - least for zero in spec.heads.zero_point])
    starts = [spec.coordinate(a, int(m) + least) - int(m) * steps[a] for a, m in enumerate(middle)]
    rests = [exact - step for exact, step in zip(true, steps, strict=True)]
    most = max(abs(rest) for rest in rests)
    # Rests of one size are told by their signs alone; others are rounded.
    size = most if all(abs(rest) in (0, most) for rest in rests) else most / (1 << 16)
    slope = np.array([round(rest / size) if size else 0 for rest in rests])
    parts = math.lcm(2, *(value.denominator for value in (*steps, *starts)))
    reach = max(abs(start) + 256 * step for start, step in zip(starts, steps, strict=True))
    # 32 bits for savings and positions, for positions alone, or for neither.
    for largest, bits in ((1 << NARROW, 31), (min(1 << WIDE, math.floor((1 << 31) / reach)), 31), (1 << WIDE, 62)):
        one = largest // parts * parts
        if one > 0 and reach * one < 1 << bits and (largest > 1 << NARROW or np.abs(slope).max() <= 1):
            return (
                one, np.array([int(s * one) for s in steps]), np.array([int(s * one) for s in starts]), 0, slope, middle
            )  # fmt: skip
    # Counted from the zero point, so that heads that differ by that alone have the same distances.
    wide = 61 - WIDE - math.ceil(reach).bit_length()
    scale = 1 << (WIDE + wide)
    half = Fraction(1, 2)
    starts = [spec.coordinate(a, int(m) + least) for a, m in enumerate(middle)]
    factor = [math.floor(step * scale + half) for step in true]
    term = [
        math.floor(start * scale + half) - each * int(m) for start, each, m in zip(starts, factor, middle, strict=True)
    ]
    return 1 << WIDE, np.array(factor, dtype=np.int64), np.array(term, dtype=np.int64), wide, 0 * slope, middle


def _errors(geometry: Parts, layout: Layout) -> tuple[tuple[Fraction, Fraction], tuple[Fraction, Fraction]]:
    """How much less and more squares and costs in the comparison with 32 bits are than the true ones: ranges of both."""
    c0, c1 = geometry.spec.output.codes
    true = Fraction(abs(c1 - c0) << layout.shift, geometry.spec.curve.segments << layout.rough)
    squares, costs = [], []
    for exact, whole in zip(geometry.offset, (layout.gap >> layout.rough).tolist(), strict=True):
        for g, r in set(zip(exact, whole, strict=True)):
            squares.append(r * r - (g * true) ** 2)
            costs.append(layout.level - 2 * layout.cell * r - true * true * (1 - 2 * g))
    return (min(squares), max(squares)), (min(costs), max(costs))


def level_of(geometry: Parts, layout: Layout) -> int:
    """The level of costs whose errors are as great to one side as to the other: distances are rounded down."""
    _, (low, high) = _errors(geometry, layout)
    return layout.level - math.floor((low + high) / 2)


def margin_of(geometry: Parts, layout: Layout) -> int:
    """What a difference of two savings in the comparison with 32 bits is at least, if it is to have its true sign.

    The difference has two squares, or one and an own vertex, and the cost of every axis that only one of the two is across.
    """
    square, cost = _errors(geometry, layout)
    axes = max(
        (len(one ^ other) for listed in layout.lists for one, other in itertools.combinations([set(), *listed], 2)),
        default=0,
    )
    return math.ceil(max(square[1], Fraction(0)) - min(square[0], Fraction(0)) + axes * max(-cost[0], cost[1])) + 1


class _Writer:
    """Writes the records of boxes and what they lead to, behind `start` other words."""

    def __init__(self, records: _Records, start: int, step: int) -> None:
        self.records, self.start, self.step = records, start, step
        self.more: list[int] = []
        self.placed: dict[tuple[int, ...], int] = {}

    def put(self, words: tuple[int, ...]) -> int:
        """Where `words` are."""
        if words not in self.placed:
            self.placed[words] = self.start + len(self.more)
            self.more.extend(words)
        return self.placed[words]

    def near(self, listed: list[Item]) -> int:
        """The record of the own vertex's half segments."""
        own = [item for item in listed if not item.across]
        if len(own) == 1:
            return self.records.of(own[0])
        turn = self.records.turn(own[0], own[1])
        fields = self.records.fields
        pair = fields.several | Kind.PAIR << fields.kind
        return pair | self.put(tuple(self.records.of(item) for item in own)) if turn is None else turn

    def among(self, listed: list[Item], at_bits: int, final: bool) -> int:
        """The record of a list with other corners' half segments."""
        fields = self.records.fields
        others = [item for item in listed if item.across]
        words = [word for item in others for word in (self.records.of(item), item.word)]
        words[-1] |= LAST
        at = self.put((self.near(listed), *words))
        first, *further = gates_of(item.across for item in others)
        if self.step:
            lowest = fields.asked(self.records.geometry.spec.dimensions, self.step)
            gates = sum(1 << (self.step * axis) for axis in (first, *further)) << lowest
            fits = at_bits <= lowest
        else:
            more = sum((axis + 1) << (3 * i) for i, axis in enumerate(further)) << at_bits
            gates = first << fields.axis | more
            fits = more < 1 << fields.kind
        if final and not fits:
            raise Refused("its lists are too long")
        return fields.several | gates | Kind.AMONG << fields.kind | at


@dataclass(frozen=True)
class _Written:
    """The records of all boxes, those that there are, their number for every box, the words that they lead to, and the bits of an index."""

    found: IntArray
    records: IntArray
    numbers: IntArray
    more: list[int]
    at_bits: int


def shares_of(geometry: Parts) -> IntArray:
    """What every code of every head adds to the number of its box."""
    return np.array(
        [[axis[part] for part in parts.tolist()] for axis, parts in zip(geometry.digits, geometry.part, strict=True)]
    )


def _other_bytes(share: IntArray, gap: IntArray) -> int:
    """Bytes of the tables of shares and distances for assembly."""
    shares = (
        tables_of(share, slots_of(share))
        if len(share) > 1
        else [Table("share", smallest_unsigned(int(share.max())), share[0], "")]
    )
    return sum(
        table.nbytes for table in (*shares, Table("gap", smallest_unsigned(int(gap.max())), gap.reshape(-1), ""))
    )


def layout_of(spec: Spec, geometry: Parts, lists: Lists, numbered: bool = False) -> Layout:
    """The tables; `numbered`, records are kept once even where boxes are few. Raises Refused."""
    fields, bits = Fields.of(spec), INTEGER_TYPES[spec.output.dtype][0]
    turns, scale = _scale_of(geometry, fields.other - bits, fields.sign - bits)
    base = geometry.parts
    few = base**spec.dimensions <= MOST_BOXES
    direct = few and not numbered
    alike = all(np.array_equal(axis, axes[0]) for axes in (geometry.part, scale.g) for axis in axes)
    # Flags take a table of larger numbers and a step for every point, which few boxes do not repay.
    step = base.bit_length() - 1 if alike and not few and not any(geometry.cuts) and base & (base - 1) == 0 else 0
    flags = step * spec.dimensions
    share = shares_of(geometry)
    if step:
        share |= (scale.g >= scale.zone).astype(np.int64) << (flags + step * np.arange(spec.dimensions))[:, None]

    def written(lists: Lists) -> _Written:
        """Once to know how many bits an index takes and how many records there are, once to write."""
        at_bits, count = 16, 0
        for final in (False, True):
            writer = _Writer(_Records(geometry, scale, turns), count, step)
            found: IntArray = np.zeros(geometry.boxes, dtype=np.int64)
            for key, listed in lists.items():
                others = any(item.across for item in listed)
                record = writer.among(listed, at_bits, final) if others else writer.near(listed)
                found[geometry.number_of(key)] = record
            records, numbers = np.unique(found, return_inverse=True)
            count = len(found) if direct else len(records)
            if count + len(writer.more) > 1 << 16:
                raise Refused("its lists are too long")
            at_bits = (count + len(writer.more)).bit_length()
        return _Written(found, records, numbers, writer.more, at_bits)

    # Where points go through long lists, those that are frequent stay apart.
    given = written(lists if few else united(geometry, lists))
    if not few and asked(geometry, united(geometry, lists)) > OFTEN:
        words = (
            BYTES - _other_bytes(share[:1] if alike else share, scale.g[:1] if alike else scale.g) - geometry.boxes
        ) // 4
        given = written(chosen(geometry, lists, NUMBERS, words, turns and not spec.curve.closed))
    rough = max(0, int(scale.unit / 2).bit_length() - ROUGH)
    one, factor, term, wide, slope, middle = _wide(geometry)
    layout = Layout(
        spec=spec,
        share=share,
        gap=scale.g,
        box=None if direct else given.numbers,
        record=given.found if direct else given.records,
        more=np.array(given.more, dtype=np.int64),
        shift=scale.shift,
        at=given.at_bits,
        zone=scale.zone,
        flags=flags,
        rough=rough,
        cell=round(scale.unit / (1 << rough)),
        level=0,
        margin=0,
        one=one,
        factor=factor,
        term=term,
        wide=wide,
        slope=slope,
        middle=middle,
    )
    layout = replace(layout, level=level_of(geometry, layout))
    return replace(layout, margin=margin_of(geometry, layout))
