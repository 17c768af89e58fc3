"""The proof: the executable models of a strategy and its variants against the exact reference, over the input domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.domain import Domain, proof_domain
from hilbert_codegen.exact.reference import Ideal, ideal, ideal_of
from hilbert_codegen.kernels import Built, Model
from hilbert_codegen.spec.specification import Spec

__all__ = ["Domain", "proof_domain", "prove", "reference_for"]

IntArray = NDArray[np.int64]


def reference_for(spec: Spec, domain: Domain) -> Ideal:
    """The exact answers over `domain`."""
    return ideal(spec, domain.codes) if domain.listed is None else ideal_of(spec, domain.listed)


def prove(spec: Spec, built: Built, domain: Domain, expected: Ideal) -> None:
    """Compare every executable model of `built`, those of its variants included, with `expected` on all of `domain`.

    Raises CheckFailed with the variant and the first mismatch.
    """
    raw = domain.raw(spec.heads.bits)
    proved: set[Model] = set()
    for variant, code in built.implementations.items():
        if domain.listed is not None:
            if code.argument is None:
                raise CheckFailed(f"strategy {built.strategy}, variant {variant}: nothing proves it for all tuples")
            code.argument()
        answers = [("decode", code.decode, expected.codes)]
        if code.distance is not None:
            answers.append(("distance", code.distance, expected.distance.astype(np.int64)))
        for name, model, wanted in answers:
            if model in proved:
                continue
            proved.add(model)
            got = model(*raw)
            wrong = np.flatnonzero(got != wanted)
            if len(wrong):
                raise CheckFailed(
                    f"strategy {built.strategy}, variant {variant}: {name} is not exact: {len(wrong)} of {domain.pairs} "
                    f"{domain.noun} differ, first at {domain.at(int(wrong[0]))}: expected "
                    f"{wanted.flat[wrong[0]]}, got {got.flat[wrong[0]]}"
                )
