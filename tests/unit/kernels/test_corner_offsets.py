"""Shares in bytes, for the assembly of `corner` with 16-bit instructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.kernels import IntArray, Refused, corner
from hilbert_codegen.kernels.corner.offsets import Offsets, offsets_of
from tests.unit.exact.test_many import spec_of

#: Parts of an axis, whether heads are alike, the powers of two, and bytes of tables.
SHAPES = [
    (6, True, (2, 0), 256),
    (9, True, (2, 0), 256),
    (8, False, (2, 8), 768),
    (7, False, (2, 0), 1024),
    (9, False, (0, 0), 1024),
]


@pytest.mark.parametrize(("parts", "alike", "powers", "size"), SHAPES)
def test_bytes_hold_every_share(parts: int, alike: bool, powers: tuple[int, int], size: int) -> None:
    part = np.random.default_rng(parts).integers(0, parts, (1 if alike else 3, 256))
    part[:, :2] = [0, parts - 1]
    shares = part * parts ** np.arange(3)[:, None]
    offsets = offsets_of(shares, parts if alike else 0)
    assert offsets is not None
    assert (offsets.up, offsets.down) == powers
    assert sum(table.nbytes for table in offsets.tables()) == size
    assert np.array_equal(offsets.shares(), shares)


def test_many_boxes_take_more_than_bytes() -> None:
    shares = np.arange(256)[None, :] % 20 * 20 ** np.arange(3)[:, None]
    assert offsets_of(shares, 0) is None


@pytest.mark.parametrize(("heads", "order", "why"), [(4, 1, "for three heads"), (3, 3, "a record for every box")])
def test_others_have_no_such_assembly(heads: int, order: int, why: str) -> None:
    spec = spec_of(heads, order)
    built = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, heads), dtype=np.int64)), False)
    with pytest.raises(Refused, match=why):
        built.offers["thumb1"]()


@pytest.mark.parametrize("zero_points", [(-128, -128, -128), (-128, -120, -110)])
def test_the_proof_notices_a_share_that_is_not_in_its_place(
    zero_points: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of the assembly reads the bytes."""
    spec = spec_of(3, 1)
    spec = replace(spec, heads=replace(spec.heads, zero_point=zero_points))

    def moved(shares: IntArray, base: int) -> Offsets:
        offsets = offsets_of(shares, base)
        assert offsets is not None
        return replace(offsets, first=np.roll(offsets.first, 1))

    monkeypatch.setattr(corner.offers, "offsets_of", moved)
    made = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, 3), dtype=np.int64)), False).offers["thumb1"]()
    assert made is not None and made.argument is not None
    with pytest.raises(CheckFailed, match="not in its place"):
        made.argument()
