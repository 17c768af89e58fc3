"""`hilbert-codegen cmake-dir`."""

from __future__ import annotations

import click

from hilbert_codegen.resources import resource


@click.command()
def command() -> None:
    """Print the folder of the CMake module, for find_package(hilbert_codegen HINTS ...).

    Or copy hilbert_codegen.cmake from there into your project and include() it: it is one file.
    """
    click.echo(resource("cmake").as_posix())
