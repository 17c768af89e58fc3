"""Inference with tflite-runtime: real models, real kernels.

The reference kernels are the default: they give the same bits everywhere, which XNNPACK's do not. The interpreter runs
in a process of its own, so that a model that crashes it ends in an error here.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.model import select

#: Told how many samples of how many are done.
Count = Callable[[int, int], None]

_CHUNK = 256


@dataclass(frozen=True)
class Inference:
    """What a model gave for n samples.

    Attributes:
        outputs: the raw output tensors without the batch axis, shape (n, ...), in the model's dtype.
        scale: quantization scale of each output, 0 where it is float.
        zero_point: quantization zero point of each output.
        milliseconds: mean time of one invocation on this host, single-threaded, reference kernels unless asked.
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


_state: dict[str, Any] = {}


def _open(path: str, reference: bool, outputs: tuple[int, ...] | None) -> None:
    """Start of the child process; a failure is kept for the first chunk to report."""
    try:
        _state["interpreter"] = _interpreter(path, reference)
        _state["outputs"] = outputs
    except Exception as error:
        _state["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _run(samples: NDArray[Any]) -> tuple[list[NDArray[Any]], list[float], list[int], float] | str:
    """In the child: invoke once a sample; a string is the reason why it can't be done."""
    import time

    if "error" in _state:
        return str(_state["error"])
    interpreter = _state["interpreter"]
    try:
        given = interpreter.get_input_details()[0]
        details = interpreter.get_output_details()
        if _state["outputs"] is not None:
            details = [details[i] for i in _state["outputs"]]
        shape = tuple(int(n) for n in given["shape"])
        if int(np.prod(shape)) != int(np.prod(samples.shape[1:])):
            return f"its input has shape {shape}, the samples {samples.shape[1:]}"
        scale, zero = given["quantization"]
        if np.issubdtype(given["dtype"], np.integer):
            limits = np.iinfo(given["dtype"])
            samples = np.clip(np.rint(samples / (scale or 1.0)) + zero, limits.min, limits.max)
        samples = samples.astype(given["dtype"])
        results: list[list[NDArray[Any]]] = [[] for _ in details]
        spent = 0.0
        for sample in samples:
            interpreter.set_tensor(given["index"], sample.reshape(shape))
            start = time.perf_counter()
            interpreter.invoke()
            spent += time.perf_counter() - start
            for collected, detail in zip(results, details, strict=True):
                collected.append(interpreter.get_tensor(detail["index"])[0])
        quantization = [detail["quantization"] for detail in details]
        return [np.stack(r) for r in results], [q[0] for q in quantization], [int(q[1]) for q in quantization], spent
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


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
        samples: real input values, shape (n, ...) with as many values a sample as the input has; they are quantized
            by the input's own scale and zero point where it is an integer tensor.
        outputs: indices of the outputs to keep, in this order; None keeps all.
        reference: use the reference kernels (bit-exact); False the optimized ones.
        count: progress.

    Raises UsageError if the runtime is missing or the model does not fit the samples, CheckFailed if it crashes.
    """
    select(path, None)  # a broken file is refused here, before any native code sees it
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context, initializer=_open, initargs=(str(path), reference, outputs))
    parts, spent, scale, zero = [], 0.0, [0.0], [0]
    try:
        with pool:
            for start in range(0, len(samples), _CHUNK):
                answer = pool.submit(_run, np.asarray(samples[start : start + _CHUNK])).result()
                if isinstance(answer, str):
                    raise UsageError(f"{path.name}: can't be run: {answer}; give a model and samples that fit")
                arrays, scale, zero, seconds = answer
                parts.append(arrays)
                spent += seconds
                count(min(start + _CHUNK, len(samples)), len(samples))
    except BrokenProcessPool:
        raise CheckFailed(f"{path.name}: the TFLite interpreter crashed on this model") from None
    joined = tuple(np.concatenate([part[i] for part in parts]) for i in range(len(parts[0])))
    return Inference(joined, tuple(scale), tuple(zero), 1000.0 * spent / len(samples))
