"""Decoders that many tests look at in their own ways: made and proved once in a process for each configuration."""

from __future__ import annotations

from collections import OrderedDict

from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.spec.plan import Plan

#: Tests of one configuration follow each other, so few are kept; never those of all triples, whose answers are large.
KEPT, LARGEST = 24, 1 << 18
_known: OrderedDict[tuple[str, str], Generated] = OrderedDict()


def generated(plan: Plan) -> Generated:
    """`generate(plan)`, by the code under test and proved in this process, for a configuration that may have been asked for."""
    key = plan.digest, plan.config.model_dump_json()
    if key in _known:
        _known.move_to_end(key)
        return _known[key]
    made = generate(plan)
    if made.domain.pairs <= LARGEST:
        _known[key] = made
        if len(_known) > KEPT:
            _known.popitem(last=False)
    return made
