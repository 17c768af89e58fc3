"""How long boards take with each emulator that is here: `run` on every board, `measure` of every strategy on every core.

Seconds by the clock, which depend on what else the machine does, and seconds of its processors, which hardly do.

    python benchmarks/board_speed.py -o benchmarks/results/board_speed.md
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
from side_by_side import CONFIG

from hilbert_codegen.targets.emulators import preference
from hilbert_codegen.targets.tools import Found

HEAD = """Made by benchmarks/board_speed.py: seconds by the clock, and of the processors of this machine ({processors} of them), that
`run --board all` and `measure --strategy all` take over all 65,536 pairs, with one emulator each.

| emulator | `run` on all its boards | every strategy on a board of each core |
|---|---|---|
"""


def seconds(*words: str) -> str:
    """How long a command of hilbert-codegen takes, by the clock and of processors; the script ends where it fails."""
    start, before = time.monotonic(), os.times()
    done = subprocess.run(
        [sys.executable, "-m", "hilbert_codegen", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr}")
    after = os.times()
    spent = sum(after[2:4]) - sum(before[2:4])
    return f"{time.monotonic() - start:.0f} s, {spent:.0f} s of processors"


@click.command()
@click.option(
    "--compiler", default="auto", show_default=True, help="Of the decoders; the first use of zig takes longer."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The table as a file too.")
def command(compiler: str, output: Path | None) -> None:
    """Print the table of seconds."""
    text = HEAD.format(processors=os.cpu_count())
    click.echo(text, nl=False)
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
        config = Path(folder) / "depth.toml"
        config.write_text(CONFIG, encoding="utf-8")
        for emulator in preference():
            found = emulator.find()
            if isinstance(found, Found):
                fixed = (str(config), "--emulator", emulator.name, "--compiler", compiler)
                run = seconds("run", *fixed, "--board", "all")
                measure = seconds("measure", *fixed, "--strategy", "all")
                row = f"| {emulator.name} {found.version} | {run} | {measure} |"
                click.echo(row)
                text += row + "\n"
    if output is not None:
        output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    command()
