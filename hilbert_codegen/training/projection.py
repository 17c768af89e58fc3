"""The nearest point of a curve in floating point, at a cost that does not depend on the curve's order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import Curve

FloatArray = NDArray[np.float64]

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

    `grid` are points in grid coordinates, shape (count, dimensions); both results are float64 of shape (count,). Of
    equally near points the first along the curve is taken.
    """
    near = _near(curve)
    arc, square = np.empty(len(grid)), np.empty(len(grid))
    shape = (curve.side - 1,) * curve.dimensions
    for first in range(0, len(grid), _CHUNK):
        part = grid[first : first + _CHUNK]
        cell = np.clip(np.floor(np.nan_to_num(part)), 0, curve.side - 2).astype(np.int64)
        cube = np.ravel_multi_index(tuple(cell.T), shape)
        rows = np.arange(len(part))
        best, at = np.full(len(part), np.inf), np.zeros(len(part))
        for column in range(near.segments.shape[1]):
            segment = near.segments[cube, column]
            off = part - near.start[segment]
            axis = near.axis[segment]
            along = np.clip(off[rows, axis] * near.sign[segment], 0.0, 1.0)
            off[rows, axis] -= along * near.sign[segment]
            distance = np.einsum("ij,ij->i", off, off)
            closer = distance < best
            best[closer] = distance[closer]
            at[closer] = (segment + along)[closer]
        arc[first : first + _CHUNK], square[first : first + _CHUNK] = at, best
    return arc, square
