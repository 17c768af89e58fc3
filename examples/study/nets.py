"""Train one head on one task, all seeds at once, and export it to TFLite. Needs TensorFlow.

Every head gets the same trunk (two layers of relu6), samples, steps, optimizer and recipe:

1. float training; then ranges of the activations are read off the training samples: post-training quantization ("ptq");
2. the same number of steps again with fake quantization and a term that pulls the quantized net's answer to the float
   net's: quantization-aware training ("qat"). Float nets are exported after either.

One head learns the squared error or the absolute error; Hilbert heads learn `hilbert_codegen.keras.HilbertLoss` with the
weights that follow; cosine and sine learn the squared error. Seeds (initial weights and order of the samples) are an axis of the
tensors: one compilation trains them all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hilbert_codegen.curves import make_curve
from hilbert_codegen.keras import HilbertLoss, encode
from hilbert_codegen.training.loss import HeadCurve

HIDDEN = (64, 32)
BATCH = 256
RATE = 1e-2
#: Weight of the pull of the quantized net's answer to the float net's, in units of t.
CONSISTENCY = 1.0
#: Losses are in squared units of t, about 1e-5 near the end: scaled, so that Adam's epsilon does not matter.
SCALE = 1e5

Weights = list[Any]


@dataclass(frozen=True)
class Head:
    """What a net answers with.

    Attributes:
        name: of files: "1d", "l1", "cos_sin", "p3" (two Hilbert heads of order 3), "moore3"; "h4p1" and "m4p1" are four
            heads of order 1 on a Hilbert and on a Moore curve.
        outputs: how many.
        low, high: real values of the first and last code.
        on: the curve, for Hilbert heads.
        loss_name: what Hilbert heads learn: "study", HilbertLoss with alpha = 0.3 and beta = 1, as the committed nets did;
            "documented", HilbertLoss as it comes; "target", the distance to their target alone.
    """

    name: str
    outputs: int
    low: float
    high: float
    on: HeadCurve | None = None
    loss_name: str = "study"

    @property
    def per_t(self) -> float:
        """Head units per unit of t."""
        return self.on.length if self.on is not None else 2 * np.pi if self.name == "cos_sin" else 1.0

    def loss(self, heads: Any, t: Any) -> Any:
        """Mean loss of heads (..., outputs) for t (...), in squared units of t (absolute: of t, scaled alike)."""
        if self.on is not None and self.loss_name == "target":
            return tf.reduce_mean(tf.reduce_sum(((heads - encode(t, self.on)) / self.on.length) ** 2, -1))
        if self.on is not None and self.loss_name == "study":
            return HilbertLoss(self.on, alpha=0.3, beta=1.0, reduction="mean")(t, heads)
        if self.on is not None:
            return HilbertLoss(self.on, reduction="mean")(t, heads)
        if self.name == "cos_sin":
            aim = tf.stack([tf.cos(2 * np.pi * t), tf.sin(2 * np.pi * t)], -1)
            return tf.reduce_mean(tf.reduce_sum((heads - aim) ** 2, -1)) / self.per_t**2
        error = heads[..., 0] - t
        return tf.reduce_mean(tf.abs(error)) * 1e-2 if self.name == "l1" else tf.reduce_mean(error**2)


def make_head(name: str) -> Head:
    """The head called `name`. Raises ValueError for a name that means none."""
    if name in ("1d", "l1"):
        return Head(name, 1, 0.0, 1.0)
    if name == "cos_sin":
        return Head(name, 2, -1.0, 1.0)
    found = re.fullmatch(r"(?:p|moore|[hm]([3-6])p)([1-4])", name)
    if found is None:
        raise ValueError(name)
    count = int(found[1] or 2)
    curve = make_curve("moore" if name.startswith("m") else "hilbert", int(found[2]), dimensions=count)
    # [0, 255/256] on 256 codes is scale 1/256, zero point -128: with the cell-centred inset the cell grid.
    return Head(name, count, 0.0, 255 / 256, HeadCurve(curve))


@dataclass
class Trained:
    """Nets of all seeds: kernels and biases with the seeds as first axis, and the largest activations of each layer."""

    head: Head
    window: tuple[int, int, int]
    weights: list[NDArray[np.float32]]
    limits: NDArray[np.float32]


def _start(inputs: int, head: Head, seeds: Sequence[int]) -> list[NDArray[np.float32]]:
    sizes = (inputs, *HIDDEN, head.outputs)
    found: list[NDArray[np.float32]] = []
    for layer in range(len(sizes) - 1):
        last = layer == len(HIDDEN)
        parts = []
        for seed in seeds:
            rng = np.random.default_rng([seed, layer])
            spread = np.sqrt(2 / sizes[layer]) * (0.3 if last else 1.0)
            parts.append(spread * rng.standard_normal((sizes[layer], sizes[layer + 1])))
        middle = (head.low + head.high) / 2 if last else 0.1
        found.append(np.array(parts, np.float32))
        found.append(np.full((len(seeds), 1, sizes[layer + 1]), middle, np.float32))
    return found


def _codes(x: Any, low: Any, high: Any) -> Any:
    """x rounded to 256 codes of [low, high]; the gradient passes inside."""
    inside = tf.clip_by_value(x, low, high)
    step = (high - low) / 255.0
    return inside + tf.stop_gradient(tf.round((inside - low) / step) * step + low - inside)


def _kernel_codes(kernel: Any) -> Any:
    step = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=1, keepdims=True) / 127.0 + 1e-10)
    return kernel + tf.stop_gradient(tf.round(kernel / step) * step - kernel)


def _forward(weights: Weights, x: Any, head: Head, limits: Any | None) -> tuple[Any, list[Any]]:
    """x (seeds, batch, inputs) -> heads (seeds, batch, outputs) and the largest activation of each hidden layer."""
    largest: list[Any] = []
    for layer in range(len(weights) // 2):
        kernel, bias = weights[2 * layer], weights[2 * layer + 1]
        last = layer == len(HIDDEN)
        if limits is not None:
            kernel = _kernel_codes(kernel)
        x = tf.matmul(x, kernel) + bias
        if last:
            return (_codes(x, head.low, head.high) if limits is not None else x), largest
        x = tf.nn.relu6(x)
        largest.append(tf.reduce_max(x, axis=(1, 2)))
        if limits is not None:
            x = _codes(x, 0.0, tf.reshape(limits[:, layer], (-1, 1, 1)))
    raise AssertionError


def _steps(
    weights: Weights, data: tuple[Any, Any], head: Head, steps: int, limits: Any | None, seeds: Sequence[int]
) -> Weights:
    """Adam with a cosine rate, inside one compiled loop."""
    inputs, t = data
    count = len(weights)

    def loss_of(current: Weights, x: Any, truth: Any) -> Any:
        plain, _ = _forward(current, x, head, None)
        loss = head.loss(plain, truth)
        if limits is not None:
            coarse, _ = _forward(current, x, head, limits)
            gap = tf.reduce_mean(tf.reduce_sum(((coarse - plain) / head.per_t) ** 2, -1))
            loss = 0.5 * loss + 0.5 * head.loss(coarse, truth) + CONSISTENCY * gap
        return loss * SCALE * len(seeds)

    @tf.function(jit_compile=True)
    def loop(*state: Any) -> Any:
        def body(i: Any, *state: Any) -> Any:
            current: Any
            first: Any
            second: Any
            current, first, second = state[:count], state[count : 2 * count], state[2 * count :]
            picks = [tf.random.stateless_uniform((BATCH,), [seed, i], 0, inputs.shape[0], tf.int32) for seed in seeds]
            pick = tf.stack(picks)
            x, truth = tf.gather(inputs, pick), tf.gather(t, pick)
            with tf.GradientTape() as tape:
                for weight in current:
                    tape.watch(weight)
                loss = loss_of(list(current), x, truth)
            gradients = tape.gradient(loss, current)
            done = tf.cast(i, tf.float32)
            rate = RATE * 0.5 * (1 + tf.cos(np.pi * done / steps)) * tf.minimum(1.0, (done + 1) / 100)
            first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
            second = [0.99 * v + 0.01 * g * g for v, g in zip(second, gradients, strict=True)]
            new = [
                w - rate * (m / (1 - 0.9 ** (done + 1))) / (tf.sqrt(v / (1 - 0.99 ** (done + 1))) + 1e-7)
                for w, m, v in zip(current, first, second, strict=True)
            ]
            return (i + 1, *new, *first, *second)

        return tf.while_loop(lambda i, *_: i < steps, body, (tf.constant(0), *state))[1 : 1 + count]

    zeros = [tf.zeros_like(weight) for weight in weights]
    return list(loop(*[tf.constant(w) for w in weights], *zeros, *zeros))


def train_float(
    inputs: NDArray[np.float64], t: NDArray[np.float64], head: Head, steps: int, seeds: Sequence[int]
) -> Weights:
    """Weights of float nets, the seeds as first axis: the first phase of `train` alone."""
    data = (tf.constant(inputs, tf.float32), tf.constant(t, tf.float32))
    found = _steps(_start(inputs.shape[1], head, seeds), data, head, steps, None, seeds)
    return [np.asarray(weight) for weight in found]


def float_heads(weights: Weights, inputs: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """Real heads (seeds, n, outputs) of float nets."""
    x = tf.repeat(tf.constant(inputs, tf.float32)[None], len(weights[0]), axis=0)
    return np.asarray(_forward(weights, x, head, None)[0], dtype=np.float64)


def train(
    inputs: NDArray[np.float64], t: NDArray[np.float64], head: Head, steps: int, seeds: Sequence[int],
    window: tuple[int, int, int] | None,
) -> dict[str, Trained]:  # fmt: skip
    """Train `head` for `steps` steps in float ("ptq"), then again with fake quantization ("qat")."""
    data = (tf.constant(inputs, tf.float32), tf.constant(t, tf.float32))
    shape = window or (1, 1, inputs.shape[1])
    weights = _steps(_start(inputs.shape[1], head, seeds), data, head, steps, None, seeds)
    sample = tf.repeat(data[0][None, :4096], len(seeds), axis=0)
    limits = tf.stack(_forward(weights, sample, head, None)[1], axis=1)
    found = {"ptq": Trained(head, shape, [np.asarray(w) for w in weights], np.asarray(limits))}
    weights = _steps([np.asarray(w) for w in weights], data, head, steps, limits, seeds)
    found["qat"] = Trained(head, shape, [np.asarray(w) for w in weights], np.asarray(limits))
    return found


def _network(trained: Trained, index: int, quantized: bool, wide: bool) -> Any:
    """A function (1, height, width, channels) -> heads of one seed, with TensorFlow's own fake quantization."""
    weights = [w[index] for w in trained.weights]
    height, width, channels = trained.window
    head = trained.head

    def codes(x: Any, low: float, high: float) -> Any:
        return tf.quantization.fake_quant_with_min_max_args(x, low, high) if quantized else x

    def function(x: Any) -> Any:
        x = codes(x, 0.0, 1.0)
        for layer in range(len(weights) // 2):
            last = layer == len(HIDDEN)
            kernel = weights[2 * layer]
            kernel = kernel.reshape((height, width, channels, -1) if layer == 0 else (1, 1, *kernel.shape))
            if quantized and not (last and wide):
                limit = np.abs(kernel).max(axis=(0, 1, 2)) + 1e-8
                kernel = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                    kernel, -limit, limit, narrow_range=True
                )
            elif quantized:
                step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
                kernel = (np.round(kernel / step) * step).astype(np.float32)
            x = tf.nn.conv2d(x, kernel, 1, "VALID") + weights[2 * layer + 1][0]
            if not last:
                x = codes(tf.nn.relu6(x), 0.0, float(trained.limits[index, layer]))
            elif not wide:
                x = codes(x, head.low, head.high)
        return tf.reshape(x, (-1, head.outputs))

    return function


def export(trained: Trained, index: int, kind: str, samples: NDArray[np.float64]) -> bytes:
    """The TFLite model of seed number `index`.

    `kind`: "float", "int8", "wide" (INT8 but for the last layer, whose weights have 8 bits and whose output is float),
    or "int16x8" (calibrated on `samples`).
    """
    height, width, channels = trained.window
    quantized = kind in ("int8", "wide")
    function = tf.function(_network(trained, index, quantized, kind == "wide")).get_concrete_function(
        tf.TensorSpec((1, height, width, channels), tf.float32, name="readings")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])
    if kind != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantized:
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8 if kind == "int8" else tf.float32
    if kind == "int16x8":
        calibration = samples[:500].reshape(-1, 1, height, width, channels).astype(np.float32)
        converter.representative_dataset = lambda: ([x] for x in calibration)
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = tf.int16
        converter.inference_output_type = tf.int16
    return bytes(converter.convert())


def answers(model: bytes, samples: NDArray[np.float64], window: tuple[int, int, int]) -> tuple[NDArray[Any], Any]:
    """Raw outputs (n, outputs) of a model in its own dtype by TFLite's reference kernels, and (scale, zero point)."""
    kind = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=kind)
    source = interpreter.get_input_details()[0]
    interpreter.allocate_tensors()
    target = interpreter.get_output_details()[0]
    scale, zero = source["quantization"]
    values = samples.reshape(-1, 1, *window)
    if source["dtype"] != np.float32:
        limits = np.iinfo(source["dtype"])
        values = np.clip(np.rint(values / scale) + zero, limits.min, limits.max)
    found = []
    for sample in values.astype(source["dtype"]):
        interpreter.set_tensor(source["index"], sample)
        interpreter.invoke()
        found.append(interpreter.get_tensor(target["index"])[0])
    return np.stack(found), target["quantization"]
