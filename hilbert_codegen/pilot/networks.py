"""One network of a pilot on its samples: inference, the generated decoder, figures."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import run_pairs
from hilbert_codegen.config.loading import load
from hilbert_codegen.curves import AXES
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.models.inference import Inference, infer, inspect_network
from hilbert_codegen.models.model import HeadTensors, Output, find_heads, find_outputs, read_signature
from hilbert_codegen.pilot.baselines import kind_of
from hilbert_codegen.pilot.intervals import Bootstrap, interval, ratio
from hilbert_codegen.pilot.metrics import RESAMPLED, ErrorStats, robust_sd
from hilbert_codegen.pilot.noise import frame, is_jump, posterior_mean, split
from hilbert_codegen.pilot.orientation import better_orientation
from hilbert_codegen.pilot.results import (
    BoolArray,
    Change,
    FloatArray,
    Gain,
    HeadNoise,
    Interval,
    MicroCheck,
    NetResult,
    Subset,
    Trace,
    not_comparable,
)
from hilbert_codegen.pilot.settings import BaselineTable, ModelTable, Pilot, Samples
from hilbert_codegen.pilot.timing import host_ms, host_ns
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.spec.specification import Heads
from hilbert_codegen.training.codec import Decoder, fused_t
from hilbert_codegen.training.loss import HeadCurve, difference

#: Told the step that runs, and how much of it is done.
Progress = Callable[[str, int, int], None]

#: Metrics of errors to truth that get intervals and are compared between nets.
TRUTH_METRICS = ("mae", "rmse")
#: A head that gives the first or last of its codes at more than this share of the points is said to be saturated.
SATURATED = 0.05
#: A baseline that leaves its range by more than this share of it, at more than this share of the points, has another.
OVERSHOT = 0.1


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all networks of an evaluation share.

    Attributes:
        pilot, samples: of the evaluation.
        closed: whether t wraps round, so that errors are taken the short way.
        compiler: of the generated C; empty where none is installed: the proved model of that C then decodes.
        progress: told what runs.
        micro: whether quantized nets run by TFLite Micro's interpreter as well.
        resampled: what `figures` found, by what it is of.
    """

    pilot: Pilot
    samples: Samples
    closed: bool
    compiler: tuple[str, ...]
    progress: Progress
    micro: bool = False
    resampled: dict[bytes, FloatArray] = dataclasses.field(default_factory=dict, repr=False)

    def figures(self, points: BoolArray, errors: FloatArray, metrics: Sequence[str]) -> FloatArray:
        """Those of `Bootstrap`; once for the same errors, since every model is compared with the same baselines."""
        draws = self.pilot.config.evaluate.bootstrap
        about = repr((points.shape, tuple(metrics), draws)).encode()
        key = hashlib.sha256(b"".join([about, points.tobytes(), errors[points].tobytes()])).digest()
        if key not in self.resampled:
            self.resampled[key] = Bootstrap(points, draws).figures(errors, metrics)
        return self.resampled[key]

    def infer(self, path: Path, wanted: Sequence[int], label: str, signature: str | None = None) -> Inference:
        """Run the model; CheckFailed where it gives what is no number."""

        def count(done: int, total: int) -> None:
            self.progress(label + path.name, done, total)

        reference = self.pilot.config.evaluate.kernels == "reference"
        found = infer(path, self.samples.inputs, wanted, signature=signature, reference=reference, count=count)
        for output in found.outputs:
            bad = ~np.isfinite(output.astype(np.float64)).reshape(len(output), -1).all(axis=1)
            if bad.any():
                raise CheckFailed(
                    f"{path.name}: gives values that are not finite for {int(bad.sum())} of {len(output)} samples: "
                    f"the net has not been trained to an end; train it again"
                )
        return found

    def check_micro(
        self, path: Path, wanted: Sequence[int], run: Inference, label: str, signature: str | None = None
    ) -> MicroCheck | None:
        """Compare `run` with TFLite Micro's outputs, byte by byte; None where that is not asked."""
        if not self.micro:
            return None

        def count(done: int, total: int) -> None:
            self.progress(f"{label}{path.name}, TFLite Micro", done, total)

        other = infer(path, self.samples.inputs, wanted, signature=signature, micro=True, count=count)
        values = differing = 0
        largest = 0.0
        for ours, theirs in zip(run.outputs, other.outputs, strict=True):
            if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
                raise CheckFailed(
                    f"{path.name}: TFLite Micro gives {theirs.dtype} of shape {theirs.shape}, tflite-runtime "
                    f"{ours.dtype} of shape {ours.shape}"
                )
            values += ours.size
            bits = f"u{ours.dtype.itemsize}"
            differing += int((np.ascontiguousarray(ours).view(bits) != np.ascontiguousarray(theirs).view(bits)).sum())
            if ours.size:
                largest = max(largest, float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max()))
        return MicroCheck(values, differing, largest)

    def shaped(self, path: Path, values: NDArray[Any], per_point: int) -> NDArray[Any]:
        """Output values as (*shape of the truth, per_point). Raises UsageError where they are too few or many."""
        shape = (*self.samples.truth.shape, per_point)
        if values.size != math.prod(shape):
            raise UsageError(
                f"{self.pilot.source}: data.truth: shape {shape[:-1]} with {per_point} value(s) a point, but "
                f"{path.name} gives {values.shape}; give one truth for every output value"
            )
        return values.reshape(shape)

    def joined(self, path: Path, inference: Inference, per_point: int, real: bool) -> NDArray[Any]:
        """All outputs as (*shape of the truth, per_point): real values, or codes."""
        parts = [inference.real(i) if real else inference.outputs[i] for i in range(len(inference.outputs))]
        if len(parts) == 1:
            return self.shaped(path, parts[0], per_point)
        return self.shaped(path, np.stack([part.reshape(-1) for part in parts], axis=-1), per_point)

    def heads(self, tensors: HeadTensors, inference: Inference, real: bool) -> NDArray[Any]:
        """The heads as (*shape of the truth, n): real values, or codes."""
        arrays = [inference.real(i) if real else inference.outputs[i] for i in range(len(tensors.tensors))]
        return self.shaped(tensors.path, tensors.points(arrays), tensors.dimensions)


def subsets_of(setting: Setting, near: BoolArray | None) -> dict[str, tuple[str, BoolArray]]:
    """Name -> (label, points)."""
    pilot, samples = setting.pilot, setting.samples
    found = {"all": ("all points", np.ones(samples.truth.shape, dtype=bool))}
    cells = f"within {pilot.config.evaluate.near:g} cells of the curve"
    if near is not None:
        found["near"] = (cells, near)
    if samples.mask is not None:
        found["mask"] = (pilot.config.data.mask_label, samples.mask)
        if near is not None:
            found["mask near"] = (f"{pilot.config.data.mask_label}, {cells}", samples.mask & near)
    return found


@dataclasses.dataclass(frozen=True)
class _Errors:
    """Errors of a net in t, of the truth's shape; those against the float net are None without one."""

    quantization: FloatArray | None
    float_truth: FloatArray | None
    quantized_truth: FloatArray

    @classmethod
    def of(cls, trace: Trace, closed: bool) -> _Errors:
        to_truth = difference(trace.quantized_t, trace.truth, closed)
        if trace.float_t is None:
            return cls(None, None, to_truth)
        return cls(
            difference(trace.quantized_t, trace.float_t, closed),
            difference(trace.float_t, trace.truth, closed),
            to_truth,
        )

    def subset(self, setting: Setting, label: str, points: BoolArray) -> Subset:
        def stats(errors: FloatArray | None) -> ErrorStats:
            return ErrorStats.of(None if errors is None else errors[points])

        intervals: dict[tuple[str, str], Interval] = {}
        for kind, errors in (("float", self.float_truth), ("quantized", self.quantized_truth)):
            if errors is not None and points.any():
                figures = setting.figures(points, errors, TRUTH_METRICS)
                intervals |= {(kind, name): interval(figures[:, i]) for i, name in enumerate(TRUTH_METRICS)}
        return Subset(label, stats(self.quantization), stats(self.float_truth), stats(self.quantized_truth), intervals)


def _subsets(setting: Setting, trace: Trace, parts: dict[str, tuple[str, BoolArray]]) -> dict[str, Subset]:
    errors = _Errors.of(trace, setting.closed)
    return {name: errors.subset(setting, label, points) for name, (label, points) in parts.items()}


def _check_float(pilot: Pilot, key: str, name: str, path: Path, quantized: Path, outputs: Sequence[Output]) -> None:
    """Raise UsageError where the net named in `key` is no float net: its errors would count as none."""
    remedy = "name the float net that was quantized, or leave the key out"
    if path.samefile(quantized):
        raise pilot.error(key, name, "is the quantized net itself", remedy)
    for output in outputs:
        if output.coded:
            raise pilot.error(key, name, f"is no float net, {output.label} is quantized", remedy)


def outside_range(values: FloatArray, ends: tuple[float, float]) -> str | None:
    """What follows the name of a baseline whose output values leave its range at too many points; else None."""
    low, high = sorted(ends)
    margin = OVERSHOT * (high - low)
    share = float(((values < low - margin) | (values > high + margin)).mean())
    if share <= OVERSHOT:
        return None
    return (
        f"gives values outside its range = [{ends[0]:g}, {ends[1]:g}] at {100 * share:.2g} % of the points (min "
        f"{values.min():.4g}, max {values.max():.4g})"
    )


def measure_baseline(setting: Setting, table: BaselineTable, seed: int) -> NetResult:
    """Run a network without Hilbert heads. Raises UsageError where files, names or shapes do not fit."""
    pilot = setting.pilot
    label = f"{table.name}, seed {seed}: "
    path = pilot.path("baseline.quantized", table.quantized, seed)
    outputs = find_outputs(path, table.output)
    run = setting.infer(path, outputs, label)
    try:
        kind = kind_of(table.kind, run.outputs[0])
    except ValueError as error:
        raise UsageError(f"{pilot.source}: baseline.quantized: {path.name} {error}") from None

    def t_of(path: Path, run: Inference) -> FloatArray:
        values = setting.joined(path, run, kind.outputs, real=True)
        return kind.decode(values.reshape(-1, kind.outputs), table.range).reshape(setting.samples.truth.shape)

    float_t = None
    if table.float is not None:
        float_path = pilot.path("baseline.float", table.float, seed)
        output = table.float_output if table.float_output is not None else table.output
        indices = find_outputs(float_path, output)
        named = [read_signature(float_path).outputs[index] for index in indices]
        _check_float(pilot, "baseline.float", table.float, float_path, path, named)
        float_t = t_of(float_path, setting.infer(float_path, indices, label))
    trace = Trace(setting.samples.truth, float_t, t_of(path, run))
    subsets = _subsets(setting, trace, subsets_of(setting, None))
    stats = subsets["all"].quantization
    network = inspect_network(path)
    low, high = table.range
    lsb = run.scale[0] / abs(high - low) if kind.outputs == 1 and run.scale[0] else math.nan
    result = NetResult(
        table.name, seed, subsets, network, host_ms(path, setting.samples), trace, setting.closed,
        kind.name, table.rival, noise_lsb=stats.rmse / lsb, robust_lsb=stats.robust_sd / lsb, warnings=network.spoilers,
        misread=outside_range(setting.joined(path, run, kind.outputs, real=True), table.range),
        micro=setting.check_micro(path, outputs, run, label),
    )  # fmt: skip
    if result.comparable:
        return result
    task = pilot.config.task
    what = not_comparable(result, abs(task.values[1] - task.values[0]), task.unit)
    line = (
        f"{what}; no gain over it means anything. Check its range, data.truth_in and task.values, and whether it was "
        f"trained to an end"
    )
    return dataclasses.replace(result, warnings=(*result.warnings, line))


def model_plan(pilot: Pilot, table: ModelTable, seed: int) -> Plan:
    """The plan of a model's decoder, with the heads of its quantized file."""
    settings = list(table.set)
    if table.outputs is not None:
        settings.append(f"model.outputs={json.dumps(table.outputs)}")
    quantized = pilot.path("model.quantized", table.quantized, seed)
    return make_plan(load(pilot.path("model.decoder", table.decoder), settings, quantized))


def _float_heads(pilot: Pilot, table: ModelTable, plan: Plan, path: Path) -> HeadTensors:
    """The tensors that hold the heads in the float file. Raises UsageError where they are others than the quantized."""
    quantized, model = plan.settings.heads, plan.config.model
    assert quantized is not None and model is not None  # `model_plan` gives the file
    outputs = table.float_outputs if table.float_outputs is not None else model.outputs
    layout = plan.config.heads.layout
    found = find_heads(path, outputs, model.signature, dimensions=quantized.dimensions, layout=layout)
    names = [[tensor.aliases for tensor in heads.tensors] for heads in (found, quantized)]
    if all(names[0]) and all(names[1]) and names[0] != names[1]:
        heads = ["; ".join(tensor.label for tensor in heads.tensors) for heads in (found, quantized)]
        raise UsageError(
            f"{pilot.source}: model.float_outputs: {path.name} gives {heads[0]}, but {quantized.path.name} gives "
            f"{heads[1]}; name the same outputs of both by the names of their signature"
        )
    return found


def ranges_of(heads: Heads) -> FloatArray | None:
    """Low and high of each of the curve's heads, (n, 2), where they differ."""
    return np.array([[float(end) for end in pair] for pair in heads.ranges]) if heads.ranges else None


def in_one_range(heads: Heads, values: FloatArray) -> FloatArray:
    """Real values (..., n) of the curve's heads, each moved from its own range into the first head's, which `head_curve` has."""
    ranges = ranges_of(heads)
    if ranges is None:
        return values
    low, high = ranges.T
    return np.asarray(low[0] + (values - low) * ((high[0] - low[0]) / (high - low)))


def scales_in_one_range(heads: Heads) -> list[float]:
    """What one code of each of the curve's heads is worth in the values of `in_one_range`."""
    low, high = heads.range
    return [float(heads.share(axis) * (high - low)) for axis in range(heads.count)]


def head_curve(plan: Plan) -> HeadCurve:
    """The curve of a plan as heads see it that all have the range of the first (`in_one_range`)."""
    low, high = plan.spec.heads.range
    return HeadCurve(plan.spec.curve, plan.spec.inset, (float(low), float(high)))


def float_decode(plan: Plan, heads: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(t, distance to the curve in cells) of real heads (..., n), each in its own range, by the plan's estimator in floating point."""
    on, count = head_curve(plan), plan.spec.dimensions
    of_curve = in_one_range(plan.spec.heads, heads[..., :count])
    t, distance = on.decode(of_curve)
    distance = distance * on.curve.segments
    estimator = plan.spec.estimator
    if estimator.kind == "mean":
        far = distance > float(estimator.gate)
        t = t.copy()
        t[far] = posterior_mean(on, of_curve[far], float(estimator.sigma))
    return fused_t(plan.spec, t, heads[..., count]) if plan.spec.fusion is not None else t, distance


def _decode(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> NDArray[np.int64]:
    """Output codes of head codes (..., n), by the compiled C or by its proved model."""
    points = codes.reshape(-1, codes.shape[-1]).astype(np.int64)
    if compiler:
        result = run_pairs(plan, generated, points, compiler)[f"{plan.prefix}_decode_block"]
    else:
        mask = (1 << plan.spec.heads.bits) - 1
        result = generated.built.portable.decode(*(points & mask).T)
    return result.reshape(codes.shape[:-1])


def measure_model(setting: Setting, table: ModelTable, seed: int, baselines: Sequence[NetResult]) -> NetResult:
    """Run a network with Hilbert heads and its decoder; `baselines` are those of the same seed."""
    pilot, samples = setting.pilot, setting.samples
    plan = model_plan(pilot, table, seed)
    label = f"{table.name}, seed {seed}: "
    tensors = plan.settings.heads
    assert tensors is not None  # `model_plan` gives the file
    path = pilot.path("model.quantized", table.quantized, seed)
    run = setting.infer(path, tensors.indices, label, tensors.key)
    codes = setting.heads(tensors, run, real=False)
    heads = setting.heads(tensors, run, real=True)
    float_heads = None
    if table.float is not None:
        float_path = pilot.path("model.float", table.float, seed)
        float_tensors = _float_heads(pilot, table, plan, float_path)
        _check_float(pilot, "model.float", table.float, float_path, path, float_tensors.tensors)
        float_run = setting.infer(float_path, float_tensors.indices, label, float_tensors.key)
        float_heads = setting.heads(float_tensors, float_run, real=True)

    setting.progress(label + "decoding", 0, 1)
    generated = generate(plan)
    quantized_t = Decoder(plan.spec).t_of(_decode(plan, generated, codes, setting.compiler))
    _, distance = float_decode(plan, heads)
    float_t = None if float_heads is None else float_decode(plan, float_heads)[0]
    constant = constant_heads(codes, float_heads)
    # From here on the heads are the curve's, all in one range: a fused one has entered the values already.
    heads = in_one_range(plan.spec.heads, heads[..., : plan.spec.dimensions])
    if float_heads is not None:
        float_heads = in_one_range(plan.spec.heads, float_heads[..., : plan.spec.dimensions])
    trace, noise = _with_noise(
        plan, Trace(samples.truth, float_t, quantized_t, float_heads, heads, distance), setting.closed
    )
    near = distance <= pilot.config.evaluate.near
    parts = subsets_of(setting, near)
    network = inspect_network(path, tensors.indices, tensors.key)
    misread = better_orientation(head_curve(plan), heads, samples.truth, ranges_of(plan.spec.heads))
    setting.progress(label + "bootstrap", 0, 1)
    result = NetResult(
        table.name, seed, _subsets(setting, trace, parts), network, host_ms(path, samples, tensors.key), trace, setting.closed,
        f"{plan.spec.curve.name}, order {plan.spec.curve.order}", noise_lsb=noise.along if noise else math.nan,
        robust_lsb=noise.along_robust if noise else math.nan,
        decoder=_decoder_facts(plan, generated, codes, setting.compiler),
        jumps=_jumps(plan, trace, setting.closed), wrong_branch=_wrong_branch(plan, trace, setting.closed), noise=noise,
        distance={
            "median": float(np.median(distance)), "p99": float(np.quantile(distance, 0.99)),
            "max": float(distance.max()), "near share": float(near.mean()),
        },
        gains=tuple(_gains(setting, trace, baselines, parts)), changes=tuple(_changes(setting, trace, baselines)),
        predicted=_predicted(noise, plan, baselines) if noise else {},
        warnings=(*plan.warnings, *network.spoilers, *head_warnings(plan, noise, codes), *constant, *((misread,) if misread else ())),
        plan=plan,
        misread=misread,
        micro=setting.check_micro(path, tensors.indices, run, label, tensors.key),
    )  # fmt: skip
    setting.progress(label + "bootstrap", 1, 1)
    return result


def _with_noise(plan: Plan, trace: Trace, closed: bool) -> tuple[Trace, HeadNoise | None]:
    """The trace with the heads' noise along and across the curve, in codes."""
    if trace.float_heads is None or trace.quantized_heads is None:
        return trace, None
    on = head_curve(plan)
    place, _ = on.decode(trace.float_heads)
    lsb = (trace.quantized_heads - trace.float_heads) / np.array(scales_in_one_range(plan.spec.heads))
    along, across = split(lsb, frame(on, place))
    return dataclasses.replace(trace, along=along, across=across), _noise(lsb, along, across)


def _noise(lsb: FloatArray, along: FloatArray, across: FloatArray) -> HeadNoise:
    flat = lsb.reshape(-1, lsb.shape[-1])
    moving = np.flatnonzero(np.ptp(flat, axis=0) > 0)  # an error that never changes has no correlation
    worst, pair = 0.0, tuple[str, ...]()
    if len(moving) > 1:
        table = np.triu(np.corrcoef(flat[:, moving].T), 1)
        place = np.unravel_index(np.abs(table).argmax(), table.shape)
        worst, pair = float(table[place]), tuple(AXES[axis] for axis in moving[list(place)])
    return HeadNoise(
        tuple(flat.std(axis=0).tolist()), tuple(flat.mean(axis=0).tolist()),
        float(np.sqrt(np.square(along).mean())), float(np.sqrt(np.square(across).mean())),
        robust_sd(along.reshape(-1)), robust_sd(across.reshape(-1)), worst, pair,
    )  # fmt: skip


def _jumps(plan: Plan, trace: Trace, closed: bool) -> int | None:
    """Points that quantization carried to another branch; None without a float net."""
    if trace.float_heads is None or trace.float_t is None or trace.quantized_heads is None:
        return None
    on = head_curve(plan)
    moved = trace.quantized_heads - trace.float_heads
    return int(is_jump(on, difference(trace.quantized_t, trace.float_t, closed), moved).sum())


def _wrong_branch(plan: Plan, trace: Trace, closed: bool) -> dict[str, float]:
    """Share of the points on another branch than the truth, of the float net (if there is one) and the quantized."""
    on = head_curve(plan)
    target = on.targets(np.clip(trace.truth, 0.0, 1.0))
    found = {}
    for kind, t, heads in (
        ("float", trace.float_t, trace.float_heads),
        ("quantized", trace.quantized_t, trace.quantized_heads),
    ):
        if t is not None and heads is not None:
            found[kind] = float(is_jump(on, difference(t, trace.truth, closed), heads - target).mean())
    return found


def constant_heads(codes: NDArray[Any], float_heads: FloatArray | None) -> list[str]:
    """A line for each head, of codes (..., n) and of real values (..., n) of the float net, that never changes."""
    found = []
    for whose, values in (("", codes), (" of the float net", float_heads)):
        flat = np.empty((0, 0)) if values is None else values.reshape(-1, values.shape[-1])
        for axis in np.flatnonzero(np.ptp(flat, axis=0) == 0) if len(flat) > 1 else ():
            what = f"{flat[0, axis]:.4g}" if whose else f"code {flat[0, axis]}"
            found.append(f"head {AXES[axis]}{whose} gives {what} at all points: it says nothing")
    return found


def head_warnings(plan: Plan, noise: HeadNoise | None, codes: NDArray[Any]) -> tuple[str, ...]:
    """What spoils the gain at the heads: correlated errors, codes that lie outside their range, saturation."""
    found = []
    if noise is not None and abs(noise.correlation) > 0.3:
        way = "" if noise.correlation > 0 else ", where one is too high the other is too low"
        found.append(
            f"the errors of heads {' and '.join(noise.correlated)} are correlated ({noise.correlation:+.2f}{way}): what "
            f"enters both has an error, and that part does not shrink by L"
        )
    names = "xyzuvw"
    limits = np.iinfo(codes.dtype)
    for axis, scale in enumerate(plan.spec.heads.scale):
        low, high = (float(end) for end in plan.spec.heads.range_of(axis))
        span = float(scale) * (1 << plan.spec.heads.bits)
        if span > 1.15 * (high - low):
            found.append(
                f"head {names[axis]}: its codes span {span:.3g}, {100 * (span / (high - low) - 1):.0f} % more than "
                f"its range; an overshooting scale wastes resolution: clamp the head in training"
            )
        ends = float(np.isin(codes[..., axis], (limits.min, limits.max)).mean())
        if ends > SATURATED and plan.spec.inset > 0:
            found.append(
                f"head {names[axis]} gives the first or last of its codes at {100 * ends:.0f} % of the points: it is "
                f"saturated, and says nothing there"
            )
    return tuple(found)


def _numbers(values: Sequence[Fraction]) -> str:
    return ", ".join(f"{float(value):g}" for value in values)


def _different(codes: NDArray[np.int64]) -> int:
    """How many different codes there are; of all triples' a count takes less time than to sort them."""
    low = int(codes.min())
    if int(codes.max()) - low < codes.size:
        return int(np.count_nonzero(np.bincount(codes.reshape(-1) - low)))
    return len(np.unique(codes))


def _decoder_facts(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> dict[str, Any]:
    spec = plan.spec
    estimator = spec.estimator
    return {
        "curve": spec.curve.name,
        "order": spec.curve.order,
        "inset": float(spec.inset),
        "length": float(spec.curve.length(spec.inset)),
        "scale": [float(scale) for scale in spec.heads.scale],
        "zero_point": list(spec.heads.zero_point),
        "levels": _different(generated.ideal.codes),
        "half_branch_codes": float(min(spec.pitch(axis) for axis in range(len(spec.heads.scale)))) / 2,
        "estimator": (
            ""
            if spec.fusion is None
            else f"fused past {_numbers(spec.fusion.thresholds)}, weight {_numbers(spec.fusion.weights)}: "
        )
        + (
            estimator.kind
            if estimator.kind == "nearest"
            else f"mean, sigma {float(estimator.sigma):g}, gate {float(estimator.gate):g}"
        ),
        "strategy": generated.built.strategy,
        "table_bytes": generated.table_bytes,
        "host_ns_per_point": host_ns(plan, generated, codes, compiler) if compiler else None,
    }


def _predicted(noise: HeadNoise, plan: Plan, baselines: Sequence[NetResult]) -> dict[str, dict[str, float]]:
    """Baseline -> metric -> L * (1D noise) / (noise along the curve), for the two measures of spread."""
    scales = scales_in_one_range(plan.spec.heads)
    per_code = math.prod(scales) ** (1 / len(scales)) / head_curve(plan).length
    found = {}
    for baseline in baselines:
        stats = baseline.subsets["all"].quantization
        found[baseline.name] = {
            name: above / (below * per_code) if below > 0 else math.nan
            for name, above, below in (
                ("rmse", stats.rmse, noise.along),
                ("robust_sd", stats.robust_sd, noise.along_robust),
            )
        }
    return found


def _gains(
    setting: Setting, trace: Trace, baselines: Sequence[NetResult], parts: dict[str, tuple[str, BoolArray]]
) -> list[Gain]:
    """Ratios of the quantization errors on the same points."""
    own = _Errors.of(trace, setting.closed).quantization
    found: list[Gain] = []
    if own is None:
        return found
    for name, (_, points) in parts.items():
        if not points.any():
            continue
        below = setting.figures(points, own, RESAMPLED)
        for baseline in baselines:
            theirs = _Errors.of(baseline.trace, setting.closed).quantization
            if theirs is None:
                continue
            above = setting.figures(points, theirs, RESAMPLED)
            for index, metric in enumerate(RESAMPLED):
                found.append(Gain(**ratio(above[:, index], below[:, index]).__dict__,
                                  baseline=baseline.name, subset=name, metric=metric))  # fmt: skip
    return found


def _changes(setting: Setting, trace: Trace, baselines: Sequence[NetResult]) -> list[Change]:
    """The error to truth against every baseline's over all points, float and quantized."""
    everywhere = np.ones(trace.truth.shape, dtype=bool)
    own = _Errors.of(trace, setting.closed)
    found = []
    for baseline in baselines:
        theirs = _Errors.of(baseline.trace, setting.closed)
        for kind, ours, other in (
            ("float", own.float_truth, theirs.float_truth),
            ("quantized", own.quantized_truth, theirs.quantized_truth),
        ):
            if ours is None or other is None:
                continue
            above, below = (setting.figures(everywhere, errors, TRUTH_METRICS) for errors in (ours, other))
            for index, metric in enumerate(TRUTH_METRICS):
                part = ratio(above[:, index], below[:, index])
                found.append(Change(part.value - 1, part.low - 1, part.high - 1, baseline.name, metric, kind))
    return found
