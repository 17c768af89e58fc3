"""Times on this host, given only where the machine was quiet enough for repetitions to agree."""

from __future__ import annotations

import ctypes
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.emit.render import Generated
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.results import Timing
from hilbert_codegen.pilot.settings import Samples
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets import tools

#: Samples of one timed run with optimized kernels, and runs. They share a process, for it takes longer to start than to run.
_TIMED, _RUNS = 200, 3
#: Repetitions that differ by more than this factor say nothing.
QUIET = 1.2
#: Passes of the compiled decoder; the slowest quarter, where something else ran, is left out.
_PASSES = 12


def timing(seconds: Sequence[float], unit: float) -> Timing | None:
    """Median and range of repetitions, in 1 / unit seconds; None where they differ by more than QUIET."""
    low, high = min(seconds), max(seconds)
    if low <= 0 or high > QUIET * low:
        return None
    return Timing(unit * float(np.median(seconds)), unit * low, unit * high)


def host_ms(path: Path, samples: Samples, signature: str | None = None) -> Timing | None:
    """Milliseconds of an inference on this host with the optimized kernels: medians of three runs."""
    inputs = {name: np.concatenate([array[:_TIMED]] * _RUNS) for name, array in samples.inputs.items()}
    spent = infer(path, inputs, signature=signature, reference=False).milliseconds
    return timing([float(np.median(run)) for run in np.split(spent, _RUNS)], 1.0)


def host_ns(plan: Plan, generated: Generated, codes: NDArray[Any], compiler: Sequence[str]) -> dict[str, float] | None:
    """Nanoseconds a point of the compiled decode_block on this host over the real outputs."""
    if platform.system() == "Windows":
        return None
    count = codes.shape[-1]
    points = np.ascontiguousarray(codes.reshape(-1, count), dtype=np.dtype(plan.spec.heads.dtype))
    planes = [np.ascontiguousarray(points[:, axis]) for axis in range(count)]
    out = np.empty(len(points), dtype=plan.spec.output.dtype)
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        for file, content in generated.files.items():
            (folder / file).write_bytes(content)
        sources = [file for file in generated.files if file.endswith(".c")]
        command = [*compiler, "-std=c99", "-O2", "-shared", "-fPIC", *sources, "-o", "decoder.so"]
        tools.run(command, "compiling the generated C", folder)
        function = getattr(ctypes.CDLL(str(folder / "decoder.so")), f"{plan.prefix}_decode_block")
    function.restype = None
    arrays = planes if plan.spec.heads.layout == "planar" else [points]
    arguments = [ctypes.c_void_p(array.ctypes.data) for array in (*arrays, out)]
    spent = []
    for _ in range(_PASSES):
        start = time.perf_counter()
        function(*arguments, ctypes.c_uint32(len(points)))
        spent.append(time.perf_counter() - start)
    found = timing(sorted(spent)[: 3 * _PASSES // 4], 1e9 / len(points))
    return None if found is None else found.__dict__
