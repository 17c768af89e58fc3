"""GNU assembly for cores with 32-bit Thumb instructions and without Helium: Cortex-M3, M4, M7, M33.

Compilers undo an order of instructions in which none waits for a load, and mask where the tables make that needless. A
strategy has it with a template in templates/variants/thumb2, and offers tables for it where it needs others than the
portable C.
"""

from __future__ import annotations

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.targets.architectures import ARM
from hilbert_codegen.variants import Variant, add, assembled


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """What the strategy offers, for interleaved 8-bit heads and results of 16 bits."""
    return assembled(spec, built, "thumb2")


add(
    Variant(
        name="thumb2",
        title="GNU assembly",
        chosen="where the core has 32-bit Thumb instructions",
        condition="defined(__GNUC__) && defined(__thumb2__) && defined(__ARM_FEATURE_UNALIGNED) && "
        "!defined(__ARM_BIG_ENDIAN) && !defined(__ARM_FEATURE_MVE)",
        runs_on=lambda core: core.architecture is ARM and not core.baseline and not core.helium,
        implement=implement,
        table_attribute="WORD_ALIGNED",
    )
)
