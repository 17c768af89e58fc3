"""`full`: one table entry for every pair of codes. The paper's own decoder (section "post-processing")."""

from __future__ import annotations

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table
from hilbert_codegen.spec.specification import Spec


class Full:
    """65,536 entries indexed by the raw word x | y << 8; one load a point."""

    name = "full"
    summary = "one entry for every pair of codes"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads (2^32 entries)."""
        if spec.heads.bits != 8:
            raise Refused("a table over 16-bit heads would have 2^32 entries")
        codes = ideal.codes.reshape(-1)
        tables = [
            Table("value", spec.output.dtype, codes, "decoded code of the raw word x | y << 8"),
        ]
        far = ideal.distance.reshape(-1).astype(codes.dtype)
        if distance:
            tables.append(Table("far", "uint8", far, "distance to the curve in head codes, of x | y << 8"))

        def decode(x: IntArray, y: IntArray) -> IntArray:
            return np.asarray(codes[x | (y << 8)])

        def measure(x: IntArray, y: IntArray) -> IntArray:
            return np.asarray(far[x | (y << 8)])

        return Built(
            strategy=self.name,
            portable=Implementation(tuple(tables), decode, measure if distance else None),
            note="One table entry for every pair of codes: a single load a point, constant time.",
        )


STRATEGIES.add(Full.name, Full())
