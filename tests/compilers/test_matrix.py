"""A small part of the compiler matrix (`make matrix` runs all of it), and proof that its check can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbert_codegen.bench.verify import verify
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.tools import WARNINGS
from tests.compilers.matrix.cases import made
from tests.compilers.matrix.run import CLANG, Target, check, targets, write_sources
from tests.specs import two_heads

#: One target of each kind of machine and runtime check.
CHOSEN = (
    "host/gcc-O2/c99",
    "host/gcc/sanitizers",
    f"host/{CLANG}/sanitizers",
    f"host/{CLANG}/integer-sanitizer",
    "arm/arm-none-eabi-gcc-O2/cortex-m4",
    "riscv/riscv64-linux-gnu-gcc-O2",
    "big-endian/powerpc64-linux-gnu-gcc-O2",
)
ALL = {target.name: target for target in targets()}


def ready(name: str) -> Target:
    target = ALL[name]
    if target.missing:
        pytest.skip(f"{target.missing} is not installed")
    return target


@pytest.mark.parametrize("name", CHOSEN)
def test_decoder_is_right_on_every_kind_of_machine(name: str, tmp_path: Path) -> None:
    target = ready(name)
    write_sources(tmp_path, *made("angle", "full", tmp_path))
    assert check(tmp_path, target) == ""


#: A shape that each strategy takes: off the cell grid where it can.
SHAPE = {"closed": "odds", "full": "plain", "line": "plain", "octant": "plain", "patch": "soft", "segment": "plain",
         "tile": "cell", "tile_direct": "cell", "tile_word": "cell"}  # fmt: skip
#: Sanitizers, the assembly of ARMv6-M and of ARMv7-M, Helium, HVX, RISC-V vectors.
KINDS = {
    "sanitizers": "host/gcc/sanitizers",
    "thumb1": "arm/arm-none-eabi-gcc-O2/cortex-m0plus",
    "thumb2": "arm/arm-none-eabi-gcc-O2/cortex-m4",
    "thumb2 without DSP": "arm/arm-none-eabi-gcc-O2/cortex-m3",
    "helium": f"arm/{CLANG}-O2/cortex-m55",
    "hvx": f"hexagon/{CLANG}-O2/hvx",
    "rvv": f"riscv/{CLANG}-O2/rv32imc_zve32x/128",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", two_heads())
def test_every_strategy(strategy: str, kind: str, tmp_path: Path) -> None:
    if strategy == "patch":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    target = ready(KINDS[kind])
    write_sources(tmp_path, *made(SHAPE[strategy], strategy, tmp_path))
    assert check(tmp_path, target) == ""


FUSED = """
[heads]
scale = [0.00390625, 0.0041, 0.0043]
zero_point = [-128, -120, -117]
range = [[0, 1], [0, 1], [0.1, 0.9]]
[output]
dtype = "int32"
codes = [2147483647, -2147483648]
[decoder]
estimator = "fused"
threshold = 0.04
"""


@pytest.mark.parametrize(
    ("name", "layout"), [("host/gcc/sanitizers", "interleaved"), (f"host/{CLANG}/integer-sanitizer", "planar")]
)
def test_three_fused_heads_under_sanitizers(name: str, layout: str, tmp_path: Path) -> None:
    """All 2^24 triples. A result of all 32 bits, as far as it goes, is what a sum of two could overflow."""
    target = ready(name)
    (tmp_path / "fused.toml").write_text(FUSED, encoding="utf-8")
    plan = make_plan(load(tmp_path / "fused.toml", [f"heads.layout={layout}"]))
    verdicts = verify(plan, generate(plan), [target.compile[0], *target.flags])
    assert [(verdict.pairs, verdict.mismatches) for verdict in verdicts] == [(1 << 24, 0)] * 2


FUSED_THREE = ["curve.dimensions=3", "decoder.estimator=fused", "decoder.threshold=0.04"]
MANY = "[curve]\ndimensions = 4\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\n"
#: By strategy: the cell grid; a decimal scale, which `corner` compares in 64 bits; results of all 32 bits, and those that
#: `boxes` forms in several words. Of a fused one the curve has three of the four heads.
OF_MANY = {
    "boxes": ["output.dtype=int32", "output.codes=[2147483647, -2147483648]"],
    "boxes, words": [
        "heads.scale=[0.00437, 0.0041, 0.0043, 0.0044]", "heads.zero_point=-120", "curve.inset=0.15",
        "output.dtype=int32", "output.codes=[-2147483648, 2147483647]",
    ],
    "boxes, distances": ["decoder.distance=true"],
    "boxes, distances in words": [
        "heads.scale=[0.00437, 0.0041, 0.0043, 0.0044]", "heads.zero_point=-120", "decoder.distance=true",
        "output.dtype=int32", "output.codes=[2147483647, 0]",
    ],
    "corner": [],
    "corner, distances": ["decoder.distance=true", "output.codes=[65535, 0]"],
    "corner, distances in words": [
        "heads.scale=[0.00437, 0.0041, 0.0043, 0.0044]", "heads.zero_point=-120", "decoder.distance=true",
    ],
    "boxes, fused": ["output.dtype=int32", "output.codes=[-2147483648, 2147483647]", *FUSED_THREE],
    "corner, fused": ["output.dtype=int16", "output.codes=[32767, -32768]", *FUSED_THREE],
    "corner, heads of their own": [
        "heads.scale=[0.00437, 0.0041, 0.0043, 0.0044]", "heads.zero_point=[-97, -120, -88, -110]", "curve.inset=0.1",
    ],
    "corner, decimal": ["heads.scale=0.00437", "heads.zero_point=-97", "curve.inset=0.1", "output.codes=[65535, 0]"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "layout"), [("host/gcc/sanitizers", "interleaved"), (f"host/{CLANG}/integer-sanitizer", "planar")]
)
@pytest.mark.parametrize("case", OF_MANY)
def test_four_heads_under_sanitizers(case: str, name: str, layout: str, tmp_path: Path) -> None:
    target = ready(name)
    (tmp_path / "four.toml").write_text(MANY, encoding="utf-8")
    settings = [f"heads.layout={layout}", f"code.strategy={case.split(',')[0]}", *OF_MANY[case]]
    plan = make_plan(load(tmp_path / "four.toml", settings))
    verdicts = verify(plan, generate(plan), [target.compile[0], *target.flags])
    assert len(verdicts) == (5 if plan.distance else 2) and verdicts[0].pairs > 100_000
    assert not any(verdict.mismatches for verdict in verdicts)


@pytest.mark.parametrize("name", [f"riscv/{CLANG}-O2/rv32imc_zve32x/256", f"riscv/{CLANG}-O2/rv32imc_zve32x/512",
                                  f"riscv/{CLANG}-O2/rv64gcv/128", "riscv/riscv64-unknown-elf-gcc-O2/rv32imc"])  # fmt: skip
def test_risc_v_with_vectors_of_any_length_and_without(name: str, tmp_path: Path) -> None:
    target = ready(name)
    write_sources(tmp_path, *made("cell", "tile", tmp_path))
    assert ("USE_RVV" in (tmp_path / "m_decoder.c").read_text(encoding="ascii")) and check(tmp_path, target) == ""


@pytest.mark.parametrize("compiler", [CLANG, "arm-none-eabi-gcc"])
@pytest.mark.parametrize("shape", ["cell", "split", "ring"])
def test_octants_settle_ties(shape: str, compiler: str, tmp_path: Path) -> None:
    target = ready(f"arm/{compiler}-O2/cortex-m55")
    write_sources(tmp_path, *made(shape, "octant", tmp_path))
    assert check(tmp_path, target) == ""


@pytest.mark.parametrize("kind", ["sanitizers", "helium"])
def test_lines_settle_ties(kind: str, tmp_path: Path) -> None:
    target = ready(KINDS[kind])
    write_sources(tmp_path, *made("cell", "line", tmp_path))
    assert check(tmp_path, target) == ""


@pytest.mark.parametrize("std", ["c++11", "c++17"])
@pytest.mark.parametrize("strategy", ["closed", "tile"])
def test_header_and_source_are_cplusplus_too(strategy: str, std: str, tmp_path: Path) -> None:
    write_sources(tmp_path, *made("byte", strategy, tmp_path))
    assert check(tmp_path, ready(f"host/gcc-O2/{std}")) == ""


LOOP = "    for (; blockSize > 0U; blockSize--)"
#: Before it, others take two and more points a round and move pDst, so what goes outside does so where the function starts.
BLOCK = "decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)\n{\n"
SABOTAGE = {
    "one wrong value": (
        "return m_point((uint8_t)x, (uint8_t)y);",
        "return (uint16_t)(m_point((uint8_t)x, (uint8_t)y) ^ ((x == -7) && (y == 99)));",
        "FAIL decode: x = -7, y = 99",
    ),
    "a block that stops early": (LOOP, "    for (; blockSize > 1U; blockSize--)", "FAIL decode_block"),
    "a block that writes past its end": (
        BLOCK, BLOCK + "    pDst[blockSize] = 0U;\n", "decode_block writes outside pDst",
    ),
    "a block that writes before its start": (
        BLOCK, BLOCK + "    pDst[-1] = 0U;\n", "decode_block writes outside pDst",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SABOTAGE)
def test_a_fault_is_found(fault: str, tmp_path: Path) -> None:
    old, new, said = SABOTAGE[fault]
    write_sources(tmp_path, *made("cell", "full", tmp_path))
    source = tmp_path / "m_decoder.c"
    text = source.read_text(encoding="ascii")
    assert old in text
    source.write_text(text.replace(old, new), encoding="ascii")
    assert said in check(tmp_path, ready("host/gcc-O2/c99"))


def test_a_read_past_the_end_is_found(tmp_path: Path) -> None:
    write_sources(tmp_path, *made("cell", "full", tmp_path))
    source = tmp_path / "m_decoder.c"
    text = source.read_text(encoding="ascii")
    faulty = text.replace(
        LOOP, "    const volatile int8_t beyond = pSrc[2U * blockSize];\n\n    (void)beyond;\n" + LOOP
    )
    assert faulty != text
    source.write_text(faulty, encoding="ascii")
    assert "ASan" in check(tmp_path, ready("host/gcc/sanitizers"))


@pytest.mark.parametrize("kind", ["helium", "thumb1"])
def test_a_read_past_the_end_is_found_without_sanitizers(kind: str, tmp_path: Path) -> None:
    """On a board: the source ends where memory does."""
    target = ready(KINDS[kind])
    write_sources(tmp_path, *made("cell", "tile", tmp_path))
    source = tmp_path / "m_decoder.c"
    text = source.read_text(encoding="ascii")
    assert BLOCK in text
    beyond = "    const volatile int8_t beyond = pSrc[2U * blockSize];\n\n    (void)beyond;\n"
    source.write_text(text.replace(BLOCK, BLOCK + beyond), encoding="ascii")
    assert "FAIL fault" in check(tmp_path, target)


def test_a_warning_is_a_failure(tmp_path: Path) -> None:
    write_sources(tmp_path, *made("cell", "tile", tmp_path))
    source = tmp_path / "m_decoder.c"
    text = source.read_text(encoding="ascii")
    faulty = text.replace(LOOP, "    const int narrow = (int)blockSize + 3000000000L;\n\n    (void)narrow;\n" + LOOP)
    assert faulty != text
    source.write_text(faulty, encoding="ascii")
    assert "Werror" in check(tmp_path, ready("host/gcc-O2/c99"))
    assert "-Wconversion" in WARNINGS
