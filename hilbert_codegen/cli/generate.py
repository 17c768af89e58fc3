"""`hilbert-codegen generate`."""

from __future__ import annotations

import json
from contextlib import ExitStack
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
    warn,
)
from hilbert_codegen.emit import writer as output
from hilbert_codegen.emit.choose import too_large
from hilbert_codegen.emit.depfile import refuse_foreign, rule, tool_files
from hilbert_codegen.emit.generate import generate, select
from hilbert_codegen.emit.proofs import Proofs
from hilbert_codegen.emit.render import names_of, render_package
from hilbert_codegen.errors import CheckFailed


@click.command()
@plan_options
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder for the files.")
@click.option("--dry-run", is_flag=True, help="Do everything but write; say what would be written.")
@click.option("--list-outputs", is_flag=True, help="Only list the files that would be generated.")
@click.option(
    "--depfile", type=click.Path(path_type=Path), help="Also write what the files depend on, for make or ninja."
)
@package_option
@cache_option
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    folder: Path, dry_run: bool, list_outputs: bool, depfile: Path | None, package: str | None, no_cache: bool, form: str,
) -> None:  # fmt: skip
    """Write <prefix>_decoder.h and <prefix>_decoder.c, proved exact on the whole input domain.

    Files are written only if their bytes change, all or none. A file that this tool did not make is never overwritten.

    \b
    hilbert-codegen generate depth.toml -o src/
    hilbert-codegen generate depth.toml --model depth.tflite --set curve.order=2 -o src/
    """
    plan = plan_of(config, settings, model, strict, quiet)
    if list_outputs:
        built = select(plan)
    else:
        with progress(quiet) as step:
            result = generate(plan, step, proofs=None if no_cache else Proofs.of_user())
        built = result.built
    if warning := too_large(plan, built):
        if strict:
            raise CheckFailed(warning)
        if not quiet:
            warn(warning)
    names = names_of(plan, package)
    if list_outputs:
        click.echo(json.dumps(names) if form == "json" else "\n".join((folder / name).as_posix() for name in names))
        return
    files = {**result.files, **(render_package(plan, result, package) if package else {})}
    outputs = [folder / name for name in names]
    if depfile is not None:
        refuse_foreign(depfile, outputs)
    if dry_run:
        changed = output.stale(folder, files)
    else:
        with ExitStack() as beside:
            if depfile is not None:
                inputs = [*plan.settings.files(config), *tool_files()]
                beside.enter_context(output.named(depfile, rule(outputs, inputs).encode(), "--depfile"))
            changed = output.write(folder, files)
    heads = plan.settings.heads
    if form == "json":
        record = {
            "folder": folder.as_posix(),
            "files": {name: {"bytes": len(files[name]), "changed": name in changed} for name in names},
            "written": not dry_run,
            "strategy": result.built.strategy,
            "table_bytes": result.table_bytes,
            "proved": result.domain.statement,
            "digest": plan.digest,
            "buffers": dict(heads.fetch()) if heads is not None else {},
        }
        click.echo(json.dumps(record, indent=2))
    elif not quiet:
        verb = "would write" if dry_run else "wrote"
        for name in names:
            STDERR.print(f"{verb if name in changed else 'unchanged'}  {(folder / name).as_posix()}", markup=False)
        STDERR.print(
            f"{result.built.strategy}: {result.table_bytes} bytes of tables, proved on {result.domain.statement}",
            markup=False,
        )
        for parameter, call in heads.fetch() if heads is not None else ():
            STDERR.print(f"{parameter} = {call};", markup=False)
