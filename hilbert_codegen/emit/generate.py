"""Plan -> {file name: bytes}: build, prove, render. Nothing is rendered that was not proved."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import jinja2

from hilbert_codegen import __version__
from hilbert_codegen.config.schema import show_value
from hilbert_codegen.emit import misra
from hilbert_codegen.emit.packages import PACKAGES
from hilbert_codegen.emit.prove import Domain, proof_domain, prove, reference_for
from hilbert_codegen.errors import CheckFailed, UsageError
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Refused, Table
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES
from hilbert_codegen.targets.cores import core

#: Told what is going on, for a progress display.
Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Candidate:
    """One strategy for one plan: `built` with its cost, or None with the reason in `refusal`.

    Attributes:
        name: the strategy.
        built: the tables and the model, or None.
        refusal: why it can't be used, or "".
        cost: measured instructions a point on the plan's target core (costs.json), or None where never measured.
        table_bytes: bytes of the tables there, 0 where refused.
    """

    name: str
    built: Built | None
    refusal: str
    cost: float | None
    table_bytes: int


@dataclass(frozen=True)
class Generated:
    """The result of `generate`.

    Attributes:
        files: name -> content, in the order of their names.
        built: the strategy that was chosen, proved.
        domain: what it was proved on.
        ideal: the exact answers on that domain.
        table_bytes: bytes of the tables on the plan's target core.
    """

    files: dict[str, bytes]
    built: Built
    domain: Domain
    ideal: Ideal
    table_bytes: int


def costs(target: str) -> dict[str, float]:
    """`measured_as` -> measured instructions a point on the core `target`, from costs.json (`make costs` measures it)."""
    known: dict[str, dict[str, float]] = json.loads((Path(__file__).parent / "costs.json").read_text(encoding="utf-8"))[
        "instructions_per_point"
    ]
    if target not in known:
        raise UsageError(
            f"code.target = {show_value(target)}: no core that was measured; give one of {', '.join(known)}"
        )
    return known[target]


def _table_bytes(plan: Plan, built: Built) -> int:
    return built.table_bytes(core(plan.config.code.target).helium)


def survey(plan: Plan, expected: Ideal, names: Sequence[str] | None = None) -> Iterator[Candidate]:
    """Try the strategies `names` (all by default) on `plan`, cheapest first; each is built when it is asked for.

    A strategy whose build turns out to be of a dearer kind than its cheapest comes as late as that costs.
    """
    known = costs(plan.config.code.target)

    def least(name: str) -> float:
        kinds = [cost for entry, cost in known.items() if entry.split(", ")[0] == name]
        return min(kinds, default=math.inf)

    waiting: list[tuple[float, str, Candidate | None]] = [
        (least(name), name, None) for name in (STRATEGIES.names() if names is None else names)
    ]
    while waiting:
        next_one = min(waiting, key=lambda one: one[:2])
        waiting.remove(next_one)
        lowest, name, candidate = next_one
        if candidate is None:
            try:
                built = STRATEGIES[name].build(plan.spec, expected, plan.distance)
                candidate = Candidate(name, built, "", known.get(built.measured_as), _table_bytes(plan, built))
            except Refused as refusal:
                candidate = Candidate(name, None, str(refusal), None, 0)
        cost = lowest if candidate.built is None else math.inf if candidate.cost is None else candidate.cost
        if cost > lowest:
            waiting.append((cost, name, candidate))
        else:
            yield candidate


def _choose(plan: Plan, expected: Ideal) -> Built:
    settings = plan.settings
    wanted = plan.config.code.strategy
    if wanted != "auto":
        if wanted not in STRATEGIES.names():
            raise settings.error(
                "code.strategy", "no such strategy", f"choose auto or one of {', '.join(STRATEGIES.names())}"
            )
        candidate = next(survey(plan, expected, [wanted]))
        if candidate.built is None:
            raise settings.error("code.strategy", candidate.refusal, 'choose another, or "auto"')
        return candidate.built
    limit = plan.config.code.max_flash_bytes
    tried = []
    for candidate in survey(plan, expected):
        tried.append(candidate)
        if candidate.built is not None and candidate.table_bytes <= limit:
            return candidate.built
    sizes = ", ".join(
        f"{c.name} {c.table_bytes} bytes" if c.built else f"{c.name} refused ({c.refusal})" for c in tried
    )
    raise settings.error("code.max_flash_bytes", f"no strategy fits: {sizes}", "raise it, or lower curve.order")


def generate(plan: Plan, progress: Progress = _silent) -> Generated:
    """Build the decoder of `plan`, prove it, and render its files.

    Raises UsageError where no strategy serves, CheckFailed if a model is not exact (nothing is rendered then).
    """
    progress("exact reference")
    domain = proof_domain(plan.spec)
    expected = reference_for(plan.spec, domain)
    progress("tables")
    built = _choose(plan, expected)
    progress(f"proof of {built.strategy}")
    prove(plan.spec, built, domain, expected)
    progress("files")
    return Generated(render(plan, built, domain), built, domain, expected, _table_bytes(plan, built))


#: CMSIS-DSP's names of the signed types.
CMSIS_TYPES = {"int8_t": "q7_t", "int16_t": "q15_t", "int32_t": "q31_t"}


def _source_params(head: str, planar: bool) -> str:
    return f"const {head} *pSrcX, const {head} *pSrcY" if planar else f"const {head} *pSrc"


@dataclass(frozen=True)
class Unit:
    """What the templates see as `d`; everything that needs arithmetic is computed here."""

    version: str
    command: str
    digest: str
    hash32: str
    prefix: str
    macro: str
    header_name: str
    source_name: str
    strategy_template: str
    curve_title: str
    facts: tuple[str, ...]
    proof: str
    misra: str
    head: str
    raw: str
    out: str
    out_raw: str
    wrap: str
    out_bits: int
    wide: str
    planar: bool
    in_place: bool
    source_params: str
    cmsis_params: str
    cmsis_out: str
    distance: bool
    distance_indent: str
    code0: str
    code1: str
    result_doc: str
    scaling_doc: tuple[str, ...]
    aliasing_doc: str
    branch_codes: str
    built: Built

    @property
    def table_runs(self) -> list[tuple[str, list[Table]]]:
        """The tables in their order, neighbours of the same variant together: (its condition, tables)."""
        return [(when, list(run)) for when, run in groupby(self.built.tables, key=lambda table: table.when)]


def command_line(plan: Plan) -> str:
    """The command that makes the files again, whatever folder it was run in."""
    words = ["hilbert-codegen", "generate", plan.settings.source, *plan.settings.arguments]
    return shlex.join(words)


def _number(value: object) -> str:
    return f"{float(value):.10g}"  # type: ignore[arg-type]


def _facts(plan: Plan, built: Built) -> tuple[str, ...]:
    spec, config = plan.spec, plan.config
    rows: list[tuple[str, str]] = []

    def row(key: str, value: str) -> None:
        rows.append((key, f"{value}  [{plan.settings.origin[key]}]" if key in plan.settings.origin else value))

    row("curve.kind", spec.curve.name)
    row("curve.order", f"{spec.curve.order}")
    row("curve.inset", f"{_number(spec.inset)}" + (" (cell)" if config.curve.inset == "cell" else ""))
    row("curve.orientation", spec.curve.orientation)
    row("heads.dtype", spec.heads.dtype)
    row("heads.layout", spec.heads.layout)
    row("heads.scale", ", ".join(f"{float(scale)!r}" for scale in spec.heads.scale))
    row("heads.zero_point", ", ".join(str(zero) for zero in spec.heads.zero_point))
    row("heads.range", ", ".join(_number(end) for end in spec.heads.range))
    row("output.dtype", spec.output.dtype)
    row("output.codes", f"{spec.output.codes[0]} at t = 0, {spec.output.codes[1]} at t = 1")
    row("decoder.estimator", spec.estimator.kind)
    if spec.estimator.kind == "mean":
        row("decoder.sigma", f"{_number(spec.estimator.sigma)} cells")
        row("decoder.gate", f"{_number(spec.estimator.gate)} cells")
    row("decoder.distance", str(plan.distance).lower())
    row("code.strategy", f"{built.strategy}" if config.code.strategy != "auto" else f"auto: {built.strategy}")
    row("code.max_flash_bytes", str(config.code.max_flash_bytes))
    row("code.target", config.code.target)
    row("cell", f"{_number(spec.pitch(0))} x {_number(spec.pitch(1))} codes")
    row("half branch distance", f"{_number(spec.pitch(0) / 2)} x {_number(spec.pitch(1) / 2)} codes")
    row("curve length", f"{_number(spec.curve.length(spec.inset))} unit intervals")
    portable, helium = built.table_bytes(False), built.table_bytes(True)
    row("tables", f"{portable} bytes" + (f", with Helium {helium}" if helium != portable else ""))
    width = max(len(key) for key, _ in rows)
    lines = [f"{key:<{width}}  {value}" for key, value in rows]
    lines += ["", *_wrap(built.note)]
    for warning in plan.warnings:
        lines += ["", *_wrap("Warning: " + warning)]
    return tuple(_comment(line) for line in lines)


def _wrap(text: str, width: int = 110) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def _comment(text: str) -> str:
    """`text` as it may stand inside a C comment: one line of ASCII, unable to end or nest the comment."""
    line = "".join(c if " " <= c <= "~" else "?" for c in text)
    for pair, harmless in (("*/", "* /"), ("/*", "/ *"), ("//", "/ /"), ("??", "? ?")):
        while pair in line:
            line = line.replace(pair, harmless)
    return line.rstrip("\\ ") if line.rstrip(" ").endswith("\\") else line.rstrip()


def _unit(plan: Plan, built: Built, domain: Domain) -> Unit:
    spec = plan.spec
    prefix, out = plan.prefix, spec.output.ctype
    signed = INTEGER_TYPES[spec.output.dtype][1]
    head = spec.heads.ctype
    planar = spec.heads.layout == "planar"
    c0, c1 = spec.output.codes
    closed = spec.curve.closed
    scaling = [
        f"x = {float(spec.heads.scale[0])!r} * (code - {spec.heads.zero_point[0]}), "
        f"y = {float(spec.heads.scale[1])!r} * (code - {spec.heads.zero_point[1]}).",
        f"The result is floor({c0} + t * ({c1} - {c0}) + 1/2), t the place of the nearest point of the curve.",
        "Every input is valid; nothing can overflow.",
    ]
    if spec.estimator.kind == "mean":
        scaling[1] = (
            f"The result is floor({c0} + t * ({c1} - {c0}) + 1/2), t the posterior mean off the curve, else nearest."
        )
    in_place = not planar and spec.heads.bits == 8 and INTEGER_TYPES[spec.output.dtype][0] == 16
    aliasing = (
        "pDst may be the buffer of pSrc (decoding in place); any other overlap is not allowed."
        if in_place
        else "The buffers must not overlap."
    )
    pairs = f"equal to the exact reference on {domain.statement}"
    answer = "value and distance" if plan.distance else "value"
    return Unit(
        version=__version__,
        command=_comment(command_line(plan)),
        digest=plan.digest,
        hash32=f"0x{plan.digest[:8].upper()}UL",
        prefix=prefix,
        macro=prefix.upper(),
        header_name=f"{prefix}_decoder.h",
        source_name=f"{prefix}_decoder.c",
        strategy_template=f"kernels/{built.strategy}.c.j2",
        curve_title=f"{spec.curve.name} curve of order {spec.curve.order}",
        facts=_facts(plan, built),
        proof=f"{answer}, {pairs}.",
        misra=misra.banner(),
        head=head,
        raw=f"uint{spec.heads.bits}_t",
        out=out,
        out_raw=f"uint{INTEGER_TYPES[spec.output.dtype][0]}_t",
        wrap=f"({out})(uint{INTEGER_TYPES[spec.output.dtype][0]}_t)" if signed else f"({out})",
        out_bits=INTEGER_TYPES[spec.output.dtype][0],
        wide="int64_t" if spec.output.dtype == "int32" else "int32_t" if signed else "uint32_t",
        planar=planar,
        in_place=in_place,
        source_params=_source_params(head, planar),
        cmsis_params=_source_params(CMSIS_TYPES.get(head, head), planar),
        cmsis_out=CMSIS_TYPES.get(out, out),
        distance=plan.distance,
        distance_indent=" " * len(f"void {prefix}_decode_block_distance("),
        code0=_literal(c0, spec.output.dtype),
        code1=_literal(c1, spec.output.dtype),
        result_doc=f"{min(c0, c1)} to {max(c0, c1) - (1 if closed else 0)}: {c0} at t = 0, {c1} at t = 1"
        + (", the second given as the first" if closed else ""),
        scaling_doc=tuple(scaling),
        aliasing_doc=aliasing,
        branch_codes=_number(min(spec.pitch(0), spec.pitch(1))),
        built=built,
    )


def _literal(value: int, dtype: str) -> str:
    """A C integer constant of at least the type's width."""
    if dtype.startswith("uint") or dtype == "uint32":
        return f"{value}U"
    return "(-2147483647 - 1)" if value == -(1 << 31) else str(value)


def c_values(table: Table) -> str:
    """The entries of a table as indented lines of C constants."""
    suffix = "U" if table.dtype.startswith("uint") else ""
    words = ["(-2147483647 - 1)" if value == -(1 << 31) else f"{value}{suffix}" for value in table.values.tolist()]
    width = max(len(word) for word in words)
    lines = [
        "    " + ", ".join(f"{word:>{width}}" for word in words[i : i + table.columns])
        for i in range(0, len(words), table.columns)
    ]
    return ",\n".join(lines)


def environment() -> jinja2.Environment:
    """The templates' environment: undefined names are errors, and no escaping (this is C)."""
    env = jinja2.Environment(
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
    unit = _unit(plan, generated.built, generated.domain)
    return environment().get_template(template).render(d=unit, **more).encode("ascii")


def render_package(plan: Plan, generated: Generated, name: str) -> dict[str, bytes]:
    """The files of the package format `name` (a name in PACKAGES) that go beside the decoder's: path -> bytes."""
    return {
        path: render_harness(plan, generated, template)
        for path, template in PACKAGES[name].templates(plan.prefix).items()
    }


def render(plan: Plan, built: Built, domain: Domain) -> dict[str, bytes]:
    """The files of a proved decoder: name -> bytes (ASCII, LF), sorted by name."""
    unit = _unit(plan, built, domain)
    env = environment()
    files = {
        unit.header_name: env.get_template("decoder/decoder.h.j2").render(d=unit),
        unit.source_name: env.get_template("decoder/decoder.c.j2").render(d=unit),
    }
    try:
        return {name: text.encode("ascii") for name, text in sorted(files.items())}
    except UnicodeEncodeError as error:
        raise CheckFailed(f"a generated file is not ASCII: {error}") from None
