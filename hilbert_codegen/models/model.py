"""Which output tensors of a model file are the heads, and how they are quantized.

A model format is one file of this folder that registers a `ModelFormat`. It lists a file's signatures and outputs;
what is chosen from them, and what is refused, is decided here for all formats alike. Files are parsed, never executed.

Converters are free in the order of a file's outputs: TensorFlow's writes those of a Keras model with two outputs the
wrong way round (tensorflow#33303, #55242, #61065). So the order of a file decides nothing. Heads are told apart by the
names that the signature gives them, or by what the user wrote.
"""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.network import Network
from hilbert_codegen.registry import Registry

#: Models past this size are refused: a decoder's metadata is not worth reading gigabytes for.
MAX_MODEL_BYTES = 1 << 30
#: More outputs or signatures than this are refused.
MAX_OUTPUTS = 64
#: The names of heads, in their order.
AXES = ("x", "y", "z", "u", "v", "w")
#: Types of a head's codes.
HEAD_TYPES = ("int8", "uint8", "int16")


#: Characters of a list of outputs in a message.
MOST_LISTED = 1500


def _cut(name: str, most: int) -> str:
    """A name in quotes, cut after `most` characters: files with names of thousands of characters exist."""
    return repr(name) if len(name) <= most else f"{name[:most]!r}... ({len(name)} characters)"


@dataclass(frozen=True)
class Output:
    """One output tensor.

    Attributes:
        index: its place among the model's outputs as the format's runtimes count them (TFLite Micro: `output(index)`).
        name: the tensor's name, whole; what is not printable is shown as "?".
        aliases: the names that the signature gives it; none where the file has no signature.
        shape: with the batch axis; -1 where the file leaves an extent open.
        dtype: NumPy's name of the type, "" for a type that NumPy does not have.
        scale: quantization scales, the exact decimals of the file's float32 values: one, the first two (a tensor
            quantized per channel), or none (a float tensor).
        zero_point: as many zero points.
        origin: what the file computes last before it, seen through reshaping and (de)quantization: outputs of one origin
            hold the same numbers. "" where the format can't tell.
        coded: whether its values are integer codes, or were before they were only reshaped and dequantized.
    """

    index: int
    name: str
    aliases: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    scale: tuple[Decimal, ...] = ()
    zero_point: tuple[int, ...] = ()
    origin: str = ""
    coded: bool = False

    @property
    def label(self) -> str:
        """Index, name and alias: "output 1 'StatefulPartitionedCall_1:0' (signature: 'x')"."""
        known = [alias for alias in self.aliases if alias != self.name]
        return f"output {self.index} {self.name!r}" + (f" (signature: {', '.join(map(repr, known))})" if known else "")

    def describe(self, most: int = 400) -> str:
        """All that tells it from others, on one line; of longer names the first `most` characters."""
        quantized = "float" if not self.scale else f"scale {float(self.scale[0]):.9g} zero point {self.zero_point[0]}"
        if len(self.scale) > 1:
            quantized = "quantized per channel"
        names = " = ".join(_cut(name, most) for name in dict.fromkeys((self.name, *self.aliases)))
        return f"{self.index}: {names} {list(self.shape)} {self.dtype or 'of another type'}, {quantized}"


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Attributes:
        key: its name, "" where the file names none.
        outputs: in the file's order.
        main: whether it is what a plain interpreter runs, rather than another function of the file.
    """

    key: str
    outputs: tuple[Output, ...]
    main: bool = True


class ModelFormat(ABC):
    """A kind of model file. `Session` objects are made in a process of their own (see `inference`)."""

    #: Name of the format, as in messages.
    name: str
    #: End of the files' names, with the dot.
    suffix: str
    #: The extra of this package that reads and runs it.
    extra: str

    @abstractmethod
    def recognizes(self, start: bytes) -> bool:
        """Whether a file with these first 16 bytes is one, whatever its name."""

    @abstractmethod
    def signatures(self, path: Path, data: bytes) -> tuple[Signature, ...]:
        """The signatures of a file, one with key "" where it names none. Raises UsageError for a broken file."""

    @abstractmethod
    def fetch(self, heads: HeadTensors, axis: int) -> str:
        """The expression that gives a pointer to the codes of head `axis` (all heads if interleaved) on the target."""

    @abstractmethod
    def network(self, path: Path, data: bytes, heads: Sequence[Output]) -> Network:
        """What the file says of the network before `heads`. Raises UsageError for a broken file."""

    @abstractmethod
    def run(
        self, path: Path, inputs: Mapping[str, NDArray[Any]], indices: Sequence[int], signature: str, reference: bool,
        count: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Invoke the model once a sample; called in the child process of `inference`, which documents the result."""


FORMATS: Registry[ModelFormat] = Registry("model format", "hilbert_codegen.models")


def printable(raw: bytes | str | None) -> str:
    """A name of a file as printable text: it ends in messages and C comments."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw or ""
    return "".join(c if c.isprintable() else "?" for c in text)


def broken(path: Path, kind: ModelFormat) -> UsageError:
    """The error for a file that can't be parsed."""
    return UsageError(f"{path.name}: not a readable {kind.name} model; convert it again, or give another file")


def read_file(path: Path) -> tuple[ModelFormat, bytes]:
    """The format and the content of the model at `path`. Raises UsageError with the remedy."""
    kinds = " or ".join(f"{kind.suffix} ({kind.name})" for kind in FORMATS)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path}: is no file; give the path of a {kinds} file")
        if status.st_size > MAX_MODEL_BYTES:
            raise UsageError(f"{path.name}: larger than {MAX_MODEL_BYTES} bytes; is it a {kinds} file?")
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: can't be read: {reason}; give the path of a {kinds} file") from None
    for kind in FORMATS:
        if kind.recognizes(data[:16]):
            return kind, data
    for kind in FORMATS:
        if path.suffix.lower() == kind.suffix:
            return kind, data
    raise UsageError(f"{path.name}: not a readable model of a known format; give the path of a {kinds} file")


def read_signature(path: Path, signature: str | None = None) -> Signature:
    """The signature called `signature` of the model at `path`; None is its only one. Raises UsageError."""
    kind, data = read_file(path)
    return _choose(path, kind.signatures(path, data), signature)


def _choose(path: Path, signatures: tuple[Signature, ...], wanted: str | None) -> Signature:
    keys = ", ".join(repr(signature.key) for signature in signatures)
    if wanted is None:
        if len(signatures) == 1:
            return signatures[0]
        raise UsageError(f"{path.name}: has {len(signatures)} signatures; name one in model.signature: {keys}")
    for signature in signatures:
        if signature.key == wanted and wanted:
            return signature
    known = f"it has {keys}" if signatures[0].key else "it has none: delete the key"
    raise UsageError(f"{path.name}: model.signature: no signature {wanted!r}; {known}")


def _listing(outputs: Sequence[Output]) -> str:
    """All outputs; where that is too much for a message, the first eight with the beginnings of their names."""
    text = "; ".join(output.describe() for output in outputs)
    if len(text) <= MOST_LISTED:
        return text
    shown = "; ".join(output.describe(40) for output in outputs[:8])
    return shown + (f"; and {len(outputs) - 8} more" if len(outputs) > 8 else "")


def _named(path: Path, outputs: Sequence[Output], item: object) -> Output:
    """The output that one entry of model.outputs names: a signature's name, a tensor's whole name, or an index."""
    if isinstance(item, int) and not isinstance(item, bool) and 0 <= item < len(outputs):
        return outputs[item]
    found = [output for output in outputs if isinstance(item, str) and item in (output.name, *output.aliases)]
    if len(found) == 1:
        return found[0]
    if found:
        indices = " or ".join(str(output.index) for output in found)
        raise UsageError(
            f"{path.name}: model.outputs: {item!r} names {len(found)} outputs; give the index, {indices}: {_listing(found)}"
        )
    raise UsageError(f"{path.name}: model.outputs: no output {item!r}; it has {_listing(outputs)}")


def _by_signature(outputs: Sequence[Output], dimensions: int) -> tuple[Output, ...] | None:
    """The heads by the names that leave no doubt: x, y, ... or output_0, output_1, ...; None if there are none."""
    conventions = [AXES[:dimensions]]
    if len(outputs) == dimensions:  # with further outputs, output_0 can be anything
        conventions.append(tuple(f"output_{axis}" for axis in range(dimensions)))
    for names in conventions:
        found = [[output for output in outputs if name in (output.name, *output.aliases)] for name in names]
        if all(len(named) == 1 for named in found):
            return tuple(named[0] for named in found)
    return None


def _pick(path: Path, outputs: tuple[Output, ...], wanted: object, dimensions: int) -> tuple[Output, ...]:
    axes = ", ".join(AXES[:dimensions])
    if wanted is None:
        if len(outputs) == 1:
            return outputs
        heads = _by_signature(outputs, dimensions)
        if heads is None:
            if len(outputs) == dimensions:
                _check_distinct(path, outputs, outputs)
            raise UsageError(
                f"{path.name}: has {len(outputs)} outputs, and nothing in it says which are the heads {axes}; name them "
                f"in that order in [model] outputs: {_listing(outputs)}"
            )
        if all(_channels_last(head, dimensions) for head in heads):
            raise UsageError(
                f"{path.name}: has {len(outputs)} outputs that could each hold all {dimensions} heads; name one of them, "
                f"or one for each head, in [model] outputs: {_listing(outputs)}"
            )
        _check_distinct(path, heads, outputs)
        return heads
    items = wanted if isinstance(wanted, (tuple, list)) else (wanted,)
    picked = tuple(_named(path, outputs, item) for item in items)
    if len(picked) not in (1, dimensions):
        raise UsageError(
            f"{path.name}: model.outputs: {len(picked)} outputs; name one of shape [..., {dimensions}], or "
            f"{dimensions} ({axes})"
        )
    _check_distinct(path, picked, outputs)
    return picked


def _check_distinct(path: Path, picked: Sequence[Output], outputs: Sequence[Output]) -> None:
    """Raises UsageError where two of `picked` are one output, or hold the numbers of one tensor."""
    for place, output in enumerate(picked):
        for other in picked[:place]:
            if other == output:
                what = f"output {output.index} is named twice"
            elif output.origin and output.origin == other.origin:
                what = f"outputs {other.index} and {output.index} are one tensor, {_cut(output.origin, 40)}"
            else:
                continue
            raise UsageError(
                f"{path.name}: model.outputs: {what}; every head is an output of its own: {_listing(outputs)}"
            )


def _channels_last(output: Output, dimensions: int) -> bool:
    return bool(output.shape) and output.shape[-1] == dimensions


def _channels_first(output: Output, dimensions: int) -> bool:
    return len(output.shape) > 2 and output.shape[0] in (1, -1) and output.shape[1] == dimensions


@dataclass(frozen=True)
class HeadTensors:
    """The tensors that hold the heads of one model.

    Attributes:
        path: the model file.
        signature: key of the signature that was read, "" without.
        tensors: one that holds all heads, or one for each, x first.
        dimensions: number of heads.
        channels_first: of one tensor [1, dimensions, ...]: all codes of x, then all of y, ...
        main: whether a plain interpreter runs that signature.
    """

    path: Path
    signature: str
    tensors: tuple[Output, ...]
    dimensions: int
    channels_first: bool = False
    main: bool = True

    @property
    def layout(self) -> str:
        """As the decoder reads them: "interleaved" (one buffer x0 y0 x1 y1 ...) or "planar" (a buffer a head)."""
        return "planar" if self.channels_first or len(self.tensors) > 1 else "interleaved"

    @property
    def key(self) -> str | None:
        """The signature as `find_heads` takes it."""
        return self.signature or None

    @property
    def indices(self) -> tuple[int, ...]:
        """Indices of the tensors among the model's outputs."""
        return tuple(tensor.index for tensor in self.tensors)

    def of_axis(self, axis: int) -> Output:
        """The tensor that holds head `axis`."""
        return self.tensors[axis if len(self.tensors) > 1 else 0]

    def place(self, axis: int) -> str:
        """Where head `axis` lies, in words that name the tensor whole."""
        label = self.of_axis(axis).label
        if len(self.tensors) > 1:
            return label
        return f"{label}, {'plane' if self.channels_first else 'channel'} {axis}"

    def fetch(self) -> list[tuple[str, str]]:
        """(parameter of the block decoder, the call that gives its buffer on the target), one for each buffer."""
        kind, _ = read_file(self.path)
        if self.layout == "interleaved":
            return [("pSrc", kind.fetch(self, 0))]
        return [(f"pSrc{AXES[axis].upper()}", kind.fetch(self, axis)) for axis in range(self.dimensions)]

    def points(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Join the tensors of n samples, each (n, ...) without a batch axis of 1, to (points, dimensions)."""
        if len(self.tensors) > 1:
            return np.stack([array.reshape(-1) for array in arrays], axis=-1)
        if self.channels_first:
            return np.moveaxis(arrays[0], 1, -1).reshape(-1, self.dimensions)
        return arrays[0].reshape(-1, self.dimensions)

    def values(self) -> dict[str, Any]:
        """dtype, layout, scale and zero_point as [heads] takes them. Raises UsageError where they are no codes."""
        for tensor in self.tensors:
            if tensor.dtype not in HEAD_TYPES or not tensor.scale or not 0 < tensor.scale[0] < Decimal("1e30"):
                raise UsageError(
                    f"{self.path.name}: output is not quantized to {', '.join(HEAD_TYPES)}: {tensor.describe()}; convert "
                    f"the model with full integer quantization, outputs included, and a representative dataset"
                )
            if len(tensor.scale) != 1:
                raise UsageError(
                    f"{self.path.name}: output is quantized per channel: {tensor.describe()}; a head needs one scale: "
                    f"quantize the output per tensor"
                )
        types = [tensor.dtype for tensor in self.tensors]
        if len(set(types)) > 1:
            raise UsageError(
                f"{self.path.name}: the heads have different types: {_listing(self.tensors)}; quantize them to one"
            )
        heads = [self.of_axis(axis) for axis in range(self.dimensions)]
        return {
            "dtype": types[0],
            "layout": self.layout,
            "scale": tuple(head.scale[0] for head in heads),
            "zero_point": tuple(head.zero_point[0] for head in heads),
        }


def find_heads(
    path: Path, outputs: object = None, signature: str | None = None, *, dimensions: int = 2, layout: object = None
) -> HeadTensors:
    """Find the heads of the model at `path`, quantized or float.

    Args:
        path: the model file.
        outputs: an output's name or index (one tensor with all heads in its last axis, or [1, dimensions, ...]), or a
            sequence of `dimensions` of them (x first). A name is one of the signature, or a tensor's whole name. None:
            the only output, or those that the signature calls x, y, ... or output_0, output_1, ...
        signature: key of the signature, where the file has several.
        dimensions: number of heads.
        layout: "interleaved" or "planar" where the user wrote it; decides for shapes such as [1, 2, 8, 2].

    Raises UsageError with the remedy for a file that is missing or broken, or that leaves any doubt about its heads.
    """
    chosen = read_signature(path, signature)
    picked = _pick(path, chosen.outputs, outputs, dimensions)
    if len(picked) > 1:
        if len({tensor.shape for tensor in picked}) > 1:
            raise UsageError(
                f"{path.name}: the heads have different shapes: {_listing(picked)}; name outputs of one shape in [model] "
                f"outputs"
            )
        return HeadTensors(path, chosen.key, picked, dimensions, main=chosen.main)
    (tensor,) = picked
    last, first = _channels_last(tensor, dimensions), _channels_first(tensor, dimensions)
    if last and first:
        if layout not in ("interleaved", "planar"):
            raise UsageError(
                f"{path.name}: output {tensor.describe()}: the heads can lie along either axis of {dimensions}; write "
                f'heads.layout = "interleaved" (channels last) or "planar" (channels first)'
            )
        first = layout == "planar"
    elif not (last or first):
        shape = list(tensor.shape)
        if len(shape) > 2 and shape[1] == dimensions:
            raise UsageError(
                f"{path.name}: output {tensor.describe()}: channels first with a batch of {shape[0]}; convert the model "
                f"with a batch of 1, or transpose the output to [..., {dimensions}]"
            )
        raise UsageError(
            f"{path.name}: output {tensor.describe()}: one output must have {dimensions} channels in its last dimension "
            f"({', '.join(AXES[:dimensions])}), or be [1, {dimensions}, ...]; or name {dimensions} outputs in [model] "
            f"outputs: {_listing(chosen.outputs)}"
        )
    return HeadTensors(path, chosen.key, picked, dimensions, first, chosen.main)


def find_outputs(path: Path, outputs: object, signature: str | None = None) -> tuple[int, ...]:
    """Indices of the outputs called `outputs`: an index or a name as in `find_heads`, or several. Raises UsageError."""
    found = read_signature(path, signature).outputs
    items = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    picked = [_named(path, found, item) for item in items]
    _check_distinct(path, picked, found)
    return tuple(output.index for output in picked)
