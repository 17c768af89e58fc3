"""Make the float .tflite files of tests/models/inference (needs TensorFlow; made with 2.15.1: later ones
write a loop in the place of the fused LSTM).

    python tests/models/make_inference.py

lstm      eight steps of one value through a fused LSTM, whose state is two variable tensors
counter   the sum of all inputs so far, in a resource variable
two       inputs `picture` (1, 4) and `offset` (1, 1): their sum
custom    an operator of TensorFlow that TFLite does not have
joined    twelve shifted views of a line joined at once: more than TFLite Micro's kernel takes (made with 2.21.0)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
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


def main() -> None:
    """Write every file."""
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
