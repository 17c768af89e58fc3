"""ONNX models, as onnxruntime's static quantization writes them (QDQ and QOperator); run by onnxruntime.

The output of such a model is a float tensor behind a DequantizeLinear: the codes are what goes into it. An output can
also be the integer tensor itself, behind a QuantizeLinear or an operator of the QLinear family (operators: ONNX's
Operators.md, and ContribOperators.md of onnxruntime for the domain com.microsoft).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
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

#: What reading a damaged file can raise, beside protobuf's DecodeError.
_DAMAGED = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, MemoryError, RecursionError)
#: Operators that keep the order of the values in memory.
_RESHAPING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
#: Operators that leave the numbers what they are.
_SAME_NUMBERS = _RESHAPING | {"QuantizeLinear", "DequantizeLinear"}
#: Operators with an integer result -> place of its scale among the inputs; the zero point follows.
_RESULT_SCALE = {
    "QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7, "QLinearSigmoid": 3, "QLinearLeakyRelu": 3,
    "QLinearAdd": 6, "QLinearMul": 6, "QLinearConcat": 0, "QLinearGlobalAveragePool": 3, "QLinearAveragePool": 3,
}  # fmt: skip
#: Operators that multiply with weights -> place of the weights among the inputs.
_WEIGHTS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3}
#: Domains whose operators onnxruntime knows.
_KNOWN_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


@dataclass(frozen=True)
class _Codes:
    """Where the codes of a tensor are: the integer tensor's name, its type, scale and zero point (as many)."""

    tensor: str
    dtype: str
    scale: tuple[Decimal, ...]
    zero_point: tuple[int, ...]


class _Graph:
    """A parsed model with look-up by tensor name."""

    def __init__(self, path: Path, data: bytes, kind: ModelFormat) -> None:
        self._onnx = require("onnx", f"reading {path.name}", "onnx")
        damage = require("onnx", f"reading {path.name}", "google.protobuf.message").DecodeError
        try:
            self.model = self._onnx.load_model_from_string(data)
            self.graph = self.model.graph
            self.producer = {name: node for node in self.graph.node for name in node.output}
            self._constants = {tensor.name: tensor for tensor in self.graph.initializer}
            for node in self.graph.node:
                if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                    self._constants[node.output[0]] = node.attribute[0].t
            if not 0 < len(self.graph.output) <= MAX_OUTPUTS:
                raise broken(path, kind)
        except (damage, *_DAMAGED):
            raise broken(path, kind) from None

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a constant tensor, None where it is computed."""
        found = self._constants.get(name)
        return None if found is None else np.atleast_1d(self._onnx.numpy_helper.to_array(found))

    def mixed(self) -> bool:
        """Whether an operator on integers multiplies unsigned activations by signed weights, both of 8 bits."""
        for node in self.graph.node:
            if node.op_type in ("QLinearConv", "QLinearMatMul", "QGemm"):
                zero, weights = (self.constant(name) for name in node.input[2:4])
                if zero is not None and weights is not None and zero.dtype == np.uint8 and weights.dtype == np.int8:
                    return True
        return False

    def constant_shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a constant tensor, seen through a DequantizeLinear; None where it is computed."""
        node = self.producer.get(name)
        if node is not None and node.op_type == "DequantizeLinear":
            name = node.input[0]
        found = self._constants.get(name)
        return None if found is None else tuple(int(extent) for extent in found.dims)

    def quantization(self, node: Any, place: int, tensor: str) -> _Codes | None:
        """The codes in `tensor`, whose scale is input `place` of `node`; None where that is no constant."""
        scale = self.constant(node.input[place])
        if scale is None or not (np.isfinite(scale).all() and (scale > 0).all()):
            return None
        given = node.input[place + 1] if len(node.input) > place + 1 else ""
        zero = self.constant(given) if given else np.zeros(len(scale), dtype=np.uint8)
        if zero is None:
            return None
        first = slice(None, 2)  # two tell that it is per channel
        return _Codes(
            tensor, zero.dtype.name, tuple(Decimal(float(one)) for one in scale[first]), tuple(map(int, zero[first]))
        )

    def codes(self, name: str) -> _Codes | None:
        """Where the codes of the tensor `name` are; None for a float tensor."""
        name = self._behind(name, _RESHAPING)
        node = self.producer.get(name)
        if node is None:
            return None
        if node.op_type == "DequantizeLinear":
            return self.quantization(node, 1, node.input[0])
        if node.op_type in _RESULT_SCALE:
            return self.quantization(node, _RESULT_SCALE[node.op_type], name)
        return None

    def origin(self, name: str) -> str:
        """The tensor whose numbers `name` holds, before what only reshapes, quantizes or dequantizes them."""
        return self._behind(name, _SAME_NUMBERS)

    def _behind(self, name: str, kinds: frozenset[str]) -> str:
        """The tensor that `name` comes from through operators of these kinds alone. Raises ValueError for a circle."""
        for _ in range(len(self.producer) + 1):
            node = self.producer.get(name)
            if node is None or node.op_type not in kinds:
                return name
            name = node.input[0]
        raise ValueError("the graph runs in a circle")

    def shape(self, value: Any) -> tuple[int, ...]:
        """Shape of a value_info; -1 where an extent is open."""
        dims = value.type.tensor_type.shape.dim
        return tuple(int(dim.dim_value) if dim.dim_value > 0 else -1 for dim in list(dims)[:16])

    def dtype(self, value: Any) -> str:
        """NumPy's name of the type of a value_info, "" where there is none."""
        try:
            return str(np.dtype(self._onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name)
        except (KeyError, TypeError, ValueError):
            return ""

    def outputs(self) -> Iterator[tuple[Any, _Codes | None]]:
        """The outputs with their codes."""
        for value in self.graph.output:
            yield value, self.codes(value.name)

    def inferred_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors that shape inference finds."""
        inferred = self._onnx.shape_inference.infer_shapes(self.model).graph
        return {value.name: self.shape(value) for value in (*inferred.value_info, *inferred.input, *inferred.output)}


class Onnx(ModelFormat):
    """ONNX models of one graph."""

    name = "ONNX"
    suffix = ".onnx"
    extra = "onnx"

    def recognizes(self, start: bytes) -> bool:
        """Never: protobuf files have no mark; the suffix tells them."""
        return False

    def signatures(self, path: Path, data: bytes) -> tuple[Signature, ...]:
        """As `ModelFormat.signatures`: ONNX has one, without a key; the graph's outputs carry the user's names."""
        graph = _Graph(path, data, self)
        try:
            found = []
            for index, (value, codes) in enumerate(graph.outputs()):
                quantized = (codes.dtype, codes.scale, codes.zero_point) if codes else (graph.dtype(value), (), ())
                origin = printable(graph.origin(value.name))
                coded = codes is not None or "int" in quantized[0]
                found.append(Output(index, printable(value.name), (), graph.shape(value), *quantized, origin, coded))
        except _DAMAGED:
            raise broken(path, self) from None
        return (Signature("", tuple(found)),)

    def fetch(self, heads: HeadTensors, axis: int) -> str:
        """As `ModelFormat.fetch`: runtimes for ONNX differ in their calls, so the tensor of the codes is named."""
        tensor = heads.of_axis(axis)
        graph = _Graph(heads.path, heads.path.read_bytes(), self)
        codes = graph.codes(graph.graph.output[tensor.index].name)
        place = f", from element {axis * math.prod(tensor.shape[2:])}" if heads.channels_first and axis else ""
        return f"the {tensor.dtype} codes in {printable(codes.tensor if codes else tensor.name)!r}{place}"

    def network(self, path: Path, data: bytes, heads: Sequence[Output]) -> Network:
        """As `ModelFormat.network`."""
        graph = _Graph(path, data, self)
        try:
            names = {graph.graph.output[head.index].name for head in heads}
            parameters, macs = _work(graph)
            return Network(parameters, macs, tuple(_spoilers(graph, names)))
        except _DAMAGED:
            raise broken(path, self) from None

    def run(
        self, path: Path, inputs: Mapping[str, NDArray[Any]], indices: Sequence[int], signature: str, reference: bool,
        count: Count,
    ) -> dict[str, Any]:  # fmt: skip
        """As `ModelFormat.run`; `reference` runs the graph node by node as it is written, without fusing any."""
        runtime = require("onnx", f"running {path.name}", "onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        levels = runtime.GraphOptimizationLevel
        graph = _Graph(path, path.read_bytes(), self)
        options.graph_optimization_level = levels.ORT_DISABLE_ALL if reference else levels.ORT_ENABLE_ALL
        # On x86 without VNNI, sums of two products of unsigned activations and signed weights saturate at 16 bits (AVX2's
        # VPMADDUBSW), unless the optimizer makes the weights unsigned.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if graph.mixed():
            # There is nothing else in operators on integers that the optimizer could round otherwise.
            options.graph_optimization_level = levels.ORT_ENABLE_ALL
        foreign = sorted({f"{n.domain}.{n.op_type}" for n in graph.graph.node if n.domain not in _KNOWN_DOMAINS})
        try:
            session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common base
            if foreign:
                raise ValueError(f"onnxruntime does not know its custom operators {', '.join(foreign)}") from None
            raise ValueError(str(error)) from None
        values = {value.name: value for value in graph.graph.input}
        tensors = [
            InputTensor("", node.name, graph.shape(values[node.name]), np.dtype(graph.dtype(values[node.name])))
            for node in session.get_inputs()
        ]
        samples = encode_inputs(tensors, inputs)
        chosen = [graph.graph.output[index] for index in indices]
        total = len(next(iter(samples.values())))
        results: list[list[NDArray[Any]]] = [[] for _ in chosen]
        spent = []
        for sample in range(total):
            feed = {t.name: samples[t.name][sample].reshape(_one(t, samples[t.name][sample])) for t in tensors}
            start = time.perf_counter()
            found = session.run([value.name for value in chosen], feed)
            spent.append(time.perf_counter() - start)
            for collected, value, array in zip(results, chosen, found, strict=True):
                collected.append(_as_codes(graph.codes(value.name), array))
            count(sample + 1, total)
        codes = [graph.codes(value.name) for value in chosen]
        return {
            "outputs": [np.stack(result) for result in results],
            "scale": [float(one.scale[0]) if one else 0.0 for one in codes],
            "zero_point": [one.zero_point[0] if one else 0 for one in codes],
            "milliseconds": 1000.0 * np.array(spent),
        }


def _one(tensor: InputTensor, sample: NDArray[Any]) -> tuple[int, ...]:
    """The shape of one sample: the tensor's where it is fixed, else the sample's own behind a batch of 1."""
    return (1, *(sample.shape if -1 in tensor.shape[1:] else tensor.shape[1:]))


def _as_codes(codes: _Codes | None, values: NDArray[Any]) -> NDArray[Any]:
    """The integer codes behind an output, without a batch axis of 1."""
    if codes is not None and not np.issubdtype(values.dtype, np.integer):
        # The float32 product scale * (code - zero_point) is within 2^-24 of itself: the quotient rounds to the code.
        values = (np.rint(values.astype(np.float64) / float(codes.scale[0])) + codes.zero_point[0]).astype(codes.dtype)
    return values[0] if values.ndim > 1 and values.shape[0] == 1 else values


def _work(graph: _Graph) -> tuple[int, int]:
    """(parameters, multiply-accumulates) of the layers with weights; open extents count as 1."""
    shapes = graph.inferred_shapes()
    parameters = macs = 0
    for node in graph.graph.node:
        if node.op_type not in _WEIGHTS:
            continue
        weights = graph.constant_shape(node.input[_WEIGHTS[node.op_type]])
        if weights is None:
            continue
        parameters += math.prod(weights)
        shape = [abs(extent) for extent in shapes.get(node.output[0], ())]
        if node.op_type == "ConvTranspose":
            macs += math.prod(abs(extent) for extent in shapes.get(node.input[0], ())) * math.prod(weights[1:])
        elif "Conv" in node.op_type:
            macs += math.prod(shape) * math.prod(weights[1:])
        else:
            macs += math.prod(shape[:-1]) * math.prod(weights)
    return parameters, macs


def _spoilers(graph: _Graph, heads: set[str]) -> Iterator[str]:
    """One line for each thing that wastes codes."""
    ends = {codes.tensor for name in heads if (codes := graph.codes(name))}
    steepest = {"Sigmoid": 0.25, "Tanh": 1.0, "QLinearSigmoid": 0.25}
    for node in graph.graph.node:
        if node.op_type not in _RESULT_SCALE or graph.constant_shape(node.input[0]) is not None:
            continue
        after = graph.codes(node.output[0])
        if after is None or len(after.scale) != 1 or after.dtype not in ("int8", "uint8"):
            continue
        scale = float(after.scale[0])
        source = graph.producer.get(node.input[0]) if node.op_type == "QuantizeLinear" else node
        if node.output[0] not in ends:
            low, high = (
                scale * (end - after.zero_point[0]) for end in (np.iinfo(after.dtype).min, np.iinfo(after.dtype).max)
            )
            if source is not None and source.op_type not in ("Clip", "HardSigmoid") and high - low > WIDE_RANGE:
                yield wide_tensor(printable(node.output[0])[:60], low, high, scale)
        elif source is not None and source.op_type in steepest:
            before = graph.quantization(node, 1, "") if source is node else graph.codes(source.input[0])
            if before is not None and before.scale:
                step = steepest[source.op_type] * float(before.scale[0]) / scale
                if step > 1.0:
                    name = source.op_type.removeprefix("QLinear").lower()
                    yield coarse_activation(name, float(before.scale[0]), step)


FORMATS.add("onnx", Onnx())
