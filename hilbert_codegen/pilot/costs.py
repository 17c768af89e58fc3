"""What a further head costs and buys: the best curve of each number of heads, beside what its decoder takes on a core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hilbert_codegen.config.loading import resolve
from hilbert_codegen.emit.choose import ANY, ANY_COSTS, AUTO, survey
from hilbert_codegen.emit.proofs import deferred
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.choice import Candidate, preferred
from hilbert_codegen.spec.plan import Plan, make_plan


@dataclass(frozen=True)
class HeadCost:
    """The best candidate of one number of heads, and its decoder.

    Attributes:
        heads, order, inset: of the candidate.
        change: its error to truth over the rival's, less 1.
        rmse: of its quantization error, in t; NaN without a float net.
        measured: whether that net was measured, or is forecast.
        strategy: of its decoder, or "" where none serves.
        flash_bytes: of tables and code on `core`; of tables alone where the code was never measured.
        code_measured: whether it was.
        instructions: per point on `core`, or None where never measured.
        core: that these figures hold for.
        holds_for: what the decoder was taken to be where it is not that of a model's own configuration, else "".
        channels: output channels of the net: its heads, and a fused one.
    """

    heads: int
    order: int
    inset: float
    change: float
    rmse: float
    measured: bool
    strategy: str
    flash_bytes: int
    code_measured: bool
    instructions: float | None
    core: str = ANY_COSTS
    holds_for: str = ""
    channels: int = 2

    def record(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)

    def text(self, span: float, channels: int = 1) -> str:
        """One line for people; `span` is the size of the task's range, `channels` are those of the rival."""
        code = "" if self.code_measured else " of tables"
        speed = f", {self.instructions:.0f} instructions per point" if self.instructions is not None else ""
        decoder = (
            f"{self.strategy}, {self.flash_bytes} bytes{code}{speed} on {self.core}" if self.strategy else "none serves"
        )
        holds = f" ({self.holds_for})" if self.holds_for else ""
        noise = "unknown, for want of a float net" if math.isnan(self.rmse) else f"{span * self.rmse:.3g}"
        return (
            f"{self.heads} heads, {'measured' if self.measured else 'forecast'}: order {self.order}, inset {self.inset:.4g}: error "
            f"to truth {100 * self.change:+.0f} %, quantization RMSE {noise}; "
            f"{_further(self.channels - channels, channels)}; decoder: {decoder}{holds}"
        )


def _further(more: int, rival: int) -> str:
    """`more` output channels than the `rival` of the net, in words."""
    other = "one head" if rival == 1 else "the best net without Hilbert heads"
    if more == 0:
        return f"as many output channels as {other}"
    count = abs(more)
    return f"{count} {'more' if more > 0 else 'fewer'} output channel{'s' if count > 1 else ''} than {other}"


def _usual(candidate: Candidate) -> Plan:
    """The plan of a decoder for a net that does not exist yet: int8 heads of scale 1/256, uint16 result."""
    curve = {
        "kind": candidate.curve, "dimensions": candidate.heads, "order": candidate.order,
        "inset": Decimal(repr(candidate.inset)),
    }  # fmt: skip
    heads = {"scale": Decimal("0.00390625"), "zero_point": -128}
    return make_plan(resolve({"curve": curve, "heads": heads}, "advise", Path()))


def _decoder(plan: Plan) -> tuple[str, int, bool, float | None]:
    """Of the decoder that `plan` gets its strategy, flash, whether its code was measured, and instructions per point.

    It is the strategy that is named, or the first that fits the limit of flash; "" where none does.
    """
    code = plan.config.code
    names = None if code.strategy == AUTO else [code.strategy]
    for found in survey(plan, deferred(lambda: reference_for(plan.spec, proof_domain(plan.spec))), names):
        if found.built is not None and (names or found.flash_bytes <= code.max_flash_bytes):
            return found.name, found.flash_bytes, found.code_bytes > 0, found.cost
    return "", 0, False, None


def further_heads(candidates: Sequence[Candidate]) -> tuple[HeadCost, ...]:
    """For each number of heads the usable candidate with the least error to truth, by number: of measured ones where one pays.

    The decoder of a measured model is that of its own configuration.
    """
    found = []
    for heads in sorted({c.heads for c in candidates}):
        usable = [c for c in candidates if c.heads == heads and not c.refusal and c.score == c.score]
        if not usable:
            continue
        best = min(preferred(usable), key=lambda c: (c.score, c.order, c.inset))
        found.append(_cost(best))
    return tuple(found)


def _cost(best: Candidate) -> HeadCost:
    decoder: tuple[str, int, bool, float | None] = "", 0, False, None
    core, holds_for = ANY_COSTS, ""
    try:
        plan = best.plan or _usual(best)
        target, result = plan.config.code.target, plan.config.output.dtype
        core = ANY_COSTS if target == ANY else target
        if best.plan is None:
            limit = plan.config.code.max_flash_bytes
            holds_for = f"for int8 heads of scale 1/256, {result} results and up to {limit} bytes"
        decoder = _decoder(plan)
    except UsageError:  # an inset or scale that no decoder serves
        pass
    return HeadCost(
        best.heads, best.order, best.inset, best.score - 1, best.quantization.rmse, best.measured, *decoder, core,
        holds_for, best.heads if best.plan is None else best.plan.spec.inputs,
    )  # fmt: skip
