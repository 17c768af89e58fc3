"""`hilbert-codegen evaluate`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from hilbert_codegen.cli._common import STDERR, format_option
from hilbert_codegen.emit.writer import write_named
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.pilot.evaluate import Evaluation, NetResult, Progress, evaluate, to_record
from hilbert_codegen.pilot.settings import load_pilot


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
        raise UsageError(f"--latency {path}: can't be read: {error}; give a file of measure --format json") from None
    if isinstance(records, dict):
        records = records.get("records", [records])
    if not isinstance(records, list) or not all(isinstance(r, dict) and "core" in r for r in records):
        raise UsageError(f"--latency {path}: no records with a core; give a file of measure --format json")
    return records


def tables(evaluation: Evaluation) -> list[Table]:
    """What a person reads first: errors by network, and gains by model."""
    unit = evaluation.pilot.config.task.unit
    errors = Table(title=f"Errors in {unit or 'units'}, {evaluation.samples} samples, all points", title_justify="left")
    for column in ("network", "seed", "q-MAE", "q-RMSE", "q-median", "q-robust SD", "q-p99", "bits",
                   "truth MAE float", "INT", "jumps"):  # fmt: skip
        errors.add_column(column, justify="left" if column == "network" else "right")

    def row(result: NetResult) -> list[str]:
        subset = result.subsets["all"]
        q = subset.quantization.scaled(evaluation.span)
        return [
            result.name, str(result.seed), *(f"{v:.4g}" for v in (q.mae, q.rmse, q.median, q.robust_sd, q.p99)),
            f"{result.bits:.2f}", f"{subset.float_truth.mae * evaluation.span:.4g}",
            f"{subset.quantized_truth.mae * evaluation.span:.4g}", "" if result.noise is None else str(result.jumps),
        ]  # fmt: skip

    for result in (*evaluation.baselines, *evaluation.models):
        errors.add_row(*row(result))
    gains = Table(title="Gain in the quantization error [95 % interval], against the prediction of the noise model",
                  title_justify="left")  # fmt: skip
    for column in ("model", "seed", "over", "points", "MAE", "robust SD", "predicted", "RMSE", "predicted"):
        gains.add_column(column, justify="left" if column in ("model", "over", "points") else "right")
    for model in evaluation.models:
        for name, predicted in model.predicted.items():
            for subset, part in model.subsets.items():
                if not part.quantization.count:
                    continue
                shown = {m: model.gain(name, m, subset) for m in ("mae", "robust_sd", "rmse")}
                text = {m: f"{g.value:.2f} [{g.low:.2f}, {g.high:.2f}]" for m, g in shown.items()}
                whole = subset == "all"
                gains.add_row(
                    model.name, str(model.seed), name, part.label, text["mae"],
                    text["robust_sd"], f"{predicted['robust_sd']:.2f}" if whole else "",
                    text["rmse"], f"{predicted['rmse']:.2f}" if whole else "",
                )  # fmt: skip
    return [errors, gains] if evaluation.baselines else [errors]


@click.command()
@click.argument("pilot", type=click.Path(path_type=Path))
@click.option("--report", type=click.Path(path_type=Path), help="Write one self-contained HTML file.")
@click.option("--json", "record", type=click.Path(path_type=Path), help="Write every figure as JSON.")
@click.option(
    "--latency", type=click.Path(path_type=Path), help="Records of `measure --format json`, for the report's table."
)
@click.option("--limit", type=click.IntRange(min=20), help="Use only the first so many samples.")
@click.option("--compiler", default="gcc", show_default=True, help="C compiler of the generated decoder.")
@click.option("--strict", is_flag=True, help="Exit with status 1 where the KPI is missed.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings.")
@format_option
def command(
    pilot: Path, report: Path | None, record: Path | None, latency: Path | None, limit: int | None, compiler: str,
    strict: bool, quiet: bool, form: str,
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
    records = read_latency(latency)
    loaded = load_pilot(pilot)
    if strict and loaded.config.kpi is None:
        raise UsageError(f"{pilot.name}: --strict needs a [kpi] table with model, metric and limit")
    with bar(quiet) as progress:
        evaluation = evaluate(loaded, limit, progress, (compiler,))
        if report is not None:
            from hilbert_codegen.pilot.report import render_report

            progress("report", 0, 1)
            write_named(report, render_report(evaluation, records).encode(), "--report")
    values = to_record(evaluation)
    if record is not None:
        write_named(record, (json.dumps(values, indent=2) + "\n").encode(), "--json")
    if form == "json":
        click.echo(json.dumps(values, indent=2))
    else:
        console = wide_console()
        for table in tables(evaluation):
            console.print(table)
        click.echo(f"Decoded by {evaluation.decoded_by}; {evaluation.kernels} kernels.")
        for line in evaluation.verdict.lines if evaluation.verdict else ():
            click.echo(line)
    if not quiet:
        for result in evaluation.models:
            for warning in result.warnings:
                STDERR.print(f"hilbert-codegen: warning: {result.name}, seed {result.seed}: {warning}", markup=False)
    if strict and evaluation.verdict is not None and not evaluation.verdict.passed:
        raise CheckFailed(next(line for line in evaluation.verdict.lines if line.startswith("FAIL")))
