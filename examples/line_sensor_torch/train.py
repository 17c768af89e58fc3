"""The line sensor in PyTorch: a 1D head and Hilbert heads, trained, exported to ONNX and quantized to INT8.

    pip install 'hilbert_codegen[onnx,torch]' onnxscript
    python examples/line_sensor_torch/train.py               # about two minutes on two cores
    hilbert-codegen evaluate examples/line_sensor_torch/pilot.toml

Task and samples are those of ../line_sensor. Quantization is after training, by onnxruntime's static quantization, as
most people start: what quantization-aware training adds is shown there.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
    loss = HilbertLoss(HeadCurve(make_curve("hilbert", ORDER))) if heads == 2 else None
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
        self.left = iter([{"pixels": pixels[None]} for pixels in make_samples(500, 7)[0]])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next sample, None at the end."""
        return next(self.left, None)


def main() -> None:
    """Write models/<head>_<float or int8>.onnx."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("-o", "--output", type=Path, default=HERE / "models")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, heads in (("1d", 1), (f"p{ORDER}", 2)):
        plain, quantized = (arguments.output / f"{name}_{kind}.onnx" for kind in ("float", "int8"))
        network = train(heads, arguments.steps)
        torch.onnx.export(
            network, (torch.zeros(1, PIXELS),), plain, input_names=["pixels"], output_names=["heads"], dynamo=False
        )
        quantize_static(
            plain, quantized, Calibration(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8, per_channel=True,
        )  # fmt: skip
        print(f"{plain.name} {plain.stat().st_size} bytes, {quantized.name} {quantized.stat().st_size} bytes")


if __name__ == "__main__":
    main()
