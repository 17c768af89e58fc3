"""The exact posterior mean: t of the curve averaged under Gaussian head noise, with every rounding settled.

For a query (X, Y) in grid coordinates and noise of standard deviation sigma (cells), both along and across,

    mean s = integral of s w(s) ds / integral of w(s) ds,    w(s) = exp(-|(X, Y) - point(s)|^2 / (2 sigma^2)),

s running over the whole curve. Segments are axis-aligned, so w splits into a factor of X and a factor of Y: per axis
only the Gaussian at the grid lines and its two moments over the grid intervals are needed, and those have closed forms
in exp and erfc. They are evaluated with ball arithmetic (Arb, through python-flint: every result carries a proven error
bound) and rounded to float64. All sums are of positive terms, so the float64 result has a proven relative error too;
wherever that error straddles a rounding border the pair is evaluated again with balls of growing precision.

The one case that no precision settles is an exact tie. A query on an axis of a symmetry that maps the curve onto
itself backwards has a mean of exactly M / 2 (the middle column of a Hilbert curve, for one): found by comparing
vertices, and computed with integers.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import ORIENTATIONS
from hilbert_codegen.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

#: Bits of the balls: for the tables per axis, and where pairs are evaluated again.
AXIS_BITS = 128
LAST_BITS = 8192

UNIT_ROUNDOFF = 2.0**-53


def _flint() -> Any:
    try:
        import flint
    except ImportError:
        raise UsageError(
            'decoder.estimator = "mean": its exact table needs python-flint, which is not installed: '
            "pip install 'hilbert_codegen[mean]'"
        ) from None
    return flint


def _ball(flint: Any, value: Fraction) -> Any:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


def _axis_balls(flint: Any, coordinate: Fraction, side: int, sigma: Fraction) -> tuple[list[Any], list[Any], list[Any]]:
    """Balls for one coordinate of one axis: Gaussian at every grid line, its moments 0 and 1 over every interval.

    All carry the factor exp(+m^2 / (2 sigma^2)), m the distance from the coordinate to [0, side - 1]: the factor is
    common to all weights, cancels in the mean, and keeps codes far off the grid from underflowing.
    """
    ball = flint.arb
    outside = max(-coordinate, coordinate - (side - 1), Fraction(0))
    width = 2 * sigma * sigma
    scale = _ball(flint, width).sqrt()
    shift = _ball(flint, outside**2 / width).exp()
    half_root_pi = scale * ball.pi().sqrt() / 2
    lines = [_ball(flint, (outside**2 - (coordinate - k) ** 2) / width).exp() for k in range(side)]
    zeroth, first = [], []
    for k in range(side - 1):
        low, high = k - coordinate, k + 1 - coordinate
        if low < 0 < high:  # the two tails off a whole Gaussian
            mass = 2 - (_ball(flint, -low) / scale).erfc() - (_ball(flint, high) / scale).erfc()
        else:  # both ends on one side: erfc of the nearer less erfc of the farther, nothing cancels to zero
            near, far = (low, high) if low >= 0 else (-high, -low)
            mass = (_ball(flint, near) / scale).erfc() - (_ball(flint, far) / scale).erfc()
        moment0 = half_root_pi * mass * shift
        zeroth.append(moment0)
        first.append(_ball(flint, -low) * moment0 + _ball(flint, sigma * sigma) * (lines[k] - lines[k + 1]))
    return lines, zeroth, first


def _axis_floats(flint: Any, coordinates: list[Fraction], side: int, sigma: Fraction) -> tuple[FloatArray, ...]:
    """The balls of every coordinate, rounded to float64 with a relative error of at most 2^-52: arrays (codes, ...)."""
    rows: tuple[list[list[float]], ...] = ([], [], [])
    for coordinate in coordinates:
        bits = AXIS_BITS
        while True:
            with flint.ctx.workprec(bits):
                balls = _axis_balls(flint, coordinate, side, sigma)
                if all(value.rel_accuracy_bits() >= 60 for part in balls for value in part):
                    break
            bits *= 2
            if bits > LAST_BITS:
                raise CheckFailed(
                    f"the Gaussian at grid coordinate {float(coordinate)} is not settled by {LAST_BITS} bits"
                )
        for row, part in zip(rows, balls, strict=True):
            row.append([float(value.mid()) for value in part])
    return tuple(np.array(row, dtype=np.float64) for row in rows)


def _mirrored(spec: Spec, x: list[Fraction], y: list[Fraction]) -> NDArray[np.bool_]:
    """Queries (y, x) that a symmetry of the square leaves in place while it turns the curve backwards."""
    found = np.zeros((len(y), len(x)), dtype=bool)
    last = spec.curve.side - 1
    points = spec.curve.points
    for change in ORIENTATIONS.values():
        if any(
            change(point[0], point[1], last) != other for point, other in zip(points, reversed(points), strict=True)
        ):
            continue
        # Every change is (x, y) -> affine, so it does for fractions what it does for vertices.
        for row, value_y in enumerate(y):
            for column, value_x in enumerate(x):
                if change(value_x, value_y, last) == (value_x, value_y):  # type: ignore[arg-type, comparison-overlap]
                    found[row, column] = True
    return found


def mean_codes(spec: Spec, x: list[Fraction], y: list[Fraction], wanted: NDArray[np.bool_]) -> IntArray:
    """Output codes of the posterior mean for the queries of the product of grid coordinates `x` and `y`.

    Args:
        spec: what to compute; its estimator's sigma is used, its gate is not.
        x, y: exact grid coordinates, in cells.
        wanted: bool, shape (len(y), len(x)): only these are evaluated, the others come back as 0.

    Returns int64 of shape (len(y), len(x)): floor(c0 + mean s / M (c1 - c0) + 1/2), exactly.

    Raises ValueError for a closed curve, UsageError without python-flint, CheckFailed if a rounding stays open.
    """
    if spec.curve.closed:
        raise ValueError("t wraps round on a closed curve: it has no mean")
    flint = _flint()
    sigma, segments, side = spec.estimator.sigma, spec.curve.segments, spec.curve.side
    c0, c1 = spec.output.codes
    lines_x, zeroth_x, first_x = _axis_floats(flint, x, side, sigma)
    lines_y, zeroth_y, first_y = _axis_floats(flint, y, side, sigma)

    # Gather the segments of each grid line into one column: num = lines_y @ row sums + column sums @ lines_x.
    # Of s = i + fraction only the integer i and the non-negative moment enter, so every term is non-negative.
    masses = [np.zeros((len(x), side)), np.zeros((len(y), side))]
    moments = [np.zeros((len(x), side)), np.zeros((len(y), side))]
    parts = ((zeroth_x, first_x), (zeroth_y, first_y))
    for index, (start, end) in enumerate(zip(spec.curve.points[:-1], spec.curve.points[1:], strict=True)):
        axis = 0 if start[0] != end[0] else 1
        line, interval = start[1 - axis], min(start[axis], end[axis])
        zeroth, first = (part[:, interval] for part in parts[axis])
        along = first if end[axis] > start[axis] else np.maximum(zeroth - first, 0.0)
        masses[axis][:, line] += zeroth
        moments[axis][:, line] += index * zeroth + along
    mass = lines_y @ masses[0].T + masses[1] @ lines_x.T
    moment = lines_y @ moments[0].T + moments[1] @ lines_x.T

    # Error bound. Sums of non-negative terms in any order: relative (terms + 8) roundoffs at most. zeroth - first
    # cancels, but its error is at most 4 roundoffs of zeroth, and s >= 0 within a segment is at most 1 cell: an
    # absolute 4 roundoffs cells of the mean, covered by the added cell below. Underflow loses at most 1e-300 against a
    # mass that must exceed 1e-200.
    relative = (2 * segments + 32) * UNIT_ROUNDOFF
    with np.errstate(divide="ignore", invalid="ignore"):
        place = moment / mass
    span = c1 - c0
    value = c0 + place / segments * span + 0.5
    margin = 4 * relative * (np.abs(place) + 1) / segments * abs(span) + 4 * UNIT_ROUNDOFF * (abs(c0) + abs(span) + 1)
    codes = np.zeros(wanted.shape, dtype=np.int64)
    sure = (mass > 1e-200) & (np.floor(value - margin) == np.floor(value + margin))
    codes[sure] = np.floor(value[sure]).astype(np.int64)

    tied = _mirrored(spec, x, y)
    codes[tied] = (2 * c0 + span + 1) // 2
    for row, column in np.argwhere(wanted & ~sure & ~tied).tolist():
        codes[row, column] = _settle(flint, spec, x[column], y[row])
    codes[~wanted] = 0
    return codes


def mean_ball(spec: Spec, x: Fraction, y: Fraction, bits: int) -> Any:
    """The mean of s at one query, in cells, as an Arb ball of `bits` working precision."""
    flint = _flint()
    with flint.ctx.workprec(bits):
        sigma, side = spec.estimator.sigma, spec.curve.side
        axes = (_axis_balls(flint, x, side, sigma), _axis_balls(flint, y, side, sigma))
        mass = moment = flint.arb(0)
        for index, (start, end) in enumerate(zip(spec.curve.points[:-1], spec.curve.points[1:], strict=True)):
            axis = 0 if start[0] != end[0] else 1
            interval = min(start[axis], end[axis])
            across = axes[1 - axis][0][start[1 - axis]]
            zeroth, first = axes[axis][1][interval], axes[axis][2][interval]
            mass += across * zeroth
            moment += across * (index * zeroth + (first if end[axis] > start[axis] else zeroth - first))
        return moment / mass


def _settle(flint: Any, spec: Spec, x: Fraction, y: Fraction) -> int:
    c0, c1 = spec.output.codes
    bits = AXIS_BITS
    while bits <= LAST_BITS:
        mean = mean_ball(spec, x, y, bits)
        with flint.ctx.workprec(bits):
            floor = (c0 + mean * (c1 - c0) / spec.curve.segments + flint.arb(0.5)).floor().unique_fmpz()
        if floor is not None and mean.is_finite():
            return int(floor)
        bits *= 2
    raise CheckFailed(
        f"the posterior mean at grid point ({float(x)}, {float(y)}) is within {LAST_BITS} bits of a rounding border: "
        "change decoder.sigma in a late digit"
    )


def gate_limit(spec: Spec, unit: int) -> int:
    """Largest squared distance, in (cells / unit)^2, that the gate still leaves to the nearest point."""
    return math.floor(spec.estimator.gate**2 * unit * unit)
