"""What half segments of other corners save of the square of a distance, from distances of 16 bits (fit.py).

Vertices are about 2^15 units apart, so that with e along a half segment of another corner and d across an axis, what
it saves of the square of the distance is e^2 + 2 * 2^15 * d - 2^30, and a lane compares

    (e * e >> 16) + d    with    (own * own >> 16) + CROSSING

Whole numbers that are not the exact ones make that wrong by a few units: what is not that much more is a close call.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused
from hilbert_codegen.kernels.corner.fit import LANE, Fit, fitted, step
from hilbert_codegen.kernels.corner.geometry import Parts
from hilbert_codegen.kernels.corner.lanes import HIGHEST

#: What the distance across an axis is compared with: that of two vertices, halved, less what all may be off by.
CROSSING = 1 << 14
#: Distances of vertices that are tried: about this, by how many slopes below it, from what shift on and how often shifted,
#: how near to exact ones; and from how many units on what may be wrong is too much.
PITCH, SLOPES, SHIFT, SHIFTS, NEAR, MOST_WRONG = 1 << 15, 3, 4, 4, (1, 2, 4, 8), 1 << 11
#: Up to which common denominator distances are compared in whole numbers; else what is less than that is nearly nothing.
EXACT, NEARLY = 1 << 30, 1e-9


@dataclass(frozen=True)
class Wrong:
    """What comparisons of savings are off by.

    Attributes:
        margin: what the difference of two savings of other corners' half segments is off by at most.
        sure: by how much one that is not more than the own one's seems more, at most. What is more seems more.
        later: the same where the other one may be of another corner, less `margin`.
    """

    margin: int
    sure: int
    later: int


def fitting(whole: Parts, number: dict[int, int]) -> tuple[Fit, Wrong]:
    """Distances for half segments with these numbers with which the least is wrong. Raises Refused."""
    best: tuple[Fit, Wrong] | None = None
    first = round(step(whole) * LANE / PITCH)
    for near, slope in itertools.product(NEAR, range(max(1, first - SLOPES), first + 2)):
        shift, before = SHIFT, -1
        for _ in range(SHIFTS):
            fit = fitted(whole, number, slope, shift, near) if shift != before else None
            if fit is None:
                break
            seems, off = wrong(whole, fit.distance, fit.pitch)
            if seems > 0 and off.later <= MOST_WRONG and (best is None or off.sure < best[1].sure):
                best = fit, off
            before, shift = shift, max(0, shift + 1 - seems)
        if best is not None and slope == first + 1:
            return best
    raise Refused("no distances of 16 bits serve every result and comparison")


def wrong(whole: Parts, distance: IntArray, pitch: Fraction) -> tuple[int, Wrong]:
    """What savings are off by with these distances, and by how much one that is more than the own one's seems more, at least.

    Distances rise with the exact ones.
    """
    pairs = sorted(
        {pair for one in zip(whole.offset, distance.tolist(), strict=True) for pair in zip(*one, strict=True)}
    )
    exact = [g for g, _ in pairs]
    far = np.array([n for _, n in pairs])
    square = far * far >> 16
    # In whole numbers where those fit; else what is nearly as much may be more, and may be less.
    scale = math.lcm(*(g.denominator for g in exact))
    one, nearly = (scale, 0) if scale < EXACT else (1, NEARLY)
    g = np.array([int(part * scale) if scale < EXACT else float(part) for part in exact])
    own, mine = np.insert(g * g, 0, 0), np.insert(square, 0, 0)
    # No more than the own one's are those with nothing across that comes near it.
    reach = (g[-1] * g[-1] + one * (2 * g - one) > -nearly) | (far + square[-1] > CROSSING)
    gain = g * g + one * (2 * g[reach, None] - one)
    seems = square + far[reach, None] - CROSSING
    # Of the own ones that a saving is more than the greatest, and of those that it is not more than the least.
    below, above = np.searchsorted(own, gain + nearly), np.searchsorted(own, gain - nearly)
    more, not_more = below > 0, above < len(own)
    least = int((seems - mine[below - 1])[more].min(initial=HIGHEST))
    sure = int((seems[not_more] - mine[above[not_more]]).max(initial=0))
    unit = pitch * pitch / LANE
    spread = [int(n) - unit * part * part for n, part in zip(square, exact, strict=True)]
    across_by = [int(n) - unit * (2 * part - 1) for n, part, found in zip(far, exact, reach, strict=True) if found]
    beyond = across_by or [Fraction(0)]
    margin = math.ceil(max(spread) - min(spread) + max(beyond) - min(beyond))
    return least, Wrong(margin, sure, max(sure, 2 * margin))
