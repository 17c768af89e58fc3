"""Plan -> {file name: bytes}: choose, prove, render. Nothing is rendered that was not proved."""

from __future__ import annotations

from collections.abc import Callable

from hilbert_codegen.emit.choose import choose, table_bytes
from hilbert_codegen.emit.prove import Domain, proof_domain, prove, reference_for
from hilbert_codegen.emit.render import Generated, render
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.spec.plan import Plan

#: Told what is going on, for a progress display.
Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def generate(plan: Plan, progress: Progress = _silent, known: tuple[Domain, Ideal] | None = None) -> Generated:
    """Build the decoder of `plan`, prove it, and render its files.

    `known` are the proof's domain and the exact answers there, where the caller has them.

    Raises UsageError where no strategy serves, CheckFailed if a model is not exact (nothing is rendered then).
    """
    if known is None:
        progress("exact reference")
        domain = proof_domain(plan.spec)
        known = domain, reference_for(plan.spec, domain)
    domain, expected = known
    progress("tables")
    built = choose(plan, expected)
    progress(f"proof of {built.strategy}")
    prove(plan.spec, built, domain, expected)
    progress("files")
    return Generated(render(plan, built, domain), built, domain, expected, table_bytes(plan, built))
