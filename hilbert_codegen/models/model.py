"""What a .tflite file says of its output tensors, read without running it.

The file is parsed by the pure-Python flatbuffer reader of the `tflite` package (TFLite schema: TensorFlow,
schema.fbs): a hostile file can be wrong, but is never executed.
"""

from __future__ import annotations

import stat
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

from hilbert_codegen.errors import UsageError

#: Models past this size are refused: a decoder's metadata is not worth reading gigabytes for.
MAX_MODEL_BYTES = 1 << 30
_IDENTIFIER = b"TFL3"


def _text(raw: bytes | None) -> str:
    """A tensor's name as printable text of at most 100 characters: it ends in messages and C comments."""
    decoded = (raw or b"").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in decoded)[:100]


def _output_tensors(path: Path) -> list[tuple[str, Any]]:
    try:
        import tflite
    except ImportError:
        raise UsageError(
            f"{path.name}: reading a model needs the package tflite; pip install 'hilbert_codegen[tflite]'"
        ) from None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path}: is no file; give the path of a .tflite file")
        if status.st_size > MAX_MODEL_BYTES:
            raise UsageError(f"{path.name}: larger than {MAX_MODEL_BYTES} bytes; is it a .tflite file?")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: can't be read: {reason}; give the path of a .tflite file") from None
    broken = UsageError(f"{path.name}: not a readable TFLite model; convert it again, or give another file")
    if data[4:8] != _IDENTIFIER:
        raise broken
    try:
        graph = tflite.Model.GetRootAsModel(data, 0).Subgraphs(0)
        count = graph.OutputsLength()
        if not 0 < count <= 64:
            raise broken
        tensors = [graph.Tensors(graph.Outputs(i)) for i in range(count)]
        return [(_text(tensor.Name()), tensor) for tensor in tensors]
    except (struct.error, AttributeError, IndexError, TypeError, ValueError, OverflowError, MemoryError):
        raise broken from None


def select(path: Path, outputs: object) -> list[int]:
    """Indices of the output tensors that `outputs` names (as in `read_heads`; None: all). Raises UsageError."""
    tensors = _output_tensors(path)
    if outputs is None:
        return list(range(len(tensors)))
    return [tensors.index(entry) for entry in _pick(path, tensors, outputs)]


def _pick(path: Path, tensors: list[tuple[str, Any]], wanted: object) -> list[tuple[str, Any]]:
    listing = ", ".join(f"{i}: {name}" for i, (name, _) in enumerate(tensors))
    if wanted is None:
        if len(tensors) > 2:
            raise UsageError(f"{path.name}: has {len(tensors)} outputs; name the heads in [model] outputs ({listing})")
        return tensors
    picked = []
    for item in wanted if isinstance(wanted, tuple) else (wanted,):
        if isinstance(item, int) and 0 <= item < len(tensors):
            picked.append(tensors[item])
        elif isinstance(item, str) and item in [name for name, _ in tensors]:
            picked.append(next(entry for entry in tensors if entry[0] == item))
        else:
            raise UsageError(f"{path.name}: model.outputs: no output {item!r}; it has {listing}")
    if len(picked) not in (1, 2):
        raise UsageError(f"{path.name}: model.outputs: {len(picked)} outputs; name one of shape [..., 2], or two")
    return picked


def read_heads(path: Path, outputs: object = None) -> tuple[dict[str, Any], str]:
    """Read dtype, scale and zero point of the two heads of a .tflite model.

    Args:
        path: the model file.
        outputs: None, an output's name or index (one tensor of shape [..., 2]), or a tuple of two (x, y).

    Returns the keys dtype, scale ((x, y), Decimals of the exact float32 values), zero_point ((x, y)) and layout, and a
    description of the tensors. Raises UsageError with the remedy for a file that is missing, broken, not quantized
    or without such outputs.
    """
    import tflite

    picked = _pick(path, _output_tensors(path), outputs)
    kinds = {tflite.TensorType.INT8: "int8", tflite.TensorType.UINT8: "uint8", tflite.TensorType.INT16: "int16"}
    found: list[tuple[str, Decimal, int]] = []
    try:
        for name, tensor in picked:
            shape = [int(tensor.Shape(i)) for i in range(min(tensor.ShapeLength(), 16))]
            if len(picked) == 1 and (not shape or shape[-1] != 2):
                raise UsageError(
                    f"{path.name}: output {name!r} has shape {shape}; one output must have 2 channels in its last "
                    f"dimension (x, y), or name two outputs in [model] outputs"
                )
            quantization = tensor.Quantization()
            scales = quantization.ScaleLength() if quantization else 0
            scale = float(quantization.Scale(0)) if scales else 0.0
            kind = kinds.get(tensor.Type())
            if kind is None or not 0.0 < scale < 1e30:
                raise UsageError(
                    f"{path.name}: output {name!r} is not quantized (scale {scale:g}); convert the model with "
                    f"inference_output_type int8 and a representative dataset"
                )
            if scales != 1:
                raise UsageError(f"{path.name}: output {name!r} is quantized per channel; a head needs one scale")
            zero_point = int(quantization.ZeroPoint(0)) if quantization.ZeroPointLength() else 0
            found.append((kind, Decimal(scale), zero_point))
    except (struct.error, AttributeError, IndexError, TypeError, ValueError, OverflowError):
        raise UsageError(f"{path.name}: not a readable TFLite model; convert it again, or give another file") from None
    if len(found) == 1:
        found *= 2
    if found[0][0] != found[1][0]:
        raise UsageError(f"{path.name}: the heads have different types, {found[0][0]} and {found[1][0]}; make them one")
    names = " and ".join(repr(name) for name, _ in picked)
    return (
        {
            "dtype": found[0][0],
            "scale": (found[0][1], found[1][1]),
            "zero_point": (found[0][2], found[1][2]),
            "layout": "interleaved" if len(picked) == 1 else "planar",
        },
        f"output {names}",
    )
