"""Strategies: ways to decode a pair of codes with tables and integer steps.

A strategy is one file or folder here, which registers itself, and one template of the same name in templates/kernels. It
turns a specification into tables and gives an executable model: NumPy code that takes the same integer steps as the C.
The proof compares that model with the exact reference before anything is written.

What a strategy builds is portable C. Variants (hilbert_codegen/variants) add C for some compilers and cores; where one of
them needs other tables than the portable C has, the strategy offers those by the variant's name. This room imports
`exact`, `spec` and below, and knows nothing of the variants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.registry import Registry
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec, type_range

IntArray = NDArray[np.int64]


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The strategy can't be exact (or is pointless) for this specification; the text says why."""


@dataclass(frozen=True)
class Table:
    """A constant table of the C file.

    Attributes:
        name: C identifier behind the prefix ("tile").
        dtype: "uint8", "int16", ... (keys of INTEGER_TYPES) or "uint32".
        values: integers, 1-D.
        meaning: one line: what an entry is, with its scaling.
        columns: entries a line in the file.
    """

    name: str
    dtype: str
    values: IntArray
    meaning: str
    columns: int = 16

    def __post_init__(self) -> None:
        """Raise ValueError where a value does not fit, or there is none: C can't hold that."""
        if not len(self.values):
            raise ValueError(f"table {self.name} is empty")
        bits = int(self.dtype.removeprefix("u").removeprefix("int"))
        low, high = (0, (1 << bits) - 1) if self.dtype.startswith("u") else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if not low <= int(self.values.min()) <= int(self.values.max()) <= high:
            raise ValueError(f"table {self.name}: a value does not fit {self.dtype}")

    @property
    def ctype(self) -> str:
        """The C type of an entry."""
        return f"{self.dtype}_t"

    @property
    def nbytes(self) -> int:
        """Bytes in flash."""
        return len(self.values) * int(self.dtype.removeprefix("u").removeprefix("int")) // 8


#: An executable model: one array of raw bits for each head, all of one shape -> results of that shape, by the C's
#: integer steps.
Model = Callable[..., IntArray]


@dataclass(frozen=True)
class Implementation:
    """One way in which C computes the results of a strategy.

    Attributes:
        tables: all that this C reads; C of several variants may read the same table.
        decode: the executable model of the value.
        distance: the executable model of the distance, where it was asked for.
        params: constants for the template.
        argument: where the combinations of codes are too many to visit: proves the tables for all of them, or raises
            CheckFailed.
    """

    tables: tuple[Table, ...]
    decode: Model
    distance: Model | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    argument: Callable[[], None] | None = None

    @property
    def table_bytes(self) -> int:
        """Bytes of its tables in flash."""
        return sum(table.nbytes for table in self.tables)


#: What a strategy has ready for a variant; None, or Refused with the reason, where the specification does not suit it.
Offer = Callable[[], Implementation | None]


@dataclass(frozen=True)
class Fused:
    """The two steps of a decoder with a fused head, each of which can be proved alone.

    Attributes:
        curve: what decodes the heads of the curve.
        step: the executable model of the rest: (results of the curve, raw bits of the last head's codes) -> results.
    """

    curve: Built
    step: Model


@dataclass(frozen=True)
class Built:
    """A strategy's answer for one specification.

    Attributes:
        strategy: name of the strategy and of its template.
        portable: what the portable C computes with.
        note: one or two sentences for the banner: how it works.
        kind: which of its builds, where a strategy's builds differ in speed.
        offers: variant name -> tables and model of its own, where the variant needs others than the portable ones.
        variants: variant name -> what its C computes with, for the variants that were added (hilbert_codegen/variants).
        missing: variant name -> why it was not added, though it serves the strategy.
        fused: the steps of a decoder with a fused head (kernels/fusion.py).
    """

    strategy: str
    portable: Implementation
    note: str
    kind: str = ""
    offers: Mapping[str, Offer] = field(default_factory=dict)
    variants: Mapping[str, Implementation] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    fused: Fused | None = None

    def __post_init__(self) -> None:
        """Make each offer once: variants that take the same one have the same tables."""
        object.__setattr__(self, "offers", {name: cache(offer) for name, offer in self.offers.items()})

    @property
    def implementations(self) -> dict[str, Implementation]:
        """Those of the variants, and the portable one under "portable"."""
        return {**self.variants, "portable": self.portable}

    @property
    def measured_as(self) -> str:
        """Its entry in costs.json."""
        return f"{self.strategy}, {self.kind}" if self.kind else self.strategy


class Strategy(Protocol):
    """What a file of this folder registers. One for other numbers of heads than two says so in `dimensions`, a range."""

    name: str
    summary: str

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Build the tables, or raise Refused.

        Args:
            spec: what to compute.
            ideal: the ideal table, for strategies that compress it; those that compute must not look at it.
            distance: whether the distance to the curve is wanted as well.
        """


STRATEGIES: Registry[Strategy] = Registry("strategy", __name__)


def serves(strategy: Strategy, heads: int) -> bool:
    """Whether the strategy is made for so many heads."""
    return heads in getattr(strategy, "dimensions", (2,))


def smallest_unsigned(highest: int) -> str:
    """The narrowest unsigned type that holds 0..highest."""
    return "uint8" if highest < 1 << 8 else "uint16" if highest < 1 << 16 else "uint32"


def in_parts(compute: Callable[[IntArray], IntArray], raw: tuple[IntArray, ...], points: int = 1 << 16) -> IntArray:
    """What `compute` gives of raw codes (heads, points), so many points at a time: what one takes stays small.

    `raw` is one array for each head, all of one shape, which is the result's.
    """
    flat = [np.asarray(bits).reshape(-1) for bits in raw]
    result = np.empty(len(flat[0]), dtype=np.int64)
    for start in range(0, len(result), points):
        result[start : start + points] = compute(np.stack([bits[start : start + points] for bits in flat]))
    return result.reshape(np.shape(raw[0]))


def as_output(spec: Spec, bits: IntArray) -> IntArray:
    """Wrap integers into the output type, as the C's conversion does."""
    low, _ = type_range(spec.output.dtype)
    width = INTEGER_TYPES[spec.output.dtype][0]
    return np.asarray((bits - low) % (1 << width) + low)
