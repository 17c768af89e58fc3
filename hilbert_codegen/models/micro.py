"""TFLite models run by TFLite Micro's own interpreter (the package `tflite-micro`): the kernels of a microcontroller's
build, compiled for this machine. Their outputs are to be compared with those of tflite-runtime, byte by byte.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.models.inference import Count, encode_inputs
from hilbert_codegen.models.tflite import Runner
from hilbert_codegen.resources import require

#: Memory for tensors beside ten times the model's size, in bytes; this machine has more than enough of it.
_ARENA = 64 << 20


def run(
    path: Path, inputs: Mapping[str, NDArray[Any]], indices: Sequence[int], signature: str, count: Count
) -> dict[str, Any]:
    """As `ModelFormat.run`, by TFLite Micro; the inputs are quantized as for tflite-runtime, by the same function.

    Raises UsageError where a package is missing, ValueError or RuntimeError where TFLite Micro refuses the model.
    """
    micro = require("micro", f"running {path.name} by TFLite Micro", "tflite_micro.python.tflite_micro.runtime")
    tflite = require("tflite", f"reading {path.name}", "tflite")
    data = path.read_bytes()
    samples = encode_inputs(Runner(path, tflite.Model.GetRootAsModel(data, 0), signature, True).inputs(), inputs)
    interpreter = micro.Interpreter.from_bytes(data, arena_size=10 * len(data) + _ARENA)
    shapes = [tuple(interpreter.get_input_details(place)["shape"]) for place in range(len(samples))]
    results: list[list[NDArray[Any]]] = [[] for _ in indices]
    spent = []
    total = len(next(iter(samples.values())))
    for sample in range(total):
        interpreter.reset()  # variable tensors, so that the order of samples does not matter
        for place, (values, shape) in enumerate(zip(samples.values(), shapes, strict=True)):
            interpreter.set_input(values[sample].reshape(shape), place)
        start = time.perf_counter()
        interpreter.invoke()
        spent.append(time.perf_counter() - start)
        for collected, index in zip(results, indices, strict=True):
            values = np.array(interpreter.get_output(index))
            collected.append(values[0] if values.ndim > 1 and values.shape[0] == 1 else values)
        count(sample + 1, total)
    quantization = [interpreter.get_output_details(index)["quantization_parameters"] for index in indices]
    return {
        "outputs": [np.stack(result) for result in results],
        "scale": [float(found["scales"][0]) if len(found["scales"]) else 0.0 for found in quantization],
        "zero_point": [int(found["zero_points"][0]) if len(found["zero_points"]) else 0 for found in quantization],
        "milliseconds": 1000.0 * np.array(spent),
    }
