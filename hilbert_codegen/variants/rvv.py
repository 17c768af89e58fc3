"""RISC-V vectors, from Zve32x on: as many points at a time as the vectors of the machine hold, in elements of 16 bits.

The length of a vector is asked for in each turn, so that one program runs on vectors of any length. A strategy has it with
a template in templates/variants/rvv. Elements are those of Helium's lanes, so what a strategy offers for those serves here.

A gather takes offsets in bytes, of 16 bits as the elements, and so reaches 64 KiB; but for the full table, which has
offsets of 32 bits.
"""

from __future__ import annotations

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, Refused
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec
from hilbert_codegen.variants import Variant, add, offered

#: What an offset of 16 bits reaches, in bytes.
REACH = 1 << 16


def implement(spec: Spec, ideal: Ideal, built: Built) -> Implementation | None:
    """What the strategy offers for lanes of 16 bits, for results of as many at most, where its offsets reach the tables."""
    if spec.heads.bits != 8 or INTEGER_TYPES[spec.output.dtype][0] > 16:
        raise Refused("16-bit heads and results of 32 bits do not fit its lanes")
    found = offered(built, "mve")
    if found is not None and built.strategy != "full" and any(table.nbytes > REACH for table in found.tables):
        raise Refused(f"a table takes more than the {REACH} bytes that its offsets reach")
    return found


add(
    Variant(
        name="rvv",
        title="RISC-V vectors",
        chosen="where the compiler has them",
        condition="defined(__riscv_vector) && defined(__riscv_v_intrinsic)",
        runs_on=lambda core: core.rvv,
        implement=implement,
        # Intrinsics from version 0.11 on have the names of 1.0.
        value="(__riscv_v_intrinsic >= 11000)",
        includes=("riscv_vector.h",),
    )
)
