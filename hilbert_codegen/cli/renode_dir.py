"""`hilbert-codegen renode-dir`."""

from __future__ import annotations

import click

from hilbert_codegen.resources import resource


@click.command()
def command() -> None:
    """Print the folder of the Renode scripts and platforms, for renode "$(hilbert-codegen renode-dir)/cortex-m4.resc".

    Each script takes $bin (the image) and $name (the machine); docs/boards.md walks through one.
    """
    click.echo(resource("renode").as_posix())
