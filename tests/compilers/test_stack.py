"""Stack, recursion and constant time of the generated C on a Cortex-M, from the compiler's and the emulator's own account."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest

from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.render import render_harness
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.emulators.qemu import instructions_in
from tests.compilers.matrix.cases import cases, made
from tests.compilers.matrix.run import CLANG, Target, build, targets, write_sources
from tests.conftest import needs
from tests.decoders import unproved
from tests.specs import two_heads

#: Most bytes of stack that any function of a decoder may need, its callees included, at -O2 and -Os. What
#: libgcc's arithmetic needs beside is not in gcc's account; `measure` paints the stack and has it.
STACK_LIMIT = 160
#: `closed` keeps numbers of several words: of five where two decimal scales meet a distance, which doubles it.
STACK_LIMITS = {"closed": 464}
ARM = ["arm-none-eabi-gcc", "-mthumb", "-std=c99"]
FLAGS = {
    "cortex-m0plus": ["-mcpu=cortex-m0plus"],
    "cortex-m4": ["-mcpu=cortex-m4"],
    "cortex-m55": ["-mcpu=cortex-m55", "-mfloat-abi=hard"],
}


def call_graph(text: str) -> tuple[dict[str, int], dict[str, set[str]]]:
    """From gcc's -fcallgraph-info=su: function -> its own stack bytes, function -> those it calls."""
    stack = {}
    for name, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
        size = re.search(r"(\d+) bytes \((\w+)\)", label)
        if size:
            assert size[2] == "static", f"{name}: the stack it needs depends on its input"
        stack[name] = int(size[1]) if size else 0
    calls: dict[str, set[str]] = {name: set() for name in stack}
    for source, target in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
        calls.setdefault(source, set()).add(target)
    return stack, calls


def deepest(name: str, stack: dict[str, int], calls: dict[str, set[str]], path: tuple[str, ...] = ()) -> int:
    assert name not in path, f"recursion: {' -> '.join((*path, name))}"
    return stack.get(name, 0) + max(
        (deepest(callee, stack, calls, (*path, name)) for callee in calls.get(name, ())), default=0
    )


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("strategy", two_heads())
def test_stack_is_bounded_and_nothing_recurses(strategy: str, tmp_path: Path) -> None:
    if strategy == "patch":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    found = cases(tmp_path, ["soft"] if strategy == "patch" else ["odd", "cell", "plain"], [strategy])
    assert found
    for shape, name in found:
        folder = tmp_path / shape
        folder.mkdir(exist_ok=True)
        for file, content in made(shape, name, tmp_path)[1].files.items():
            (folder / file).write_bytes(content)
        check_stack(folder, STACK_LIMITS.get(strategy, STACK_LIMIT))


def check_stack(folder: Path, limit: int) -> None:
    """Raise AssertionError where a function of m_decoder.c in `folder` needs more bytes of stack, or calls itself."""
    for core, level in itertools.product(FLAGS, ("-O2", "-Os")):
        command = [*ARM, *FLAGS[core], level, "-fcallgraph-info=su", "-c", "m_decoder.c"]
        subprocess.run(command, cwd=folder, check=True, timeout=200)
        stack, calls = call_graph((folder / "m_decoder.ci").read_text())
        public = [function for function in stack if function.startswith(("m_decode", "m_distance"))]
        assert public
        for function in public:
            needed = deepest(function, stack, calls)
            assert needed <= limit, f"{core} {level}: {function}: {needed} bytes"


MANY = (
    "[curve]\ndimensions = {heads}\norder = 1\n[heads]\nscale = 0.00390625\nzero_point = -128\n[code]\nprefix = 'm'\n"
)
SCALES = [0.00437, 0.0041, 0.0043, 0.0044, 0.0045, 0.0046]
#: What decoders of three to six heads compute, by strategy, with the most bytes of stack that they may need: the cell grid;
#: results of 32 bits in whole numbers, one scale for all heads; distances, on the cell grid and with a scale for each head.
OF_MANY = {
    "boxes": ([], 160),
    "corner": ([], 256),
    "corner, heads of their own": (["heads.scale={scales}", "curve.inset=0.1"], 448),
    "corner, planar": (["heads.layout=planar"], 832),
    "corner, planar, heads of their own": (["heads.scale={scales}", "curve.inset=0.1", "heads.layout=planar"], 832),
    "corner, distances": (["heads.scale={scales}", "curve.inset=0.1", "decoder.distance=true"], 448),
    "boxes, 32 bits": (["heads.scale=0.00437", "output.dtype=int32"], 512),
    "boxes, distances": (["decoder.distance=true"], 320),
    "boxes, 32 bits and distances": (["heads.scale={scales}", "output.dtype=int32", "decoder.distance=true"], 640),
}


@needs("arm-none-eabi-gcc")
@pytest.mark.parametrize("heads", [3, 4, 6])
@pytest.mark.parametrize("case", OF_MANY)
def test_stack_of_many_heads_is_bounded(case: str, heads: int, tmp_path: Path) -> None:
    settings, limit = OF_MANY[case]
    (tmp_path / "many.toml").write_text(MANY.format(heads=heads), encoding="utf-8")
    given = [setting.format(scales=SCALES[:heads]) for setting in settings]
    plan = make_plan(load(tmp_path / "many.toml", [f"code.strategy={case.split(',')[0]}", *given]))
    for file, content in unproved(plan).items():
        (tmp_path / file).write_bytes(content)
    check_stack(tmp_path, limit)


def test_recursion_would_be_found() -> None:
    with pytest.raises(AssertionError, match="recursion: a -> b -> a"):
        deepest("a", {"a": 8, "b": 8}, {"a": {"b"}, "b": {"a"}})


#: What the domain is driven through: `decode` pair by pair, and blocks of one length that need a vector and a rest.
DRIVER = """
#include "check.h"
#include "m_decoder.h"

#define COUNT {count}U

check_failure_t check_failure;
__attribute__((noinline)) void mark(void);
void mark(void) {{ __asm__ volatile("" : : : "memory"); }}

static volatile uint32_t sink;
static {head} x[COUNT], y[COUNT], both[2U * COUNT];
static {out} codes[COUNT];
static uint8_t far[COUNT];

/* The emulator's log is cut where `mark` runs: before and after every call. */
uint32_t check_run(void)
{{
    uint32_t word, i;

    for (word = 0U; word < 65536U; word += COUNT)
    {{
        for (i = 0U; i < COUNT; i++)
        {{
            x[i] = ({head})(uint8_t)((word + i) & 0xFFU);
            y[i] = ({head})(uint8_t)(((word + i) >> 8) & 0xFFU);
            both[2U * i] = x[i];
            both[(2U * i) + 1U] = y[i];
        }}
        mark();
        {call}
        mark();
    }}
    (void)far; (void)codes; (void)sink;
    return 0U;
}}
"""
SINGLE = {"decode": "sink = (uint32_t)m_decode(x[0], y[0]);", "distance": "sink = (uint32_t)m_distance(x[0], y[0]);"}
BLOCK = {"decode_block": "m_decode_block({source}, codes, COUNT);",
         "decode_block_distance": "m_decode_block_distance({source}, codes, far, COUNT);"}  # fmt: skip
LENGTH = 21
#: Each core has a variant of its own: assembly for ARMv6-M, rounds of several points, Helium.
CORES = {
    "cortex-m0plus": "arm/arm-none-eabi-gcc-O2/cortex-m0plus",
    "cortex-m4": "arm/arm-none-eabi-gcc-O2/cortex-m4",
    "cortex-m55": f"arm/{CLANG}-O2/cortex-m55",
}
#: On and off the cell grid, and with distances.
SHAPES = ("cell", "plain", "odd")


def executed(folder: Path, target: Target) -> list[int]:
    """Instructions executed in the decoder, and what it calls, by each call that the driver makes."""
    assert build(folder, target, folder) == ""
    nm = ["arm-none-eabi-nm"]
    own = subprocess.run([*nm, "m_decoder.o"], cwd=folder, capture_output=True, text=True, check=True).stdout
    # What it defines, and what it calls beside: functions of libgcc, memcpy.
    names = {line.split()[-1] for line in own.splitlines() if line.split()[-2] in "TtU"}
    symbols = subprocess.run([*nm, "-S", "program"], cwd=folder, capture_output=True, text=True, check=True).stdout
    place = {fields[-1]: fields for fields in map(str.split, symbols.splitlines()) if len(fields) == 4}
    ranges = [(int(place[name][0], 16) & ~1, int(place[name][1], 16)) for name in names if name in place]
    mark = int(place["mark"][0], 16) & ~1
    wanted = ",".join(f"0x{start:x}+0x{size:x}" for start, size in [*ranges, (mark, 2)])
    # By blocks: the log has the instructions of each when it is made, and a line each time that it runs.
    command = [*target.launch[:-1], "-d", "exec,in_asm,nochain", "-dfilter", wanted, "-kernel", "program"]
    counts: list[int] = []
    sizes: dict[bytes, int] = {}
    listing, inside, current, said = b"", False, 0, ""
    # A pipe of its own for the log: QEMU makes standard output non-blocking, and what finds it full is lost.
    with (
        (folder / "said").open("w") as console,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.PIPE
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            if not line.startswith(b"Trace"):
                # A block that was announced and left before its first instruction is announced again.
                assert not line.startswith(b"Stopped"), line
                if line.startswith(b"0x"):
                    listing += line
                elif not line.startswith((b"IN: ", b"---", b"\n")):
                    said += line.decode()
                continue
            _, _, host, flags = line.split(None, 3)
            if listing:
                sizes[host], listing = instructions_in(listing), b""
            if int(flags.split(b"/")[1], 16) != mark:
                current += sizes[host]
            elif inside := not inside:
                current = 0
            else:
                counts.append(current)
    said += (folder / "said").read_text()
    assert "PASS" in said, said
    return counts


@needs("arm-none-eabi-gcc")
@needs("qemu-system-arm")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strategy", two_heads())
def test_time_is_constant_where_it_is_claimed(strategy: str, shape: str, core: str, tmp_path: Path) -> None:
    """As many instructions for every pair, and for every block of one length."""
    target = next(target for target in targets() if target.name == CORES[core])
    if target.missing:
        pytest.skip(f"{target.missing} is not installed")
    try:
        plan, generated = made(shape, strategy, tmp_path)
    except UsageError as error:
        pytest.skip(f"{strategy} is refused: {error}")
    if "constant time" not in generated.built.note:
        pytest.skip(f"{strategy} claims no constant time")
    write_sources(tmp_path, plan, generated)
    source = "x, y" if plan.spec.heads.layout == "planar" else "both"
    calls = [(1, SINGLE["decode"]), (LENGTH, BLOCK["decode_block"])]
    if plan.distance:
        calls += [(1, SINGLE["distance"]), (LENGTH, BLOCK["decode_block_distance"])]
    for count, call in calls:
        text = DRIVER.format(
            count=count,
            call=call.format(source=source),
            head=f"{plan.spec.heads.dtype}_t",
            out=f"{plan.spec.output.dtype}_t",
        )
        (tmp_path / "check.c").write_text(text, encoding="ascii")
        counts = executed(tmp_path, target)
        assert len(counts) == -(-65536 // count)
        assert len(set(counts)) == 1 and counts[0] > 0, f"{call}: {min(counts)} to {max(counts)} instructions"


def test_the_harness_renders_what_it_is_asked_for(tmp_path: Path) -> None:
    plan, generated = made("byte", "full", tmp_path)
    assert b"m_decoder.h" in render_harness(plan, generated)
