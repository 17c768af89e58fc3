"""Curves: ordered walks of unit steps over the vertices of a grid of two to six dimensions.

A curve is one file here that registers a function `(order, dimensions) -> vertices`. Everything downstream (reference,
tables, kernels, plots) reads only `Curve`, so nothing else knows which curve it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import UsageError
from hilbert_codegen.registry import Registry

#: A vertex: one whole number 0..side - 1 for each axis.
Point = tuple[int, ...]

#: Symmetries of the square: (x, y, last) -> (x, y), where last = side - 1. "d2xy" is the curve as its file gives it.
ORIENTATIONS: dict[str, Callable[[int, int, int], tuple[int, int]]] = {
    "d2xy": lambda x, y, last: (x, y),
    "mirror_x": lambda x, y, last: (last - x, y),
    "mirror_y": lambda x, y, last: (x, last - y),
    "rotate_90": lambda x, y, last: (last - y, x),
    "rotate_180": lambda x, y, last: (last - x, last - y),
    "rotate_270": lambda x, y, last: (y, last - x),
    "transpose": lambda x, y, last: (y, x),
    "anti_transpose": lambda x, y, last: (last - y, last - x),
}

#: Names of the axes, as orientations, messages and the generated C have them.
AXES = "xyzuvw"

DIMENSIONS = range(2, 7)

#: Number of dimensions -> the orders that exist: 64 vertices in six dimensions, 512 in three.
ORDERS_OF: dict[int, range] = {2: range(1, 7), 3: range(1, 4), 4: range(1, 3), 5: range(1, 2), 6: range(1, 2)}

ORDERS = ORDERS_OF[2]


@dataclass(frozen=True)
class CurveKind:
    """A family of curves: `vertices(order, dimensions)` lists the grid points, `closed` joins the last to the first.

    `dimensions` are those that it exists in, `title` its name in a sentence.
    """

    name: str
    vertices: Callable[[int, int], list[Point]]
    closed: bool
    summary: str
    dimensions: range = DIMENSIONS
    title: str = ""


CURVES: Registry[CurveKind] = Registry("curve", __name__)

Vertices = Callable[[int, int], list[Point]]


def register(
    name: str, *, closed: bool, summary: str, dimensions: range = DIMENSIONS, title: str = ""
) -> Callable[[Vertices], Vertices]:
    """Decorator for `vertices(order, dimensions) -> points of {0..2^order - 1}^dimensions`, each of them once.

    `title` is the name as it stands in a sentence, where that is not `name`.
    """

    def add(vertices: Vertices) -> Vertices:
        CURVES.add(name, CurveKind(name, vertices, closed, summary, dimensions, title or name))
        return vertices

    return add


@dataclass(frozen=True)
class Curve:
    """One curve of one order and orientation.

    Attributes:
        name: the kind's name.
        order: p, 1..6; the grid has side 2^p.
        orientation: as `turn_of` takes it.
        closed: whether a segment joins the last vertex to the first (t is then an angle: t = 1 is t = 0).
        points: the vertices in order of arc length, one coordinate 0..side-1 for each axis.
    """

    name: str
    order: int
    orientation: str
    closed: bool
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless the points are a walk of unit steps in the grid that visits no point twice."""
        if len(set(self.points)) != len(self.points):
            raise ValueError(f"curve {self.name}: a grid point is visited twice")
        if any(not 0 <= value < self.side for point in self.points for value in point):
            raise ValueError(f"curve {self.name}: a point lies outside the grid of side {self.side}")
        following = self.points[1:] + (self.points[:1] if self.closed else ())
        for a, b in zip(self.points, following, strict=False):
            if sum(abs(u - v) for u, v in zip(a, b, strict=True)) != 1:
                raise ValueError(f"curve {self.name}: {a} to {b} is not a unit step")

    @property
    def dimensions(self) -> int:
        """Number of axes, and so of heads: 2..6."""
        return len(self.points[0])

    @property
    def side(self) -> int:
        """Grid points along one axis, 2^order."""
        return 1 << self.order

    @property
    def segments(self) -> int:
        """Unit segments M; arc length runs over [0, M], on a closed curve over [0, M)."""
        return len(self.points) if self.closed else len(self.points) - 1

    @property
    def vertices(self) -> NDArray[np.int64]:
        """The vertices, int64, shape (N, dimensions)."""
        return np.array(self.points, dtype=np.int64)

    def length(self, inset: Fraction) -> Fraction:
        """Length of the curve in head units: M segments of (1 - 2 inset) / (side - 1) each."""
        return self.segments * (1 - 2 * inset) / (self.side - 1)


def turn_of(orientation: str, dimensions: int) -> Callable[[Point, int], Point]:
    """The symmetry of the cube called `orientation`, as a function of a point and last = side - 1.

    "d2xy" is the curve as its file gives it; for two dimensions the other keys of ORIENTATIONS exist. For more,
    `orientation` lists for every head the axis of the curve that it follows, with a minus where it runs backwards:
    "z,-x,y" gives the first head the curve's z, the second its x mirrored, the third its y.

    Raises ValueError for anything else.
    """
    if orientation == "d2xy":
        return lambda point, last: point
    if dimensions == 2:
        if orientation not in ORIENTATIONS:
            raise ValueError(f"orientation {orientation!r} is none of {', '.join(ORIENTATIONS)}")
        change = ORIENTATIONS[orientation]
        return lambda point, last: change(point[0], point[1], last)
    words = [word.strip() for word in orientation.split(",")]
    if sorted(word.removeprefix("-") for word in words) != sorted(AXES[:dimensions]):
        raise ValueError(f"orientation {orientation!r} does not list each of {', '.join(AXES[:dimensions])} once")
    picked = [(AXES.index(word[-1]), word.startswith("-")) for word in words]
    return lambda point, last: tuple(last - point[axis] if mirrored else point[axis] for axis, mirrored in picked)


@lru_cache(maxsize=64)
def make_curve(name: str, order: int, orientation: str = "d2xy", dimensions: int = 2) -> Curve:
    """Build the curve `name` (a registered kind) of `order` in `dimensions`, turned by `orientation` (see `turn_of`).

    Orders 1..6 exist in two dimensions, 1..3 in three, 1 and 2 in four, 1 in five and six.

    Raises UsageError for an unknown name or one without curves of so many dimensions, ValueError for an order,
    orientation or number of dimensions out of range.
    """
    kind = CURVES[name]
    if dimensions not in DIMENSIONS:
        raise ValueError(f"{dimensions} dimensions are not in 2..6")
    if dimensions not in kind.dimensions:
        raise UsageError(f"curve {name!r} has no curves of {dimensions} dimensions")
    orders = ORDERS_OF[dimensions]
    if order not in orders:
        raise ValueError(f"order {order} is not in 1..{orders[-1]}")
    turn = turn_of(orientation, dimensions)
    last = (1 << order) - 1
    points = tuple(turn(tuple(point), last) for point in kind.vertices(order, dimensions))
    return Curve(name, order, orientation, kind.closed, points)


def cell_inset(order: int) -> Fraction:
    """The cell-centred inset 2^-(order+1): every vertex in the middle of its cell of width 2^-order."""
    return Fraction(1, 1 << (order + 1))
