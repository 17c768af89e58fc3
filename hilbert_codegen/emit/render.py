"""A proved decoder as files, from the templates: name -> bytes (ASCII, LF)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import jinja2

from hilbert_codegen.emit.packages import PACKAGES
from hilbert_codegen.emit.unit import c_values, file_names, unit_of
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.domain import Domain
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import Built
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.plan import Plan


@dataclass(frozen=True)
class Generated:
    """A proved decoder with its files.

    Attributes:
        files: name -> content, in the order of their names.
        built: the strategy that was chosen with its variants, proved.
        domain: what it was proved on.
        ideal: the exact answers on that domain.
        table_bytes: bytes of the tables on the plan's target core.
    """

    files: dict[str, bytes]
    built: Built
    domain: Domain
    ideal: Ideal
    table_bytes: int


@cache
def environment(trimmed: bool = False) -> jinja2.Environment:
    """The templates' environment: undefined names are errors, and no escaping (this is C).

    One for all files, not to be changed: to compile the templates takes longer than to fill them in.

    Args:
        trimmed: leave out the line of a block that stands in a line of its own.
    """
    env = jinja2.Environment(
        trim_blocks=trimmed,
        lstrip_blocks=trimmed,
        loader=jinja2.FileSystemLoader(str(resource("templates"))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters["c_values"] = c_values
    env.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    return env


def render_harness(
    plan: Plan, generated: Generated, template: str = "harness/verify_main.c.j2", **more: object
) -> bytes:
    """A C file that goes with the decoder: by default the host program of a verification run (verify.py).

    `more` are further names the template uses.
    """
    unit = unit_of(plan, generated.built, generated.domain)
    return environment().get_template(template).render(d=unit, **more).encode("ascii")


def render_package(plan: Plan, generated: Generated, name: str) -> dict[str, bytes]:
    """The files of the package format `name` (a name in PACKAGES) that go beside the decoder's: path -> bytes."""
    return {
        path: render_harness(plan, generated, template)
        for path, template in PACKAGES[name].templates(plan.prefix).items()
    }


def names_of(plan: Plan, package: str | None = None) -> list[str]:
    """The names of the files of `render` and of `render_package`, in their order."""
    return [*sorted(file_names(plan.prefix)), *(PACKAGES[package].templates(plan.prefix) if package else {})]


def render(plan: Plan, built: Built, domain: Domain) -> dict[str, bytes]:
    """The files of a proved decoder: name -> bytes (ASCII, LF), sorted by name."""
    unit = unit_of(plan, built, domain)
    env = environment()
    files = {
        unit.header_name: env.get_template("decoder/decoder.h.j2").render(d=unit),
        unit.source_name: env.get_template("decoder/decoder.c.j2").render(d=unit),
    }
    try:
        return {name: text.encode("ascii") for name, text in sorted(files.items())}
    except UnicodeEncodeError as error:
        raise CheckFailed(f"a generated file is not ASCII: {error}") from None
