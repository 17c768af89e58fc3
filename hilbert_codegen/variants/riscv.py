"""GNU assembly for RISC-V microcontrollers of 32 bits without vectors, with Zba or without.

Two points side by side, in an order in which no instruction waits for the load before it. A load extends the sign for
nothing here as well, so the tables are those of 32-bit Thumb, whose sums need no mask; where the portable C masks, that
takes two shifts. A strategy has it with a template in templates/variants/riscv.
"""

from __future__ import annotations

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.targets.architectures import RISCV
from hilbert_codegen.variants import Variant, add, assembled


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """What the strategy offers for signed loads, for interleaved 8-bit heads and results of 16 bits."""
    return assembled(spec, built, "thumb2")


add(
    Variant(
        name="riscv",
        title="GNU assembly",
        chosen="where the core is a RISC-V of 32 bits and has no vectors",
        condition="defined(__GNUC__) && defined(__riscv) && (__riscv_xlen == 32) && !defined(__riscv_32e) && "
        "!defined(__riscv_vector)",
        runs_on=lambda core: core.architecture is RISCV and not core.rvv,
        implement=implement,
        table_attribute="WORD_ALIGNED",
    )
)
