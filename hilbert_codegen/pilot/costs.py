"""What a further head costs and buys: the best curve of each number of heads, beside what its decoder takes on a core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hilbert_codegen.config.loading import resolve
from hilbert_codegen.emit.choose import ANY_COSTS, survey
from hilbert_codegen.emit.proofs import deferred
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.advise import Candidate
from hilbert_codegen.spec.plan import make_plan


@dataclass(frozen=True)
class HeadCost:
    """The best candidate of one number of heads, and its decoder.

    Attributes:
        heads, order, inset: of the candidate.
        change: its error to truth over the best 1D net's, less 1.
        rmse: of its quantization error, in t.
        measured: whether that net was measured, or is forecast.
        strategy: of its decoder (int8 heads of scale 1/256, uint16 result), or "" where none serves.
        flash_bytes: of tables and code on `core`; of tables alone where the code was never measured.
        code_measured: whether it was.
        instructions: per point on `core`, or None where never measured.
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

    def record(self) -> dict[str, Any]:
        """As JSON-able values."""
        return asdict(self)

    def text(self, span: float) -> str:
        """One line for people; `span` is the size of the task's range."""
        code = "" if self.code_measured else " of tables"
        speed = f", {self.instructions:.0f} instructions per point" if self.instructions is not None else ""
        decoder = (
            f"{self.strategy}, {self.flash_bytes} bytes{code}{speed} on {self.core}" if self.strategy else "none serves"
        )
        return (
            f"{self.heads} heads, {'measured' if self.measured else 'forecast'}: order {self.order}, inset {self.inset:.4g}: error "
            f"to truth {100 * self.change:+.0f} %, quantization RMSE {span * self.rmse:.3g}; {self.heads - 1} more output "
            f"channel{'s' if self.heads > 2 else ''} than one head; decoder: {decoder}"
        )


def _decoder(candidate: Candidate) -> tuple[str, int, bool, float | None]:
    """The first strategy that fits the default limit of flash: its name, flash, whether its code was measured, and instructions of a candidate's decoder."""
    curve = {
        "kind": candidate.curve, "dimensions": candidate.heads, "order": candidate.order,
        "inset": Decimal(repr(candidate.inset)),
    }  # fmt: skip
    heads = {"scale": Decimal("0.00390625"), "zero_point": -128}
    plan = make_plan(resolve({"curve": curve, "heads": heads}, "advise", Path()))
    for found in survey(plan, deferred(lambda: reference_for(plan.spec, proof_domain(plan.spec)))):
        if found.built is not None and found.flash_bytes <= plan.config.code.max_flash_bytes:
            return found.name, found.flash_bytes, found.code_bytes > 0, found.cost
    return "", 0, False, None


def further_heads(candidates: Sequence[Candidate]) -> tuple[HeadCost, ...]:
    """For each number of heads the usable candidate with the least error to truth, by number."""
    found = []
    for heads in sorted({c.heads for c in candidates}):
        usable = [c for c in candidates if c.heads == heads and not c.refusal and c.score == c.score]
        if not usable:
            continue
        best = min(usable, key=lambda c: (c.score, c.order, c.inset))
        try:
            decoder = _decoder(best)
        except UsageError:  # an inset or scale that no decoder serves
            decoder = "", 0, False, None
        found.append(
            HeadCost(heads, best.order, best.inset, best.score - 1, best.quantization.rmse, best.measured, *decoder)
        )
    return tuple(found)
