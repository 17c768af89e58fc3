"""`hilbert-codegen evaluate`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from hilbert_codegen.cli._common import STDERR, format_option, warn
from hilbert_codegen.emit.writer import named, refuse_clashes
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.metrics import METRICS
from hilbert_codegen.pilot.networks import TRUTH_METRICS, Progress
from hilbert_codegen.pilot.results import Evaluation, Interval, to_record
from hilbert_codegen.pilot.settings import load_pilot
from hilbert_codegen.resources import require


@contextmanager
def bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on a terminal; silent elsewhere and with -q."""
    if quiet or not STDERR.is_terminal:
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=STDERR, transient=True) as shown:
        task = shown.add_task("reading", total=1)
        yield lambda step, done, total: shown.update(task, description=step, completed=done, total=total)


def wide_console() -> Console:
    """Standard output, as wide as the terminal; wide enough for every table where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=180)


def read_latency(path: Path | None) -> list[dict[str, Any]]:
    """The records of `hilbert-codegen measure --format json`. Raises UsageError if the file holds none."""
    if path is None:
        return []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--latency {path}: can't be read: {reason}; give a file of measure --format json") from None
    if isinstance(records, dict):
        records = records.get("records", [records])
    if not isinstance(records, list) or not all(isinstance(r, dict) and "core" in r for r in records):
        raise UsageError(f"--latency {path}: no records with a core; give a file of measure --format json")
    return records


def _number(value: float | None, form: str = ".4g") -> str:
    return "-" if value is None or not math.isfinite(value) else format(value, form)


def _with_ends(figure: Interval, form: str) -> str:
    if not math.isfinite(figure.value):
        return "-"
    ends = f" [{figure.low:{form}}, {figure.high:{form}}]" if math.isfinite(figure.low) else ""
    return f"{figure.value:{form}}{ends}"


def _table(title: str, columns: Sequence[str]) -> Table:
    """A table whose words are left and whose numbers are right."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="left" if column in ("network", "model", "over", "points") else "right")
    return made


def _truth_table(evaluation: Evaluation) -> Table:
    unit = evaluation.pilot.config.task.unit
    shown = [f"{METRICS[m].short} {kind}" for m in TRUTH_METRICS for kind in ("float", "INT8")]
    made = _table(
        f"Error to truth in {unit or 'units'} [95 % interval], {evaluation.samples} samples, all points",
        ("network", "seed", *shown, "other branch float", "INT8"),
    )
    for result in (*evaluation.baselines, *evaluation.models):
        intervals = result.subsets["all"].truth_intervals
        cells = []
        for metric in TRUTH_METRICS:
            for kind in ("float", "quantized"):
                figure = intervals.get((kind, metric))
                cells.append("-" if figure is None else _with_ends(figure.scaled(evaluation.span), ".4g"))
        shares = [result.wrong_branch.get(kind) for kind in ("float", "quantized")]
        branches = ["" if share is None else f"{100 * share:.2g} %" for share in shares]
        made.add_row(result.name, str(result.seed), *cells, *branches)
    return made


def _quantization_table(evaluation: Evaluation) -> Table:
    unit = evaluation.pilot.config.task.unit
    made = _table(
        f"Quantization error (INT8 minus float) in {unit or 'units'}, all points",
        ("network", "seed", *(m.short for m in METRICS.values()), "levels", "effective bits", "jumps"),
    )
    for result in (*evaluation.baselines, *evaluation.models):
        q = result.subsets["all"].quantization.scaled(evaluation.span)
        levels = result.decoder["levels"] if result.decoder else ""
        made.add_row(
            result.name, str(result.seed), *(_number(v) for v in q.figures.values()), str(levels),
            _number(result.bits, ".2f"), "" if result.jumps is None else str(result.jumps),
        )  # fmt: skip
    return made


def _gain_table(evaluation: Evaluation) -> Table:
    made = _table(
        "Gain in the quantization error [95 % interval], against the prediction of the noise model",
        ("model", "seed", "over", "points", "MAE", "robust SD", "predicted", "RMSE", "predicted"),
    )
    for model in evaluation.models:
        for name in dict.fromkeys(gain.baseline for gain in model.gains):
            for subset in dict.fromkeys(gain.subset for gain in model.gains):
                text = {m: _with_ends(model.gain(name, m, subset), ".2f") for m in ("mae", "robust_sd", "rmse")}
                said = model.predicted.get(name, {}) if subset == "all" else {}
                foretold = {m: _number(said[m], ".2f") if m in said else "" for m in ("robust_sd", "rmse")}
                made.add_row(
                    model.name, str(model.seed), name, model.subsets[subset].label, text["mae"],
                    text["robust_sd"], foretold["robust_sd"], text["rmse"], foretold["rmse"],
                )  # fmt: skip
    return made


def tables(evaluation: Evaluation) -> list[Table]:
    """What a person reads first: errors to truth, quantization errors, gains."""
    found = [_truth_table(evaluation)]
    if any(result.has_float for result in (*evaluation.baselines, *evaluation.models)):
        found.append(_quantization_table(evaluation))
    if any(model.gains for model in evaluation.models):
        found.append(_gain_table(evaluation))
    return found


def _print(evaluation: Evaluation) -> None:
    """The tables, and the answers below them."""
    console = wide_console()
    for table in tables(evaluation):
        console.print(table)
    click.echo(f"Decoded by {evaluation.decoded_by}; {evaluation.kernels} kernels.")
    for line in evaluation.micro_lines:
        click.echo(line)
    for line in evaluation.verdict.lines if evaluation.verdict else ():
        click.echo(line)


def _warnings(evaluation: Evaluation, source: str) -> Iterator[str]:
    """Those about the data of the pilot `source`, and about each network."""
    for warning in evaluation.warnings:
        yield f"{source}: {warning}"
    for result in (*evaluation.baselines, *evaluation.models):
        for warning in result.warnings:
            yield f"{result.name}, seed {result.seed}: {warning}"


@click.command()
@click.argument("pilot", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Write one self-contained HTML file.")
@click.option(
    "--json",
    "record",
    type=click.Path(path_type=Path),
    help="Write every figure as JSON, errors in t: times the size of task.values they are in its unit.",
)
@click.option(
    "--latency", type=click.Path(path_type=Path), help="Records of `measure --format json`, for the report's table."
)
@click.option("--limit", type=click.IntRange(min=20), help="Use only the first so many samples.")
@click.option(
    "--compiler", help="C compiler of the generated decoder [default: gcc, clang, cc or the package ziglang]."
)
@click.option(
    "--micro", is_flag=True, help="Run the quantized nets by TFLite Micro's interpreter too, and compare the bytes."
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit with status 1 where the KPI is missed, or heads are swapped or the curve is not that of the training.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings.")
@format_option
def command(
    pilot: Path, report: Path | None, record: Path | None, latency: Path | None, limit: int | None, compiler: str | None,
    micro: bool, strict: bool, quiet: bool, form: str,
) -> None:  # fmt: skip
    """Does it pay? Run float and quantized models on samples, decode, and compare with a 1D baseline.

    PILOT.toml names the models, samples, truth and the limit that matters ([kpi]). Models run in tflite-runtime with
    its reference kernels, their outputs through the generated C. Reported are the quantization error (quantized net
    minus float net), the error to truth, the noise of the heads, branch jumps, and the gain over each baseline with a
    bootstrap interval, next to what the noise model predicts.

    \b
    hilbert-codegen evaluate examples/line_sensor/pilot.toml --report report.html
    hilbert-codegen evaluate pilot.toml --strict -q          in CI: status 1 if the KPI is missed
    """
    if report is not None:
        require("plot", "--report", "matplotlib")
    records = read_latency(latency)
    loaded = load_pilot(pilot)
    refuse_clashes({"--report": report, "--json": record}, [pilot, *loaded.files(), latency])
    page = b""
    with bar(quiet) as progress:
        evaluation = evaluate(loaded, limit, progress, (compiler,) if compiler else None, micro)
        if report is not None:
            from hilbert_codegen.pilot.report import render_report

            progress("report", 0, 1)
            page = render_report(evaluation, records).encode()
    values = to_record(evaluation)
    figures = (json.dumps(values, indent=2) + "\n").encode()
    with ExitStack() as all_or_none:
        for path, content, option in ((report, page, "--report"), (record, figures, "--json")):
            if path is not None:
                all_or_none.enter_context(named(path, content, option))
    if form == "json":
        click.echo(json.dumps(values, indent=2))
    else:
        _print(evaluation)
    if not quiet:
        for warning in _warnings(evaluation, pilot.name):
            warn(warning)
    nets = (*evaluation.baselines, *evaluation.models)
    misread = [f"{result.name}, seed {result.seed}: {result.misread}" for result in nets if result.misread]
    if strict and misread:
        raise CheckFailed(misread[0])
    if strict and loaded.config.kpi is None:
        STDERR.print(
            f"hilbert-codegen: {pilot.name} has no [kpi] table with model, metric and limit: --strict judged the heads alone",
            markup=False,
        )
    if strict and evaluation.verdict is not None and not evaluation.verdict.passed:
        failed = [line for line in evaluation.verdict.lines if line.startswith("FAIL")]
        raise CheckFailed(failed[0] if failed else "the limit could not be judged")
