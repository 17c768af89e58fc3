"""Small .tflite files made on the spot: just the metadata that the generator reads (TFLite schema, schema.fbs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flatbuffers  # type: ignore[import-untyped]
import tflite


@dataclass(frozen=True)
class Head:
    """An output tensor: name, shape, TensorType, scales and zero points (as many as given)."""

    name: str = "heads"
    shape: Sequence[int] = (1, 2)
    kind: int = tflite.TensorType.INT8
    scale: Sequence[float] = (0.00390625,)
    zero_point: Sequence[int] = (-128,)


def tflite_file(
    *heads: Head,
    signatures: Mapping[str, Mapping[str, int]] | None = None,
    outputs: Sequence[int] | None = None,
    reshapes: Mapping[int, int] | None = None,
) -> bytes:
    """A model whose only subgraph has these tensors.

    `signatures`: key -> name of an output -> its tensor's index. `outputs`: indices of the tensors that are outputs, all
    where it is None. `reshapes`: a tensor -> the one that it is reshaped from; there is no other operator.
    """
    build = flatbuffers.Builder(1024)

    def vector(start: object, values: Sequence[float], put: object) -> int:
        start(build, len(values))  # type: ignore[operator]
        for value in reversed(values):
            put(value)  # type: ignore[operator]
        return int(build.EndVector())

    tensors = []
    for head in heads:
        name = build.CreateString(head.name)
        shape = vector(tflite.TensorStartShapeVector, head.shape, build.PrependInt32)
        scale = vector(tflite.QuantizationParametersStartScaleVector, head.scale, build.PrependFloat32)
        zero = vector(tflite.QuantizationParametersStartZeroPointVector, head.zero_point, build.PrependInt64)
        tflite.QuantizationParametersStart(build)
        tflite.QuantizationParametersAddScale(build, scale)
        tflite.QuantizationParametersAddZeroPoint(build, zero)
        quantization = tflite.QuantizationParametersEnd(build)
        tflite.TensorStart(build)
        tflite.TensorAddShape(build, shape)
        tflite.TensorAddType(build, head.kind)
        tflite.TensorAddName(build, name)
        tflite.TensorAddQuantization(build, quantization)
        tensors.append(tflite.TensorEnd(build))
    listed = vector(tflite.SubGraphStartTensorsVector, tensors, build.PrependUOffsetTRelative)
    places = vector(
        tflite.SubGraphStartOutputsVector, range(len(heads)) if outputs is None else outputs, build.PrependInt32
    )
    operators = []
    for result, source in (reshapes or {}).items():
        inputs = vector(tflite.OperatorStartInputsVector, [source], build.PrependInt32)
        results = vector(tflite.OperatorStartOutputsVector, [result], build.PrependInt32)
        tflite.OperatorStart(build)
        tflite.OperatorAddInputs(build, inputs)
        tflite.OperatorAddOutputs(build, results)
        operators.append(tflite.OperatorEnd(build))
    steps = vector(tflite.SubGraphStartOperatorsVector, operators, build.PrependUOffsetTRelative)
    tflite.OperatorCodeStart(build)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(build, tflite.BuiltinOperator.RESHAPE)
    codes = vector(tflite.ModelStartOperatorCodesVector, [tflite.OperatorCodeEnd(build)], build.PrependUOffsetTRelative)
    tflite.SubGraphStart(build)
    tflite.SubGraphAddTensors(build, listed)
    tflite.SubGraphAddOutputs(build, places)
    tflite.SubGraphAddOperators(build, steps)
    graph = tflite.SubGraphEnd(build)
    graphs = vector(tflite.ModelStartSubgraphsVector, [graph], build.PrependUOffsetTRelative)
    definitions = []
    for key, names in (signatures or {}).items():
        maps = []
        for name, index in names.items():
            text = build.CreateString(name)
            tflite.TensorMapStart(build)
            tflite.TensorMapAddName(build, text)
            tflite.TensorMapAddTensorIndex(build, index)
            maps.append(tflite.TensorMapEnd(build))
        named = vector(tflite.SignatureDefStartOutputsVector, maps, build.PrependUOffsetTRelative)
        text = build.CreateString(key)
        tflite.SignatureDefStart(build)
        tflite.SignatureDefAddSignatureKey(build, text)
        tflite.SignatureDefAddOutputs(build, named)
        definitions.append(tflite.SignatureDefEnd(build))
    listed = vector(tflite.ModelStartSignatureDefsVector, definitions, build.PrependUOffsetTRelative)
    tflite.ModelStart(build)
    tflite.ModelAddVersion(build, 3)
    tflite.ModelAddSubgraphs(build, graphs)
    tflite.ModelAddOperatorCodes(build, codes)
    if definitions:
        tflite.ModelAddSignatureDefs(build, listed)
    build.Finish(tflite.ModelEnd(build), b"TFL3")
    return bytes(build.Output())
