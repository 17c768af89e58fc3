"""The line sensor in PyTorch: a 1D head and Hilbert heads, trained, then quantized to INT8 as ONNX and as TFLite.

    pip install 'hilbert_codegen[onnx,torch]' onnxscript litert-torch
    python examples/line_sensor_torch/train.py               # about two minutes on two cores
    python examples/line_sensor_torch/train.py --convert     # only quantize the float nets that are there
    hilbert-codegen evaluate examples/line_sensor_torch/pilot.toml

Task and samples are those of ../line_sensor. Quantization is after training, as most people start: what
quantization-aware training adds is shown there. Both quantizers are told the range of the heads' sigmoid, so that scale
and zero point are the same in both files, and so is the decoder.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import onnx
import torch
from ai_edge_quantizer import Quantizer, recipe
from ai_edge_quantizer.calibrator import CalibrationInterpreter, CalibrationMode
from ai_edge_quantizer.utils.qsv_utils import min_max_update
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from hilbert_codegen.curves import make_curve
from hilbert_codegen.torch import HilbertLoss
from hilbert_codegen.training.loss import HeadCurve

HERE = Path(__file__).resolve().parent
PIXELS, ORDER, BATCH = 64, 2, 256


def make_samples(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels / 255 (count, 64) and t (count,): the recipe of ../line_sensor/train.py."""
    rng = np.random.default_rng(seed)
    t = rng.random(count, dtype=np.float32)
    pixel = np.arange(PIXELS, dtype=np.float32)
    width, height = rng.uniform(1.3, 2.6, (count, 1)), rng.uniform(0.4, 0.8, (count, 1))
    offset, slope = rng.uniform(0.03, 0.12, (count, 1)), rng.uniform(-0.05, 0.05, (count, 1))
    centre = 4 + t[:, None] * (PIXELS - 9)
    light = height * np.exp(-0.5 * ((pixel - centre) / width) ** 2) + offset + slope * (pixel / PIXELS - 0.5)
    light += 0.04 * rng.standard_normal((count, PIXELS))
    return (np.clip(np.round(255 * light), 0, 255) / 255).astype(np.float32), t


def make_network(heads: int) -> Any:
    """Two bounded hidden layers (relu6), sigmoid heads."""
    sizes = (PIXELS, 96, 64)
    layers: list[Any] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU6()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], heads), nn.Sigmoid())


def train(heads: int, steps: int) -> Any:
    """A trained network of one head (mean squared error) or two (`HilbertLoss`)."""
    torch.manual_seed(0)
    network = make_network(heads)
    loss = HilbertLoss(HeadCurve(make_curve("hilbert", ORDER)), alpha=0.3, beta=1.0) if heads == 2 else None
    pixels, t = (torch.from_numpy(array) for array in make_samples(200_000, 1000))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(t), (BATCH,))
        found = network(pixels[chosen])
        value = loss(found, t[chosen]) if loss else (found[:, 0] - t[chosen]).square().mean()
        optimizer.zero_grad()
        (1e4 * value).backward()
        optimizer.step()
        schedule.step()
    return network.eval()


class Calibration(CalibrationDataReader):
    """Samples from which onnxruntime takes the ranges of tensors."""

    def __init__(self) -> None:
        self.left = iter(calibration("pixels"))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next sample, None at the end."""
        return next(self.left, None)


def calibration(name: str) -> list[dict[str, NDArray[np.float32]]]:
    """Samples for the input `name`."""
    return [{name: pixels[None]} for pixels in make_samples(500, 7)[0]]


def read_network(path: Path) -> Any:
    """The network whose weights are in an ONNX file that `main` exported."""
    weights = {one.name: torch.tensor(onnx.numpy_helper.to_array(one)) for one in onnx.load(path).graph.initializer}
    biases = [values for values in weights.values() if values.ndim == 1]
    network = make_network(len(biases[-1]))
    network.load_state_dict(weights)
    return network.eval()


def to_onnx(plain: Path, quantized: Path) -> None:
    """INT8 by onnxruntime; the scale and zero point of the heads are those of a sigmoid's whole range."""
    whole = {"heads": [{"scale": np.array(1 / 256, np.float32), "zero_point": np.array(-128, np.int8)}]}
    quantize_static(
        plain, quantized, Calibration(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8, per_channel=True, extra_options={"TensorQuantOverrides": whole},
    )  # fmt: skip


def to_tflite(network: Any, quantized: Path) -> None:
    """Float by litert-torch, INT8 by its quantizer, which gives a sigmoid its whole range by itself."""
    with tempfile.TemporaryDirectory() as folder:
        plain = str(Path(folder) / "float.tflite")
        litert_torch.convert(network, (torch.zeros(1, PIXELS),)).export(plain)
        # The quantizer's own calibrate() averages the extremes of the samples, which cuts off both ends of every tensor.
        ranges = CalibrationInterpreter(plain, CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS, min_max_update)
        run = ranges.get_signature_runner()
        for sample in calibration("args_0"):
            run(**sample)
        found = Quantizer(plain, recipe.static_wi8_ai8()).quantize(ranges.get_calibration_results())
        found.export_model(str(quantized), overwrite=True)


def main() -> None:
    """Write models/<head>_float.onnx, <head>_int8.onnx and <head>_int8.tflite."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--convert", action="store_true", help="only quantize the float nets that are there")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "models")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, heads in (("1d", 1), (f"p{ORDER}", 2)):
        plain, quantized = (arguments.output / f"{name}_{kind}.onnx" for kind in ("float", "int8"))
        if not arguments.convert:
            torch.onnx.export(
                train(heads, arguments.steps), (torch.zeros(1, PIXELS),), plain, input_names=["pixels"],
                output_names=["heads"], dynamo=False,
            )  # fmt: skip
        to_onnx(plain, quantized)
        to_tflite(read_network(plain), quantized.with_suffix(".tflite"))
        for path in (plain, quantized, quantized.with_suffix(".tflite")):
            print(f"{path.name} {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
