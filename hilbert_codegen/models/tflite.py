"""TFLite models: read by the pure-Python flatbuffer reader of the package `tflite` (TensorFlow's schema.fbs), run by
tflite-runtime or ai-edge-litert.

The reference kernels are the default of a run: they give the same bits everywhere, which XNNPACK's do not.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.models.inference import Count, InputTensor, encode_inputs
from hilbert_codegen.models.model import (
    FORMATS,
    MAX_OUTPUTS,
    HeadTensors,
    ModelFormat,
    Output,
    Signature,
    broken,
    printable,
)
from hilbert_codegen.models.network import WIDE_RANGE, Network, coarse_activation, wide_tensor
from hilbert_codegen.resources import require

#: What reading a damaged flatbuffer can raise.
_DAMAGED = (struct.error, AttributeError, IndexError, TypeError, ValueError, OverflowError, MemoryError)
#: Dimensions of a tensor past this are not read.
_MAX_RANK = 16


def _reader(path: Path) -> Any:
    return require("tflite", f"reading {path.name}", "tflite")


def _dtype(tflite: Any, kind: int) -> str:
    types = tflite.TensorType
    return {
        types.INT8: "int8", types.UINT8: "uint8", types.INT16: "int16", types.INT32: "int32", types.INT64: "int64",
        types.FLOAT32: "float32", types.FLOAT16: "float16", types.FLOAT64: "float64", types.BOOL: "bool",
    }.get(kind, "")  # fmt: skip


def _shape(tensor: Any) -> tuple[int, ...]:
    """The shape, with -1 where the signature leaves an extent past the batch open."""
    shape = [int(tensor.Shape(i)) for i in range(min(tensor.ShapeLength(), _MAX_RANK))]
    if tensor.ShapeSignatureLength() == len(shape):
        shape[1:] = [int(tensor.ShapeSignature(i)) for i in range(1, len(shape))]
    return tuple(shape)


def _quantization(tensor: Any) -> tuple[tuple[Decimal, ...], tuple[int, ...]]:
    found = tensor.Quantization()
    count = found.ScaleLength() if found is not None else 0
    scales = [float(found.Scale(i)) for i in range(min(count, 2))]  # two tell that it is per channel
    if not count or not all(math.isfinite(scale) and scale > 0 for scale in scales):
        return (), ()
    zeros = (int(found.ZeroPoint(i)) if i < found.ZeroPointLength() else 0 for i in range(len(scales)))
    return tuple(Decimal(scale) for scale in scales), tuple(zeros)


def _origins(tflite: Any, model: Any, graph: Any) -> dict[int, int]:
    """Tensors that only reshape, quantize or dequantize another -> that one."""
    op = tflite.BuiltinOperator
    same_numbers = (op.RESHAPE, op.SQUEEZE, op.EXPAND_DIMS, op.QUANTIZE, op.DEQUANTIZE)
    found = {}
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) in same_numbers:
            found[int(operator.Outputs(0))] = int(operator.Inputs(0))
    return found


def _outputs(tflite: Any, model: Any, graph: Any, aliases: Mapping[int, list[str]]) -> tuple[Output, ...]:
    found = []
    origins = _origins(tflite, model, graph)
    for index in range(graph.OutputsLength()):
        place = graph.Outputs(index)
        tensor = graph.Tensors(place)
        scale, zero_point = _quantization(tensor)
        origin, passed = place, {place}
        while (before := origins.get(origin, origin)) not in passed:
            origin = before
            passed.add(origin)
        found.append(
            Output(
                index, printable(tensor.Name()), tuple(aliases.get(place, [])), _shape(tensor),
                _dtype(tflite, tensor.Type()), scale, zero_point,
                f"{origin}: {printable(graph.Tensors(origin).Name())}",
                any("int" in _dtype(tflite, graph.Tensors(step).Type()) for step in passed),
            )
        )  # fmt: skip
    return tuple(found)


def _subgraph(model: Any, signature: str) -> int:
    """Index of the subgraph that the signature calls."""
    for index in range(model.SignatureDefsLength()):
        definition = model.SignatureDefs(index)
        if printable(definition.SignatureKey()) == signature:
            return int(definition.SubgraphIndex())
    return 0


@dataclass(frozen=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    integer: bool
    scale: float
    zero_point: int

    def span(self) -> tuple[float, float]:
        """Real values of the codes -128 and 127."""
        return self.scale * (-128 - self.zero_point), self.scale * (127 - self.zero_point)


def _tensors(tflite: Any, graph: Any) -> list[_Tensor]:
    found = []
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        quantization = tensor.Quantization()
        scales = quantization.ScaleLength() if quantization else 0
        found.append(
            _Tensor(
                printable(tensor.Name())[:60],
                tuple(int(tensor.Shape(i)) for i in range(tensor.ShapeLength())),
                tensor.Type() == tflite.TensorType.INT8,
                float(quantization.Scale(0)) if scales == 1 else 0.0,
                int(quantization.ZeroPoint(0)) if scales == 1 and quantization.ZeroPointLength() else 0,
            )
        )
    return found


class TFLite(ModelFormat):
    """TFLite (LiteRT) flatbuffers."""

    name = "TFLite"
    suffix = ".tflite"
    extra = "tflite"

    def recognizes(self, start: bytes) -> bool:
        """By the flatbuffer's identifier."""
        return start[4:8] == b"TFL3"

    def signatures(self, path: Path, data: bytes) -> tuple[Signature, ...]:
        """As `ModelFormat.signatures`; a file without signature_defs has one of key "": its first subgraph."""
        tflite = _reader(path)
        if not self.recognizes(data[:16]):
            raise broken(path, self)
        try:
            model = tflite.Model.GetRootAsModel(data, 0)
            count = model.SignatureDefsLength()
            if not 0 <= count <= MAX_OUTPUTS:
                raise broken(path, self)
            found = []
            for index in range(count):
                definition = model.SignatureDefs(index)
                aliases: dict[int, list[str]] = {}
                for place in range(min(definition.OutputsLength(), MAX_OUTPUTS)):
                    entry = definition.Outputs(place)
                    aliases.setdefault(entry.TensorIndex(), []).append(printable(entry.Name()))
                graph = model.Subgraphs(definition.SubgraphIndex())
                if not 0 < graph.OutputsLength() <= MAX_OUTPUTS:
                    raise broken(path, self)
                main = definition.SubgraphIndex() == 0
                found.append(
                    Signature(printable(definition.SignatureKey()), _outputs(tflite, model, graph, aliases), main)
                )
            if not found:
                graph = model.Subgraphs(0)
                if not 0 < graph.OutputsLength() <= MAX_OUTPUTS:
                    raise broken(path, self)
                found.append(Signature("", _outputs(tflite, model, graph, {})))
        except _DAMAGED:
            raise broken(path, self) from None
        return tuple(found)

    def fetch(self, heads: HeadTensors, axis: int) -> str:
        """As `ModelFormat.fetch`: TFLite Micro's call, or the signature's runner where the function is not the main."""
        tensor = heads.of_axis(axis)
        data = {"int8": "int8", "uint8": "uint8", "int16": "i16"}.get(tensor.dtype, "f")
        plane = math.prod(tensor.shape[2:])
        offset = f" + {axis * plane}" if heads.channels_first and axis else ""
        if heads.main:
            return f"interpreter.output({tensor.index})->data.{data}{offset}"
        name = tensor.aliases[0] if tensor.aliases else tensor.name
        return f'interpreter.GetSignatureRunner("{heads.signature}")->output_tensor("{name}")->data.{data}{offset}'

    def network(self, path: Path, data: bytes, heads: Sequence[Output]) -> Network:
        """As `ModelFormat.network`, of the first subgraph."""
        tflite = _reader(path)
        try:
            return _inspect(tflite, data, [head.index for head in heads])
        except _DAMAGED:
            raise broken(path, self) from None

    def run(
        self, path: Path, inputs: Mapping[str, NDArray[Any]], indices: Sequence[int], signature: str, reference: bool,
        count: Count,
    ) -> dict[str, Any]:  # fmt: skip
        """As `ModelFormat.run`. Variable tensors are reset before every sample, so that their order does not matter."""
        model = _reader(path).Model.GetRootAsModel(path.read_bytes(), 0)
        runner = Runner(path, model, signature, reference)
        details = [runner.outputs()[i] for i in indices]
        samples = encode_inputs(runner.inputs(), inputs)
        total = len(next(iter(samples.values())))
        results: list[list[NDArray[Any]]] = [[] for _ in details]
        spent = []
        for sample in range(total):
            runner.reset()
            spent.append(runner.invoke({name: values[sample] for name, values in samples.items()}))
            for collected, detail in zip(results, details, strict=True):
                collected.append(runner.read(detail))
            count(sample + 1, total)
        return {
            "outputs": [np.stack(result) for result in results],
            "scale": [detail["quantization"][0] for detail in details],
            "zero_point": [detail["quantization"][1] for detail in details],
            "milliseconds": 1000.0 * np.array(spent),
        }


class Runner:
    """One interpreter: of the first subgraph by index, of any other by the signature's names."""

    def __init__(self, path: Path, model: Any, signature: str, reference: bool) -> None:
        runtime = require(
            "tflite", f"running {path.name}", "tflite_runtime.interpreter", "ai_edge_litert.interpreter"
        )  # fmt: skip
        kind = runtime.OpResolverType.BUILTIN_REF if reference else runtime.OpResolverType.AUTO
        self._make: Callable[[], Any] = lambda: runtime.Interpreter(
            model_path=str(path), num_threads=1, experimental_op_resolver_type=kind
        )
        if _subgraph(model, signature) != 0:
            raise ValueError(
                f"signature {signature!r} is not the first subgraph, which is all that TFLite Micro runs; convert the "
                f"model with that function alone"
            )
        self._names = {}
        for index in range(model.SignatureDefsLength()):
            definition = model.SignatureDefs(index)
            if definition.SubgraphIndex() == 0 and printable(definition.SignatureKey()) == signature:
                for place in range(definition.InputsLength()):
                    entry = definition.Inputs(place)
                    self._names[int(entry.TensorIndex())] = printable(entry.Name())
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        custom = [printable(code.CustomCode()) for code in codes if code.CustomCode()]
        builtin = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]
        # Resource variables live outside the tensors that reset_all_variables() clears: only a new interpreter does.
        self._resources = any(code in (129, 142) for code in builtin)
        try:
            self._interpreter = self._make()
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            if custom:
                raise ValueError(
                    f"it has the custom operators {', '.join(sorted(custom))}, and {runtime.__name__.split('.')[0]} does "
                    f"not know all of them; convert it with built-in operators alone"
                ) from None
            raise ValueError(str(error)) from None

    def inputs(self) -> list[InputTensor]:
        """The input tensors in the file's order."""
        return [
            InputTensor(
                self._names.get(int(detail["index"]), ""), printable(detail["name"]), tuple(map(int, detail["shape"])),
                np.dtype(detail["dtype"]), float(detail["quantization"][0]), int(detail["quantization"][1]),
            )
            for detail in self._interpreter.get_input_details()
        ]  # fmt: skip

    def outputs(self) -> list[dict[str, Any]]:
        """The interpreter's details of all outputs."""
        return list(self._interpreter.get_output_details())

    def reset(self) -> None:
        """Forget the state of the sample before."""
        if self._resources:
            self._interpreter = self._make()
            self._interpreter.allocate_tensors()
        self._interpreter.reset_all_variables()

    def invoke(self, sample: Mapping[str, NDArray[Any]]) -> float:
        """Run one sample; returns the seconds spent."""
        for detail, values in zip(self._interpreter.get_input_details(), sample.values(), strict=True):
            self._interpreter.set_tensor(detail["index"], values.reshape(detail["shape"]))
        start = time.perf_counter()
        self._interpreter.invoke()
        return time.perf_counter() - start

    def read(self, detail: Mapping[str, Any]) -> NDArray[Any]:
        """The tensor of an output without a batch axis of 1."""
        values: NDArray[Any] = self._interpreter.get_tensor(detail["index"])
        return values[0] if values.ndim > 1 and values.shape[0] == 1 else values


def _inspect(tflite: Any, data: bytes, heads: Sequence[int]) -> Network:
    op = tflite.BuiltinOperator
    fused = {
        op.CONV_2D: tflite.Conv2DOptions,
        op.DEPTHWISE_CONV_2D: tflite.DepthwiseConv2DOptions,
        op.FULLY_CONNECTED: tflite.FullyConnectedOptions,
        op.ADD: tflite.AddOptions,
    }
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    tensors = _tensors(tflite, graph)
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
            parameters += math.prod(weights)
            per_output = weights[1] * weights[2] if kind == op.DEPTHWISE_CONV_2D else math.prod(weights[1:])
            macs += math.prod(result.shape) * per_output
        elif kind == op.TRANSPOSE_CONV:
            weights = tensors[operator.Inputs(1)].shape
            parameters += math.prod(weights)
            macs += math.prod(tensors[operator.Inputs(2)].shape) * math.prod(weights[:3])
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
                spoilers.append(wide_tensor(result.name, low, high, result.scale))
        if kind in (op.LOGISTIC, op.TANH) and operator.Outputs(0) in outputs:
            before = tensors[operator.Inputs(0)]
            steepest = 0.25 if kind == op.LOGISTIC else 1.0
            step = steepest * before.scale / result.scale
            if step > 1.0:
                spoilers.append(coarse_activation("sigmoid" if kind == op.LOGISTIC else "tanh", before.scale, step))
    return Network(parameters, macs, tuple(spoilers))


FORMATS.add("tflite", TFLite())
