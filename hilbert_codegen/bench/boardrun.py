"""Run a board program and judge what it printed: PASS only if every line that is due has come and says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.bench.firmware import COLUMNS, ROWS, Image, Planes, Sweep
from hilbert_codegen.bench.session import TIMEOUT
from hilbert_codegen.curves import AXES
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES
from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.disassembly import disassemble
from hilbert_codegen.targets.emulators import Emulator, Job, Outcome
from hilbert_codegen.targets.gaps import TAIL_LOOP, ZERO_REGISTER, call_target, places
from hilbert_codegen.targets.image import load

#: UsageFault bits of CFSR that mean "the core does not know this instruction" (Armv7-M ARM, B3.2.15).
_UNDEFINED_OR_NO_COPROCESSOR = (1 << 16) | (1 << 19)
#: The same of mcause (RISC-V privileged ISA).
_ILLEGAL_INSTRUCTION = 2


@dataclass(frozen=True)
class Fault:
    """What the fault handler printed.

    Attributes:
        exception: number of the exception (of Arm 3 HardFault, 4 MemManage, 5 BusFault, 6 UsageFault).
        registers: registers by name, pc among them; of Arm the stacked ones: r0 to r3, r12, lr, pc, xpsr.
        cfsr: configurable fault status, or None on cores without it.
        instruction: what stands at pc, or "".
        architecture: whose numbers and registers these are.
    """

    exception: int
    registers: Mapping[str, int]
    cfsr: int | None
    instruction: str
    architecture: Architecture = ARM

    @property
    def undefined(self) -> bool:
        """Whether the core (or the emulator of it) did not know the instruction."""
        if self.architecture is RISCV:
            return self.exception == _ILLEGAL_INSTRUCTION
        return self.cfsr is not None and bool(self.cfsr & _UNDEFINED_OR_NO_COPROCESSOR)

    @property
    def text(self) -> str:
        """One line: exception, place, cause, stacked registers."""
        name = self.architecture.traps.get(self.exception, f"exception {self.exception}")
        cause = "undefined instruction" if self.undefined else "fault"
        status = f", CFSR 0x{self.cfsr:08x}" if self.cfsr is not None else ""
        code = f" ({self.instruction})" if self.instruction else ""
        stacked = " ".join(f"{key}=0x{value:08x}" for key, value in self.registers.items())
        return f"{name}: {cause} at 0x{self.registers.get('pc', 0):08x}{code}{status}; stacked {stacked}"


@dataclass
class Verdict:
    """The judgement of one run.

    Attributes:
        reason: why it failed, or "" if it passed.
        pairs: pairs compared on each path.
        paths: path (C function behind the prefix) -> mismatches.
        first: the first mismatch, as text, or "".
        stack_bytes: stack that decode_block and its callees use, or None if not measured.
        fault: what the fault handler printed, or None.
        gap: the instruction that this emulator takes for another, with what it makes of it; or "".
        outcome: the run.
    """

    reason: str = ""
    pairs: int = 0
    paths: dict[str, int] = field(default_factory=dict)
    first: str = ""
    stack_bytes: int | None = None
    fault: Fault | None = None
    gap: str = ""
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def passed(self) -> bool:
        """Whether everything ran and everything was right."""
        return not self.reason

    @property
    def mismatches(self) -> int:
        """Wrong results over all paths."""
        return sum(self.paths.values())


def unsupported(board: Board, verdict: Verdict) -> bool:
    """Whether a run on a core with vectors ended at an instruction that this emulator lacks, or takes for another."""
    return board.core.vectors and bool(verdict.gap or (verdict.fault is not None and verdict.fault.undefined))


def lacks(verdict: Verdict) -> str:
    """The instruction at which such a run ended, as text."""
    if verdict.fault is None:
        return verdict.gap
    where = verdict.fault.registers.get("pc", 0)
    return f"{verdict.fault.instruction or 'an instruction'} at 0x{where:08x} is undefined"


def _gap(outcome: Outcome, image: Image, board: Board) -> str:
    """The instruction that the emulator takes for another, by what the program found or by where that led; "" if none."""
    tried = "HC lacks zero_register" in outcome.lines
    left = re.search(r"CPU abort \[PC=0x([0-9A-Fa-f]+)\]: Trying to execute code outside", outcome.problem or "")
    if not board.core.helium or not (tried or left):
        return ""
    gap = ZERO_REGISTER if tried else TAIL_LOOP
    start, end = image.decoder
    for at, first, second in places(gap, start, load(image.elf).read(start, end - start)):
        if tried or (left is not None and int(left[1], 16) == call_target(at, first, second)):
            code = {line.address: line.text for line in disassemble(image.elf, board.core, at, at + 4)}
            return f"{code.get(at, 'an instruction')} at 0x{at:08x}, {gap.says}"
    return ""


def _fault(lines: list[str], image: Image, board: Board) -> Fault | None:
    number = next(
        (re.match(r"HC fault exception=([0-9a-f]+)", line) for line in lines if line.startswith("HC fault")), None
    )
    if number is None:
        return None
    stacked = next((line for line in lines if line.startswith("HC stacked ")), "")
    status = next((line for line in lines if line.startswith("HC status ")), "")
    registers = {name: int(value, 16) for name, value in re.findall(r"(\w+)=([0-9a-f]{8})", stacked)}
    cfsr = re.search(r"cfsr=([0-9a-f]{8})", status)
    pc = registers.get("pc", 0)
    code = {line.address: line.text for line in disassemble(image.elf, board.core, pc, pc + 4)}
    return Fault(
        int(number[1], 16), registers, int(cfsr[1], 16) if cfsr else None, code.get(pc, ""), board.core.architecture
    )


def judge(
    outcome: Outcome, image: Image, board: Board, plan: Plan, sweep: Sweep, rows: int, measure: bool,
    planes: Planes | None = None,
) -> Verdict:  # fmt: skip
    """Judge what a run printed against the exact table.

    Args:
        outcome: the run.
        image: what ran.
        board: where it ran.
        plan: what the decoder computes.
        sweep: the pairs and the exact answers.
        rows: how many rows were asked for.
        measure: whether it was the measuring program, which runs one function only.
        planes: the planes that ran beside the rows, or None.
    """
    pairs = rows * COLUMNS if planes is None else planes.output.size
    verdict = Verdict(outcome=outcome, pairs=pairs)
    lines = outcome.lines
    verdict.fault = _fault(lines, image, board)
    verdict.gap = _gap(outcome, image, board)
    width = INTEGER_TYPES[plan.spec.output.dtype][0]
    signed = INTEGER_TYPES[plan.spec.output.dtype][1]

    seen: dict[str, tuple[int, int]] = {}
    for line in lines:
        if match := re.fullmatch(r"HC path (\w+) rows=(\d+) bad=(\d+)", line):
            seen[match[1]] = (int(match[2]), int(match[3]))
            verdict.paths.setdefault(match[1], 0)
        elif match := re.fullmatch(r"HC row (\w+) (\d+) ([0-9a-f]+)", line):
            distance = match[1] == "decode_block_distance"
            wrong, first = _compare(
                match[3], int(match[2]), sweep, 8 if distance else width, signed and not distance, distance
            )
            verdict.paths[match[1]] = verdict.paths.get(match[1], 0) + wrong
            if first and not verdict.first:
                verdict.first = f"{match[1]}: {first}"
        elif match := re.fullmatch(r"HC stack bytes=(\d+)", line):
            verdict.stack_bytes = int(match[1])

    if planes is not None:
        _judge_planes(lines, planes, verdict, width, signed)
    verdict.reason = _troubled(verdict, plan, rows) or _missing(lines, plan, seen, rows, measure, planes)
    return verdict


def _troubled(verdict: Verdict, plan: Plan, rows: int) -> str:
    """Why the run itself or a result in it is wrong; "" if neither."""
    lines, outcome = verdict.outcome.lines, verdict.outcome
    width = INTEGER_TYPES[plan.spec.output.dtype][0]
    begin = f"HC begin {plan.prefix} hash={plan.digest[:8]} rows={rows} columns={COLUMNS} bytes={width // 8}"
    if verdict.fault is not None or verdict.gap:
        return verdict.gap if verdict.fault is None else verdict.fault.text
    if outcome.problem is not None:
        shown = next((line for line in reversed(lines) if line.strip()), "")
        return outcome.problem + (f"; its last line was {shown[:80]!r}" if shown else "; it printed nothing")
    if begin not in lines:
        return f"the first line is not the expected {begin!r}: is it another program?"
    return f"{verdict.mismatches} wrong results, first in {verdict.first}" if verdict.first else ""


def _missing(
    lines: Sequence[str], plan: Plan, seen: Mapping[str, tuple[int, int]], rows: int, measure: bool,
    planes: Planes | None,
) -> str:  # fmt: skip
    """What has not come, or not as right, in a run without a wrong result; "" if nothing."""
    due = ["decode", "decode_block"]
    if plan.distance:
        due += ["decode_block_distance", "decode_block_distance_output"]
    if measure:
        due = due[-1:]
    tails = next((line for line in lines if line.startswith("HC tails ")), None)
    if missing := [path for path in due if path not in seen or seen[path][0] != rows]:
        return f"no complete result of {', '.join(missing)}"
    if bad := [path for path in due if seen[path][1]]:
        return f"{', '.join(bad)}: a row's checksum is wrong, yet no wrong result was printed"
    if planes is not None and (reason := _incomplete(lines, planes)):
        return reason
    if not measure and (tails is None or not re.fullmatch(r"HC tails lengths=42 bad=0", tails)):
        return f"short, misaligned or guarded blocks failed: {tails or 'no result'}"
    return "" if "HC end PASS" in lines else "the program said FAIL"


def _judge_planes(lines: Sequence[str], planes: Planes, verdict: Verdict, bits: int, signed: bool) -> None:
    """Count the wrong results of the planes that were printed, into `verdict`."""
    for line in lines:
        if match := re.fullmatch(r"HC plane (\w+) (\d+) (\d+) ([0-9a-f]+)", line):
            wrong, first = _compare_plane(match[4], int(match[2]), int(match[3]), planes, bits, signed)
            verdict.paths[match[1]] = verdict.paths.get(match[1], 0) + wrong
            if first and not verdict.first:
                verdict.first = f"{match[1]}: {first}"


def _incomplete(lines: Sequence[str], planes: Planes) -> str:
    """What is missing of the planes, or wrong without a wrong result printed; "" if nothing."""
    for path in ("decode", "decode_block"):
        if f"HC planes {path} planes={planes.count} bad=0" not in lines:
            return f"{path}: no complete right result of {planes.statement}"
    return ""


def _compare(text: str, row: int, sweep: Sweep, bits: int, signed: bool, distance: bool) -> tuple[int, str]:
    """Wrong results of one printed row, and the first as text."""
    if not 0 <= row < ROWS:
        return COLUMNS, f"row {row} is garbled"
    expected = (sweep.distance if distance else sweep.output)[row]
    return _compare_row(text, f"row {row}", expected, sweep.pairs[row], bits, signed)


def _compare_plane(text: str, plane: int, row: int, planes: Planes, bits: int, signed: bool) -> tuple[int, str]:
    """Wrong results of one printed row of a plane, and the first as text."""
    if not (0 <= plane < planes.count and 0 <= row < ROWS):
        return COLUMNS, f"row {row} of plane {plane} is garbled"
    where = f"row {row} of plane {plane}"
    return _compare_row(text, where, planes.output[plane, row], planes.codes(plane)[row], bits, signed)


def _compare_row(
    text: str, where: str, expected: NDArray[np.int64], codes: NDArray[np.int64], bits: int, signed: bool
) -> tuple[int, str]:
    digits = bits // 4
    if len(text) != COLUMNS * digits:
        return COLUMNS, f"{where} is garbled"
    got: NDArray[np.int64] = np.array(
        [int(text[i : i + digits], 16) for i in range(0, len(text), digits)], dtype=np.int64
    )
    if signed:
        got = np.where(got >= 1 << (bits - 1), got - (1 << bits), got)
    wrong = np.flatnonzero(got != expected)
    if not len(wrong):
        return 0, ""
    i = int(wrong[0])
    at = ", ".join(f"{axis} = {code}" for axis, code in zip(AXES, codes[i], strict=False))
    return len(wrong), (f"{at}: expected {expected[i]}, got {got[i]}")


def run_image(
    emulator: Emulator,
    image: Image,
    board: Board,
    plan: Plan,
    sweep: Sweep,
    *,
    rows: int = ROWS,
    measure: bool = False,
    trace: bool = False,
    timeout: float = TIMEOUT,
    keep: Path | None = None,
    planes: Planes | None = None,
) -> Verdict:
    """Run an image on an emulator and judge it; with `measure`, count the instructions of the decoder.

    `planes` are those that the image was made to run, or None.
    """
    count = image.decoder if measure else None
    job = Job(image.elf, board, timeout, count=count, entry=image.entry, trace=trace, keep=keep)
    return judge(emulator.run(job), image, board, plan, sweep, rows, measure, planes)
