"""What a model file says of the network behind the heads: its work, and what spoils the range of its codes."""

from __future__ import annotations

from dataclasses import dataclass

#: A hidden tensor of an unbounded activation that spans more than this (relu6's range and a third) is reported.
WIDE_RANGE = 8.0


@dataclass(frozen=True)
class Network:
    """Facts of one model.

    Attributes:
        parameters: entries of constant tensors of two or more dimensions that layers multiply with.
        macs: multiply-accumulates of one inference, in convolutions and fully connected layers.
        spoilers: one line for each thing that wastes codes.
    """

    parameters: int
    macs: int
    spoilers: tuple[str, ...]


def wide_tensor(name: str, low: float, high: float, scale: float) -> str:
    """The line about a hidden tensor without bounds."""
    return (
        f"hidden tensor {name!r} is unbounded and spans {low:.3g}..{high:.3g}: one code is {scale:.3g}; bound it (relu6) "
        f"and train again"
    )


def coarse_activation(name: str, before: float, step: float) -> str:
    """The line about a head whose sigmoid or tanh has an 8-bit input of scale `before`."""
    return (
        f"the head's {name} has an 8-bit input (scale {before:.3g}): one code of it is up to {step:.1f} codes of the "
        f"head; use a linear head of bounded range"
    )
