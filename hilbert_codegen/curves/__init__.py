"""Curves: ordered walks of unit steps over the vertices of a square grid.

A curve is one file here that registers a function `order -> vertices`. Everything downstream (reference, tables,
kernels, plots) reads only `Curve`, so nothing else knows which curve it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.registry import Registry

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

ORDERS = range(1, 7)


@dataclass(frozen=True)
class CurveKind:
    """A family of curves: `vertices(order)` lists the grid points, `closed` joins the last to the first."""

    name: str
    vertices: Callable[[int], list[tuple[int, int]]]
    closed: bool
    summary: str


CURVES: Registry[CurveKind] = Registry("curve", __name__)


def register(name: str, *, closed: bool, summary: str) -> Callable[..., Callable[[int], list[tuple[int, int]]]]:
    """Decorator for `vertices(order) -> [(x, y), ...]`, order in 1..6, points of {0..2^order - 1}^2."""

    def add(vertices: Callable[[int], list[tuple[int, int]]]) -> Callable[[int], list[tuple[int, int]]]:
        CURVES.add(name, CurveKind(name, vertices, closed, summary))
        return vertices

    return add


@dataclass(frozen=True)
class Curve:
    """One curve of one order and orientation.

    Attributes:
        name: the kind's name.
        order: p, 1..6; the grid has side 2^p.
        orientation: a key of ORIENTATIONS.
        closed: whether a segment joins the last vertex to the first (t is then an angle: t = 1 is t = 0).
        points: the vertices in order of arc length, as (x, y), 0..side-1.
    """

    name: str
    order: int
    orientation: str
    closed: bool
    points: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        """Raise ValueError unless the points are a walk of unit steps in the grid that visits no point twice."""
        if len(set(self.points)) != len(self.points):
            raise ValueError(f"curve {self.name}: a grid point is visited twice")
        if any(not (0 <= x < self.side and 0 <= y < self.side) for x, y in self.points):
            raise ValueError(f"curve {self.name}: a point lies outside the grid of side {self.side}")
        following = self.points[1:] + (self.points[:1] if self.closed else ())
        for (ax, ay), (bx, by) in zip(self.points, following, strict=False):
            if abs(ax - bx) + abs(ay - by) != 1:
                raise ValueError(f"curve {self.name}: ({ax}, {ay}) to ({bx}, {by}) is not a unit step")

    @property
    def side(self) -> int:
        """Grid points along one axis, n = 2^order."""
        return 1 << self.order

    @property
    def segments(self) -> int:
        """Unit segments M; arc length runs over [0, M], on a closed curve over [0, M)."""
        return len(self.points) if self.closed else len(self.points) - 1

    @property
    def vertices(self) -> NDArray[np.int64]:
        """The vertices, int64, shape (N, 2)."""
        return np.array(self.points, dtype=np.int64)

    def length(self, inset: Fraction) -> Fraction:
        """Length of the curve in head units: M segments of (1 - 2 inset) / (side - 1) each."""
        return self.segments * (1 - 2 * inset) / (self.side - 1)


@lru_cache(maxsize=64)
def make_curve(name: str, order: int, orientation: str = "d2xy") -> Curve:
    """Build the curve `name` (a registered kind) of `order` 1..6, turned by `orientation` (key of ORIENTATIONS).

    Raises UsageError for an unknown name, ValueError for an order or orientation out of range.
    """
    kind = CURVES[name]
    if order not in ORDERS:
        raise ValueError(f"order {order} is not in 1..6")
    if orientation not in ORIENTATIONS:
        raise ValueError(f"orientation {orientation!r} is none of {', '.join(ORIENTATIONS)}")
    turn = ORIENTATIONS[orientation]
    last = (1 << order) - 1
    points = tuple(turn(x, y, last) for x, y in kind.vertices(order))
    return Curve(name, order, orientation, kind.closed, points)


def cell_inset(order: int) -> Fraction:
    """The cell-centred inset 2^-(order+1): every vertex in the middle of its cell of width 2^-order."""
    return Fraction(1, 1 << (order + 1))
