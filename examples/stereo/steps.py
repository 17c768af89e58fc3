"""What training for the decoder buys, and four heads against five: last layers from scratch on a committed, fixed trunk.

    python steps.py --seed 1             # a quarter of an hour of one core
    python steps.py --quick              # a few steps: shows that it runs, nothing else

For a curve of four and of five heads of order 1 the last layers are trained by the distance to the target point first, then by the loss
on what its own decoder makes of it, or by that on the value fused with the committed 1D head. Printed are errors to truth on validation
scenes against that head's: of the curve alone, and fused by `decoder_five.toml`. Needs TensorFlow 2.21.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from net import BOUND, HEAD_MAX, TRUNK, Net, make_weights
from numpy.typing import NDArray
from scenes import scenes
from train import TRAIN_SEEDS, Arrays, Loss, curves_of, fused_loss, head_loss, last_layers, train_last, trunk_codes

from hilbert_codegen import Decoder
from hilbert_codegen.training.codec import fused_t

HERE = Path(__file__).parent
#: The scenes that bands.py chooses thresholds and weights on.
VALIDATION, COUNT = 2, 384


def committed(seed: int) -> Arrays:
    """Trunk and 1D head of the committed INT8 file of a seed, as float32 numbers on their grids."""
    interpreter = tf.lite.Interpreter(str(HERE / f"models/1d_s{seed}_int8.tflite"))
    interpreter.allocate_tensors()
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    operations = [op for op in interpreter._get_ops_details() if op["op_name"] == "CONV_2D"]
    found: Arrays = {}
    for name, operation in zip((*TRUNK, "1d/f1", "1d/h"), operations, strict=True):
        for part, index in zip("wb", operation["inputs"][1:3], strict=True):
            scales = details[index]["quantization_parameters"]["scales"].astype(np.float64)
            values = interpreter.get_tensor(index) * scales.reshape(-1, *[1] * (3 if part == "w" else 0))
            found[f"{name}/{part}"] = (np.moveaxis(values, 0, -1) if part == "w" else values).astype(np.float32)
    return found


def heads_of(weights: Arrays, name: str, codes: NDArray[Any]) -> NDArray[Any]:
    """The real values of a variant's heads for the trunk's codes."""
    net = Net({key: tf.Variable(value) for key, value in weights.items()}, quantized=True)
    run = tf.function(lambda features: net.bounded(net.head(features, name)))
    parts = (codes[i : i + 32].astype(np.float32) * (BOUND / 255) for i in range(0, len(codes), 32))
    return np.concatenate([run(tf.constant(part)).numpy() for part in parts])


def changes(found: NDArray[Any], single: NDArray[Any], truth: NDArray[Any]) -> str:
    """Errors of `found` against those of `single`."""
    mae = np.abs(found - truth).mean() / np.abs(single - truth).mean() - 1
    rms = np.sqrt(np.square(found - truth).mean() / np.square(single - truth).mean()) - 1
    return f"MAE {mae:+.1%}, RMSE {rms:+.1%}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the committed networks")
    parser.add_argument(
        "--steps", type=int, default=3000, help="half of them by the distance to the target point alone"
    )
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    steps, count, seen = (4, 32, 8) if arguments.quick else (arguments.steps, 4096, COUNT)
    weights = committed(arguments.seed)
    made = [scenes(seed, count) for seed in TRAIN_SEEDS]
    codes = np.concatenate([trunk_codes(weights, views) for views, _ in made])
    truth = np.concatenate([t for _, t in made])
    views, wanted = scenes(VALIDATION, seen)
    validation = trunk_codes(weights, views)
    single = heads_of(weights, "1d", validation)[..., 0] / HEAD_MAX
    spec = Decoder.load(HERE / "decoder_five.toml", HERE / f"models/fused_h5p1_s{arguments.seed}_int8.tflite").spec

    def of_points(net: Net, features: tf.Tensor, t: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return head_loss(net, features, name, t, target, task=0.0, alpha=1.0, beta=0.0)[0]

    def of_itself(net: Net, features: tf.Tensor, t: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return fused_loss(net, features, name, t, target, alone=True)

    def of_fused(net: Net, features: tf.Tensor, t: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        return fused_loss(net, features, name, t, target)

    last: dict[str, Loss] = {"its own value": of_itself, "the fused value": of_fused}
    for name in ("h4p1", "h5p1"):
        curve = curves_of([name])[name]
        fresh = make_weights(np.random.default_rng(5), {name: curve.outputs})
        fresh[f"{name}/f1/b"] += 0.5
        start = weights | {key: fresh[key] for key in last_layers(name)}
        for label, loss in last.items():
            trained = train_last(start, name, codes, truth, steps, 2e-3, [of_points, loss])
            grid = (heads_of(trained, name, validation) - curve.inset) / curve.pitch
            decoded = (
                curve.decode(tf.constant(grid.reshape(-1, curve.outputs)), 0.0, np.inf)[0].numpy().reshape(single.shape)
            )
            fused = fused_t(spec, decoded, single * HEAD_MAX)
            print(
                f"{curve.outputs} heads, last steps by {label}: alone {changes(decoded, single, wanted)}; "
                f"fused {changes(fused, single, wanted)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
