"""Make the small ONNX files of tests/models/onnx: nets of random weights by PyTorch's exporter and onnxruntime's quantizer.

    pip install torch onnx onnxscript onnxruntime
    python tests/models/make_onnx.py

Made with torch 2.13.0, onnx 1.23.2 and onnxruntime 1.32.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

FOLDER = Path(__file__).parent / "onnx"


class Two(nn.Module):
    """Eight pixels to two outputs x and y behind a sigmoid each."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.x, self.y = nn.Linear(8, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The heads, (n, 1) each."""
        hidden = torch.clamp(self.hidden(pixels), 0, 6)
        return torch.sigmoid(self.x(hidden)), torch.sigmoid(self.y(hidden))


class Maps(nn.Module):
    """A picture of 4 x 6 pixels to a map of both heads, channels first, as PyTorch has them."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.heads = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The heads, (n, 2, 4, 6)."""
        return self.heads(torch.relu(self.hidden(pixels)))


class Random(CalibrationDataReader):
    """Random pictures."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        draw = np.random.default_rng(0)
        self.left = iter([{"pixels": draw.random(shape, dtype=np.float32)} for _ in range(16)])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """One picture after the other."""
        return next(self.left, None)


def main() -> None:
    """Write every file."""
    torch.manual_seed(0)
    nets = [("two", Two(), (1, 8), ["x", "y"]), ("maps", Maps(), (1, 1, 4, 6), ["heads"])]
    for name, net, shape, outputs in nets:
        plain = FOLDER / f"{name}_float.onnx"
        torch.onnx.export(net, (torch.zeros(shape),), plain, input_names=["pixels"], output_names=outputs, dynamo=False)
        for form in (QuantFormat.QDQ, QuantFormat.QOperator):
            for kind in (QuantType.QInt8, QuantType.QUInt8):
                path = FOLDER / f"{name}_{form.name.lower()}_{kind.name[1:].lower()}.onnx"
                quantize_static(
                    plain, path, Random(shape), quant_format=form, activation_type=kind, weight_type=QuantType.QInt8
                )
    quantize_static(
        FOLDER / "two_float.onnx", FOLDER / "two_symmetric_int8.onnx", Random((1, 8)),
        activation_type=QuantType.QInt8, extra_options={"ActivationSymmetric": True},
    )  # fmt: skip


if __name__ == "__main__":
    main()
