"""Caches in front of slow flash, as small models: how many of a decoder's data reads wait for the flash.

A model is what the manual says of the lines that data reads use; fetches of instructions have lines of their own and are
not in it. Replacement is by least recent use, over all lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hilbert_codegen.errors import UsageError


@dataclass(frozen=True)
class Cache:
    """One flash accelerator.

    Attributes:
        name: what people type.
        title: what it is, with the source.
        lines: lines for data.
        line_bytes: bytes of one.
        wait_states: core cycles that a read of the flash waits at `clock_hz`, at 2.7 V and above.
        clock_hz: the highest clock of the part.
    """

    name: str
    title: str
    lines: int
    line_bytes: int
    wait_states: int
    clock_hz: int

    def misses(self, addresses: Iterable[int]) -> int:
        """How many of the reads at `addresses`, in this order, find their line absent; empty at the start."""
        held: dict[int, None] = {}
        missed = 0
        for address in addresses:
            line = address // self.line_bytes
            if line in held:
                del held[line]
            else:
                missed += 1
                if len(held) == self.lines:
                    del held[next(iter(held))]
            held[line] = None
        return missed


CACHES: dict[str, Cache] = {
    cache.name: cache
    for cache in (
        Cache("stm32f4", "STM32F405/407 ART data cache (ST RM0090, 3.5)", 8, 16, 5, 168_000_000),
        Cache("stm32l4", "STM32L4 ART data cache (ST RM0351, 3.3.4)", 8, 32, 4, 80_000_000),
    )
}


def cache(name: str) -> Cache:
    """The cache called `name`; UsageError with the names that exist if there is none."""
    if name not in CACHES:
        raise UsageError(f"--cache {name}: unknown; choose one of {', '.join(CACHES)}")
    return CACHES[name]
