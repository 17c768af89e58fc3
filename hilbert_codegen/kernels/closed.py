"""`closed`: the nearest point by arithmetic alone. Any scale, inset and zero point, 8- and 16-bit heads, with distance.

A query is clamped to the grid's square (which changes no nearest point: the curve visits every vertex) and lies in one
dual square between four vertices. Its nearest point is on an edge of that square which belongs to the curve, where the
distance is one coordinate, or it is one of the four corners. All eight are compared by
(distance^2, not the own cell, arc length). The only table is the place of every vertex along the curve.

Positions have 32 fractional bits a cell, squared distances are formed of 30 of them. The slowest strategy, and the most general.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.exact.domain import proof_domain
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Model, Refused, Table, as_output
from hilbert_codegen.spec.specification import Spec

#: Fractional bits of a position in cells, of a compared coordinate, of a distance in codes.
FRACTION, COMPARED, CODE = 32, 30, 20
ONE = 1 << FRACTION
DROP = FRACTION - COMPARED
#: Fractional bits of the factor that turns a code into a position.
FACTOR = 16
#: Farther than this the distance is saturated anyway, in codes.
FAR = 512
SPAN_LIMIT = 1 << 18


@dataclass(frozen=True)
class Axis:
    """Position of a code in 2^-32 cells: middle + (code * factor + offset) / 2^FACTOR, rounded away from the middle.

    Rounding that way keeps codes that lie symmetrically about the middle symmetric, and so the ties between them.
    """

    factor: int
    offset: int
    middle: int
    pitch: int

    def position(self, code: IntArray) -> IntArray:
        """Positions of codes, unclamped."""
        from_middle = code * self.factor + self.offset
        rounded = (np.abs(from_middle) + (1 << (FACTOR - 1))) >> FACTOR
        return np.asarray(self.middle + np.sign(from_middle) * rounded)


def axis_of(spec: Spec, axis: int) -> Axis:
    """Fixed-point constants of one head. Raises Refused where a position does not fit 64 bits."""
    scale = Fraction(ONE << FACTOR) / spec.pitch(axis)
    # Twice the code in the middle of the grid; if that is whole, the offset is exactly so many halves of the factor.
    middle = 2 * spec.origin(axis) + (spec.curve.side - 1) * spec.pitch(axis)
    factor = 2 * round(scale / 2)
    offset = -round(middle) * factor // 2 - round((middle - round(middle)) * scale / 2)
    ends = (int(spec.heads.codes().min()), int(spec.heads.codes().max()))
    reach = max(abs(int(spec.coordinate(axis, code))) for code in ends)
    if (reach + spec.curve.side) * (ONE << FACTOR) >= 1 << 62:
        raise Refused(f"codes of head {'xy'[axis]} lie {reach} cells off the grid: a position would not fit 64 bits")
    return Axis(factor, offset, (spec.curve.side - 1) * ONE // 2, round(spec.pitch(axis) * (1 << CODE)))


class _Best:
    """The nearest candidate so far of every point, as the C's PREFIX_candidate_t.

    Attributes:
        arc: its arc length, in 2^-32 cells.
        residual: from it to the clamped query along x and y, in 2^-32 cells.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._square = np.full(shape, np.iinfo(np.int64).max)
        self._own = np.zeros(shape, bool)
        self.arc = np.zeros(shape, np.int64)
        self.residual = [np.zeros(shape, np.int64), np.zeros(shape, np.int64)]

    def consider(self, on: IntArray, arc: IntArray, own: IntArray, *residual: IntArray) -> None:
        """Take a candidate where it is there and nearer; of equally near ones that of the own cell, then the first."""
        square = sum(((np.abs(part) >> DROP) ** 2 for part in residual), np.zeros_like(self.arc))
        equal = square == self._square
        earlier = (own & ~self._own) | ((own == self._own) & (arc < self.arc))
        better = on & ((square < self._square) | (equal & earlier))
        self._square = np.where(better, square, self._square)
        self._own = np.where(better, own, self._own)
        self.arc = np.where(better, arc, self.arc)
        self.residual = [np.where(better, new, old) for new, old in zip(residual, self.residual, strict=True)]


class Nearest:
    """The executable model: the steps of templates/kernels/closed.c.j2, raw bits in, on arrays of any shape.

    Attributes:
        axes: positions of the codes of x and y.
        place: place along the curve of vertex (x, y), at y << order | x.
        last: highest position on the grid, in 2^-32 cells.
        total: length of the curve, in 2^-32 cells.
    """

    def __init__(self, spec: Spec) -> None:
        """Raises Refused where positions do not fit 64 bits."""
        curve = spec.curve
        self.spec = spec
        self.axes = [axis_of(spec, axis) for axis in (0, 1)]
        self.place = np.zeros(curve.side * curve.side, dtype=np.int64)
        for index, (px, py) in enumerate(curve.points):
            self.place[(py << curve.order) | px] = index
        self.last, self.total = (curve.side - 1) << FRACTION, curve.segments << FRACTION
        self._codes = spec.heads.codes()

    def _along(self, near: IntArray, far: IntArray, step: IntArray) -> tuple[IntArray, IntArray]:
        """(whether a segment joins the vertices at places near and far, arc length `step` from near towards far)."""
        curve = self.spec.curve
        forth, back = far - near == 1, near - far == 1
        if curve.closed:
            forth |= near - far == curve.segments - 1
            back |= far - near == curve.segments - 1
        arc = (near << FRACTION) + np.where(forth, step, -step)
        if curve.closed:
            arc = np.where(arc < 0, arc + self.total, np.where(arc >= self.total, arc - self.total, arc))
        return forth | back, arc

    def _nearest(self, x: IntArray, y: IntArray) -> tuple[IntArray, list[IntArray]]:
        """(arc length, residuals along x and y to the unclamped query), all in 2^-32 cells."""
        free = [axis.position(self._codes[raw]) for axis, raw in zip(self.axes, (x, y), strict=True)]
        held = [np.clip(position, 0, self.last) for position in free]
        cell = [np.minimum(position >> FRACTION, self.spec.curve.side - 2) for position in held]
        part = [position - (c << FRACTION) for position, c in zip(held, cell, strict=True)]
        own = [(p >= ONE // 2).astype(np.int64) for p in part]
        gap = [np.where(o == 1, ONE - p, p) for o, p in zip(own, part, strict=True)]
        best = _Best(x.shape)

        def vertex(across: IntArray, up: IntArray) -> IntArray:
            return np.asarray(self.place[((cell[1] + up) << self.spec.curve.order) | (cell[0] + across)])

        always, zero = np.ones(x.shape, bool), np.zeros(x.shape, np.int64)
        for corner in range(4):
            across, up = zero + (corner & 1), zero + (corner >> 1)
            is_own = (across == own[0]) & (up == own[1])
            best.consider(always, vertex(across, up) << FRACTION, is_own, part[0] - across * ONE, part[1] - up * ONE)
        for side in range(2):
            flat = zero + side
            joined, at = self._along(vertex(own[0], flat), vertex(1 - own[0], flat), gap[0])
            best.consider(joined, at, flat == own[1], zero, part[1] - flat * ONE)
            joined, at = self._along(vertex(flat, own[1]), vertex(flat, 1 - own[1]), gap[1])
            best.consider(joined, at, flat == own[0], part[0] - flat * ONE, zero)
        return best.arc, [r + f - h for r, f, h in zip(best.residual, free, held, strict=True)]

    def decode(self, x: IntArray, y: IntArray) -> IntArray:
        """Output codes."""
        c0, c1 = self.spec.output.codes
        segments = self.spec.curve.segments
        arc, _ = self._nearest(x, y)
        forward = arc if c1 > c0 else self.total - arc
        steps = ((forward * abs(c1 - c0) + (segments << (FRACTION - 1))) >> FRACTION) // segments
        value = min(c0, c1) + steps
        if self.spec.curve.closed:
            value = np.where(value == c1, c0, value)
        return as_output(self.spec, value)

    @property
    def limits(self) -> list[int]:
        """Residuals along x and y at which a distance is saturated, in 2^-32 cells."""
        return [(FAR << FRACTION << CODE) // axis.pitch for axis in self.axes]

    def distance(self, x: IntArray, y: IntArray) -> IntArray:
        """Distances in head codes, rounded to nearest, at most 255."""
        _, residuals = self._nearest(x, y)
        square = np.zeros(x.shape, np.int64)
        for axis, limit, residual in zip(self.axes, self.limits, residuals, strict=True):
            codes_off = (np.minimum(np.abs(residual), limit) * axis.pitch + (ONE >> 1)) >> FRACTION
            square = square + codes_off * codes_off
        answer = np.zeros(x.shape, np.int64)
        for bit in range(7, -1, -1):
            trial = answer + (1 << bit)
            least = (2 * trial - 1) << (CODE - 1)
            answer = np.where(square >= least * least, trial, answer)
        return answer

    def constants(self) -> dict[str, object]:
        """Parameters of the template: every constant as it stands in the C."""
        curve, (c0, c1), axes, limits = self.spec.curve, self.spec.output.codes, self.axes, self.limits
        low = min(c0, c1)
        by_axis: dict[str, object] = {}
        for name, axis, limit in zip("xy", axes, limits, strict=True):
            by_axis[f"factor_{name}"], by_axis[f"offset_{name}"] = f"{axis.factor}LL", f"{axis.offset}LL"
            by_axis[f"pitch_{name}"], by_axis[f"limit_{name}"] = f"{axis.pitch}LL", f"{limit}LL"
        return by_axis | {
            "order": curve.order,
            "edge": curve.side - 2,
            "segments": curve.segments,
            "last": f"{self.last}LL",
            "total": f"{self.total}LL",
            "closed": curve.closed,
            "reverse": c1 < c0,
            "span": abs(c1 - c0),
            "add": f" {'-' if low < 0 else '+'} {abs(low)}" if low else "",
            "one": f"{ONE}LL",
            "c0": c0,
            "c1": c1,
            "half": f"{curve.segments << (FRACTION - 1)}ULL",
            "fraction": FRACTION,
            "drop": 1 << DROP,
            "compared": COMPARED,
            "factor": FACTOR,
            "rounding": 1 << (FACTOR - 1),
            "middle": f"{axes[0].middle}LL",
            "wrap": curve.segments - 1,
            "code": CODE - 1,
        }


class Closed:
    """Eight candidates a point, no table but the places of the vertices."""

    name = "closed"
    summary = "arithmetic: the nearest of four edges and four corners"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for other estimators than the nearest point, and for spans that 64-bit products can't hold."""
        if spec.estimator.kind != "nearest":
            raise Refused(f"it finds the nearest point, not the {spec.estimator.kind}")
        span = abs(spec.output.codes[1] - spec.output.codes[0])
        if span >= SPAN_LIMIT:
            raise Refused(f"a span of {span} codes needs more than {FRACTION} fractional bits of a cell")
        if len(spec.curve.points) != spec.curve.side**2:
            raise Refused("clamping to the square needs a curve that visits every grid point")
        nearest = Nearest(spec)
        measure = nearest.distance if distance else None
        self._refuse_close_calls(spec, ideal, nearest.decode, measure)
        most = max(min(limit, 1 << 62) * axis.pitch for limit, axis in zip(nearest.limits, nearest.axes, strict=True))
        if distance and most >= 1 << 62:
            raise Refused("a distance would not fit 64 bits")
        meaning = f"place along the curve of vertex (x, y), at y << {spec.curve.order} | x"
        return Built(
            strategy=self.name,
            portable=Implementation(
                tables=(Table("place", "uint16", nearest.place, meaning),),
                decode=nearest.decode,
                distance=measure,
                params=nearest.constants(),
            ),
            note="The nearest of the four edges and four corners of the square between vertices, by integer arithmetic.",
        )

    @staticmethod
    def _refuse_close_calls(spec: Spec, ideal: Ideal, decode: Model, measure: Model | None) -> None:
        """Refuse where fixed-point positions decide a comparison wrongly.

        Scales of few decimal digits can bring two branches within 2^-53 of the same distance without making them
        equal, and no fixed number of bits tells those apart.
        """
        domain = proof_domain(spec)
        raw = domain.raw(spec.heads.bits)
        wrong = decode(*raw) != ideal.codes
        if measure is not None:
            wrong |= measure(*raw) != ideal.distance
        if wrong.any():
            raise Refused(
                f"{int(wrong.sum())} of {domain.pairs} pairs are closer calls than {FRACTION} fractional bits of a cell "
                "settle"
            )


STRATEGIES.add(Closed.name, Closed())
