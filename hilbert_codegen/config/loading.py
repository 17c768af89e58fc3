"""The configuration: TOML -> a validated, frozen `Config`, and where every value of it came from."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hilbert_codegen.config.schema import Config, ModelTable, known_keys, list_to_tuple, takes
from hilbert_codegen.config.toml import parse_setting, read_toml, show_value
from hilbert_codegen.errors import UsageError
from hilbert_codegen.models.model import AXES, HeadTensors, find_heads

#: Tables that only a pilot file (pilot/settings.py) has.
PILOT_TABLES = frozenset(["task", "data", "evaluate", "baseline", "kpi"])


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

    def files(self, config: Path) -> list[Path]:
        """What was read: the file `config`, and the model's."""
        return [config] if self.model is None else [config, self.model]

    def error(self, key: str, problem: str, remedy: str) -> UsageError:
        """A one-line error about the value at dotted `key`."""
        table, _, name = key.partition(".")
        value = getattr(getattr(self.config, table), name)
        shown = "" if value is None else f" = {show_value(value)}"
        return UsageError(f"{self.source}: {key}{shown}: {problem}; {remedy}")


def _each(value: object, count: int) -> object:
    """One number stands for all `count` heads."""
    if isinstance(value, list):
        return tuple(value)
    return value if isinstance(value, tuple) else (value,) * count


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
        return UsageError(f"{source}: {key}: missing; it takes {takes(location)}")
    value: Any = raw
    for part in location:
        value = value.get(part) if isinstance(value, Mapping) else value
    if isinstance(value, Mapping):
        value = "{...}"
    reason = problem["msg"].removeprefix("Value error, ") + "; " if problem["type"] == "value_error" else ""
    return UsageError(f"{source}: {key} = {show_value(value)}: {reason}it takes {takes(location)}")


def load(path: Path, settings: Sequence[str] = (), model: Path | None = None) -> Settings:
    """Read and validate the configuration at `path`.

    Args:
        path: the TOML file.
        settings: "table.key=value" strings that override it (--set).
        model: a model file that fills [heads], instead of [model] file.

    Raises UsageError naming file, key, value and remedy.
    """
    return resolve(read_toml(path), path.name, path.parent, settings, model)


def resolve(
    raw: dict[str, Any], source: str, folder: Path, settings: Sequence[str] = (), model: Path | None = None
) -> Settings:
    """Validate a configuration as `read_toml` gives it: tables of values, which are changed where others override them.

    Args:
        raw: the tables.
        source: what messages call it.
        folder: that paths in it start from.
        settings, model: as in `load`.

    Raises UsageError naming source, key, value and remedy.
    """
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
            wanted = ModelTable.model_validate({key: list_to_tuple(value) for key, value in raw["model"].items()})
        except ValidationError as error:
            raise _first_problem(source, raw, _Relocated(error)) from None  # type: ignore[arg-type]
        file = model if model is not None else folder / wanted.file
        if model is None and not file.is_file():
            raise UsageError(
                f"{source}: model.file = {show_value(wanted.file)}: no such file; give the path of a .tflite or .onnx file, "
                f"relative to the configuration's folder"
            )
        heads = raw.setdefault("heads", {})
        tensors = find_heads(
            file, wanted.outputs, wanted.signature, dimensions=_inputs(raw, source), layout=heads.get("layout")
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
            raw["model"]["outputs"] = list_to_tuple(raw["model"]["outputs"])
    try:
        config = Config.model_validate(_spread(raw, source))
    except ValidationError as error:
        raise _first_problem(source, raw, error) from None
    for table, keys in known_keys().items():
        for key in keys:
            origin.setdefault(f"{table}.{key}", "default")
    return Settings(config, source, folder, tuple(arguments), origin, file, tensors)


def _inputs(raw: Mapping[str, Any], source: str) -> int:
    """Number of heads that an unchecked configuration asks for: one for each axis of the curve, and a fused one.

    Raises UsageError where the fused one is one too many.
    """
    curve, decoder = raw.get("curve"), raw.get("decoder")
    count = curve.get("dimensions", 2) if isinstance(curve, Mapping) else 2
    fused = isinstance(decoder, Mapping) and decoder.get("estimator") == "fused"
    if not isinstance(count, int) or not 2 <= count <= len(AXES):
        return 2 + fused
    if count + fused > len(AXES):
        raise UsageError(
            f"{source}: curve.dimensions = {count}: with the fused head a point has {count + fused} codes, and "
            f"{len(AXES)} is the most; give 2 to {len(AXES) - 1}, or another estimator"
        )
    return count + fused


def _spread(raw: dict[str, Any], source: str) -> dict[str, Any]:
    """The same with a scale or zero point that stands for all heads written out for each of them."""
    heads = raw.get("heads")
    if not isinstance(heads, dict):
        return raw
    each = {key: _each(heads[key], _inputs(raw, source)) for key in ("scale", "zero_point") if key in heads}
    return {**raw, "heads": {**heads, **each}}


class _Relocated:
    """The errors of a lone [model] table, located as if the whole configuration had been validated."""

    def __init__(self, error: ValidationError) -> None:
        self._errors = [{**entry, "loc": ("model", *entry["loc"])} for entry in error.errors()]

    def errors(self) -> list[dict[str, Any]]:
        return self._errors


def _same(given: object, found: object) -> bool:
    """Whether what the user wrote is what the model says: one word, or a number for each head, or one for all of them."""
    if not isinstance(found, tuple):
        return given == found
    numbers = _each(given, len(found))
    if not isinstance(numbers, tuple) or len(numbers) != len(found):
        return False
    try:
        return all(float(a) == float(b) for a, b in zip(numbers, found, strict=True))
    except (TypeError, ValueError):
        return False
