"""What a network with Hilbert heads is compared with: one row of `KINDS` is one kind of network without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: An output of more points than this that takes at most 256 values is an 8-bit tensor, whatever its type says.
_ENOUGH = 2000


@dataclass(frozen=True)
class BaselineKind:
    """One kind of baseline.

    Attributes:
        name: of `kind` in [[baseline]].
        words: for people.
        outputs: how many output values a point.
        types: dtypes that the quantized net's output may have.
        decode: real outputs (n, outputs), range -> t (n,) in [0, 1].
        circular: whether t wraps round.
        ends: the range where the pilot gives none: head values of t = 0 and t = 1, of "cos_sin" those of -1 and 1.
    """

    name: str
    words: str
    outputs: int
    types: tuple[str, ...]
    decode: Callable[[FloatArray, tuple[float, float]], FloatArray]
    circular: bool = False
    ends: tuple[float, float] = (0.0, 1.0)


def _linear(values: FloatArray, ends: tuple[float, float]) -> FloatArray:
    low, high = ends
    return np.asarray(np.clip((values[:, 0] - low) / (high - low), 0.0, 1.0))


def _average(values: FloatArray, ends: tuple[float, float]) -> FloatArray:
    low, high = ends
    return np.asarray(np.clip((values - low) / (high - low), 0.0, 1.0).mean(axis=1))


def _angle(values: FloatArray, ends: tuple[float, float]) -> FloatArray:
    low, high = ends
    cosine, sine = (2.0 * (values - low) / (high - low) - 1.0).T
    return np.asarray(np.arctan2(sine, cosine) / (2 * np.pi) % 1.0)


_EIGHT = ("int8", "uint8")
KINDS: Mapping[str, BaselineKind] = {
    kind.name: kind
    for kind in (
        BaselineKind("int8", "one INT8 output", 1, _EIGHT, _linear),
        BaselineKind("l1", "one INT8 output, trained with the absolute error", 1, _EIGHT, _linear),
        BaselineKind(
            "wide", "an INT8 net whose last layer gives 16 bits or floats", 1, ("int16", "int32", "float32"), _linear
        ),
        BaselineKind("int16x8", "INT8 weights, INT16 activations", 1, ("int16",), _linear),
        BaselineKind("ensemble", "two INT8 outputs of t, averaged", 2, _EIGHT, _average),
        BaselineKind(
            "cos_sin",
            "cosine and sine of an angle, two INT8 outputs",
            2,
            _EIGHT,
            _angle,
            circular=True,
            ends=(-1.0, 1.0),
        ),
    )
}


def kind_of(name: str | None, codes: NDArray[np.generic]) -> BaselineKind:
    """The kind called `name`, or the one that the type of the output `codes` tells.

    Raises ValueError where name and type do not fit, or where a wide output holds no more than 256 values.
    """
    found = str(codes.dtype)
    if name is None:
        name = {"int8": "int8", "uint8": "int8", "int16": "int16x8"}.get(found)
        if name is None:
            raise ValueError(
                f'has a {found} output; quantize it, or say kind = "wide" if only its last layer is {found}'
            )
    kind = KINDS[name]
    if found not in kind.types:
        raise ValueError(f'has a {found} output; kind = "{name}" takes {" or ".join(kind.types)}')
    if name == "wide" and codes.size > _ENOUGH and len(np.unique(codes)) <= 256:
        raise ValueError(
            "has an output of at most 256 values: an 8-bit tensor, only converted at the end; leave the last layer in "
            "16 bits or float"
        )
    return kind
