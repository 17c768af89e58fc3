"""`hilbert-codegen show`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from hilbert_codegen.cli._common import format_option, plan_of, plan_options, progress
from hilbert_codegen.config.schema import known_keys
from hilbert_codegen.config.toml import show_value
from hilbert_codegen.emit.banner import heads_of
from hilbert_codegen.emit.choose import AUTO, Candidate, survey, variants_of
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.spec.plan import Plan


def _values(plan: Plan) -> list[dict[str, Any]]:
    """Every value with its key and origin."""
    rows: list[dict[str, Any]] = []
    resolved: dict[str, Any] = {
        "curve.inset": float(plan.spec.inset),
        "output.codes": plan.spec.output.codes,
        "heads.scale": tuple(float(scale) for scale in plan.spec.scales),
    }
    for table, keys in known_keys().items():
        source = getattr(plan.config, table)
        for key in keys if source is not None else []:
            value = resolved.get(f"{table}.{key}", getattr(source, key))
            if value is not None:
                name = f"{table}.{key}"
                rows.append({"key": name, "value": value, "from": plan.settings.origin[name]})
    return rows


def _plain(value: Any) -> Any:
    """`value` as JSON may hold it: a number, a word, or a list of them."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _front(candidates: list[Candidate]) -> set[str]:
    """Names on the Pareto front of measured instructions per point and bytes of flash."""
    usable = [c for c in candidates if c.built is not None and c.cost is not None]

    def beaten(a: Candidate) -> bool:
        assert a.built is not None and a.cost is not None
        for b in usable:
            assert b.built is not None and b.cost is not None
            size, cost = b.flash_bytes - a.flash_bytes, b.cost - a.cost
            if size <= 0 and cost <= 0 and (size < 0 or cost < 0):
                return True
        return False

    return {c.name for c in usable if not beaten(c)}


def _reasons(candidates: list[Candidate]) -> list[str]:
    """Lines: why a strategy is refused, or lacks a variant, so that its portable C runs instead."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for candidate in candidates:
        for variant, reason in candidate.built.missing.items() if candidate.built else ():
            lacking.setdefault((variant, reason), []).append(candidate.name)
    return [
        *(f"{c.name}: refused: {c.refusal}" for c in candidates if c.built is None),
        *(f"without {variant}: {', '.join(names)}: {reason}" for (variant, reason), names in lacking.items()),
    ]


def _notes(plan: Plan, taken: str, candidates: list[Candidate]) -> Iterator[str]:
    """What stands below the table of strategies."""
    yield from _reasons(candidates)
    how = "the fastest that fits" if plan.config.code.strategy == AUTO else "the configuration's own"
    orders = {2: "3 or 4", 3: "1 or 2"}.get(plan.spec.dimensions, "1")
    yield (
        f"> {taken or 'none'}: {how}. Instructions and code are those of the kind of build, measured with order {orders} at "
        "another scale; `measure` has those of this decoder."
    )
    if any(c.typical for c in candidates):
        yield "~ measured for interleaved heads only."
    if plan.spec.fusion is not None:
        yield "They are those of the heads of the curve alone. The fused one adds to them: ask `measure`."


@click.command()
@plan_options
@format_option
def command(config: Path, settings: tuple[str, ...], model: Path | None, strict: bool, quiet: bool, form: str) -> None:
    """Print the resolved plan: every value and where it came from, what it gives, what every strategy costs."""
    plan = plan_of(config, settings, model, strict, quiet)
    spec = plan.spec
    with progress(quiet) as step:
        step("exact reference")
        domain = proof_domain(spec)
        expected = reference_for(spec, domain, distance=plan.distance)
        step("strategies")
        candidates = list(survey(plan, expected))
        for candidate in candidates:
            if candidate.built is not None:
                prove(spec, candidate.built, domain, expected)
    front = _front(candidates)
    levels = len(np.unique(expected.codes))
    cells = [float(spec.pitch(axis)) for axis in range(spec.dimensions)]
    derived = {
        "levels": levels if domain.complete else None,
        "length": float(spec.curve.length(spec.inset)),
        "cell_codes": cells,
        "half_branch_distance_codes": [cell / 2 for cell in cells],
        "cell_grid": spec.canonical,
        "lost_share": float(plan.lost),
        "off_square_share": float(plan.off_square),
        "heads": heads_of(plan),
        "variants": list(variants_of(plan)),
    }

    def fits(candidate: Candidate) -> bool:
        return candidate.built is not None and candidate.flash_bytes <= plan.config.code.max_flash_bytes

    wanted = plan.config.code.strategy
    fitting = next((c.name for c in candidates if fits(c)), "")
    taken = fitting if wanted == AUTO else wanted

    strategies = [
        {
            "strategy": c.name,
            "table_bytes": c.table_bytes if c.built else None,
            "code_bytes": c.code_bytes if c.built else None,
            "instructions_per_point": c.cost,
            "variants": list(c.built.implementations) if c.built else [],
            "pareto": c.name in front,
            "fits": fits(c),
            "typical": c.typical,
            "kind": c.built.measured_as if c.built else None,
            "taken": c.name == taken,
            "refused": c.refusal,
            "without": dict(c.built.missing) if c.built else {},
        }
        for c in candidates
    ]
    if form == "json":
        values = [{**row, "value": _plain(row["value"])} for row in _values(plan)]
        record = {"values": values, "derived": derived, "strategies": strategies, "proved": domain.statement}
        click.echo(json.dumps(record, indent=2))
        return
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(highlight=False, width=132)
    rows = Table("key", "value", "from", title=f"Configuration {plan.settings.source}", title_justify="left")
    for row in _values(plan):
        rows.add_row(row["key"], show_value(row["value"]), row["from"])
    console.print(rows)
    for head in heads_of(plan):
        console.print(head, soft_wrap=True, markup=False)
    facts = Table("property", "value", title="What it gives", title_justify="left")
    facts.add_row("levels", f"{levels}" if domain.complete else "not counted: too many combinations of codes")
    facts.add_row("curve length", f"{derived['length']:.4g} unit intervals")
    facts.add_row("cell", " x ".join(f"{cell:.5g}" for cell in cells) + " codes")
    facts.add_row("half branch distance", " x ".join(f"{cell / 2:.5g}" for cell in cells) + " codes")
    facts.add_row("cell grid", "yes" if spec.canonical else "no: cells are not aligned powers of two of codes")
    facts.add_row("lost part of the curve", f"{100 * float(plan.lost):.3g} %")
    facts.add_row("codes off the unit square", f"{100 * float(plan.off_square):.3g} %")
    facts.add_row("proved on", domain.statement)
    facts.add_row("variants", ", ".join(variants_of(plan)))
    console.print(facts)
    target = plan.config.code.target
    sizes = Table(
        "", "strategy", "tables", "code", f"instr/pt, {target}", "front", "fits", "kind", "variants",
        title=f"Strategies, all proved exact; limit {plan.config.code.max_flash_bytes} bytes of tables and code",
        title_justify="left",
    )  # fmt: skip
    for c in candidates:
        if c.built is None:
            sizes.add_row("", c.name, "refused")
        else:
            cost = "not measured" if c.cost is None else f"{c.cost:.2f}" + ("~" if c.typical else "")
            marks = "*" if c.name in front else "", "yes" if fits(c) else "no"
            here = ">" if c.name == taken else ""
            code = str(c.code_bytes) if c.code_bytes else "not measured"
            variants = ", ".join(c.built.implementations)
            sizes.add_row(here, c.name, str(c.table_bytes), code, cost, *marks, c.built.measured_as, variants)
    console.print(sizes)
    for line in _notes(plan, taken, candidates):
        console.print(line, markup=False)
