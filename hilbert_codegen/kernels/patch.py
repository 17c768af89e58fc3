"""`patch`: the full table in 8 x 8 tiles, each read by a plane near the curve and a bent, corrected patch off it.

Made for the posterior mean, whose table is smooth off the curve but nowhere repeats. A tile holds one patch, or two
with a bit per pair that says which: near the curve (inside the gate) the value is linear in the codes and a plane gives
it exactly; off it a quadratic comes close and a packed correction of a few bits a pair makes it exact. Any scale will
do, but on the cell grid there are fewer patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import (
    STRATEGIES,
    Built,
    Implementation,
    IntArray,
    Model,
    Refused,
    Table,
    as_output,
    smallest_unsigned,
)
from hilbert_codegen.kernels.windows import tile_pool, tiles_of
from hilbert_codegen.spec.specification import Spec, type_range

SIDE = 8
COUNT = 1024
#: In a pool with rows of 256 entries, raw word & 0x0707 is the index inside a window.
LOCAL_MASK = 0x0707

#: Fractional bits of the coefficients that are tried; the smallest tables win.
FRACTIONS = (7, 9, 11)
#: Span of the output codes up to which base and slopes fit 32 bits with room for the rounding of coefficients.
SPAN_LIMIT = 1 << 17
#: Added to every base, which may lie below the smallest value by what the slopes of its patch add.
BIAS = SPAN_LIMIT

LOCAL_Y, LOCAL_X = np.divmod(np.arange(SIDE * SIDE), SIDE)
#: Monomials of a patch: 1, x, y, x^2, x y, y^2 of the position in the tile.
MONOMIALS = np.stack(
    [np.ones(SIDE * SIDE, np.int64), LOCAL_X, LOCAL_Y, LOCAL_X**2, LOCAL_X * LOCAL_Y, LOCAL_Y**2], axis=1
)
PLANE = 3


@dataclass(frozen=True)
class _Patch:
    """Coefficients (6,) of the monomials, scaled by 2^fraction, and corrections (64,) >= 0, 0 outside the patch."""

    coefficients: IntArray
    corrections: IntArray

    @property
    def width(self) -> int:
        """Bits of a correction."""
        return int(self.corrections.max()).bit_length()


@lru_cache(maxsize=4096)
def _solver(inside: bytes, terms: int) -> NDArray[np.float64]:
    """Least squares over the pairs of a mask; of an under-determined patch the solution of least norm."""
    return np.linalg.pinv(MONOMIALS[np.frombuffer(inside, dtype=bool), :terms].astype(float))


def _fit(values: IntArray, inside: NDArray[np.bool_], fraction: int, terms: int) -> _Patch:
    """The patch of `terms` monomials whose corrections on `inside` are small: least squares, then a lowered base."""
    design = MONOMIALS[inside, :terms]
    solution = _solver(inside.tobytes(), terms) @ values[inside].astype(float)
    coefficients = np.zeros(6, np.int64)
    coefficients[:terms] = np.rint(solution * (1 << fraction)).astype(np.int64)
    shape = design[:, 1:] @ coefficients[1:terms]
    # The base that makes the largest correction least: corrections are values - floor((base + shape) / 2^fraction),
    # and must be >= 0. Any base below the largest admissible one only adds whole units.
    coefficients[0] = int((((values[inside] + 1) << fraction) - 1 - shape).min())
    corrections = np.zeros(SIDE * SIDE, np.int64)
    corrections[inside] = values[inside] - ((coefficients[0] + shape) >> fraction)
    return _Patch(coefficients, corrections)


def _patch(values: IntArray, inside: NDArray[np.bool_], fraction: int) -> _Patch:
    """A plane where a plane is exact, else a quadratic with corrections."""
    plane = _fit(values, inside, fraction, PLANE)
    return plane if plane.width == 0 else _fit(values, inside, fraction, 6)


def _smallest(values: IntArray) -> str:
    """The narrowest type that holds `values`."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low >= 0:
        return smallest_unsigned(high)
    for name in ("int8", "int16"):
        if type_range(name)[0] <= low and high <= type_range(name)[1]:
            return name
    return "int32"


def _pack(patches: list[_Patch]) -> tuple[IntArray, IntArray]:
    """Corrections of all patches as one stream of bits in 16-bit words, and the first bit of each patch."""
    bits: list[NDArray[np.int64]] = []
    starts, position = [], 0
    for patch in patches:
        width = patch.width
        starts.append(position)
        bits.append(((patch.corrections[:, None] >> np.arange(width)) & 1).reshape(-1))
        position += SIDE * SIDE * width
    stream = np.concatenate([*bits, np.zeros(32 - position % 16, np.int64)])  # one word more: reads span two
    return (stream.reshape(-1, 16) << np.arange(16)).sum(axis=1), np.array(starts, dtype=np.int64)


def _build(values: IntArray, averaged: NDArray[np.bool_], fraction: int) -> tuple[Table, ...]:
    """All tables for one number of fractional bits; values >= 0, (1024, 64), and so `averaged`."""
    masks, mask_of = np.unique(
        np.where(averaged.any(axis=1, keepdims=True) & ~averaged.all(axis=1, keepdims=True), averaged, False),
        axis=0,
        return_inverse=True,
    )
    first: list[int] = []
    patches: list[_Patch] = []
    for tile in range(len(values)):
        first.append(len(patches))
        for part in (~averaged[tile], averaged[tile]):
            if part.any():
                patches.append(_patch(values[tile], part, fraction))
    bases = np.array([patch.coefficients[0] for patch in patches]) + (BIAS << fraction)
    if bases.min() < 0 or bases.max() >= 1 << 32:
        raise Refused("a base does not fit 32 bits")
    flat = [patch.width == 0 and not patch.coefficients[PLANE:].any() for patch in patches]
    planes = sorted({(int(p.coefficients[1]), int(p.coefficients[2])) for p, f in zip(patches, flat, strict=True) if f})
    bent = [patch for patch, is_flat in zip(patches, flat, strict=True) if not is_flat]
    # C has no empty arrays, and the model reads entry 0 where it uses none.
    bent = bent or [_Patch(np.zeros(6, np.int64), np.zeros(SIDE * SIDE, np.int64))]
    kinds, count = [], len(planes)
    for patch, is_flat in zip(patches, flat, strict=True):
        if is_flat:
            kinds.append(planes.index((int(patch.coefficients[1]), int(patch.coefficients[2]))))
        else:
            kinds.append(count)
            count += 1
    corrections, starts = _pack(bent)
    shapes = np.array([patch.coefficients for patch in bent], dtype=np.int64).reshape(-1, 6)
    slopes = np.concatenate([np.array(planes, dtype=np.int64).reshape(-1, 2), shapes[:, 1:PLANE]])
    row_bits = (masks.reshape(-1, SIDE, SIDE).astype(np.int64) << np.arange(SIDE)).sum(axis=2).reshape(-1)
    scaled = f"scaled by 2^{fraction}"

    def table(name: str, values: IntArray, meaning: str) -> Table:
        return Table(name, _smallest(values), values, meaning)

    return (
        Table("first", "uint16", np.array(first), "first patch of tile (y >> 3) << 5 | x >> 3, of the raw codes"),
        table("mask", np.asarray(mask_of).reshape(-1), "which mask chooses between the tile's patches"),
        Table("row", "uint8", row_bits, f"rows of the {len(masks)} masks, 8 each: bit x takes the second patch"),
        Table("base", "uint32", bases, f"value of a patch at its tile's corner plus {BIAS}, {scaled}"),
        table("kind", np.array(kinds), f"shape of a patch: below {len(planes)} a plane, else bent and corrected"),
        table("dx", slopes[:, 0], f"slope of a shape in x, {scaled}"),
        table("dy", slopes[:, 1], f"slope of a shape in y, {scaled}"),
        table("dxx", shapes[:, 3], f"bend of a bent shape in x^2, {scaled}"),
        table("dxy", shapes[:, 4], f"bend of a bent shape in x y, {scaled}"),
        table("dyy", shapes[:, 5], f"bend of a bent shape in y^2, {scaled}"),
        table("start", starts // 64, "where the corrections of a bent shape start, in units of 64 bits"),
        Table("width", "uint8", np.array([patch.width for patch in bent], dtype=np.int64), "bits of a correction"),
        Table("correction", "uint16", corrections, "corrections, added to the value: a stream of bits, low bits first"),
    )


def _distance(ideal: Ideal) -> tuple[tuple[Table, ...], Model, bool]:
    """Tables and model of the distance: shared tiles where they repeat enough, else one byte for every pair."""
    far = ideal.distance.astype(np.int64)
    pool = tile_pool(tiles_of(far), 256, exact=True)
    if len(pool.entries) + 2 * COUNT >= far.size or len(pool.entries) > 65536:

        def load(x: IntArray, y: IntArray) -> IntArray:
            return np.asarray(far.reshape(-1)[x | (y << 8)])

        every = Table("far", "uint8", far.reshape(-1), "distance to the curve, in head codes, of x | y << 8")
        return (every,), load, False

    def enter(x: IntArray, y: IntArray) -> IntArray:
        word = x | (y << 8)
        return np.asarray(pool.entries[pool.offset[((word >> 11) << 5) | ((word >> 3) & 31)] + (word & LOCAL_MASK)])

    tables = (
        Table("far_offset", "uint16", pool.offset, "start of the distance window of tile (y >> 3) << 5 | x >> 3"),
        Table("far_pattern", "uint8", pool.entries, "windows of distances, entered at offset + (raw word & 0x0707)"),
    )
    return tables, enter, True


class Patch:
    """Planes near the curve, corrected quadratics off it: about 40 KB for the posterior mean."""

    name = "patch"
    summary = "8 x 8 tiles of planes near the curve and corrected quadratics off it"

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for the nearest point, 16-bit heads, a very wide output, and where the full table is smaller."""
        if spec.estimator.kind != "mean":
            raise Refused("made for the posterior mean; the nearest point has smaller and faster strategies")
        if spec.heads.bits != 8:
            raise Refused("patches index 8-bit heads")
        low = int(ideal.codes.min())
        if int(ideal.codes.max()) - low >= SPAN_LIMIT:
            raise Refused(f"the output spans {SPAN_LIMIT} codes or more: base and slopes would not fit 32 bits")
        values = tiles_of(ideal.codes - low).reshape(COUNT, -1)
        averaged = tiles_of(ideal.averaged.astype(np.int64)).reshape(COUNT, -1) != 0
        choices, reason = [], ""
        for fraction in FRACTIONS:
            try:
                choices.append((_build(values, averaged, fraction), fraction))
            except Refused as refusal:
                reason = str(refusal)
        if not choices:
            raise Refused(reason)
        tables, fraction = min(choices, key=lambda choice: sum(table.nbytes for table in choice[0]))
        size, full = sum(table.nbytes for table in tables), values.size * np.dtype(spec.output.dtype).itemsize
        if size >= full:
            raise Refused(f"{size} bytes of patches: no smaller than the full table of {full}")
        entry = {table.name: table.values for table in tables}
        planes = len(entry["dx"]) - len(entry["dxx"])
        offset = BIAS - low

        def decode(x: IntArray, y: IntArray) -> IntArray:
            word = x | (y << 8)
            tile = ((word >> 11) << 5) | ((word >> 3) & 31)
            across, up = x & 7, y & 7
            second = (entry["row"][(entry["mask"][tile] << 3) + up] >> across) & 1
            patch = entry["first"][tile] + second
            kind = entry["kind"][patch]
            value = entry["base"][patch] + entry["dx"][kind] * across + entry["dy"][kind] * up
            bent = kind >= planes
            shape = np.where(bent, kind - planes, 0)
            bend = across * (across * entry["dxx"][shape] + up * entry["dxy"][shape]) + up * up * entry["dyy"][shape]
            value = ((value + np.where(bent, bend, 0)) & 0xFFFFFFFF) >> fraction
            width = entry["width"][shape]
            bit = (entry["start"][shape] << 6) + width * ((up << 3) | across)
            pair = entry["correction"][bit >> 4] | (entry["correction"][(bit >> 4) + 1] << 16)
            extra = (pair >> (bit & 15)) & ((1 << width) - 1)
            return as_output(spec, value + np.where(bent, extra, 0) - offset)

        params: dict[str, int | str | bool] = {"planes": planes, "fraction": fraction, "offset": offset}
        model = None
        if distance:
            far_tables, model, params["far_tiled"] = _distance(ideal)
            tables += far_tables
        return Built(
            strategy=self.name,
            portable=Implementation(tables, decode, model, params),
            note="8 x 8 tiles: a plane where the value is linear (the short path), else a quadratic with packed "
            "corrections.",
        )


STRATEGIES.add(Patch.name, Patch())
