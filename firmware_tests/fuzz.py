"""Configurations drawn at random, each run on an emulated board: what no list of cases thinks of.

Number of heads, curve, order, inset, scales and zero points (alike or of each head's own), types, layout, results, estimator,
distances, board and compiler are drawn. `hilbert-codegen run` proves the decoder and compares every function on the board. A
line says what came of each: PASS; refused, with the reason; or FAIL, with the command that does it again.

    python -m firmware_tests.fuzz --seconds 600 --seed 1
"""

from __future__ import annotations

import random
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from hilbert_codegen.curves import CURVES, ORDERS_OF
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.specification import type_range
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import present
from hilbert_codegen.targets.toolchains import TOOLCHAINS

#: One board for each kind of core.
EACH_CORE = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547", "riscv32-virt", "riscv32-virt-vector")
#: Results: type, and the least and greatest code that is drawn; int32 as far as strategies for it are not too slow.
OUTPUTS = (
    ("uint16", 0, 65535),
    ("uint16", 0, 65535),
    ("uint8", 0, 255),
    ("int16", -32768, 32767),
    ("int32", -9999, 10**7),
)
#: Seconds that one configuration may take.
LONGEST = 300


@dataclass(frozen=True)
class Drawn:
    """One configuration: settings as for --set, and where it runs."""

    settings: tuple[str, ...]
    board: str
    compiler: str

    def command(self, config: Path) -> list[str]:
        """The words of the command that runs it; `config` is of an empty file."""
        words = ["run", str(config), "--board", self.board, "--compiler", self.compiler]
        return [*words, *(word for setting in self.settings for word in ("--set", setting))]


def drawn(chance: random.Random, boards: tuple[str, ...] = EACH_CORE) -> Drawn:
    """A configuration; some are refused, since scales and zero points are drawn without a look at the curve."""
    heads = chance.choice([2, 2, 3, 4, 5, 6])
    fused, mean = heads < 6 and chance.random() < 0.1, heads == 2 and chance.random() < 0.1
    order = chance.choice([p for p in ORDERS_OF[heads] if p <= 4])
    kind = chance.choice(
        [kind.name for kind in CURVES if heads in kind.dimensions and not ((fused or mean) and kind.closed)]
    )
    dtype = chance.choice(["int8", "int8", "uint8", *(["int16"] if heads == 2 and not (fused or mean) else [])])
    low, high = type_range(dtype)
    width = high - low + 1
    inset = chance.choice(['"cell"', "0", "0.1", "0.125", str(chance.randint(0, 24) / 100)])
    spread = chance.choice([0.0, 0.0, 0.002, 0.02, 0.1, 0.3])
    about = chance.choice([1.0, 256 / 255, chance.uniform(0.8, 1.6), chance.uniform(0.3, 3.0)]) / width
    start = chance.choice([low, low, low + width // 8, chance.randint(low, high)])
    scales = [float(f"{about * (1 + chance.uniform(-spread, spread)):.6g}") for _ in range(heads + fused)]
    zeros = [min(max(start + chance.randint(-12, 12), low), high) if spread else start for _ in range(heads + fused)]
    out, least, most = chance.choice(OUTPUTS)
    codes = [chance.randint(least, (least + most) // 2 - 1), chance.randint((least + most) // 2, most)]
    settings = [
        f"curve.dimensions={heads}", f"curve.order={order}", f"curve.kind={kind}", f"curve.inset={inset}",
        f"heads.dtype={dtype}", f"heads.layout={chance.choice(['interleaved', 'planar'])}",
        f"heads.scale={scales if spread else scales[0]}", f"heads.zero_point={zeros if spread else zeros[0]}",
        f"output.dtype={out}", f"output.codes={codes if chance.random() < 0.8 else codes[::-1]}",
    ]  # fmt: skip
    if fused:
        settings += ["decoder.estimator=fused", f"decoder.threshold={chance.choice([0.03, 0.1])}"]
    elif mean:
        settings += ["decoder.estimator=mean", "decoder.sigma=0.2", f"decoder.gate={chance.choice([0.2, 0.5])}"]
    elif chance.random() < 0.25:
        settings.append("decoder.distance=true")
    board = chance.choice(boards)
    compilers = [one.name for one in TOOLCHAINS if one.supports(BOARDS[board].core) is None]
    return Drawn(tuple(settings), board, chance.choice(compilers or ["auto"]))


def outcome(one: Drawn, folder: Path) -> tuple[str, str]:
    """("PASS", "refused" or "FAIL", the strategy or the reason)."""
    config = folder / "fuzz.toml"
    config.write_text("", encoding="utf-8")
    command = [sys.executable, "-m", "hilbert_codegen", *one.command(config)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return "FAIL", f"it took over {LONGEST} s"
    said = " ".join((done.stdout if done.returncode == 0 else done.stderr or done.stdout).split())
    return {0: "PASS", UsageError.exit_code: "refused"}.get(done.returncode, "FAIL"), said


@click.command(help=__doc__)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the same seed the same are drawn, where the same compilers are.",
)
@click.option("--seconds", type=float, default=600, show_default=True, help="No configuration begins after so long.")
def main(seed: int, seconds: float) -> None:
    """Draw and run."""
    boards = tuple(name for name in EACH_CORE if present(BOARDS[name]))
    if not boards:
        raise UsageError("no emulator is here that has one of " + ", ".join(EACH_CORE))
    chance, until, counts = random.Random(seed), time.monotonic() + seconds, {"PASS": 0, "refused": 0, "FAIL": 0}
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until:
            one = drawn(chance, boards)
            what, said = outcome(one, Path(folder))
            counts[what] += 1
            again = shlex.join(["hilbert-codegen", *one.command(Path("empty.toml"))])
            click.echo(f"{what}  {said[:160] if what == 'PASS' else said[:600]}\n      {again}")
    click.echo(", ".join(f"{count} {what}" for what, count in counts.items()))
    if counts["FAIL"] or not counts["PASS"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
