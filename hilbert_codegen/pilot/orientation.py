"""Whether the heads would fit the truth far better on another curve: swapped or mirrored heads, or an order or a kind of
curve that is not the one of training.

The square has eight orientations, and each is decoded. The n-cube has 2^n n!, up to 46,080 for six heads. All of them
are looked at too: how far the heads lie from the turned curve at the truth is a sum over the heads of figures that
depend only on which axis a head follows and whether backwards, so 2 n^2 figures tell the distance of every one. The
nearest are then decoded. So are the nearest of the other curves of as many heads, each in its nearest orientation.

Where heads have ranges of their own, a swapped head is also read by the range of another, which no orientation puts right: there
the orders of the heads are looked at in the same way, each head read by the range of its place.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from hilbert_codegen.curves import AXES, CURVES, ORDERS_OF, ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.pilot.results import FloatArray
from hilbert_codegen.training.loss import HeadCurve, difference

#: A curve must fit so many times better to be named. Nets that have learnt nothing differ by less.
SEVERAL = 3.0
#: Points that are compared, evenly taken from all.
_POINTS = 2000
#: Curves that are decoded, of those that lie nearest: orientations of more than two heads, and other orders and kinds.
_DECODED = 4
#: Orientations of the square as those of cubes are written -> their names.
_SQUARE = {
    "x,y": "d2xy", "-x,y": "mirror_x", "x,-y": "mirror_y", "-y,x": "rotate_90", "-x,-y": "rotate_180",
    "y,-x": "rotate_270", "y,x": "transpose", "-y,-x": "anti_transpose",
}  # fmt: skip


def turned(on: HeadCurve, orientation: str) -> HeadCurve:
    """The same curve under another orientation."""
    curve = on.curve
    return dataclasses.replace(on, curve=make_curve(curve.name, curve.order, orientation, curve.dimensions))


def relatives(on: HeadCurve) -> list[HeadCurve]:
    """The other curves of as many heads: every order of every kind, with the same inset.

    An inset that is the cell-centred one of its order becomes that of the other.
    """
    curve = on.curve
    count = curve.dimensions
    shapes = [(kind.name, order) for kind in CURVES if count in kind.dimensions for order in ORDERS_OF[count]]
    centred = on.margin == float(cell_inset(curve.order))
    return [
        dataclasses.replace(
            on,
            curve=make_curve(name, order, curve.orientation, count),
            inset=cell_inset(order) if centred else on.inset,
        )
        for name, order in shapes
        if (name, order) != (curve.name, curve.order)
    ]


def nearest(on: HeadCurve, heads: FloatArray, truth: FloatArray) -> list[str]:
    """The orientations under which the curve lies nearest to the heads at the truth, at most _DECODED, that first.

    Args:
        on: the curve, of any orientation.
        heads: real head values, (points, n).
        truth: t in [0, 1], (points,).
    """
    count = on.curve.dimensions
    low, high = on.head_range
    targets = turned(on, "d2xy").targets(truth)
    # far[head, axis, mirrored]: mean square of what lies between a head and an axis of the curve.
    axes = np.stack([targets, low + high - targets], axis=-1)
    far = np.square(heads[:, :, None, None] - axes[:, None]).mean(axis=0)
    sums = sorted(
        (sum(far[head, axis].min() for head, axis in enumerate(axes_of)), axes_of)
        for axes_of in itertools.permutations(range(count))
    )
    names = [
        ",".join(("-" if far[head, axis].argmin() else "") + AXES[axis] for head, axis in enumerate(axes_of))
        for _, axes_of in sums[:_DECODED]
    ]
    return [_SQUARE[name] for name in names] if count == 2 else names


def reordered(on: HeadCurve, heads: FloatArray, truth: FloatArray, ranges: FloatArray) -> dict[str, FloatArray]:
    """Heads in other orders, those that lie nearest to the curve at the truth: "y,x" -> values, at most _DECODED.

    Args:
        on: the curve.
        heads: head values, (points, n), each moved from the range of its place into that of the curve.
        truth: t in [0, 1], (points,).
        ranges: (n, 2), low and high of each place.
    """
    low, high = ranges.T
    start, span = on.head_range[0], on.head_range[1] - on.head_range[0]
    real = low + (heads - start) * ((high - low) / span)
    # moved[point, head, place]: what the head is if it is read by the range of that place.
    moved = start + (real[:, :, None] - low) * (span / (high - low))
    far = np.square(moved - on.targets(truth)[:, None]).mean(axis=0)
    count = range(len(ranges))
    orders = sorted(
        (float(sum(far[head, place] for place, head in enumerate(order))), order)
        for order in itertools.permutations(count)
        if order != tuple(count)
    )
    return {
        ",".join(AXES[head] for head in order): np.stack(
            [moved[:, head, place] for place, head in enumerate(order)], -1
        )
        for _, order in orders[:_DECODED]
    }


def better_orientation(
    on: HeadCurve, heads: FloatArray, truth: FloatArray, ranges: FloatArray | None = None
) -> str | None:
    """The line to warn with where another curve than the configured one, or another order of the heads, fits the truth SEVERAL
    times better.

    Args:
        on: the curve as configured.
        heads: real head values, (..., n), all in the range of the curve.
        truth: t in [0, 1], (...).
        ranges: (n, 2), the ranges that they were moved from where these differ.
    """
    flat = heads.reshape(-1, heads.shape[-1])
    chosen = np.unique(np.linspace(0, len(flat) - 1, min(_POINTS, len(flat))).astype(np.int64))
    points, t = flat[chosen], truth.reshape(-1)[chosen]
    curve = on.curve

    def misfit(other: HeadCurve, values: FloatArray = points) -> float:
        decoded, _ = other.decode(values)
        return float(np.abs(difference(decoded, t, curve.closed)).mean())

    own = ORIENTATIONS if curve.dimensions == 2 else nearest(on, points, t)
    others = [turned(on, name) for name in own if name != curve.orientation]
    best_turned = [turned(other, nearest(other, points, t)[0]) for other in relatives(on)]
    others += sorted(best_turned, key=lambda other: float(np.square(points - other.targets(t)).mean()))[:_DECODED]
    mine = misfit(on)
    fits = [misfit(other) for other in others]
    orders = {} if ranges is None else reordered(on, points, t, ranges)
    of_order = {name: misfit(on, values) for name, values in orders.items()}
    least = min([*fits, *of_order.values()])
    if mine <= SEVERAL * least:
        return None
    so_many = f"the truth {min(mine / max(least, 1e-9), 9999):.0f} times better than"
    if least < min(fits):
        order = min(of_order, key=of_order.__getitem__)
        return f"the heads in the order {order} fit {so_many} as configured: are they swapped? Check model.outputs and heads.range"
    times = f"fits {so_many} the configured"
    best = others[fits.index(least)].curve
    if (best.name, best.order) == (curve.name, curve.order):
        return (
            f"{best.orientation} {times} {curve.orientation}: are the heads swapped or mirrored? Check model.outputs and "
            f"curve.orientation"
        )
    same = make_curve(best.name, best.order, curve.orientation, best.dimensions).points == best.points
    return (
        f"the {CURVES[best.name].title} curve of order {best.order}{'' if same else f', {best.orientation},'} {times} "
        f"{CURVES[curve.name].title} curve of order {curve.order}: is that the curve of the training? Check curve.kind, "
        f"curve.order{'' if same else ', curve.orientation'} and curve.inset"
    )
