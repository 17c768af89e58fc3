"""Stack, recursion and constant time of the generated C on a Cortex-M, from the compiler's and the emulator's own account."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hilbert_codegen.generate import render_harness
from hilbert_codegen.strategies import STRATEGIES
from tests.conftest import needs
from tests.matrix.cases import cases, made
from tests.matrix.run import HERE, targets, write_sources

#: Most bytes of stack that any function of a decoder may need, its callees included, at -O2 and -Os on a Cortex-M4.
STACK_LIMIT = 160
#: `closed` keeps a candidate and positions of 64 bits.
STACK_LIMITS = {"closed": 256}
ARM = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=c99"]


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
@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_stack_is_bounded_and_nothing_recurses(strategy: str, level: str, tmp_path: Path) -> None:
    if strategy == "patch":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    found = cases(tmp_path, ["soft"] if strategy == "patch" else ["odd", "cell"], [strategy])
    assert found
    for shape, name in found:
        folder = tmp_path / shape
        folder.mkdir(exist_ok=True)
        for file, content in made(shape, name, tmp_path)[1].files.items():
            (folder / file).write_bytes(content)
        subprocess.run([*ARM, level, "-fcallgraph-info=su", "-c", "m_decoder.c"], cwd=folder, check=True, timeout=200)
        stack, calls = call_graph((folder / "m_decoder.ci").read_text())
        public = [function for function in stack if function.startswith("m_decode")]
        assert public
        for function in public:
            assert deepest(function, stack, calls) <= STACK_LIMITS.get(strategy, STACK_LIMIT), function


def test_recursion_would_be_found() -> None:
    with pytest.raises(AssertionError, match="recursion: a -> b -> a"):
        deepest("a", {"a": 8, "b": 8}, {"a": {"b"}, "b": {"a"}})


CONSTANT = {
    shape_strategy
    for shape_strategy in [("cell", "full"), ("cell", "tile"), ("cell", "strip"), ("byte", "full")]
    if shape_strategy[1] in STRATEGIES.names()
}
DRIVER = """
/* Decodes every pair, each call between two visits of `mark`: the emulator's log is cut there. */
#include "m_decoder.h"

__attribute__((noinline)) void mark(void);
void mark(void) { __asm__ volatile("" : : : "memory"); }

static volatile uint32_t sink;

uint32_t check_run(void)
{
    uint32_t word;

    for (word = 0U; word < 65536U; word += STEP)
    {
        mark();
        sink = (uint32_t)m_decode((int8_t)(uint8_t)(word & 0xFFU), (int8_t)(uint8_t)(word >> 8));
    }
    mark();
    return 0U;
}
"""


@needs("arm-none-eabi-gcc")
@needs("qemu-system-arm")
@pytest.mark.parametrize(("shape", "strategy"), sorted(CONSTANT))
def test_decode_executes_equally_many_instructions_for_every_pair(shape: str, strategy: str, tmp_path: Path) -> None:
    target = next(target for target in targets() if target.name.endswith("gcc-O2/cortex-m4"))
    plan, generated = made(shape, strategy, tmp_path)
    assert "constant time" in generated.built.note
    write_sources(tmp_path, plan, generated)
    (tmp_path / "check.c").write_text(
        DRIVER.replace("STEP", "1U") + '#include "check.h"\ncheck_failure_t check_failure;\n', encoding="ascii"
    )
    sources = ["m_decoder.c", "check.c", str(HERE / target.main)]
    subprocess.run(
        [*target.compile, *target.flags, f"-I{tmp_path}", *sources, *target.end, "-o", "program"],
        cwd=tmp_path, check=True, timeout=200,
    )  # fmt: skip
    symbols = subprocess.run(
        ["arm-none-eabi-nm", "-S", "program"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    place = {line.split()[-1]: line.split() for line in symbols.stdout.splitlines() if len(line.split()) == 4}
    start, size = int(place["m_decode"][0], 16), int(place["m_decode"][1], 16)
    mark = int(place["mark"][0], 16)
    low, high = min(start, mark), max(start + size, mark + 4)
    log = tmp_path / "log"
    subprocess.run(
        [*target.launch[:-1], "-singlestep", "-d", "exec,nochain", "-dfilter", f"0x{low:x}..0x{high:x}", "-D", str(log),
         "-kernel", "program"],
        cwd=tmp_path, check=True, capture_output=True, timeout=400,
    )  # fmt: skip
    counts: set[int] = set()
    calls, current = 0, -1
    with log.open() as lines:
        for line in lines:
            address = int(line.split("/")[1], 16)
            if address == mark:
                if current >= 0:
                    counts.add(current)
                    calls += 1
                current = 0
            elif start <= address < start + size:
                current += 1
    assert calls == 65536
    assert len(counts) == 1 and counts.pop() > 0, counts


def test_the_harness_renders_what_it_is_asked_for(tmp_path: Path) -> None:
    plan, generated = made("byte", "full", tmp_path)
    assert b"m_decoder.h" in render_harness(plan, generated)
