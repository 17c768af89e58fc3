from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hilbert_codegen.emit.prove import prove
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets.tools import WARNINGS
from hilbert_codegen.variants import hvx
from tests import decoders
from tests.compilers.matrix.machines import MACHINES, SCATTERED, one_at_a_time, per_point
from tests.compilers.matrix.run import check, write_sources
from tests.conftest import needs
from tests.paths import ROOT

VECTOR = ("full", "tile_direct", "tile")
ROOMY = ("code.prefix=m", "code.max_flash_bytes=1000000", "code.variants=all")

#: What the kernels of `full` and the tiles differ in: layouts, widths, signs, distances, orders.
CASES = {
    "default": [],
    "planar-int16": ["heads.layout=planar", "output.dtype=int16", "output.codes=[10000, -500]"],
    "uint8-distance": ["output.dtype=uint8", "decoder.distance=true", "curve.order=2"],
    "planar-int8-distance": [
        "heads.layout=planar",
        "output.dtype=int8",
        "output.codes=[127, -128]",
        "decoder.distance=true",
    ],
    "uint8-heads-distance": ["heads.dtype=uint8", "heads.zero_point=0", "decoder.distance=true", "curve.order=4"],
    "planar-distance": ["heads.layout=planar", "decoder.distance=true", "curve.order=4"],
    "int32": ["output.dtype=int32", "output.codes=[-5, 100000]"],
    "order-1": ["curve.order=1", "curve.orientation=transpose"],
    "order-5": ["curve.order=5", "output.dtype=int16"],
    "order-6": ["curve.order=6"],
    "moore": ["curve.kind=moore", "curve.order=3", "output.codes=[0, 40000]"],
    "moore-turn": ["curve.kind=moore", "curve.order=2"],
    "serpentine": ["curve.kind=serpentine", "curve.order=3", "curve.orientation=rotate_90"],
}


def _skip_without(machine: str) -> None:
    if missing := MACHINES[machine].missing:
        pytest.skip(f"{machine}: {missing} is not installed")


def _case(plan: Callable[..., Plan], folder: Path, *settings: str) -> Generated:
    made = plan(*ROOMY, *settings)
    generated = decoders.generated(made)
    write_sources(folder, made, generated)
    return generated


def _passes(machine: str, folder: Path) -> None:
    assert check(folder, MACHINES[machine]) == ""


@pytest.mark.parametrize(
    ("machine", "strategy", "case"),
    [("cortex-m55-clang", strategy, case) for strategy in VECTOR for case in CASES]
    # The arithmetic is the same in all three; the one that has no use for it takes the rest.
    + [("hexagon-v66-hvx", "tile", case) for case in CASES]
    + [("hexagon-v66-hvx", strategy, "default") for strategy in VECTOR if strategy != "tile"]
    # Tiles differ in nothing but their tables.
    + [("rv32 vectors of 128", "tile", case) for case in CASES]
    + [("rv32 vectors of 128", "full", case) for case in CASES if case.startswith(("planar", "uint8"))],
)
def test_vector_variants_are_exact(
    plan: Callable[..., Plan], tmp_path: Path, machine: str, strategy: str, case: str
) -> None:
    """All pairs, every short length at every misalignment, guard bytes, decoding in place."""
    _skip_without(machine)
    if (strategy, case) == ("tile_direct", "int32"):
        # The entries of its pool hold results of at most 16 bits, and that is what it says.
        with pytest.raises(UsageError, match="results wider than 16 bits"):
            _case(plan, tmp_path, f"code.strategy={strategy}", *CASES[case])
        return
    _case(plan, tmp_path, f"code.strategy={strategy}", *CASES[case])
    _passes(machine, tmp_path)


OTHERS = sorted(set(MACHINES) - {"cortex-m55-clang", "hexagon-v66-hvx"})


@pytest.mark.parametrize(
    ("machine", "strategy"),
    [(machine, strategy) for machine in OTHERS for strategy in (VECTOR if "m55" in machine else ("tile_word", "tile"))],
)
def test_other_machines_are_exact(plan: Callable[..., Plan], tmp_path: Path, machine: str, strategy: str) -> None:
    _skip_without(machine)
    _case(plan, tmp_path, f"code.strategy={strategy}", "decoder.distance=true")
    _passes(machine, tmp_path)


ANY_SCALE = ["curve.inset=0.1", "heads.scale=[0.00437, 0.0041]", "heads.zero_point=[-97, -110]"]


@pytest.mark.parametrize("machine", ["hexagon-v67", "riscv64", "powerpc64 (big-endian)"])
@pytest.mark.parametrize(
    "changes",
    [
        ["code.strategy=segment", *ANY_SCALE],
        ["code.strategy=segment", "output.dtype=int32", *ANY_SCALE],
        ["code.strategy=octant", *ANY_SCALE],
        ["code.strategy=line", *ANY_SCALE],
        ["code.strategy=patch", "decoder.estimator=mean", "decoder.sigma=0.4", "decoder.gate=0.15"],
    ],
    ids=["segment", "segment-int32", "octant", "line", "patch"],
)
def test_other_strategies_run_anywhere(
    plan: Callable[..., Plan], tmp_path: Path, machine: str, changes: list[str]
) -> None:
    _skip_without(machine)
    if "decoder.estimator=mean" in changes:
        pytest.importorskip("flint")
    _case(plan, tmp_path, *changes)
    _passes(machine, tmp_path)


ONE_SCALE = ["curve.inset=0.1", "heads.scale=0.00437", "heads.zero_point=-97"]


@pytest.mark.parametrize("case", ["inset", "two scales, planar", "bytes, planar", "one scale", "moore"])
def test_risc_v_vectors_off_the_cell_grid_are_exact(plan: Callable[..., Plan], tmp_path: Path, case: str) -> None:
    _skip_without("rv32 vectors of 128")
    _case(plan, tmp_path, "code.strategy=segment", *OFF_GRID[case])
    assert b"USE_RVV" in (tmp_path / "m_decoder.c").read_bytes()
    _passes("rv32 vectors of 128", tmp_path)


@pytest.mark.parametrize("machine", ["cortex-m55-clang", "cortex-m55-gcc"])
@pytest.mark.parametrize("strategy", ["octant", "segment", "line"])
@pytest.mark.parametrize(
    "changes",
    [
        ONE_SCALE,
        [*ANY_SCALE, "heads.layout=planar", "output.dtype=int16", "output.codes=[-3000, 30000]"],
        [*ONE_SCALE, "output.dtype=uint8", "curve.order=2"],
        [*ANY_SCALE, "heads.layout=planar", "output.dtype=uint8", "heads.dtype=uint8", "heads.zero_point=[31, 18]"],
        [*ONE_SCALE, "curve.order=2", "output.codes=[0, 65535]"],
    ],
    ids=["one scale", "two scales, planar", "bytes", "bytes, planar", "no fraction"],
)
def test_helium_off_the_cell_grid_is_exact(
    plan: Callable[..., Plan], tmp_path: Path, machine: str, strategy: str, changes: list[str]
) -> None:
    _skip_without(machine)
    _case(plan, tmp_path, f"code.strategy={strategy}", *changes)
    assert b"vldr" in (tmp_path / "m_decoder.c").read_bytes()
    _passes(machine, tmp_path)


UINT8_HEADS = ["heads.dtype=uint8", "heads.scale=[0.00437, 0.0041]", "heads.zero_point=[31, 18]"]
#: Off the cell grid: one slope and two, layouts, widths and signs, orders, ends of the curve joined or not.
OFF_GRID = {
    "inset": ["curve.inset=0.1"],
    "one scale": ONE_SCALE,
    "two scales, planar": [*ANY_SCALE, "heads.layout=planar", "output.dtype=int16", "output.codes=[-3000, 30000]"],
    "unsigned heads": ["curve.inset=0.1", *UINT8_HEADS, "output.codes=[65535, 0]"],
    "bytes": [*ONE_SCALE, "output.dtype=uint8"],
    "bytes, planar": ["curve.inset=0.07", *UINT8_HEADS, "heads.layout=planar", "output.dtype=int8", "output.codes=[100, -100]"],
    "order 1": ["curve.order=1", *ANY_SCALE],
    "order 2": ["curve.order=2", "curve.inset=0.1", "output.codes=[0, 65535]"],
    "order 4": ["curve.order=4", *ANY_SCALE],
    "order 4, one scale": ["curve.order=4", *ONE_SCALE, "curve.orientation=rotate_90"],
    "edge to edge": ["curve.inset=0", "curve.orientation=anti_transpose"],
    "moore": ["curve.kind=moore", *ANY_SCALE, "output.codes=[0, 40000]"],
    "moore, order 4, bytes": ["curve.kind=moore", "curve.order=4", "curve.inset=0.1", "output.dtype=uint8"],
    "moore, a turn": ["curve.kind=moore", "curve.order=2", *ONE_SCALE],
    "serpentine": ["curve.kind=serpentine", *ANY_SCALE, "curve.orientation=mirror_x"],
}  # fmt: skip


@pytest.mark.parametrize("case", OFF_GRID)
def test_hvx_off_the_cell_grid_is_exact(plan: Callable[..., Plan], tmp_path: Path, case: str) -> None:
    _skip_without("hexagon-v66-hvx")
    _case(plan, tmp_path, "code.strategy=full", *OFF_GRID[case])
    assert b"USE_HVX" in (tmp_path / "m_decoder.c").read_bytes()
    _passes("hexagon-v66-hvx", tmp_path)


@pytest.mark.parametrize("strategy", ["closed", "line", "octant", "segment"])
@pytest.mark.parametrize("changes", [[], ONE_SCALE], ids=["cell grid", "one scale"])
def test_hvx_goes_with_every_strategy(
    plan: Callable[..., Plan], tmp_path: Path, strategy: str, changes: list[str]
) -> None:
    _skip_without("hexagon-v66-hvx")
    if strategy == "line" and not changes:
        pytest.skip("refused where ties run in circles")
    _case(plan, tmp_path, f"code.strategy={strategy}", *changes)
    assert b"USE_HVX" in (tmp_path / "m_decoder.c").read_bytes()
    _passes("hexagon-v66-hvx", tmp_path)


@pytest.mark.parametrize("machine", ["cortex-m55-clang", "hexagon-v66-hvx"])
def test_a_wrong_code_is_found(plan: Callable[..., Plan], tmp_path: Path, machine: str) -> None:
    """The machine's verdict comes from a comparison: one changed entry of the expected table fails, by name."""
    _skip_without(machine)
    made = plan(*ROOMY, "code.strategy=tile")
    generated = decoders.generated(made)
    codes = generated.ideal.codes.copy()
    codes[200, 100] += 1
    write_sources(tmp_path, made, replace(generated, ideal=replace(generated.ideal, codes=codes)))
    x, y = generated.domain.codes[0][100], generated.domain.codes[1][200]
    wanted = f"FAIL decode: x, y, expected, got: {x} {y} {codes[200, 100]} {codes[200, 100] - 1}"
    said = check(tmp_path, MACHINES[machine])
    assert said.startswith("exit status 1 of ") and said.splitlines()[-1].strip() == wanted


@pytest.mark.parametrize(
    ("machine", "strategy", "most", "settings"),
    [
        ("rv32 vectors of 128", "full", 0.38, []),
        ("rv32 vectors of 128", "tile", 0.33, []),
        ("rv32 vectors of 256", "tile", 0.17, []),
        ("rv32 vectors of 512", "tile", 0.09, []),
        ("rv32 vectors of 128", "segment", 1.15, ONE_SCALE),
        ("cortex-m55-clang", "full", 0.5, []),
        ("cortex-m55-clang", "tile_direct", 1.15, []),
        ("cortex-m55-clang", "tile_word", 1.3, []),
        ("cortex-m55-clang", "tile", 1.5, []),
        # 24 for 16 points and what the call takes: one more load a point than results in the pool need, for 742 bytes less.
        ("cortex-m55-clang", "tile", 1.501, ["heads.layout=planar"]),
        ("cortex-m55-clang", "line", 2.3, ONE_SCALE),
        ("cortex-m55-clang", "line", 2.3, []),
        ("cortex-m55-clang", "octant", 2.95, ONE_SCALE),
        ("cortex-m55-clang", "octant", 3.2, []),
        ("cortex-m55-clang", "octant", 4.65, [*ONE_SCALE, "decoder.distance=true"]),
        ("cortex-m55-clang", "octant", 4.9, ["decoder.distance=true"]),
        ("hexagon-v66-hvx", "tile", 0.4, []),
        ("hexagon-v66-hvx", "tile", 0.37, ["curve.order=2"]),
        ("hexagon-v66-hvx", "tile", 0.52, ["curve.order=4"]),
        ("hexagon-v66-hvx", "segment", 0.5, ["curve.inset=0.1"]),
        ("hexagon-v66-hvx", "octant", 0.45, ["curve.inset=0.1", "curve.order=2"]),
        ("hexagon-v66-hvx", "octant", 0.7, ["curve.inset=0.1", "curve.order=4"]),
        ("hexagon-v66-hvx", "line", 0.55, ANY_SCALE),
    ],
)
def test_executed_instructions_per_point(
    plan: Callable[..., Plan], tmp_path: Path, machine: str, strategy: str, most: float, settings: list[str]
) -> None:
    """Over all pairs in scattered order and one call, the call included; the bounds are what the vector variants are there for."""
    _skip_without(machine)
    _case(plan, tmp_path, f"code.strategy={strategy}", *settings)
    function = "decode_block_distance" if "decoder.distance=true" in settings else "decode_block"
    executed = per_point(tmp_path, MACHINES[machine], function, SCATTERED)
    assert 0.05 < executed <= most
    if strategy == "octant" and not settings:
        # It has no branch that depends on the points.
        assert per_point(tmp_path, MACHINES[machine], function) == executed


@pytest.mark.parametrize(
    ("program", "version", "words"),
    [
        ("qemu-system-arm", "7.2.22 (Debian 1:7.2+dfsg-7)", ["-singlestep"]),
        ("qemu-hexagon", "8.0.4", ["-singlestep"]),
        ("qemu-system-arm", "9.1.0", ["-accel", "tcg,one-insn-per-tb=on"]),
        ("qemu-hexagon", "10.0.2 (v10.0.2)", ["-one-insn-per-tb"]),
    ],
)
def test_the_words_for_one_instruction_a_block(tmp_path: Path, program: str, version: str, words: list[str]) -> None:
    """Those of the version that answers, which a script does here: no machine has them all."""
    emulator = tmp_path / program
    emulator.write_text(f"#!/bin/sh\necho '{program} version {version}'\n", encoding="utf-8")
    emulator.chmod(0o755)
    assert one_at_a_time(str(emulator)) == words


def test_hvx_is_not_offered_where_it_is_not_exact(plan: Callable[..., Plan]) -> None:
    # The last scale is a hair from one whose results lie half-way between two codes: no constant rounds them all.
    nearly = ["curve.order=4", "curve.orientation=mirror_x", "output.dtype=uint8"]
    nearly += ["heads.scale=0.00546875", "heads.zero_point=118", "heads.range=[-1, 1]"]
    for settings in (["curve.order=5"], ["output.dtype=int32"], nearly):
        made = plan(*ROOMY, "code.strategy=full", *settings)
        generated = decoders.generated(made)
        assert hvx.build(made.spec, generated.ideal) is None
        assert b"USE_HVX" not in generated.files["m_decoder.c"]


def test_hvx_model_is_held_to_the_reference(plan: Callable[..., Plan]) -> None:
    made = plan(*ROOMY, "code.strategy=tile")
    generated = decoders.generated(made)
    codes = generated.ideal.codes.copy()
    codes[17, 40] ^= 1
    assert hvx.build(made.spec, generated.ideal) is not None
    with pytest.raises(CheckFailed, match=r"variant hvx: decode is not exact: 1 of 65536 pairs differ"):
        models = replace(generated.built, variants={"hvx": generated.built.variants["hvx"]})
        models = replace(models, portable=replace(models.portable, decode=lambda x, y: codes[y, x]))
        prove(made.spec, models, generated.domain, replace(generated.ideal, codes=codes))
    assert hvx.build(made.spec, replace(generated.ideal, codes=codes)) is None


@pytest.fixture(scope="session")
def cmsis_dsp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The headers of CMSIS-DSP, from its Python package's source distribution; nothing of it is built."""
    cache = ROOT / "build" / "cmsisdsp-1.10.3"
    if cache.is_dir():
        return cache / "Include"
    folder = tmp_path_factory.mktemp("cmsis")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "cmsisdsp"]
    try:
        done = subprocess.run(
            [*command, "cmsisdsp==1.10.3", "-d", str(folder)], capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("cmsisdsp 1.10.3 could not be downloaded: time-out")
    archives = list(folder.glob("*.tar.gz"))
    if not archives:
        pytest.skip(f"cmsisdsp 1.10.3 could not be downloaded: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(archives[0]) as archive:
        members = [m for m in archive.getmembers() if m.isfile() and "/Include/" in m.name and ".." not in m.name]
        archive.extractall(folder, members=members)
    (headers,) = folder.glob("*/Include")
    package = headers.parent
    # The package has no CMSIS-Core. Of cmsis_compiler.h, CMSIS-DSP's types need these alone.
    (package / "core").mkdir()
    (package / "core" / "cmsis_compiler.h").write_text(
        "#include <stdint.h>\n"
        "#define __ASM __asm\n"
        "#define __INLINE inline\n"
        "#define __STATIC_INLINE static inline\n"
        "#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline\n"
        "#define __ALIGNED(x) __attribute__((aligned(x)))\n"
        "#define __RESTRICT restrict\n"
        "#define __WEAK __attribute__((weak))\n",
        encoding="ascii",
    )
    cache.parent.mkdir(exist_ok=True)
    try:
        shutil.copytree(package, fresh := cache.with_name(f"{cache.name}.{os.getpid()}"))
        fresh.rename(cache)
    except OSError:
        return headers
    return cache / "Include"


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("strategy", VECTOR)
def test_cmsis_dsp_types_and_attributes(
    plan: Callable[..., Plan], tmp_path: Path, cmsis_dsp: Path, core: str, strategy: str
) -> None:
    """With HILBERT_USE_CMSIS_DSP the functions take q7_t and q15_t and the placement is CMSIS-DSP's attributes."""
    _case(plan, tmp_path, f"code.strategy={strategy}", "output.dtype=int16", "decoder.distance=true")
    (tmp_path / "user.c").write_text(
        '#include "m_decoder.h"\n'
        "typedef void (*block_t)(const q7_t *, q15_t *, uint32_t);\n"
        "typedef void (*far_t)(const q7_t *, q15_t *, uint8_t *, uint32_t);\n"
        "const block_t block = m_decode_block;\n"
        "const far_t far_block = m_decode_block_distance;\n",
        encoding="ascii",
    )
    includes = ["-I", tmp_path, "-isystem", cmsis_dsp, "-isystem", cmsis_dsp.parent / "core"]
    defines = ['-DARM_DSP_TABLE_ATTRIBUTE=__attribute__((section(".my_tables")))', "-DHILBERT_USE_CMSIS_DSP"]
    abi = ["-mfloat-abi=hard"] if core == "cortex-m55" else []
    for source in ("m_decoder.c", "user.c"):
        words = [
            "arm-none-eabi-gcc",
            f"-mcpu={core}",
            "-mthumb",
            *abi,
            "-std=c99",
            "-O2",
            *WARNINGS,
            *defines,
            *includes,
        ]
        words += ["-c", tmp_path / source, "-o", tmp_path / "object.o"]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        if source == "m_decoder.c":
            assert b".my_tables" in (tmp_path / "object.o").read_bytes()
