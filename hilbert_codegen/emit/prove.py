"""The proof: the executable model of a strategy against the exact reference, over the input domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.domain import Domain, proof_domain
from hilbert_codegen.exact.reference import Ideal, ideal
from hilbert_codegen.kernels import Built
from hilbert_codegen.spec.specification import Spec

__all__ = ["Domain", "proof_domain", "prove", "reference_for"]

IntArray = NDArray[np.int64]


def reference_for(spec: Spec, domain: Domain) -> Ideal:
    """The exact answers over `domain`."""
    return ideal(spec, domain.x, domain.y)


def prove(spec: Spec, built: Built, domain: Domain, expected: Ideal) -> None:
    """Compare the model of `built` with `expected` on all of `domain`; CheckFailed with the first mismatch."""
    mask = (1 << spec.heads.bits) - 1
    x, y = np.meshgrid(domain.x & mask, domain.y & mask)
    answers = [("decode", built.decode, expected.codes)]
    if built.distance is not None:
        answers.append(("distance", built.distance, expected.distance.astype(np.int64)))
    for name, model, wanted in answers:
        got = model(x, y)
        wrong = np.flatnonzero(got != wanted)
        if len(wrong):
            row, column = divmod(int(wrong[0]), len(domain.x))
            raise CheckFailed(
                f"strategy {built.strategy}: {name} is not exact: {len(wrong)} of {domain.pairs} pairs differ, first at "
                f"x = {domain.x[column]}, y = {domain.y[row]}: expected {wanted.flat[wrong[0]]}, "
                f"got {got.flat[wrong[0]]}"
            )
