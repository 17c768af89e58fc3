"""The MISRA C:2012 rules that generated C departs from, with the reason: for banners, documentation and the test."""

from __future__ import annotations

#: Rule -> reason. All are advisory. The cppcheck test fails on any other rule.
DEVIATIONS: dict[str, str] = {
    "2.3": "a typedef that is not used is the static assertion of C99",
    "2.5": "constants and switches of the interface are for the user",
    "2.7": "one signature serves variants that need fewer parameters",
    "8.9": "tables stand at file scope with their placement hook, also where one function alone reads them",
    "17.8": "block functions count blockSize down and move their pointers",
    "18.4": "block functions move their pointers by += : the shortest loop on every core",
}


def banner() -> str:
    """One line for the head of a generated file."""
    return f"MISRA C:2012: advisory rules {', '.join(DEVIATIONS)} are deviated from, reasons in docs/misra.md."
