"""One self-contained HTML file of an evaluation: tables, pictures inside it, nothing to fetch."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hilbert_codegen import __version__
from hilbert_codegen.curves import AXES
from hilbert_codegen.emit.plots import plain_log, pyplot, to_bytes
from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.metrics import METRICS, RESAMPLED, robust_sd
from hilbert_codegen.pilot.networks import head_curve
from hilbert_codegen.pilot.results import Evaluation, NetResult, Subset, Timing
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets.cores import core
from hilbert_codegen.training.loss import difference

FloatArray = NDArray[np.float64]

#: Points drawn in a scatter plot, at most.
_SHOWN = 3000
_COLOURS = ("#6b7280", "#0f766e", "#b45309", "#4338ca", "#be123c", "#15803d")


def _picture(figure: Any, form: str, alt: str) -> Markup:
    data = to_bytes(figure, form)
    pyplot().close(figure)
    kind = "svg+xml" if form == "svg" else form
    encoded = base64.b64encode(data).decode("ascii")
    return Markup('<img alt="{}" src="data:image/{};base64,{}">').format(alt, kind, encoded)


def _legend_beside(panel: Any) -> None:
    """The legend to the right of the axes, where it covers no curve."""
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.3)


def _first_seed(evaluation: Evaluation, results: Sequence[NetResult]) -> list[NetResult]:
    seed = evaluation.pilot.config.evaluate.seeds[0]
    return [result for result in results if result.seed == seed]


def _error(result: NetResult) -> FloatArray:
    """Quantization error in t; of a net whose float version is known."""
    assert result.trace.float_t is not None
    return difference(result.trace.quantized_t, result.trace.float_t, result.closed)


def _shown(count: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, _SHOWN)).astype(np.int64)


def _projection(places: FloatArray) -> FloatArray:
    """Points (..., 3) of the unit cube as they are drawn: seen from the right and above, all edges at an angle."""
    # A cavalier view whose third axis is short and steep enough that no two vertices of orders 1 to 3 fall on one another.
    return np.asarray(places[..., :2] + places[..., 2:] * np.array([0.41, 0.29]))


def _draw_curve(panel: Any, model: NetResult) -> None:
    """The predicted points and the curve: two heads as they are, three in perspective, more by head against t."""
    assert model.trace.quantized_heads is not None
    on = head_curve(_plan(model))
    count = on.curve.dimensions
    line = on.origin + on.pitch * on.curve.vertices
    if on.curve.closed:
        line = np.concatenate([line, line[:1]])
    heads = model.trace.quantized_heads.reshape(-1, model.trace.quantized_heads.shape[-1])[:, :count]
    t = model.trace.quantized_t.reshape(-1)
    pick = _shown(len(heads))
    title = f"{model.name}, seed {model.seed}"
    if count > 3:
        place = np.arange(len(line)) / on.curve.segments
        apart = 1.15 * (line.max() - line.min() + on.pitch / 2)
        for axis in range(count):
            panel.plot(place, line[:, axis] + axis * apart, color="#d1d5db", linewidth=3, zorder=1)
            panel.scatter(
                t[pick], heads[pick, axis] + axis * apart, c=t[pick], s=1, cmap="viridis", vmin=0, vmax=1, zorder=2
            )
        panel.set_yticks([line[:, axis].mean() + axis * apart for axis in range(count)], list(AXES[:count]))
        panel.set(title=title, xlabel="decoded t", ylabel="heads, one above the other")
        return
    shown = (_projection(line), _projection(heads)) if count == 3 else (line, heads)
    panel.plot(shown[0][:, 0], shown[0][:, 1], color="#d1d5db", linewidth=3, zorder=1)
    panel.scatter(shown[1][pick, 0], shown[1][pick, 1], c=t[pick], s=2, cmap="viridis", vmin=0, vmax=1, zorder=2)
    names = ("x head, and z to the right", "y head, and z upwards") if count == 3 else ("x head", "y head")
    panel.set(title=title, xlabel=names[0], ylabel=names[1], aspect="equal")


def _plan(model: NetResult) -> Plan:
    assert model.plan is not None
    return model.plan


def curve_picture(models: Sequence[NetResult]) -> Markup:
    """The quantized heads of real samples on their curve, coloured by what they decode to."""
    plt = pyplot()
    columns = min(len(models), 4)
    rows = -(-len(models) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(3.6 * columns, 3.7 * rows), layout="constrained", squeeze=False
    )
    for panel, model in zip(panels.reshape(-1), models, strict=False):
        _draw_curve(panel, model)
    for panel in panels.reshape(-1)[len(models) :]:
        panel.set_axis_off()
    return _picture(figure, "png", "Predicted points of the quantized nets on their curves, coloured by t")


def histogram_picture(results: Sequence[NetResult], span: float, unit: str) -> Markup:
    """Distribution of the quantization error of every net."""
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
    # Wide enough for the widest bulk, so that the centre is seen; tails are what the tables' 99 % and largest tell.
    widest = 4 * max(robust_sd(_error(r).reshape(-1)) for r in results) * span
    widest = widest or max(float(np.abs(_error(r)).max()) for r in results) * span or 1.0
    edges = np.linspace(-widest, widest, 161)
    for index, result in enumerate(results):
        counts, _ = np.histogram(_error(result).reshape(-1) * span, bins=edges)
        density = counts / max(1, result.trace.truth.size) / (edges[1] - edges[0])
        panel.stairs(density, edges, label=result.name, color=_COLOURS[index % len(_COLOURS)], linewidth=1.4)
    panel.set(xlabel=f"quantization error, {unit or 'units'}", ylabel="density")
    _legend_beside(panel)
    return _picture(figure, "svg", "Histograms of the quantization error")


def along_t_picture(results: Sequence[NetResult], span: float, unit: str) -> Markup:
    """RMS quantization error in 64 stretches of t."""
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
    positive = False
    for index, result in enumerate(results):
        t = np.clip(result.trace.truth.reshape(-1), 0, 1 - 1e-9)
        place = (t * 64).astype(np.int64)
        count = np.bincount(place, minlength=64)
        total = np.bincount(place, np.square(_error(result).reshape(-1)), minlength=64)
        rms = abs(span) * np.sqrt(np.divide(total, count, out=np.full(64, np.nan), where=count > 0))
        positive |= bool(np.nanmax(rms) > 0)
        panel.plot((np.arange(64) + 0.5) / 64, rms, label=result.name, color=_COLOURS[index % len(_COLOURS)], lw=1.4)
    panel.set(xlabel="true t", ylabel=f"RMS quantization error, {unit or 'units'}")
    if positive:  # zero has no logarithm
        panel.set_yscale("log")
        plain_log(panel.yaxis)
    _legend_beside(panel)
    return _picture(figure, "svg", "Quantization error against t")


def noise_picture(models: Sequence[NetResult]) -> Markup:
    """Noise of the heads along and across the curve, in codes."""
    plt = pyplot()
    figure, panels = plt.subplots(1, len(models), figsize=(3.6 * len(models), 3.4), layout="constrained", squeeze=False)
    for panel, model in zip(panels[0], models, strict=True):
        assert model.trace.along is not None and model.trace.across is not None
        sideways = model.trace.across.shape[-1]  # one direction across for two heads, two for three
        across = model.trace.across.reshape(-1)
        along = np.repeat(model.trace.along.reshape(-1), sideways)
        pick = _shown(len(along))
        limit = 1.1 * max(float(np.quantile(np.abs(np.concatenate([along, across])), 0.998)), 1.0)
        panel.scatter(along[pick], across[pick], s=2, color="#0f766e", alpha=0.4)
        panel.set(
            title=f"{model.name}, seed {model.seed}", xlabel="along the curve, codes", ylabel="across, codes",
            aspect="equal", xlim=(-limit, limit), ylim=(-limit, limit),
        )  # fmt: skip
    return _picture(figure, "png", "Noise of the heads along and across the curve")


def map_picture(results: Sequence[NetResult], span: float, unit: str, images: int = 3) -> Markup | None:
    """Truth, and for every net the error to truth and the quantization error, for the first images."""
    truth = results[0].trace.truth
    if truth.ndim != 3:
        return None
    plt = pyplot()
    images = min(images, len(truth))
    columns = 1 + 2 * len(results)
    figure, panels = plt.subplots(
        images, columns, figsize=(2.1 * columns, 2.2 * images), layout="constrained", squeeze=False
    )
    limit = span * max(float(np.quantile(np.abs(_error(r)), 0.99)) for r in results) or 1.0
    for row in range(images):
        panels[row][0].imshow(truth[row], cmap="viridis", interpolation="nearest")
        panels[row][0].set_title("truth" if row == 0 else "")
        for index, result in enumerate(results):
            maps = (
                np.abs(difference(result.trace.quantized_t, truth, result.closed))[row] * span,
                np.abs(_error(result)[row]) * span,
            )
            for offset, (values, name) in enumerate(zip(maps, ("to truth", "quantization"), strict=True)):
                panel = panels[row][1 + 2 * index + offset]
                shown = panel.imshow(values, cmap="magma", interpolation="nearest", vmin=0, vmax=limit)
                panel.set_title(f"{result.name},\n{name}" if row == 0 else "", fontsize=9)
    for panel in panels.reshape(-1):
        panel.set_xticks([])
        panel.set_yticks([])
    figure.colorbar(shown, ax=panels, shrink=0.8, label=f"absolute error, {unit or 'units'}")
    return _picture(figure, "png", "Maps of the truth and of absolute errors")


def reasons(evaluation: Evaluation) -> list[str]:
    """What the figures say, in sentences: for each model over the first baseline, with what limits it."""
    lines = []
    base = evaluation.baselines[0].name if evaluation.baselines else None
    for name in dict.fromkeys(model.name for model in evaluation.models if model.has_float):
        models = [model for model in evaluation.models if model.name == name]
        jumps = sum(model.jumps or 0 for model in models)
        points = evaluation.points * len(models)
        loss = [_loss(model) for model in models]
        text = f"{name}: INT8's error to truth (RMSE) is {_span(loss, '{:+.1f}')} % against the float net's; "
        text += f"{jumps} branch jumps in {points} points."
        if base is not None and models[0].gains:
            robust = [model.gain(base, "robust_sd").value for model in models]
            rmse = [model.gain(base, "rmse").value for model in models]
            said = [model.predicted[base]["robust_sd"] for model in models]
            text += (
                f" Its quantization error is {_span(robust, '{:.1f}')} times smaller than that of {base} in robust SD "
                f"(predicted from the noise of the heads: {_span(said, '{:.1f}')}), {_span(rmse, '{:.1f}')} times in "
                f"RMSE."
            )
            if max(rmse) < 1.0:
                text += " In RMSE it does not pay: see the points beyond a distance, and the posterior mean."
        lines.append(text)
    for result in evaluation.baselines:
        if result.name == base and result.seed == evaluation.pilot.config.evaluate.seeds[0]:
            same = [_loss(b) for b in evaluation.baselines if b.name == base]
            lines.append(
                f"{base}: INT8's error to truth is {_span(same, '{:+.1f}')} % against the float net's: that is all a "
                f"second head can win back."
            )
    return lines


def _loss(result: NetResult) -> float:
    """Percent by which quantization raises the RMSE to truth."""
    whole = result.subsets["all"]
    return 100 * (whole.quantized_truth.rmse / whole.float_truth.rmse - 1) if whole.float_truth.rmse else math.nan


def _span(values: Sequence[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _time(timing: Timing) -> str:
    return f"{_sig(timing.value)} ({_sig(timing.low)} to {_sig(timing.high)})"


def overheads(evaluation: Evaluation, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Cost of two heads and the decoder over the 1D net, on this host and on the cores of `records`.

    On a core: multiply-accumulates of the network at the core's peak rate (a lower bound of its cycles, so an upper
    bound of the share), plus the decoder's cycles (or instructions, where no cycles are known) for every point.
    """
    if not evaluation.baselines:
        return []
    rows = []
    points = evaluation.points / evaluation.samples
    seed = evaluation.pilot.config.evaluate.seeds[0]
    base = evaluation.baseline_of(evaluation.baselines[0].name, seed)
    for model in _first_seed(evaluation, evaluation.models):
        assert model.decoder is not None
        nanoseconds = model.decoder["host_ns_per_point"]
        if nanoseconds is not None and base.host_ms is not None and model.host_ms is not None:
            decode = points * nanoseconds["value"] * 1e-6
            rows.append(
                {
                    "where": "this host, measured", "model": model.name, "strategy": model.decoder["strategy"],
                    "net": f"{_time(base.host_ms)} → {_time(model.host_ms)} ms", "decode": f"{decode:.6f} ms",
                    "overhead": 100 * decode / base.host_ms.value,
                }
            )  # fmt: skip
    for record in records:
        rate = core(str(record["core"])).macs
        cost = record.get("cycles_per_point") or record.get("instructions_per_point")
        if cost is None or record.get("mismatches"):
            continue
        kind = "cycles" if record.get("cycles_per_point") else "instructions"
        model = max(_first_seed(evaluation, evaluation.models), key=lambda m: (m.decoder or {}).get("order", 0))
        one, two = base.network.macs / rate, model.network.macs / rate
        rows.append(
            {
                "where": f"{record['core']}, estimated", "model": model.name, "strategy": record.get("strategy", ""),
                "net": f"≥ {one:,.0f} → {two:,.0f} cycles", "decode": f"{points * cost:,.0f} {kind}",
                "overhead": 100 * ((two + points * cost) / one - 1),
            }
        )  # fmt: skip
    return rows


def render_report(evaluation: Evaluation, latency: Sequence[Mapping[str, Any]] = ()) -> str:
    """The report as HTML text.

    Args:
        evaluation: from `evaluate`.
        latency: records of `measure --format json`, for the table of decoders on boards.

    Raises UsageError where matplotlib is not installed.
    """
    task = evaluation.pilot.config.task
    base = _first_seed(evaluation, evaluation.baselines)
    models = _first_seed(evaluation, evaluation.models)
    shown = [result for result in (*base[:1], *models) if result.has_float]
    noisy = [model for model in models if model.noise is not None]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(resource("templates"))),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sig"] = _sig
    return environment.get_template("report/report.html.j2").render(
        version=__version__,
        evaluation=evaluation,
        task=task,
        unit=task.unit or "units",
        span=evaluation.span,
        seeds=evaluation.pilot.config.evaluate.seeds,
        near=evaluation.pilot.config.evaluate.near,
        reasons=reasons(evaluation),
        warnings=_warnings(evaluation),
        networks=[*evaluation.baselines, *evaluation.models],
        loss=_loss,
        parts=_parts,
        curve_picture=curve_picture(models) if models else None,
        histogram_picture=histogram_picture(shown, evaluation.span, task.unit) if shown else None,
        along_t_picture=along_t_picture(shown, evaluation.span, task.unit) if shown else None,
        noise_picture=noise_picture(noisy) if noisy else None,
        map_picture=map_picture(shown, evaluation.span, task.unit) if shown else None,
        metrics=METRICS,
        resampled=RESAMPLED,
        models=evaluation.models,
        answers=evaluation.verdict.answers if evaluation.verdict is not None else (),
        changes=_change_rows(evaluation),
        gains=_gain_rows(evaluation),
        ns=lambda value: _time(Timing(**value)),
        latency=latency,
        overheads=overheads(evaluation, latency),
        missing=math.isnan,
    )


def _change_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row for each model and baseline of its seed."""
    rows = []
    for model in evaluation.models:
        for name in dict.fromkeys(change.baseline for change in model.changes):
            base = evaluation.baseline_of(name, model.seed)
            words = KINDS[base.kind].words + ("" if base.rival else ", for comparison only")
            rows.append({"model": model, "baseline": base, "words": words,
                         "mae": model.change(name, "mae"), "rmse": model.change(name, "rmse")})  # fmt: skip
    return rows


def _gain_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row for each model, baseline and set of points that is worth one."""
    rows = []
    for model in evaluation.models:
        for name in dict.fromkeys(gain.baseline for gain in model.gains):
            for key, subset in _parts(model).items():
                found = {gain.metric: gain for gain in model.gains if (gain.baseline, gain.subset) == (name, key)}
                if found:
                    predicted = model.predicted.get(name, {}) if key == "all" else {}
                    rows.append({"model": model, "baseline": name, "label": subset.label, "gains": found,
                                 "predicted": predicted})  # fmt: skip
    return rows


def _parts(result: NetResult) -> dict[str, Subset]:
    """The subsets worth a row: not the empty ones, nor those near the curve that are all of the points anyway."""
    count = {name: subset.quantized_truth.count for name, subset in result.subsets.items()}
    whole = {"near": "all", "mask near": "mask"}
    return {
        name: subset
        for name, subset in result.subsets.items()
        if count[name] and count[name] != count.get(whole.get(name, ""))
    }


def _warnings(evaluation: Evaluation) -> dict[str, list[str]]:
    """Warning -> the networks it is about, so that one said of every seed is one line."""
    found: dict[str, list[str]] = {}
    for line in evaluation.warnings:
        found[line] = [evaluation.pilot.source]
    for result in (*evaluation.models, *evaluation.baselines):
        for line in result.warnings:
            found.setdefault(line, []).append(f"{result.name}, seed {result.seed}")
    return found


def _sig(value: float | None, digits: int = 3) -> str:
    """`value` to some significant digits, without an exponent where it can be avoided."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0 or 1e-6 <= abs(value) < 1e7:
        places = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
        return f"{value:.{max(places, 0)}f}"
    return f"{value:.{digits - 1}e}"
