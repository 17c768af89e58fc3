"""PILOT.toml: which models, which samples, which question. Read and validated here, run in `evaluate`."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from hilbert_codegen.config.schema import known_keys
from hilbert_codegen.config.toml import read_toml, show_value
from hilbert_codegen.errors import UsageError
from hilbert_codegen.pilot.baselines import KINDS
from hilbert_codegen.pilot.metrics import METRICS

#: Errors can be summed up over these points. "near" keeps the points near the curve, "mask" those of the data's mask.
SUBSETS = ("all", "near", "mask", "mask near")
#: Data past this size unpacked is refused.
MAX_DATA_BYTES = 1 << 32
#: Numbers of a pilot are 0, or at least LEAST and at most MOST: squares and quotients of all of them stay finite.
LEAST, MOST = 1e-30, 1e30
#: Larger inputs are none that a net of 32-bit floats could be given.
MOST_INPUT = float(np.finfo(np.float32).max)
#: t is between 0 and 1 but for noise; further off it is the truth in another unit.
MOST_T = 1e6
#: Truth outside t = 0 to 1 by more than this is not rounding, and is said.
ROUNDING = 1e-6
#: Where more than this share of it lies outside, and t does not wrap round, the truth is refused.
NEARLY_ALL = 0.9
#: What NumPy and zipfile raise on files that are damaged, or made to do harm.
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, TypeError, MemoryError, OverflowError, NotImplementedError, RuntimeError,
    SyntaxError, RecursionError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _float(value: object) -> object:
    return float(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def _measured(value: float) -> float:
    if value and not LEAST <= abs(value) <= MOST:
        raise PydanticCustomError("size", f"input should be 0, or {LEAST:g} to {MOST:g} in size")
    return value


Number = Annotated[float, BeforeValidator(_float), Field(allow_inf_nan=False), AfterValidator(_measured)]
Positive = Annotated[Number, Field(gt=0)]
Ends = Annotated[tuple[Number, Number], BeforeValidator(_tuple)]


def _one_of(known: Iterable[str]) -> AfterValidator:
    names = tuple(known)

    def check(value: str) -> str:
        if value not in names:
            raise PydanticCustomError("unknown", f"input should be one of {', '.join(names)}")
        return value

    return AfterValidator(check)


Outputs = Annotated[tuple[int | str, ...] | int | str | None, BeforeValidator(_tuple)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TaskTable(_Table):
    """What is measured: its name, unit and the values at t = 0 and t = 1.

    `circular`: the two values are the same place (an angle); errors are then taken the short way round. So they are
    where a model's curve is closed.
    """

    title: str = "Pilot"
    about: str = ""
    quantity: str = "value"
    unit: str = ""
    values: Ends = (0.0, 1.0)
    circular: bool = False


class DataTable(_Table):
    """Samples and truth: arrays of one .npz file, or the .npy files that the keys name.

    The real network input is (array - offset) / divide. A network of several inputs has a table of them: the name of
    each input in its signature (or its tensor's whole name) and the array for it. The truth is in t ("t") or in the task's unit ("task").
    `mask` is true where a point is to be looked at apart ("away from depth edges").
    """

    file: str | None = None
    inputs: str | dict[str, str] = "inputs"
    truth: str = "truth"
    truth_in: Literal["t", "task"] = "task"
    mask: str | None = None
    mask_label: str = "inside the mask"
    offset: Number = 0.0
    divide: Positive = 1.0


class EvaluateTable(_Table):
    """How to evaluate.

    A float net with Hilbert heads has learnt its task if its MAE and RMSE to truth exceed those of the best 1D float
    net by at most `learnt_margin` times what INT8 leaves to that 1D net (a difference between float nets that is small
    against the quantization does not matter), and at most the share `wrong_branch` of its points lies on another branch
    than the truth.
    """

    seeds: Annotated[tuple[int, ...], BeforeValidator(_tuple), Field(min_length=1)] = (0,)
    near: Positive = 0.35
    bootstrap: Annotated[int, Field(ge=50, le=100_000)] = 400
    kernels: Literal["reference", "optimized"] = "reference"
    learnt_margin: Positive = 0.25
    wrong_branch: Positive = 0.05


class ModelTable(_Table):
    """A network with Hilbert heads; {seed} in a file name stands for each seed.

    Without the float net there are no quantization errors, only those to truth.
    """

    name: str
    decoder: str
    set: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()
    float: str | None = None
    quantized: str
    outputs: Outputs = None
    float_outputs: Outputs = None


class BaselineTable(_Table):
    """A network without Hilbert heads; `kind` is one of `baselines.KINDS`, by default told from its output's type.

    `range`: the head values of t = 0 and t = 1, of "cos_sin" those that stand for -1 and 1; by default that of the kind.
    `rival = false` shows it for comparison only, as a net that the target can't run.
    """

    name: str
    kind: Annotated[str, _one_of(KINDS)] | None = None
    float: str | None = None
    quantized: str
    range: Ends = (0.0, 1.0)
    output: Outputs = 0
    float_output: Outputs = None
    rival: bool = True

    @model_validator(mode="before")
    @classmethod
    def _range_of_the_kind(cls, given: Any) -> Any:
        kind = given.get("kind") if isinstance(given, dict) else None
        return {"range": KINDS[kind].ends, **given} if isinstance(kind, str) and kind in KINDS else given


class KpiTable(_Table):
    """The question: is `metric` of the error (in the task's unit) at most `limit`, in every seed?"""

    model: str
    metric: Annotated[str, _one_of(METRICS)] = "mae"
    of: Literal["truth", "quantization"] = "truth"
    points: Literal["all", "near", "mask", "mask near"] = "all"
    limit: Positive
    min_gain: Positive | None = None
    baseline: str | None = None


class PilotConfig(_Table):
    """A whole PILOT.toml."""

    task: TaskTable = TaskTable()
    data: DataTable
    evaluate: EvaluateTable = EvaluateTable()
    model: Annotated[tuple[ModelTable, ...], BeforeValidator(_tuple)] = ()
    baseline: Annotated[tuple[BaselineTable, ...], BeforeValidator(_tuple)] = ()
    kpi: KpiTable | None = None


@dataclass(frozen=True)
class Samples:
    """The data of a pilot.

    Attributes:
        inputs: real network inputs by their names, float64 (n, ...) each; "" is the name of an only one.
        truth: t, float64, (n,) for one value a sample, (n, h, w) for maps.
        mask: bool of the shape of truth, or None.
    """

    inputs: dict[str, NDArray[np.float64]]
    truth: NDArray[np.float64]
    mask: NDArray[np.bool_] | None

    def joined(self) -> NDArray[np.float64]:
        """All inputs of a sample side by side, (n, values)."""
        return np.concatenate([array.reshape(len(array), -1) for array in self.inputs.values()], axis=1)


@dataclass(frozen=True)
class Pilot:
    """A validated pilot; `source` is its file's name, `folder` what paths in it are relative to."""

    config: PilotConfig
    source: str
    folder: Path

    def without_models(self) -> Pilot:
        """The same with baselines only. Raises UsageError if it has none."""
        if not self.config.baseline:
            raise UsageError(f"{self.source}: baseline: there is none; name the 1D net in a [[baseline]]")
        return replace(self, config=self.config.model_copy(update={"model": (), "kpi": None}))

    def error(self, key: str, value: object, problem: str, remedy: str) -> UsageError:
        """A one-line error about the value at `key`."""
        return UsageError(f"{self.source}: {key} = {show_value(value)}: {problem}; {remedy}")

    def path(self, key: str, name: str, seed: int | None = None) -> Path:
        """The existing file that `name` stands for, with {seed} filled in. Raises UsageError."""
        if seed is not None:
            name = name.replace("{seed}", str(seed))
        path = self.folder / name
        if not path.is_file():
            raise self.error(key, name, "no such file", "give a path relative to the pilot's file")
        return path

    def files(self) -> list[Path]:
        """All files that the pilot names, whether they are there or not: data, models of every seed, configurations."""
        data = self.config.data
        nets: list[ModelTable | BaselineTable] = [*self.config.model, *self.config.baseline]
        arrays = [data.inputs] if isinstance(data.inputs, str) else list(data.inputs.values())
        arrays += [data.truth] if data.mask is None else [data.truth, data.mask]
        names = [data.file] if data.file else arrays
        for table in nets:
            for name in filter(None, (table.float, table.quantized)):
                names += [name.replace("{seed}", str(seed)) for seed in self.config.evaluate.seeds]
        decoders = [self.folder / table.decoder for table in self.config.model]
        return [*(self.folder / name for name in names), *decoders]

    def samples(self, limit: int | None = None) -> Samples:
        """Load the data, at most the first `limit` samples. Raises UsageError naming the key at fault."""
        data = self.config.data
        named = {"": data.inputs} if isinstance(data.inputs, str) else data.inputs
        if not named:
            raise self.error("data.inputs", "{}", "names no array", "give one for every input of the network")
        inputs = {name: self._array("inputs", array) for name, array in named.items()}
        truth = self._array("truth", data.truth)
        mask = self._array("mask", data.mask) if data.mask is not None else None
        if truth.ndim > 1 and truth.shape[-1] == 1:
            truth = truth[..., 0]
            mask = mask[..., 0] if mask is not None and mask.ndim > truth.ndim else mask
        for array in inputs.values():
            count = len(array)
            if not count or len(truth) != count:
                raise self.error(
                    "data.truth", data.truth, f"{len(truth)} entries for {count} inputs", "they must match"
                )
        if mask is not None and mask.shape != truth.shape:
            raise self.error("data.mask", data.mask, f"shape {mask.shape}, truth {truth.shape}", "make them equal")
        low, high = self.config.task.values if data.truth_in == "task" else (0.0, 1.0)
        real = {
            name: self._scaled("inputs", used, array[:limit], data.offset, data.divide, MOST_INPUT)
            for (name, array), used in zip(inputs.items(), named.values(), strict=True)
        }
        t = self._scaled("truth", data.truth, truth[:limit], low, high - low, MOST_T)
        return Samples(real, t, None if mask is None else mask[:limit].astype(bool))

    def truth_outside(self, truth: NDArray[np.float64], circular: bool) -> str:
        """The line to warn with where `truth` (any shape, in t) lies outside 0 to 1; "" where all lies inside.

        Raises UsageError where nearly all of it does and t does not wrap round: no net can be judged by that.
        """
        share = float(((truth < -ROUNDING) | (truth > 1 + ROUNDING)).mean())
        if not share:
            return ""
        data, (low, high) = self.config.data, self.config.task.values
        where = f"task.values = {show_value(self.config.task.values)}"
        remedy = "give it in the task's unit, or correct data.truth_in or task.values"
        if data.truth_in == "t":
            (low, high), where = (0.0, 1.0), 't = 0 to 1, as data.truth_in = "t" has it'
            remedy = 'if it is in the task\'s unit, write data.truth_in = "task"'
        least, most = sorted((low + (high - low) * float(truth.min()), low + (high - low) * float(truth.max())))
        problem = f"{100 * share:.3g} % of it lies outside {where} (min {least:.4g}, max {most:.4g})"
        error = self.error("data.truth", data.truth, problem, remedy)
        if share > NEARLY_ALL and not circular:
            raise error
        return str(error).removeprefix(f"{self.source}: ")

    def _scaled(
        self, key: str, name: str, array: NDArray[Any], offset: float, divide: float, most: float
    ) -> NDArray[np.float64]:
        """(array - offset) / divide; UsageError where a value is none, or further from 0 than `most`."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: NDArray[np.float64] = (array.astype(np.float64) - offset) / divide
        if not np.isfinite(array).all():
            raise self.error(f"data.{key}", name, "holds values that are not finite", "clean the data")
        size = np.abs(scaled).reshape(-1)
        if size.size and size.max() > most:
            worst = array.reshape(-1)[size.argmax()]
            reason, remedy = "are not what a network can be given", "clean the data, or see data.offset and data.divide"
            if key == "truth":
                reason, remedy = "lie far outside t = 0 to 1", "clean the data, or see data.truth_in and task.values"
            raise self.error(f"data.{key}", name, f"holds values as {worst:g}, which {reason}", remedy)
        return scaled

    def _array(self, key: str, name: str) -> NDArray[Any]:
        data = self.config.data
        path = self.path("data.file" if data.file else f"data.{key}", data.file or name)
        try:
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    if sum(entry.file_size for entry in archive.infolist()) > MAX_DATA_BYTES:
                        raise ValueError(f"it unpacks to over {MAX_DATA_BYTES} bytes")
            # Mapped, a .npy file whose header promises more than the file holds is refused before memory is taken.
            loaded = np.load(path, mmap_mode="r", allow_pickle=False)
            if data.file is None:
                array = loaded
            elif not hasattr(loaded, "files"):
                raise self.error("data.file", data.file, "is no .npz archive", "delete the key to name .npy files")
            elif name not in loaded.files:
                raise self.error(f"data.{key}", name, "not in the archive", f"it has {', '.join(loaded.files)}")
            else:
                array = loaded[name]
        except UsageError:
            raise
        except _UNREADABLE as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:150]
            raise self.error(
                f"data.{key}", path.name, f"can't be read ({reason})", "give a .npz or .npy file"
            ) from None
        if not isinstance(array, np.ndarray) or array.ndim < 1 or array.dtype.kind not in "biuf":
            raise self.error(f"data.{key}", name, "is no array of numbers", "give one")
        return array


def load_pilot(path: Path) -> Pilot:
    """Read and validate the pilot at `path`. Raises UsageError naming file, key, value and remedy."""
    raw = read_toml(path, "pilot")
    if raw.keys() & set(known_keys()) - {"model"} or isinstance(raw.get("model"), dict):
        raise UsageError(
            f"{path.name}: is the configuration of a decoder, no pilot file; give a file with [data] and [[model]], and "
            f'name this one there (decoder = "{path.name}")'
        )
    try:
        config = PilotConfig.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        value = problem.get("input")
        shown = "" if problem["type"] == "missing" or isinstance(value, dict) else f" = {show_value(value)}"
        known = f"; known tables are {', '.join(PilotConfig.model_fields)}" if len(problem["loc"]) == 1 else ""
        raise UsageError(
            f"{path.name}: {key}{shown}: {problem['msg'][:1].lower()}{problem['msg'][1:]}{known}"
        ) from None
    pilot = Pilot(config, path.name, path.parent)
    _check(pilot)
    return pilot


def _check(pilot: Pilot) -> None:
    """What no single value shows. Raises UsageError."""
    config = pilot.config
    names = [table.name for table in config.model] + [table.name for table in config.baseline]
    for name in names:
        if names.count(name) > 1:
            raise pilot.error("model.name", name, "used twice", "give every model and baseline its own name")
    if not names:
        raise UsageError(f"{pilot.source}: no [[model]] and no [[baseline]]; name the networks to run")
    if abs(config.task.values[1] - config.task.values[0]) < LEAST:
        raise pilot.error("task.values", config.task.values, "the two are equal", "give the values at t = 0 and t = 1")
    for table in config.baseline:
        if abs(table.range[1] - table.range[0]) < LEAST:
            raise pilot.error(
                "baseline.range", table.range, "the two are equal", "give the head values at t = 0 and t = 1"
            )
    for seed in config.evaluate.seeds:
        if config.evaluate.seeds.count(seed) > 1:
            raise pilot.error("evaluate.seeds", config.evaluate.seeds, f"{seed} is there twice", "give every seed once")
    if config.kpi is not None:
        if config.kpi.model not in [table.name for table in config.model]:
            raise pilot.error("kpi.model", config.kpi.model, "no such model", f"give one of {', '.join(names)}")
        if config.kpi.baseline not in (None, *(table.name for table in config.baseline)):
            raise pilot.error("kpi.baseline", config.kpi.baseline, "no such baseline", "name one of [[baseline]]")
        if config.kpi.min_gain is not None and not config.baseline:
            raise pilot.error("kpi.min_gain", config.kpi.min_gain, "needs a baseline", "add a [[baseline]]")
        if "mask" in config.kpi.points and config.data.mask is None:
            raise pilot.error("kpi.points", config.kpi.points, "needs a mask", "name it in data.mask")
        needs_float = config.kpi.of == "quantization" or config.kpi.min_gain is not None
        if needs_float and any(m.float is None for m in config.model if m.name == config.kpi.model):
            raise pilot.error(
                "kpi.model", config.kpi.model, "has no float net, so no quantization error", "name it in model.float"
            )
