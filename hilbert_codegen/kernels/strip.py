"""`strip`: the full table cut into strips of 32 codes of x, each a base and a window of one shared pool.

Between `tile` and `full` in bytes and in speed: a strip's number is one shift of the raw word, a tile's takes three
steps. On a grid whose cells are powers of two of codes wide most of a pool serves several strips; elsewhere the table
would grow instead of shrink.
"""

from __future__ import annotations

import numpy as np

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.windows import Pool, row_pool
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

LENGTH = 32
COUNT = 65536 // LENGTH


class Strip:
    """Two dependent loads a point, constant time: 8 KB of strips and a pool of 5 to 29 KB on the cell grid."""

    name = "strip"
    summary = "strips of 32 codes: a base and a window of a shared pool"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for 16-bit heads, and where the strips do not repeat enough to be smaller than the full table."""
        if spec.heads.bits != 8:
            raise Refused("strips index 8-bit heads")
        bits = INTEGER_TYPES[spec.output.dtype][0]
        strips = ideal.codes.reshape(COUNT, LENGTH)
        value = self._pool(spec, strips, 1 << bits, False, 8192 if bits <= 16 else 12288, 65536 * bits // 8)
        word = np.arange(COUNT, dtype=np.int64) * LENGTH
        pool = Table("pool", f"uint{bits}", value.entries, f"windows of 32 differences; {value.distinct} are distinct")
        start_meaning = "start of the window of strip (raw word >> 5) in the pool, less 32 times the strip"
        if bits <= 16:
            meaning = "strip (raw word >> 5): start of its window in the pool << 16 | base"
            strip_tables = [Table("strip", "uint32", value.offset << 16 | value.base, meaning, 8)]
        else:
            strip_tables = [
                Table("base", f"uint{bits}", value.base, "base of strip (raw word >> 5)", 8),
                Table("offset", "uint16", value.offset, "start of the strip's window in the pool"),
            ]
        far, far_tables = None, []
        if distance:
            far = self._pool(spec, ideal.distance.astype(np.int64).reshape(COUNT, LENGTH), 256, True, 4096, 65536)
            far_tables = [
                Table("far_pool", "uint8", far.entries, f"windows of 32 distances; {far.distinct} are distinct", 24),
                Table("far_start", "uint16", (far.offset - word) % 65536, start_meaning),
            ]

        def decode(x: IntArray, y: IntArray) -> IntArray:
            word = x | (y << 8)
            strip = word >> 5
            index = value.offset[strip] + (word & 31)
            return as_output(spec, value.base[strip] + value.entries[index])

        def measure(x: IntArray, y: IntArray) -> IntArray:
            assert far is not None
            word = x | (y << 8)
            return np.asarray(far.entries[far.offset[word >> 5] + (word & 31)])

        def lanes() -> Implementation | None:
            """Base and start in tables of their own, for lanes of 16 bits."""
            if bits > 16:
                return None
            base = Table("base", "uint16", value.base, "base of strip (raw word >> 5)")
            start = Table("start", "uint16", (value.offset - word) % 65536, start_meaning)

            def decode_lanes(x: IntArray, y: IntArray) -> IntArray:
                raw = x | (y << 8)
                place = (start.values[raw >> 5] + raw) & 0xFFFF
                return as_output(spec, base.values[raw >> 5] + value.entries[place])

            return Implementation((pool, base, start, *far_tables), decode_lanes, far_model)

        far_model = measure if distance else None
        return Built(
            strategy=self.name,
            portable=Implementation((pool, *strip_tables, *far_tables), decode, far_model, {"wide": bits > 16}),
            note="The full table in strips of 32 codes, each a base and a window of a shared pool: constant time.",
            offers={"mve": lanes},
        )

    def _pool(self, spec: Spec, strips: IntArray, modulus: int, exact: bool, fixed_bytes: int, full_bytes: int) -> Pool:
        pool = row_pool(strips, modulus, exact)
        size = fixed_bytes + len(pool.entries) * (modulus - 1).bit_length() // 8
        if size >= full_bytes or len(pool.entries) > 65536:
            raise Refused(
                f"{pool.distinct} of {COUNT} strips are distinct: no smaller than the full table (a cell is "
                f"{float(spec.pitch(0)):.4g} x {float(spec.pitch(1)):.4g} codes; whole powers of two repeat)"
            )
        return pool


STRATEGIES.add(Strip.name, Strip())
