"""Distances of 16 bits, by which the results of every half segment are computed.

The result of a half segment at distance g from its vertex is

    result = base + ((distance[code] - phase) * slope >> 16)

with one table of distances for all half segments, that rises with g, and for each of them a slope of the same size that
is negative where results fall. Distances stay near their exact ones in units of a pitch that the slope gives. The phase
holds the fraction of the result at the vertex.

Every result bounds the difference of a distance and a phase from both sides. Such a system of bounds has a solution in
whole numbers where the graph of the bounds has no negative cycle, and shortest paths are one (Cormen et al.,
Introduction to Algorithms, on difference constraints).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray
from hilbert_codegen.kernels.corner.geometry import Parts
from hilbert_codegen.spec.specification import INTEGER_TYPES

#: Values of a lane.
LANE = 1 << 16


@dataclass(frozen=True)
class Line:
    """The results of a half segment: they change by `slope` with every cell, from `start` on, at codes of these distances."""

    at: int
    slope: Fraction
    start: Fraction
    distances: IntArray
    results: IntArray


def lines(geometry: Parts, at_of: dict[int, int], order: dict[Fraction, int]) -> list[Line]:
    """Those of half segments with numbers, by the place of every distance among the different ones."""
    spec = geometry.spec
    segments = len(spec.curve.points) - (not spec.curve.closed)
    each = Fraction(spec.output.codes[1] - spec.output.codes[0], segments)
    found = []
    for half, at in at_of.items():
        a, forth = int(geometry.heads.axis[half]), bool(geometry.forth[half])
        vertex = int(geometry.vertex[half]) or (0 if forth or not spec.curve.closed else segments)
        codes = np.flatnonzero(geometry.half[a] == 2 * int(geometry.at[half, a]) - (int(geometry.step[half, a]) < 0))
        distances = np.array([order[geometry.offset[a][code]] for code in codes.tolist()], dtype=np.int64)
        start = spec.output.codes[0] + vertex * each + Fraction(1, 2)
        results = geometry.heads.output[half][codes]
        found.append(Line(at, each if forth else -each, start, distances, results))
    return found


@dataclass(frozen=True)
class Fit:
    """Distances with which all results are right.

    Attributes:
        distance: (heads, 256) of every code.
        slope: what a distance is multiplied by.
        pitch: the exact distance of two vertices in the same units.
        base, phase: by the number of a half segment.
        falls: the same: whether its results fall with the distance.
    """

    distance: IntArray
    slope: int
    pitch: Fraction
    base: IntArray
    phase: IntArray
    falls: IntArray


def fitted(
    geometry: Parts, at_of: dict[int, int], slope: int, shift: int, near: int, lifted: bool = False
) -> Fit | None:
    """Distances for half segments with these numbers, or None. All of them and all phases are `shift` more than the exact
    ones, give or take `near`. `lifted`, results of a half segment are all above its base: then distances less phases have one
    sign, slopes need none, and phases may be negative.
    """
    exact = sorted({g for axis in geometry.offset for g in axis})
    found = lines(geometry, at_of, {g: i for i, g in enumerate(exact)})
    pitch = step(geometry) * LANE / slope
    wrap = 1 << INTEGER_TYPES[geometry.spec.output.dtype][0]
    solved = _solved(found, [g * pitch + shift for g in exact], Fraction(LANE, slope), shift, near, wrap, lifted)
    if solved is None:
        return None
    distances, phases, bases = solved
    base, phase, falls = np.zeros((3, max(at_of.values()) + 1), dtype=np.int64)
    for line, start, turn in zip(found, bases, phases, strict=True):
        base[line.at], phase[line.at], falls[line.at] = start % LANE, turn, line.slope < 0
    of = dict(zip(exact, distances, strict=True))
    return Fit(np.array([[of[g] for g in axis] for axis in geometry.offset]), slope, pitch, base, phase, falls)


def step(geometry: Parts) -> Fraction:
    """Units of results from one vertex to the next."""
    c0, c1 = geometry.spec.output.codes
    return Fraction(abs(c1 - c0), len(geometry.spec.curve.points) - (not geometry.spec.curve.closed))


def _solved(
    found: list[Line], wanted: list[Fraction], unit: Fraction, shift: int, near: int, wrap: int, lifted: bool
) -> tuple[list[int], list[int], list[int]] | None:
    """Distances, phases and bases, or None."""
    slope = round(LANE / unit)
    # Unknowns: the distances, then the phases, then 0. A bound (i, j, w) says that the j-th one exceeds the i-th by at most w.
    zero = len(wanted) + len(found)
    bounds: list[tuple[IntArray, IntArray, IntArray]] = []
    bases = []
    for place, line in enumerate(found, len(wanted)):
        rises = line.slope > 0
        # The least result is half a cell away.
        begin = math.floor(line.start + (line.slope / 2 if lifted and not rises else 0)) + (rises and not lifted)
        bases.append(begin)
        result = (line.results - begin + wrap // 2) % wrap - wrap // 2
        # What the distance is more than the phase: times the slope, or the negative one, it lies in one LANE above a result.
        low = -(-result * LANE // slope) if rises else -(result + 1) * LANE // slope + 1
        high = -(-(result + 1) * LANE // slope) - 1 if rises else -result * LANE // slope
        phase = np.full(len(result), place)
        bounds += [(phase, line.distances, high), (line.distances, phase, -low)]
        fraction = (begin - line.start if rises else line.start - begin) * unit + shift
        top = math.ceil(fraction) + near
        least = math.floor(fraction) - near
        bounds += [_bound(zero, place, top), _bound(place, zero, -(least if lifted else max(0, least)))]
    for place, distance in enumerate(wanted):
        bounds += [_bound(zero, place, math.ceil(distance) + near)]
        bounds += [_bound(place, zero, -max(0, math.floor(distance) - near))]
        if place:
            bounds.append(_bound(place, place - 1, -1))
    less, more, most = (np.concatenate([bound[i] for bound in bounds]) for i in range(3))
    value = np.zeros(zero + 1, dtype=np.int64)
    for _ in range(zero + 2):
        before = value.copy()
        np.minimum.at(value, more, before[less] + most)
        if np.array_equal(before, value):
            break
    else:
        return None
    value -= value[zero]
    # What bounds leave is used to get nearer to the exact distances.
    for place, distance in enumerate(wanted):
        highest = int((value[less] + most)[more == place].min())
        lowest = int((value[more] - most)[less == place].max())
        value[place] = min(max(round(distance), lowest), highest)
    return value[: len(wanted)].tolist(), value[len(wanted) : zero].tolist(), bases


def _bound(less: int, more: int, most: int) -> tuple[IntArray, IntArray, IntArray]:
    return np.array([less]), np.array([more]), np.array([most])
