"""Join the heads of two committed networks, which have one trunk, into one network of three outputs: x, y and t.

    python join.py                       # models/fused_float.tflite and models/fused_int8.tflite
    python join.py --rewrite             # also writes the INT8 files of one head again, as `net.py` is now

The 1D network and that of p = 3 were trained on one trunk (`train.py`), so their weights up to the last hidden layer are
the same; this checks it, reads the weights from the INT8 files, where they are whole numbers times a scale, and writes
both networks with all three heads in one tensor. Nothing is trained. Needs TensorFlow 2.21.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from net import STAGE, TRUNK
from numpy.typing import NDArray
from train import on_grid, to_tflite

#: Convolutions in the order of the file.
LAYERS = (*TRUNK, *STAGE, "h")


def weights_of(path: Path, variant: str) -> dict[str, NDArray[Any]]:
    """Weights and biases of an INT8 file under the names of `net.make_weights`, float32.

    Raises ValueError where the file has other convolutions.
    """
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    found: dict[str, NDArray[Any]] = {}
    operations = [op for op in interpreter._get_ops_details() if op["op_name"] == "CONV_2D"]
    if len(operations) != len(LAYERS):
        raise ValueError(f"{path.name}: {len(operations)} convolutions, {len(LAYERS)} expected")
    for layer, operation in zip(LAYERS, operations, strict=True):
        name = layer if layer in TRUNK else f"{variant}/{layer}"
        for part, index in zip("wb", operation["inputs"][1:3], strict=True):
            scales = details[index]["quantization_parameters"]["scales"].astype(np.float64)
            values = interpreter.get_tensor(index) * scales.reshape(-1, *[1] * (3 if part == "w" else 0))
            values = np.moveaxis(values, 0, -1) if part == "w" else values
            found[f"{name}/{part}"] = values.astype(np.float32)
    return found


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path(__file__).parent / "models")
    parser.add_argument("--rewrite", action="store_true", help="write 1d, p1, p2 and p3 again from their own weights")
    arguments = parser.parse_args()
    folder = arguments.models
    if arguments.rewrite:
        for name in ("1d", "p1", "p2", "p3"):
            path = folder / f"{name}_int8.tflite"
            path.write_bytes(to_tflite(on_grid(weights_of(path, name)), name, quantized=True))
    one, curve = (weights_of(folder / f"{name}_int8.tflite", name) for name in ("1d", "p3"))
    for name in one.keys() & curve.keys():
        if not np.array_equal(one[name], curve[name]):
            raise SystemExit(f"{name}: the two networks have other trunks; train both heads on one")
    joined = on_grid(one | curve)
    for suffix, quantized in (("int8", True), ("float", False)):
        (folder / f"fused_{suffix}.tflite").write_bytes(to_tflite(joined, "fused", quantized))


if __name__ == "__main__":
    main()
