"""The documented loss against the distance to the target alone: wrong branches and error to truth of float nets.

    python examples/study/losses.py                          # all tasks, orders 1 to 3, three seeds
    python examples/study/losses.py --tasks spot --orders 3 --steps 300

Both losses get the same start, samples and steps. A point is on a wrong branch where its decoded place is over a cell and a
half of the curve from the truth. Prints a line for each task and order; --json writes the figures. Needs TensorFlow.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nets
import numpy as np
from tasks import TASKS, Task

from hilbert_codegen.training.loss import difference

SAMPLES, TEST = 60_000, 3_000
#: Cells of the curve past which an answer counts as one of another branch.
WRONG = 1.5
LOSSES = ("documented", "target")


def compared(task: Task, orders: tuple[int, ...], steps: int, seeds: list[int]) -> Iterator[dict[str, Any]]:
    """One row for each order: of either loss the share of wrong branches and the MAE to truth in t, for each seed."""
    x, t = task.make(SAMPLES, 1)
    test_x, test_t = task.make(TEST, 2)
    for order in orders:
        head = nets.make_head(f"{'moore' if task.circular else 'p'}{order}")
        assert head.on is not None
        row: dict[str, Any] = {"task": task.name, "order": order, "points": len(test_t)}
        for name in LOSSES:
            learnt = replace(head, loss_name=name)
            weights = nets.train_float(x, t, learnt, steps, seeds)
            place, _ = head.on.decode(nets.float_heads(weights, test_x, learnt))
            error = np.abs(difference(place, np.broadcast_to(test_t, place.shape), task.circular))
            row[name] = {
                "wrong": [float(share) for share in (error * head.on.curve.segments > WRONG).mean(axis=1)],
                "mae": [float(value) for value in error.mean(axis=1)],
            }
        yield row


def no_more_wrong(row: dict[str, Any]) -> bool:
    """Whether the documented loss leaves no more points on wrong branches, but for what chance explains.

    Two standard deviations of the difference of two such shares: of the points, and of the mean over the seeds.
    """
    ours, theirs = (float(np.mean(row[name]["wrong"])) for name in LOSSES)
    seeds = len(row["target"]["wrong"])
    points = row["points"] * seeds
    among_seeds = sum(float(np.var(row[name]["wrong"], ddof=min(1, seeds - 1))) for name in LOSSES) / seeds
    chance = np.sqrt((ours * (1 - ours) + theirs * (1 - theirs)) / points + among_seeds)
    return bool(ours <= theirs + 2 * chance + 1 / points)


def spread(seeds: list[float], by: float) -> str:
    """Mean and standard deviation of a figure of each seed, times `by`."""
    return f"{by * np.mean(seeds):8.3f} +- {by * np.std(seeds, ddof=min(1, len(seeds) - 1)):6.3f}"


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--orders", nargs="+", type=int, default=[1, 2, 3], choices=[1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("documented / target, mean and standard deviation over the seeds")
    print("task        order   wrong branch, %                   MAE, 1e-3")
    for name in arguments.tasks:
        for row in compared(TASKS[name], tuple(arguments.orders), arguments.steps, arguments.seeds):
            wrong = " / ".join(spread(row[loss]["wrong"], 100.0) for loss in LOSSES)
            mae = " / ".join(spread(row[loss]["mae"], 1e3) for loss in LOSSES)
            note = "" if no_more_wrong(row) else "   more than by chance"
            print(f"{name:<11} {row['order']:>5}   {wrong}   {mae}{note}", flush=True)
            rows.append(row)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
