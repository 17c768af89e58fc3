"""What the templates see: one `Unit` a decoder, with every word of C that needs arithmetic, and tables as C text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from hilbert_codegen import __version__
from hilbert_codegen.curves import AXES, CURVES
from hilbert_codegen.emit import banner, misra
from hilbert_codegen.exact.domain import Domain
from hilbert_codegen.exact.fusion import limits
from hilbert_codegen.kernels import Built, Implementation, Table
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec
from hilbert_codegen.variants import PORTABLE, VARIANTS, Variant

#: CMSIS-DSP's names of the signed types.
CMSIS_TYPES = {"int8_t": "q7_t", "int16_t": "q15_t", "int32_t": "q31_t"}


#: Numbers of heads in words.
HEADS = ("no", "one", "two", "three", "four", "five", "six")


def _source_params(head: str, planar: bool, heads: int) -> str:
    if planar:
        return ", ".join(f"const {head} *pSrc{axis.upper()}" for axis in AXES[:heads])
    return f"const {head} *pSrc"


@dataclass(frozen=True)
class TableRun:
    """Tables that stand one after the other in the C because the same variants read them.

    Attributes:
        condition: the preprocessor's, or "" where all read them.
        attribute: end of the name of a macro that each of them carries, or "".
        tables: in their order.
    """

    condition: str
    attribute: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Unit:
    """What the templates see as `d`; everything that needs arithmetic is computed here."""

    version: str
    package_version: str
    command: str
    digest: str
    hash32: str
    prefix: str
    macro: str
    header_name: str
    source_name: str
    strategy: str
    curve_title: str
    facts: tuple[str, ...]
    proof: str
    misra: tuple[str, ...]
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
    heads_doc: tuple[str, ...]
    params_doc: tuple[tuple[str, ...], ...]
    branch_codes: str
    built: Built
    heads: int
    heads_word: str
    axes: tuple[str, ...]
    point_params: str
    point_args: str
    raw_params: str
    interleaved: str
    fused: bool

    @property
    def of_curve(self) -> Unit:
        """The same with the heads of the curve alone, which are what a strategy's function of one point decodes."""
        axes = self.axes[: len(self.axes) - self.fused]
        return replace(self, heads=len(axes), axes=axes, raw_params=_raw_params(self.raw, axes), fused=False)

    @property
    def params(self) -> Mapping[str, object]:
        """Parameters of the portable C."""
        return self.built.portable.params

    @property
    def variants(self) -> tuple[tuple[Variant, Implementation], ...]:
        """The variants beside the portable one, the first that is switched on being taken."""
        return tuple((VARIANTS[name], code) for name, code in self.built.variants.items())

    def table(self, name: str) -> Table:
        """The table called `name`."""
        return next(t for code in self.built.implementations.values() for t in code.tables if t.name == name)

    @property
    def table_runs(self) -> list[TableRun]:
        """All tables of all variants."""
        readers: dict[str, list[str]] = {}
        tables: dict[str, Table] = {}
        for name, code in [(PORTABLE, self.built.portable), *self.built.variants.items()]:
            for table in code.tables:
                if tables.setdefault(table.name, table) is not table:
                    raise ValueError(f"strategy {self.strategy}: two tables are called {table.name}")
                readers.setdefault(table.name, []).append(name)
        runs = groupby(tables.values(), key=lambda table: readers[table.name])
        return [self._run(names, tuple(run)) for names, run in runs]

    def _run(self, names: list[str], tables: tuple[Table, ...]) -> TableRun:
        if len(names) == len(self.built.implementations):
            return TableRun("", "", tables)
        if PORTABLE in names:
            others = [name for name in self.built.variants if name not in names]
            return TableRun(" && ".join(f"!{self._switch(name)}" for name in others), "", tables)
        attributes = {VARIANTS[name].table_attribute for name in names}
        attribute = attributes.pop() if len(attributes) == 1 else ""
        return TableRun(" || ".join(self._switch(name) for name in names), attribute, tables)

    def _switch(self, name: str) -> str:
        return f"{self.macro}_{VARIANTS[name].switch}"


def _raw_params(raw: str, axes: tuple[str, ...]) -> str:
    return ", ".join(f"{raw} {axis}" for axis in axes)


def _less(text: str, value: int) -> str:
    """`text` minus a number, as people write it."""
    return text if value == 0 else f"{text} {'-' if value > 0 else '+'} {abs(value)}"


def _scaling(spec: Spec) -> tuple[str, ...]:
    """What codes and results stand for, a line each."""
    formulas = [
        f"{axis} = {float(scale)!r} * ({_less('code', zero)})"
        for axis, scale, zero in zip(AXES, spec.scales, spec.zero_points, strict=False)
    ]
    pairs = [", ".join(formulas[i : i + 2]) for i in range(0, len(formulas), 2)]
    c0, c1 = spec.output.codes
    place = "the place of the nearest point of the curve"
    if spec.estimator.kind == "mean":
        place = "the posterior mean off the curve, else the nearest"
    code = f"floor({c0} + t * ({_less(str(c1), c0)}) + 1/2)"
    result: tuple[str, ...] = (f"The result is {code}, t {place}.",)
    if spec.fusion is not None:
        low, high = (float(end) for end in spec.fusion.range)
        last = AXES[spec.dimensions]
        result = (
            f"a = {code}, t {place};",
            f"b the same of t = ({last} - {low:g}) / {high - low!r}, held in [0, 1]. The result is",
            *_averages(spec),
        )
    return (
        *(f"{pair}," for pair in pairs[:-1]),
        f"{pairs[-1]}.",
        *result,
        "Every input is valid; nothing can overflow.",
    )


def _averages(spec: Spec) -> Iterator[str]:
    """What a fused result is, past each threshold and below all of them."""
    assert spec.fusion is not None
    bands = list(zip(limits(spec), spec.fusion.weights, strict=True))[::-1]
    for i, (most, weight) in enumerate(bands):
        share, parts = weight.as_integer_ratio()
        terms = " + ".join(
            name if count == 1 else f"{count} {name}" for name, count in (("a", share), ("b", parts - share))
        )
        where = "where a and b are more than" if i == 0 else "else where more than"
        last = ", else a." if i == len(bands) - 1 else ","
        yield f"floor(({terms}) / {parts} + 1/2) {where} {most} apart{last}"


def file_names(prefix: str) -> tuple[str, str]:
    """Those of the header and of the source file."""
    return f"{prefix}_decoder.h", f"{prefix}_decoder.c"


def unit_of(plan: Plan, built: Built, domain: Domain) -> Unit:
    """Everything about a proved decoder that its files say."""
    spec = plan.spec
    prefix, out = plan.prefix, spec.output.ctype
    signed = INTEGER_TYPES[spec.output.dtype][1]
    head = spec.heads.ctype
    raw = f"uint{spec.heads.bits}_t"
    planar = spec.heads.layout == "planar"
    c0, c1 = spec.output.codes
    closed = spec.curve.closed
    axes = tuple(AXES[: spec.inputs])
    # Three heads at most are named in the signature of one point; more are read from an array.
    named = spec.inputs <= 3
    in_place = not planar and spec.inputs == 2 and spec.heads.bits == 8 and INTEGER_TYPES[spec.output.dtype][0] == 16
    aliasing = (
        "pDst may be the buffer of pSrc (decoding in place); any other overlap is not allowed."
        if in_place
        else "The buffers must not overlap."
    )
    pairs = f"equal to the exact reference on {domain.statement}"
    answer = "value and distance" if plan.distance else "value"
    header, source = file_names(prefix)
    return Unit(
        version=__version__,
        package_version=plan.config.code.version,
        command=banner.comment(banner.command_line(plan)),
        digest=plan.digest,
        hash32=f"0x{plan.digest[:8].upper()}UL",
        prefix=prefix,
        macro=prefix.upper(),
        header_name=header,
        source_name=source,
        strategy=built.strategy,
        curve_title=f"{CURVES[spec.curve.name].title} curve of order {spec.curve.order}"
        + (f" in {spec.dimensions} dimensions" if spec.dimensions > 2 else ""),
        facts=banner.facts(plan, built),
        proof=f"{answer}, {pairs}.",
        misra=misra.lines(),
        head=head,
        raw=raw,
        out=out,
        out_raw=f"uint{INTEGER_TYPES[spec.output.dtype][0]}_t",
        wrap=f"({out})(uint{INTEGER_TYPES[spec.output.dtype][0]}_t)" if signed else f"({out})",
        out_bits=INTEGER_TYPES[spec.output.dtype][0],
        wide="int64_t" if spec.output.dtype == "int32" else "int32_t" if signed else "uint32_t",
        planar=planar,
        in_place=in_place,
        source_params=_source_params(head, planar, spec.inputs),
        cmsis_params=_source_params(CMSIS_TYPES.get(head, head), planar, spec.inputs),
        cmsis_out=CMSIS_TYPES.get(out, out),
        distance=plan.distance,
        distance_indent=" " * len(f"void {prefix}_decode_block_distance("),
        code0=_literal(c0, spec.output.dtype),
        code1=_literal(c1, spec.output.dtype),
        result_doc=f"{min(c0, c1)} to {max(c0, c1) - (1 if closed else 0)}: {c0} at t = 0, {c1} at t = 1"
        + (", the second given as the first" if closed else ""),
        scaling_doc=_scaling(spec),
        aliasing_doc=aliasing,
        heads_doc=banner.heads_doc(plan),
        params_doc=banner.params_doc(plan),
        branch_codes=banner.number(min(spec.pitch(axis) for axis in range(spec.dimensions))),
        built=built,
        heads=spec.inputs,
        heads_word=HEADS[spec.inputs],
        axes=axes,
        point_params=", ".join(f"{head} {axis}" for axis in axes) if named else f"const {head} *pHeads",
        point_args=", ".join(f"({raw}){axis}" if named else f"({raw})pHeads[{i}]" for i, axis in enumerate(axes)),
        raw_params=_raw_params(raw, axes),
        interleaved=" ".join(f"{axis}{i}" for i in (0, 1) for axis in axes),
        fused=spec.fusion is not None,
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
