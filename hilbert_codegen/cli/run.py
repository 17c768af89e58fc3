"""`hilbert-codegen run`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from hilbert_codegen.bench.boardrun import lacks, run_image, unsupported
from hilbert_codegen.bench.firmware import Planes, Program, Sweep
from hilbert_codegen.bench.session import Decoder, Session, attempts, each
from hilbert_codegen.cli._boards import (
    Case,
    boards_named,
    emulator_options,
    outputs_option,
    read_outputs,
    tell_added,
    use_renode,
    write_junit,
)
from hilbert_codegen.cli._common import format_option, plan_of, plan_options, progress
from hilbert_codegen.emit.writer import refuse_clashes
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.targets import toolchains
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.emulators import Emulator
from hilbert_codegen.targets.tools import Found


@click.command()
@plan_options
@click.option(
    "--board",
    "board_names",
    multiple=True,
    required=True,
    help="A board of `hilbert-codegen boards`, or all that are usable. Repeatable.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave sources, objects and image in this folder.")
@outputs_option
@emulator_options
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    board_names: tuple[str, ...], keep: Path | None, outputs: Path | None, emulator: str, renode: str | None, compiler: str, timeout: float,
    jobs: int, junit: Path | None, form: str,
) -> None:  # fmt: skip
    """Run the decoder on an emulated board, on all pairs or triples of codes.

    Builds a bare-metal program from the generated decoder and a generated self-test, runs every function over every pair
    (and short, misaligned blocks), and compares with the exact table. PASS, or FAIL with the first mismatch or the reason:
    a fault (with the stacked registers), a time-out, or anything the program did not say. Of four and more heads random
    tuples and neighbours of borders run.

    \b
    hilbert-codegen run depth.toml --board stm32f4_discovery
    hilbert-codegen run depth.toml --board mps3-an547 --emulator qemu
    """
    use_renode(renode)
    plan = plan_of(config, settings, model, strict, quiet)
    refuse_clashes({"--junit": junit}, [*plan.settings.files(config), outputs])
    boards = boards_named(board_names, emulator, quiet)
    session = Session(plan, tuple(board.core for board in boards), read_outputs(outputs))
    results: list[_Result] = []
    with progress(quiet) as step:
        decoder = session.decoder(progress=step)
        tell_added(session, quiet)
        sweep, planes = session.sweep, session.planes

        def one(board: Board) -> list[_Result]:
            def once(current: Decoder, machine: Emulator) -> _Result:
                return _run(current, board, machine, sweep, planes, compiler, timeout, keep)

            found = attempts(decoder, board, emulator, once, lambda result: result.state == "UNSUPPORTED")
            results.extend(found)
            step(f"ran {len({result.board for result in results})} of {len(boards)} boards")
            if form == "text":
                for result in found:
                    click.echo(result.text(sweep.statement if planes is None else planes.statement))
            return found

        step(f"running on {len(boards)} boards")
        results = each(one, boards, jobs)
    if form == "json":
        click.echo(json.dumps([result.record for result in results], indent=2))
    if junit is not None:
        write_junit(junit, [result.case for result in results])
    failed = [result for result in results if result.state == "FAIL"]
    passed = {result.board for result in results if result.state == "PASS"}
    if failed or len(passed) < len({board.name for board in boards}):
        raise CheckFailed(f"{len(failed) or 1} of {len(results)} runs failed")


@dataclass(frozen=True)
class _Result:
    """One run: "PASS", "FAIL" or "UNSUPPORTED", as a record, as a JUnit case and as a line."""

    board: str
    state: str
    title: str
    record: Mapping[str, object]
    seconds: float

    @property
    def case(self) -> Case:
        reason = str(self.record["reason"])
        return Case(
            f"hilbert-codegen.run.{self.board}", self.title, self.seconds,
            failure=reason if self.state == "FAIL" else "", skipped=reason if self.state == "UNSUPPORTED" else "",
        )  # fmt: skip

    def text(self, statement: str) -> str:
        what = f"{self.state}  {self.title} {self.record['emulator_version']}, {self.record['compiler']}"
        if self.state != "PASS":
            return f"{what}: {self.record['reason']}"
        functions = self.record["functions"]
        assert isinstance(functions, list)
        return f"{what}: {statement} equal through {', '.join(functions)}"


def _run(
    decoder: Decoder, board: Board, machine: Emulator, sweep: Sweep, planes: Planes | None, compiler: str, timeout: float,
    keep: Path | None,
) -> _Result:  # fmt: skip
    found = machine.find(board.core.architecture)
    assert isinstance(found, Found)
    toolchain = toolchains.choose(board.core, compiler)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
        folder = Path(name) if keep is None else keep / board.name / decoder.variant
        prefix, files, defines = decoder.plan.prefix, decoder.files, decoder.defines
        program = Program(
            folder, board, toolchain, prefix, files, defines, plain=decoder.plain, planes=planes is not None
        )
        image = program.image(planes=0 if planes is None else planes.count)
        verdict = run_image(machine, image, board, decoder.plan, sweep, timeout=timeout, planes=planes)
    lacking = unsupported(board, verdict)
    reason = f"not supported by this emulator: {lacks(verdict)}" if lacking else verdict.reason
    record = {
        "board": board.name, "core": board.core_name, "emulator": machine.name, "emulator_version": found.version,
        "compiler": image.compiler, "strategy": decoder.strategy, "variant": decoder.variant,
        "result": "PASS" if verdict.passed else "UNSUPPORTED" if lacking else "FAIL", "pairs": verdict.pairs,
        "mismatches": verdict.mismatches, "functions": sorted(verdict.paths), "stack_bytes": verdict.stack_bytes,
        "reason": reason,
    }  # fmt: skip
    title = f"{decoder.strategy} on {board.name} ({board.core.title}), {decoder.variant}, by {machine.name}"
    return _Result(board.name, str(record["result"]), title, record, time.monotonic() - start)
