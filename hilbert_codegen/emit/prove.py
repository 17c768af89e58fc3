"""The proof: the executable models of a strategy and its variants against the exact reference, over the input domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.domain import Domain, proof_domain
from hilbert_codegen.exact.many import Advance
from hilbert_codegen.exact.reference import Ideal, ideal, ideal_of
from hilbert_codegen.kernels import Built, Model
from hilbert_codegen.spec.specification import Spec

__all__ = ["Domain", "proof_domain", "prove", "reference_for"]

IntArray = NDArray[np.int64]

#: Values of the third code at a time, when all triples are compared.
PLANES = 16


def reference_for(spec: Spec, domain: Domain, advance: Advance | None = None) -> Ideal:
    """The exact answers over `domain`; of three and more heads `advance` is told the share that is done."""
    return ideal(spec, domain.codes, advance) if domain.listed is None else ideal_of(spec, domain.listed)


def _different(
    model: Model, domain: Domain, bits: int, wanted: IntArray, advance: Advance
) -> tuple[IntArray, IntArray]:
    """Places (of the flattened answers) where the model gives something else than `wanted`, and what it gives there."""
    if domain.listed is not None or len(domain.codes) == 2:
        got = np.asarray(model(*domain.raw(bits)))
        wrong = np.flatnonzero(got != wanted)
        return wrong, got.reshape(-1)[wrong]
    mask = (1 << bits) - 1
    raw = np.meshgrid(*(codes & mask for codes in reversed(domain.codes)), indexing="ij", sparse=True)[::-1]
    places, values = [], []
    # A few planes at a time: that is told, and takes little memory.
    for start in range(0, len(wanted), PLANES):
        part = wanted[start : start + PLANES]
        own = [*raw[:-1], raw[-1][start : start + PLANES]]
        got = np.asarray(model(*(np.ascontiguousarray(np.broadcast_to(axis, part.shape)) for axis in own)))
        wrong = np.flatnonzero(got != part)
        places.append(wrong + start * part[0].size)
        values.append(got.reshape(-1)[wrong])
        advance(min(1.0, (start + PLANES) / len(wanted)))
    return np.concatenate(places), np.concatenate(values)


def prove(spec: Spec, built: Built, domain: Domain, expected: Ideal, advance: Advance = lambda _: None) -> None:
    """Compare every executable model of `built`, those of its variants included, with `expected` on all of `domain`.

    Where that takes seconds, `advance` is told the share of one model that is done.

    Raises CheckFailed with the variant and the first mismatch.
    """
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
            wrong, got = _different(model, domain, spec.heads.bits, wanted, advance)
            if len(wrong):
                raise CheckFailed(
                    f"strategy {built.strategy}, variant {variant}: {name} is not exact: {len(wrong)} of {domain.pairs} "
                    f"{domain.noun} differ, first at {domain.at(int(wrong[0]))}: expected "
                    f"{wanted.flat[wrong[0]]}, got {got[0]}"
                )
