"""`hilbert-codegen advise`."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path

import click
from click.core import ParameterSource
from rich.table import Table

from hilbert_codegen.cli._common import format_option, warn
from hilbert_codegen.cli.evaluate import bar, wide_console
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.advise import Advice, advise_from_noise, advise_from_pilot
from hilbert_codegen.pilot.costs import further_heads
from hilbert_codegen.pilot.evaluate import evaluate
from hilbert_codegen.pilot.results import finite
from hilbert_codegen.pilot.settings import load_pilot


def _insets(words: tuple[str, ...]) -> list[str | Fraction]:
    found: list[str | Fraction] = []
    for word in words:
        try:
            value: str | Fraction = "cell" if word == "cell" else Fraction(Decimal(word))
        except (InvalidOperation, ValueError, OverflowError):
            value = Fraction(1)
        if isinstance(value, Fraction) and not 0 <= value < Fraction(1, 2):
            raise UsageError(f'--inset {word}: it takes "cell" or a number in [0, 0.5)')
        found.append(value)
    return found


def _positive(value: float | None, option: str) -> None:
    if value is not None and not 0 < value < 1e12:
        raise UsageError(f"{option} {value:g}: it takes a positive number")


#: Options that a pilot's own files answer, by the name of their parameter, and those that say how to run a pilot.
_OF_FIGURES = {
    "noise_1d_lsb": "a pilot's baseline is measured; name one as [[baseline]] in it",
    "scale": "a pilot's nets have their own; leave it out",
    "truth_error": "a pilot's nets are measured; leave it out",
    "span": "a pilot has it as task.values; leave it out",
}
_OF_PILOTS = ("baseline_only", "limit")


def _refuse_ignored(pilot: Path | None) -> None:
    """Raise UsageError for an option of the command line that would be of no effect."""
    context = click.get_current_context()
    for option in context.command.params:
        name = str(option.name)
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if pilot is None and name in _OF_PILOTS:
            raise UsageError(f"{option.opts[0]}: is of no effect without a PILOT.toml; give one, or leave it out")
        if pilot is not None and name in _OF_FIGURES:
            raise UsageError(f"{option.opts[0]}: {_OF_FIGURES[name]}")


@click.command()
@click.argument("pilot", type=click.Path(path_type=Path), required=False)
@click.option("--noise-lsb", type=float, help="Standard deviation of either head's noise, in codes, rounding included.")
@click.option("--noise-1d-lsb", type=float, help="The same of a 1D head; without it as large as --noise-lsb.")
@click.option("--scale", type=float, default=1 / 256, help="Head units a code, the range being 1.  [default: 1/256]")
@click.option(
    "--truth-error", type=float, help="Standard deviation of the float net's error to truth, in the task's unit."
)
@click.option("--span", type=float, default=1.0, show_default=True, help="Size of the range, in the task's unit.")
@click.option("--error", "wanted", type=float, help="Wanted RMSE of the quantization error, in the task's unit.")
@click.option(
    "--heads",
    type=click.IntRange(2, 6),
    multiple=True,
    default=(2, 3, 4, 5, 6),
    show_default=True,
    help="Numbers of heads to compare, each with those of the orders that exist for it. Repeatable.",
)
@click.option("--order", "orders", type=click.IntRange(1, 6), multiple=True, default=(1, 2, 3, 4), show_default=True)
@click.option("--inset", "insets", multiple=True, default=("cell",), show_default=True)
@click.option(
    "--baseline-only", is_flag=True, help="With PILOT.toml: from its 1D nets alone, as before a Hilbert net exists."
)
@click.option("--limit", type=click.IntRange(min=20), help="With PILOT.toml: use only the first so many samples.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings.")
@format_option
def command(
    pilot: Path | None, noise_lsb: float | None, noise_1d_lsb: float | None, scale: float,
    truth_error: float | None, span: float, wanted: float | None, heads: tuple[int, ...], orders: tuple[int, ...], insets: tuple[str, ...],
    baseline_only: bool, limit: int | None, quiet: bool, form: str,
) -> None:  # fmt: skip
    """How many heads of which order to train, if any, and what error to truth to expect of it.

    From a PILOT.toml: its models are run; orders that it has are measured, others are forecast from the nearest one, or
    from the 1D net and the data alone where there is no model yet (or with --baseline-only). A setting of the mean
    estimator is proposed as well. Or from figures for the noise and the float net's error.

    Columns: half branch and noise (of a head) in codes; blur is the float net's own error to truth in cells; what the
    change lies within is the 95 % interval over samples where it was measured, and of a forecast what at least 9 of 10
    were found to lie within.

    \b
    hilbert-codegen advise --noise-lsb 1.2 --noise-1d-lsb 0.8 --span 9500 --error 5
    hilbert-codegen advise pilot.toml
    """
    if (pilot is None) == (noise_lsb is None):
        raise UsageError("advise: give either a PILOT.toml or --noise-lsb")
    for value, option in ((noise_lsb, "--noise-lsb"), (noise_1d_lsb, "--noise-1d-lsb"), (scale, "--scale"),
                          (span, "--span"), (truth_error, "--truth-error"), (wanted, "--error")):  # fmt: skip
        _positive(value, option)
    _refuse_ignored(pilot)
    margins = _insets(insets)
    about_data: tuple[str, ...] = ()
    with bar(quiet) as progress:
        if pilot is not None:
            loaded = load_pilot(pilot)
            if baseline_only:
                loaded = loaded.without_models()
            evaluation = evaluate(loaded, limit, progress)
            about_data = tuple(f"{pilot.name}: {line}" for line in evaluation.warnings)
            span = evaluation.span
            progress("simulating", 0, 1)
            asked = wanted / span if wanted else None
            advice = advise_from_pilot(evaluation, orders, margins, asked, baseline_only, heads)
        else:
            assert noise_lsb is not None
            progress("simulating", 0, 1)
            advice = advise_from_noise(
                noise_lsb,
                noise_1d_lsb or noise_lsb,
                scale,
                orders,
                margins,
                wanted / span if wanted else None,
                (truth_error or 0.0) / span,
                heads,
            )
        progress("decoders", 0, 1)
        costs = further_heads(advice.candidates)
    if form == "json":
        click.echo(
            json.dumps(finite(advice.record() | {"span": span, "heads": [cost.record() for cost in costs]}), indent=2)
        )
    else:
        _print(advice, span)
        for cost in costs:
            click.echo(cost.text(span, advice.channels))
    if not quiet:
        for warning in (*about_data, *advice.warnings):
            warn(warning)


def _figure(value: float, form: str = ".3g") -> str:
    return format(value, form) if math.isfinite(value) else "-"


def _print(advice: Advice, span: float) -> None:
    console = wide_console()
    table = Table(title="Errors in the task's unit, measured or to expect", title_justify="left")
    columns = ("heads", "order", "rank", "inset", "L", "half branch", "noise", "blur", "RMSE, INT8 - float", "robust SD", "jumps",
               "MAE to truth", "RMSE to truth", "change", "within", "figures", "ruled out by")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="left" if column in ("figures", "ruled out by") else "right")
    quantization, truth = (stats.scaled(span) for stats in advice.baseline)
    table.add_row(
        "1" if advice.channels == 1 else "", "", "", "", "1" if advice.channels == 1 else "", "", "", "", _figure(quantization.rmse), _figure(quantization.robust_sd), "",
        _figure(truth.mae), _figure(truth.rmse), "", "", advice.baseline_source, "",
    )  # fmt: skip
    usable = sorted((c for c in advice.candidates if not c.refusal and math.isfinite(c.score)), key=lambda c: c.score)
    rank = {id(c): place for place, c in enumerate(usable, 1)}
    for c in advice.candidates:
        error, to_truth = c.quantization.scaled(span), c.truth.scaled(span)
        low, high = (100 * (end - 1) for end in c.ends)
        known = math.isfinite(c.score)
        table.add_row(
            str(c.heads), str(c.order), str(rank[id(c)]) if id(c) in rank else "", f"{c.inset:.4g}", f"{c.length:.3g}", f"{c.half_branch:.3g}", _figure(c.noise), _figure(c.blur, ".2g"),
            _figure(error.rmse), _figure(error.robust_sd), f"{100 * c.jumps:.2g} %" if math.isfinite(c.jumps) else "-",
            _figure(to_truth.mae), _figure(to_truth.rmse), f"{100 * (c.score - 1):+.0f} %" if known else "-" if c.refusal else "measure it",
            f"{low:+.0f} to {high:+.0f} %" if math.isfinite(low) else "",
            c.source, c.refusal.split(":")[0],
        )  # fmt: skip
    console.print(table)
    for name, plain, best in advice.estimators:
        if best.sigma:
            click.echo(
                f'{name}: [decoder] estimator = "mean", sigma = {best.sigma:g}, gate = {best.gate:g} (cells) brings '
                f"the RMSE of quantization from {span * plain.quantization.rmse:.4g} to "
                f"{span * best.quantization.rmse:.4g}, to truth from {span * plain.truth.rmse:.4g} to "
                f"{span * best.truth.rmse:.4g} (on samples it was not chosen by)"
            )
        else:
            click.echo(f"{name}: the nearest point is the best estimator")
    for line in advice.verdict:
        click.echo(line)
