"""`hilbert-codegen check`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hilbert_codegen.cli._common import (
    STDERR,
    cache_option,
    format_option,
    package_option,
    plan_of,
    plan_options,
    progress,
)
from hilbert_codegen.emit import writer as output
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.proofs import Proofs
from hilbert_codegen.emit.render import render_package
from hilbert_codegen.errors import CheckFailed


@click.command()
@plan_options
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder of the files.")
@package_option
@cache_option
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    folder: Path, package: str | None, no_cache: bool, form: str,
) -> None:  # fmt: skip
    """Compare the files in a folder with what would be generated; for CI and pre-commit.

    Exit status 0 if they are the same, 1 if not: with a unified diff on standard output of the files that are there,
    and the names of those that are not. A difference in nothing but the tool's version, or in line ends (LF or CRLF), is
    none.
    """
    plan = plan_of(config, settings, model, strict, quiet)
    with progress(quiet) as step:
        result = generate(plan, step, proofs=None if no_cache else Proofs.of_user())
    files = {**result.files, **(render_package(plan, result, package) if package else {})}
    changed, absent = output.stale(folder, files), output.missing(folder, files)
    if form == "json":
        click.echo(
            json.dumps(
                {"folder": folder.as_posix(), "files": list(files), "stale": changed, "missing": absent}, indent=2
            )
        )
    elif changed:
        click.echo(output.difference(folder, files), nl=False)
    if absent == list(files):
        raise CheckFailed(f"{folder.as_posix()}: {', '.join(absent)} not generated yet; run generate")
    if changed:
        different = [name for name in changed if name not in absent]
        problems = [f"{', '.join(different)} differ from {config.name}"] if different else []
        problems += [f"{', '.join(absent)} not generated yet"] if absent else []
        raise CheckFailed(f"{folder.as_posix()}: {'; '.join(problems)}; run generate")
    if not quiet and form == "text":
        STDERR.print(f"up to date: {', '.join(files)}", markup=False)
