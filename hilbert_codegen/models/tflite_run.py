"""Inference with tflite-runtime: real models, real kernels.

The reference kernels are the default: they give the same bits everywhere, which XNNPACK's do not. The interpreter runs
in a process of its own, so that a model that crashes it ends in an error here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.models.model import select

#: Told how many samples of how many are done.
Count = Callable[[int, int], None]

_REPORT_EVERY = 250


@dataclass(frozen=True)
class Inference:
    """What a model gave for n samples.

    Attributes:
        outputs: the raw output tensors without the batch axis, shape (n, ...), in the model's dtype.
        scale: quantization scale of each output, 0 where it is float.
        zero_point: quantization zero point of each output.
        milliseconds: median time of one invocation on this host, single-threaded, reference kernels unless asked.
    """

    outputs: tuple[NDArray[Any], ...]
    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    milliseconds: float

    def real(self, index: int = 0) -> NDArray[np.float64]:
        """Real values of output `index`, float64: scale * (code - zero_point), or the float output itself."""
        values = self.outputs[index].astype(np.float64)
        return values if self.scale[index] == 0 else self.scale[index] * (values - self.zero_point[index])


def _interpreter(path: str, reference: bool) -> Any:
    try:
        from tflite_runtime import interpreter as runtime
    except ImportError:
        from ai_edge_litert import interpreter as runtime
    kind = runtime.OpResolverType.BUILTIN_REF if reference else runtime.OpResolverType.AUTO
    made = runtime.Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=kind)
    made.allocate_tensors()
    return made


def _run(path: str, samples: NDArray[Any], wanted: list[int] | None, reference: bool) -> dict[str, Any]:
    """In the child: invoke once a sample. Raises ValueError where model and samples do not fit."""
    interpreter = _interpreter(path, reference)
    inputs, details = interpreter.get_input_details(), interpreter.get_output_details()
    if wanted is not None:
        details = [details[i] for i in wanted]
    shape = tuple(int(n) for n in inputs[0]["shape"])
    if len(inputs) != 1 or shape[0] != 1 or int(np.prod(shape)) != int(np.prod(samples.shape[1:])):
        raise ValueError(f"its input has shape {shape}, the samples {samples.shape[1:]}")
    scale, zero = inputs[0]["quantization"]
    if np.issubdtype(inputs[0]["dtype"], np.integer):
        limits = np.iinfo(inputs[0]["dtype"])
        samples = np.clip(np.rint(samples / (scale or 1.0)) + zero, limits.min, limits.max)
    samples = samples.astype(inputs[0]["dtype"])
    results: list[list[NDArray[Any]]] = [[] for _ in details]
    spent = []
    for done, sample in enumerate(samples, start=1):
        interpreter.set_tensor(inputs[0]["index"], sample.reshape(shape))
        start = time.perf_counter()
        interpreter.invoke()
        spent.append(time.perf_counter() - start)
        for collected, detail in zip(results, details, strict=True):
            collected.append(interpreter.get_tensor(detail["index"])[0])
        if done % _REPORT_EVERY == 0:
            print(done, flush=True)
    return {
        **{f"output{i}": np.stack(result) for i, result in enumerate(results)},
        "scale": np.array([detail["quantization"][0] for detail in details]),
        "zero_point": np.array([detail["quantization"][1] for detail in details]),
        "milliseconds": np.array(1000.0 * np.median(spent)),
    }


def infer(
    path: Path,
    samples: NDArray[Any],
    outputs: tuple[int, ...] | None = None,
    *,
    reference: bool = True,
    count: Count = lambda done, total: None,
) -> Inference:
    """Run the model at `path` on every sample.

    Args:
        path: a .tflite file with one input of batch 1.
        samples: real input values, shape (n, ...), n > 0, with as many values a sample as the input has; they are
            quantized by the input's own scale and zero point where it is an integer tensor.
        outputs: indices of the outputs to keep, in this order; None keeps all.
        reference: use the reference kernels (bit-exact); False the optimized ones.
        count: progress.

    Raises UsageError if the runtime is missing or the model does not fit the samples, CheckFailed if it crashes.
    """
    select(path, None)  # a broken file is refused here, before any native code sees it
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        np.save(folder / "samples.npy", np.asarray(samples))
        wanted = "all" if outputs is None else ",".join(str(index) for index in outputs)
        command = [sys.executable, "-m", __name__, str(path.resolve()), name, wanted, str(int(reference))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                count(int(line), len(samples))
        if child.returncode != 0:
            raise CheckFailed(f"{path.name}: the TFLite interpreter crashed on this model (status {child.returncode})")
        count(len(samples), len(samples))
        if (folder / "error.txt").exists():
            reason = (folder / "error.txt").read_text(encoding="utf-8")
            raise UsageError(f"{path.name}: can't be run: {reason}; give a model and samples that fit")
        with np.load(folder / "results.npz") as results:
            return Inference(
                tuple(results[f"output{i}"] for i in range(len(results["scale"]))),
                tuple(float(value) for value in results["scale"]),
                tuple(int(value) for value in results["zero_point"]),
                float(results["milliseconds"]),
            )


def _child(path: str, folder: str, wanted: str, reference: str) -> None:
    """Entry of the child process: results.npz or error.txt in `folder`."""
    samples = np.load(Path(folder, "samples.npy"))
    indices = None if wanted == "all" else [int(index) for index in wanted.split(",")]
    try:
        np.savez(Path(folder, "results.npz"), **_run(path, samples, indices, reference == "1"))
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        Path(folder, "error.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _child(*sys.argv[1:])
