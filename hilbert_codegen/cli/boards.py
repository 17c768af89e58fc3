"""`hilbert-codegen boards`."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from hilbert_codegen.cli._boards import stdout, usable, use_renode
from hilbert_codegen.cli._common import format_option
from hilbert_codegen.errors import UsageError
from hilbert_codegen.targets.architectures import ARM, RISCV
from hilbert_codegen.targets.boards import BOARDS
from hilbert_codegen.targets.emulators import EMULATORS, preference
from hilbert_codegen.targets.toolchains import TOOLCHAINS, choose
from hilbert_codegen.targets.tools import Found


@click.command()
@click.option(
    "--renode", metavar="COMMAND", help="The command that starts Renode [default: RENODE, else renode on PATH]."
)
@format_option
def command(renode: str | None, form: str) -> None:
    """List the boards, their cores and emulators, and which can be used here (and if not, why not)."""
    use_renode(renode)
    records: list[dict[str, Any]] = []
    for board in BOARDS:
        try:
            compiler, problem = choose(board.core).name, ""
        except UsageError as error:
            compiler, problem = "", str(error)
        here = usable(board)
        if not here:
            missing = [f"{one.name} is not installed" for one in preference() if one.has(board)]
            problem = "; ".join([*missing, *([problem] if problem else [])])
        records.append(
            {
                "board": board.name,
                "title": board.title,
                "core": board.core_name,
                "flash_bytes": board.flash.size,
                "ram_bytes": board.ram.size,
                "clock_hz": board.clock_hz,
                "emulators": [one.name for one in preference() if one.has(board)],
                "emulators_here": here,
                "compiler": compiler,
                "usable": bool(here and compiler),
                "problem": problem,
            }
        )
    if form == "json":
        click.echo(json.dumps(records, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("board", "core", "flash", "RAM", "emulators", "usable here", "what it is"):
        table.add_column(title, justify="right" if title in ("flash", "RAM") else "left")
    for record in records:
        here = record["emulators_here"]
        state = (
            f"[green]yes[/]: {here[0]}, {record['compiler']}"
            if record["usable"]
            else f"[red]no[/]: {record['problem']}"
        )
        table.add_row(
            record["board"], record["core"], f"{record['flash_bytes'] // 1024} K", f"{record['ram_bytes'] // 1024} K",
            ", ".join(record["emulators"]), state, record["title"],
        )  # fmt: skip
    console = stdout()
    console.print(table)
    console.print()
    for kind, registry in (("emulator", EMULATORS), ("compiler", TOOLCHAINS)):
        for entry in registry:
            for found in dict.fromkeys(entry.find(architecture) for architecture in (ARM, RISCV)):
                if isinstance(found, Found):
                    console.print(f"{kind} {entry.name}: {found.version} ({' '.join(found.command)})", markup=False)
                else:
                    console.print(f"{kind} {entry.name}: {found.reason}; {found.remedy}", markup=False)
