"""Random specifications for property tests, and a reference so plain that it can be read at a glance."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import strategies as st

from hilbert_codegen.curves import AXES, CURVES, ORDERS_OF, ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.kernels import STRATEGIES, serves
from hilbert_codegen.spec.specification import Heads, Output, Spec, type_range


def two_heads() -> list[str]:
    """Names of the strategies that are made for two heads."""
    return [name for name in STRATEGIES.names() if serves(STRATEGIES[name], 2)]


@st.composite
def specs(draw: st.DrawFn, orders: range = range(1, 5), dtypes: tuple[str, ...] = ("int8", "uint8")) -> Spec:
    """Any curve, orientation, inset, pair of scales and zero points, range and output that makes sense."""
    order = draw(st.sampled_from(orders))
    curve = make_curve(draw(st.sampled_from(CURVES.names())), order, draw(st.sampled_from(sorted(ORIENTATIONS))))
    inset = draw(st.one_of(st.just(cell_inset(order)), st.fractions(0, Fraction(49, 100), max_denominator=100)))
    dtype = draw(st.sampled_from(dtypes))
    low, high = type_range(dtype)
    width = high - low + 1
    ends = draw(st.sampled_from([(0, 1), (-1, 1), (0, 6)]))
    scale, zero = [], []
    for _ in range(2):
        if draw(st.booleans()):
            scale.append(Fraction(ends[1] - ends[0], width))
            zero.append(low - ends[0] * width // (ends[1] - ends[0]))
        else:
            step = draw(st.floats(0.7, 1.6)) * (ends[1] - ends[0]) / width
            scale.append(Fraction(step))
            zero.append(draw(st.integers(low, low + width // 4)) - int(ends[0] / step))
    zero = [min(max(z, low), high) for z in zero]
    out = draw(st.sampled_from(["uint8", "int8", "uint16", "int16", "int32"]))
    smallest, largest = type_range(out)
    codes = draw(
        st.one_of(
            st.just((max(smallest, 0), largest)),
            st.tuples(st.integers(smallest, largest), st.integers(smallest, largest)).filter(lambda c: c[0] != c[1]),
        )
    )
    heads = Heads(
        dtype, "interleaved", (scale[0], scale[1]), (zero[0], zero[1]), (Fraction(ends[0]), Fraction(ends[1]))
    )
    return Spec(curve, inset, heads, Output(out, codes))


def decode_plainly(spec: Spec, *codes: int) -> tuple[int, Fraction]:
    """(output code, distance^2 in codes) of one code for each head: every half segment, in fractions, by the definition."""
    n, half = spec.curve.side, Fraction(1, 2)
    query = []
    for axis, code in enumerate(codes):
        low, high = spec.heads.range_of(axis)
        head = spec.heads.scale[axis] * (code - spec.heads.zero_point[axis])
        unit = (head - low) / (high - low)
        query.append((unit - spec.inset) * (n - 1) / (1 - 2 * spec.inset))
    own = tuple(min(max(math.floor(q + half), 0), n - 1) for q in query)
    points, total = spec.curve.points, spec.curve.segments
    found = []
    for segment in range(total):
        start, end = points[segment], points[(segment + 1) % len(points)]
        for vertex, other, arc, sign in ((start, end, segment, 1), (end, start, segment + 1, -1)):
            along = sum((q - v) * (o - v) for q, v, o in zip(query, vertex, other, strict=True))
            along = min(max(along, Fraction(0)), half)
            rest = [q - v - along * (o - v) for q, v, o in zip(query, vertex, other, strict=True)]
            s = arc + sign * along
            s = s % total if spec.curve.closed else s
            found.append((sum(r**2 for r in rest), vertex != own, s, rest))
    _, _, s, rest = min(found, key=lambda entry: entry[:3])
    c0, c1 = spec.output.codes
    code = math.floor(c0 + s / total * (c1 - c0) + half)
    if spec.curve.closed and code == c1:
        code = c0
    return code, sum(((r * spec.pitch(axis)) ** 2 for axis, r in enumerate(rest)), Fraction(0))


@st.composite
def many_heads(draw: st.DrawFn) -> Spec:
    """Three to six heads: any curve, orientation, inset, scales, zero points, ranges and output."""
    dimensions = draw(st.integers(3, 6))
    order = draw(st.sampled_from(ORDERS_OF[dimensions]))
    axes = draw(st.permutations(AXES[:dimensions]))
    orientation = ",".join(("-" if draw(st.booleans()) else "") + axis for axis in axes)
    curve = make_curve(draw(st.sampled_from(CURVES.names())), order, orientation, dimensions)
    inset = draw(st.one_of(st.just(cell_inset(order)), st.fractions(0, Fraction(2, 5), max_denominator=100)))
    same = draw(st.booleans())
    scale, zero = [], []
    for _ in range(dimensions):
        even = draw(st.booleans())
        scale.append(Fraction(1, 256) if even else Fraction(draw(st.floats(0.8, 1.5)) / 256))
        zero.append(-128 if even else draw(st.integers(-128, -100)))
    if same:
        scale, zero = scale[:1] * dimensions, zero[:1] * dimensions
    ranges = tuple((Fraction(0), Fraction(draw(st.sampled_from([1, 1, 2])), 1)) for _ in range(dimensions))
    output = draw(
        st.sampled_from([Output("uint16", (0, 65535)), Output("int16", (900, -7)), Output("uint8", (3, 250))])
    )
    heads = Heads("int8", "interleaved", tuple(scale), tuple(zero), ranges[0], ranges)
    return Spec(curve, inset, heads, output)
