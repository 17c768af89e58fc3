"""What the subcommands share: the options that make a plan, and how they talk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import Progress
from hilbert_codegen.emit.packages import PACKAGES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.spec.plan import Plan, make_plan

F = TypeVar("F", bound=Callable[..., Any])

#: Diagnostics; standard output carries results only.
STDERR = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def warn(text: str) -> None:
    """Say on standard error what is doubtful, but no failure."""
    STDERR.print(f"hilbert-codegen: warning: {text}", markup=False)


def plan_options(command: F) -> F:
    """CONFIG, --set, --model, --strict and -q: everything a plan is made from."""
    for option in reversed(
        (
            click.argument("config", type=click.Path(path_type=Path)),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="KEY=VALUE",
                help="Override a value of the configuration, for example --set curve.order=2. Repeatable.",
            ),
            click.option(
                "--model",
                type=click.Path(path_type=Path),
                help="A quantized .tflite or .onnx file that scale, zero point, dtype and layout of the heads are read from.",
            ),
            click.option("--strict", is_flag=True, help="Treat warnings as failures (exit status 1)."),
            click.option("-q", "--quiet", is_flag=True, help="No diagnostics but errors."),
        )
    ):
        command = option(command)
    return command


def package_option(command: F) -> F:
    """--package NAME."""
    return click.option(
        "--package",
        metavar="NAME",
        callback=lambda context, option, value: value and PACKAGES[value].name,
        help=f"Also the files that make the folder a package: {', '.join(PACKAGES.names())}.",
    )(command)


def cache_option(command: F) -> F:
    """--no-cache."""
    return click.option(
        "--no-cache",
        is_flag=True,
        help="Prove a decoder of three and more heads again where it was proved before, by this tool as it is.",
    )(command)


def format_option(command: F) -> F:
    """--format text|json."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="For people, or for a program.",
    )(command)


def plan_of(config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool) -> Plan:
    """Load and plan; warnings go to standard error, and with `strict` they fail."""
    plan = make_plan(load(config, settings, model))
    for warning in plan.warnings:
        if strict:
            raise CheckFailed(warning)
        if not quiet:
            warn(warning)
    return plan


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A spinner with the current step on a terminal; silent elsewhere and with -q."""
    if quiet or not STDERR.is_terminal:
        yield lambda _: None
        return
    with STDERR.status("starting") as status:
        yield lambda step: status.update(step)
