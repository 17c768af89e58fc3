"""Train the line-sensor models: one trunk, a 1D head and Hilbert heads, each to float and fully INT8 TFLite.

    pip install 'hilbert_codegen[train]'
    python examples/line_sensor/train.py -o build/line                  # seed 0 of one and two heads
    python examples/line_sensor/train.py --seeds 0 1 2                   # the committed files of one and two heads
    python examples/line_sensor/train.py --seeds 0 1 2 --heads 3 --orders 2   # of three; of four to six with --orders 1

The four nets of seed 0 took 98 to 156 s each, nine minutes together, at low priority on two cores that other programs
kept busy. On one machine a net comes out the same, byte for byte, whatever is trained beside it.

The task: where on a line of 64 pixels a spot of light lies, read by an 8-bit converter. Spot width and height,
background and its slope vary; the noise has a standard deviation of 4 % of full scale.

Every head gets the same trunk (two layers of 96 and 64 units), samples, number of steps, optimizer and recipe:

1. the first half of the steps in floating point;
2. the second half with fake quantization (weights per channel, activations on relu6's range, heads on the range they
   will have). The loss is then the mean of the float net's and the quantized net's, plus CONSISTENCY times the squared
   difference of the two, which teaches the net to be insensitive to its own rounding. It helps the 1D head as much as
   any: it comes close to the floor that the rounding of its single output sets, and a second head lowers that floor.

The 1D head learns the mean squared error. Two and more heads learn `hilbert_codegen.keras.HilbertLoss` with the squared
error bounded to linear past 4 UNIT: a point on a wrong branch is the business of the distance to the target point.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
PIXELS = 64
HIDDEN = (96, 64)
NOISE = 0.04
TRAINING_SAMPLES = 200_000
TEST_SAMPLES = 10_000
BATCH = 256
#: About the error of a good estimator, in t: losses in units of its square are of order one.
UNIT = 0.003
CONSISTENCY = 10.0
#: Weight of the distances to the target point and to the curve. 0.05 leaves a wrong branch now and then.
ALPHA = 0.3


def make_samples(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pixels, uint8 (count, 64), and t in [0, 1], float32 (count,): t = 0 is pixel 4, t = 1 is pixel 59."""
    rng = np.random.default_rng(seed)
    t = rng.random(count, dtype=np.float32)
    centre = 4 + t * (PIXELS - 9)
    width = rng.uniform(1.3, 2.6, count).astype(np.float32)
    height = rng.uniform(0.4, 0.8, count).astype(np.float32)
    offset = rng.uniform(0.03, 0.12, count).astype(np.float32)
    slope = rng.uniform(-0.05, 0.05, count).astype(np.float32)
    pixel = np.arange(PIXELS, dtype=np.float32)
    light = height[:, None] * np.exp(-0.5 * ((pixel - centre[:, None]) / width[:, None]) ** 2)
    light += offset[:, None] + slope[:, None] * (pixel / PIXELS - 0.5)
    light += NOISE * rng.standard_normal((count, PIXELS), dtype=np.float32)
    return np.clip(np.round(255 * light), 0, 255).astype(np.uint8), t


def train_and_export(order: int, seed: int, steps: int, count: int = 2) -> dict[str, bytes]:
    """Train `count` heads on the curve of `order` (0 is the 1D head); returns {"float": model, "int8": model}.

    Runs in a process of its own: TensorFlow is imported here.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from hilbert_codegen.curves import make_curve
    from hilbert_codegen.keras import HilbertLoss
    from hilbert_codegen.keras.convert import to_tflite
    from hilbert_codegen.training.loss import HeadCurve

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    on = HeadCurve(make_curve("hilbert", order, dimensions=count)) if order else None
    # [0, 255/256] on 256 codes is scale 1/256, zero point -128: with the cell-centred inset the canonical grid.
    highest = 255 / 256 if on else 1.0

    rng = np.random.default_rng(seed)
    sizes = (PIXELS, *HIDDEN, count if on else 1)
    kernels, biases = [], []
    for layer, (before, after) in enumerate(itertools.pairwise(sizes)):
        last = layer == len(HIDDEN)
        spread = np.sqrt(2 / before) * (0.3 if last else 1.0)
        kernels.append(tf.Variable(spread * rng.standard_normal((1, 1, before, after)), dtype=tf.float32))
        biases.append(tf.Variable(np.full(after, 0.5 if last else 0.1), dtype=tf.float32))
    variables = [*kernels, *biases]

    def rounded(x: Any, high: float) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(x, 0.0, high)

    def rounded_kernel(kernel: Any, limit: Any) -> Any:
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(kernel, -limit, limit, narrow_range=True)

    def limit_of(kernel: Any) -> Any:
        return tf.stop_gradient(tf.reduce_max(tf.abs(kernel), (0, 1, 2)) + 1e-8)

    def network(x: Any, quantized: bool, limits: list[Any] | None = None) -> Any:
        """Pixels / 255 (batch, 64) -> heads. Layers are 1x1 convolutions: their scales are per channel everywhere."""
        x = tf.reshape(rounded(x, 1.0) if quantized else x, (-1, 1, 1, PIXELS))
        for layer, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            weights = kernel
            if quantized:
                weights = rounded_kernel(kernel, limits[layer] if limits else limit_of(kernel))
            x = tf.nn.conv2d(x, weights, 1, "VALID") + bias
            last = layer == len(HIDDEN)
            x = x if last else tf.nn.relu6(x)
            x = rounded(x, highest if last else 6.0) if quantized else x
        return tf.reshape(x, (-1, x.shape[-1]))

    def bounded(decoded: Any, t: Any) -> Any:
        error = tf.abs(decoded - t) / UNIT
        return UNIT**2 * tf.minimum(tf.where(error < 4, error**2, 8 * error - 16), 60.0)

    hilbert = HilbertLoss(on, alpha=ALPHA, beta=1.0, reach=math.inf, task=bounded, reduction="mean") if on else None
    per_t = on.length if on else 1.0

    def task(heads: Any, t: Any) -> Any:
        loss = hilbert(t, heads) if hilbert else tf.reduce_mean((heads[:, 0] - t) ** 2)
        return loss / UNIT**2

    optimizer = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(1e-2, steps), beta_2=0.99)
    optimizer.build(variables)

    def step(x: Any, t: Any, quantized: bool) -> None:
        x = tf.cast(x, tf.float32) / 255
        with tf.GradientTape() as tape:
            plain = network(x, False)
            loss = task(plain, t)
            if quantized:
                coarse = network(x, True)
                gap = tf.reduce_mean(tf.reduce_sum(((coarse - plain) / (UNIT * per_t)) ** 2, -1))
                loss = 0.5 * loss + 0.5 * task(coarse, t) + CONSISTENCY * gap
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    float_step = tf.function(lambda x, t: step(x, t, False), jit_compile=True)
    quantized_step = tf.function(lambda x, t: step(x, t, True), jit_compile=True)
    pixels, t = make_samples(TRAINING_SAMPLES, 1000 + seed)
    draw = np.random.default_rng(2000 + seed)
    for i in range(steps):
        batch = draw.integers(0, len(t), BATCH)
        (float_step if i < steps // 2 else quantized_step)(pixels[batch], t[batch])

    limits = [tf.constant(limit_of(kernel).numpy()) for kernel in kernels]

    def convert(quantized: bool) -> bytes:
        return to_tflite(lambda pixels: network(pixels, quantized, limits), (1, PIXELS), quantized=quantized)

    return {"float": convert(False), "int8": convert(True)}


def main() -> None:
    """Train what the command line names, two heads at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--orders", type=int, nargs="+", default=[0, 1, 2, 3], help="0 is the 1D head")
    parser.add_argument("--heads", type=int, default=2, help="2 to 6")
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, default=HERE)
    arguments = parser.parse_args()
    models = arguments.output / "models"
    models.mkdir(parents=True, exist_ok=True)
    pixels, t = make_samples(TEST_SAMPLES, 1)
    np.savez_compressed(arguments.output / "samples.npz", pixels=pixels, t=t)
    start = time.monotonic()
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        runs = {
            (order, seed): pool.submit(train_and_export, order, seed, arguments.steps, arguments.heads)
            for seed in arguments.seeds
            for order in arguments.orders
        }
        for (order, seed), run in runs.items():
            for kind, model in run.result().items():
                head = "1d" if not order else f"p{order}" if arguments.heads == 2 else f"h{arguments.heads}p{order}"
                name = f"{head}_{kind}_s{seed}.tflite"
                (models / name).write_bytes(model)
                print(f"{time.monotonic() - start:4.0f} s  {name}  {len(model)} bytes", flush=True)


if __name__ == "__main__":
    main()
