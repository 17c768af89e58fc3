"""ISO C99 for any compiler: the variant that is always there, and what the switches of the others leave.

Its templates are those of the strategies, in templates/kernels.
"""

from __future__ import annotations

from hilbert_codegen.variants import PORTABLE, Variant, add

add(
    Variant(
        name=PORTABLE,
        title="portable C",
        chosen="everywhere else",
        condition="1",
        runs_on=lambda core: True,
        implement=lambda spec, ideal, built: built.portable,
    )
)
