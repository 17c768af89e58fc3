"""`hilbert-codegen plot`."""

from __future__ import annotations

from pathlib import Path

import click

from hilbert_codegen.cli._common import STDERR, plan_of, plan_options, progress
from hilbert_codegen.emit.plots import plan_figure, to_bytes
from hilbert_codegen.emit.writer import refuse_clashes, write_named
from hilbert_codegen.errors import UsageError


@click.command()
@plan_options
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), required=True, help="A file .svg, .png or .pdf."
)
def command(config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool, file: Path) -> None:
    """Draw the curve, the regions that decode to each of its branches, and the distance to the curve."""
    form = file.suffix.lower().lstrip(".")
    if form not in ("svg", "png", "pdf"):
        raise UsageError(f"-o {file.name}: the name must end in .svg, .png or .pdf")
    plan = plan_of(config, settings, model, strict, quiet)
    refuse_clashes({"-o": file}, plan.settings.files(config))
    with progress(quiet) as step:
        step("drawing")
        picture = to_bytes(plan_figure(plan), form)
    write_named(file, picture, "-o")
    if not quiet:
        STDERR.print(f"wrote  {file.as_posix()}", markup=False)
