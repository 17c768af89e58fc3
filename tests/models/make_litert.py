"""Make the .tflite files of tests/models/litert from the float nets of tests/models/onnx, by litert-torch or by onnx2tf.

    pip install litert-torch onnx          # version 0.10.0 of litert-torch, with torch 2.13.0
    python tests/models/make_litert.py

    pip install onnx2tf                    # version 1.29.24, with TensorFlow 2.19.0
    python tests/models/make_litert.py

It runs the one that is installed: they want different versions of NumPy. litert-torch keeps channels first, onnx2tf
turns them last.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "litert"
NETS = {"two": (1, 8), "maps": (1, 1, 4, 6)}


def samples(shape: tuple[int, ...]) -> list[NDArray[np.float32]]:
    """Random inputs from 0 to 1."""
    draw = np.random.default_rng(0)
    return [draw.random(shape, dtype=np.float32) for _ in range(50)]


def by_litert_torch(name: str, shape: tuple[int, ...]) -> None:
    """INT8 by AI Edge's quantizer, with the extremes of the samples as ranges."""
    import litert_torch
    import torch
    from ai_edge_quantizer import Quantizer, recipe
    from ai_edge_quantizer.calibrator import CalibrationInterpreter, CalibrationMode
    from ai_edge_quantizer.utils.qsv_utils import min_max_update
    from make_onnx import Maps, Two  # it stands beside this script

    network = {"two": Two, "maps": Maps}[name]()
    graph = onnx.load(FOLDER.parent / "onnx" / f"{name}_float.onnx").graph
    network.load_state_dict({one.name: torch.tensor(onnx.numpy_helper.to_array(one)) for one in graph.initializer})
    with tempfile.TemporaryDirectory() as folder:
        plain = f"{folder}/net.tflite"
        litert_torch.convert(network.eval(), (torch.zeros(shape),)).export(plain)
        ranges = CalibrationInterpreter(plain, CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS, min_max_update)
        run = ranges.get_signature_runner()
        for sample in samples(shape):
            run(args_0=sample)
        for bits, how in ((8, recipe.static_wi8_ai8()), (16, recipe.static_wi8_ai16())):
            found = Quantizer(plain, how).quantize(ranges.get_calibration_results())
            path = FOLDER / f"{name}_litert_torch_int{bits}.tflite"
            found.export_model(str(path), overwrite=True)
            path.chmod(0o644)


def by_onnx2tf(name: str, shape: tuple[int, ...]) -> None:
    """Full INT8, and INT8 with 16-bit activations."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(FOLDER.parent / "onnx" / f"{name}_float.onnx", folder)  # onnx2tf writes into the file that it reads
        chosen = np.concatenate(samples(shape))
        np.save(f"{folder}/samples.npy", chosen if chosen.ndim == 2 else np.moveaxis(chosen, 1, -1))
        subprocess.run(
            [
                shutil.which("onnx2tf") or f"{Path(sys.executable).parent}/onnx2tf",
                "-i", f"{folder}/{name}_float.onnx", "-o", folder, "-n",
                "-oiqt", "-iqd", "int8", "-oqd", "int8", "-qt", "per-tensor",
                "-cind", "pixels", f"{folder}/samples.npy", "[0.0]", "[1.0]",
            ],
            check=True,
        )  # fmt: skip
        for bits, end in ((8, ""), (16, "_with_int16_act")):
            made = Path(folder) / f"{name}_float_full_integer_quant{end}.tflite"
            shutil.copyfile(made, FOLDER / f"{name}_onnx2tf_int{bits}.tflite")


def main() -> None:
    """Write the files of the tool that is installed."""
    FOLDER.mkdir(exist_ok=True)
    make = by_litert_torch if importlib.util.find_spec("litert_torch") else by_onnx2tf
    for name, shape in NETS.items():
        make(name, shape)


if __name__ == "__main__":
    main()
