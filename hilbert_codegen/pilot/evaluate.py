"""Run a pilot: every network on the samples, the generated decoder, and the answers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence

import numpy as np

from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.networks import Progress, Setting, measure_baseline, measure_model, model_plan
from hilbert_codegen.pilot.results import Evaluation
from hilbert_codegen.pilot.settings import Pilot
from hilbert_codegen.pilot.verdict import judge
from hilbert_codegen.targets.host import compiler_title, find_host_compiler


def evaluate(
    pilot: Pilot,
    limit: int | None = None,
    progress: Progress = lambda *_: None,
    compiler: Sequence[str] | None = None,
    micro: bool = False,
) -> Evaluation:
    """Run everything that `pilot` names.

    Args:
        pilot: from `load_pilot`.
        limit: use only so many samples.
        progress: told (step, done, total).
        compiler: of the generated C, this machine's by default (targets.host); where it is not installed, the proved
            model of that C decodes instead.
        micro: run the quantized nets by TFLite Micro's interpreter too, and compare the bytes of their outputs.

    Raises UsageError where a file, name or shape is wrong, CheckFailed where a model crashes its interpreter or gives
    what is no number.
    """
    samples = pilot.samples(limit)
    config = pilot.config
    circular = is_circular(pilot)
    outside = pilot.truth_outside(samples.truth, circular)
    if circular:  # the same angles, one turn or more away
        within = (samples.truth >= 0) & (samples.truth <= 1)
        samples = dataclasses.replace(samples, truth=np.where(within, samples.truth, samples.truth % 1.0))
    compiler = find_host_compiler() if compiler is None else compiler
    native = bool(compiler) and shutil.which(compiler[0]) is not None
    setting = Setting(pilot, samples, circular, tuple(compiler) if native else (), progress, micro)
    baselines, models = [], []
    for seed in config.evaluate.seeds:
        here = [measure_baseline(setting, table, seed) for table in config.baseline]
        baselines += here
        models += [measure_model(setting, table, seed, here) for table in config.model]
    decoded_by = (
        f"the generated C, compiled with {compiler_title(compiler)}"
        if native
        else "the proved model of the generated C"
    )
    evaluation = Evaluation(
        pilot,
        len(samples.truth),
        samples.truth.size,
        decoded_by,
        config.evaluate.kernels,
        tuple(baselines),
        tuple(models),
        warnings=(outside,) if outside else (),
    )
    return dataclasses.replace(evaluation, verdict=judge(evaluation), inputs=samples.joined(), truth=samples.truth)


def is_circular(pilot: Pilot) -> bool:
    """Whether t wraps round: the task says so, or a closed curve or a baseline of cosine and sine does."""
    config = pilot.config
    if config.task.circular or any(b.kind is not None and KINDS[b.kind].circular for b in config.baseline):
        return True
    closed = {
        table.name: model_plan(pilot, table, config.evaluate.seeds[0]).spec.curve.closed for table in config.model
    }
    if any(closed.values()) and not all(closed.values()):
        some = next(name for name, value in closed.items() if not value)
        raise UsageError(
            f"{pilot.source}: task.circular: some models have a closed curve, {some} has not; say circular = true if "
            f"the quantity is an angle"
        )
    return any(closed.values())
