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


class Closed:
    """Eight candidates a point, no table but the places of the vertices."""

    name = "closed"
    summary = "arithmetic: the nearest of four edges and four corners"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for other estimators than the nearest point, and for spans that 64-bit products can't hold."""
        if spec.estimator.kind != "nearest":
            raise Refused(f"it finds the nearest point, not the {spec.estimator.kind}")
        c0, c1 = spec.output.codes
        low, span = min(c0, c1), abs(c1 - c0)
        side, order, segments = spec.curve.side, spec.curve.order, spec.curve.segments
        if span >= SPAN_LIMIT:
            raise Refused(f"a span of {span} codes needs more than {FRACTION} fractional bits of a cell")
        if len(spec.curve.points) != side * side:
            raise Refused("clamping to the square needs a curve that visits every grid point")
        place = np.zeros(side * side, dtype=np.int64)
        for index, (px, py) in enumerate(spec.curve.points):
            place[(py << order) | px] = index
        axes = [axis_of(spec, axis) for axis in (0, 1)]
        total, last = segments << FRACTION, (side - 1) << FRACTION
        codes = spec.heads.codes()

        def arc_between(near: IntArray, far: IntArray, step: IntArray) -> tuple[IntArray, IntArray]:
            """(whether near and far are joined, arc length `step` from near towards far)."""
            forth = far - near == 1
            back = near - far == 1
            if spec.curve.closed:
                forth |= near - far == segments - 1
                back |= far - near == segments - 1
            arc = (near << FRACTION) + np.where(forth, step, -step)
            if spec.curve.closed:
                arc = np.where(arc < 0, arc + total, np.where(arc >= total, arc - total, arc))
            return forth | back, arc

        def nearest(x: IntArray, y: IntArray) -> tuple[IntArray, IntArray, IntArray]:
            """(arc, residual x, residual y), the residuals to the unclamped query, all in 2^-32 cells."""
            free = [axes[0].position(codes[x]), axes[1].position(codes[y])]
            held = [np.clip(position, 0, last) for position in free]
            cell = [np.minimum(position >> FRACTION, side - 2) for position in held]
            part = [position - (c << FRACTION) for position, c in zip(held, cell, strict=True)]
            outside = [f - h for f, h in zip(free, held, strict=True)]
            own = [(p >= ONE // 2).astype(np.int64) for p in part]
            best = np.full(x.shape, np.iinfo(np.int64).max)
            mine, arc = np.zeros(x.shape, bool), np.zeros(x.shape, np.int64)
            residual = [np.zeros(x.shape, np.int64), np.zeros(x.shape, np.int64)]

            def consider(on: IntArray, at: IntArray, is_own: IntArray, rx: IntArray, ry: IntArray) -> None:
                nonlocal best, mine, arc
                square = (np.abs(rx) >> DROP) ** 2 + (np.abs(ry) >> DROP) ** 2
                equal = square == best
                better = on & ((square < best) | (equal & ((is_own & ~mine) | ((is_own == mine) & (at < arc)))))
                best, mine, arc = (
                    np.where(better, square, best),
                    np.where(better, is_own, mine),
                    np.where(better, at, arc),
                )
                residual[0], residual[1] = np.where(better, rx, residual[0]), np.where(better, ry, residual[1])

            def vertex(across: IntArray, up: IntArray) -> IntArray:
                return np.asarray(place[((cell[1] + up) << order) | (cell[0] + across)])

            gap = [np.where(o == 1, ONE - p, p) for o, p in zip(own, part, strict=True)]
            always = np.ones(x.shape, bool)
            for corner in range(4):
                across, up = np.full(x.shape, corner & 1), np.full(x.shape, corner >> 1)
                at = vertex(across, up) << FRACTION
                is_own = (across == own[0]) & (up == own[1])
                consider(always, at, is_own, part[0] - across * ONE, part[1] - up * ONE)
            zero = np.zeros(x.shape, np.int64)
            for side_of in range(2):
                flat = np.full(x.shape, side_of)
                joined, at = arc_between(vertex(own[0], flat), vertex(1 - own[0], flat), gap[0])
                consider(joined, at, flat == own[1], zero, part[1] - flat * ONE)
                joined, at = arc_between(vertex(flat, own[1]), vertex(flat, 1 - own[1]), gap[1])
                consider(joined, at, flat == own[0], part[0] - flat * ONE, zero)
            return arc, residual[0] + outside[0], residual[1] + outside[1]

        def decode(x: IntArray, y: IntArray) -> IntArray:
            arc, _, _ = nearest(x, y)
            forward = arc if c1 > c0 else total - arc
            value = low + ((forward * span + (segments << (FRACTION - 1))) >> FRACTION) // segments
            if spec.curve.closed:
                value = np.where(value == c1, c0, value)
            return as_output(spec, value)

        def measure(x: IntArray, y: IntArray) -> IntArray:
            _, rx, ry = nearest(x, y)
            square = np.zeros(x.shape, np.int64)
            for axis, residual in zip(axes, (rx, ry), strict=True):
                limit = (FAR << FRACTION << CODE) // axis.pitch
                codes_off = (np.minimum(np.abs(residual), limit) * axis.pitch + (ONE >> 1)) >> FRACTION
                square = square + codes_off * codes_off
            answer = np.zeros(x.shape, np.int64)
            for bit in range(7, -1, -1):
                trial = answer + (1 << bit)
                least = (2 * trial - 1) << (CODE - 1)
                answer = np.where(square >= least * least, trial, answer)
            return answer

        self._refuse_close_calls(spec, ideal, decode, measure if distance else None)
        limits = [(FAR << FRACTION << CODE) // axis.pitch for axis in axes]
        if (
            distance
            and max(min(limit, 1 << 62) * axis.pitch for limit, axis in zip(limits, axes, strict=True)) >= 1 << 62
        ):
            raise Refused("a distance would not fit 64 bits")
        portable = Implementation(
            tables=(Table("place", "uint16", place, f"place along the curve of vertex (x, y), at y << {order} | x"),),
            decode=decode,
            distance=measure if distance else None,
            params={
                "order": order, "edge": side - 2, "segments": segments, "last": f"{last}LL", "total": f"{total}LL",
                "closed": spec.curve.closed, "reverse": c1 < c0, "span": span, "add": f" {'-' if low < 0 else '+'} {abs(low)}" if low else "", "one": f"{ONE}LL", "c0": c0, "c1": c1,
                "half": f"{segments << (FRACTION - 1)}ULL", "fraction": FRACTION, "drop": 1 << DROP,
                "compared": COMPARED, "factor": FACTOR, "rounding": 1 << (FACTOR - 1), "middle": f"{axes[0].middle}LL", "factor_x": f"{axes[0].factor}LL",
                "factor_y": f"{axes[1].factor}LL", "offset_x": f"{axes[0].offset}LL", "offset_y": f"{axes[1].offset}LL",
                "pitch_x": f"{axes[0].pitch}LL", "pitch_y": f"{axes[1].pitch}LL", "limit_x": f"{limits[0]}LL",
                "limit_y": f"{limits[1]}LL", "wrap": segments - 1, "code": CODE - 1,
            },
        )  # fmt: skip
        return Built(
            strategy=self.name,
            portable=portable,
            note="The nearest of the four edges and four corners of the square between vertices, by integer arithmetic.",
        )

    @staticmethod
    def _refuse_close_calls(spec: Spec, ideal: Ideal, decode: Model, measure: Model | None) -> None:
        """Refuse where fixed-point positions decide a comparison wrongly.

        Scales of few decimal digits can bring two branches within 2^-53 of the same distance without making them
        equal, and no fixed number of bits tells those apart.
        """
        domain = proof_domain(spec)
        mask = (1 << spec.heads.bits) - 1
        x, y = np.meshgrid(domain.x & mask, domain.y & mask)
        wrong = decode(x, y) != ideal.codes
        if measure is not None:
            wrong |= measure(x, y) != ideal.distance
        if wrong.any():
            raise Refused(
                f"{int(wrong.sum())} of {domain.pairs} pairs are closer calls than {FRACTION} fractional bits of a cell "
                "settle"
            )


STRATEGIES.add(Closed.name, Closed())
