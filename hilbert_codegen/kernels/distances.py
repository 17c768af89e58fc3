"""The distance to the curve off the cell grid, for any strategy: where both heads have cells of as many codes.

Then a nearest point is nearest in codes too, and rounding keeps the order of distances: the distance is the least of those
to the segments around, each rounded. In a quarter (folding.py) these are

- the own vertex's segments along the square: the distance to each is the offset from the own vertex in one code;
- if there is none, the own vertex itself, sqrt(dx^2 + dy^2), and the far sides that belong to the curve, whose distance is
  the offset from the other vertex in one code.

So a byte for each code holds an offset, a pair of bytes for each quarter says which of the two count (0xFF: not this
one), and only where none of them does, squares are added and their root is searched for. Off the grid the same
holds, with an offset that goes on: there, quarters of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, IntArray, Model, Offer, Refused, Table
from hilbert_codegen.kernels.folding import places
from hilbert_codegen.spec.specification import Spec

#: The largest distance that is told.
MOST = 255
#: Instead of an offset that does not count.
NONE = 0xFF
#: Orders whose quarters fit the byte beside an offset.
ORDERS = range(1, 6)


@dataclass(frozen=True)
class Distances:
    """Tables, model and constants of the template, to be added to an implementation."""

    tables: tuple[Table, ...]
    model: Model
    params: Mapping[str, object]

    def beside(self, code: Implementation) -> Implementation:
        """`code` with the distance."""
        return replace(
            code, tables=(*code.tables, *self.tables), distance=self.model, params={**code.params, "away": self.params}
        )


def with_distances(built: Built, away: Distances) -> Built:
    """`built` with the distance in all that it has and offers."""

    def beside(offer: Offer) -> Implementation | None:
        code = offer()
        return None if code is None else away.beside(code)

    offers = {name: partial(beside, offer) for name, offer in built.offers.items()}
    return replace(built, portable=away.beside(built.portable), offers=offers)


@dataclass(frozen=True)
class _Axis:
    """By the raw bits of a head: quarter (one for what lies before the grid, one behind it), and exact offsets in codes."""

    region: IntArray
    own: tuple[Fraction, ...]
    other: tuple[Fraction, ...]


def _axis(spec: Spec, axis: int) -> _Axis:
    side = spec.curve.side
    regions, own, other = [], [], []
    for code in spec.heads.codes().tolist():
        place = spec.coordinate(axis, code)
        region = min(max(int(2 * place // 1) + 1, 0), 2 * side - 1)
        near = region >> 1
        far = near + (1 if region == 0 or (region % 2 == 1 and region != 2 * side - 1) else -1)
        regions.append(region)
        own.append(abs(place - near) * spec.pitch(axis))
        other.append(abs(place - far) * spec.pitch(axis))
    return _Axis(np.array(regions), tuple(own), tuple(other))


def _rounded(offsets: tuple[Fraction, ...]) -> IntArray:
    return np.array([min(int(offset + Fraction(1, 2)), MOST) for offset in offsets])


def _sides(spec: Spec) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """By quarter [of y, of x], whether these belong to the curve: own vertical and horizontal side, far ones."""
    side, count = spec.curve.side, len(spec.curve.points)
    place = places(spec)
    region = np.arange(2 * side)
    near = region >> 1
    right = (region == 0) | ((region % 2 == 1) & (region != 2 * side - 1))
    far = near + np.where(right, 1, -1)
    inside = (region > 0) & (region < 2 * side - 1)

    def joined(a: IntArray, b: IntArray) -> IntArray:
        apart = np.abs(a - b)
        return np.asarray((a >= 0) & (b >= 0) & ((apart == 1) | (spec.curve.closed & (apart == count - 1))))

    here, across = place[np.ix_(near, near)], place[np.ix_(near, far)]
    up, opposite = place[np.ix_(far, near)], place[np.ix_(far, far)]
    # A segment whose end is nearest counts as the vertex: off the grid along it.
    vertical, horizontal = joined(here, up) & inside[:, None], joined(here, across) & inside[None, :]
    both = inside[:, None] & inside[None, :]
    return vertical, horizontal, joined(across, opposite) & both, joined(up, opposite) & both


def _masks(x: IntArray, y: IntArray) -> IntArray:
    """Pairs of bytes: 0 where the offset of x (low) and y (high) counts, else 0xFF."""
    return np.asarray(np.where(x, 0, NONE) | np.where(y, 0, NONE) << 8)


def distances(spec: Spec, ideal: Ideal) -> Distances:
    """The distance of `spec`; Refused where cells of the heads differ, for 16-bit heads, and for order 6."""
    if spec.heads.bits != 8 or spec.dimensions != 2 or spec.estimator.kind != "nearest":
        raise Refused("distances by offset are for the nearest point of two 8-bit heads")
    if spec.pitch(0) != spec.pitch(1):
        raise Refused("distances by offset need cells of as many codes of both heads")
    if spec.curve.order not in ORDERS:
        raise Refused(f"its distances take orders up to {ORDERS[-1]}")
    axes = [_axis(spec, axis) for axis in (0, 1)]
    vertical, horizontal, far_vertical, far_horizontal = _sides(spec)
    bits = spec.curve.order + 1
    # A vertical segment is as far off as the code of x is, and a horizontal one as that of y.
    mask = _masks(vertical, horizontal).reshape(-1)
    far_mask = _masks(far_vertical, far_horizontal).reshape(-1)
    word = [_rounded(axis.own) | axis.region << 8 for axis in axes]
    far = [_rounded(axis.other) for axis in axes]
    square, least = _roots(axes, mask, bits)
    guess = np.searchsorted(least[1:], np.arange(256) << 24, side="right")

    def model(x: IntArray, y: IntArray) -> IntArray:
        a, b = word[0][x], word[1][y]
        number = (b >> 8 << bits) | a >> 8
        kind, other = mask[number], far_mask[number]
        near = np.minimum((a | kind) & 0xFF, (b | kind >> 8) & 0xFF)
        beyond = np.minimum(far[0][x] | other & 0xFF, far[1][y] | other >> 8)
        root = np.searchsorted(least[1:], square[0][x] + square[1][y], side="right")
        return np.asarray(np.where(kind == NONE << 8 | NONE, np.minimum(root, beyond), near))

    tables = [
        Table(
            "mask", "uint16", mask, f"0 in the byte of x or y whose offset counts, at quarter y << {bits} | quarter x"
        ),
        Table("far_mask", "uint16", far_mask, "the same for the far sides of the quarter's square"),
        Table("root", "uint32", least, "the least sum of squares at each distance", 8),
        Table("root_from", "uint8", guess, "where to search for a root, by the upper byte of a sum"),
    ]
    for name, own, other, squares in zip("xy", word, far, square, strict=True):
        tables += [
            Table(f"near_{name}", "uint16", own, f"quarter << 8 | offset from the own vertex in codes, by the raw bits of {name}"),
            Table(f"far_{name}", "uint8", other, f"offset from the other vertex in codes, by the raw bits of {name}"),
            Table(f"square_{name}", "uint32", squares, f"square of the offset from the own vertex, by the raw bits of {name}", 8),
        ]  # fmt: skip
    if (model(*np.meshgrid(np.arange(256), np.arange(256))) != ideal.distance).any():
        raise Refused("a distance is a closer call than squares of 32 bits settle")
    return Distances(tuple(tables), model, {"bits": bits})


def _roots(axes: list[_Axis], mask: IntArray, bits: int) -> tuple[list[IntArray], IntArray]:
    """Squares of the offsets of each head in fixed point, and by distance the least sum of two of them."""
    alone = mask == NONE << 8 | NONE
    number = (axes[1].region[:, None] << bits) | axes[0].region[None, :]
    y, x = np.nonzero(alone[number])
    held = [[min(offset, Fraction(MOST + 1)) ** 2 for offset in axis.own] for axis in axes]
    largest = max([held[0][i] + held[1][j] for i, j in zip(x.tolist(), y.tolist(), strict=True)], default=Fraction(1))
    unit = 1 << max(31 - int(largest).bit_length(), 0)
    # Squares that no pair needs may be larger than fit; they are never added.
    square = [np.array([min(int(value * unit + Fraction(1, 2)), (1 << 31) - 1) for value in of]) for of in held]
    sums = square[0][x] + square[1][y]
    # The last entry is never reached, so that a search ends there.
    least = np.full(MOST + 2, (1 << 32) - 1)
    borders = [unit * (2 * d - 1) ** 2 / Fraction(4) for d in range(1, MOST + 1)]
    # Sums are off by at most one, half for each square. Where a border lies among them the exact ones tell the side.
    for d, border in enumerate(borders, 1):
        at_or_above = sums[sums >= int(border) - 1]
        close = np.flatnonzero((sums >= border - 2) & (sums <= border + 2))
        exact = [held[0][i] + held[1][j] for i, j in zip(x[close].tolist(), y[close].tolist(), strict=True)]
        reached = [
            int(sums[c]) for c, value in zip(close.tolist(), exact, strict=True) if 4 * value >= (2 * d - 1) ** 2
        ]
        above = sums[sums > border + 2]
        found = [*reached, *([int(above.min())] if len(above) else [])]
        if len(at_or_above) and found:
            least[d] = min(found)
    least[0] = 0
    return square, np.minimum.accumulate(least[::-1])[::-1]
