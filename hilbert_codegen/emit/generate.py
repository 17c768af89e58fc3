"""Plan -> {file name: bytes}: choose, prove, render. Nothing is rendered that was not proved."""

from __future__ import annotations

from collections.abc import Callable

from hilbert_codegen.emit.choose import choose, table_bytes
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.emit.render import Generated, render
from hilbert_codegen.spec.plan import Plan

#: Told what is going on, for a progress display.
Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def generate(plan: Plan, progress: Progress = _silent) -> Generated:
    """Build the decoder of `plan`, prove it, and render its files.

    Raises UsageError where no strategy serves, CheckFailed if a model is not exact (nothing is rendered then).
    """
    progress("exact reference")
    domain = proof_domain(plan.spec)
    expected = reference_for(plan.spec, domain)
    progress("tables")
    built = choose(plan, expected)
    progress(f"proof of {built.strategy}")
    prove(plan.spec, built, domain, expected)
    progress("files")
    return Generated(render(plan, built, domain), built, domain, expected, table_bytes(plan, built))
