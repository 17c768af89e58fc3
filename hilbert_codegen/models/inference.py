"""Inference by a format's own runtime: real models, real kernels.

The runtime works in a process of its own, so that a model that crashes it ends in an error here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.models.model import read_file, read_signature
from hilbert_codegen.models.network import Network

#: Told how many samples of how many are done.
Count = Callable[[int, int], None]
#: Real input values by the name of the input; the name of a model's only input does not matter.
Inputs = NDArray[Any] | Mapping[str, NDArray[Any]]

_REPORT_EVERY = 250


@dataclass(frozen=True)
class Inference:
    """What a model gave for n samples.

    Attributes:
        outputs: the raw output tensors, shape (n, ...) without a batch axis of 1, in the model's dtype.
        scale: quantization scale of each output, 0 where it is float.
        zero_point: quantization zero point of each output.
        milliseconds: time of each invocation on this host, shape (n,), single-threaded, reference kernels unless asked.
    """

    outputs: tuple[NDArray[Any], ...]
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    milliseconds: NDArray[np.float64]

    def real(self, index: int = 0) -> NDArray[np.float64]:
        """Real values of output `index`, float64: scale * (code - zero_point), or the float output itself."""
        values = self.outputs[index].astype(np.float64)
        return values if self.scale[index] == 0 else self.scale[index] * (values - self.zero_point[index])


@dataclass(frozen=True)
class InputTensor:
    """An input of a model: its name in the signature ("" without), its tensor's name, shape, type and quantization.

    `scale` is 0 where the input is not quantized; an open extent of `shape` is -1.
    """

    alias: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float = 0.0
    zero_point: int = 0

    def describe(self) -> str:
        """Name and shape, as in messages."""
        return f"{self.alias or self.name!r} {list(self.shape)}"


def encode_inputs(tensors: Sequence[InputTensor], given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays for `tensors`, in their order and type: real values quantized where the tensor is an integer.

    Raises ValueError that says what does not fit.
    """
    listing = ", ".join(tensor.describe() for tensor in tensors)
    if len(tensors) != len(given):
        raise ValueError(
            f"it has {len(tensors)} inputs ({listing}), the data {len(given)}; in [data] inputs give one array for each "
            f"by its name"
        )
    encoded: dict[str, NDArray[Any]] = {}
    for tensor in tensors:
        if len(tensors) == 1:
            (samples,) = given.values()
        else:
            names = [name for name in (tensor.alias, tensor.name) if name in given]
            if not names:
                raise ValueError(f"no array in [data] inputs for {tensor.describe()}; it has {listing}")
            samples = given[names[0]]
        shape = tensor.shape
        if not shape or shape[0] not in (1, -1):
            raise ValueError(f"its input {tensor.describe()} has no batch axis of 1; convert it with one")
        wanted, here = shape[1:], samples.shape[1:]
        fixed = [extent for extent in wanted if extent >= 0]
        if int(np.prod(here)) % max(int(np.prod(fixed)), 1) or (
            len(fixed) == len(wanted) and int(np.prod(here)) != int(np.prod(fixed))
        ):
            raise ValueError(f"its input {tensor.describe()} does not fit a sample {list(here)}")
        if np.issubdtype(tensor.dtype, np.integer):
            limits = np.iinfo(tensor.dtype)
            samples = np.clip(np.rint(samples / (tensor.scale or 1.0)) + tensor.zero_point, limits.min, limits.max)
        encoded[tensor.name] = samples.astype(tensor.dtype)
    return encoded


def infer(
    path: Path,
    samples: Inputs,
    outputs: Sequence[int] | None = None,
    *,
    signature: str | None = None,
    reference: bool = True,
    micro: bool = False,
    count: Count = lambda done, total: None,
) -> Inference:
    """Run the model at `path` on every sample.

    Args:
        path: a model file whose inputs have a batch of 1.
        samples: real input values, shape (n, ...), n > 0, with as many values a sample as the input has; they are
            quantized by the input's own scale and zero point where it is an integer tensor. For a model of several
            inputs: such arrays by the inputs' names.
        outputs: indices of the outputs to keep, in this order; None keeps all.
        signature: key of the signature, where the file has several.
        reference: use the reference kernels (bit-exact); False the optimized ones.
        micro: run a TFLite model by TFLite Micro's interpreter instead of the format's own runtime.
        count: progress.

    Raises UsageError if the runtime is missing or the model does not fit the samples, CheckFailed if it crashes.
    """
    if micro and read_file(path)[0].suffix != ".tflite":
        raise UsageError(f"{path.name}: TFLite Micro runs TFLite models alone; convert it, or leave --micro out")
    chosen = read_signature(path, signature)  # a broken file is refused here, before any native code sees it
    given = dict(samples) if isinstance(samples, Mapping) else {"": samples}
    total = len(next(iter(given.values())))
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        for place, array in enumerate(given.values()):
            np.save(folder / f"input{place}.npy", np.asarray(array))
        request = {
            "path": str(path.resolve()),
            "inputs": list(given),
            "outputs": list(range(len(chosen.outputs))) if outputs is None else list(outputs),
            "signature": chosen.key,
            "reference": reference,
            "micro": micro,
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        command = [sys.executable, "-m", __name__, name]
        with (
            (folder / "stderr.txt").open("wb") as stderr,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as child,
        ):
            assert child.stdout is not None
            for line in child.stdout:
                if line.strip().isdecimal():
                    count(int(line), total)
        if child.returncode != 0:
            raise CheckFailed(f"{path.name}: its interpreter crashed on this model (status {child.returncode})")
        count(total, total)
        if (folder / "usage.txt").exists():
            raise UsageError((folder / "usage.txt").read_text(encoding="utf-8"))
        if (folder / "error.txt").exists():
            reason = (folder / "error.txt").read_text(encoding="utf-8")
            if micro:  # what it prints says why, its exceptions do not
                printed = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").split("\n")
                said = "; ".join(line.strip() for line in printed[:2] if line.strip())
                raise UsageError(
                    f"{path.name}: can't be run by TFLite Micro: {reason} ({said or 'it gives no reason'}); give a model "
                    f"that its kernels can run, or leave --micro out"
                )
            raise UsageError(f"{path.name}: can't be run: {reason}; give a model and samples that fit")
        with np.load(folder / "results.npz") as results:
            return Inference(
                tuple(results[f"output{i}"] for i in range(len(results["scale"]))),
                tuple(float(value) for value in results["scale"]),
                tuple(int(value) for value in results["zero_point"]),
                results["milliseconds"],
            )


def inspect_network(path: Path, heads: Sequence[int] | None = None, signature: str | None = None) -> Network:
    """What the model at `path` says of the network before the outputs `heads` (indices; None: all outputs)."""
    kind, data = read_file(path)
    outputs = read_signature(path, signature).outputs
    return kind.network(path, data, outputs if heads is None else [outputs[index] for index in heads])


def _child(folder: Path) -> None:
    """Entry of the child process: results.npz, or the reason in usage.txt or error.txt, in `folder`."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    inputs = {name: np.load(folder / f"input{place}.npy") for place, name in enumerate(request["inputs"])}
    path = Path(request["path"])

    def count(done: int, total: int) -> None:
        if done % _REPORT_EVERY == 0:
            print(done, flush=True)

    try:
        kind, _ = read_file(path)
        wanted = (path, inputs, request["outputs"], request["signature"])
        if request["micro"]:
            from hilbert_codegen.models.micro import run  # it needs this module

            found = run(*wanted, count)
        else:
            found = kind.run(*wanted, request["reference"], count)
        arrays: dict[str, Any] = {f"output{i}": values for i, values in enumerate(found.pop("outputs"))}
        arrays |= {key: np.array(value) for key, value in found.items()}
        np.savez(folder / "results.npz", **arrays)
    except UsageError as error:
        (folder / "usage.txt").write_text(str(error), encoding="utf-8")
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        (folder / "error.txt").write_text(text.removeprefix("ValueError: "), encoding="utf-8")


if __name__ == "__main__":
    _child(Path(sys.argv[1]))
