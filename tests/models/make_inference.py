"""Make the float .tflite files of tests/models/inference (needs TensorFlow; made with 2.15.1: later ones
write a loop in the place of the fused LSTM).

    python tests/models/make_inference.py

lstm      eight steps of one value through a fused LSTM, whose state is two variable tensors
counter   the sum of all inputs so far, in a resource variable
two       inputs `picture` (1, 4) and `offset` (1, 1): their sum
custom    an operator of TensorFlow that TFLite does not have
added     full INT8 (TensorFlow 2.21.0): heads `x` and `y`, the sums of inputs `here` (1, 2) and `there` (1, 2)
joined    twelve shifted views of a line joined at once: more than TFLite Micro's kernel takes (made with 2.21.0)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).resolve().parent / "inference"


def converted(module: Any, signature: Any, *, custom: bool = False, state: bool = False) -> bytes:
    """By way of a SavedModel; `custom` admits foreign operators, `state` resource variables."""
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.experimental_enable_resource_variables = state
        converter.allow_custom_ops = custom
        return bytes(converter.convert())


class Counter(tf.Module):
    """Adds its inputs up."""

    def __init__(self) -> None:
        super().__init__()
        self.total = tf.Variable(tf.zeros((1, 1)))

    @tf.function(input_signature=[tf.TensorSpec((1, 1), tf.float32, name="pixels")])
    def __call__(self, pixels: Any) -> Any:
        """The sum so far."""
        self.total.assign_add(pixels)
        return {"x": self.total.read_value() * 1.0}


def added() -> bytes:
    """The net of two inputs and two heads, in INT8."""

    def network(here: Any, there: Any) -> Any:
        heads = tf.quantization.fake_quant_with_min_max_args(here + there, 0.0, 255 / 256)
        return {"x": heads[:, :1], "y": heads[:, 1:]}

    inputs = [tf.TensorSpec((1, 2), tf.float32, name=name) for name in ("here", "there")]
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=tf.function(network).get_concrete_function(*inputs))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        pairs = [
            {"here": draw.random((1, 2), np.float32), "there": -draw.random((1, 2), np.float32)} for _ in range(50)
        ]
        converter.representative_dataset = lambda: iter(pairs)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def main() -> None:
    """Write every file."""
    if tf.__version__ >= "2.21":
        (FOLDER / "added.tflite").write_bytes(added())
        return
    keras.utils.set_random_seed(3)
    steps = keras.Input((8, 1), batch_size=1, name="pixels")
    lstm = keras.Model(steps, keras.layers.LSTM(3)(steps))
    (FOLDER / "lstm.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(lstm).convert())
    counter = Counter()
    (FOLDER / "counter.tflite").write_bytes(converted(counter, counter.__call__.get_concrete_function(), state=True))
    two = tf.function(lambda picture, offset: {"x": picture + offset}).get_concrete_function(
        tf.TensorSpec((1, 4), tf.float32, name="picture"), tf.TensorSpec((1, 1), tf.float32, name="offset")
    )
    (FOLDER / "two.tflite").write_bytes(converted(tf.Module(), two))
    custom = tf.function(tf.math.erfinv).get_concrete_function(tf.TensorSpec((1, 2), tf.float32, name="x"))
    (FOLDER / "custom.tflite").write_bytes(converted(tf.Module(), custom, custom=True))
    joined = tf.function(lambda x: tf.concat([x[:, i : i + 4, None] for i in range(12)], -1)).get_concrete_function(
        tf.TensorSpec((1, 16), tf.float32, name="x")
    )
    (FOLDER / "joined.tflite").write_bytes(converted(tf.Module(), joined))


if __name__ == "__main__":
    main()
