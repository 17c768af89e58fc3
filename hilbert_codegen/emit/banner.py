"""The facts at the head of a generated file: every value with its origin, what follows from it, what was proved."""

from __future__ import annotations

import re
import shlex
import textwrap

from hilbert_codegen.curves import AXES
from hilbert_codegen.kernels import Built
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.variants import PORTABLE, VARIANTS

#: Column of the text of a parameter in the comments of templates/decoder/decoder.h.j2.
_PARAMETER = 23


def command_line(plan: Plan) -> str:
    """The command that makes the files again in the folder DIR; it names no path, so the bytes are those of any place."""
    words = ["hilbert-codegen", "generate", plan.settings.source, *plan.settings.arguments, "-o", "DIR"]
    return shlex.join(words)


def number(value: object) -> str:
    """A number in at most ten digits."""
    return f"{float(value):.10g}"  # type: ignore[arg-type]


def facts(plan: Plan, built: Built) -> tuple[str, ...]:
    """Lines "key  value  [origin]", then how the strategy works and the warnings, fit to stand in a comment."""
    spec, config = plan.spec, plan.config
    rows: list[tuple[str, str]] = []

    def row(key: str, value: str) -> None:
        rows.append((key, f"{value}  [{plan.settings.origin[key]}]" if key in plan.settings.origin else value))

    row("curve.kind", spec.curve.name)
    if spec.dimensions > 2:
        row("curve.dimensions", f"{spec.dimensions}")
    row("curve.order", f"{spec.curve.order}")
    row("curve.inset", f"{number(spec.inset)}" + (" (cell)" if config.curve.inset == "cell" else ""))
    row("curve.orientation", spec.curve.orientation)
    row("heads.dtype", spec.heads.dtype)
    row("heads.layout", spec.heads.layout)
    row("heads.scale", ", ".join(f"{float(scale)!r}" for scale in spec.scales))
    row("heads.zero_point", ", ".join(str(zero) for zero in spec.zero_points))
    pairs = spec.heads.ranges or (spec.heads.range,)
    if spec.fusion is not None and (len(pairs) > 1 or spec.fusion.range != pairs[0]):
        pairs = (*(spec.heads.range_of(axis) for axis in range(spec.dimensions)), spec.fusion.range)
    row("heads.range", ", ".join(number(end) for pair in pairs for end in pair))
    row("output.dtype", spec.output.dtype)
    row("output.codes", f"{spec.output.codes[0]} at t = 0, {spec.output.codes[1]} at t = 1")
    row("decoder.estimator", config.decoder.estimator)
    if spec.fusion is not None:
        row("decoder.threshold", f"{', '.join(map(number, spec.fusion.thresholds))} of the range")
        row("decoder.weight", f"{', '.join(map(number, spec.fusion.weights))} for the curve")
    if spec.estimator.kind == "mean":
        row("decoder.sigma", f"{number(spec.estimator.sigma)} cells")
        row("decoder.gate", f"{number(spec.estimator.gate)} cells")
    row("decoder.distance", str(plan.distance).lower())
    row("code.strategy", f"{built.strategy}" if config.code.strategy != "auto" else f"auto: {built.strategy}")
    row("code.max_flash_bytes", str(config.code.max_flash_bytes))
    row("code.target", config.code.target)
    row("code.variants", _variants(plan, built))
    pitches = [spec.pitch(axis) for axis in range(spec.dimensions)]
    row("cell", " x ".join(number(pitch) for pitch in pitches) + " codes")
    row("half branch distance", " x ".join(number(pitch / 2) for pitch in pitches) + " codes")
    row("curve length", f"{number(spec.curve.length(spec.inset))} unit intervals")
    row("tables", _sizes(built))
    width = max(len(key) for key, _ in rows)
    lines = [f"{key:<{width}}  {value}" for key, value in rows]
    lines += [line for head in heads_of(plan) for line in textwrap.wrap(head, 110, subsequent_indent="  ")]
    lines += ["", *_wrap(built.note)]
    for warning in plan.warnings:
        lines += ["", *_wrap("Warning: " + warning)]
    return tuple(comment(line) for line in lines)


def heads_of(plan: Plan) -> list[str]:
    """Where each head lies in the model: one line a head with the tensor's whole name; none without a model."""
    heads = plan.settings.heads
    if heads is None:
        return []
    return [f"head {AXES[axis]}: {heads.place(axis)} of {heads.path.name}" for axis in range(heads.dimensions)]


def heads_doc(plan: Plan) -> tuple[str, ...]:
    """`heads_of` as a list in a Doxygen comment; none where each head is a parameter (`params_doc`)."""
    if plan.spec.heads.layout == "planar":
        return ()
    return tuple(
        comment(line)
        for head in heads_of(plan)
        for line in textwrap.wrap("- " + _for_doxygen(head), 110, subsequent_indent="  ")
    )


def params_doc(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Of each head the lines that go on with its parameter in a Doxygen comment: the tensor, by its whole name."""
    heads = plan.settings.heads
    return tuple(
        tuple(
            comment(line)
            for line in textwrap.wrap(
                _for_doxygen(f"{heads.place(axis)} of {heads.path.name}"), 110,
                initial_indent=" " * _PARAMETER, subsequent_indent=" " * _PARAMETER,
            )
        )
        if heads is not None
        else ()
        for axis in range(plan.spec.inputs)
    )  # fmt: skip


def _for_doxygen(text: str) -> str:
    """`text` without commands and marks of Doxygen."""
    return re.sub(r"([\\@<>#%&])", r"\\\1", text)


def _variants(plan: Plan, built: Built) -> str:
    """Those in the file, and the setting that chose them."""
    names, wanted = ", ".join(built.implementations), plan.config.code.variants
    return f"{wanted}: {names}" if wanted in ("auto", "all") else names


def _sizes(built: Built) -> str:
    """Bytes of the tables, of each variant where they differ."""
    portable = built.portable.table_bytes
    others = [
        f"with {VARIANTS[name].title} {code.table_bytes}"
        for name, code in built.variants.items()
        if name != PORTABLE and code.table_bytes != portable
    ]
    return ", ".join([f"{portable} bytes", *others])


def _wrap(text: str, width: int = 110) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def comment(text: str) -> str:
    """`text` as it may stand inside a C comment: one line of ASCII, unable to end or nest the comment."""
    line = "".join(c if " " <= c <= "~" else "?" for c in text)
    for pair, harmless in (("*/", "* /"), ("/*", "/ *"), ("//", "/ /"), ("??", "? ?")):
        while pair in line:
            line = line.replace(pair, harmless)
    return line.rstrip("\\ ") if line.rstrip(" ").endswith("\\") else line.rstrip()
