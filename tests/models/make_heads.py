"""Make the small .tflite files of two outputs in tests/models/heads by TensorFlow's own converters, each its own way.

    pip install tensorflow-cpu==VERSION
    python tests/models/make_heads.py

Run with TensorFlow 2.21.0 (Keras 3.15), 2.16.2 (Keras 3.3) and 2.15.1 (Keras 2.15); the version is part of the files' names. Head x is quantized to
[0, 1], head y to [0, 0.5], so that their scales tell them apart.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

FOLDER = Path(__file__).resolve().parent / "heads"
VERSION = "tf" + "".join(tf.__version__.split(".")[:2])


def layers() -> tuple[Any, Any, Any]:
    """Input, head x and head y of an untrained net."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((8,), batch_size=1, name="pixels")
    hidden = keras.layers.Dense(4, activation="relu6")(pixels)
    x = keras.layers.Dense(1, activation="sigmoid", name="head_x")(hidden)
    y = keras.layers.Dense(1, activation="sigmoid", name="head_y")(hidden)
    return pixels, x, keras.layers.Rescaling(0.5, name="half_y")(y)


def quantize(converter: Any) -> bytes:
    """Full INT8 by random samples."""
    rng = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([4 * rng.random((1, 8), dtype=np.float32) - 2] for _ in range(50))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def frozen(model: Any) -> Any:
    """The converter of a concrete function with its variables as constants: such a file has no signature."""
    concrete = tf.function(model).get_concrete_function(tf.TensorSpec((1, 8), tf.float32, name="pixels"))
    return tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])


def saved(model: Any, folder: str) -> Any:
    """The converter of an exported SavedModel."""
    model.export(folder)
    return tf.lite.TFLiteConverter.from_saved_model(folder)


def main() -> None:
    """Write every file that this version can convert, and say which it can't."""
    pixels, x, y = layers()
    models = {"list": keras.Model(pixels, [x, y]), "dict": keras.Model(pixels, {"x": x, "y": y})}
    for kind, model in models.items():
        with tempfile.TemporaryDirectory() as folder:
            ways: dict[str, Callable[[], Any]] = {
                "keras": functools.partial(tf.lite.TFLiteConverter.from_keras_model, model),
                "saved": functools.partial(saved, model, folder),
                "function": functools.partial(frozen, model),
            }
            if VERSION == "tf216":  # its from_keras_model aborts the process on any model of Keras 3
                del ways["keras"]
            for way, make in ways.items():
                path = FOLDER / f"{VERSION}_{way}_{kind}.tflite"
                try:
                    path.write_bytes(quantize(make()))
                except Exception as error:  # converters fail in many ways
                    print(path.name, "can't be made:", type(error).__name__)


if __name__ == "__main__":
    main()
