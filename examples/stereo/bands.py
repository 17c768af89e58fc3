"""Chooses thresholds and weights of the fused decoder on validation scenes, which no report and no training has.

    python bands.py                      # the committed networks of three seeds, 384 scenes: some minutes
    python bands.py --scenes 32 --seeds 0

Of all decoders with one threshold and with two, the one is taken whose mean absolute error against the 1D head's is lowest in
the worst seed, among those whose root mean square is lower than the 1D head's by a margin in every seed. Needs tflite-runtime.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import scenes

from hilbert_codegen import Decoder
from hilbert_codegen.models.inference import infer

HERE = Path(__file__).parent
#: Seed of the validation scenes: 3 is the report's, 100 and 101 are for training.
VALIDATION = 2
#: The first of the thresholds is at least 0.01: below it the finer value of the curve alone is what is wanted.
THRESHOLDS = (0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2)
PARTS = 16

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Errors of one network's averages, added up over the points of every band between thresholds.

    Attributes:
        absolute, squared: of every weight in sixteenths, and of all points below each band: (PARTS + 1, bands + 1).
        single: the absolute and the squared error of the 1D head.
    """

    absolute: FloatArray
    squared: FloatArray
    single: tuple[float, float]

    def errors(self, thresholds: Sequence[float], weights: Sequence[int]) -> tuple[float, float]:
        """Mean absolute error and root mean square of a decoder, as changes against the 1D head's in per cent."""
        cuts = [0, *(THRESHOLDS.index(one) + 1 for one in thresholds), len(THRESHOLDS) + 1]
        absolute, squared = (
            sum(table[w, cuts[i + 1]] - table[w, cuts[i]] for i, w in enumerate((PARTS, *weights)))
            for table in (self.absolute, self.squared)
        )
        return 100 * (float(absolute) / self.single[0] - 1), 100 * (float(squared / self.single[1]) ** 0.5 - 1)


def sums_of(model: Path, views: NDArray[np.uint8], truth: NDArray[Any]) -> Sums:
    """What the network at `model` answers to scenes."""
    decoder = Decoder.load(HERE / "decoder_five.toml", model)
    spec = decoder.spec
    assert spec.fusion is not None
    codes = infer(model, views.astype(np.float32) / 255).outputs[0]
    heads = [decoder.real(axis, codes[..., axis]) for axis in range(spec.inputs)]
    curve = Decoder(spec.of_curve).nearest(*heads[:-1])[0]
    low, high = (float(end) for end in spec.fusion.range)
    single = np.clip((heads[-1] - low) / (high - low), 0, 1)
    band = np.digitize(np.abs(curve - single), THRESHOLDS, right=True).ravel()
    error, apart = (single - truth).ravel(), (curve - single).ravel()
    tables = []
    for power in (1, 2):
        added = [
            np.bincount(band, np.abs(error + w / PARTS * apart) ** power, len(THRESHOLDS) + 1) for w in range(PARTS + 1)
        ]
        tables.append(np.cumsum(np.pad(added, ((0, 0), (1, 0))), axis=1))
    return Sums(tables[0], tables[1], (float(np.abs(error).sum()), float((error**2).sum())))


def best(networks: Sequence[Sums], count: int, margin: float) -> tuple[tuple[float, ...], tuple[int, ...]] | None:
    """Thresholds and weights in sixteenths, `count` of them, or None where no decoder keeps the margin."""
    found = []
    for thresholds in combinations(THRESHOLDS, count):
        for weights in combinations_with_replacement(range(PARTS - 1, 0, -1), count):
            errors = [network.errors(thresholds, weights) for network in networks]
            if max(rms for _, rms in errors) <= -margin:
                found.append((max(mae for mae, _ in errors), thresholds, weights))
    return min(found)[1:] if found else None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the networks")
    parser.add_argument("--scenes", type=int, default=384)
    parser.add_argument("--margin", type=float, default=0.1, help="of the root mean square below the 1D head's, %%")
    arguments = parser.parse_args()
    views, truth = scenes(VALIDATION, arguments.scenes)
    networks = [sums_of(HERE / f"models/fused_h5p1_s{seed}_int8.tflite", views, truth) for seed in arguments.seeds]
    for count in (1, 2):
        chosen = best(networks, count, arguments.margin)
        if chosen is None:
            print(f"{count} thresholds: none keeps the margin")
            continue
        thresholds, weights = chosen
        print(f"threshold = {list(thresholds)}, weight = {[w / PARTS for w in weights]}")
        for seed, network in zip(arguments.seeds, networks, strict=True):
            mae, rms = network.errors(thresholds, weights)
            print(f"  seed {seed}: MAE {mae:+.1f} %, RMSE {rms:+.2f} % against the 1D head")


if __name__ == "__main__":
    main()
