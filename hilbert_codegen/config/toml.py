"""Reading TOML within limits, and showing its values."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hilbert_codegen.errors import UsageError

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


def _one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())[:200]


def parse_setting(text: str) -> tuple[str, str, Any]:
    """Split `table.key=value` of --set; the value is TOML, or a bare word taken as a string."""
    name, equals, value = text.partition("=")
    match = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", name.strip())
    if not equals or not match:
        raise UsageError(f"--set {_one_line(text)}: write it as table.key=value, for example --set curve.order=2")
    try:
        parsed = tomllib.loads("" if _LONG_KEY.search(value) else f"value = {value}", parse_float=Decimal)["value"]
    except (tomllib.TOMLDecodeError, ArithmeticError, RecursionError, ValueError, KeyError):
        parsed = value.strip()
    if _has_long_number(parsed):
        raise UsageError(f"--set {name.strip()}: a whole number of more than {MAX_BITS} bits; give a shorter one")
    return match[1], match[2], parsed
