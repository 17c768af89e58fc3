"""What a .tflite file says of the network behind the heads: its work, and what spoils the range of its codes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.model import select

#: A hidden tensor of an unbounded activation that spans more than this (relu6's range and a third) is reported.
WIDE_RANGE = 8.0


@dataclass(frozen=True)
class Network:
    """Facts of one model.

    Attributes:
        parameters: entries of constant tensors of two or more dimensions that layers multiply with.
        macs: multiply-accumulates of one inference, in convolutions and fully connected layers.
        spoilers: one line for each thing that wastes codes.
    """

    parameters: int
    macs: int
    spoilers: tuple[str, ...]


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    integer: bool
    scale: float
    zero_point: int
    constant: bool

    def span(self) -> tuple[float, float]:
        """Real values of the codes -128 and 127."""
        return self.scale * (-128 - self.zero_point), self.scale * (127 - self.zero_point)


def _tensors(model: Any, graph: Any) -> list[_Tensor]:
    import tflite

    found = []
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        quantization = tensor.Quantization()
        scales = quantization.ScaleLength() if quantization else 0
        name = (tensor.Name() or b"").decode("utf-8", "replace")
        found.append(
            _Tensor(
                "".join(c if c.isprintable() else "?" for c in name)[:60],
                tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength())),
                tensor.Type() == tflite.TensorType.INT8,
                float(quantization.Scale(0)) if scales == 1 else 0.0,
                int(quantization.ZeroPoint(0)) if scales == 1 and quantization.ZeroPointLength() else 0,
                bool(model.Buffers(tensor.Buffer()).DataLength()),
            )
        )
    return found


def _product(values: tuple[int, ...]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


def inspect_network(path: Path, outputs: object = None) -> Network:
    """Read the model at `path`; `outputs` names its heads as in `read_heads`. Raises UsageError for a broken file."""
    heads = select(path, outputs)
    try:
        return _inspect(path, heads)
    except (struct.error, AttributeError, IndexError, TypeError, ValueError, OverflowError):
        raise UsageError(f"{path.name}: not a readable TFLite model; convert it again, or give another file") from None


def _inspect(path: Path, heads: list[int]) -> Network:
    import tflite

    op = tflite.BuiltinOperator
    fused = {
        op.CONV_2D: tflite.Conv2DOptions,
        op.DEPTHWISE_CONV_2D: tflite.DepthwiseConv2DOptions,
        op.FULLY_CONNECTED: tflite.FullyConnectedOptions,
        op.ADD: tflite.AddOptions,
    }
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors = _tensors(model, graph)
    outputs = {graph.Outputs(index) for index in heads}
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    kinds = []
    for operator in operators:
        code = model.OperatorCodes(operator.OpcodeIndex())
        kinds.append(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
    # A reshape behind a head belongs to the head.
    for operator, kind in zip(reversed(operators), reversed(kinds), strict=True):
        if kind in (op.RESHAPE, op.CONCATENATION) and operator.Outputs(0) in outputs:
            outputs.update(operator.Inputs(i) for i in range(operator.InputsLength()))

    macs = parameters = 0
    spoilers = []
    for operator, kind in zip(operators, kinds, strict=True):
        result = tensors[operator.Outputs(0)]
        if kind in (op.CONV_2D, op.DEPTHWISE_CONV_2D, op.FULLY_CONNECTED):
            weights = tensors[operator.Inputs(1)].shape
            parameters += _product(weights)
            per_output = weights[1] * weights[2] if kind == op.DEPTHWISE_CONV_2D else _product(weights[1:])
            macs += _product(result.shape) * per_output
        elif kind == op.TRANSPOSE_CONV:
            weights = tensors[operator.Inputs(1)].shape
            parameters += _product(weights)
            macs += _product(tensors[operator.Inputs(2)].shape) * _product(weights[:3])
        if not result.integer or not result.scale:
            continue
        if kind in fused and operator.Outputs(0) not in outputs:
            options = fused[kind]()
            table = operator.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            bounded = options.FusedActivationFunction() in (
                tflite.ActivationFunctionType.RELU6,
                tflite.ActivationFunctionType.RELU_N1_TO_1,
            )
            low, high = result.span()
            if not bounded and high - low > WIDE_RANGE:
                spoilers.append(
                    f"hidden tensor {result.name!r} is unbounded and spans {low:.3g}..{high:.3g}: one code is "
                    f"{result.scale:.3g}; bound it (relu6) and train again"
                )
        if kind in (op.LOGISTIC, op.TANH) and operator.Outputs(0) in outputs:
            before = tensors[operator.Inputs(0)]
            steepest = 0.25 if kind == op.LOGISTIC else 1.0
            step = steepest * before.scale / result.scale
            if step > 1.0:
                name = "sigmoid" if kind == op.LOGISTIC else "tanh"
                spoilers.append(
                    f"the head's {name} has an 8-bit input (scale {before.scale:.3g}): one code of it is up to "
                    f"{step:.1f} codes of the head; use a linear head of bounded range"
                )
    return Network(parameters, macs, tuple(spoilers))
