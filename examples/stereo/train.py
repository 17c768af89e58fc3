"""Trains the stereo networks from nothing and writes models/: about an hour on two unshared cores.

    pip install 'hilbert_codegen[train]'
    python train.py                     # seed 0: 1D twice, two heads of order 3, four and five of order 1
    python train.py --seed 1            # other weights to start from, scenes in another order
    python train.py --heads 1d p1 p2 p3 --models build/orders  # other heads on one trunk
    python train.py --quick --models build/quick      # a few steps: shows that all of it runs, nothing else
    python train.py --ablate   # also retrains the p = 3 head without one part of the loss at a time

1. Pre-training in float with batch norm: one trunk, and a last hidden layer for each head. A 1D head has the task
   loss, the 2D heads the distance to the target point only: a decoded value has no useful gradient before the point is
   on about the right branch.
2. Batch norm is folded, and the last hidden layer of each head is scaled per channel to fill its range, 1D included.
3. Quantization-aware fine-tuning of all of it, with the paper's loss on the 2D heads
       task(t(h), t) + alpha (|h - c(t)|^2 + beta r^2),
   t(h) decoded by the estimator that will be deployed (the posterior mean off the curve), and Gaussian noise before the
   heads. The weights of the losses add up to as much for the 1D heads as for all curves together.
4. The last layers of each head alone, on the finished trunk: a curve's with the loss on what the decoder makes of it and
   of the 1D head, which is finished first, and stays as it is.
5. Weights are put on their INT8 grid, which is what fine-tuning's forward pass used, and both files are written with
   them: the float network and its INT8 twin differ in the quantization of activations and heads only.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from net import BOUND, HEAD_MAX, STAGE, Curve, Net, make_weights
from numpy.typing import NDArray
from scenes import HEIGHT, WIDTH, scenes
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

#: Heads by name: a curve of so many heads, or None for one head that answers t. The twin is a second one of that kind.
CURVES: dict[str, Curve | None] = {
    "1d": None,
    "twin": None,
    "p1": Curve(2, 1),
    "p2": Curve(2, 2),
    "p3": Curve(2, 3),
    "h4p1": Curve(4, 1),
    "h5p1": Curve(5, 1),
}
#: Two variants of one trunk in one tensor, by the name of the file: a curve and t itself, for the decoder that fuses
#: them, or t twice.
JOINED = {"fused": ("p3", "1d"), "fused_h4p1": ("h4p1", "1d"), "fused_h5p1": ("h5p1", "1d"), "ensemble": ("1d", "twin")}
#: Of all heads of one kind, t itself or curves, in the loss of fine-tuning.
WEIGHT = 2.0
BATCH = 16
TRAIN_SEEDS = (100, 101)
SCENES_PER_SEED = 4096

NOISE = 0.05  # standard deviation of the noise on the last hidden layer, whose range is [0, 6]
ALPHA = 0.1
BETA = 1.0
ABLATION_STEPS = 800
FINISH_SCENES = 2048
#: The decoder that a curve's last layers are finished for: share of the curve's value in the average with t itself where
#: the two are more than THRESHOLD apart. Order 1 is decoded to the nearest point, which a small sigma stands for: its
#: cells are four times those of order 3.
WEIGHT_OF_CURVE = 0.25
THRESHOLD = 0.03
SIGMA_OF_ORDER_1 = 0.15
SIGMA = 0.5  # cells
GATE = 0.15  # cells

Arrays = dict[str, NDArray[Any]]
#: Of the net, features, t, and grid coordinates at t, or 0 for a head without a curve.
Loss = Callable[[Net, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def task_loss(error: tf.Tensor, squared: float = 2.0) -> tf.Tensor:
    """Nearly the absolute error, with a share of the squared: the same for 1D and 2D."""
    return tf.reduce_mean(tf.sqrt(error * error + 1e-4) - 1e-2) + squared * tf.reduce_mean(error * error)


@functools.cache
def training_scenes(seed: int, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Views and truth of `count` scenes of one seed, rendered once a run."""
    views, truth = scenes(seed, count)
    return views, truth


def batches(rng: np.random.Generator, count: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Endless (views float32 in [0, 1], truth) of `count` scenes of each seed with random flips, gain and brightness."""
    parts = [training_scenes(seed, count) for seed in TRAIN_SEEDS]
    while True:
        views, truth = parts[rng.integers(len(parts))]
        chosen = rng.integers(0, len(views), BATCH)
        x, t = views[chosen].astype(np.float32) / 255, truth[chosen]
        if rng.random() < 0.5:
            x, t = x[:, ::-1], t[:, ::-1]
        gain, offset = rng.uniform(0.8, 1.2, (BATCH, 1, 1, 1)), rng.uniform(-0.1, 0.1, (BATCH, 1, 1, 1))
        x = np.clip((x - 0.5) * gain + 0.5 + offset, 0, 1).astype(np.float32)
        yield x, np.ascontiguousarray(t)


def descend(
    step: Callable[..., list[tf.Tensor]],
    optimizer: tf.keras.optimizers.Optimizer,
    rate: tuple[float, float],
    steps: int,
    rng: np.random.Generator,
    label: str,
    count: int,
    curves: list[Curve],
) -> None:
    """`steps` steps with a cosine from the first rate to the second."""
    began, log = time.time(), []
    for number, (x, t) in zip(range(steps), batches(rng, count), strict=False):
        optimizer.learning_rate.assign(rate[0] * (0.5 + 0.5 * np.cos(np.pi * number / steps)) + rate[1])
        targets = [curve.encode(t) for curve in curves]
        log.append([float(part) for part in step(tf.constant(x), tf.constant(t), *map(tf.constant, targets))])
        if (number + 1) % 100 == 0:
            print(label, number + 1, f"{time.time() - began:.0f} s", np.round(np.mean(log, axis=0), 4), flush=True)
            log = []


def curves_of(variants: Sequence[str]) -> dict[str, Curve]:
    """Those of `variants` that have a curve."""
    return {name: curve for name in variants if (curve := CURVES[name]) is not None}


def pretrain(variants: Sequence[str], steps: int, seed: int = 0, count: int = SCENES_PER_SEED) -> Arrays:
    """Step 1: float weights with batch norm statistics."""
    curves = curves_of(variants)
    outputs = {name: curves[name].outputs if name in curves else 1 for name in variants}
    weights = make_weights(np.random.default_rng(1 + 100 * seed), outputs)
    for name in [key[:-2] for key in weights if key.endswith("/w") and "/h/" not in key]:
        size = weights[name + "/b"].size
        weights[name + "/b"] += 0.5
        weights[name + "/g"] = np.ones(size, np.float32)
        weights[name + "/mean"], weights[name + "/var"] = np.zeros(size, np.float32), np.ones(size, np.float32)
    variables = {k: tf.Variable(v, trainable=not k.endswith(("/mean", "/var"))) for k, v in weights.items()}
    net = Net(variables, quantized=False, norm=True)
    net.training = True
    trained = [v for v in variables.values() if v.trainable]
    optimizer = tf.keras.optimizers.Adam(2e-3, clipnorm=1.0)
    optimizer.build(trained)

    @tf.function
    def step(x: tf.Tensor, t: tf.Tensor, *targets: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            features = net.trunk(x)
            losses = [
                task_loss(net.head(features, name)[..., 0] / HEAD_MAX - t) for name in variants if name not in curves
            ]
            for (name, curve), target in zip(curves.items(), targets, strict=True):
                miss = net.head(features, name) - (curve.inset + target * curve.pitch)
                near_l1 = tf.sqrt(tf.square(miss) + 1e-4) - 1e-2
                losses.append(tf.reduce_mean(tf.reduce_sum(tf.square(miss) + 0.3 * near_l1, -1)))
            total = tf.add_n(losses)
        optimizer.apply_gradients(zip(tape.gradient(total, trained), trained, strict=True))
        return losses

    rng = np.random.default_rng(7 + 100 * seed)
    descend(step, optimizer, (2e-3, 2e-5), steps, rng, "pre-training", count, list(curves.values()))
    return {name: variable.numpy() for name, variable in variables.items()}


def fold(weights: Arrays, variants: Sequence[str]) -> Arrays:
    """Step 2: batch norm into weights and biases, and the last hidden layers scaled to fill [0, 6]."""
    folded: Arrays = {}
    for key, value in weights.items():
        if key.endswith("/w"):
            name = key[:-2]
            folded[key], folded[name + "/b"] = value, weights[name + "/b"]
            if name + "/g" in weights:
                gain = weights[name + "/g"] / np.sqrt(weights[name + "/var"] + 1e-4)
                folded[key] = value * gain
                folded[name + "/b"] = weights[name + "/b"] - weights[name + "/mean"] * gain
    net = Net({k: tf.Variable(v) for k, v in folded.items()}, quantized=False)
    net.taps = {}
    views, _ = scenes(TRAIN_SEEDS[0], 64)
    features = net.trunk(tf.constant(views.astype(np.float32) / 255))
    for name in variants:
        net.head(features, name)
        last = net.taps[f"{name}/f1"].numpy()
        top = np.percentile(last.reshape(-1, last.shape[-1]), 99.9, axis=0)
        scale = np.clip(BOUND / np.maximum(top, 0.1), 0.5, 8).astype(np.float32)
        folded[f"{name}/f1/w"] = folded[f"{name}/f1/w"] * scale
        folded[f"{name}/f1/b"] = folded[f"{name}/f1/b"] * scale
        folded[f"{name}/h/w"] = folded[f"{name}/h/w"] / scale[:, None]
    return folded


def beyond(raw: tf.Tensor) -> tf.Tensor:
    """The mean square of what heads are beyond their range: the clip itself has no gradient."""
    return tf.reduce_mean(tf.square(raw - tf.clip_by_value(raw, 0.0, HEAD_MAX)))


def head_loss(
    net: Net, features: tf.Tensor, name: str, t: tf.Tensor, target: tf.Tensor | None,
    task: float = 1.0, alpha: float = ALPHA, beta: float = BETA,
) -> tuple[tf.Tensor, tf.Tensor]:  # fmt: skip
    """(loss, its task part) of one variant."""
    raw = net.head(features, name)
    head = net.bounded(raw)
    curve = CURVES[name]
    if curve is None or target is None:
        part = task_loss(head[..., 0] / HEAD_MAX - t)
        return part + beyond(raw), part
    grid = curve.to_grid(head)
    decoded, r2 = curve.decode(grid, SIGMA, GATE)
    part = task_loss(decoded - t)
    paper = tf.reduce_sum(tf.square(grid - target), -1) + beta * r2
    return task * part + alpha * tf.reduce_mean(paper) / (curve.side - 1) ** 2 + beyond(raw), part


def finetune(
    weights: Arrays, variants: Sequence[str], steps: int, seed: int = 0, count: int = SCENES_PER_SEED
) -> Arrays:
    """Step 3, all variants on one trunk."""
    curves = curves_of(variants)
    shares = {name: WEIGHT / (len(curves) if name in curves else len(variants) - len(curves)) for name in variants}
    variables = {name: tf.Variable(value) for name, value in weights.items()}
    net = Net(variables, quantized=True)
    net.training, net.noise = True, NOISE
    trained = list(variables.values())
    optimizer = tf.keras.optimizers.Adam(3e-4, clipnorm=1.0)
    optimizer.build(trained)

    @tf.function
    def step(x: tf.Tensor, t: tf.Tensor, *targets: tf.Tensor) -> list[tf.Tensor]:
        parts = []
        with tf.GradientTape() as tape:
            features, total = net.trunk(x), 0.0
            points = dict(zip(curves, targets, strict=True))
            for name, share in shares.items():
                loss, part = head_loss(net, features, name, t, points.get(name))
                total += share * loss
                parts.append(part)
        optimizer.apply_gradients(zip(tape.gradient(total, trained), trained, strict=True))
        return parts

    rng = np.random.default_rng(11 + 100 * seed)
    descend(step, optimizer, (3e-4, 5e-6), steps, rng, "fine-tuning", count, list(curves.values()))
    return {name: variable.numpy() for name, variable in variables.items()}


def fused_loss(
    net: Net, features: tf.Tensor, name: str, t: tf.Tensor, target: tf.Tensor, alone: bool = False
) -> tf.Tensor:
    """The loss of a curve on what the decoder makes of it and of the head `1d`, which stays as it is; or of it alone."""
    curve = curves_of([name])[name]
    raw = net.head(features, name)
    head = net.bounded(raw)
    grid = curve.to_grid(head)
    decoded, r2 = curve.decode(grid, SIGMA_OF_ORDER_1 if curve.order == 1 else SIGMA, 0.25)
    single = tf.stop_gradient(net.bounded(net.head(features, "1d"))[..., 0] / HEAD_MAX)
    average = WEIGHT_OF_CURVE * decoded + (1 - WEIGHT_OF_CURVE) * single
    fused = decoded if alone else tf.where(tf.abs(decoded - single) > THRESHOLD, average, decoded)
    paper = tf.reduce_mean(tf.reduce_sum(tf.square(grid - target), -1) + BETA * r2) / (curve.side - 1) ** 2
    return task_loss(fused - t, 8.0) + 0.02 * paper + beyond(raw)


def finish(weights: Arrays, variants: Sequence[str], steps: int, count: int) -> Arrays:
    """Step 4: the last layers of one head after the other on the finished, fixed trunk, `1d` first."""
    views, truth = scenes(TRAIN_SEEDS[0], count)
    codes = trunk_codes(weights, views)
    for name in sorted(variants, key=lambda name: name != "1d"):
        weights = finish_one(weights, name, codes, truth, steps)
        print("finished", name, flush=True)
    return weights


def finish_one(weights: Arrays, name: str, codes: NDArray[Any], truth: NDArray[Any], steps: int) -> Arrays:
    """The last layers of one head."""

    def loss(net: Net, features: tf.Tensor, t: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        if CURVES[name] is None:
            return head_loss(net, features, name, t, None)[0]
        return fused_loss(net, features, name, t, target)

    return train_last(weights, name, codes, truth, steps, 1e-3, [loss])


def last_layers(name: str) -> list[str]:
    """The names of the weights of a head's own layers."""
    return [f"{name}/{layer}/{part}" for layer in (*STAGE, "h") for part in "wb"]


def train_last(
    weights: Arrays, name: str, codes: NDArray[Any], truth: NDArray[Any], steps: int, rate: float,
    losses: Sequence[Loss], noise: float = NOISE,
) -> Arrays:  # fmt: skip
    """A head's own layers trained on the codes of the finished trunk: one loss after the other, equally long."""
    curve, mine = CURVES[name], last_layers(name)
    variables = {k: tf.Variable(v, trainable=k in mine) for k, v in weights.items()}
    net = Net(variables, quantized=True)
    net.training, net.noise = True, noise
    trained = [variables[k] for k in mine]
    optimizer = tf.keras.optimizers.Adam(rate, clipnorm=1.0)
    optimizer.build(trained)

    def made(loss: Loss) -> Callable[..., None]:
        @tf.function
        def step(features: tf.Tensor, t: tf.Tensor, target: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                total = loss(net, features, t, target)
            optimizer.apply_gradients(zip(tape.gradient(total, trained), trained, strict=True))

        found: Callable[..., None] = step
        return found

    turns = [made(loss) for loss in losses]
    rng = np.random.default_rng(13)
    for number in range(steps):
        optimizer.learning_rate.assign(rate * (0.5 + 0.5 * np.cos(np.pi * number / steps)) + 1e-5)
        chosen = rng.integers(0, len(codes), BATCH)
        features, t = codes[chosen].astype(np.float32) * (BOUND / 255), truth[chosen]
        target = np.zeros(1, np.float32) if curve is None else curve.encode(t)
        turns[number * len(turns) // steps](tf.constant(features), tf.constant(t), tf.constant(target))
    return {key: variable.numpy() for key, variable in variables.items()}


#: What `--ablate` retrains the last layers of p = 3 with, on the finished trunk.
ABLATIONS: dict[str, dict[str, float]] = {
    "points": {"task": 0.0, "beta": 0.0, "noise": 0.0, "alpha": 1.0},
    "points_curve": {"task": 0.0, "noise": 0.0, "alpha": 1.0},
    "task": {"beta": 0.0, "noise": 0.0},
    "task_curve": {"noise": 0.0},
    "all": {},
}


def trunk_codes(weights: Arrays, views: NDArray[Any]) -> NDArray[Any]:
    """The quantized trunk's features as codes, uint8 (count, 32, 32, 32): all that heads on a fixed trunk see."""
    net = Net({name: tf.Variable(value) for name, value in weights.items()}, quantized=True)
    run = tf.function(net.trunk)
    parts = [run(tf.constant(views[i : i + 32].astype(np.float32) / 255)) for i in range(0, len(views), 32)]
    return np.concatenate([np.rint(part.numpy() * (255 / BOUND)).astype(np.uint8) for part in parts])


def ablate(
    weights: Arrays, codes: NDArray[Any], truth: NDArray[Any], steps: int, noise: float = NOISE, **loss: float
) -> Arrays:
    """The last layers of p = 3 from scratch on the finished, fixed trunk, with the given parts of the loss."""
    fresh = make_weights(np.random.default_rng(5), {"p3": curves_of(["p3"])["p3"].outputs})
    fresh["p3/f1/b"] += 0.5
    start = weights | {name: fresh[name] for name in last_layers("p3")}

    def with_parts(**parts: float) -> Loss:
        return lambda net, features, t, target: head_loss(net, features, "p3", t, target, **parts)[0]

    # Points first: the decoded value has no useful gradient before.
    losses = [with_parts(task=0.0, alpha=1.0, beta=0.0), with_parts(**loss)]
    return train_last(start, "p3", codes, truth, steps, 2e-3, losses, noise)


def on_grid(weights: Arrays) -> Arrays:
    """Step 5: every weight on the INT8 grid of its output channel, as fake quantization rounds it."""
    result = dict(weights)
    for name, value in weights.items():
        if name.endswith("/w"):
            top = np.maximum(np.abs(value).max(axis=(0, 1, 2)), 1e-6)
            result[name] = (np.rint(value / top * 127) * top / 127).astype(np.float32)
    return result


def to_tflite(weights: Arrays, variant: str, quantized: bool) -> bytes:
    """A network as TFLite: full INT8 (input scale 1/255, heads scale 1/256), or float with float16 weights."""
    variables = {name: tf.Variable(value) for name, value in weights.items()}
    net = Net(variables, quantized)

    @tf.function(input_signature=[tf.TensorSpec((1, HEIGHT, WIDTH, 2), tf.float32, name="views")])
    def forward(views: tf.Tensor) -> tf.Tensor:
        if variant not in JOINED:
            return net(views, variant)
        features = net.trunk(views)
        return tf.concat([net.bounded(net.head(features, name)) for name in JOINED[variant]], -1)

    # Constants, or the converter meets variable reads that it can't quantize.
    frozen = convert_variables_to_constants_v2(forward.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantized:  # the ranges are in the graph's fake quantization: no calibration data
        converter.inference_input_type = converter.inference_output_type = tf.int8
    else:
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def export(weights: Arrays, variant: str, label: str, folder: Path) -> None:
    """Write <label>_int8.tflite and <label>_float.tflite."""
    snapped = on_grid(weights)
    for suffix, quantized in (("int8", True), ("float", False)):
        (folder / f"{label}_{suffix}.tflite").write_bytes(to_tflite(snapped, variant, quantized))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).parent
    parser.add_argument("--models", type=Path, default=here / "models", help="folder of the .tflite files")
    parser.add_argument("--weights", type=Path, default=here / "build" / "weights.npz", help="trained weights, kept")
    parser.add_argument("--steps", type=int, nargs=3, default=(2886, 1012, 1000), help="of the three trainings")
    parser.add_argument("--heads", nargs="+", choices=CURVES, default=("1d", "twin", "p3", "h4p1", "h5p1"))
    parser.add_argument("--ablate", action="store_true", help="retrain parts of p = 3 instead, on the kept weights")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the order of the scenes")
    parser.add_argument("--quick", action="store_true", help="12, 6 and 4 steps on few scenes, to see that it runs")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.steps = (12, 6, 4)
    count = 64 if arguments.quick else SCENES_PER_SEED
    tf.random.set_seed(1 + arguments.seed)
    arguments.models.mkdir(parents=True, exist_ok=True)
    if arguments.ablate:
        weights = dict(np.load(arguments.weights))
        views, truth = scenes(TRAIN_SEEDS[0], 1536)
        codes = trunk_codes(weights, views)
        for label, parts in ABLATIONS.items():
            export(ablate(weights, codes, truth, ABLATION_STEPS, **parts), "p3", f"ablation_{label}", arguments.models)
            print("ablation", label, flush=True)
        return
    variants = arguments.heads
    weights = pretrain(variants, arguments.steps[0], arguments.seed, count)
    weights = finetune(fold(weights, variants), variants, arguments.steps[1], arguments.seed, count)
    arguments.weights.parent.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = dict(weights)
    np.savez(arguments.weights, **named)
    weights = finish(weights, variants, arguments.steps[2], min(count, FINISH_SCENES))
    joined = [name for name, parts in JOINED.items() if set(parts) <= set(variants)]
    for variant in (*variants, *joined):
        export(weights, variant, f"{variant}_s{arguments.seed}", arguments.models)


if __name__ == "__main__":
    main()
