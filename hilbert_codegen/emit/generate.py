"""Plan -> {file name: bytes}: choose, prove, render. Nothing is rendered that was not proved."""

from __future__ import annotations

from collections.abc import Callable

from hilbert_codegen.emit.choose import choose, table_bytes
from hilbert_codegen.emit.proofs import Proofs, deferred
from hilbert_codegen.emit.prove import Domain, proof_domain, prove, reference_for
from hilbert_codegen.emit.render import Generated, render
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built
from hilbert_codegen.spec.plan import Plan

#: Told what is going on, for a progress display.
Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def generate(
    plan: Plan, progress: Progress = _silent, known: tuple[Domain, Ideal] | None = None, proofs: Proofs | None = None
) -> Generated:
    """Build the decoder of `plan`, prove it, and render its files.

    `known` are the proof's domain and the exact answers there, where the caller has them. With `proofs` a proof of three and
    more heads that is remembered there is not made again.

    Raises UsageError where no strategy serves, CheckFailed if a model is not exact (nothing is rendered then).
    """

    def told(what: str) -> Callable[[float], None]:
        return lambda done: progress(f"{what}, {100 * done:.0f} %")

    if plan.spec.dimensions < 3:
        proofs = None
    if known is None:
        domain = proof_domain(plan.spec)

        def reference() -> Ideal:
            progress("exact reference")
            return reference_for(plan.spec, domain, told("exact reference"), plan.distance)

        known = domain, reference() if proofs is None else deferred(reference)
    domain, expected = known
    progress("tables")
    built = choose(plan, expected)
    key = "" if proofs is None else proofs.key(plan, built)
    if proofs is None or not proofs.has(key):
        progress(f"proof of {built.strategy}")
        prove(plan.spec, built, domain, expected, told(f"proof of {built.strategy}"))
        if proofs is not None:
            proofs.remember(key, f"{built.strategy}: {domain.statement}")
    progress("files")
    return Generated(render(plan, built, domain), built, domain, expected, table_bytes(plan, built))


def select(plan: Plan) -> Built:
    """What `generate` would prove and render. Raises UsageError where no strategy serves."""
    domain = proof_domain(plan.spec)

    def reference() -> Ideal:
        return reference_for(plan.spec, domain, distance=plan.distance)

    return choose(plan, reference() if plan.spec.dimensions < 3 else deferred(reference))
