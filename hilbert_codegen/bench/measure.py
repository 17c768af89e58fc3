"""What a decoder costs on a board: instructions, bytes, stack, and an estimate of cycles.

Executed instructions are exact: counted by an emulator within decode_block and what it calls, over whole rows of the
sweep, a block of 256 points a call; with distances within decode_block_distance. They do not contain the caller's own
instructions.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hilbert_codegen.bench.boardrun import judge, lacks, run_image, unsupported
from hilbert_codegen.bench.firmware import COLUMNS, ROWS, DoesNotFit, Program, Sweep
from hilbert_codegen.bench.session import DEFAULT, Decoder, How, attempts, each
from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets import emulators, toolchains
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.caches import Cache, cache
from hilbert_codegen.targets.cycles import estimate
from hilbert_codegen.targets.emulators import Emulator, Job
from hilbert_codegen.targets.tools import Found, Missing

#: Rows (of 256 points) whose instruction sequence is followed for the estimate of cycles.
TRACED_ROWS = 4
#: As many instructions at most: an emulator follows some hundred thousand a second.
TRACED_INSTRUCTIONS = 4_000_000
#: Instructions whose data reads are noted at most.
READ_INSTRUCTIONS = 20_000_000

#: Said once, where people read the numbers.
CAVEAT = (
    "Instructions are exact. Cycles are an estimate by the named model; no model or emulator here knows flash wait "
    "states, caches or bus contention, by which tables that are read at random can take three times as long (see --cache)."
)


@dataclass(frozen=True)
class Record:
    """One measurement; the keys of `--format json`.

    Attributes:
        board, core: where.
        emulator, emulator_version, compiler: by what.
        strategy, variant: of what.
        status: "ok", "failed", "unsupported" (the emulator lacks an instruction), or "refused" (does not fit the board).
        points, mismatches: pairs decoded by the counted run; wrong results of the function that has most of them.
        instructions, instructions_per_point: executed in decode_block and what it calls; None if not counted.
        code_bytes, table_bytes, stack_bytes: of decode_block and what it calls.
        cycles_per_point, cycles_model: estimate and the model it comes from, or None.
        milliseconds: for the frame and clock that were asked for, by that estimate, or None.
        misses_per_point, cache: data reads that wait for the flash behind the named cache, or None where not asked for.
        milliseconds_cached: with those waits, at the cache's own clock and wait states, or None.
        note: what people should know about this record.
    """

    board: str
    core: str
    emulator: str
    emulator_version: str
    compiler: str
    strategy: str
    variant: str
    status: str
    points: int
    mismatches: int
    instructions: int | None = None
    instructions_per_point: float | None = None
    code_bytes: int | None = None
    table_bytes: int | None = None
    stack_bytes: int | None = None
    cycles_per_point: float | None = None
    cycles_model: str | None = None
    milliseconds: float | None = None
    misses_per_point: float | None = None
    cache: str | None = None
    milliseconds_cached: float | None = None
    note: str = ""


def rows_for(points: int) -> int:
    """Rows that hold at least `points` points."""
    if not 1 <= points <= ROWS * COLUMNS:
        raise UsageError(f"--points {points}: give a number from 1 to {ROWS * COLUMNS}")
    return -(-points // COLUMNS)


def _base(decoder: Decoder, board: Board, emulator: Emulator, compiler: str, points: int) -> Record:
    found = emulator.find(board.core.architecture)
    return Record(
        board=board.name,
        core=board.core_name,
        emulator=emulator.name,
        emulator_version=found.version if isinstance(found, Found) else "",
        compiler=compiler,
        strategy=decoder.strategy,
        variant=decoder.variant,
        status="ok",
        points=points,
        mismatches=0,
    )


def measure_once(
    decoder: Decoder, board: Board, emulator: Emulator, sweep: Sweep, how: How = DEFAULT, keep: Path | None = None
) -> Record:
    """Check and measure one decoder on one board by one emulator; `keep` as in Job."""
    plan, rows, timeout = decoder.plan, how.rows, how.timeout
    toolchain = toolchains.choose(board.core, how.compiler)
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        program = Program(
            Path(name), board, toolchain, plan.prefix, decoder.files, decoder.defines, how.flags, decoder.plain
        )
        image = program.image(rows=rows)
        record = _base(decoder, board, emulator, image.compiler, rows * COLUMNS)
        check = run_image(emulator, image, board, plan, sweep, rows=rows, timeout=timeout)
        if unsupported(board, check):
            return replace(record, status="unsupported", note=f"not supported by this emulator: {lacks(check)}")
        ran = check.passed or (check.mismatches > 0 and check.fault is None and check.outcome.problem is None)
        if not ran or (decoder.exact and not check.passed):
            return replace(record, status="failed", mismatches=check.mismatches, note=check.reason)
        image = program.image(measure=True, rows=rows, block=how.block, shift=how.shift)
        counted = run_image(emulator, image, board, plan, sweep, rows=rows, measure=True, timeout=timeout, keep=keep)
        if not counted.passed and (decoder.exact or counted.fault is not None or counted.outcome.problem is not None):
            return replace(record, status="failed", mismatches=counted.mismatches, note=counted.reason)
        instructions = counted.outcome.instructions
        if not instructions:
            return replace(record, status="failed", note="the emulator counted no instruction of decode_block")
        cycles, model, note = None, None, ""
        if how.cycles:
            cycles, model, note = _cycles(program, emulator, decoder, board, sweep, how, instructions)
        notes = [] if check.passed else [check.reason]
        misses = None if how.cache is None else _misses(how.cache, program, decoder, board, sweep, how, instructions)
        return replace(
            record,
            mismatches=max(check.paths.values(), default=0),
            instructions=instructions,
            instructions_per_point=round(instructions / (rows * COLUMNS), 4),
            code_bytes=image.code_bytes,
            table_bytes=image.table_bytes,
            stack_bytes=check.stack_bytes,
            cycles_per_point=None if cycles is None else round(cycles, 3),
            cycles_model=model,
            cache=None if how.cache is None else how.cache.name,
            misses_per_point=misses,
            note="; ".join(notes + ([note] if note else [])),
        )


def _cycles(
    program: Program, emulator: Emulator, decoder: Decoder, board: Board, sweep: Sweep, how: How, instructions: int
) -> tuple[float | None, str | None, str]:
    """Estimated cycles per point and the model, or None; and what is to be said about it."""
    rows = min(how.rows, TRACED_ROWS, TRACED_INSTRUCTIONS * how.rows // instructions)
    if rows == 0:
        return None, None, "no estimate of cycles: too many instructions per point to follow one by one"
    image = program.image(measure=True, rows=rows, block=how.block, shift=how.shift)
    traced = run_image(
        emulator, image, board, decoder.plan, sweep, rows=rows, measure=True, trace=True, timeout=how.timeout
    )
    outcome = traced.outcome
    if outcome.problem is not None or traced.fault is not None or not outcome.steps:
        return None, None, f"no estimate of cycles: the instructions could not be followed: {traced.reason}"
    priced = estimate(image.elf, board.core, image.decoder, outcome.steps, outcome.path)
    if isinstance(priced, Missing):
        return None, None, f"no estimate of cycles: {priced.reason}; {priced.remedy}"
    note = f"the model has no price for {', '.join(priced.unpriced)}" if priced.unpriced else ""
    return priced.cycles / (rows * COLUMNS), priced.model, note


def _misses(
    cache: Cache, program: Program, decoder: Decoder, board: Board, sweep: Sweep, how: How, instructions: int
) -> float | None:
    """Misses a point of the tables and constants in flash, or None where no emulator here notes the reads of the board."""
    noting = next((one for one in emulators.present(board) if one.notes_reads), None)
    if noting is None:
        return None
    rows = max(1, min(how.rows, READ_INSTRUCTIONS * how.rows // instructions))
    image = program.image(measure=True, rows=rows, block=how.block, shift=how.shift)
    job = Job(image.elf, board, how.timeout, reads=image.constants)
    verdict = judge(noting.run(job), image, board, decoder.plan, sweep, rows, True)
    return round(cache.misses(verdict.outcome.reads) / (rows * COLUMNS), 3) if verdict.passed else None


def measure(decoder: Decoder, board: Board, sweep: Sweep, how: How = DEFAULT, keep: Path | None = None) -> list[Record]:
    """Measure one decoder on one board, by every emulator that is due (bench.session.attempts)."""

    kind = "Helium" if board.core.helium else "vector"

    def once(current: Decoder, emulator: Emulator) -> Record:
        folder = None
        if keep is not None:
            folder = keep / board.name / f"{current.strategy}-{current.variant}-{emulator.name}"
            folder.mkdir(parents=True, exist_ok=True)
        record = measure_once(current, board, emulator, sweep, how, folder)
        if current.variant != decoder.variant:
            record = replace(record, note=f"in place of the {kind} variant; {record.note}".rstrip("; "))
        return record

    return attempts(decoder, board, how.emulator, once, lambda record: record.status == "unsupported")


def measure_all(
    jobs: Sequence[tuple[Decoder, Board]],
    sweep: Sweep,
    how: How = DEFAULT,
    workers: int = 2,
    done: Callable[[str], None] = lambda _: None,
    keep: Path | None = None,
) -> list[Record]:
    """Measure every job, `workers` at a time, in the order of the jobs; `done` is told of each that has ended.

    Of several jobs, one that does not fit its board gives a record of status "refused"; a single one is a UsageError.
    """

    def one(job: tuple[Decoder, Board]) -> list[Record]:
        decoder, board = job
        try:
            records = measure(decoder, board, sweep, how, keep)
        except DoesNotFit as error:
            if len(jobs) == 1:
                raise
            chosen = emulators.choose(board, how.emulator)[0]
            records = [replace(_base(decoder, board, chosen, "", 0), status="refused", note=str(error))]
        done(f"{decoder.strategy} on {board.name}")
        return records

    return each(one, jobs, workers)


def disagreements(records: Sequence[Record]) -> list[str]:
    """One line for each decoder and board on which two emulators counted different numbers of instructions."""
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for record in records:
        if record.instructions is not None:
            key = (record.strategy, record.board, record.variant, record.compiler)
            groups.setdefault(key, {})[record.emulator] = record.instructions
    return [
        f"{key[0]} on {key[1]}: " + ", ".join(f"{name} counts {number}" for name, number in counts.items())
        for key, counts in groups.items()
        if len(set(counts.values())) > 1
    ]


def with_frame(
    records: Sequence[Record], points: int, clock_hz: float | None, boards: Mapping[str, Board]
) -> list[Record]:
    """Add milliseconds for `points` points at `clock_hz` (or at each board's own clock) where cycles are known."""
    result = []
    for record in records:
        clock = clock_hz if clock_hz is not None else boards[record.board].clock_hz
        if record.cycles_per_point is None or clock is None:
            result.append(record)
        else:
            result.append(replace(record, milliseconds=round(record.cycles_per_point * points / clock * 1e3, 4)))
    return [_cached(record, points) for record in result]


def _cached(record: Record, points: int) -> Record:
    """The same with the milliseconds that the waits of its cache make of it."""
    if record.cache is None or record.misses_per_point is None or record.cycles_per_point is None:
        return record
    kind = cache(record.cache)
    cycles = record.cycles_per_point + record.misses_per_point * kind.wait_states
    return replace(record, milliseconds_cached=round(cycles * points / kind.clock_hz * 1e3, 4))


#: Fields that a baseline holds a record to: larger is worse.
GUARDED = ("mismatches", "instructions_per_point", "code_bytes", "table_bytes", "stack_bytes")


def _key(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(record.get(name, "default")) for name in ("board", "strategy", "variant"))


def read_baseline(path: Path) -> list[dict[str, Any]]:
    """The records of an earlier `--format json`; UsageError if the file is no such list, or holds nothing to compare with."""
    remedy = "make it with --format json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--baseline {path}: can't be read: {error.strerror}; {remedy}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--baseline {path}: is no JSON; {remedy}") from None
    if not isinstance(content, list) or not all(
        isinstance(r, dict) and {"board", "strategy"} <= set(r) for r in content
    ):
        raise UsageError(f"--baseline {path}: is no list of records; {remedy}")
    if not any(record.get("status", "ok") == "ok" for record in content):
        raise UsageError(f"--baseline {path}: holds no measurement; {remedy}")
    for record in content:
        for name in (*GUARDED, "points"):
            value = record.get(name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if value is not None and not number:
                raise UsageError(
                    f"--baseline {path}: {name} = {value!r} of {_name(_key(record))} is no number; {remedy}"
                )
    return content


def _name(key: tuple[str, ...]) -> str:
    return f"{key[1]} on {key[0]}" + (f" ({key[2]})" if key[2] != "default" else "")


def compare(
    records: Sequence[Record], baseline: Sequence[Mapping[str, Any]], tolerance: float, missing: Sequence[str] = ()
) -> list[str]:
    """What got worse than the baseline by more than `tolerance` (a fraction), one line each.

    Records are matched by board, strategy and variant; the emulator does not matter, for the counts are exact. A
    measurement of the baseline that is not there now is a line too, unless its board, strategy or variant is among
    `missing`; so are figures that are not there now, and another number of points.
    """
    worse = []
    new = {_key(asdict(record)): record for record in records if record.status == "ok"}
    for old in baseline:
        key = _key(old)
        if old.get("status", "ok") != "ok":
            continue
        record = new.get(key)
        if record is None:
            if not set(key) & set(missing):
                worse.append(f"{_name(key)}: was measured in the baseline and is not now")
            continue
        if old.get("points", record.points) != record.points:
            worse.append(f"{_name(key)}: {record.points} points, the baseline has {old['points']}")
            continue
        for field_name in GUARDED:
            before, after = old.get(field_name), getattr(record, field_name)
            if before is not None and after is None:
                worse.append(f"{_name(key)}: {field_name} {before} -> not measured")
            elif before is not None and not after <= before * (1 + tolerance) + 1e-9:
                change = f"+{100 * (after / before - 1):.1f} %" if before else "was 0"
                worse.append(f"{_name(key)}: {field_name} {before} -> {after} ({change})")
    return worse
