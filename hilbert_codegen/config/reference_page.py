"""The configuration reference of the documentation, printed from the schema that validates configurations."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticUndefined

from hilbert_codegen.config.schema import Config, ModelTable, known_keys
from hilbert_codegen.config.toml import show_value

HEAD = """# Configuration reference

<!-- Printed by `python -m hilbert_codegen.config.reference_page` from the schema in hilbert_codegen/config/schema.py; do not edit. -->

A configuration is a TOML file. Every key can also be set on the command line: `--set table.key=value`. Unknown tables and
keys are errors.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """The whole page as Markdown."""
    lines = [HEAD]
    for table, keys in known_keys().items():
        model: Any = ModelTable if table == "model" else Config.model_fields[table].annotation
        lines += [f"## [{table}]", "", str(model.__doc__ or "").strip(), ""]
        lines += ["| key | default | takes | meaning |", "|---|---|---|---|"]
        for key in keys:
            field = model.model_fields[key]
            required = field.default is PydanticUndefined
            default = "required" if required else "none" if field.default is None else f"`{show_value(field.default)}`"
            takes = str((field.json_schema_extra or {})["takes"])
            lines.append(f"| `{key}` | {_cell(default)} | {_cell(takes)} | {_cell(field.description or '')} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
