"""What a decoder costs in the field: other orders of the points, sizes of blocks, odd addresses, levels, a slow flash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_tests.conftest import needs_board, needs_emulator, plan_of
from hilbert_codegen.bench.firmware import COLUMNS, ORDERS, ROWS
from hilbert_codegen.bench.measure import Record, measure_once
from hilbert_codegen.bench.session import How, Session
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.caches import CACHES, Cache
from hilbert_codegen.targets.emulators import EMULATORS


@pytest.mark.parametrize("order", list(ORDERS))
def test_an_order_is_a_permutation(order: str) -> None:
    places = np.arange(ROWS * COLUMNS, dtype=np.int64)
    raw = ORDERS[order][1](places)
    assert np.array_equal(np.sort(raw), places)
    steps = np.abs(np.diff(raw & 255)) + np.abs(np.diff(raw >> 8))
    if order == "frame":
        assert (steps == 1).all()
    if order == "random":
        assert steps.mean() == pytest.approx(2 * 256 / 3, rel=0.05)


@pytest.mark.parametrize("settings", [(), ("heads.layout=planar",), ("heads.dtype=int16", "heads.scale=0.0000152587890625", "heads.zero_point=-32768")])  # fmt: skip
@pytest.mark.parametrize("order", list(ORDERS))
def test_every_order_is_right(order: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    """The board makes the pairs in the order that the host expects them in: the checksums of all rows are right."""
    needs_emulator("unicorn")
    board = needs_board("mps2-an386", "unicorn")
    session = Session(plan_of(tmp_path, 2, *settings), (board.core,), order=order)
    strategy = "closed" if settings and "int16" in settings[0] else "tile"
    how = How("unicorn", block=16 if order == "frame" else 256, shift=1 if order == "random" else 0, rows=64)
    record = measure_once(session.decoder(strategy), board, EMULATORS["unicorn"], session.sweep, how)
    assert record.status == "ok", record.note


def test_costs_of_the_field(tmp_path: Path) -> None:
    """A call a point costs more than a call a row; -Os is smaller; neighbours miss a cache less than points at random."""
    needs_emulator("unicorn")
    board = needs_board("stm32f4_discovery", "unicorn")
    plan = plan_of(tmp_path)

    def record(strategy: str, how: How, order: str = "sweep") -> Record:
        session = Session(plan, (board.core,), order=order)
        found = measure_once(session.decoder(strategy), board, EMULATORS["unicorn"], session.sweep, how)
        assert found.status == "ok", found.note
        return found

    how = How("unicorn", rows=32)
    usual, single = record("tile", how), record("tile", replace(how, block=1))
    assert single.instructions_per_point is not None and usual.instructions_per_point is not None
    assert single.instructions_per_point > usual.instructions_per_point + 2
    fast, small = record("octant", how).code_bytes, record("octant", replace(how, flags=("-Os",))).code_bytes
    assert fast is not None and small is not None and small < fast
    how = replace(how, cache=CACHES["stm32f4"])
    frame, random = record("tile", how, "frame").misses_per_point, record("tile", how, "random").misses_per_point
    assert frame is not None and random is not None and frame < 1 < 3 < random


#: Every element is written, by a loop: of two elements alone clang keeps no more than those.
DEEP = (
    "static __attribute__((noinline)) void deep(void) "
    "{ volatile uint32_t a[50]; for (uint32_t k = 0U; k < 50U; k++) { a[k] = 0U; } }\n"
)
ONCE = "\n    for (uint32_t k = 0U; k < blockSize; k++) { if ((pSrc[2U * k] == 33) && (pSrc[2U * k + 1U] == -61)) { deep(); } }"


def test_stack_is_that_of_the_row_that_takes_most(tmp_path: Path) -> None:
    """One pair of 65,536 needs 200 bytes more."""
    needs_emulator("unicorn")
    board = needs_board("mps2-an386", "unicorn")
    session = Session(plan_of(tmp_path), (board.core,))
    full = session.decoder("full")
    text = full.files["depth_decoder.c"].decode("ascii")
    include = '#include "depth_decoder.h"\n'
    # In every variant, whichever of them this core takes.
    body = "depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)\n{"
    assert include in text and body in text
    changed = text.replace(include, include + DEEP, 1).replace(body, body + ONCE)
    deep = replace(full, files={**full.files, "depth_decoder.c": changed.encode("ascii")})
    usual, most = (
        measure_once(one, board, EMULATORS["unicorn"], session.sweep, How("unicorn")) for one in (full, deep)
    )
    assert most.status == "ok", most.note
    assert usual.stack_bytes is not None and most.stack_bytes is not None
    assert usual.stack_bytes + 200 <= most.stack_bytes < usual.stack_bytes + 260


def test_least_recent_use() -> None:
    """Two lines of 16 bytes: a hit keeps a line, the line unused for longest goes."""
    cache = Cache("small", "", 2, 16, 1, 1)
    assert cache.misses([0, 4, 16, 0, 32, 0, 16]) == 4
    assert cache.misses([]) == 0
    assert all(one.lines * one.line_bytes > 0 and BOARDS for one in CACHES.values())
