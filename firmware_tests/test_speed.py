"""What the kernels promise: instructions a point and bytes of tables on each core, at order 3, calls included."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_tests.conftest import decoder_of, needs_board, plan_of
from hilbert_codegen.bench.firmware import make_sweep
from hilbert_codegen.bench.measure import measure
from hilbert_codegen.bench.session import How

#: Of the 256 of a sweep, spread over the square.
ROWS = 32
BOARDS = ("microbit", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
ANY_SCALE = ("curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")
#: Settings, most bytes of tables, and the most instructions a point on M0, M3, M4, M7, M33 and M55; None promises nothing.
PROMISED = {
    "full": ((), 131072, (5.5, 5.0, 3.31, 3.31, 3.31, 0.5)),
    "strip": ((), 26 << 10, (13.0, 9.0, 8.5, 8.5, 8.5, 1.3)),
    "tile": ((), 16 << 10, (17.0, 11.5, 10.5, 10.5, 10.5, 1.5)),
    "octant": ((), 4 << 10, (40.0, 26.0, 20.0, 20.0, 20.0, 3.5)),
    "octant, any scale": (ANY_SCALE, 4 << 10, (40.0, 26.0, 20.0, 20.0, 20.0, 3.5)),
    "segment, any scale": (ANY_SCALE, 16 << 10, (28.0, 18.0, 14.0, 14.0, 14.0, None)),
    "line, any scale": (ANY_SCALE, 16 << 10, (None, None, None, None, None, 2.5)),
}


@pytest.mark.parametrize("name", PROMISED)
def test_instructions_and_bytes(name: str, tmp_path: Path) -> None:
    settings, most_bytes, limits = PROMISED[name]
    plan = plan_of(tmp_path, 3, *settings)
    sweep = make_sweep(plan)
    chosen = decoder_of(plan, sweep, name.split(", ")[0])
    for board, most in zip(BOARDS, limits, strict=True):
        if most is None:
            continue
        (record,) = measure(chosen, needs_board(board, "qemu"), sweep, How("qemu", rows=ROWS))
        assert record.status == "ok", f"{board}: {record.note}"
        assert record.instructions_per_point is not None and record.table_bytes is not None
        assert record.instructions_per_point <= most, board
        assert record.table_bytes <= most_bytes, board
