"""Variants: C for some compilers and cores beside the portable C, behind a switch of the preprocessor.

A variant is one file here, which registers itself, and its templates in templates/variants: NAME.c.j2 where one
suits every strategy, else NAME/STRATEGY.c.j2 for each strategy that has one. The macros of such a template are

    block(d, p)             decode_block with all that it calls; `p` are the parameters of the implementation
    block_distance(d, p)    the same with distances, where the portable one won't do
    point(d, p)             PREFIX_point, where the variant has not the tables that the portable one reads
    definitions(d)          what goes behind its switch, before the tables

A variant computes with the portable tables, with those that the strategy offers by the variant's name, or with its
own. This room imports kernels, exact, spec, targets and below; kernels know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built, Implementation, Refused
from hilbert_codegen.registry import Registry
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec
from hilbert_codegen.targets.cores import Core

#: The name of the variant that is always there.
PORTABLE = "portable"


@dataclass(frozen=True)
class Variant:
    """One variant.

    Attributes:
        name: as given to code.variants; also the name of its templates.
        title: what people call it.
        chosen: when a compiler takes it, for the comment above its switch.
        condition: the same to the preprocessor.
        runs_on: whether a core executes it.
        implement: (specification, exact answers, what the strategy built) -> what it computes with; None, or Refused with
            the reason, where it does not serve that.
        value: what the switch is where the condition holds.
        includes: headers it needs.
        table_attribute: end of the name of a macro that its own tables carry, or ""; variants that share tables call it the
            same.
    """

    name: str
    title: str
    chosen: str
    condition: str
    runs_on: Callable[[Core], bool]
    implement: Callable[[Spec, Ideal, Built], Implementation | None]
    value: str = "1"
    includes: tuple[str, ...] = ()
    table_attribute: str = ""

    @property
    def switch(self) -> str:
        """Name of its switch, behind the prefix."""
        return f"USE_{self.name.upper()}"

    def template(self, strategy: str) -> str:
        """Name of its template for `strategy`, or "" if it has none."""
        for name in (f"variants/{self.name}/{strategy}.c.j2", f"variants/{self.name}.c.j2"):
            if (resource("templates") / name).is_file():
                return name
        return ""


VARIANTS: Registry[Variant] = Registry("variant", __name__)


def add(variant: Variant) -> Variant:
    """Register a variant."""
    return VARIANTS.add(variant.name, variant)


def offered(built: Built, name: str) -> Implementation | None:
    """What the strategy offers for the variant `name`: tables of its own, or the portable ones. Raises Refused."""
    return built.offers[name]() if name in built.offers else built.portable


def equipped(built: Built, names: Iterable[str], spec: Spec, ideal: Ideal) -> Built:
    """`built` with those of the variants `names` that serve it, and why the others do not."""
    found, missing = {}, {}
    for name in sorted(set(names) - {PORTABLE}):
        variant = VARIANTS[name]
        if not variant.template(built.strategy):
            continue
        try:
            implementation = variant.implement(spec, ideal, built)
        except Refused as refusal:
            missing[name] = str(refusal)
            continue
        if implementation is None:
            missing[name] = "the configuration does not suit it"
        else:
            found[name] = implementation
    return replace(built, variants=found, missing=missing)


def assembled(spec: Spec, built: Built, name: str) -> Implementation | None:
    """What the strategy offers as `name` to assembly that reads and writes halfwords. Raises Refused for others."""
    if spec.heads.bits != 8 or spec.heads.layout != "interleaved" or INTEGER_TYPES[spec.output.dtype][0] != 16:
        raise Refused("it is for interleaved 8-bit heads and results of 16 bits")
    return offered(built, name)


def running_on(built: Built, core: Core) -> str:
    """Name of the variant of `built` that runs on `core`."""
    return next((name for name in built.variants if VARIANTS[name].runs_on(core)), PORTABLE)
