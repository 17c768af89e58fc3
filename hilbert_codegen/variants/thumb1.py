"""GNU assembly for cores with only 16-bit Thumb instructions: Cortex-M0, M0+, M1, M23.

Compilers run short of their eight low registers and shuffle. A strategy has it with a template in
templates/variants/thumb1. What it offers for this variant are tables of its own where doubled entries save instructions.
"""

from __future__ import annotations

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.variants import Variant, add, assembled


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """What the strategy offers, for interleaved 8-bit heads and results of 16 bits."""
    return assembled(spec, built, "thumb1")


add(
    Variant(
        name="thumb1",
        title="GNU assembly",
        chosen="where the core has only 16-bit instructions",
        condition="defined(__GNUC__) && defined(__thumb__) && !defined(__thumb2__) && !defined(__ARM_BIG_ENDIAN)",
        runs_on=lambda core: core.baseline,
        implement=implement,
        table_attribute="THUMB1_ALIGNED",
    )
)
