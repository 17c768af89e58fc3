"""The proof: the executable models of a strategy and its variants against the exact reference, over the input domain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.domain import Domain, proof_domain
from hilbert_codegen.exact.fusion import fused_codes
from hilbert_codegen.exact.many import Advance, results_of
from hilbert_codegen.exact.reference import Ideal, codes_only, ideal, ideal_of
from hilbert_codegen.kernels import Built, Model
from hilbert_codegen.spec.specification import Spec

__all__ = ["Domain", "answers_at", "distances_at", "proof_domain", "prove", "reference_for"]

IntArray = NDArray[np.int64]

#: Values of the third code at a time, when all triples are compared: what one takes stays in a cache.
PLANES = 1
#: Results of the curve at a time, when each is fused with each code of the last head.
RESULTS = 1 << 12


def reference_for(spec: Spec, domain: Domain, advance: Advance | None = None, distance: bool = False) -> Ideal:
    """The exact answers over `domain`; of three and more heads `advance` is told the share that is done, and distances are
    there if `distance`."""
    if domain.listed is None:
        return ideal(spec, domain.codes, advance, distance)
    if domain.curve is None:
        return ideal_of(spec, domain.listed, distance)
    alone = reference_for(spec.of_curve, domain.curve, advance)
    at = alone.codes
    if domain.curve.listed is None:
        at = answers_at(spec.of_curve, domain.listed[:, :-1], (domain.curve, alone))
    return replace(codes_only(fused_codes(spec, at, domain.listed[:, -1])), curve=alone)


def answers_at(spec: Spec, queries: IntArray, known: tuple[Domain, Ideal]) -> IntArray:
    """The exact output codes of tuples of 8-bit codes, shape (count, heads), from `known` as far as that has them.

    `known` are the exact answers over the proof's domain.
    """
    domain, answers = known
    if domain.complete:
        mask = (1 << spec.heads.bits) - 1
        return np.asarray(answers.codes[tuple(column & mask for column in reversed(queries.T))])
    if domain.curve is not None and answers.curve is not None:
        alone = answers_at(spec.of_curve, queries[:, :-1], (domain.curve, answers.curve))
        return fused_codes(spec, alone, queries[:, -1])
    return ideal_of(spec, queries).codes


def distances_at(spec: Spec, queries: IntArray, known: tuple[Domain, Ideal]) -> IntArray:
    """The exact distances of tuples of 8-bit codes of three and more heads, from `known` as far as that has them."""
    domain, answers = known
    if not domain.complete:
        return ideal_of(spec, queries, distance=True).distance.astype(np.int64)
    mask = (1 << spec.heads.bits) - 1
    return np.asarray(answers.distance[tuple(column & mask for column in reversed(queries.T))]).astype(np.int64)


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
    # Plane by plane: that is told, and takes little memory.
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
    if domain.curve is not None:
        _prove_steps(spec, built, domain.curve, expected, advance)
    proved: set[Model] = set()
    for variant, code in built.implementations.items():
        if domain.listed is not None and domain.curve is None:
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


def _prove_steps(spec: Spec, built: Built, domain: Domain, expected: Ideal, advance: Advance) -> None:
    """Prove a fused decoder for all tuples: the heads of the curve over `domain` as ever, then the fusing step.

    The step depends on the curve's result and the last code alone, so it is compared for each result that there can be, with
    each code.
    """
    assert built.fused is not None and expected.curve is not None
    prove(spec.of_curve, built.fused.curve, domain, expected.curve, advance)
    results, codes = results_of(spec.of_curve), spec.heads.codes()
    raw = codes & ((1 << spec.heads.bits) - 1)
    for start in range(0, len(results), RESULTS):
        part = results[start : start + RESULTS, None]
        wanted, got = fused_codes(spec, part, codes[None]), built.fused.step(part, raw[None])
        wrong = np.argwhere(got != wanted)
        if len(wrong):
            row, column = wrong[0].tolist()
            raise CheckFailed(
                f"strategy {built.strategy}: fusing is not exact, first where the curve gives {part[row, 0]} and "
                f"{AXES[spec.dimensions]} = {codes[column]}: expected {wanted[row, column]}, got {got[row, column]}"
            )
