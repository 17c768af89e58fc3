"""Helium, the M-profile vector extension (MVE) of Cortex-M55 and M85: eight points at a time, in lanes of 16 bits.

A strategy has it with a template in templates/variants/mve, whose function PREFIX_eight decodes eight raw words.
"""

from __future__ import annotations

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, Refused
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec
from hilbert_codegen.variants import Variant, add, offered


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """What the strategy offers, for results of at most 16 bits."""
    if INTEGER_TYPES[spec.output.dtype][0] > 16:
        raise Refused("results of 32 bits do not fit its lanes")
    return offered(built, "mve")


add(
    Variant(
        name="mve",
        title="Helium",
        chosen="where the compiler has it",
        condition="defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)",
        runs_on=lambda core: core.helium,
        implement=implement,
        value="(__ARM_FEATURE_MVE & 1)",
        includes=("arm_mve.h",),
    )
)
