"""What the study's committed files say of `advise` as it is now: no training, no TensorFlow, two minutes.

    python examples/study/committed.py

Of the rule on blur: for each curve that was trained, the float net's error in cells as `advise` expects it from the net without Hilbert heads
(figures.json, and the ease of the committed samples), and whether the curve paid: whether the error to truth of its INT8 nets is
below that of the best INT8 net without Hilbert heads by more than WORTHWHILE.

Of what is advised: the checks of `study.advice_checks` on the committed nets, which are those of seed 0 after post-training
quantization, and the committed 1,500 samples of each task.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from study import ORDERS, Study, Trained, advice_checks
from tasks import TASKS

from hilbert_codegen.curves import make_curve
from hilbert_codegen.models.inference import infer
from hilbert_codegen.pilot.choice import BLUR, FAR, WORTHWHILE
from hilbert_codegen.pilot.probe import KNOWLEDGE, easier, probe
from hilbert_codegen.training.loss import HeadCurve

HERE = Path(__file__).parent
_HEADS = re.compile(r"(?:p|moore)(?P<pair>\d)|[hm](?P<heads>\d)p(?P<order>\d)")


@dataclass(frozen=True)
class Curve:
    """One curve of one task after one phase of training.

    Attributes:
        task, phase, head: which.
        blur: the float net's error to expect, in cells.
        score: error to truth over that of the best net without Hilbert heads, mean of MAE and RMSE.
    """

    task: str
    phase: str
    head: str
    blur: float
    score: float

    @property
    def pays(self) -> bool:
        """Whether the error to truth falls by more than WORTHWHILE."""
        return self.score < 1 - WORTHWHILE


def curves(folder: Path = HERE) -> list[Curve]:
    """All curves that figures.json has, with the committed samples."""
    nets = json.loads((folder / "figures.json").read_text(encoding="utf-8"))["nets"]
    of: dict[tuple[str, str], dict[tuple[str, str], Any]] = {}
    for net in nets:
        of.setdefault((net["task"], net["phase"]), {})[net["head"], net["kind"]] = net
    eases: dict[tuple[str, int, int], float | None] = {}
    found = []
    for (task, phase), here in of.items():
        circular = ("cos_sin", "float") in here
        kind = "moore" if circular else "hilbert"
        with np.load(folder / "models" / task / "samples.npz") as samples:
            readings, t = samples["readings"] / 255.0, samples["t"]
        alone = here["cos_sin" if circular else "1d", "float"]["rmse"][0]
        rivals = [here[name, "int8"] for name in ("1d", "l1", "cos_sin") if (name, "int8") in here]
        best = min(rivals, key=lambda net: net["mae"][0] * net["rmse"][0])
        for name in dict.fromkeys(head for head, _ in here):
            match = _HEADS.fullmatch(name)
            if match is None:
                continue
            heads, order = (2, int(match["pair"])) if match["pair"] else (int(match["heads"]), int(match["order"]))
            if (task, heads, order) not in eases:
                eases[task, heads, order] = probe(readings, t, kind, [order], heads).get(order)
            ease = eases[task, heads, order]
            cells = make_curve(kind, order, dimensions=heads).segments
            own = here[name, "int8"]
            score = sum(own[metric][0] / best[metric][0] for metric in ("mae", "rmse")) / 2
            grown = KNOWLEDGE if ease is None else easier(ease)
            found.append(Curve(task, phase, name, alone * grown * cells, score))
    return found


def nets(folder: Path = HERE) -> Study:
    """The committed nets as a study of one seed and one phase."""
    found = Study({}, [])
    for task in TASKS.values():
        models = folder / "models" / task.name
        with np.load(models / "samples.npz") as samples:
            readings, t = samples["readings"] / 255.0, samples["t"].astype(np.float64)
        curve = "moore" if task.circular else "hilbert"
        trained = Trained(task, "ptq", [0], t, {}, {}, probe(readings, t, curve, ORDERS))
        folded = {trained.head(order): HeadCurve(make_curve(curve, order)) for order in ORDERS}
        for name in ("1d", "l1", *(["cos_sin"] if task.circular else []), *folded):
            on = folded.get(name)
            for kind in ("float", "int8"):
                real = infer(models / f"{name}_{kind}.tflite", readings, reference=False).real().reshape(len(t), -1)
                if on is not None:
                    trained.heads[name, kind] = real[:, None]
                    place = on.decode(real)[0]
                elif name == "cos_sin":
                    place = np.arctan2(real[:, 1], real[:, 0]) / (2 * np.pi) % 1.0
                else:
                    place = np.clip(real[:, 0], 0.0, 1.0)
                trained.answers[name, kind] = place[:, None]
        found.trained.append(trained)
    return found


def main() -> None:
    """Print the counts."""
    everything = curves()
    for low, high in ((0.0, BLUR), (BLUR, FAR), (FAR, float("inf"))):
        part = [curve for curve in everything if low < curve.blur <= high]
        print(f"blur above {low:g} and up to {high:g} cells: {sum(c.pays for c in part)} of {len(part)} curves paid")
    for curve in everything:
        if curve.pays and curve.blur > FAR:
            print(
                f"  {curve.task}, {curve.phase}, {curve.head}: {curve.blur:.2f} cells, {100 * (curve.score - 1):+.0f} %"
            )
    checks, _ = advice_checks(nets())
    for told, words in ((False, "told of the 1D net alone"), (True, "told of one order with it")):
        cases = [row for row in checks if bool(row["told"]) == told]
        near = sum(row["over the best"] <= 1.15 for row in cases)
        named = sum(min(row["over the best"], row["over the best of those"] or 9.0) <= 1.15 for row in cases)
        ended = sum(row["followed"]["over the best"] <= 1.15 for row in cases)
        trainings = [row["followed"]["trainings"] for row in cases]
        wrong = sum(not row["not known"] and row["will not help"] != row["none helps"] for row in cases)
        print(
            f"{words}: of {len(cases)} cases {near} name an order within 15 % of the best first, {named} first or to be measured; "
            f"who follows ends there in {ended}, after {max(trainings)} trainings at most, {np.mean(trainings):.1f} on average; "
            f"whether any order helps is said wrongly in {wrong}, and can't be known in {sum(row['not known'] for row in cases)}"
        )
    for row in checks:
        if row["over the best"] > 1.15:
            print(f"  {row['task']}, told of {row['told']}: {row['advised']} first, to be measured {row['to measure']}, "
                  f"{row['over the best']:.2f} times the best")  # fmt: skip


if __name__ == "__main__":
    main()
