"""The configuration's tables and keys, as pydantic models.

They are the one schema: `loading` validates by them, and the configuration reference in the documentation is printed
from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hilbert_codegen.curves import ORIENTATIONS

#: Every float32 (a model's scale) has an exact decimal of at most 112 digits; exact arithmetic on many more is slow.
MAX_DIGITS = 120

C_KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "asm",
        "bool",
        "catch",
        "class",
        "constexpr",
        "delete",
        "explicit",
        "export",
        "false",
        "friend",
        "mutable",
        "namespace",
        "new",
        "operator",
        "private",
        "protected",
        "public",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typename",
        "using",
        "virtual",
        "alignas",
        "alignof",
        "nullptr",
        "static_assert",
        "thread_local",
        "typeof",
    ]
)


def _ranges(value: object) -> object:
    """[low, high] for all heads, or a list of such pairs."""
    if value in ([], ()):
        raise ValueError("is empty")
    if isinstance(value, (list, tuple)) and value and all(isinstance(pair, (list, tuple)) for pair in value):
        return tuple(tuple(pair) for pair in value)
    return list_to_tuple(value)


def _finite(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("is no number")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("is not finite")
    if number and not -30 <= number.adjusted() <= 30:
        raise ValueError("is out of all proportion")
    if len(number.as_tuple().digits) > MAX_DIGITS:
        raise ValueError(f"has more than {MAX_DIGITS} digits")
    return number


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("is not positive")
    return value


def _prefix(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", value):
        raise ValueError("is no C identifier of at most 40 letters, digits and _, starting with a letter")
    if value in C_KEYWORDS:
        raise ValueError("is a keyword of C or C++")
    return value


def _version(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"(0|[1-9]\d{0,5})(\.(0|[1-9]\d{0,5})){2}", value):
        raise ValueError("is no version of three numbers")
    return value


def _core(value: object) -> object:
    """The name of a core as the others are spelt: Cortex-M0+ is cortex-m0plus."""
    return value.lower().replace("m0+", "m0plus") if isinstance(value, str) else value


def list_to_tuple(value: object) -> object:
    """TOML has lists where the models have tuples."""
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[Decimal, BeforeValidator(_finite)]
Positive = Annotated[Number, BeforeValidator(_positive), BeforeValidator(_finite)]
#: One number, or several in a list.
Numbers = Number | Annotated[tuple[Number, ...], BeforeValidator(list_to_tuple)]


def _key(default: Any, description: str, takes: str, **limits: Any) -> Any:
    """A field with the two sentences its user meets: what it means, and (in errors) what it takes."""
    extra: dict[str, Any] = {"takes": takes}
    if default is ...:
        return Field(description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CurveTable(_Table):
    """The curve the network was trained on."""

    kind: str = _key("hilbert", "Which curve.", "the name of a curve: hilbert, moore, serpentine")
    dimensions: int = _key(
        2,
        "Number of heads: the curve runs through a cube of so many dimensions.",
        "a whole number from 2 to 6",
        ge=2,
        le=6,
    )
    order: int = _key(
        3,
        "Order p: the grid has side 2^p. Three dimensions have orders 1 to 3, four 1 and 2, five and six 1.",
        "a whole number from 1 to 6",
        ge=1,
        le=6,
    )
    inset: Literal["cell"] | Number = _key(
        "cell",
        "Margin k between the unit square and the outermost vertices. `cell` is 2^-(order+1), which puts every vertex "
        "in the middle of its cell.",
        '"cell" or a number in [0, 0.5)',
    )
    orientation: str = _key(
        "d2xy",
        "The symmetry of the square that the network was trained with. With more than two heads: the axis of the curve "
        "that each of them follows, with a minus where backwards, say `z,-x,y`.",
        "one of " + ", ".join(ORIENTATIONS) + "; with more than two heads d2xy or a list of axes",
    )


class HeadsTable(_Table):
    """The network's two quantized outputs; filled from the model where one is given."""

    dtype: Literal["int8", "uint8", "int16"] = _key("int8", "Type of a code.", '"int8", "uint8" or "int16"')
    layout: Literal["interleaved", "planar"] = _key(
        "interleaved", "x0 y0 x1 y1 ... in one buffer, or one buffer for each head.", '"interleaved" or "planar"'
    )
    scale: Annotated[tuple[Positive, ...], BeforeValidator(list_to_tuple)] = _key(
        ...,
        "Quantization scale of every head (x, y, ...); one number stands for all.",
        "a positive number, or one for each head in a list",
    )
    zero_point: Annotated[tuple[int, ...], BeforeValidator(list_to_tuple)] = _key(
        ...,
        "Quantization zero point of every head; one number stands for all.",
        "a whole number, or one for each head in a list",
    )
    range: Annotated[tuple[Number, Number] | tuple[tuple[Number, Number], ...], BeforeValidator(_ranges)] = _key(
        (Decimal(0), Decimal(1)),
        "The head values that span the unit square: [0, 1] for sigmoid heads, [-1, 1] for tanh heads; or such a pair for "
        "each head.",
        "[low, high] with low < high, or a list of such pairs",
    )


class OutputTable(_Table):
    """The decoded number."""

    dtype: Literal["uint8", "int8", "uint16", "int16", "int32"] = _key(
        "uint16", "Type of the result.", '"uint8", "int8", "uint16", "int16" or "int32"'
    )
    codes: Annotated[tuple[int, int], BeforeValidator(list_to_tuple)] | None = _key(
        None,
        "The results that stand for t = 0 and t = 1, in either order, say [500, 10000] for millimetres. Without it: 0 "
        "and the largest value of dtype (on a closed curve one more, so that a turn is the whole type).",
        "[code at t = 0, code at t = 1], different, within dtype",
    )


class DecoderTable(_Table):
    """How a point off the curve is read."""

    estimator: Literal["nearest", "mean", "fused"] = _key(
        "nearest",
        "`nearest`: the nearest point of the curve. `mean`: beyond `gate`, the posterior mean of t under Gaussian "
        "head noise. `fused`: a further head, the last one, gives t itself, and where the curve's value is more than "
        "`threshold` away from it the result is their average, by `weight`; with `sigma` and `gate` a curve of two heads is read as by "
        "`mean`.",
        '"nearest", "mean" or "fused"',
    )
    sigma: Number | None = _key(
        None, "Standard deviation of the head noise, in cells (estimators mean and fused).", "a number in [0.05, 2]"
    )
    gate: Number | None = _key(
        None,
        "Distance to the curve, in cells, past which the mean is taken (estimators mean and fused).",
        "a number in [0, 2]",
    )
    threshold: Numbers | None = _key(
        None,
        "Difference between the curve's value and the last head's, as a share of the range, past which their average "
        "is taken (estimator fused). Several in a list, each larger than the one before: past each the average is another.",
        "a number from 0 to 1, below 1, or a list of up to four",
    )
    weight: Numbers | None = _key(
        None,
        "Share of the curve's value in that average, a half where none is given (estimator fused); with several thresholds "
        "a list, one for each.",
        "sixteenths from 0.0625 to 0.9375, say 0.5, or a list of them",
    )
    distance: bool = _key(False, "Also emit functions that give the distance to the curve, in codes.", "true or false")


class CodeTable(_Table):
    """The C that is written."""

    prefix: Annotated[str, BeforeValidator(_prefix)] = _key(
        "hilbert", "Start of every name in the C files and of the files' names.", "a C identifier"
    )
    strategy: str = _key(
        "auto", "How the decoder works; `auto` is the fastest that fits.", "auto or the name of a strategy"
    )
    max_flash_bytes: int = _key(
        20480,
        "Most bytes of flash, tables and code together, that `auto` may spend on `target`; a strategy by name that takes "
        "more is a warning.",
        "a whole number from 64 to 1048576",
        ge=64,
        le=1 << 20,
    )
    target: Annotated[str, BeforeValidator(_core)] = _key(
        "cortex-m4",
        "The core that the C is for: `auto` chooses strategy and variants by it. `any` takes all variants, and the strategy "
        "that is fastest on a Cortex-M4.",
        "the name of a core, say cortex-m4, or any",
    )
    variants: Annotated[str | tuple[str, ...], BeforeValidator(list_to_tuple)] = _key(
        "auto",
        "C for some cores and compilers beside the portable C, which is always there: `auto` is what `target` can use.",
        "auto, all, or names of variants in a list",
    )
    version: Annotated[str, BeforeValidator(_version)] = _key(
        "0.1.0",
        "Version of the package that `--package` makes: raise it with every change of the decoder that you release.",
        'three numbers, say "1.4.0"',
    )


class ModelTable(_Table):
    """The model file that dtype, layout, scale and zero point of the heads are read from."""

    file: str = _key(
        ..., "Path of the model, relative to the configuration file.", "the path of a .tflite or .onnx file"
    )
    outputs: tuple[int | str, ...] | int | str | None = _key(
        None,
        "The output that holds the heads in its last axis (or in axis 1, behind a batch of 1), or one output for each "
        "head, x first. Each by its name in the signature, by its tensor's whole name, or by its index among the "
        "model's outputs. Without it: the only output, or those that the signature calls `x`, `y` or `output_0`, "
        "`output_1`.",
        "a name or index, or one for each head in a list",
    )
    signature: str | None = _key(None, "The signature to read, where the model has several.", "the name of a signature")


class Config(_Table):
    """A whole configuration file."""

    curve: CurveTable = CurveTable()
    heads: HeadsTable
    output: OutputTable = OutputTable()
    decoder: DecoderTable = DecoderTable()
    code: CodeTable = CodeTable()
    model: ModelTable | None = None


def known_keys() -> dict[str, list[str]]:
    """Table -> its keys, in the order of the schema."""
    tables = {}
    for table, field in Config.model_fields.items():
        annotation: Any = field.annotation
        model = ModelTable if table == "model" else annotation
        tables[table] = list(model.model_fields)
    return tables


def takes(location: Sequence[int | str]) -> str:
    """What the key at `location`, a table and a name, takes: the second of its sentences."""
    table = location[0]
    model: Any = ModelTable if table == "model" else Config.model_fields[str(table)].annotation
    if len(location) < 2 or location[1] not in model.model_fields:
        return "a table of keys"
    return str((model.model_fields[str(location[1])].json_schema_extra or {})["takes"])
