"""Conversion of a trained network to TFLite as its decoder wants it: frozen, full INT8, heads of a fixed range."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hilbert_codegen.resources import require


def fixed_range(head: Any, low: float = 0.0, high: float = 255 / 256) -> Any:
    """A head, clamped to [low, high] and rounded to the 256 values of that range in the forward pass.

    The converter takes the range from it instead of from the samples that it sees, so that scale and zero point are
    (high - low) / 255 and -128 - low / scale in every run. The default is scale 1/256 and zero point -128: the canonical
    grid of a cell-centred curve, with the smallest and fastest tables. Use it in training too (quantization-aware): its
    gradient is 1 within the range and 0 outside.

    Args:
        head: a tensor of any shape.
        low, high: real values of the first and last code; low <= 0 < high.

    Raises ValueError for another range: TensorFlow would move it so that 0 is a code.
    """
    if not low <= 0.0 < high:
        raise ValueError(f"range [{low:g}, {high:g}] does not hold 0, which a code must stand for")
    tf = require("train", "hilbert_codegen.keras.convert", "tensorflow")
    return tf.quantization.fake_quant_with_min_max_args(head, low, high)


def to_tflite(
    network: Callable[..., Any],
    input_shape: Sequence[int],
    samples: Iterable[ArrayLike] | None = None,
    *,
    quantized: bool = True,
    names: Sequence[str] | None = None,
    input_name: str = "pixels",
) -> bytes:
    """A network of one input as a .tflite file, with its variables frozen into constants.

    Args:
        network: a Keras model, or any function of TensorFlow operations: input -> heads.
        input_shape: with a batch of 1, for example (1, 64).
        samples: float inputs of that shape, from which the converter takes the ranges of tensors (a few hundred real
            ones). Not needed where every tensor has gone through a fake quantization.
        quantized: full INT8, inputs and outputs too; False leaves all in float.
        names: for a network that returns several outputs: the signature's name of each, ("x", "y") for two heads. With
            them the heads are known by name, whatever order the converter writes.
        input_name: name of the input in the signature.

    Raises UsageError where TensorFlow is missing, ValueError where `names` are not as many as the outputs.
    """
    tf = require("train", "hilbert_codegen.keras.convert", "tensorflow")

    def call(value: Any) -> Any:
        result = network(value)
        if names is None:
            return result
        outputs = result if isinstance(result, (list, tuple)) else [result]
        if len(outputs) != len(names):
            raise ValueError(f"{len(names)} names for {len(outputs)} outputs")
        return dict(zip(names, outputs, strict=True))

    signature = tf.TensorSpec(tuple(input_shape), tf.float32, name=input_name)
    concrete = tf.function(call).get_concrete_function(signature)
    module = tf.Module()
    module.variables_of_network = list(concrete.variables)  # a SavedModel holds what its module holds
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        return _convert(tf, converter, tuple(input_shape), samples, quantized)


def _convert(
    tf: Any, converter: Any, shape: tuple[int, ...], samples: Iterable[ArrayLike] | None, quantized: bool
) -> bytes:
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if samples is not None:
            chosen = [np.asarray(sample, dtype=np.float32).reshape(shape) for sample in samples]
            converter.representative_dataset = lambda: ([sample] for sample in chosen)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())
