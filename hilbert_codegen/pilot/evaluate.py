"""Run a pilot: real inference, the generated decoder, and the figures that decide whether it pays.

Conventions: a quantization error is the quantized net's result minus the float net's, of the same weights; an error
to truth is a result minus the truth. Both are in t (fractions of the range) unless a unit is named. A result of a 1D
head is clipped to [0, 1], as any decoder's is. The float net's heads are decoded by the same estimator in floating
point. "near" keeps points whose quantized heads lie within `near` cells of the curve; a baseline is then taken on the
same points.
"""

from __future__ import annotations

import ctypes
import json
import math
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import run_pairs
from hilbert_codegen.config.schema import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.model import select
from hilbert_codegen.models.network import Network, inspect_network
from hilbert_codegen.models.tflite_run import Inference, infer
from hilbert_codegen.pilot.noise import ErrorStats, difference, frame, is_jump, posterior_mean, robust_sd, split
from hilbert_codegen.pilot.settings import METRICS, BaselineTable, ModelTable, Pilot, Samples
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets import tools
from hilbert_codegen.training.codec import Decoder
from hilbert_codegen.training.loss import HeadCurve

FloatArray = NDArray[np.float64]
#: Told the step that runs, and how much of it is done.
Progress = Callable[[str, int, int], None]

GAIN_METRICS = ("mae", "rmse", "median", "robust_sd", "p99")
#: Samples of the timed runs with optimized kernels.
_TIMED = 500


@dataclass(frozen=True)
class Gain:
    """Baseline's quantization error over the model's, on the same points, with a 95 % bootstrap interval."""

    baseline: str
    subset: str
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class HeadNoise:
    """Quantization noise of the heads, in codes.

    Attributes:
        sd_x, sd_y: standard deviation of each head's error.
        bias_x, bias_y: mean error.
        along, across: standard deviation along the curve and across it.
        along_robust, across_robust: the same by 1.4826 MAD.
        correlation: between the errors of the two heads.
    """

    sd_x: float
    sd_y: float
    bias_x: float
    bias_y: float
    along: float
    across: float
    along_robust: float
    across_robust: float
    correlation: float


@dataclass(frozen=True)
class Subset:
    """Errors on a part of the points, in t."""

    label: str
    quantization: ErrorStats
    float_truth: ErrorStats
    quantized_truth: ErrorStats


@dataclass(frozen=True)
class Trace:
    """Arrays behind the figures, for plots; all of the shape of the truth, heads with a last axis of 2."""

    truth: FloatArray
    float_t: FloatArray
    quantized_t: FloatArray
    float_heads: FloatArray | None = None
    quantized_heads: FloatArray | None = None
    distance: FloatArray | None = None
    along: FloatArray | None = None
    across: FloatArray | None = None


@dataclass(frozen=True)
class NetResult:
    """One network of one seed: a baseline (`decoder` is None), or a model with Hilbert heads."""

    name: str
    seed: int
    subsets: dict[str, Subset]
    bits: float
    network: Network
    host_ms: float
    trace: Trace = field(repr=False)
    noise_lsb: float = math.nan
    robust_lsb: float = math.nan
    decoder: dict[str, Any] | None = None
    jumps: int = 0
    float_jumps: int = 0
    noise: HeadNoise | None = None
    distance: dict[str, float] = field(default_factory=dict)
    gains: tuple[Gain, ...] = ()
    predicted: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    plan: Plan | None = field(default=None, repr=False)

    def gain(self, baseline: str, metric: str, subset: str = "all") -> Gain:
        """The gain over `baseline`; KeyError if there is none."""
        for gain in self.gains:
            if (gain.baseline, gain.metric, gain.subset) == (baseline, metric, subset):
                return gain
        raise KeyError((baseline, metric, subset))


@dataclass(frozen=True)
class Verdict:
    """The answer to the KPI: `lines` say how it comes about, one for each condition."""

    passed: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """All results of a pilot."""

    pilot: Pilot
    samples: int
    points: int
    decoded_by: str
    kernels: str
    baselines: tuple[NetResult, ...]
    models: tuple[NetResult, ...]
    verdict: Verdict | None

    @property
    def span(self) -> float:
        """Size of the range in the task's unit."""
        low, high = self.pilot.config.task.values
        return abs(high - low)

    def baseline_of(self, name: str, seed: int) -> NetResult:
        """The result of a baseline in one seed."""
        return next(b for b in self.baselines if (b.name, b.seed) == (name, seed))


def evaluate(
    pilot: Pilot, limit: int | None = None, progress: Progress = lambda *_: None, compiler: Sequence[str] = ("gcc",)
) -> Evaluation:
    """Run everything that `pilot` names.

    Args:
        pilot: from `load_pilot`.
        limit: use only so many samples.
        progress: told (step, done, total).
        compiler: of the generated C; where it is not installed, the proved model of that C decodes instead.

    Raises UsageError where a file, name or shape is wrong, CheckFailed where a model crashes its interpreter.
    """
    samples = pilot.samples(limit)
    config = pilot.config
    native = shutil.which(compiler[0]) is not None
    baselines, models = [], []
    for seed in config.evaluate.seeds:
        here = [_baseline(pilot, table, seed, samples, progress) for table in config.baseline]
        baselines += here
        for table in config.model:
            models.append(_model(pilot, table, seed, samples, here, progress, compiler if native else ()))
    decoded_by = f"the generated C, compiled with {compiler[0]}" if native else "the proved model of the generated C"
    evaluation = Evaluation(
        pilot, len(samples.inputs), samples.truth.size, decoded_by, config.evaluate.kernels,
        tuple(baselines), tuple(models), None,
    )  # fmt: skip
    return Evaluation(**{**evaluation.__dict__, "verdict": _verdict(evaluation)})


def _infer(pilot: Pilot, path: Path, samples: Samples, wanted: list[int], label: str, progress: Progress) -> Inference:
    def count(done: int, total: int) -> None:
        progress(label, done, total)

    reference = pilot.config.evaluate.kernels == "reference"
    return infer(path, samples.inputs, tuple(wanted), reference=reference, count=count)


def _host_ms(path: Path, samples: Samples) -> float:
    """Median milliseconds of an inference on this host with the optimized kernels."""
    return infer(path, samples.inputs[:_TIMED], reference=False).milliseconds


def _shaped(pilot: Pilot, path: Path, values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    if values.size != math.prod(shape):
        raise UsageError(
            f"{pilot.source}: data.truth: shape {shape}, but {path.name} gives {values.shape}; "
            f"give one truth for every output value"
        )
    return values.reshape(shape)


def _one_output(pilot: Pilot, path: Path, name: int | str) -> list[int]:
    wanted = select(path, name)
    if len(wanted) != 1:
        raise UsageError(f"{pilot.source}: baseline.output = {name!r}: not one output of {path.name}; name one")
    return wanted


def _subsets(
    samples: Samples, near: NDArray[np.bool_] | None, pilot: Pilot
) -> dict[str, tuple[str, NDArray[np.bool_]]]:
    """Name -> (label, points)."""
    everything = np.ones(samples.truth.shape, dtype=bool)
    found = {"all": ("all points", everything)}
    cells = f"within {pilot.config.evaluate.near:g} cells of the curve"
    if near is not None:
        found["near"] = (cells, near)
    if samples.mask is not None:
        found["mask"] = (pilot.config.data.mask_label, samples.mask)
        if near is not None:
            found["mask near"] = (f"{pilot.config.data.mask_label}, {cells}", samples.mask & near)
    return found


def _errors(trace: Trace, parts: dict[str, tuple[str, NDArray[np.bool_]]], closed: bool) -> dict[str, Subset]:
    quantization = difference(trace.quantized_t, trace.float_t, closed)
    of_float = difference(trace.float_t, trace.truth, closed)
    of_quantized = difference(trace.quantized_t, trace.truth, closed)
    return {
        name: Subset(
            label,
            ErrorStats.of(quantization[points]),
            ErrorStats.of(of_float[points]),
            ErrorStats.of(of_quantized[points]),
        )
        for name, (label, points) in parts.items()
    }


def _baseline(pilot: Pilot, table: BaselineTable, seed: int, samples: Samples, progress: Progress) -> NetResult:
    results = []
    for key, name in (("float", table.float), ("quantized", table.quantized)):
        path = pilot.path(f"baseline.{key}", name, seed)
        output = table.float_output if key == "float" and table.float_output is not None else table.output
        wanted = _one_output(pilot, path, output)
        inference = _infer(pilot, path, samples, wanted, f"{table.name}, seed {seed}: {path.name}", progress)
        results.append((path, inference))
    low, high = table.range
    t = [
        np.clip((_shaped(pilot, path, inference.real(), samples.truth.shape) - low) / (high - low), 0.0, 1.0)
        for path, inference in results
    ]
    quantized_path, quantized = results[1]
    if quantized.scale[0] == 0:
        raise UsageError(f"{pilot.source}: baseline.quantized: {quantized_path.name} has a float output; quantize it")
    lsb = quantized.scale[0] / (high - low)
    trace = Trace(samples.truth, t[0], t[1])
    subsets = _errors(trace, _subsets(samples, None, pilot), False)
    stats = subsets["all"].quantization
    return NetResult(
        table.name, seed, subsets, stats.bits, inspect_network(quantized_path), _host_ms(quantized_path, samples), trace,
        noise_lsb=stats.rmse / lsb, robust_lsb=stats.robust_sd / lsb,
    )  # fmt: skip


def model_plan(pilot: Pilot, table: ModelTable, seed: int) -> Plan:
    """The plan of a model's decoder, with the heads of its quantized file."""
    settings = list(table.set)
    if table.outputs is not None:
        settings.append(f"model.outputs={json.dumps(table.outputs)}")
    quantized = pilot.path("model.quantized", table.quantized, seed)
    return make_plan(load(pilot.path("model.decoder", table.decoder), settings, quantized))


def head_curve(plan: Plan) -> HeadCurve:
    """The curve of a plan as the heads see it."""
    low, high = plan.spec.heads.range
    return HeadCurve(plan.spec.curve, plan.spec.inset, (float(low), float(high)))


def _heads(pilot: Pilot, path: Path, inference: Inference, shape: tuple[int, ...], real: bool) -> NDArray[Any]:
    """The heads as (*shape, 2): real values, or codes."""
    parts = [inference.real(index) if real else inference.outputs[index] for index in range(len(inference.outputs))]
    joined = parts[0].reshape(-1, 2) if len(parts) == 1 else np.stack([p.reshape(-1) for p in parts], axis=-1)
    return _shaped(pilot, path, joined, (*shape, 2))


def _half_branch(plan: Plan) -> float:
    return float(min(plan.spec.pitch(0), plan.spec.pitch(1))) / 2


def float_decode(plan: Plan, heads: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(t, distance to the curve in cells) of real heads (..., 2) by the plan's estimator in floating point."""
    t, distance = Decoder(plan.spec).nearest(heads[..., 0], heads[..., 1])
    estimator = plan.spec.estimator
    if estimator.kind == "mean":
        far = distance > float(estimator.gate)
        t = t.copy()
        t[far] = posterior_mean(head_curve(plan), heads[far], float(estimator.sigma))
    return t, distance


def _model(
    pilot: Pilot, table: ModelTable, seed: int, samples: Samples, baselines: list[NetResult],
    progress: Progress, compiler: Sequence[str],
) -> NetResult:  # fmt: skip
    shape = samples.truth.shape
    plan = model_plan(pilot, table, seed)
    float_path = pilot.path("model.float", table.float, seed)
    quantized_path = pilot.path("model.quantized", table.quantized, seed)
    label = f"{table.name}, seed {seed}: "
    float_outputs = table.float_outputs if table.float_outputs is not None else table.outputs
    run = _infer(pilot, float_path, samples, select(float_path, float_outputs), label + float_path.name, progress)
    float_heads = _heads(pilot, float_path, run, shape, real=True)
    wanted = select(quantized_path, table.outputs)
    run = _infer(pilot, quantized_path, samples, wanted, label + quantized_path.name, progress)
    codes = _heads(pilot, quantized_path, run, shape, real=False)
    quantized_heads = _heads(pilot, quantized_path, run, shape, real=True)

    progress(label + "decoding", 0, 1)
    generated = generate(plan)
    decoded = _decode(plan, generated, codes, compiler)
    on = head_curve(plan)
    decoder = Decoder(plan.spec)
    float_t, _ = float_decode(plan, float_heads)
    quantized_t = decoder.t_of(decoded)
    _, distance = decoder.nearest(quantized_heads[..., 0], quantized_heads[..., 1])
    place, _ = decoder.nearest(float_heads[..., 0], float_heads[..., 1])

    moved = quantized_heads - float_heads
    lsb = moved / np.array([float(scale) for scale in plan.spec.heads.scale])
    along, across = split(lsb, frame(on, place))
    trace = Trace(samples.truth, float_t, quantized_t, float_heads, quantized_heads, distance, along, across)
    closed = plan.spec.curve.closed
    near = distance <= pilot.config.evaluate.near
    parts = _subsets(samples, near, pilot)
    subsets = _errors(trace, parts, closed)
    noise = _noise(lsb.reshape(-1, 2), along.reshape(-1), across.reshape(-1))
    jumps = is_jump(on, difference(quantized_t, float_t, closed), moved)
    wrong = is_jump(on, difference(float_t, samples.truth, closed), float_heads - on.targets(samples.truth))
    progress(label + "bootstrap", 0, 1)
    gains = []
    for baseline in baselines:
        for name, (_, points) in parts.items():
            gains += _gains(pilot, baseline, name, points, trace, closed)
    network = inspect_network(quantized_path, table.outputs)
    progress(label + "bootstrap", 1, 1)
    return NetResult(
        table.name, seed, subsets, subsets["all"].quantization.bits, network, _host_ms(quantized_path, samples), trace,
        noise_lsb=noise.along, robust_lsb=noise.along_robust,
        decoder=_decoder_facts(plan, generated, codes, compiler),
        jumps=int(jumps.sum()), float_jumps=int(wrong.sum()), noise=noise,
        distance={
            "median": float(np.median(distance)), "p99": float(np.quantile(distance, 0.99)),
            "max": float(distance.max()), "near share": float(near.mean()),
        },
        gains=tuple(gains), predicted=_predicted(noise, on, plan, baselines),
        warnings=(*plan.warnings, *network.spoilers, *head_warnings(plan, noise)), plan=plan,
    )  # fmt: skip


def head_warnings(plan: Plan, noise: HeadNoise | None) -> tuple[str, ...]:
    """What spoils the gain at the heads themselves: correlated errors, and codes that lie outside their range."""
    found = []
    if noise is not None and abs(noise.correlation) > 0.3:
        found.append(
            f"the heads' errors are correlated ({noise.correlation:+.2f}): what both share does not shrink by L"
        )
    low, high = (float(end) for end in plan.spec.heads.range)
    for axis, scale in enumerate(plan.spec.heads.scale):
        span = float(scale) * (1 << plan.spec.heads.bits)
        if span > 1.15 * (high - low):
            found.append(
                f"head {'xy'[axis]}: its codes span {span:.3g}, {100 * (span / (high - low) - 1):.0f} % more than "
                f"its range; an overshooting scale wastes resolution: clamp the head in training"
            )
    return tuple(found)


def _decode(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> NDArray[np.int64]:
    """Output codes of head codes (..., 2), by the compiled C or by its proved model."""
    pairs = codes.reshape(-1, 2).astype(np.int64)
    if compiler:
        name = f"{plan.prefix}_decode_block"
        result = run_pairs(plan, generated, pairs, compiler)[name]
    else:
        mask = (1 << plan.spec.heads.bits) - 1
        result = generated.built.portable.decode(pairs[:, 0] & mask, pairs[:, 1] & mask)
    return result.reshape(codes.shape[:-1])


def _decoder_facts(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> dict[str, Any]:
    spec = plan.spec
    levels = len(np.unique(generated.ideal.codes))
    estimator = spec.estimator
    return {
        "curve": spec.curve.name,
        "order": spec.curve.order,
        "inset": float(spec.inset),
        "length": float(spec.curve.length(spec.inset)),
        "scale": [float(scale) for scale in spec.heads.scale],
        "zero_point": list(spec.heads.zero_point),
        "levels": levels,
        "bits": math.log2(levels),
        "half_branch_codes": _half_branch(plan),
        "estimator": estimator.kind
        if estimator.kind == "nearest"
        else f"mean, sigma {float(estimator.sigma):g}, gate {float(estimator.gate):g}",
        "strategy": generated.built.strategy,
        "table_bytes": generated.table_bytes,
        "host_ns_per_point": _host_ns(plan, generated, codes, compiler) if compiler else None,
    }


def _host_ns(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> float | None:
    """Nanoseconds a point of the compiled decode_block on this host, best of nine passes over the real outputs."""
    if platform.system() == "Windows":
        return None
    dtype = np.dtype(plan.spec.heads.dtype)
    pairs = np.ascontiguousarray(codes.reshape(-1, 2), dtype=dtype)
    planes = [np.ascontiguousarray(pairs[:, axis]) for axis in (0, 1)]
    out = np.empty(len(pairs), dtype=plan.spec.output.dtype)
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        for file, content in generated.files.items():
            (folder / file).write_bytes(content)
        sources = [file for file in generated.files if file.endswith(".c")]
        command = [*compiler, "-std=c99", "-O2", "-shared", "-fPIC", *sources, "-o", "decoder.so"]
        tools.run(command, "compiling the generated C", folder)
        function = getattr(ctypes.CDLL(str(folder / "decoder.so")), f"{plan.prefix}_decode_block")
    function.restype = None
    sources_in = planes if plan.spec.heads.layout == "planar" else [pairs]
    arguments = [ctypes.c_void_p(array.ctypes.data) for array in (*sources_in, out)]
    best = math.inf
    for _ in range(9):
        start = time.perf_counter()
        function(*arguments, ctypes.c_uint32(len(pairs)))
        best = min(best, time.perf_counter() - start)
    return 1e9 * best / len(pairs)


def _noise(lsb: FloatArray, along: FloatArray, across: FloatArray) -> HeadNoise:
    sd = lsb.std(axis=0)
    moving = bool((sd > 0).all())
    return HeadNoise(
        float(sd[0]), float(sd[1]), float(lsb[:, 0].mean()), float(lsb[:, 1].mean()),
        float(np.sqrt(np.square(along).mean())), float(np.sqrt(np.square(across).mean())),
        robust_sd(along), robust_sd(across),
        float(np.corrcoef(lsb[:, 0], lsb[:, 1])[0, 1]) if moving else 0.0,
    )  # fmt: skip


def _predicted(
    noise: HeadNoise, on: HeadCurve, plan: Plan, baselines: Sequence[NetResult]
) -> dict[str, dict[str, float]]:
    """Baseline -> metric -> L * (1D noise) / (noise along the curve), for the two measures of spread."""
    scale = math.sqrt(float(plan.spec.heads.scale[0]) * float(plan.spec.heads.scale[1]))
    per_code = scale / on.length
    found = {}
    for baseline in baselines:
        stats = baseline.subsets["all"].quantization
        found[baseline.name] = {
            "rmse": stats.rmse / (noise.along * per_code) if noise.along else math.inf,
            "robust_sd": stats.robust_sd / (noise.along_robust * per_code) if noise.along_robust else math.inf,
        }
    return found


def _measure(errors: FloatArray, metric: str) -> float:
    if metric == "robust_sd":
        return robust_sd(errors)
    if metric == "rmse":
        return float(np.sqrt(np.square(errors).mean()))
    size = np.abs(errors)
    if metric == "mae":
        return float(size.mean())
    if metric == "p99":
        return float(np.quantile(size, 0.99))
    return float(np.median(size))


def _gains(
    pilot: Pilot, baseline: NetResult, subset: str, points: NDArray[np.bool_], trace: Trace, closed: bool
) -> list[Gain]:
    """Gains with percentile intervals; whole samples are drawn, for the points of one map are not independent."""
    own = difference(trace.quantized_t, trace.float_t, closed)[points]
    other = (baseline.trace.quantized_t - baseline.trace.float_t)[points]
    if not len(own):
        return []
    sizes = points.reshape(len(points), -1).sum(axis=1)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    generator = np.random.default_rng(0)
    ratios: dict[str, list[float]] = {metric: [] for metric in GAIN_METRICS}
    for _ in range(pilot.config.evaluate.bootstrap):
        drawn = generator.integers(0, len(points), len(points))
        lengths = sizes[drawn]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        index = np.repeat(starts[drawn], lengths) + within
        if not len(index):
            continue
        for metric in GAIN_METRICS:
            ratios[metric].append(_ratio(_measure(other[index], metric), _measure(own[index], metric)))
    found = []
    for metric in GAIN_METRICS:
        low, high = np.quantile(ratios[metric], [0.025, 0.975])
        value = _ratio(_measure(other, metric), _measure(own, metric))
        found.append(Gain(baseline.name, subset, metric, value, float(low), float(high)))
    return found


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else math.inf if a > 0 else 1.0


def _verdict(evaluation: Evaluation) -> Verdict | None:
    kpi = evaluation.pilot.config.kpi
    if kpi is None:
        return None
    unit = evaluation.pilot.config.task.unit
    worst, lines, passed = -math.inf, [], True
    chosen = [m for m in evaluation.models if m.name == kpi.model]
    for model in chosen:
        subset = model.subsets[kpi.points]
        stats = subset.quantized_truth if kpi.of == "truth" else subset.quantization
        worst = max(worst, getattr(stats, kpi.metric) * evaluation.span)
    kind = "error to truth" if kpi.of == "truth" else "quantization error"
    ok = worst <= kpi.limit
    passed &= ok
    where = "worst seed of " + str(len(chosen)) if len(chosen) > 1 else f"seed {chosen[0].seed}"
    lines.append(
        f"{'PASS' if ok else 'FAIL'}: {kpi.metric} of the {kind} of {kpi.model}, "
        f"{chosen[0].subsets[kpi.points].label}, {where}: {worst:.4g} {unit} of {kpi.limit:g} {unit} allowed "
        f"({'margin' if ok else 'missed by'} {abs(100 * (1 - worst / kpi.limit)):.1f} %)".replace("  ", " ")
    )
    if kpi.min_gain is not None:
        name = kpi.baseline or evaluation.baselines[0].name
        metric = kpi.metric if kpi.metric in GAIN_METRICS else "mae"
        gains = [model.gain(name, metric, kpi.points) for model in chosen]
        least = min(gains, key=lambda gain: gain.value)
        ok = least.value >= kpi.min_gain
        passed &= ok
        lines.append(
            f"{'PASS' if ok else 'FAIL'}: gain in {metric} of the quantization error over {name}, {where}: "
            f"{least.value:.2f} [{least.low:.2f}, {least.high:.2f}], at least {kpi.min_gain:g} asked"
        )
    return Verdict(passed, tuple(lines))


def to_record(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the traces, as JSON-able values; figures that do not exist are null."""

    def net(result: NetResult) -> dict[str, Any]:
        record: dict[str, Any] = {
            "name": result.name,
            "seed": result.seed,
            "effective_bits": result.bits,
            "noise_lsb": result.noise_lsb,
            "robust_noise_lsb": result.robust_lsb,
            "parameters": result.network.parameters,
            "macs": result.network.macs,
            "host_ms_per_inference": result.host_ms,
            "errors": {
                name: {
                    "points": subset.label,
                    "count": subset.quantization.count,
                    **{
                        kind: {metric: getattr(getattr(subset, kind), metric) for metric in (*METRICS, "bias")}
                        for kind in ("quantization", "float_truth", "quantized_truth")
                    },
                }
                for name, subset in result.subsets.items()
            },
        }
        if result.decoder is not None and result.noise is not None:
            record |= {
                "decoder": result.decoder,
                "branch_jumps": result.jumps,
                "float_branch_jumps": result.float_jumps,
                "head_noise_lsb": result.noise.__dict__,
                "distance_cells": result.distance,
                "gains": [gain.__dict__ for gain in result.gains],
                "predicted_gains": result.predicted,
                "warnings": list(result.warnings),
            }
        return record

    verdict = evaluation.verdict
    record: dict[str, Any] = _finite(
        {
            "title": evaluation.pilot.config.task.title,
            "samples": evaluation.samples,
            "points": evaluation.points,
            "decoded_by": evaluation.decoded_by,
            "kernels": evaluation.kernels,
            "range": list(evaluation.pilot.config.task.values),
            "unit": evaluation.pilot.config.task.unit,
            "verdict": None if verdict is None else {"passed": verdict.passed, "lines": list(verdict.lines)},
            "baselines": [net(result) for result in evaluation.baselines],
            "models": [net(result) for result in evaluation.models],
        }
    )
    return record


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
