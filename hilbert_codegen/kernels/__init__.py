"""Strategies: ways to decode a pair of codes with tables and integer steps.

A strategy is one file here, which registers itself, and one template of the same name in templates/kernels. It
turns a specification into tables and gives an executable model: NumPy code that takes the same integer steps as the C.
The proof compares that model with the exact reference before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
        when: which variants have it: "" all, "USE_MVE" or "!USE_MVE" (without the prefix) those alone; "USE_HVX" a Hexagon,
            beside the portable ones.
    """

    name: str
    dtype: str
    values: IntArray
    meaning: str
    columns: int = 16
    when: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError where a value does not fit: the model would compute with what the C can't hold."""
        bits = int(self.dtype.removeprefix("u").removeprefix("int"))
        low, high = (0, (1 << bits) - 1) if self.dtype.startswith("u") else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        if len(self.values) and not low <= int(self.values.min()) <= int(self.values.max()) <= high:
            raise ValueError(f"table {self.name}: a value does not fit {self.dtype}")

    @property
    def ctype(self) -> str:
        """The C type of an entry."""
        return f"{self.dtype}_t"

    @property
    def nbytes(self) -> int:
        """Bytes in flash."""
        return len(self.values) * int(self.dtype.removeprefix("u").removeprefix("int")) // 8


#: An executable model: raw head bits x and y (any shape) -> results of the same shape, by the C's integer steps.
Model = Callable[[IntArray, IntArray], IntArray]


@dataclass(frozen=True)
class Built:
    """A strategy's answer for one specification.

    Attributes:
        strategy: name of the strategy and of its template.
        tables: what goes to flash.
        decode: the executable model of the value.
        distance: the executable model of the distance, where it was asked for.
        params: constants for the template.
        note: one or two sentences for the banner: how it works.
        kind: which of its builds, where a strategy's builds differ in speed.
    """

    strategy: str
    tables: tuple[Table, ...]
    decode: Model
    distance: Model | None
    note: str
    params: Mapping[str, object] = field(default_factory=dict)
    kind: str = ""

    @property
    def measured_as(self) -> str:
        """Its entry in costs.json."""
        return f"{self.strategy}, {self.kind}" if self.kind else self.strategy

    def table_bytes(self, helium: bool) -> int:
        """Bytes of all tables on a Cortex-M with Helium or without."""
        variants = ("", "USE_MVE" if helium else "!USE_MVE")
        return sum(table.nbytes for table in self.tables if table.when in variants)

    def table(self, name: str) -> Table:
        """The table called `name`."""
        return next(table for table in self.tables if table.name == name)


class Strategy(Protocol):
    """What a file of this folder registers."""

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


def smallest_unsigned(highest: int) -> str:
    """The narrowest unsigned type that holds 0..highest."""
    return "uint8" if highest < 1 << 8 else "uint16" if highest < 1 << 16 else "uint32"


def as_output(spec: Spec, bits: IntArray) -> IntArray:
    """Wrap integers into the output type, as the C's conversion does."""
    low, _ = type_range(spec.output.dtype)
    width = INTEGER_TYPES[spec.output.dtype][0]
    return np.asarray((bits - low) % (1 << width) + low)
