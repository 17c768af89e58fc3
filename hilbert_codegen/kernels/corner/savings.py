"""What half segments of other corners save of the square of a distance, from distances of 16 bits (fit.py).

Vertices are about 2^15 units apart, so that with e along a half segment of another corner and d across an axis, what
it saves of the square of the distance is e^2 + 2 * 2^15 * d - 2^30, and a lane compares

    (e * e >> 16) + d    with    (own * own >> 16) + CROSSING

Whole numbers that are not the exact ones make that wrong by a few units: what is not that much more is a close call.
Vertices elsewhere than 2^15 units apart have another factor of d (Scale).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Scale:
    """How distances across an axis are taken where vertices are not 2^15 units apart.

    Attributes:
        rough: bits of distances that comparisons leave out.
        times: what a distance across is multiplied by, of which 15 bits go.
        crossing: what that of two vertices, halved, comes to.
    """

    rough: int = 0
    times: int = PITCH
    crossing: int = CROSSING

    @classmethod
    def of(cls, pitch: Fraction) -> Scale:
        """That of vertices which are so far apart."""
        rough = max(0, (math.ceil(pitch) - 1).bit_length() - PITCH.bit_length() + 1)
        part = pitch / (1 << rough)
        return cls(rough, min(round(part), PITCH - 1), round(part * part / LANE))

    def square(self, distance: IntArray) -> IntArray:
        """What a distance along a half segment saves."""
        return np.asarray((distance >> self.rough) ** 2 >> 16)

    def beside(self, distance: IntArray) -> IntArray:
        """What one across an axis does, more than where its half segment is no nearer."""
        return np.asarray((distance >> self.rough) * self.times >> 15)


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


def fitting_lifted(whole: Parts, number: dict[int, int]) -> tuple[Fit, Scale, Wrong]:
    """Distances that less a phase have one sign (`fitted`), with which the least is wrong. Raises Refused.

    First those of vertices less than PITCH apart: half their slope is a factor of 15 bits. Then those with a shift."""
    shifting = 1 << math.ceil(step(whole) / 2 + 4).bit_length()
    each = step(whole)
    first = math.floor(each * LANE / PITCH / 2) + 1
    # With a whole number of units in a result bounds of whole numbers leave most.
    units = [math.floor(PITCH / each) - i for i in range(SLOPES)]
    halves = dict.fromkeys([*range(first, first + SLOPES), *(-(-PITCH // unit) for unit in units if unit > 0)])
    for slopes in ([2 * half for half in halves if 2 * half < PITCH], [shifting]):
        for near in NEAR:
            found = [one for slope in slopes if (one := _lifted(whole, number, slope, near))]
            if found:
                return min(found, key=lambda one: one[2].later)
    raise Refused("no distances of 16 bits serve every result and comparison")


def _lifted(whole: Parts, number: dict[int, int], slope: int, near: int) -> tuple[Fit, Scale, Wrong] | None:
    # No phase is negative where distances fill 16 bits.
    shifted = step(whole) * LANE > PITCH * slope
    fit = fitted(whole, number, slope, near + (LANE // slope if shifted else 0), near, True)
    if fit is None:
        return None
    distance, phase = fit.distance, fit.phase
    highest = max(distance.max() - min(0, phase.min()), phase.max())
    if highest > (LANE - 1 if shifted else HIGHEST) or (shifted and phase.min() < 0):
        return None
    scale = Scale.of(fit.pitch)
    seems, _ = wrong(whole, fit.distance, fit.pitch, scale)
    if seems < HIGHEST:
        # What is more seems one more; where nothing is, nothing has to.
        scale = replace(scale, crossing=scale.crossing + seems - 1)
    seems, off = wrong(whole, fit.distance, fit.pitch, scale)
    return (fit, scale, off) if seems > 0 and off.later <= MOST_WRONG else None


def wrong(whole: Parts, distance: IntArray, pitch: Fraction, by: Scale | None = None) -> tuple[int, Wrong]:
    """What savings are off by with these distances, and by how much one that is more than the own one's seems more, at least."""
    by = by or Scale()
    pitch /= 1 << by.rough
    pairs = whole.by_distance(distance)
    exact = [g for g, _ in pairs]
    far = np.array([n for _, n in pairs])
    square, beside = by.square(far), by.beside(far)
    # In whole numbers where those fit; else what is nearly as much may be more, and may be less.
    scale = math.lcm(*(g.denominator for g in exact))
    one, nearly = (scale, 0) if scale < EXACT else (1, NEARLY)
    g = np.array([int(part * scale) if scale < EXACT else float(part) for part in exact])
    # What is more, and what is not, comes with more of the own distances, and seems to.
    own, mine = np.append(0, g * g), np.maximum.accumulate(np.append(0, square))
    fewest = np.minimum.accumulate(np.append(0, square)[::-1])[::-1]
    # No more than the own one's are those with nothing across that comes near it.
    reach = (g[-1] * g[-1] + one * (2 * g - one) > -nearly) | (beside + square[-1] > by.crossing)
    gain = g * g + one * (2 * g[reach] - one)[:, None]
    seems = square + beside[reach][:, None] - by.crossing
    more, less = np.searchsorted(own, gain + nearly), np.searchsorted(own, gain - nearly)
    least = int((seems - mine[more - 1])[more > 0].min(initial=HIGHEST))
    sure = int((seems - fewest[np.minimum(less, len(own) - 1)])[less < len(own)].max(initial=0))
    unit = pitch * pitch / LANE
    spread = [int(n) - unit * part * part for n, part in zip(square, exact, strict=True)]
    across_by = [int(n) - unit * (2 * part - 1) for n, part, found in zip(beside, exact, reach, strict=True) if found]
    beyond = across_by or [Fraction(0)]
    margin = math.ceil(max(spread) - min(spread) + max(beyond) - min(beyond))
    return least, Wrong(margin, sure, max(sure, 2 * margin))
