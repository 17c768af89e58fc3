"""Configuration -> validated plan: the exact specification, what it implies, and what to warn of."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hilbert_codegen.config.loading import Settings
from hilbert_codegen.config.schema import Config
from hilbert_codegen.curves import AXES, CURVES, ORDERS_OF, ORIENTATIONS, Curve, cell_inset, make_curve, turn_of
from hilbert_codegen.spec.specification import Estimator, Fusion, Heads, Output, Spec, type_range

#: Of a fused head: each costs a comparison and an average in the decoder.
MAX_THRESHOLDS = 4
#: Share of a fused head's range that its codes reach, or it is warned of. The first to the last of 256 codes reach all but half a code.
FUSED_REACH = Fraction(95, 100)


@dataclass(frozen=True)
class Plan:
    """All that generation needs.

    Attributes:
        settings: the configuration and the origin of its values.
        spec: the exact specification.
        lost: the share of the curve's vertices that no codes reach.
        off_square: the share of the heads' codes that lie off the unit square (cube), more than half a code away.
        warnings: one-line warnings for the user.
        digest: SHA-256 of everything that decides the bytes of the decoder's two files but the tool's version.
    """

    settings: Settings
    spec: Spec
    lost: Fraction
    off_square: Fraction
    warnings: tuple[str, ...]
    digest: str

    @property
    def config(self) -> Config:
        """The validated configuration."""
        return self.settings.config

    @property
    def prefix(self) -> str:
        """Prefix of every C name."""
        return self.config.code.prefix

    @property
    def distance(self) -> bool:
        """Whether functions with the distance to the curve are emitted."""
        return self.config.decoder.distance


def binary(value: Decimal) -> Fraction:
    """The binary (float64) number that a decimal literal denotes, exactly."""
    return Fraction(float(value))


def make_plan(settings: Settings) -> Plan:
    """Check what no single key can tell (ranges between keys), and derive the rest. Raises UsageError."""
    config = settings.config
    spec = _spec(settings)
    lost, warnings = _coverage(settings, spec)
    off_square, more = _off_square(settings, spec)
    more += _fused_reach(settings, spec)
    content = {"config": _decisive(config, spec), "scale": [str(scale) for scale in spec.heads.scale]}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return Plan(settings, spec, lost, off_square, (*warnings, *more), digest)


def _spec(settings: Settings) -> Spec:
    config = settings.config
    if config.curve.kind not in CURVES.names():
        raise settings.error("curve.kind", "no such curve", f"choose one of {', '.join(CURVES.names())}")
    curve = _curve(settings)

    if config.curve.inset == "cell":
        inset = cell_inset(curve.order)
    else:
        inset = Fraction(config.curve.inset)
        if not 0 <= inset < Fraction(1, 2):
            raise settings.error("curve.inset", "not in [0, 0.5)", 'give "cell" or a number in [0, 0.5)')

    output = _output(settings, curve.closed)
    heads, fusion = _heads(settings, curve, output)
    spec = Spec(curve, inset, heads, output, _estimator(settings, curve), fusion)
    for axis in range(curve.dimensions):
        pitch = spec.pitch(axis)
        if not Fraction(1, 4) <= pitch <= 1 << 20:
            raise settings.error(
                "heads.scale",
                f"a cell of the grid is {float(pitch):.3g} codes of head {AXES[axis]}",
                "it must be 0.25 to 1048576: check scale, range, order and inset",
            )
    return spec


def _decisive(config: Config, spec: Spec) -> dict[str, Any]:
    """The configuration's values. Two dimensions, and that nothing is fused, go without saying: the hash of such a decoder
    is what it always was."""
    content: dict[str, Any] = json.loads(config.model_dump_json(exclude={"model": True, "code": {"version"}}))
    if spec.dimensions == 2:
        del content["curve"]["dimensions"]
    if spec.fusion is None:
        del content["decoder"]["threshold"]
    if content["decoder"]["weight"] is None:
        del content["decoder"]["weight"]
    return content


def _curve(settings: Settings) -> Curve:
    config = settings.config.curve
    kind, dimensions = CURVES[config.kind], config.dimensions
    if dimensions not in kind.dimensions:
        raise settings.error("curve.dimensions", f"{kind.name} has no such curve", f"give {_span(kind.dimensions)}")
    if config.order not in ORDERS_OF[dimensions]:
        raise settings.error(
            "curve.order",
            f"with {dimensions} heads that is more than the proof has memory and time for",
            f"give {_span(ORDERS_OF[dimensions])}, or fewer heads",
        )
    try:
        turn_of(config.orientation, dimensions)
    except ValueError:
        known = ", ".join(ORIENTATIONS)
        if dimensions > 2:
            known = f"d2xy, or list each of {', '.join(AXES[:dimensions])} once, with a minus where mirrored"
        raise settings.error("curve.orientation", "no such orientation", f"choose one of {known}") from None
    return make_curve(config.kind, config.order, config.orientation, dimensions)


def _span(numbers: range) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])


def _heads(settings: Settings, curve: Curve, output: Output) -> tuple[Heads, Fusion | None]:
    """The heads of the curve, and the one that gives t itself."""
    config = settings.config.heads
    fused = settings.config.decoder.estimator == "fused"
    count = curve.dimensions + fused
    for key in ("scale", "zero_point"):
        given = len(getattr(config, key))
        if given != count:
            raise settings.error(
                f"heads.{key}",
                f"{given} values, and curve.dimensions = {curve.dimensions}" + (", with a fused head" if fused else ""),
                "give one for each head, or one for all; or change curve.dimensions",
            )
    if count > 2 and config.dtype == "int16":
        raise settings.error("heads.dtype", f"not with {count} heads", "give int8 or uint8, or two heads")
    pairs = config.range if isinstance(config.range[0], tuple) else (config.range,)
    if len(pairs) not in (1, count):
        raise settings.error("heads.range", f"{len(pairs)} pairs for {count} heads", "give one for each head, or one")
    ranges = tuple((binary(low), binary(high)) for low, high in pairs)
    if not all(low < high for low, high in ranges):
        raise settings.error("heads.range", "its low end is not below its high end", "give [low, high]")
    smallest, largest = type_range(config.dtype)
    for zero_point in config.zero_point:
        if not smallest <= zero_point <= largest:
            raise settings.error(
                "heads.zero_point", f"no {config.dtype}", f"give whole numbers in [{smallest}, {largest}]"
            )
    scale = tuple(binary(value) for value in config.scale)
    own = ranges[: curve.dimensions] if len(ranges) > 1 else ()
    if fused and len(set(own)) == 1:
        own = ()
    heads = Heads(
        config.dtype, config.layout, scale[: curve.dimensions], config.zero_point[: curve.dimensions], ranges[0], own
    )
    return heads, _fusion(settings, curve, scale[-1], ranges[-1], output) if fused else None


def _fusion(
    settings: Settings, curve: Curve, scale: Fraction, ends: tuple[Fraction, Fraction], output: Output
) -> Fusion:
    """The head that gives t itself, the last one. Raises UsageError where it can't be fused."""
    config = settings.config
    refusals = (
        (curve.closed, "the curve is closed: t wraps round, so it has no average", "choose an open curve"),
        (config.decoder.distance, "there are no distances beside it", "delete decoder.distance"),
    )
    for fault, problem, remedy in refusals:
        if fault:
            raise settings.error("decoder.estimator", problem, remedy)
    thresholds, weights = _several(config.decoder.threshold), _several(config.decoder.weight)
    if not 1 <= len(thresholds) <= MAX_THRESHOLDS or not all(0 <= threshold < 1 for threshold in thresholds):
        raise settings.error(
            "decoder.threshold",
            "needed by the fused estimator",
            f"give a number from 0 to 1, say 0.04, or a list of up to {MAX_THRESHOLDS}",
        )
    if config.decoder.weight is None and len(thresholds) == 1:
        weights = (Fraction(1, 2),)
    if len(weights) != len(thresholds):
        few = "needed by several thresholds" if not weights else f"{len(weights)} for {len(thresholds)} thresholds"
        raise settings.error("decoder.weight", few, "give one for each threshold, say [0.5, 0.25]")
    if any(weight * 16 not in range(1, 16) for weight in weights):
        raise settings.error("decoder.weight", "it has to be sixteenths", "give one of 0.0625, 0.125 to 0.9375")
    span = abs(output.codes[1] - output.codes[0])
    most = [math.floor(threshold * span) for threshold in thresholds]
    if any(low >= high for low, high in pairwise(most)):
        raise settings.error(
            "decoder.threshold",
            f"in codes of the result that is {', '.join(map(str, most))}",
            "give each larger than the one before, by a code at least",
        )
    return Fusion(scale, config.heads.zero_point[-1], ends, thresholds, weights)


def _several(value: Decimal | tuple[Decimal, ...] | None) -> tuple[Fraction, ...]:
    """One number, several or none."""
    if value is None:
        return ()
    return tuple(Fraction(one) for one in (value if isinstance(value, tuple) else (value,)))


def _output(settings: Settings, closed: bool) -> Output:
    config = settings.config.output
    smallest, largest = type_range(config.dtype)
    codes = config.codes or (0, largest + 1 if closed else largest)
    if codes[0] == codes[1]:
        raise settings.error("output.codes", "the two codes are equal", "t = 0 and t = 1 need different codes")
    highest = largest + 1 if closed else largest
    if not (smallest <= codes[0] <= largest and smallest <= codes[1] <= highest):
        raise settings.error("output.codes", f"not within {config.dtype}", f"give codes in [{smallest}, {highest}]")
    return Output(config.dtype, codes)


def _estimator(settings: Settings, curve: Curve) -> Estimator:
    config = settings.config.decoder
    for key in ("threshold", "weight"):
        if getattr(config, key) is not None and config.estimator != "fused":
            raise settings.error(f"decoder.{key}", "only the fused estimator has one", 'delete it or set "fused"')
    if config.estimator == "nearest":
        for key in ("sigma", "gate"):
            if getattr(config, key) is not None:
                raise settings.error(
                    f"decoder.{key}", "has no meaning for the nearest point", 'delete it or set estimator = "mean"'
                )
        return Estimator()
    if config.estimator == "fused" and config.sigma is None and config.gate is None:
        return Estimator()
    if curve.dimensions > 2:
        size = 8 * curve.dimensions + 1  # results of 16 bits
        table = f"{1 << (size - 20)} MB" if size < 30 else f"{1 << (size - 30)} GB"
        raise settings.error(
            "decoder.estimator",
            f"the mean depends on the codes of all {curve.dimensions} heads together, and a table of 2^{8 * curve.dimensions} results "
            f"would take {table} of flash",
            ("delete sigma and gate" if config.estimator == "fused" else 'set estimator = "nearest"')
            + ", or take two heads",
        )
    if curve.closed:
        raise settings.error(
            "decoder.estimator",
            "the curve is closed: t wraps round, so it has no mean",
            'set estimator = "nearest", or choose an open curve',
        )
    if config.sigma is None or not Decimal("0.05") <= config.sigma <= 2:
        raise settings.error("decoder.sigma", "needed by the mean, in cells", "give a number in [0.05, 2], say 0.4")
    if config.gate is None or not 0 <= config.gate <= 2:
        raise settings.error("decoder.gate", "needed by the mean, in cells", "give a number in [0, 2], say 0.15")
    return Estimator("mean", Fraction(config.sigma), Fraction(config.gate))


def _coverage(settings: Settings, spec: Spec) -> tuple[Fraction, list[str]]:
    """Share of the vertices that the codes do not reach (within half a code), and the warning about it."""
    limits = []
    for axis in range(spec.dimensions):
        smallest, largest = type_range(spec.heads.dtype)
        # Half a code short of a vertex is what rounding gives any quantized tensor: not a loss.
        slack = 1 / (2 * spec.pitch(axis))
        limits.append((spec.coordinate(axis, smallest) - slack, spec.coordinate(axis, largest) + slack))
    last = spec.curve.side - 1
    (name, first), *others = zip(AXES, limits, strict=False)
    covered = f"{name} covers {float(first[0]):.2f}..{float(first[1]):.2f} of 0..{last} cells" + "".join(
        f", {name} {float(low):.2f}..{float(high):.2f}" for name, (low, high) in others
    )
    if any(low > last or high < 0 for low, high in limits):
        raise settings.error(
            "heads.scale",
            f"no code reaches the curve ({covered})",
            "check scale, zero_point and range against the model",
        )
    points = spec.curve.points
    inside = [all(low <= v <= high for v, (low, high) in zip(point, limits, strict=True)) for point in points]
    if all(inside):
        return Fraction(0), []
    missing = [index for index, seen in enumerate(inside) if not seen]
    lost = Fraction(len(missing), len(points))
    runs = _runs(missing, spec.curve.segments)
    text = (
        f"{settings.source}: the heads' codes do not reach {math.ceil(100 * lost)} % of the curve: t in {runs} "
        f"is lost ({covered}); check heads.scale, zero_point and range, or train with a larger inset"
    )
    return lost, [text]


def _inside(dtype: str, scale: Fraction, zero_point: int, ends: tuple[Fraction, Fraction]) -> Fraction:
    """Share of a head's codes that lie within its range, or at most half a code off it."""
    smallest, largest = type_range(dtype)
    low, high = ends
    first = max(smallest, math.ceil(low / scale + zero_point - Fraction(1, 2)))
    last = min(largest, math.floor(high / scale + zero_point + Fraction(1, 2)))
    return Fraction(max(0, last - first + 1), largest - smallest + 1)


def _span_of(dtype: str, scale: Fraction, zero_point: int) -> str:
    """The real values of the first and the last code."""
    return "..".join(f"{float(scale * (code - zero_point)):.4g}" for code in type_range(dtype))


def _pair(ends: tuple[Fraction, Fraction]) -> str:
    return f"[{float(ends[0]):g}, {float(ends[1]):g}]"


def _off_square(settings: Settings, spec: Spec) -> tuple[Fraction, list[str]]:
    """Share of the codes that lie off the unit square, and the warning where it can only be a wrong range.

    Two heads are warned of from half on. More heads lose the same share per head before they are.
    """
    heads = spec.heads
    inside = Fraction(1)
    spans = []
    for axis in range(spec.dimensions):
        scale, zero_point, ends = heads.scale[axis], heads.zero_point[axis], heads.range_of(axis)
        inside *= _inside(heads.dtype, scale, zero_point, ends)
        of = f" of {_pair(ends)}" if heads.ranges else ""
        spans.append(f"{AXES[axis]} {_span_of(heads.dtype, scale, zero_point)}{of}")
    off = 1 - inside
    if float(inside) >= 0.5 ** (spec.dimensions / 2):
        return off, []
    pairs = f"[{', '.join(map(_pair, heads.ranges))}]" if heads.ranges else _pair(heads.range)
    text = (
        f"{settings.source}: heads.range = {pairs}: {math.floor(100 * off)} % of the code "
        f"{'square lies off the unit square' if spec.dimensions == 2 else 'cube lies off the unit cube'}: the codes span "
        f"{', '.join(spans)}; set heads.range to what the heads were trained to give ([-1, 1] for tanh), or check "
        f"scale and zero_point"
    )
    return off, [text]


def _fused_reach(settings: Settings, spec: Spec) -> list[str]:
    """The warning where the codes of the fused head and its range hardly meet: its scale, zero point or range is wrong."""
    if spec.fusion is None:
        return []
    scale, zero_point, (low, high) = spec.fusion.scale, spec.fusion.zero_point, spec.fusion.range
    first, last = (scale * (code - zero_point) for code in type_range(spec.heads.dtype))
    reached = max(Fraction(0), min(last + scale / 2, high) - max(first - scale / 2, low)) / (high - low)
    inside = _inside(spec.heads.dtype, scale, zero_point, spec.fusion.range)
    if reached >= FUSED_REACH and inside >= Fraction(1, 2):
        return []
    problem = (
        f"and reach only {math.floor(100 * reached)} % of it"
        if reached < FUSED_REACH
        else f"({math.floor(100 * (1 - inside))} % of them lie off it)"
    )
    return [
        f"{settings.source}: heads.range = {_pair(spec.fusion.range)} of the fused head: its codes span "
        f"{_span_of(spec.heads.dtype, scale, zero_point)} {problem}; set heads.range to what the head was trained to "
        f"give at t = 0 and t = 1, or check scale and zero_point"
    ]


def _runs(missing: list[int], segments: int) -> str:
    """Stretches of consecutive vertices as intervals of t, the first four of them."""
    runs: list[list[int]] = []
    for index in missing:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    shown = [f"[{max(a - 0.5, 0) / segments:.3f}, {min(b + 0.5, segments) / segments:.3f}]" for a, b in runs[:4]]
    return ", ".join(shown) + (f" and {len(runs) - 4} more" if len(runs) > 4 else "")
