"""All tuples of four heads by compiled C: 2^32 of them, against the definition's half segments in whole numbers.

The program that runs has the generated decoder and a reference of its own: for every box of half cells the half segments that
can be nearest there, in the order that settles ties, and for every half segment and axis the squared distance by code
(`hilbert_codegen.exact.many`). It knows none of the decoder's tables. As many processes share the boxes as there are cores.
"""

from __future__ import annotations

import itertools
import math
import os
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.bench.verify import Verdict, compile_host
from hilbert_codegen.curves import AXES
from hilbert_codegen.emit.render import Generated, render_harness
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.exact.many import ManyHeads
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Spec
from hilbert_codegen.targets.host import host_compiler

IntArray = NDArray[np.int64]

#: Heads whose tuples can be run in minutes; two and three are run over all of theirs by `verify` anyway.
HEADS = 4
FUNCTIONS = ("decode", "decode_block")


@dataclass(frozen=True)
class Reference:
    """What the program compares with, as the bytes that it reads.

    Attributes:
        halves: number of half segments.
        words: 64-bit words of a squared distance, 1 or 2.
        boxes: number of boxes of half cells.
        data: the file: see templates/harness/exhaustive_main.c.j2.
    """

    halves: int
    words: int
    boxes: int
    data: bytes


def _words(values: Any, words: int) -> bytes:
    """Whole numbers as little-endian words of 64 bits, the low one first."""
    mask = (1 << 64) - 1
    whole = values.astype(object)
    parts = [((whole >> (64 * word)) & mask).astype(np.uint64) for word in range(words)]
    return bytes(np.stack(parts, axis=-1).astype("<u8").tobytes())


def _boxes(heads: ManyHeads, tables: Sequence[Any]) -> Iterator[tuple[list[IntArray], list[int]]]:
    """Indices of the codes on every axis, and the half segments that can be nearest, those of the own cell first, by s."""
    spec = heads.spec
    groups = [[np.flatnonzero(cells == value) for value in np.unique(cells)] for cells in heads.half_cell]
    least, most = (
        [np.stack([bound(table[:, group], axis=1) for group in axis]) for table, axis in zip(tables, groups, strict=True)]
        for bound in (np.min, np.max)
    )  # fmt: skip
    # s at the middle of every half segment, in quarters: what they cover is disjoint, so that orders them.
    middle = 4 * heads.vertex + heads.sign
    if spec.curve.closed:
        middle = middle % (4 * spec.curve.segments)
    for box in itertools.product(*(range(len(axis)) for axis in groups)):
        low: Any = sum(bound[g] for bound, g in zip(least, box, strict=True))
        high: Any = sum(bound[g] for bound, g in zip(most, box, strict=True))
        picked = [axis[g] for axis, g in zip(groups, box, strict=True)]
        cell = np.array([int(heads.cell[a][codes[0]]) for a, codes in enumerate(picked)])
        strange = (heads.at != cell).any(axis=1)
        listed = np.flatnonzero(low <= high.min()).tolist()
        yield picked, sorted(listed, key=lambda h: (bool(strange[h]), int(middle[h])))


def reference(spec: Spec) -> Reference:
    """The reference for all tuples of `spec`. Raises UsageError where a squared distance takes more than 127 bits."""
    heads = ManyHeads(spec, [spec.heads.codes()] * spec.dimensions)
    common = math.gcd(*(int(value) for table in heads.exact for value in set(table.reshape(-1).tolist())))
    tables = [table // max(common, 1) for table in heads.exact]
    largest = sum(int(table.max()) for table in tables)
    if largest >= 1 << 127:
        raise UsageError(
            "--exhaustive: with these scales a squared distance takes more than 127 bits; leave it out: the proof holds without"
        )
    words = 1 if largest < 1 << 63 else 2
    wide = [table.astype(np.int64) if words == 1 else table for table in tables]
    parts = [
        heads.axis.astype("<i4").tobytes(),
        heads.output[:, : len(spec.heads.codes())].astype("<i8").tobytes(),
        *(_words(table, words) for table in wide),
    ]
    boxes = 0
    for picked, listed in _boxes(heads, wide):
        numbers = [
            *(len(codes) for codes in picked),
            len(listed),
            *itertools.chain(*(codes.tolist() for codes in picked)),
            *listed,
        ]
        parts.append(np.array(numbers, dtype="<i4").tobytes())
        boxes += 1
    header = struct.pack("<iiii", len(heads.axis), words, boxes, 0)
    return Reference(len(heads.axis), words, boxes, header + b"".join(parts))


def refuse_more(spec: Spec) -> None:
    """Raise UsageError for more heads than can be run over all of their tuples."""
    if spec.inputs > HEADS:
        raise UsageError(
            f"--exhaustive: {spec.inputs} heads have 2^{8 * spec.inputs} tuples, which take days; leave it out"
        )
    if spec.inputs == HEADS and spec.fusion is not None:
        raise UsageError("--exhaustive: its reference knows no fused head; leave it out: the proof holds without")


class _Share:
    """The processes of one run: how far they are, and what they found."""

    def __init__(self, boxes: int, advance: Callable[[float], None]) -> None:
        self._boxes, self._advance = boxes, advance
        self._lock, self._done = threading.Lock(), 0
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, command: Sequence[str], folder: Path) -> list[str]:
        """Run one process; returns the lines that report what it found."""
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            with self._lock:
                self.processes.append(process)
            assert process.stdout is not None
            found = []
            for line in process.stdout:
                if line.startswith("box"):
                    with self._lock:
                        self._done += 1
                        self._advance(self._done / self._boxes)
                else:
                    found.append(line.strip())
        if process.returncode:
            raise CheckFailed(f"running the generated C over all tuples: it ended with status {process.returncode}")
        return found

    def stop(self) -> None:
        """End what still runs."""
        with self._lock:
            for process in self.processes:
                if process.poll() is None:
                    process.kill()


def verify_all(
    plan: Plan,
    generated: Generated,
    compiler: Sequence[str] | None = None,
    advance: Callable[[float], None] = lambda _: None,
    workers: int | None = None,
) -> list[Verdict]:
    """Compile the decoder and run decode and decode_block over all 2^32 tuples of four 8-bit heads: minutes.

    `advance` is told the share that is done, `workers` is the number of processes (default: of cores).

    Raises UsageError for five and six heads, and for scales that need too many bits.
    """
    refuse_more(plan.spec)
    assert plan.spec.dimensions == HEADS, "fewer heads are run over all of their tuples by verify"
    expected = reference(plan.spec)
    files = {
        **generated.files,
        "exhaustive_main.c": render_harness(plan, generated, "harness/exhaustive_main.c.j2", words=expected.words),
    }
    count = workers or os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name)
        program = compile_host(folder, files, compiler or host_compiler())
        (folder / "reference.bin").write_bytes(expected.data)
        share = _Share(expected.boxes, advance)
        commands = [[str(program), "reference.bin", str(part), str(count)] for part in range(count)]
        with ThreadPoolExecutor(count) as pool:
            try:
                lines = list(itertools.chain(*pool.map(lambda command: share.run(command, folder), commands)))
            finally:
                share.stop()
    return [_verdict(plan, lines, function) for function in FUNCTIONS]


def _verdict(plan: Plan, lines: Sequence[str], function: str) -> Verdict:
    pairs = wrong = 0
    first = ""
    for line in lines:
        word, name, *values = line.split()
        if name != function:
            continue
        if word == "end":
            pairs += int(values[0])
            wrong += int(values[1])
        elif word == "bad" and not first:
            *codes, expected, got = values
            where = ", ".join(f"{axis} = {code}" for axis, code in zip(AXES, codes, strict=False))
            first = f"{where}: expected {expected}, got {got}"
    if pairs != 1 << (8 * plan.spec.dimensions):
        raise CheckFailed(f"running the generated C over all tuples: {pairs} of them came back")
    return Verdict(f"{plan.prefix}_{function}", pairs, wrong, first)
