"""Make the small .tflite files of this folder (needs TensorFlow): nets built by hand, not trained.

    python tests/models/make_models.py

map_*      8 x 8 pixels that hold t -> 8 x 8 points of the Hilbert curve of order 1, as two outputs (x, then y)
map1d_*    the same pixels -> t
spoiled    an unbounded hidden layer and sigmoid heads: what `advise` warns of
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

HERE = Path(__file__).resolve().parent
# clip(3t - i, 0, 1) = relu6(3t - i) - relu6(3t - i - 1) for i = 0, 1, 2; the curve of order 1, inset 0.25, from these.
SLOPES = np.full((1, 1, 1, 4), 3.0, np.float32)
KNOTS = np.array([0.0, -1.0, -2.0, -3.0], np.float32)
HEAD_X = np.array([0.0, 0.5, -0.5, 0.0], np.float32).reshape(1, 1, 4, 1)
HEAD_Y = np.array([0.5, -0.5, -0.5, 0.5], np.float32).reshape(1, 1, 4, 1)
HEAD_T = np.array([1 / 3, 0.0, 0.0, -1 / 3], np.float32).reshape(1, 1, 4, 1)


def convert(function: Any, shape: tuple[int, ...], quantized: bool) -> bytes:
    """`function` of one input as a .tflite file; int8 by a representative dataset of random t."""
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32, name="t"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
    if quantized:
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([rng.random(shape, dtype=np.float32)] for _ in range(50))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def hidden(t: Any) -> Any:
    """relu6(3t - i) for i = 0..3."""
    return tf.nn.relu6(tf.nn.conv2d(t, SLOPES, 1, "VALID") + KNOTS)


def map_2d(t: Any) -> Any:
    """t -> (x, y) on the curve."""
    return tf.nn.conv2d(hidden(t), HEAD_X, 1, "VALID") + 0.25, tf.nn.conv2d(hidden(t), HEAD_Y, 1, "VALID") + 0.25


def map_1d(t: Any) -> Any:
    """t -> t."""
    return tf.nn.conv2d(hidden(t), HEAD_T, 1, "VALID")


def spoiled(t: Any) -> Any:
    """An unbounded layer ten times as steep, and sigmoid heads."""
    wide = tf.nn.relu(tf.nn.conv2d(t, 10 * SLOPES, 1, "VALID") + 10 * KNOTS)
    heads = np.concatenate([HEAD_X, HEAD_Y], axis=-1)
    return tf.nn.sigmoid(tf.nn.conv2d(wide, heads, 1, "VALID") - 2.0)


for name, function in (("map", map_2d), ("map1d", map_1d)):
    for quantized in (False, True):
        kind = "int8" if quantized else "float"
        (HERE / f"{name}_{kind}.tflite").write_bytes(convert(function, (1, 8, 8, 1), quantized))
(HERE / "spoiled.tflite").write_bytes(convert(spoiled, (1, 1, 1, 1), True))
