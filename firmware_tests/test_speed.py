"""What the kernels promise: instructions and cycles per point and bytes of tables on each core, at order 3, calls included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_tests.conftest import decoder_of, needs_board, needs_compiler, plan_of
from hilbert_codegen.bench.firmware import Sweep, make_sweep
from hilbert_codegen.bench.measure import measure
from hilbert_codegen.bench.session import Decoder, How

#: Of the 256 of a sweep, spread over the square.
ROWS = 32
BOARDS = ("microbit", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
ANY_SCALE = ("curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")


def own_scales(heads: int) -> tuple[str, str]:
    """Settings of heads of which each has a scale and a zero point of its own."""
    scales, zero_points = (0.00437, 0.0041, 0.0045, 0.00425, 0.0043, 0.00415), (-97, -105, -88, -100, -93, -110)
    return f"heads.scale={list(scales[:heads])}", f"heads.zero_point={list(zero_points[:heads])}"


#: How far above the best that is known a count or an estimate may come before a test fails.
SLACK = 1.03


@dataclass(frozen=True)
class Promise:
    """The best that is known of one strategy.

    Attributes:
        settings: beside the cell grid's.
        most_bytes: of tables.
        helium_bytes: of tables on the M55, where it is more.
        instructions: per point on M0, M3, M4, M7, M33 and M55; None promises nothing.
        cycles: the same by the model that `measure` names: a compiler can undo an order of instructions at no instruction.
    """

    settings: tuple[str, ...]
    most_bytes: int
    instructions: tuple[float | None, ...]
    cycles: tuple[float | None, ...]
    helium_bytes: int = 0


PROMISED = {
    "full": Promise((), 131072, (4.4, 3.3, 3.3, 3.3, 3.3, 0.5), (7.6, 3.3, 3.3, 2.9, 3.3, None)),
    "tile": Promise((), 17000, (13.5, 9.4, 8.85, 8.85, 8.85, 1.4), (19.7, 9.9, 8.9, 6.95, 8.9, None)),
    "tile_direct": Promise((), 18200, (12.5, 8.35, 7.85, 7.85, 7.85, 1.15), (17.7, 8.9, 7.9, 5.95, 7.9, None)),
    "tile_word": Promise((), 22400, (10.5, 7.35, 7.35, 7.35, 7.35, 1.3), (14.7, 7.35, 7.35, 6.3, 7.35, None)),
    "octant": Promise((), 4 << 10, (34.0, 19.5, 19.5, 19.5, 19.5, 3.4), (None,) * 6, 7 << 10),
    "octant, any scale": Promise(ANY_SCALE, 4 << 10, (30.9, 16.6, 16.6, 16.6, 16.6, 3.2), (None,) * 6, 5632),
    "octant, any scale, distance": Promise(
        (*ANY_SCALE, "decoder.distance=true"), 16383, (60.9, 29.3, 29.3, 29.3, 29.3, 4.8), (None,) * 6
    ),
    "segment": Promise((), 21000, (29.5, 13.35, 13.35, 13.35, 13.35, 3.6), (37.1, 13.35, 13.35, 10.4, 13.35, None)),
    "segment, any scale": Promise(
        ANY_SCALE, 11800, (16.5, 11.35, 11.35, 11.35, 11.35, 2.6), (23.7, 11.35, 11.35, 8.4, 11.35, None)
    ),
    "line, any scale": Promise(ANY_SCALE, 16 << 10, (None, None, None, None, None, 2.3), (None,) * 6),
    "corner, three heads, order 1": Promise(
        ("curve.dimensions=3", "curve.order=1"), 2250, (30.2, 18.05, 18.05, 18.05, 18.05, 4.4), (None,) * 6, 2050
    ),
    "corner, three heads, order 1, any scale": Promise(
        (*ANY_SCALE, "curve.dimensions=3", "curve.order=1"),
        2300,
        (31.35, 18.8, 18.8, 18.8, 18.8, 4.55),
        (None,) * 6,
        2050,
    ),
    "corner, three heads, order 1, no inset": Promise(
        ("heads.scale=0.00392", "curve.inset=0", "curve.dimensions=3", "curve.order=1"),
        2300,
        (31.7, 19.05, 19.05, 19.05, 19.05, 4.65),
        (None,) * 6,
        2050,
    ),
    "corner, three heads, no inset": Promise(
        ("heads.scale=0.00392", "curve.inset=0", "curve.dimensions=3", "curve.order=2"),
        5600,
        (38.0, 24.95, 24.95, 24.95, 24.95, 5.25),
        (None,) * 6,
        6600,
    ),
    "corner, four heads, no inset": Promise(
        ("heads.scale=0.00392", "curve.inset=0", "curve.dimensions=4", "curve.order=1"),
        2600,
        (None, 27.95, 27.5, 27.5, 27.5, 5.8),
        (None,) * 6,
        2650,
    ),
    "corner, three heads": Promise(
        ("curve.dimensions=3", "curve.order=2"), 4600, (33.75, 23.35, 23.35, 23.35, 23.35, 4.9), (None,) * 6, 6600
    ),
    "corner, three heads, any scale": Promise(
        (*ANY_SCALE, "curve.dimensions=3", "curve.order=2"),
        4600,
        (33.6, 23.1, 23.1, 23.1, 23.1, 4.85),
        (None,) * 6,
        6600,
    ),
    "corner, four heads": Promise(
        ("curve.dimensions=4", "curve.order=1"), 2600, (44.35, 24.85, 24.45, 24.45, 24.45, 4.8), (None,) * 6, 2650
    ),
    "corner, six heads": Promise(
        ("curve.dimensions=6", "curve.order=1"), 8100, (64.9, 35.6, 35.25, 35.25, 35.25, 7.2), (None,) * 6, 8600
    ),
    "corner, four heads, any scale": Promise(
        (*ANY_SCALE, "curve.dimensions=4", "curve.order=1"),
        2600,
        (45.2, 27.6, 27.2, 27.2, 27.2, 5.4),
        (None,) * 6,
        2650,
    ),
    "corner, six heads, any scale": Promise(
        (*ANY_SCALE, "curve.dimensions=6", "curve.order=1"),
        7300,
        (62.9, 36.7, 36.3, 36.3, 36.3, 8.45),
        (None,) * 6,
        8100,
    ),
    "corner, three heads, any scale, distance": Promise(
        (*ANY_SCALE, "curve.dimensions=3", "curve.order=2", "decoder.distance=true"),
        6600,
        (112.2, 77.9, 77.9, 77.9, 77.9, 79.9),
        (None,) * 6,
    ),
    "corner, six heads, any scale, distance": Promise(
        (*ANY_SCALE, "curve.dimensions=6", "curve.order=1", "decoder.distance=true"),
        9400,
        (168.8, 116.6, 116.6, 116.6, 116.6, 124.6),
        (None,) * 6,
    ),
    "corner, three heads, order 1, heads of their own": Promise(
        ("curve.inset=0.1", *own_scales(3), "curve.dimensions=3", "curve.order=1"),
        3550,
        (32.45, 19.1, 19.1, 19.1, 19.1, 4.6),
        (None,) * 6,
    ),
    "corner, three heads, heads of their own": Promise(
        ("curve.inset=0.1", *own_scales(3), "curve.dimensions=3", "curve.order=2"),
        6400,
        (37.2, 24.2, 24.2, 24.2, 24.2, 5.85),
        (None,) * 6,
    ),
    "corner, three heads, heads of their own, no inset": Promise(
        (
            "curve.inset=0",
            "heads.scale=[0.00441, 0.00374, 0.00463]",
            "heads.zero_point=[-97, -127, -101]",
            "curve.dimensions=3",
            "curve.order=2",
        ),
        6900,
        (41.75, None, None, None, None, 6.25),
        (None,) * 6,
    ),
    "corner, four heads, heads of their own": Promise(
        ("curve.inset=0.1", *own_scales(4), "curve.dimensions=4", "curve.order=1"),
        4500,
        (50.95, 28.85, 28.45, 28.45, 28.45, 6.0),
        (None,) * 6,
    ),
    "corner, six heads, heads of their own": Promise(
        ("curve.inset=0.1", *own_scales(6), "curve.dimensions=6", "curve.order=1"),
        11900,
        (83.3, 41.3, 38.95, 38.95, 38.95, 8.75),
        (None,) * 6,
    ),
}
#: Most instructions per point by other compilers and levels, on the scalar cores: what a point takes is inlined all the same, and a
#: pair of codes is read at once.
ELSEWHERE = {
    "full": (4.4, 3.3, 3.3, 3.3, 3.3),
    "tile": (13.5, 9.4, 8.85, 8.85, 8.85),
    "tile_direct": (12.5, 8.35, 7.85, 7.85, 7.85),
    "tile_word": (10.5, 7.35, 7.35, 7.35, 7.35),
    "octant, any scale": (31.5, 19.5, 19.5, 19.5, 19.5),
    "segment, any scale": (16.5, 11.35, 11.35, 11.35, 11.35),
}
#: The same of gcc -Os where that is less.
AT_SIZE = {"octant, any scale": (29.6, 16.9, 16.9, 16.9, 16.9)}


def decoder_for(name: str, folder: Path) -> tuple[Decoder, Sweep]:
    plan = plan_of(folder, 3, *PROMISED[name].settings)
    sweep = make_sweep(plan)
    return decoder_of(plan, sweep, name.split(", ")[0]), sweep


@pytest.mark.parametrize("name", PROMISED)
def test_instructions_cycles_and_bytes(name: str, tmp_path: Path) -> None:
    promise = PROMISED[name]
    chosen, sweep = decoder_for(name, tmp_path)
    for board, instructions, cycles in zip(BOARDS, promise.instructions, promise.cycles, strict=True):
        if instructions is None:
            continue
        place = needs_board(board, "qemu")
        (record,) = measure(chosen, place, sweep, How("qemu", rows=ROWS))
        assert record.status == "ok", f"{board}: {record.note}"
        assert record.instructions_per_point is not None and record.table_bytes is not None
        assert record.instructions_per_point <= SLACK * instructions, board
        most_bytes = promise.helium_bytes if place.core.helium and promise.helium_bytes else promise.most_bytes
        assert record.table_bytes <= most_bytes, board
        if cycles is not None and record.cycles_model is not None:
            assert record.cycles_per_point is not None
            assert record.cycles_per_point <= SLACK * cycles, f"{board}, {record.cycles_model}"


def holds(name: str, most: tuple[float, ...], how: How, folder: Path) -> None:
    chosen, sweep = decoder_for(name, folder)
    for board, bound in zip(BOARDS, most, strict=False):
        (record,) = measure(chosen, needs_board(board, "qemu"), sweep, how)
        assert record.instructions_per_point is not None and record.instructions_per_point <= SLACK * bound, board


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_compiler_that_weighs_size_calls_nothing_per_point(name: str, tmp_path: Path) -> None:
    needs_compiler("gcc")
    holds(name, AT_SIZE.get(name, ELSEWHERE[name]), How("qemu", "gcc", rows=8, flags=("-Os",)), tmp_path)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_clang_is_as_fast_as_gcc(name: str, tmp_path: Path) -> None:
    needs_compiler("clang")
    holds(name, ELSEWHERE[name], How("qemu", "clang", rows=8), tmp_path)
