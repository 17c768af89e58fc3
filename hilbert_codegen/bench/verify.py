"""Compile the generated C and compare what it computes with the exact reference, one by one."""

from __future__ import annotations

import platform
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.emit.render import Generated, render_harness
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets import tools
from hilbert_codegen.targets.host import host_compiler


@dataclass(frozen=True)
class Verdict:
    """What one function of the compiled code gave.

    Attributes:
        function: name of the C function.
        pairs: how many pairs, triples or tuples were compared.
        mismatches: how many differ from the exact reference.
        first: the first mismatch as text, or "".
    """

    function: str
    pairs: int
    mismatches: int
    first: str


def compile_host(
    folder: Path, files: dict[str, bytes], compiler: Sequence[str], standard: str = "c99", defines: Sequence[str] = ()
) -> Path:
    """Write `files` to `folder` and compile all of their .c files to a program there; returns its path."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    tools.require(compiler[0], "install it (Debian: apt install gcc), name another with --compiler, or leave that out")
    sources = sorted(name for name in files if name.endswith(".c"))
    program = folder / "verify"
    command = [*compiler, f"-std={standard}", "-O2", *tools.WARNINGS, *(f"-D{d}" for d in defines)]
    tools.run([*command, *sources, "-o", program.name], "compiling the generated C", folder)
    return program


def run_pairs(
    plan: Plan,
    generated: Generated,
    pairs: NDArray[np.integer[Any]],
    compiler: Sequence[str] | None = None,
    launcher: Sequence[str] = (),
) -> dict[str, NDArray[np.int64]]:
    """Decode `pairs` (integer codes, shape (n, heads)) by the compiled C.

    Returns name of the C function -> its results, int64, shape (n,). `compiler` is this machine's by default
    (targets.host); `launcher` runs the program (an emulator).
    """
    count = len(pairs)
    files = {**generated.files, "verify_main.c": render_harness(plan, generated)}
    out = np.dtype(plan.spec.output.dtype)
    layout = [("decode", out), ("decode_block", out)]
    if plan.distance:
        byte = np.dtype(np.uint8)
        layout += [("distance", byte), ("decode_block_distance", out), ("decode_block_distance (distance)", byte)]
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        program = compile_host(folder, files, compiler or host_compiler())
        (folder / "pairs.bin").write_bytes(np.ascontiguousarray(pairs, dtype=plan.spec.heads.dtype).tobytes())
        command = [*launcher, str(program), "pairs.bin", "results.bin"]
        tools.run(command, "running the generated C", folder)
        data = (folder / "results.bin").read_bytes()
    wanted = sum(count * kind.itemsize for _, kind in layout)
    if len(data) != wanted:
        raise CheckFailed(f"running the generated C: {len(data)} bytes of results instead of {wanted}")
    results, start = {}, 0
    for function, kind in layout:
        end = start + count * kind.itemsize
        results[f"{plan.prefix}_{function}"] = np.frombuffer(data[start:end], dtype=kind).astype(np.int64)
        start = end
    return results


def _foreign(compiler: Sequence[str]) -> str:
    """The machine that the compiler makes programs for, if it is another than this one; "" if not, or not told."""
    try:
        machine = tools.run([*compiler, "-dumpmachine"], "asking the compiler").strip()
    except (CheckFailed, UsageError):
        return ""
    here = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    family = {"i386": "x86_64", "i686": "x86_64", "arm64": "aarch64"}
    first = machine.partition("-")[0]
    bare = "none" in machine.split("-") or machine.endswith("elf")
    return machine if bare or family.get(first, first) != here else ""


def verify(plan: Plan, generated: Generated, compiler: Sequence[str] | None = None) -> list[Verdict]:
    """Compile with `compiler`, run every function over the proof's domain, compare with the exact reference."""
    domain = generated.domain
    pairs = domain.tuples(plan.spec.heads.dtype)
    verdicts = []
    try:
        results = run_pairs(plan, generated, pairs, compiler)
    except (CheckFailed, UsageError):
        if compiler and (machine := _foreign(compiler)):
            raise UsageError(
                f"--compiler {shlex.join(compiler)}: makes programs for {machine}, which this computer can't run; "
                "`hilbert-codegen run` compares the C on emulated boards, `boards` lists them"
            ) from None
        raise
    for function, got in results.items():
        is_distance = function.endswith(("_distance)", "(distance)")) or function == f"{plan.prefix}_distance"
        wanted = (generated.ideal.distance if is_distance else generated.ideal.codes).reshape(-1).astype(np.int64)
        wrong = np.flatnonzero(got != wanted)
        first = ""
        if len(wrong):
            i = int(wrong[0])
            first = f"{domain.at(i)}: expected {wanted[i]}, got {got[i]}"
        verdicts.append(Verdict(function, len(pairs), len(wrong), first))
    return verdicts
