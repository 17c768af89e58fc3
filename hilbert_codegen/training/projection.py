"""The nearest point of a curve in floating point, at a cost that does not depend on the curve's order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import Curve

FloatArray = NDArray[np.float64]

#: Squared distances in cells^2 that differ by less tie: coordinates of up to 64 cells carry errors of a few 2^-53 of that.
_TIE = 1e-12
#: Points projected at a time, so that the working set stays in cache.
_CHUNK = 1 << 14


@dataclass(frozen=True)
class _Near:
    """The segments that touch each dual cube (the cubes between 2^n neighbouring vertices).

    The nearest point of a query, clamped to the cube of all vertices, is on one of the segments that touch the corners of its
    dual cube: any other point of the curve is farther than the nearest corner is.

    Attributes:
        segments: (cubes, most) indices of segments in order, the last repeated.
        start, axis, sign: of every segment: first vertex in cells, axis it runs along, +1.0 or -1.0.
    """

    segments: NDArray[np.int64]
    start: FloatArray
    axis: NDArray[np.int64]
    sign: FloatArray


@lru_cache(maxsize=16)
def _near(curve: Curve) -> _Near:
    points = curve.vertices
    step = (np.roll(points, -1, axis=0) - points)[: curve.segments]
    place = {point: index for index, point in enumerate(curve.points)}
    lists = []
    for cube in np.ndindex(*[curve.side - 1] * curve.dimensions):
        found = set()
        for corner in np.ndindex(*[2] * curve.dimensions):
            index = place[tuple(c + o for c, o in zip(cube, corner, strict=True))]
            found |= {index, index - 1}
        if curve.closed:
            found = {segment % curve.segments for segment in found}
        lists.append(sorted(segment for segment in found if 0 <= segment < curve.segments))
    most = max(len(found) for found in lists)
    segments = np.array([found + found[-1:] * (most - len(found)) for found in lists], dtype=np.int64)
    axis = np.argmax(np.abs(step), axis=1)
    sign = step[np.arange(len(step)), axis].astype(np.float64)
    return _Near(segments, points[: curve.segments].astype(np.float64), axis, sign)


def project(curve: Curve, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Arc length in cells of the nearest curve point, and the squared distance to it in cells^2.

    `grid` are points in grid coordinates, shape (count, dimensions); both results are float64 of shape (count,), NaN where
    a coordinate is NaN or infinite. Ties are broken as the definition says: the half segment of the query's own cell, then the
    smallest arc length.
    """
    near = _near(curve)
    arc, square = np.full(len(grid), np.nan), np.full(len(grid), np.nan)
    known = np.flatnonzero(np.isfinite(grid).all(axis=1))
    for first in range(0, len(known), _CHUNK):
        rows = known[first : first + _CHUNK]
        arc[rows], square[rows] = _project(curve, near, grid[rows])
    return arc, square


def _project(curve: Curve, near: _Near, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    last = curve.side - 1
    # Clamped to the cube of all vertices a query has the same nearest point, and squares that can't overflow.
    held = np.clip(grid, 0.0, last)
    own = np.minimum(np.floor(held + 0.5), last)
    cell = np.minimum(np.floor(held), last - 1).astype(np.int64)
    cube = np.ravel_multi_index(tuple(cell.T), (last,) * curve.dimensions)
    rows = np.arange(len(grid))
    best, at, foot = np.full(len(grid), np.inf), np.zeros(len(grid)), np.zeros_like(held)
    best_own = np.zeros(len(grid), dtype=bool)
    for column in range(near.segments.shape[1]):
        segment = near.segments[cube, column]
        start, axis, sign = near.start[segment], near.axis[segment], near.sign[segment]
        along = np.clip((held - start)[rows, axis] * sign, 0.0, 1.0)
        point = start.copy()
        point[rows, axis] += along * sign
        distance = np.square(held - point).sum(axis=1)
        beside = own - start
        vertex = beside[rows, axis] * sign
        beside[rows, axis] = 0.0
        mine = ~beside.any(axis=1) & (((vertex == 0) & (along <= 0.5)) | ((vertex == 1) & (along >= 0.5)))
        place = segment + along
        place = np.where(place == curve.segments, 0.0, place) if curve.closed else place
        first = (mine & ~best_own) | ((mine == best_own) & (place < at))
        taken = (distance < best - _TIE) | ((distance <= best + _TIE) & first)
        best = np.minimum(best, distance)
        at[taken], foot[taken], best_own[taken] = place[taken], point[taken], mine[taken]
    with np.errstate(over="ignore"):
        return at, np.square(grid - foot).sum(axis=1)
