"""Which curve to take or to train, of those that were measured or forecast, in words.

A measured net that beats its rival by more than WORTHWHILE comes before any forecast: what it saves is known. Forecasts
that promise more, or as much with fewer heads, are named behind it. Where no measured net pays, the best of all is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hilbert_codegen.pilot.metrics import ErrorStats
from hilbert_codegen.spec.plan import Plan

#: A float net may know t to this many cells (root mean square), and no worse, for its order to be forecast.
BLUR = 0.06
#: Beyond this many cells a curve is ruled out. Of the study's curves between the two 31 of 68 paid, beyond FAR 2 of 60, by
#: 10 and 11 % (examples/study/committed.py prints the counts).
FAR = 0.5
#: Errors to truth within this factor of the best count as equal to it.
NEARLY = 1.05
#: Share of the error to truth that is to go, or a second head is not worth a training.
WORTHWHILE = 0.03
#: A forecast that no order helps is no answer where it is below this factor of the best 1D net's error.
DOUBT = 1.1
#: What the error to truth is compared with, where there is nothing special about it.
RIVAL = "the best 1D INT8 net"


@dataclass(frozen=True)
class Candidate:
    """One order and inset; errors in t.

    Attributes:
        curve, order, inset, length: of the curve.
        half_branch: half the distance between two branches, in codes.
        noise: standard deviation of a head's noise, in codes.
        blur: the float net's root mean square error to truth, in cells; NaN without a float net.
        source: where the figures come from.
        measured: whether this very net was measured.
        quantization, truth: INT8 to float, and INT8 to truth; NaN where no figure can be given.
        jumps: share of points that quantization carries to another branch.
        score: mean of the errors to truth (MAE and RMSE) over those of the rival; below 1 is better.
        spread: factor that figures of its kind were found to differ by at most from such a forecast.
        refusal: why it is not advised, else "".
        heads: their number.
        unsure: why no figure can be given for what is not refused either, else "".
        learnt: whether a measured float net has learnt its task; None where that can't be said, and of forecasts.
        interval: ends of the 95 % interval of a measured `score`, over samples; NaN where there is none.
        plan: of a measured model's decoder.
    """

    curve: str
    order: int
    inset: float
    length: float
    half_branch: float
    noise: float
    blur: float
    source: str
    measured: bool
    quantization: ErrorStats
    truth: ErrorStats
    jumps: float
    score: float
    spread: Mapping[str, float]
    refusal: str
    heads: int = 2
    unsure: str = ""
    learnt: bool | None = None
    interval: tuple[float, float] = (math.nan, math.nan)
    plan: Plan | None = field(default=None, repr=False, compare=False)

    @property
    def named(self) -> str:
        """ "order 3" of two heads, "3 heads of order 2" of more."""
        return f"order {self.order}" if self.heads == 2 else f"{self.heads} heads of order {self.order}"

    @property
    def asked(self) -> int | str:
        """What is said in `measure`: the order of two heads, `named` of more."""
        return self.order if self.heads == 2 else self.named

    @property
    def ends(self) -> tuple[float, float]:
        """What `score` may be: of a measured net its interval over samples, of a forecast what its kind came within."""
        factor = self.spread["truth"]
        return self.interval if self.measured else (self.score / factor, self.score * factor)

    @property
    def change(self) -> str:
        """Its error to truth against the rival's, with an interval where there is one: "-17 % [-60, +74]"."""
        low, high = (100 * (end - 1) for end in self.ends)
        shown = f"{100 * (self.score - 1):+.0f} %"
        return shown if math.isnan(low) else f"{shown} [{low:+.0f}, {high:+.0f}]"

    def record(self) -> dict[str, Any]:
        """As JSON-able values."""
        values = {name: value for name, value in self.__dict__.items() if name != "plan"}
        return {**values, "quantization": self.quantization.record(), "truth": self.truth.record(),
                "spread": dict(self.spread)}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What to do about the candidates.

    Attributes:
        best: to be taken, or trained; None where none helps, or where it can't be known.
        measure: what to train and evaluate before more can be said, as `Advice.measure`.
        lines: that say so, the instruction first.
    """

    best: Candidate | None
    measure: tuple[int | str, ...]
    lines: tuple[str, ...]


def choose(candidates: Sequence[Candidate], rival: str = RIVAL, at_stake: float = math.inf) -> Choice:
    """The candidate to take or to train, or that none helps, or what to measure first.

    Args:
        candidates: measured, forecast and refused.
        rival: what their `score` compares them with, for people.
        at_stake: share of the rival's error to truth that quantization makes, as a score; infinite where it is not known.
    """
    usable = [c for c in candidates if not c.refusal and math.isfinite(c.score)]
    rest = (*_without_figures(candidates), *_refusals(candidates))
    if not usable:
        return _nothing_known(candidates, rival, at_stake, rest)
    best = _simplest(preferred(usable))
    if best.score > 1 - WORTHWHILE:
        doubtful = not best.measured and best.score < DOUBT
        line = (
            f"It can't be known whether {best.named} helps: error to truth {best.change} against {rival} "
            f"({best.source}). Train it, run evaluate on it, and ask again with that model in the pilot."
            if doubtful
            else f"More heads will not help: the best, {best.named}, changes the error to truth by {best.change} only."
        )
        return Choice(None, (best.asked,) if doubtful else (), (line, *rest))
    lines = [
        f"{'Take' if best.measured else 'Train'} {best.named} with inset {best.inset:.4g}: error to truth {best.change} "
        f"against {rival} ({best.source})."
    ]
    further = [(c, promise) for c in usable if (promise := _promise(c, best))]
    lines += [
        f"{_capital(c.named)} may do {promise}, {c.change} ({c.source}): train it, and evaluate."
        for c, promise in further
    ]
    measure: list[int | str] = [c.asked for c, _ in further]
    unknown = min((c.order for c in candidates if c.unsure and c.heads == best.heads), default=None)
    if unknown is not None and not best.measured:
        lines.append(
            f"Then run evaluate on {best.named}, and ask again with that model in the pilot: more can be said of longer "
            f"curves then."
        )
        measure.insert(0, best.asked)
    elif unknown is not None and unknown == best.order + 1:
        higher = replace(best, order=unknown)
        why = f": {best.named} has shown that the curve can be learnt" if best.learnt else ""
        lines.append(f"To know of {higher.named}, train it, evaluate, and ask again{why}.")
        measure.append(higher.asked)
    return Choice(best, tuple(dict.fromkeys(measure)), (*lines, *rest))


def preferred(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Of candidates with a score those that were measured and pay; all of them where none does."""
    return [c for c in candidates if c.measured and c.score < 1 - WORTHWHILE] or candidates


def _simplest(candidates: Sequence[Candidate]) -> Candidate:
    """Of those as good as the best the one with the fewest heads, and of these with the lowest order."""
    least = min(c.score for c in candidates)
    return min((c for c in candidates if c.score <= NEARLY * least), key=lambda c: (c.heads, c.order, c.score, c.inset))


def _promise(candidate: Candidate, best: Candidate) -> str:
    """What a forecast promises beside the candidate that is advised, or "" where nothing."""
    if candidate.measured:
        return ""
    simpler = (
        " with fewer heads"
        if candidate.heads < best.heads
        else " at a lower order"
        if candidate.heads == best.heads and candidate.order < best.order
        else ""
    )
    if candidate.score < best.score:
        return ("better" if NEARLY * candidate.score < best.score else "as well or better") + simpler
    return "as well" + simpler if simpler and best.measured and candidate.score <= NEARLY * best.score else ""


def _nothing_known(candidates: Sequence[Candidate], rival: str, at_stake: float, rest: tuple[str, ...]) -> Choice:
    """Where no candidate has a figure."""
    unsure = [c for c in candidates if c.unsure]
    if not unsure:
        return Choice(None, (), ("More heads will not help: no order passes the criteria below.", *rest))
    if at_stake < WORTHWHILE:
        line = (
            f"More heads will not help: they save quantization error, and of the error to truth of {rival} that makes "
            f"{100 * at_stake:.1f} % only."
        )
        return Choice(None, (), (line, *rest))
    first = min(unsure, key=lambda c: (c.blur, c.heads, c.order))
    line = (
        f"It can't be known whether more heads help. Train {first.named}, run evaluate on it, and ask again with that "
        f"model in the pilot."
    )
    return Choice(None, (first.asked,), (line, *rest))


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _without_figures(candidates: Sequence[Candidate]) -> list[str]:
    """One line on all candidates that may be learnt or not."""
    unsure = {(c.heads, c.order): c for c in candidates if c.unsure}
    if not unsure:
        return []
    shown = ", ".join(f"{c.named} ({c.blur:.2g} cells)" for _, c in sorted(unsure.items(), key=lambda item: item[0]))
    return [
        f"No figure can be given for {shown}: where the float net knows t to more than {BLUR:g} cells, only a training tells "
        f"whether the curve is learnt and pays."
    ]


def _refusals(candidates: Sequence[Candidate]) -> list[str]:
    refused = {(c.heads, c.order): c for c in candidates if c.refusal and not c.measured}
    return [
        f"Order {order} is ruled out by {c.refusal}."
        if heads == 2
        else f"{heads} heads of order {order}: ruled out by {c.refusal}."
        for (heads, order), c in sorted(refused.items(), key=lambda item: item[0])
    ]
