"""The MISRA C:2012 guidelines that generated C departs from, with the reason: for headers, documentation and the test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """One guideline.

    Attributes:
        guideline: "Rule 2.5" or "Dir 4.3".
        category: "advisory" or "required".
        reason: why the code departs from it, in words that fit a line.
    """

    guideline: str
    category: str
    reason: str


#: In the order of the standard. The cppcheck test fails on any finding that is not here.
DEVIATIONS = (
    Deviation("Dir 4.3", "required", "assembly inside functions: the loops for ARMv6-M, and empty register hints"),
    Deviation("Dir 4.9", "advisory", "register hints and placement hooks are macros: they vanish on other compilers"),
    Deviation("Rule 1.2", "advisory", "__asm__, __builtin and intrinsics, each behind its compiler's own macro"),
    Deviation("Rule 2.3", "advisory", "a typedef that is not used is the static assertion of C99"),
    Deviation("Rule 2.5", "advisory", "constants and switches of the interface are for the user"),
    Deviation("Rule 2.7", "advisory", "one signature serves variants that need fewer parameters"),
    Deviation("Rule 8.9", "advisory", "tables stand at file scope with their hook, also where one function reads them"),
    Deviation("Rule 11.4", "advisory", "an address is tested for evenness before a pair of codes is read at once"),
    Deviation(
        "Rule 11.5",
        "advisory",
        "a pair of codes is read at once by a type that may alias them, by way of a void pointer",
    ),
    Deviation("Rule 17.8", "advisory", "block functions count blockSize down and move their pointers"),
    Deviation("Rule 18.4", "advisory", "block functions move their pointers by += : the shortest loop on every core"),
)


def lines() -> tuple[str, ...]:
    """The deviations for the head of a header, a line each."""
    return tuple(f"{entry.guideline} ({entry.category}): {entry.reason}" for entry in DEVIATIONS)
