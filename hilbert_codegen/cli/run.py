"""`hilbert-codegen run`."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import click

from hilbert_codegen.bench.boardrun import run_image
from hilbert_codegen.bench.firmware import Program, make_sweep, selftest_files
from hilbert_codegen.bench.measure import Decoder, unsupported
from hilbert_codegen.cli._boards import Case, emulator_options, outputs_option, read_outputs, use_renode, write_junit
from hilbert_codegen.cli._common import format_option, plan_of, plan_options, progress
from hilbert_codegen.emit.choose import for_cores
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.targets import emulators, toolchains
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.tools import Found


@click.command()
@plan_options
@click.option(
    "--board", "board_names", multiple=True, required=True, help="A board of `hilbert-codegen boards`. Repeatable."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave sources, objects and image in this folder.")
@outputs_option
@emulator_options
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    board_names: tuple[str, ...], keep: Path | None, outputs: Path | None, emulator: str, renode: str | None, compiler: str, timeout: float,
    junit: Path | None, form: str,
) -> None:  # fmt: skip
    """Run the decoder on an emulated board, on all 65,536 pairs of codes.

    Builds a bare-metal program from the generated decoder and a generated self-test, runs every function over every pair
    (and short, misaligned blocks), and compares with the exact table. PASS, or FAIL with the first mismatch or the reason:
    a fault (with the stacked registers), a time-out, or anything the program did not say.

    \b
    hilbert-codegen run depth.toml --board stm32f4_discovery
    hilbert-codegen run depth.toml --board mps3-an547 --emulator qemu
    """
    use_renode(renode)
    plan = plan_of(config, settings, model, strict, quiet)
    boards = [BOARDS[name] for name in board_names]
    chosen = [emulators.choose(board, emulator) for board in boards]
    records, cases = [], []
    with progress(quiet) as step:
        plan = for_cores(plan, [board.core for board in boards])
        generated = generate(plan, step)
        sweep = make_sweep(plan, read_outputs(outputs))
        decoder = Decoder(generated.built.strategy, plan, {**generated.files, **selftest_files(plan, sweep)})
        for board, first in zip(boards, chosen, strict=True):
            queue = [(decoder, first)]
            while queue:
                current, machine = queue.pop(0)
                found = machine.find()
                assert isinstance(found, Found)
                step(f"{board.name}: building")
                toolchain = toolchains.choose(board.core, compiler)
                start = time.monotonic()
                with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
                    folder = Path(name) if keep is None else keep / board.name / current.variant
                    program = Program(folder, board, toolchain, plan.prefix, current.files, current.defines)
                    image = program.image()
                    step(f"{board.name}: running by {machine.name} {found.version}")
                    verdict = run_image(machine, image, board, plan, sweep, timeout=timeout)
                lacking = unsupported(board, verdict)
                if lacking:
                    # Never a pass: the portable variant runs in its place, and this one where the instruction exists.
                    queue.append((current.portable(board.core), machine))
                    for other in emulators.PREFERENCE:
                        if (
                            other != machine.name
                            and other in board.machines
                            and isinstance(EMULATORS[other].find(), Found)
                        ):
                            queue.append((current, EMULATORS[other]))
                state = "PASS" if verdict.passed else "UNSUPPORTED" if lacking else "FAIL"
                reason = f"not supported by this emulator: {verdict.reason}" if lacking else verdict.reason
                records.append(
                    {
                        "board": board.name, "core": board.core_name, "emulator": machine.name,
                        "emulator_version": found.version, "compiler": image.compiler, "strategy": current.strategy,
                        "variant": current.variant, "result": state, "pairs": verdict.pairs,
                        "mismatches": verdict.mismatches, "functions": sorted(verdict.paths),
                        "stack_bytes": verdict.stack_bytes, "reason": reason,
                    }
                )  # fmt: skip
                title = f"{current.strategy} on {board.name} ({board.core.title}), {current.variant}, by {machine.name}"
                cases.append(
                    Case(
                        f"hilbert-codegen.run.{board.name}", title, time.monotonic() - start,
                        failure=reason if state == "FAIL" else "", skipped=reason if lacking else "",
                    )
                )  # fmt: skip
                if form == "text":
                    what = f"{title} {found.version}, {image.compiler}"
                    if verdict.passed:
                        click.echo(f"PASS  {what}: {sweep.statement} equal through {', '.join(sorted(verdict.paths))}")
                    else:
                        click.echo(f"{state}  {what}: {reason}")
    if form == "json":
        click.echo(json.dumps(records, indent=2))
    if junit is not None:
        write_junit(junit, cases)
    failed = [record for record in records if record["result"] == "FAIL"]
    passed = {record["board"] for record in records if record["result"] == "PASS"}
    if failed or len(passed) < len(set(board_names)):
        raise CheckFailed(f"{len(failed) or 1} of {len(records)} runs failed")
