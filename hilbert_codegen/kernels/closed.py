"""`closed`: the nearest point by integer arithmetic that rounds nothing. Any scale, inset and zero point, with distance.

Coordinates are rational, so there is a unit of which a cell and every code's place are whole multiples. The distances
from the own vertex (folding.py) are computed in that unit, in as many 32-bit words as it needs, and compared as they are:
codes that tie are equal there, and those that do not tie differ, however little. What decides is

- the half cell of each code: a search among the codes at which half cells start;
- which of two coordinates is nearer to its vertex: a comparison of two numbers of words;
- whether a far edge of the square is nearer than the own vertex: G_along^2 > 4 D (D - G_across), with D a cell and G twice
  the distance; first with the uppermost words, which settle nearly all, and where they leave a doubt with all words;
- the rounding of the result: T = S G / D whole steps beyond the vertex, compared with the odd multiple at which the
  result changes; again with the uppermost words first.

The distance is formed likewise, in a unit of which a code is a whole multiple. SOUNDNESS.md has the argument why that is
exact for every pair. The only tables are the place of every vertex, the starts of half cells, and these constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.folding import places
from hilbert_codegen.spec.specification import Spec

WORD = 32
#: More words than this, and the literals of the configuration are of a kind that nobody means.
MOST_WORDS = 8
#: Bits above a code in the words of an offset in codes: offsets are below 2^21 codes, and have a sign.
OFFSET_BITS = 22
#: Of the two uppermost words of an offset in codes, these low bits are dropped for the estimate: a code keeps 22.
OFFSET_DROP = 20
#: Codes farther off the grid than this are clamped: the distance is saturated at 255 there.
FAR = 257

#: Whole numbers of any size, or of 64 bits.
Wide = NDArray[Any]


def _words(value: int, count: int) -> list[int]:
    """`value` modulo 2^(32 count) as words, the lowest first."""
    return [value >> (WORD * i) & 0xFFFFFFFF for i in range(count)]


def _zeros(count: int) -> str:
    """Initializers of an array."""
    return ", ".join(["0U"] * count)


@dataclass(frozen=True)
class Unit:
    """Numbers of `words` words in which a code, a step between vertices and the first vertex are whole.

    Attributes:
        words: 32-bit words of a number.
        one: a cell (of gaps: `one` is half of `step`), or a code (of offsets).
        code: of each axis, what one code adds.
        step: of each axis, what one vertex adds.
        start: of each axis, the number of the smallest code at vertex 0.
    """

    words: int
    one: int
    code: tuple[int, int]
    step: tuple[int, int]
    start: tuple[int, int]

    def number(self, axis: int, code: int, vertex: int) -> int:
        """What a code (counted from the smallest) is beyond a vertex; negative before it."""
        return code * self.code[axis] + self.start[axis] - vertex * self.step[axis]

    def terms(self, axis: int, sign: int) -> list[int]:
        """For each word what a code and a vertex contribute, and the constant; of `sign` times the number."""
        parts = (self.code[axis], -self.step[axis], self.start[axis])
        return [word for group in zip(*(_words(sign * p, self.words) for p in parts), strict=True) for word in group]


def _unit(factor: int, codes: list[Fraction], starts: list[Fraction], steps: list[Fraction], headroom: int) -> Unit:
    """The unit that makes these whole, `one` a multiple of `factor` that starts `headroom` bits below the highest bit."""
    common = factor * math.lcm(*(value.denominator for value in (*codes, *starts, *steps)))
    # Offsets in codes are estimated from two words.
    words = max(-(-(common.bit_length() + headroom) // WORD), 2 if headroom else 1)
    if words > MOST_WORDS:
        raise Refused(
            f"scales, range and inset have no common unit of less than {WORD * words} bits; give them fewer digits"
        )
    one = common << (WORD * words - headroom - common.bit_length())
    code, start, step = ((int(pair[0] * one), int(pair[1] * one)) for pair in (codes, starts, steps))
    return Unit(words, one, code, step, start)


def gap_unit(spec: Spec) -> Unit:
    """Twice distances in cells: `one` is a cell's, so that those of half a cell are `one` too."""
    low = int(spec.heads.codes().min())
    codes, starts = ([2 / spec.pitch(a) for a in (0, 1)], [2 * spec.coordinate(a, low) for a in (0, 1)])
    return _unit(1, codes, starts, [Fraction(2)] * 2, 0)


def offset_unit(spec: Spec) -> Unit:
    """Distances in codes: `one` is a code, an even number."""
    low = int(spec.heads.codes().min())
    starts, steps = ([low - spec.origin(a) for a in (0, 1)], [spec.pitch(a) for a in (0, 1)])
    return _unit(2, [Fraction(1)] * 2, starts, steps, OFFSET_BITS)


@dataclass(frozen=True)
class Rounding:
    """How an arc length becomes an output code.

    The result at place p and G beyond it is floor((p_part + step G / D) / modulus) with p_part = factor p + add, and whole
    multiples of `modulus` taken out of `factor` beforehand.

    Attributes:
        each: output codes of a whole segment, rounded down.
        factor, add, modulus: of the fraction that remains at a vertex.
        step: T = step G / D, with G up to D.
        scaled: T is scaled G' >> shift, G' the uppermost word of G, or up to `slack` more.
        shift, slack: see `scaled`.
    """

    each: int
    factor: int
    add: int
    modulus: int
    step: int
    scaled: int
    shift: int
    slack: int


def rounding_of(spec: Spec, unit: Unit) -> Rounding:
    """The constants for the output of `spec`."""
    c0, c1 = spec.output.codes
    span, segments = abs(c1 - c0), spec.curve.segments
    # Closed curves have an even number of segments: a full turn of 32 bits then still fits.
    halves = 2 if segments % 2 == 0 and span % 2 == 0 else 1
    step = span // halves
    whole, rest = divmod(span, segments)
    extra = 0 if step <= 1 << (WORD - 1) else 1
    # Where cell and span are powers of two, that may be one more than a word holds.
    scaled = min((step << (WORD * unit.words - extra)) // unit.one, (1 << WORD) - 1)
    return Rounding(
        whole, 2 * rest // halves, segments // halves, 2 * segments // halves, step, scaled, WORD - extra, 3 + 2 * extra
    )


class _Nearest(NamedTuple):
    """Nearest points of queries of any shape.

    Attributes:
        near, far: places along the curve of the segment's vertices; equal for the vertex itself.
        gap: twice the distance from near.
        vertex: of each axis, a vertex of the segment.
        along_it: of each axis, whether the segment runs along it, abreast of the query.
    """

    near: IntArray
    far: IntArray
    gap: Wide
    vertex: list[IntArray]
    along_it: list[NDArray[np.bool_]]


class _Model:
    """The executable model: the integer steps of the C, with whole numbers of any size in place of words."""

    def __init__(self, spec: Spec) -> None:
        if spec.estimator.kind != "nearest":
            raise Refused(f"it finds the nearest point, not the {spec.estimator.kind}")
        side = spec.curve.side
        if len(spec.curve.points) != side * side:
            raise Refused("clamping to the square needs a curve that visits every grid point")
        self.spec, self.side = spec, side
        self.gaps = gap_unit(spec)
        self.rounding = rounding_of(spec, self.gaps)
        self.place = places(spec)
        self.reverse = spec.output.codes[1] < spec.output.codes[0]
        self.low = int(spec.heads.codes().min())
        self.starts = [self._starts(axis) for axis in (0, 1)]

    def _starts(self, axis: int) -> IntArray:
        """From which code on (counted from the smallest) each half cell goes, the parts off the grid included."""
        spec, count = self.spec, 1 << self.spec.heads.bits
        starts = [0]
        for half in range(2 * self.side - 1):
            start = math.ceil(spec.origin(axis) + spec.pitch(axis) * half / 2) - self.low
            starts.append(min(max(start, 0), count))
        return np.array(starts)

    @staticmethod
    def by_code(code: IntArray, value: Callable[[int], int]) -> Wide:
        """`value` of every code, as whole numbers of any size."""
        known, index = np.unique(code, return_inverse=True)
        return np.array([value(one) for one in known.tolist()], dtype=object)[index].reshape(code.shape)

    def counted(self, raw: IntArray) -> IntArray:
        """Codes counted from the smallest, of their raw bits."""
        return raw ^ (-self.low)

    def region(self, axis: int, code: IntArray | int) -> IntArray:
        """Half cell of a code, with one before the grid and one behind it."""
        return np.asarray(np.searchsorted(self.starts[axis][1:], code, side="right"))

    def gap(self, axis: int, code: int) -> int:
        """Twice the distance of a code from its own vertex, 0 off the grid."""
        region = int(self.region(axis, code))
        if region in (0, 2 * self.side - 1):
            return 0
        number = self.gaps.number(axis, code, region >> 1)
        return number if region & 1 else -number

    def other(self, region: IntArray) -> IntArray:
        """The vertex at the other end of the half cell's square."""
        behind = 2 * self.side - 1
        right = (region == 0) | ((region & 1 == 1) & (region != behind))
        return np.asarray((region >> 1) + 2 * right - 1)

    def forward(self, near: IntArray, far: IntArray) -> NDArray[np.bool_]:
        """Whether the curve goes from place `near` to place `far`."""
        following = near + 1
        if self.spec.curve.closed:
            following = np.where(following == self.spec.curve.segments, 0, following)
        return np.asarray(far == following)

    def joined(self, one: IntArray, other: IntArray) -> NDArray[np.bool_]:
        """Whether a segment joins two places."""
        return self.forward(one, other) | self.forward(other, one)

    def first(self, corner: IntArray, vertical: IntArray, horizontal: IntArray) -> NDArray[np.bool_]:
        """Whether of two segments at a corner the one to `vertical` comes first."""

        def segment(far: IntArray) -> IntArray:
            return np.asarray(np.where(self.forward(corner, far), corner, far))

        return np.asarray(segment(vertical) < segment(horizontal))

    def beyond(self, along: Wide, across: Wide) -> NDArray[np.bool_]:
        """Whether a far edge is nearer than the own vertex."""
        cell = self.gaps.one
        return np.asarray(along * along > 4 * cell * (cell - across)).astype(bool)

    def nearest(self, x: IntArray, y: IntArray) -> _Nearest:
        """The nearest points of raw bits."""
        codes = [self.counted(raw) for raw in (x, y)]
        regions = [self.region(axis, code) for axis, code in enumerate(codes)]
        gaps = [self.by_code(code, partial(self.gap, axis)) for axis, code in enumerate(codes)]
        own, other = [r >> 1 for r in regions], [self.other(r) for r in regions]
        here, across = self.place[own[1], own[0]], self.place[own[1], other[0]]
        up, opposite = self.place[other[1], own[0]], self.place[other[1], other[0]]
        less, equal = (gaps[0] < gaps[1]).astype(bool), (gaps[0] == gaps[1]).astype(bool)
        vertical, horizontal = self.joined(here, up), self.joined(here, across)
        far_v, far_h = self.joined(across, opposite), self.joined(up, opposite)
        upright = vertical & (~horizontal | less | (equal & self.first(here, up, across)))
        level = horizontal & ~upright
        far_upright = far_v & (~far_h | (~less & ~equal) | (equal & self.first(opposite, across, up)))
        far_level = far_h & ~far_upright
        alone = ~vertical & ~horizontal & (far_v | far_h)
        along = np.where(far_upright, gaps[1], gaps[0])
        moved = np.zeros(x.shape, bool)
        moved[alone] = self.beyond(along[alone], np.where(far_upright, gaps[0], gaps[1])[alone])
        far_upright, far_level = far_upright & moved, far_level & moved
        near = np.where(far_upright, across, np.where(far_level, up, here))
        far = np.where(moved, opposite, np.where(upright, up, np.where(level, across, here)))
        gap = np.where(upright | far_upright, gaps[1], np.where(level | far_level, gaps[0], 0))
        inside = [(r > 0) & (r < 2 * self.side - 1) for r in regions]
        vertex = [np.where(far_upright, other[0], own[0]), np.where(far_level, other[1], own[1])]
        along_it = [(level | far_level) & inside[0], (upright | far_upright) & inside[1]]
        return _Nearest(near, far, gap, vertex, along_it)

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes of raw bits."""
        near, far, gap = self.nearest(x, y)[:3]
        r, spec = self.rounding, self.spec
        segments, closed = spec.curve.segments, spec.curve.closed
        rising = self.forward(near, far) != self.reverse
        place = segments - near if self.reverse else near
        if closed:
            place = np.where(near == 0, np.where(rising, 0, segments), place)
        whole = r.factor * place + r.add
        vertex, rest = r.each * place + whole // r.modulus, whole % r.modulus
        top = (gap >> (WORD * (self.gaps.words - 1))).astype(np.uint64)
        least = ((top * np.uint64(r.scaled)) >> np.uint64(r.shift)).astype(np.int64)

        def reaches(bound: IntArray, more: bool) -> NDArray[np.bool_]:
            """Whether T reaches the bound, or exceeds it."""
            doubt = bound - least < r.slack
            left = gap[doubt] * r.step
            right = bound[doubt].astype(object) * self.gaps.one
            result = np.zeros(bound.shape, bool)
            result[doubt] = (left > right if more else left >= right).astype(bool)
            return result

        steps_up = (least + rest) // r.modulus
        steps_up += reaches(r.modulus * (steps_up + 1) - rest, more=False)
        steps_down = np.maximum(least - rest + r.modulus - 1, 0) // r.modulus
        steps_down += reaches(r.modulus * steps_down + rest, more=True)
        value = vertex + np.where(rising, steps_up, -steps_down)
        if closed:
            span = abs(spec.output.codes[1] - spec.output.codes[0])
            value = np.where(value == 0, span, value) if self.reverse else np.where(value == span, 0, value)
        return as_output(spec, value + min(spec.output.codes))

    def measure(self, x: IntArray, y: IntArray) -> IntArray:
        """Distances of raw bits, in codes."""
        unit = offset_unit(self.spec)
        _, _, _, vertex, along_it = self.nearest(x, y)
        tops, numbers = [], []
        for axis, raw in enumerate((x, y)):
            low, high = self.clamp(axis)
            place = self.by_code(np.clip(self.counted(raw), low, high), partial(unit.number, axis, vertex=0))
            number = np.abs(place - vertex[axis].astype(object) * unit.step[axis])
            number = np.where(along_it[axis], 0, number)
            numbers.append(number)
            tops.append((number >> (WORD * (unit.words - 2) + OFFSET_DROP)).astype(np.int64))
        one = unit.one >> (WORD * (unit.words - 2) + OFFSET_DROP)
        saturated = np.maximum(*tops) >= 256 * (one + 1)
        tops = [np.where(saturated, 0, top) for top in tops]
        most = 4 * ((tops[0] + 1) ** 2 + (tops[1] + 1) ** 2)
        answer = np.zeros(x.shape, np.int64)
        for bit in range(7, -1, -1):
            trial = answer + (1 << bit)
            answer = np.where(most >= ((2 * trial - 1) * one) ** 2, trial, answer)
        sure = 4 * (tops[0] ** 2 + tops[1] ** 2) >= ((2 * answer - 1) * (one + 1)) ** 2
        doubt = ~saturated & (answer > 0) & ~sure
        square = numbers[0][doubt] ** 2 + numbers[1][doubt] ** 2
        answer[doubt] -= (square < ((2 * answer[doubt].astype(object) - 1) * (unit.one // 2)) ** 2).astype(np.int64)
        return np.where(saturated, 255, answer)

    def clamp(self, axis: int) -> tuple[int, int]:
        """Codes, counted from the smallest, that those farther off the grid are clamped to."""
        spec, highest = self.spec, (1 << self.spec.heads.bits) - 1
        low = math.floor(spec.origin(axis)) - FAR - self.low
        high = math.ceil(spec.origin(axis) + (self.side - 1) * spec.pitch(axis)) + FAR - self.low
        return min(max(low, 0), highest), min(max(high, 0), highest)


class Closed:
    """Whole numbers of a few words; no table but vertices, starts of half cells and constants."""

    name = "closed"
    summary = "arithmetic without rounding: the own edges, or a far one"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for other estimators than the nearest point, and for scales without a common unit of 256 bits."""
        model = _Model(spec)
        order, gaps = spec.curve.order, model.gaps
        what = "per word what a code, a vertex and the start of {axis} add; right of a vertex, then left"
        tables = [
            Table(
                "place",
                "uint16",
                model.place.reshape(-1),
                f"place along the curve of vertex (x, y), at y << {order} | x",
            ),
            Table("whole_cell", "uint32", np.array(_words(gaps.one, gaps.words)), "twice half a cell, in words", 8),
        ]
        for axis in (0, 1):
            name = "xy"[axis]
            terms = gaps.terms(axis, 1) + gaps.terms(axis, -1)
            tables += [
                Table(f"start_{name}", "uint32", model.starts[axis], f"codes of {name} below each half cell", 8),
                Table(f"terms_{name}", "uint32", np.array(terms), what.format(axis=name), 6),
            ]
        params: dict[str, object] = {}
        if distance:
            unit = offset_unit(spec)
            squared = np.array(_words((unit.one // 2) ** 2, 2 * unit.words))
            tables.append(Table("half_code_squared", "uint32", squared, "square of half a code, in words", 8))
            for axis in (0, 1):
                name = "xy"[axis]
                terms = unit.terms(axis, 1)
                tables.append(
                    Table(f"offset_{name}", "uint32", np.array(terms), f"the same for offsets in codes of {name}", 6)
                )
                low, high = model.clamp(axis)
                params |= {f"lowest_{name}": f"{low}U", f"highest_{name}": f"{high}U"}
            one = unit.one >> (WORD * (unit.words - 2) + OFFSET_DROP)
            params |= {
                "offset_words": unit.words, "offset_next": unit.words - 1, "offset_top": unit.words - 2,
                "offset_square": 2 * unit.words, "offset_drop": OFFSET_DROP, "offset_zeros": _zeros(unit.words),
                "one": f"{one}ULL", "one_up": f"{one + 1}ULL", "far": f"{256 * (one + 1)}ULL",
            }  # fmt: skip
        r, words = model.rounding, gaps.words
        c0, c1 = spec.output.codes
        params |= {
            "order": order, "behind": 2 * spec.curve.side - 1, "last": 2 * spec.curve.side - 2,
            "steps": tuple(1 << bit for bit in reversed(range(order + 1))), "words": words, "top": words - 1,
            "square": 2 * words, "half_terms": 3 * words, "segments": spec.curve.segments, "closed": spec.curve.closed,
            "reverse": model.reverse, "each": r.each, "factor": r.factor, "add": r.add, "modulus": r.modulus,
            "step": f"{r.step}UL", "scaled": f"{r.scaled}UL", "shift": r.shift, "slack": r.slack,
            "span": f"{abs(c1 - c0) & 0xFFFFFFFF}UL", "low": f"{min(c0, c1) & 0xFFFFFFFF}UL",
            "sign": -model.low, "zeros": _zeros(words),
        }  # fmt: skip
        return Built(
            strategy=self.name,
            portable=Implementation(tuple(tables), model.decode, model.measure if distance else None, params),
            note=f"The nearest point by integer arithmetic that rounds nothing: {words} words of 32 bits for a coordinate.",
            kind="" if words == 1 else f"{words} words",
        )


STRATEGIES.add(Closed.name, Closed())
