"""The configuration: TOML -> a validated, frozen `Config`, and where every value of it came from.

The pydantic models below are the one schema: they validate, and the configuration reference in the documentation is
printed from them.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from hilbert_codegen.curves import ORIENTATIONS
from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.model import AXES, HeadTensors, find_heads

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Configurations are small; anything larger was not meant to be one.
MAX_CONFIG_BYTES = 1 << 20
#: A key of more parts than this takes the parser time and memory with the square of their number.
MAX_KEY_PARTS = 32
_KEY_PART = r"""(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY_PART}(?:[ \t]*\.[ \t]*{_KEY_PART}){{{MAX_KEY_PARTS}}}")
#: Whole numbers of more bits stand for nothing that is configured here.
MAX_BITS = 256

#: Every float32 (a model's scale) has an exact decimal of at most 112 digits; exact arithmetic on many more is slow.
MAX_DIGITS = 120

#: Tables that only a pilot file (pilot/settings.py) has.
PILOT_TABLES = frozenset(["task", "data", "evaluate", "baseline", "kpi"])

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


def _each(value: object, count: int) -> object:
    """One number stands for all `count` heads."""
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, tuple) else (value,) * count


def _ranges(value: object) -> object:
    """[low, high] for all heads, or a list of such pairs."""
    if value in ([], ()):
        raise ValueError("is empty")
    if isinstance(value, (list, tuple)) and value and all(isinstance(pair, (list, tuple)) for pair in value):
        return tuple(tuple(pair) for pair in value)
    return _list_to_tuple(value)


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


def _list_to_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Number = Annotated[Decimal, BeforeValidator(_finite)]
Positive = Annotated[Number, BeforeValidator(_positive), BeforeValidator(_finite)]


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
    scale: Annotated[tuple[Positive, ...], BeforeValidator(_list_to_tuple)] = _key(
        ...,
        "Quantization scale of every head (x, y, ...); one number stands for all.",
        "a positive number, or one for each head in a list",
    )
    zero_point: Annotated[tuple[int, ...], BeforeValidator(_list_to_tuple)] = _key(
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
    codes: Annotated[tuple[int, int], BeforeValidator(_list_to_tuple)] | None = _key(
        None,
        "The results that stand for t = 0 and t = 1, in either order, say [500, 10000] for millimetres. Without it: 0 "
        "and the largest value of dtype (on a closed curve one more, so that a turn is the whole type).",
        "[code at t = 0, code at t = 1], different, within dtype",
    )


class DecoderTable(_Table):
    """How a point off the curve is read."""

    estimator: Literal["nearest", "mean"] = _key(
        "nearest",
        "`nearest`: the nearest point of the curve. `mean`: beyond `gate`, the posterior mean of t under Gaussian "
        "head noise.",
        '"nearest" or "mean"',
    )
    sigma: Number | None = _key(
        None, "Standard deviation of the head noise, in cells (estimator mean).", "a number in [0.05, 2]"
    )
    gate: Number | None = _key(
        None, "Distance to the curve, in cells, past which the mean is taken (estimator mean).", "a number in [0, 2]"
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
    target: str = _key(
        "cortex-m4",
        "The core that the C is for: `auto` chooses strategy and variants by it. `any` takes all variants, and the strategy "
        "that is fastest on a Cortex-M4.",
        "the name of a core, say cortex-m4, or any",
    )
    variants: Annotated[str | tuple[str, ...], BeforeValidator(_list_to_tuple)] = _key(
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


@dataclass(frozen=True)
class Settings:
    """A validated configuration with the origin of its values.

    Attributes:
        config: the validated values.
        source: name of the configuration file, without its folder.
        folder: folder of the configuration file; paths in it are relative to this.
        arguments: the words of the command line that changed values, for the banner.
        origin: dotted key -> "default", the file's name, "--set", or the model tensor it was read from.
        model: the model file that was read, or None.
        heads: the tensors of that file that hold the heads, or None.
    """

    config: Config
    source: str
    folder: Path
    arguments: tuple[str, ...]
    origin: Mapping[str, str]
    model: Path | None = None
    heads: HeadTensors | None = None

    def error(self, key: str, problem: str, remedy: str) -> UsageError:
        """A one-line error about the value at dotted `key`."""
        table, _, name = key.partition(".")
        value = getattr(getattr(self.config, table), name)
        shown = "" if value is None else f" = {show_value(value)}"
        return UsageError(f"{self.source}: {key}{shown}: {problem}; {remedy}")


def show_value(value: object) -> str:
    """A configuration value as TOML would write it, on one line, shortened past 60 characters."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show_value(item) for item in value) + "]"
    elif isinstance(value, Fraction):
        text = str(float(value))
    elif isinstance(value, str):
        text = '"' + value.encode("unicode_escape").decode().replace('"', '\\"') + '"'
    elif isinstance(value, Mapping):
        text = "{...}"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_toml(path: Path, what: str = "configuration") -> dict[str, Any]:
    """Parse the TOML file `path`; numbers with a point become Decimal. UsageError if it can't be read or parsed."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CONFIG_BYTES + 1)
        if len(content) > MAX_CONFIG_BYTES:
            raise UsageError(f"{path.name}: larger than {MAX_CONFIG_BYTES} bytes: is it a {what} file?")
        if content[4:8] == b"TFL3":
            raise UsageError(f"{path.name}: is a .tflite model, no {what}; give the model with --model, or in [model]")
        # Editors on Windows put a byte order mark before UTF-8; TOML has none.
        text = content.decode("utf-8-sig")
        if long := _LONG_KEY.search(text):
            line = text.count("\n", 0, long.start()) + 1
            raise UsageError(f"{path.name}: line {line}: a key of more than {MAX_KEY_PARTS} parts; keys are table.key")
        parsed = tomllib.loads(text, parse_float=Decimal)
        if _has_long_number(parsed):
            raise UsageError(
                f"{path.name}: a whole number of more than {MAX_BITS} bits; none that is configured is so long"
            )
        return parsed
    except FileNotFoundError:
        raise UsageError(f"{path}: no such {what} file; give the path of a .toml file") from None
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError, ValueError) as error:
        raise UsageError(f"{path.name}: not valid TOML: {_one_line(error)}") from None


def _has_long_number(parsed: object) -> bool:
    """Whether a whole number has over MAX_BITS bits: as a decimal number it takes long to write, or Python refuses to."""
    waiting = [parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            return True
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return False


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def parse_setting(text: str) -> tuple[str, str, Any]:
    """Split `table.key=value` of --set; the value is TOML, or a bare word taken as a string."""
    name, equals, value = text.partition("=")
    match = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", name.strip())
    if not equals or not match:
        raise UsageError(f"--set {text}: write it as table.key=value, for example --set curve.order=2")
    try:
        parsed = tomllib.loads("" if _LONG_KEY.search(value) else f"value = {value}", parse_float=Decimal)["value"]
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError, ValueError, KeyError):
        parsed = value.strip()
    if _has_long_number(parsed):
        raise UsageError(f"--set {name.strip()}: a whole number of more than {MAX_BITS} bits; give a shorter one")
    return match[1], match[2], parsed


def known_keys() -> dict[str, list[str]]:
    """Table -> its keys, in the order of the schema."""
    tables = {}
    for table, field in Config.model_fields.items():
        annotation: Any = field.annotation
        model = ModelTable if table == "model" else annotation
        tables[table] = list(model.model_fields)
    return tables


def _takes(location: Sequence[int | str]) -> str:
    table = location[0]
    model: Any = ModelTable if table == "model" else Config.model_fields[str(table)].annotation
    if len(location) < 2 or location[1] not in model.model_fields:
        return "a table of keys"
    return str((model.model_fields[str(location[1])].json_schema_extra or {})["takes"])


def _first_problem(source: str, raw: Mapping[str, Any], error: ValidationError) -> UsageError:
    """The first thing wrong, in one line with file, key, value and remedy."""
    # A misspelt name first: what is missing is most often what was misspelt.
    problem = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    location = [part for part in problem["loc"] if isinstance(part, str)][:2]
    key = ".".join(location)
    tables = known_keys()
    if problem["type"] == "extra_forbidden":
        if len(location) == 1:
            close = difflib.get_close_matches(key, tables, 1)
            remedy = f"did you mean [{close[0]}]? " if close else ""
            return UsageError(
                f"{source}: [{show_value(key)[1:-1]}]: unknown table; {remedy}known are {', '.join(tables)}"
            )
        known = tables[location[0]]
        close = difflib.get_close_matches(location[1], known, 1)
        remedy = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}"
        return UsageError(f"{source}: {show_value(key)[1:-1]}: unknown key in [{location[0]}]; {remedy}")
    if problem["type"] == "missing":
        if location[0] == "heads":
            wanted = key if len(location) > 1 else "heads.scale"
            return UsageError(
                f"{source}: {wanted}: missing; write it in [heads], or name the model it is in (--model FILE)"
            )
        return UsageError(f"{source}: {key}: missing; it takes {_takes(location)}")
    value: Any = raw
    for part in location:
        value = value.get(part) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        value = "{...}"
    reason = problem["msg"].removeprefix("Value error, ") + "; " if problem["type"] == "value_error" else ""
    return UsageError(f"{source}: {key} = {show_value(value)}: {reason}it takes {_takes(location)}")


def load(path: Path, settings: Sequence[str] = (), model: Path | None = None) -> Settings:
    """Read and validate the configuration at `path`.

    Args:
        path: the TOML file.
        settings: "table.key=value" strings that override it (--set).
        model: a model file that fills [heads], instead of [model] file.

    Raises UsageError naming file, key, value and remedy.
    """
    raw = read_toml(path)
    source = path.name
    if PILOT_TABLES & raw.keys() or isinstance(raw.get("model"), list):
        raise UsageError(f"{source}: is a pilot file, for evaluate and advise; give the configuration of a decoder")
    origin: dict[str, str] = {}
    file: Path | None = None
    tensors: HeadTensors | None = None
    for table, values in raw.items():
        if not isinstance(values, dict):
            raise UsageError(
                f"{source}: {show_value(table)[1:-1]} = {show_value(values)}: not in a table; "
                f"known tables are {', '.join(known_keys())}"
            )
        origin.update({f"{table}.{key}": source for key in values})
    for text in settings:
        table, key, value = parse_setting(text)
        raw.setdefault(table, {})[key] = value
        origin[f"{table}.{key}"] = "--set"
    arguments = [word for text in settings for word in ("--set", text)]
    if model is not None:
        raw.setdefault("model", {})["file"] = str(model)
        arguments += ["--model", model.name]
    if isinstance(raw.get("model"), dict) and "file" in raw["model"]:
        try:
            wanted = ModelTable.model_validate({key: _list_to_tuple(value) for key, value in raw["model"].items()})
        except ValidationError as error:
            raise _first_problem(source, raw, _Relocated(error)) from None  # type: ignore[arg-type]
        file = model if model is not None else path.parent / wanted.file
        heads = raw.setdefault("heads", {})
        tensors = find_heads(
            file, wanted.outputs, wanted.signature, dimensions=_dimensions(raw), layout=heads.get("layout")
        )
        for key, value in tensors.values().items():
            if f"heads.{key}" in origin and not _same(heads[key], value):
                raise UsageError(
                    f"{source}: heads.{key} = {show_value(heads[key])}: the model {file.name} says "
                    f"{show_value(value)}; delete the key, or name another model"
                )
            heads[key] = value
            origin[f"heads.{key}"] = file.name
        raw["model"] = {**raw["model"], "file": file.name}
        if "outputs" in raw["model"]:
            raw["model"]["outputs"] = _list_to_tuple(raw["model"]["outputs"])
    try:
        config = Config.model_validate(_spread(raw))
    except ValidationError as error:
        raise _first_problem(source, raw, error) from None
    for table, keys in known_keys().items():
        for key in keys:
            origin.setdefault(f"{table}.{key}", "default")
    return Settings(config, source, path.parent, tuple(arguments), origin, file, tensors)


def _dimensions(raw: Mapping[str, Any]) -> int:
    """Number of heads that an unchecked configuration asks for."""
    curve = raw.get("curve")
    count = curve.get("dimensions", 2) if isinstance(curve, Mapping) else 2
    return count if isinstance(count, int) and 2 <= count <= len(AXES) else 2


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """The same with a scale or zero point that stands for all heads written out for each of them."""
    curve, heads = raw.get("curve"), raw.get("heads")
    count = curve.get("dimensions", 2) if isinstance(curve, dict) else 2
    if not isinstance(heads, dict) or not isinstance(count, int) or not 0 < count < 7:
        return raw
    each = {key: _each(heads[key], count) for key in ("scale", "zero_point") if key in heads}
    return {**raw, "heads": {**heads, **each}}


class _Relocated:
    """The errors of a lone [model] table, located as if the whole configuration had been validated."""

    def __init__(self, error: ValidationError) -> None:
        self._errors = [{**entry, "loc": ("model", *entry["loc"])} for entry in error.errors()]

    def errors(self) -> list[dict[str, Any]]:
        return self._errors


def _same(given: object, found: object) -> bool:
    given = _each(given, len(found) if isinstance(found, tuple) else 1)
    if isinstance(given, tuple) and isinstance(found, tuple) and len(given) == len(found):
        try:
            return all(float(a) == float(b) for a, b in zip(given, found, strict=True))
        except (TypeError, ValueError):
            return given == found
    return given == found
