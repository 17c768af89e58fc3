"""The whole way on one real model: quantized network -> proved C decoder -> error, sizes, a picture, emulated boards.

Run it with `make run`. Every figure it prints is computed here and now: the network by tflite-runtime, the decoder by
the compiled C, the boards by an emulator.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hilbert_codegen import Decoder, decode
from hilbert_codegen.bench.verify import run_pairs, verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit import writer as output
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.plots import curve_line, pyplot, to_bytes
from hilbert_codegen.errors import HilbertError
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import present

HERE = Path(__file__).parent
OUT = Path("build") / "line_sensor"
#: The sensor's range in pixels: t = 0 and t = 1 (see train.py).
FIRST_PIXEL, LAST_PIXEL = 4.0, 59.0
CONSOLE = Console(highlight=False, soft_wrap=True)
#: The best of the trained nets: six heads of order 1.
BEST_HEADS, BEST_ORDER = 6, 1
#: A Cortex-M4, which runs anywhere, and a Cortex-M55, which Renode and QEMU have.
BOARDS_SHOWN = ("mps2-an386", "mps3-an547")


def step(text: str) -> None:
    """Announce what comes next."""
    CONSOLE.print(f"\n[bold]{text}[/bold]")


def _paired(values: list[str], gains: list[str]) -> list[str]:
    """The first value, and every further one with its gain."""
    return [values[0], *(word for pair in zip(values[1:], gains[1:], strict=True) for word in pair)]


def six_heads(models: Path, pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
    """t of the INT8 net with the most heads by its generated C, t of its float net, levels found, branch jumps."""
    shape = [f"curve.dimensions={BEST_HEADS}", f"curve.order={BEST_ORDER}"]
    name = f"h{BEST_HEADS}p{BEST_ORDER}"
    plan = make_plan(load(HERE / "decoder.toml", shape, models / f"{name}_int8_s0.tflite"))
    generated = generate(plan)
    CONSOLE.print(f"{BEST_HEADS} heads: {generated.built.strategy}, proved on {generated.domain.statement}")
    quantized, plain = (infer(models / f"{name}_{kind}_s0.tflite", pixels) for kind in ("int8", "float"))
    found = run_pairs(plan, generated, quantized.outputs[0])[f"{plan.prefix}_decode_block"]
    decoder = Decoder(plan.spec)
    t = decoder.t_of(found)
    t_float = decode(*plain.real().T, decoder).astype(np.float64)
    jumps = int((np.abs(t - t_float) * plan.spec.curve.segments > 1.0).sum())
    return t, t_float, len(np.unique(found)), jumps


def main() -> None:
    """Run everything; any failure ends with its reason and exit status 1 or 2."""
    started = time.monotonic()
    pixels = np.load(HERE / "samples.npz")["pixels"] / 255.0
    truth = np.load(HERE / "samples.npz")["t"].astype(np.float64)
    models = HERE / "models"

    step("1  The model: heads read from the .tflite file itself")
    plan = make_plan(load(HERE / "decoder.toml"))
    spec = plan.spec
    CONSOLE.print(
        f"{plan.config.model.file if plan.config.model else ''}: {spec.heads.dtype} heads, {spec.heads.layout}, "
        f"scale {float(spec.heads.scale[0]):g}, zero point {spec.heads.zero_point[0]}; "
        f"{spec.curve.name} curve of order {spec.curve.order}, {float(spec.curve.length(spec.inset)):g} times as long as the range"
    )

    step("2  The decoder: generated, proved, compiled, compared on every pair of codes")
    generated = generate(plan)
    output.write(OUT, generated.files)
    for verdict in verify(plan, generated):
        CONSOLE.print(
            f"{'FAIL' if verdict.mismatches else 'PASS'}  {verdict.function}: {verdict.pairs} pairs {verdict.first or 'equal'}"
        )
        if verdict.mismatches:
            sys.exit(1)
    CONSOLE.print(
        f"{OUT.as_posix()}/{plan.prefix}_decoder.c and .h: strategy {generated.built.strategy}, "
        f"{generated.table_bytes} bytes of tables (the code's size on a board is below)"
    )

    step(f"3  The network: {len(pixels)} samples through tflite-runtime, INT8 and float, one head, two, and six")
    one_int8, one_float = infer(models / "1d_int8_s0.tflite", pixels), infer(models / "1d_float_s0.tflite", pixels)
    two_int8, two_float = infer(models / "p3_int8_s0.tflite", pixels), infer(models / "p3_float_s0.tflite", pixels)
    codes = two_int8.outputs[0]
    decoder = Decoder(spec)
    t_two = decoder.t_of(run_pairs(plan, generated, codes)[f"{plan.prefix}_decode_block"])
    t_two_float = decode(two_float.real()[:, 0], two_float.real()[:, 1], decoder).astype(np.float64)
    t_one, t_one_float = (np.clip(net.real()[:, 0], 0.0, 1.0) for net in (one_int8, one_float))
    jumps = int((np.abs(t_two - t_two_float) * spec.curve.segments > 1.0).sum())

    t_six, t_six_float, levels_six, jumps_six = six_heads(models, pixels)

    span = LAST_PIXEL - FIRST_PIXEL
    one, two, six = (
        ErrorStats.of(e).scaled(span) for e in (t_one - t_one_float, t_two - t_two_float, t_six - t_six_float)
    )
    levels_one, levels_two = len(np.unique(one_int8.outputs[0])), len(np.unique(decoder.table.codes))
    table = Table(
        "", "1 head", "2, order 3", "gain", f"{BEST_HEADS}, order {BEST_ORDER}", "gain",
        title="INT8 against the float net, in pixels", title_justify="left",
    )  # fmt: skip
    table.add_row("levels", "256", f"{levels_two}", "", f"{levels_six} seen", "")
    bits = [stats.scaled(1 / span).bits for stats in (one, two, six)]
    more = [f"+{value - bits[0]:.2f}" for value in bits]
    table.add_row("effective bits, from the RMSE", *_paired([f"{value:.2f}" for value in bits], more))
    for name in ("mae", "rmse", "median", "robust_sd", "p99"):
        values = [getattr(stats, name) for stats in (one, two, six)]
        table.add_row(
            f"error: {name}", *_paired([f"{v:.4f}" for v in values], [f"{values[0] / v:.2f} x" for v in values])
        )
    table.add_row("branch jumps", "-", f"{jumps} of {len(codes)}", "", f"{jumps_six} of {len(codes)}", "")
    for label, found in (("INT8", (t_one, t_two, t_six)), ("float", (t_one_float, t_two_float, t_six_float))):
        mae = [ErrorStats.of(v - truth).mae * span for v in found]
        table.add_row(
            f"MAE to truth, {label}", *_paired([f"{v:.4f}" for v in mae], [f"{mae[0] / v:.2f} x" for v in mae])
        )
    CONSOLE.print(table)
    CONSOLE.print(f"1D used {levels_one} of its 256 levels on these samples.")

    picture = OUT / "line_sensor.svg"
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained", width_ratios=[1, 1.25])
    left.plot(*curve_line(plan), color="0.75", linewidth=3, zorder=1)
    left.scatter(codes[:2500, 0], codes[:2500, 1], c=truth[:2500], s=4, cmap="viridis", zorder=2, rasterized=True)
    left.set(title="2500 predictions on the curve", xlabel="x head, codes", ylabel="y head, codes", aspect="equal")
    reach = 4 * one.robust_sd
    bins = np.linspace(-reach, reach, 121)
    right.hist(span * (t_one - t_one_float), bins, alpha=0.55, label=f"1D, robust SD {one.robust_sd:.4f}")
    right.hist(span * (t_two - t_two_float), bins, alpha=0.55, label=f"2D, robust SD {two.robust_sd:.4f}")
    right.set(title="INT8 minus float", xlabel="pixels", ylabel="samples")
    right.hist(
        span * (t_six - t_six_float), bins, alpha=0.55, label=f"{BEST_HEADS} heads, robust SD {six.robust_sd:.4f}"
    )
    right.legend(frameon=False)
    picture.write_bytes(to_bytes(figure, "svg"))
    CONSOLE.print(f"Picture: {picture.as_posix()}")

    step("4  The boards: the same C on an emulated Cortex-M4 and Cortex-M55, over the network's outputs")
    np.save(OUT / "outputs.npy", codes)
    command = [
        "measure",
        str(HERE / "decoder.toml"),
        "--outputs",
        str(OUT / "outputs.npy"),
        "--frame",
        "256x192",
        "--clock",
        "160MHz",
    ]
    here = [name for name in BOARDS_SHOWN if present(BOARDS[name])]
    for name in sorted(set(BOARDS_SHOWN) - set(here)):
        CONSOLE.print(f"{name} is left out: a Helium board needs QEMU or Renode (hilbert-codegen boards says how).")
    on_boards = [word for name in here for word in ("--board", name)]
    done = subprocess.run([sys.executable, "-m", "hilbert_codegen", *command, *on_boards], check=False)
    if done.returncode:
        sys.exit(done.returncode)
    CONSOLE.print(f"\nDone in {time.monotonic() - started:.0f} s. The decoder: {OUT.as_posix()}/")


if __name__ == "__main__":
    try:
        main()
    except HilbertError as error:
        sys.exit(f"{error}")
