"""`hilbert-codegen verify`."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import click

from hilbert_codegen.bench.exhaustive import HEADS, refuse_more, verify_all
from hilbert_codegen.bench.verify import verify
from hilbert_codegen.cli._common import format_option, plan_of, plan_options, progress
from hilbert_codegen.config.toml import show_value
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.targets.host import host_compiler


def compiler_words(command: str) -> list[str]:
    """The words of a --compiler; UsageError where there are none, or a quote is open."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--compiler {show_value(command)}: {error}; quote it as a shell would need it") from None
    if not words:
        raise UsageError("--compiler: empty; name a compiler, for example gcc")
    return words


@click.command()
@plan_options
@click.option(
    "--compiler",
    "compilers",
    multiple=True,
    help='A C compiler with its flags, for example "clang -O3" [default: gcc, clang, cc or the package ziglang]. '
    "Repeatable.",
)
@click.option(
    "--exhaustive",
    is_flag=True,
    help="Four heads: all 2^32 tuples rather than random ones and neighbours of borders; takes minutes on all cores.",
)
@format_option
def command(
    config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool,
    compilers: tuple[str, ...], exhaustive: bool, form: str,
) -> None:  # fmt: skip
    """Compile the generated C and compare all pairs or triples of codes with the exact reference.

    Every function is run: decode, decode_block and, where configured, those with the distance. PASS or FAIL with the
    first mismatch for each. Of four and more heads random tuples and neighbours of borders are compared, of four all
    with --exhaustive.
    """
    commands = [(compiler, compiler_words(compiler)) for compiler in compilers]
    plan = plan_of(config, settings, model, strict, quiet)
    if exhaustive:
        refuse_more(plan.spec)
    every = exhaustive and plan.spec.dimensions == HEADS  # fewer heads are compared on all of theirs anyway
    records, failed = [], False
    with progress(quiet) as step:
        generated = generate(plan, step)
        for compiler, words in commands or [(shlex.join(host_compiler()), list(host_compiler()))]:
            step(f"compiling and running with {compiler}")
            verdicts = verify(plan, generated, words)
            if every and not any(verdict.mismatches for verdict in verdicts):

                def advance(done: float, what: str = f"all 2^32 tuples with {compiler}") -> None:
                    step(f"{what}: {100 * done:.0f} %")

                verdicts = verify_all(plan, generated, words, advance)
            for verdict in verdicts:
                failed |= verdict.mismatches > 0
                records.append({"compiler": compiler, "strategy": generated.built.strategy, **asdict(verdict)})
    if form == "json":
        click.echo(json.dumps(records, indent=2))
    else:
        noun = generated.domain.noun
        for record in records:
            if record["mismatches"]:
                click.echo(
                    f"FAIL  {record['function']}  {record['compiler']}: {record['mismatches']} of {record['pairs']} "
                    f"{noun} differ, first {record['first']}"
                )
            else:
                click.echo(f"PASS  {record['function']}  {record['compiler']}: {record['pairs']} {noun} equal")
    if failed:
        raise CheckFailed("the compiled C differs from the exact reference")
