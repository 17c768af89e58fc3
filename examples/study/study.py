"""What the study's nets show: errors with intervals, indicators, and how far advice and forecasts were right."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tasks import TASKS, Task

from hilbert_codegen.curves import make_curve
from hilbert_codegen.pilot.advise import NOT_LEARNT, forecasts, pooled, score
from hilbert_codegen.pilot.choice import WORTHWHILE, Candidate, Choice, choose
from hilbert_codegen.pilot.forecast import Known
from hilbert_codegen.pilot.intervals import Bootstrap, interval
from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.pilot.noise import frame, split
from hilbert_codegen.pilot.probe import probe
from hilbert_codegen.training.loss import HeadCurve, difference

Array = NDArray[np.float64]
PHASES = ("ptq", "qat")
ORDERS = (1, 2, 3, 4)
DRAWS = 100


@dataclass
class Trained:
    """All nets of one task after one phase.

    Attributes:
        task, phase, seeds: which.
        truth: t, (n,).
        answers: (head, kind) -> t, (n, seeds).
        heads: (head, kind) -> real heads, (n, seeds, 2).
        ease: of each order.
    """

    task: Task
    phase: str
    seeds: list[int]
    truth: Array
    answers: dict[tuple[str, str], Array]
    heads: dict[tuple[str, str], Array]
    ease: dict[int, float]

    @property
    def curve(self) -> str:
        """Kind of the curve."""
        return "moore" if self.task.circular else "hilbert"

    def head(self, order: int) -> str:
        """Name of the Hilbert heads of an order."""
        return f"{'moore' if self.task.circular else 'p'}{order}"

    def error(self, head: str, kind: str) -> Array:
        """Error to truth, (n, seeds)."""
        return difference(self.answers[head, kind], self.truth[:, None], self.task.circular)

    def quantization(self, head: str, kind: str = "int8") -> Array:
        """Quantization error, (n, seeds)."""
        return difference(self.answers[head, kind], self.answers[head, "float"], self.task.circular)

    def stats(self, errors: Array) -> ErrorStats:
        """The mean of every figure over the seeds."""
        return pooled([ErrorStats.of(errors[:, index]) for index in range(errors.shape[1])])

    def baseline(self) -> tuple[str, ErrorStats]:
        """The INT8 net without Hilbert heads that has the least error to truth."""
        names = ["1d", "l1", *(["cos_sin"] if self.task.circular else [])]
        found = {name: self.stats(self.error(name, "int8")) for name in names}
        best = min(found, key=lambda name: found[name].mae * found[name].rmse)
        return best, found[best]

    def known(self, order: int) -> Known:
        """What the nets of an order tell; 0 is the net with one output, or cosine and sine on a circle."""
        truth = np.repeat(self.truth, len(self.seeds))
        if order == 0:
            name, length = ("cos_sin", np.pi) if self.task.circular else ("1d", 1.0)
            noise = length * self.quantization(name)
            return Known(name, 0, length, truth, self.error(name, "float").reshape(-1), noise.reshape(-1), 1 / 255,
                         self.task.circular)  # fmt: skip
        name, on = self.head(order), HeadCurve(make_curve(self.curve, order))
        before = self.heads[name, "float"]
        along, _ = split(self.heads[name, "int8"] - before, frame(on, on.decode(before)[0]))
        return Known(name, order, on.length, truth, self.error(name, "float").reshape(-1), along.reshape(-1), 1 / 256,
                     self.task.circular)  # fmt: skip


@dataclass
class Study:
    """Everything.

    Attributes:
        settings: of the training.
        trained: by task and phase.
        nets: one row for each task, phase, head and kind.
        items: one row for each task, phase and order: indicators and outcome.
    """

    settings: dict[str, Any]
    trained: list[Trained]
    nets: list[dict[str, Any]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)


def load_study(folder: Path) -> Study:
    """Read what `run.py` wrote; tasks that are not there are left out."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    study = Study(settings, [])
    for task in TASKS.values():
        if not (folder / f"{task.name}.npz").exists():
            continue
        with np.load(folder / "models" / task.name / "samples.npz") as samples:
            readings, t = samples["readings"] / 255.0, samples["t"]
        ease = probe(readings, t, "moore" if task.circular else "hilbert", ORDERS)
        with np.load(folder / f"{task.name}.npz") as data:
            for phase in PHASES:
                study.trained.append(_trained(task, phase, settings["seeds"], data, ease))
    for trained in study.trained:
        study.nets += _nets(trained)
        study.items += _items(trained)
    return study


def _trained(task: Task, phase: str, seeds: list[int], data: Any, ease: dict[int, float]) -> Trained:
    answers: dict[tuple[str, str], Array] = {}
    heads: dict[tuple[str, str], Array] = {}
    keys = [key.split("/") for key in data.files if key != "truth"]
    for head, kind in dict.fromkeys((k[0], k[2]) for k in keys):
        names = [f"{head}/{phase}/{kind}/{seed}" for seed in seeds]
        answers[head, kind] = np.stack([data[name] for name in names], axis=1).astype(np.float64)
        if f"{names[0]}/heads" in data.files:
            heads[head, kind] = np.stack([data[f"{name}/heads"] for name in names], axis=1).astype(np.float64)
    return Trained(task, phase, seeds, data["truth"], answers, heads, ease)


def _nets(trained: Trained) -> list[dict[str, Any]]:
    """Errors to truth with intervals over samples, and the quantization error; in t."""
    rows = []
    every = np.ones((len(trained.truth), len(trained.seeds)), dtype=bool)
    for head, kind in trained.answers:
        row: dict[str, Any] = {"task": trained.task.name, "phase": trained.phase, "head": head, "kind": kind}
        errors = trained.error(head, kind)
        boot = Bootstrap(every, DRAWS).figures(errors, ["mae", "rmse"])
        for index, metric in enumerate(("mae", "rmse")):
            found = interval(boot[:, index])
            row[metric] = [found.value, found.low, found.high]
            row[f"{metric} of each seed"] = [
                ErrorStats.of(errors[:, s]).figures[metric] for s in range(len(trained.seeds))
            ]
        if kind != "float":
            stats = trained.stats(trained.quantization(head, kind))
            row["quantization"] = {"rmse": stats.rmse, "robust_sd": stats.robust_sd}
        rows.append(row)
    return rows


def _items(trained: Trained) -> list[dict[str, Any]]:
    name, best = trained.baseline()
    one = trained.known(0)
    residual = float(np.sqrt(np.square(one.residual).mean()))
    noise = float(np.sqrt(np.square(one.noise).mean())) / one.length
    rows = []
    for order in ORDERS:
        truth = trained.stats(trained.error(trained.head(order), "int8"))
        rows.append(
            {
                "task": trained.task.name, "phase": trained.phase, "order": order, "baseline": name,
                "ease": trained.ease.get(order, float("nan")),
                "blur": residual * make_curve(trained.curve, order).segments, "ratio": residual / noise,
                "score": score(truth, best),
            }
        )  # fmt: skip
    return rows


def accuracy(items: Sequence[dict[str, Any]], indicator: str) -> dict[str, Any]:
    """How often "pays below a threshold" is right of an order, the threshold chosen on the other tasks."""
    known = [item for item in items if np.isfinite(item[indicator])]

    def right(part: Sequence[dict[str, Any]], threshold: float) -> int:
        return sum((item[indicator] < threshold) == (item["score"] < 1 - WORTHWHILE) for item in part)

    def best(part: Sequence[dict[str, Any]]) -> float:
        values = sorted(item[indicator] for item in part)
        steps = [values[0] / 2, *((a * b) ** 0.5 for a, b in itertools.pairwise(values)), values[-1] * 2]
        return float(max(steps, key=lambda threshold: right(part, threshold)))

    hits = 0
    for task in {item["task"] for item in known}:
        others = [item for item in known if item["task"] != task]
        hits += right([item for item in known if item["task"] == task], best(others))
    pays = sum(item["score"] < 1 - WORTHWHILE for item in known)
    return {"right": hits, "of": len(known), "threshold on all": best(known),
            "right of the commoner answer": max(pays, len(known) - pays)}  # fmt: skip


def _measured(trained: Trained, order: int, baseline: ErrorStats) -> Candidate:
    name, on = trained.head(order), HeadCurve(make_curve(trained.curve, order))
    floats, one = trained.stats(trained.error(name, "float")), trained.stats(trained.error("1d", "float"))
    if trained.task.circular:
        one = trained.stats(trained.error("cos_sin", "float"))
    learnt = all(floats.figures[m] - one.figures[m] <= 0.25 * baseline.figures[m] for m in ("mae", "rmse"))
    noise = 256 * float((trained.heads[name, "int8"] - trained.heads[name, "float"]).std())
    half = 128 * on.pitch
    refusal = NOT_LEARNT if not learnt else "noise" if half < 4 * noise else ""
    truth = trained.stats(trained.error(name, "int8"))
    return Candidate(
        trained.curve, order, on.margin, on.length, half, noise, 0.0, f"measured on {name}", True,
        trained.stats(trained.quantization(name)), truth, 0.0, score(truth, baseline), {"truth": 1.0}, refusal,
        learnt=learnt,
    )  # fmt: skip


def _asked(
    trained: Trained, told: Iterable[int], outcome: dict[int, Candidate], baseline: ErrorStats
) -> tuple[list[Candidate], Choice]:
    """The candidates, and what is chosen of them, where the 1D net and the orders `told` are known."""
    known, measured = [trained.known(0)], []
    for order in told:
        measured.append(outcome[order])
        if outcome[order].refusal != NOT_LEARNT:
            known.append(trained.known(order))
    found = forecasts(known, measured, ORDERS, ["cell"], baseline, trained.curve, trained.ease)
    return found, choose(found)


def _followed(
    trained: Trained, told: int, outcome: dict[int, Candidate], baseline: ErrorStats
) -> tuple[int, Candidate | None]:
    """(nets trained, the last recommendation) where all that is to be trained or measured is, until there is no more."""
    done = {told} - {0}
    while True:
        choice = _asked(trained, sorted(done), outcome, baseline)[1]
        wanted = {int(order) for order in choice.measure} | ({choice.best.order} if choice.best is not None else set())
        if wanted <= done:
            return len(done - {told}), choice.best
        done |= wanted


def advice_checks(study: Study) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What `advise` recommends, told of the 1D net alone and of any one order, and its forecasts over what was measured.

    "followed" is where a user ends who trains what is recommended or to be measured and asks again, until nothing is left.
    """
    checks, ratios = [], []
    for trained in study.trained:
        _, baseline = trained.baseline()
        outcome = {order: _measured(trained, order, baseline) for order in ORDERS}
        best = min(candidate.score for candidate in outcome.values())

        def over(order: int | None, outcome: dict[int, Candidate] = outcome, best: float = best) -> float:
            return (outcome[order].score if order is not None else 1.0) / min(best, 1.0)

        for told in (0, *ORDERS):
            found, choice = _asked(trained, {told} - {0}, outcome, baseline)
            chosen = choice.best
            trainings, last = _followed(trained, told, outcome, baseline)
            checks.append(
                {
                    "task": trained.task.name, "phase": trained.phase, "told": told,
                    "advised": chosen.order if chosen is not None else None,
                    "over the best": over(chosen.order if chosen is not None else None),
                    "to measure": list(choice.measure),
                    "over the best of those": min((over(int(order)) for order in choice.measure), default=None),
                    "followed": {"trainings": trainings, "over the best": over(last.order if last is not None else None)},
                    "will not help": chosen is None and not choice.measure,
                    "not known": chosen is None and bool(choice.measure), "none helps": best > 1 - WORTHWHILE,
                }
            )  # fmt: skip
            for candidate in found:
                if candidate.measured or candidate.refusal or not np.isfinite(candidate.score):
                    continue
                real = outcome[candidate.order]
                ratios.append(
                    {
                        "task": trained.task.name, "told": told, "truth": candidate.score / real.score,
                        "quantization rmse": candidate.quantization.rmse / real.quantization.rmse,
                        "quantization robust_sd": candidate.quantization.robust_sd / real.quantization.robust_sd,
                    }
                )  # fmt: skip
    return checks, ratios


def _left_out(logs: Array, tasks: Sequence[str]) -> float:
    """Share of the |log ratios| that are no larger than the largest of all other tasks."""
    names = np.array(tasks)
    held = [logs[names == task] <= logs[names != task].max() + 1e-9 for task in dict.fromkeys(tasks)]
    return float(np.concatenate(held).mean())


def factors(ratios: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Factors between forecasts and what was measured, and the share of each task's that lie within the largest of the
    other tasks', which is what an interval promises for a task that was not seen."""
    found: dict[str, Any] = {}
    for label, part in (
        ("from the 1D net", [r for r in ratios if not r["told"]]),
        ("from an order", [r for r in ratios if r["told"]]),
    ):
        for name in ("truth", "quantization rmse", "quantization robust_sd"):
            logs = np.abs(np.log([r[name] for r in part]))
            found[f"{name}, {label}"] = {
                "forecasts": len(part), "nine of ten within": float(np.exp(np.quantile(logs, 0.9))),
                "all within": float(np.exp(logs.max())), "share within 25 %": float((logs < np.log(1.25)).mean()),
                "share within the others'": _left_out(logs, [r["task"] for r in part]),
            }  # fmt: skip
    return found
