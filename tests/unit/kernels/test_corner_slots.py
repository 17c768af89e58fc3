"""Shares of several heads side by side in words, for the assembly of `corner`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import ideal_of
from hilbert_codegen.kernels import IntArray, Table, corner
from hilbert_codegen.kernels.corner.slots import NAMES, Slot, shares_of, slots_of, starts_of, tables_of
from tests.unit.exact.test_many import spec_of

#: Parts of an axis, heads, and the bytes that a code takes in each table.
SHAPES = [
    (6, 3, [2, 1]),
    (8, 3, [2, 2]),
    (9, 3, [2, 2]),
    (4, 4, [2, 2]),
    (4, 5, [4, 1]),
    (4, 6, [4, 2]),
    (16, 3, [2, 1]),
]


@pytest.mark.parametrize(("parts", "heads", "widths"), SHAPES)
def test_words_hold_every_share(parts: int, heads: int, widths: list[int]) -> None:
    part = np.random.default_rng(parts * heads).integers(0, parts, (heads, 256))
    part[:, :2] = [0, parts - 1]
    shares = part * parts ** np.arange(heads)[:, None]
    slots = slots_of(shares)
    tables = tables_of(shares, slots)
    assert [table.nbytes // 256 for table in tables] == widths
    assert [table.name for table in tables] == list(NAMES[: len(widths)])
    assert np.array_equal(shares_of(tables, slots), shares)


def test_heads_that_are_moved_come_last() -> None:
    """Six heads, the first of which has three parts and adds multiples of 256: the bytes of four others are in the first table."""
    part = np.random.default_rng(6).integers(0, 4, (6, 256))
    part[0] %= 3
    part[:, :4] = np.minimum(np.arange(4), part.max(axis=1)[:, None])
    shares = part * np.array([256, 1, 4, 16, 64, 768])[:, None]
    slots = slots_of(shares)
    assert [(slot.word, slot.shift, slot.up) for slot in slots] == [
        (1, 0, 8), (0, 0, 0), (0, 8, 0), (0, 16, 0), (0, 24, 0), (1, 8, 8)
    ]  # fmt: skip
    assert starts_of(slots) == [1, 0]
    assert np.array_equal(shares_of(tables_of(shares, slots), slots), shares)


def test_many_boxes_take_more_words_than_the_assembly_has_registers_for() -> None:
    shares = np.arange(256)[None, :] % 200 * 200 ** np.arange(4)[:, None]
    assert len(starts_of(slots_of(shares))) > len(NAMES)


def test_the_proof_notices_a_share_that_is_not_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of the assembly reads the words."""
    spec = spec_of(4, 1)
    spec = replace(spec, heads=replace(spec.heads, zero_point=(-128, -120, -110, -100)))

    def moved(shares: IntArray, slots: list[Slot]) -> list[Table]:
        return [replace(table, values=np.roll(table.values, 1)) for table in tables_of(shares, slots)]

    monkeypatch.setattr(corner.offers, "tables_of", moved)
    made = corner.Corner().build(spec, ideal_of(spec, np.zeros((1, 4), dtype=np.int64)), False).offers["thumb2"]()
    assert made is not None and made.argument is not None
    with pytest.raises(CheckFailed, match="not in its place"):
        made.argument()
