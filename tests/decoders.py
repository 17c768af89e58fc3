"""Decoders that many tests look at in their own ways: made and proved once in a process for each configuration, or not proved."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from hilbert_codegen.emit.choose import choose
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.proofs import deferred
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.emit.render import Generated, render
from hilbert_codegen.exact.reference import codes_only
from hilbert_codegen.spec.plan import Plan

#: Tests of one configuration follow each other, so few are kept. Larger answers than so many, those to all triples, are not: they
#: are made again where a test asks for them.
KEPT, LARGEST = 24, 1 << 18
_known: OrderedDict[tuple[str, str], Generated] = OrderedDict()


def generated(plan: Plan) -> Generated:
    """`generate(plan)`, by the code under test and proved in this process, for a configuration that may have been asked for."""
    key = plan.digest, plan.config.model_dump_json()
    if key in _known:
        _known.move_to_end(key)
        return _known[key] if _known[key].domain.pairs <= LARGEST else _to_be_answered(plan, _known[key])
    made = generate(plan)
    _known[key] = made if made.domain.pairs <= LARGEST else _to_be_answered(plan, made)
    if len(_known) > KEPT:
        _known.popitem(last=False)
    return made


def unproved(plan: Plan) -> dict[str, bytes]:
    """The files of `generate(plan)`, of three and more heads, by tools that look at the C alone: nothing is proved."""
    nothing = codes_only(np.zeros(0, np.int64))
    built = choose(plan, replace(nothing, curve=nothing))
    return render(plan, built, proof_domain(plan.spec))


def _to_be_answered(plan: Plan, made: Generated) -> Generated:
    """The same without its answers, which are made when they are asked for."""
    domain = made.domain
    return replace(made, ideal=deferred(lambda: reference_for(plan.spec, domain, distance=plan.distance)))
