"""How long people wait: generating with proof at every order, and decoding 10 million INT8 pairs in NumPy.

python benchmarks/host_speed.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import numpy as np

from hilbert_codegen import Decoder, decode
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.spec.plan import make_plan

HEADS = {
    "cell grid": "scale = 0.00390625\nzero_point = -128\n",
    "any scale": "scale = 0.00437\nzero_point = -97\n",
}
PAIRS = 10_000_000


@click.command()
def command() -> None:
    """Print seconds, each the least of three runs on one core."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "speed.toml"
        for title, heads in HEADS.items():
            for order in range(1, 7):
                config.write_text(f"[curve]\norder = {order}\ninset = 0.0625\n[heads]\n{heads}", encoding="utf-8")
                if title == "cell grid":
                    config.write_text(f"[curve]\norder = {order}\n[heads]\n{heads}", encoding="utf-8")
                seconds = []
                for _ in range(3):
                    start = time.perf_counter()
                    result = generate(make_plan(load(config)))
                    seconds.append(time.perf_counter() - start)
                strategy = result.built.strategy
                click.echo(f"generate with proof, {title}, order {order}: {min(seconds):.2f} s ({strategy})")
        decoder = Decoder.load(config)
    codes = np.random.default_rng(0).integers(-128, 128, (2, PAIRS)).astype(np.int8)
    decode(codes[0, :1], codes[1, :1], decoder)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        decode(codes[0], codes[1], decoder)
        seconds.append(time.perf_counter() - start)
    click.echo(f"decode {PAIRS:,} INT8 pairs in NumPy: {min(seconds):.2f} s")


if __name__ == "__main__":
    command()
