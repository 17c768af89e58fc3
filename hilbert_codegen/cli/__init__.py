"""The command line `hilbert-codegen`. Every subcommand is one file of this folder with a `command`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import iter_modules

import click

from hilbert_codegen import __version__
from hilbert_codegen.errors import HilbertError


class _Commands(click.Group):
    """Finds the subcommands in this folder; a module's `command` object is the command of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name.replace("_", "-") for module in iter_modules(__path__) if module.name[0] != "_")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="hilbert-codegen")
def group() -> None:
    """Exact fixed-point C decoders for networks whose heads, two to six, give a point on a Hilbert curve.

    \b
    Start with a configuration (depth.toml) and a quantized model:
      hilbert-codegen generate depth.toml --model depth.tflite -o src/
      hilbert-codegen verify depth.toml       compile it and compare all pairs of codes
      hilbert-codegen show depth.toml         every value, table sizes, resolution

    Exit status: 0 done, 1 a check failed, 2 something in the request is wrong. Diagnostics go to standard error.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; our own errors end in one line on standard error and their exit status."""
    try:
        group.main(args=arguments, prog_name="hilbert-codegen", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("hilbert-codegen: interrupted", file=sys.stderr)
        sys.exit(130)
    except HilbertError as error:
        print(f"hilbert-codegen: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of standard output has left, say `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (OSError, UnicodeError) as error:
        print(f"hilbert-codegen: {printable(str(error))}", file=sys.stderr)
        sys.exit(2)


def printable(text: str) -> str:
    """`text` without what could steer a terminal: names of files, keys and tensors end in messages."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
