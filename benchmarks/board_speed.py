"""How long boards take with each emulator that is here: `run` on every board, `measure` of every strategy on every core.

python benchmarks/board_speed.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from side_by_side import CONFIG

from hilbert_codegen.targets.emulators import preference
from hilbert_codegen.targets.tools import Found


def seconds(*words: str) -> float:
    """How long a command of hilbert-codegen takes; the script ends with its message where it fails."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "hilbert_codegen", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    return time.monotonic() - start


@click.command()
@click.option(
    "--compiler", default="auto", show_default=True, help="Of the decoders; the first use of zig takes longer."
)
def command(compiler: str) -> None:
    """Print the seconds."""
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
        config = Path(folder) / "depth.toml"
        config.write_text(CONFIG, encoding="utf-8")
        for emulator in preference():
            if isinstance(emulator.find(), Found):
                fixed = (str(config), "--emulator", emulator.name, "--compiler", compiler)
                run = seconds("run", *fixed, "--board", "all")
                measure = seconds("measure", *fixed, "--strategy", "all")
                click.echo(
                    f"{emulator.name}: run on all its boards {run:.0f} s, every strategy on every core {measure:.0f} s"
                )


if __name__ == "__main__":
    command()
