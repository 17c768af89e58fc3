"""Train, quantize and decode the nets of the study.

    pip install 'hilbert_codegen[train]' scikit-learn
    python examples/study/run.py --quick --jobs 2   # 3,000 steps, three seeds
    python examples/study/run.py --jobs 2           # 20,000 steps, five seeds: a night
    python examples/study/report.py build/study     # figures and the page from what was trained

Writes one .npz a task into the output folder (answers of every net to the test samples, in t, and the raw heads) and
the TFLite models of seed 0 after post-training quantization. A task that is there already is left out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import nets
import numpy as np
from numpy.typing import NDArray
from tasks import TASKS, Task

from hilbert_codegen import Decoder, decode
from hilbert_codegen.config.loading import resolve
from hilbert_codegen.spec.plan import make_plan

TRAINING, TEST = 60_000, 3_000
ONE_HEAD = ("1d", "l1")
HILBERT = ("p1", "p2", "p3", "p4", "h3p1", "h3p2", "h4p1", "h5p1", "h6p1")
CIRCULAR = ("cos_sin", "moore1", "moore2", "moore3", "moore4", "m3p1", "m4p1", "m5p1", "m6p1")
PHASES = ("ptq", "qat")


def heads_of(task: Task) -> tuple[str, ...]:
    """Names of all heads trained on a task."""
    return ONE_HEAD + (CIRCULAR if task.circular else HILBERT)


def kinds_of(head: str) -> tuple[str, ...]:
    """What a head is exported to, after the float net."""
    return ("int8", "wide", "int16x8") if head == "1d" else ("int8",)


@cache
def decoder_of(curve: str, order: int, dimensions: int) -> Decoder:
    """The exact decoder of a curve with heads of scale 1/256 and zero point -128."""
    tables = {
        "curve": {"kind": curve, "order": order, "dimensions": dimensions},
        "heads": {"scale": Decimal("0.00390625"), "zero_point": -128},
    }
    return Decoder(make_plan(resolve(tables, "study", Path())).spec)


def to_t(head: nets.Head, raw: NDArray[Any], quantization: tuple[float, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(t, real heads) of raw outputs; of INT8 Hilbert heads by the exact decoder."""
    scale, zero = quantization
    real = raw.astype(np.float64) if scale == 0 else scale * (raw.astype(np.float64) - zero)
    if head.on is not None:
        if scale == 0:
            return head.on.decode(real)[0], real
        assert (scale, zero) == (1 / 256, -128), quantization
        curve = head.on.curve
        decoder = decoder_of(curve.name, curve.order, curve.dimensions)
        return decoder.t_of(decode(*raw.T, decoder)), real
    if head.name == "cos_sin":
        return np.arctan2(real[:, 1], real[:, 0]) / (2 * np.pi) % 1.0, real
    return np.clip(real[:, 0], 0.0, 1.0), real


def run_task(name: str, steps: int, seeds: list[int], output: Path) -> None:
    """Everything of the task called `name`."""
    task = TASKS[name]
    x, t = task.make(TRAINING, 1)
    test_x, test_t = task.make(TEST, 2)
    window = task.window or (1, 1, x.shape[1])
    found: dict[str, NDArray[Any]] = {"truth": test_t}
    folder = output / "models" / task.name
    folder.mkdir(parents=True, exist_ok=True)
    for head_name in heads_of(task):
        start = time.monotonic()
        head = nets.make_head(head_name)
        for phase, trained in nets.train(x, t, head, steps, seeds, task.window).items():
            for index, seed in enumerate(seeds):
                for kind in ("float", *kinds_of(head_name)):
                    model = nets.export(trained, index, kind, x)
                    raw, quantization = nets.answers(model, test_x, window)
                    place, real = to_t(head, raw, quantization)
                    key = f"{head_name}/{phase}/{kind}/{seed}"
                    found[key] = place.astype(np.float32)
                    if head.on is not None:
                        found[f"{key}/heads"] = real.astype(np.float32)
                    if phase == "ptq" and index == 0:
                        (folder / f"{head_name}_{kind}.tflite").write_bytes(model)
        print(f"{task.name} {head_name}: {time.monotonic() - start:.0f} s", flush=True)
    np.savez_compressed(
        folder / "samples.npz", readings=np.round(255 * test_x[:1500]).astype(np.uint8), t=test_t[:1500]
    )
    np.savez_compressed(output / f"{task.name}.npz", **found)


def one_thread() -> None:
    """TensorFlow on one thread: the nets are too small for more to help."""
    nets.tf.config.threading.set_intra_op_parallelism_threads(1)
    nets.tf.config.threading.set_inter_op_parallelism_threads(1)


def main() -> None:
    """Train what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3,000 steps and three seeds")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--steps", type=int, help="steps of either phase, in place of the number above")
    parser.add_argument("--seeds", nargs="+", type=int, help="in place of those above")
    parser.add_argument("--jobs", type=int, default=1, help="tasks trained at a time, one thread each")
    parser.add_argument("-o", "--output", type=Path, default=Path("build") / "study")
    arguments = parser.parse_args()
    steps, seeds = (3000, [0, 1, 2]) if arguments.quick else (20_000, [0, 1, 2, 3, 4])
    steps, seeds = arguments.steps or steps, arguments.seeds or seeds
    arguments.output.mkdir(parents=True, exist_ok=True)
    settings = {"steps": 2 * steps, "seeds": seeds, "training": TRAINING, "test": TEST, "hidden": list(nets.HIDDEN)}
    (arguments.output / "settings.json").write_text(json.dumps(settings) + "\n", encoding="utf-8")
    left = [name for name in arguments.tasks if not (arguments.output / f"{name}.npz").exists()]
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(arguments.jobs, mp_context=context, initializer=one_thread) as pool:
        for done in [pool.submit(run_task, name, steps, seeds, arguments.output) for name in left]:
            done.result()


if __name__ == "__main__":
    main()
