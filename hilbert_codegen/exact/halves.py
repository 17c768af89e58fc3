"""Half segments, of which the exact reference takes the nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.spec.specification import Spec

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class HalfSegments:
    """All half segments of a curve: each from a vertex to the middle of the way to its neighbour.

    Attributes:
        vertex: (halves,) index of the vertex along the curve.
        at: (halves, axes) the vertex, in cells.
        step: (halves, axes) the step to the neighbour, in cells.
        sign: (halves,) 1 where s grows away from the vertex, else -1.
    """

    vertex: IntArray
    at: IntArray
    step: IntArray
    sign: IntArray


def half_segments(spec: Spec) -> HalfSegments:
    """The half segments of the curve of `spec`, in any number of dimensions."""
    points = spec.curve.vertices
    count = len(points)
    index = np.arange(count)
    forth = index if spec.curve.closed else index[:-1]
    back = index if spec.curve.closed else index[1:]
    vertex = np.concatenate([forth, back])
    towards = np.concatenate([(forth + 1) % count, (back - 1) % count])
    sign = np.concatenate([np.ones(len(forth), np.int64), -np.ones(len(back), np.int64)])
    return HalfSegments(vertex, points[vertex], points[towards] - points[vertex], sign)
