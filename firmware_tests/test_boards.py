"""Every strategy on every core: all 65,536 pairs through decode and decode_block, and the measurement of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_tests.conftest import decoder_of, needs_board, needs_compiler, plan_of
from firmware_tests.test_speed import ANY_SCALE, own_scales
from hilbert_codegen.bench.boardrun import Verdict, lacks, run_image, unsupported
from hilbert_codegen.bench.firmware import Planes, Program, Sweep, make_planes, make_sweep, selftest_files
from hilbert_codegen.bench.measure import measure_once
from hilbert_codegen.bench.session import Decoder, How
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.errors import UsageError
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.toolchains import TOOLCHAINS, choose
from tests import decoders

#: One board for each core and emulator that has it.
QEMU = ("microbit", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
RENODE_CORES = ("microbit", "generic-m0plus", "mps2-an385", "mps2-an386", "mps2-an500", "generic-m23", "mps2-an505",
                "mps3-an547", "generic-m85")  # fmt: skip
RENODE_BOARDS = ("stm32f4_discovery", "nucleo_h753zi", "nrf52840dk", "stm32l072", "stm32l552", "ek_ra8m1")
#: Rows that the slow part, counting, runs over; correctness is always over all of them.
COUNTED_ROWS = 8

#: The one that comes from PyPI is the fastest: it has the breadth.
UNICORN = (*QEMU[:-1], "generic-m0plus")
PLACES = (
    [("unicorn", name) for name in UNICORN]
    + [("qemu", name) for name in QEMU]
    + [("renode", name) for name in RENODE_CORES]
)


def strategy_or_skip(decoder: Callable[..., Decoder], strategy: str) -> Decoder:
    try:
        return decoder(strategy)
    except UsageError as error:
        pytest.skip(f"{strategy} is refused for this configuration: {error}")


@pytest.mark.parametrize("strategy", STRATEGIES.names())
@pytest.mark.parametrize(("emulator", "name"), PLACES)
def test_all_pairs(
    emulator: str, name: str, strategy: str, decoder: Callable[..., Decoder], plan: Plan, sweep: Sweep, tmp_path: Path
) -> None:
    board = needs_board(name, emulator)
    chosen = strategy_or_skip(decoder, strategy)
    program = Program(tmp_path, board, choose(board.core), "depth", chosen.files)
    verdict = run_image(EMULATORS[emulator], program.image(), board, chosen.plan, sweep)
    if unsupported(board, verdict):
        # Never a pass: the instruction is named, and the portable variant has to run here.
        portable = chosen.portable(board.core)
        program = Program(
            tmp_path / "portable", board, choose(board.core), "depth", portable.files, portable.defines, plain=True
        )
        second = run_image(EMULATORS[emulator], program.image(), board, chosen.plan, sweep)
        assert second.passed, second.reason
        pytest.skip(f"{name}: not supported by this emulator: {lacks(verdict)}; the portable variant passed")
    assert verdict.passed, verdict.reason
    assert verdict.pairs == 65536
    assert verdict.paths == {"decode": 0, "decode_block": 0}
    assert verdict.stack_bytes is not None and 0 <= verdict.stack_bytes < 512


@pytest.mark.parametrize("emulator", ["renode", "unicorn"])
@pytest.mark.parametrize("name", RENODE_BOARDS)
def test_real_boards(name: str, emulator: str, decoder: Callable[..., Decoder], sweep: Sweep) -> None:
    """Boards with their own UART: check and measurement."""
    board = needs_board(name, emulator)
    if not EMULATORS[emulator].has(board):
        pytest.skip(f"{emulator} has no {name}")
    record = measure_once(
        decoder("tile").portable(board.core), board, EMULATORS[emulator], sweep, How(rows=COUNTED_ROWS)
    )
    assert record.status == "ok", record.note
    assert record.mismatches == 0
    assert record.instructions_per_point is not None and 5 < record.instructions_per_point < 40
    assert record.table_bytes is not None and 8000 < record.table_bytes < 30000


SETTINGS = {
    "planar": ("heads.layout=planar",),
    "uint8 heads": ("heads.dtype=uint8", "heads.zero_point=0"),
    "int16 heads": ("heads.dtype=int16", "heads.scale=0.0000152587890625", "heads.zero_point=-32768"),
    "uint8 output": ("output.dtype=uint8",),
    "int8 output": ("output.dtype=int8", "output.codes=[-100, 100]"),
    "int16 output": ("output.dtype=int16", "output.codes=[-30000, 30000]"),
    "int32 output": ("output.dtype=int32", "output.codes=[-2000000000, 2000000000]"),
    "falling codes": ("output.codes=[10000, 500]",),
    "distance": ("decoder.distance=true",),
    "planar distance": ("heads.layout=planar", "decoder.distance=true"),
    "moore": ("curve.kind=moore",),
    "any scale": ("heads.scale=0.00437", "heads.zero_point=-97", "curve.inset=0.1"),
    "fused": ("decoder.estimator=fused", "decoder.threshold=0.04"),
    "fused, planar int16": (
        "decoder.estimator=fused",
        "decoder.threshold=[0.01, 0.08]",
        "decoder.weight=[0.5, 0.1875]",
        "heads.layout=planar",
        "output.dtype=int16",
        "output.codes=[-30000, 30000]",
    ),
}


@pytest.mark.parametrize("name", ["microbit", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("what", SETTINGS)
def test_configurations(name: str, what: str, tmp_path: Path) -> None:
    """Types, layouts, distance: whatever strategy `auto` takes, on the least and the largest core."""
    board = needs_board(name, "qemu")
    try:
        plan = plan_of(tmp_path, 3, "code.strategy=auto", "code.max_flash_bytes=98304", *SETTINGS[what])
        sweep = make_sweep(plan)
        chosen = decoder_of(plan, sweep, "auto")
    except UsageError as error:
        pytest.skip(f"refused: {error}")
    program = Program(tmp_path / "build", board, choose(board.core), "depth", chosen.files)
    verdict = run_image(EMULATORS["qemu"], program.image(), board, chosen.plan, sweep)
    assert verdict.passed, verdict.reason
    expected = {"decode", "decode_block"}
    if plan.distance:
        expected |= {"decode_block_distance", "decode_block_distance_output"}
    assert set(verdict.paths) == expected


def test_every_board_has_a_core_and_a_place_to_run() -> None:
    for board in BOARDS:
        assert board.machines and set(board.machines) <= set(EMULATORS.names())
        assert board.flash.size >= 1 << 16 and board.ram.size >= 8192


@pytest.mark.parametrize("emulator", ["unicorn", "qemu"])
@pytest.mark.parametrize(("heads", "layout"), [(3, "interleaved"), (4, "planar"), (6, "interleaved")])
def test_more_heads(heads: int, layout: str, emulator: str, tmp_path: Path) -> None:
    """65,536 tuples of three to six heads through every function, short and misaligned blocks."""
    board = needs_board("mps2-an386", emulator)
    config = tmp_path / "many.toml"
    config.write_text(
        f"[curve]\ndimensions = {heads}\norder = 1\n"
        f"[heads]\nscale = 0.00390625\nzero_point = -128\nlayout = '{layout}'\n[code]\nprefix = 'depth'\n"
    )
    plan = make_plan(load(config))
    sweep = make_sweep(plan)
    assert sweep.pairs.shape == (256, 256, heads)
    files = {**decoders.generated(plan).files, **selftest_files(plan, sweep)}
    program = Program(tmp_path / "image", board, choose(board.core), "depth", files)
    verdict = run_image(EMULATORS[emulator], program.image(), board, plan, sweep)
    assert verdict.passed, verdict.reason
    assert verdict.pairs == 65536


@pytest.mark.parametrize(
    ("name", "emulator", "compiler"),
    [("microbit", "unicorn", "gcc"), ("mps2-an386", "qemu", "gcc"), ("riscv32-virt", "unicorn", "clang")],
)
@pytest.mark.parametrize(("heads", "order", "layout"), [(3, 2, "planar"), (6, 1, "interleaved")])
def test_distances_of_more_heads(
    heads: int, order: int, layout: str, name: str, emulator: str, compiler: str, tmp_path: Path
) -> None:
    """Heads of their own scales: sums of squares by code, and whole numbers where a border is near."""
    needs_compiler(compiler)
    board = needs_board(name, emulator)
    shape = f"curve.dimensions={heads}", f"heads.layout={layout}", *own_scales(heads)
    plan = plan_of(tmp_path, order, "decoder.distance=true", f"code.target={board.core_name}", *shape)
    sweep, generated = make_sweep(plan), generate(plan)
    assert generated.built.strategy == "corner"
    assert "_reached(" in generated.files["depth_decoder.c"].decode()
    files = {**generated.files, **selftest_files(plan, sweep)}
    program = Program(tmp_path / "image", board, TOOLCHAINS[compiler], "depth", files)
    verdict = run_image(EMULATORS[emulator], program.image(), board, plan, sweep)
    assert verdict.passed, verdict.reason


#: Grids of `test_lists_in_assembly`: no code is at an end of its axis; half segments of one vertex that are no turn; heads that
#: are not alike; results that fall along the curve.
GRIDS: dict[str, tuple[str, ...]] = {
    "grid": (),
    "off": ANY_SCALE,
    "whole": ("curve.inset=0", "heads.scale=0.00392"),
    "closed": ("curve.kind=moore", "heads.scale=0.00437", "heads.zero_point=-97"),
    "own": ("curve.inset=0.1",),
    "falling": ("output.codes=[65535, 0]",),
}


@pytest.mark.parametrize(("heads", "order"), [(3, 1), (3, 2), (4, 1), (5, 1), (6, 1)])
@pytest.mark.parametrize("grid", GRIDS)
def test_lists_in_assembly(heads: int, order: int, grid: str, tmp_path: Path) -> None:
    """Points whose nearest half segment may be another corner's, on the cell grid, where many are equally near, and off it."""
    board = needs_board("mps2-an386", "unicorn")
    shape = f"curve.dimensions={heads}", f"curve.order={order}", *only("thumb2", "cortex-m4")
    plan = plan_of(tmp_path, order, *shape, *GRIDS[grid], *(own_scales(heads) if grid == "own" else ()))
    passes_with(plan, "thumb2", board, "unicorn", tmp_path)


def only(variant: str, core: str) -> tuple[str, ...]:
    """Settings of `corner` with one variant beside the portable C: what is not run here need not be made and proved here."""
    return "code.strategy=corner", f"code.target={core}", f'code.variants=["{variant}"]'


def passes_with(
    plan: Plan, variant: str, board: Board, emulator: str, tmp_path: Path, compiler: str | None = None
) -> None:
    """The decoder of a plan has the variant, and no other; all functions give the exact results on the board."""
    sweep, generated = make_sweep(plan), generate(plan)
    assert list(generated.built.variants) == [variant]
    files = {**generated.files, **selftest_files(plan, sweep)}
    toolchain = TOOLCHAINS[compiler] if compiler else choose(board.core)
    program = Program(tmp_path / "image", board, toolchain, "depth", files)
    verdict = run_image(EMULATORS[emulator], program.image(), board, plan, sweep)
    assert verdict.passed, verdict.reason


#: Those whose half segments of one vertex are turns; and scales of which each leaves some heads without clamped codes, with tables that
#: are wide; codes without a sign.
THREE: dict[str, tuple[str, ...]] = {
    **{name: settings for name, settings in GRIDS.items() if name != "closed"},
    "own, whole": ("curve.inset=0", "heads.scale=[0.00441, 0.00374, 0.00463]", "heads.zero_point=[-97, -127, -101]"),
    "unsigned": ("heads.dtype=uint8", "heads.zero_point=0", "output.codes=[60000, 500]"),
    "coarse": (*ANY_SCALE, "output.codes=[0, 40]"),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("grid", THREE)
def test_three_heads_in_16_bit_assembly(order: int, grid: str, tmp_path: Path) -> None:
    """The same on a Cortex-M0, through every function, short and misaligned blocks."""
    board = needs_board("microbit", "qemu")
    shape = "curve.dimensions=3", f"curve.order={order}", *only("thumb1", "cortex-m0")
    plan = plan_of(tmp_path, order, *shape, *THREE[grid], *(own_scales(3) if grid == "own" else ()))
    passes_with(plan, "thumb1", board, "qemu", tmp_path)


#: Exact distances have fractional bits.
MANY_DIGITS = "heads.scale=[0.00303255, 0.00411079, 0.00468522, 0.00305251, 0.00363929]"


@pytest.mark.parametrize(
    ("heads", "order", "settings"),
    [
        (3, 1, ("heads.layout=planar", "curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")),
        (3, 2, ("heads.layout=planar",)),
        (3, 2, ("curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")),
        (5, 1, ("heads.layout=planar",)),
        (4, 1, ("output.codes=[10000, 500]", "heads.dtype=uint8", "heads.zero_point=0")),
        (6, 1, ("output.dtype=uint8", "output.codes=[0, 255]")),
        (4, 1, ("curve.orientation=x,y,-u,z",)),
        (4, 1, ("curve.orientation=x,-y,z,u", "curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")),
        (6, 1, ("curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")),
        (6, 1, ("heads.layout=planar", "curve.inset=0.0", "heads.scale=0.00392", "heads.zero_point=-128")),
        (5, 1, ("heads.layout=planar", "curve.orientation=u,y,z,x,v")),
        (3, 1, ("curve.inset=0.1", *own_scales(3))),
        (4, 1, ("curve.inset=0.1", "heads.layout=planar", *own_scales(4))),
        (5, 1, ("curve.orientation=u,-y,z,x,v", *own_scales(5))),
        (6, 1, ("curve.inset=0.1", "output.dtype=uint8", "output.codes=[255, 0]", *own_scales(6))),
        (3, 2, ("curve.inset=0", "heads.scale=0.00392", "heads.layout=planar")),
        (3, 2, ("curve.orientation=-y,x,z", "heads.dtype=uint8", "heads.zero_point=0", "output.codes=[10000, 500]")),
        (3, 2, ("curve.inset=0.05", "heads.scale=0.0052", "heads.zero_point=-60", "output.codes=[1000, 60000]")),
        (3, 2, ("output.dtype=uint8", "output.codes=[0, 255]")),
        (3, 2, ("curve.inset=0.1", *own_scales(3))),
        (3, 2, (*own_scales(3), "curve.inset=0", "heads.layout=planar", "output.codes=[60000, 10]")),
        (3, 2, ("curve.kind=moore",)),
        (3, 2, ("curve.kind=moore", "curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97")),
        *((heads, 1, ("curve.kind=moore",)) for heads in (3, 4, 6)),
        # Heads of which half is on the curve, so that four of order 2 have few enough rows of results.
        (4, 2, ("heads.range=[-1, 1]", "curve.inset=0")),
        (4, 2, ("heads.range=[-1, 1]", "curve.inset=0", "heads.layout=planar")),
        (4, 1, ("curve.kind=moore", "heads.scale=0.00437", "heads.zero_point=-97")),
        (5, 1, ("curve.kind=moore", "curve.inset=0.1", *own_scales(5))),
        (5, 1, ("curve.inset=0.1", MANY_DIGITS)),
    ],
)
def test_more_heads_in_lanes(heads: int, order: int, settings: tuple[str, ...], tmp_path: Path) -> None:
    """The Helium variant of `corner`, through every function, short and misaligned blocks."""
    board = needs_board("mps3-an547", "qemu")
    shape = f"curve.dimensions={heads}", f"curve.order={order}", *only("mve", "cortex-m55")
    plan = plan_of(tmp_path, order, *shape, *settings)
    passes_with(plan, "mve", board, "qemu", tmp_path)


@pytest.mark.parametrize(("heads", "order"), [(3, 1), (4, 1), (6, 1), (3, 2)])
@pytest.mark.parametrize("own", [False, True])
def test_lanes_by_gcc(heads: int, order: int, own: bool, tmp_path: Path) -> None:
    """Another compiler keeps what assembly does not say that it changes: the predicate of the last points of a block."""
    needs_compiler("gcc")
    board = needs_board("mps3-an547", "qemu")
    shape = f"curve.dimensions={heads}", f"curve.order={order}", *only("mve", "cortex-m55")
    plan = plan_of(tmp_path, order, *shape, *(own_scales(heads) if own else ()))
    passes_with(plan, "mve", board, "qemu", tmp_path, "gcc")


@pytest.mark.parametrize(
    ("strategy", "heads", "order"), [("closed", 2, 3), ("octant", 2, 3), ("boxes", 3, 2), ("corner", 6, 1)]
)
def test_distances_need_no_library(strategy: str, heads: int, order: int, tmp_path: Path) -> None:
    """Linked without one at -Os, where gcc would call memset for arrays that start as zeros."""
    needs_compiler("gcc")
    shape = f"curve.dimensions={heads}", *(own_scales(heads) if heads > 2 else ())
    board, plan = BOARDS["microbit"], plan_of(tmp_path, order, "decoder.distance=true", *shape)
    files = decoder_of(plan, make_sweep(plan), strategy).files
    program = Program(tmp_path / "build", board, TOOLCHAINS["gcc"], "depth", files, flags=("-Os",))
    assert program.image().code_bytes > 0


FUSED = "[decoder]\nestimator = 'fused'\nthreshold = 0.04\n"


def some_planes(folder: Path, heads: int, layout: str = "interleaved", more: str = "") -> tuple[Plan, Planes]:
    """Two planes of an order 1 decoder: of three heads those of the first third codes."""
    config = folder / "planes.toml"
    config.write_text(
        f"[curve]\ndimensions = {heads}\norder = 1\n"
        f"[heads]\nscale = 0.00390625\nzero_point = -128\nlayout = '{layout}'\n[code]\nprefix = 'depth'\n{more}"
    )
    plan = make_plan(load(config))
    domain = proof_domain(plan.spec)
    planes = make_planes(plan, (domain, reference_for(plan.spec, domain)))
    assert planes is not None
    assert planes.count == {3: 256, 4: 8, 5: 8, 6: 8}[plan.spec.inputs]
    return plan, replace(planes, count=2, output=planes.output[:2])


@pytest.mark.parametrize(
    ("heads", "layout", "more"),
    [(3, "planar", ""), (4, "interleaved", ""), (3, "interleaved", FUSED), (5, "planar", FUSED)],
    ids=["3-planar", "4-interleaved", "3-fused", "5-fused"],
)
def test_planes(heads: int, layout: str, more: str, tmp_path: Path) -> None:
    """The planes that `run` adds to the rows; with one wrong answer expected, its codes are named."""
    board = needs_board("mps2-an386", "qemu")
    plan, planes = some_planes(tmp_path, heads, layout, more)
    sweep, files = make_sweep(plan), generate(plan).files

    def run(expected: Planes, folder: Path) -> Verdict:
        tested = {**files, **selftest_files(plan, sweep, expected)}
        program = Program(folder, board, choose(board.core), "depth", tested, planes=True)
        image = program.image(planes=expected.count)
        return run_image(EMULATORS["qemu"], image, board, plan, sweep, planes=expected)

    right = run(planes, tmp_path / "right")
    assert right.passed, right.reason
    assert right.pairs == 2 * 65536
    output = planes.output.copy()
    output[1, 7, 200] += 1
    wrong = run(replace(planes, output=output), tmp_path / "wrong")
    codes = ", ".join(f"{axis} = {code}" for axis, code in zip("xyzuvw", planes.codes(1)[7, 200], strict=False))
    value = output[1, 7, 200]
    assert wrong.reason == f"2 wrong results, first in decode: {codes}: expected {value}, got {value - 1}"
