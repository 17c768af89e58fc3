"""Figures and the page of the study, from what `run.py` trained.

    python examples/study/report.py build/study -o examples/study
    python examples/study/report.py                                 # the page alone, from figures.json

Writes figures.json and report.html. Needs no TensorFlow.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from study import accuracy, advice_checks, factors, load_study

from hilbert_codegen.emit.plots import plain_log, pyplot, to_bytes

HERE = Path(__file__).resolve().parent
COLOURS = ("#0f766e", "#b45309", "#4338ca", "#be123c")


def picture(items: Sequence[Mapping[str, Any]], indicator: str, title: str) -> str:
    """Change of the error to truth against an indicator, one point for a task, a phase and an order; as a data URL."""
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(7.6, 4.0), layout="constrained")
    for order, colour in zip((1, 2, 3, 4), COLOURS, strict=True):
        here = [item for item in items if item["order"] == order]
        panel.scatter(
            [item[indicator] for item in here],
            [item["score"] for item in here],
            s=22,
            color=colour,
            label=f"order {order}",
        )
    panel.axhline(1.0, color="#9ca3af", linewidth=1)
    panel.set(xlabel=title, ylabel="error to truth over the best 1D INT8 net's", xscale="log", yscale="log")
    plain_log(panel.xaxis)
    plain_log(panel.yaxis)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    data = to_bytes(figure, "svg")
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(data).decode("ascii")


def rounded(value: Any) -> Any:
    """Five significant digits, so that the file is small and a difference of the last bit is none."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.5g}") if np.isfinite(value) else None
    return value


INDICATORS = {
    "ease": "ease (probe of the inputs)",
    "blur": "float 1D net's error, in cells",
    "ratio": "float 1D net's error over its quantization error",
}


def figures_of(results: Path) -> dict[str, Any]:
    """What figures.json holds, from the folder that `run.py` wrote."""
    study = load_study(results)
    checks, ratios = advice_checks(study)
    found: dict[str, Any] = rounded(
        {
            "settings": study.settings,
            "nets": study.nets,
            "items": study.items,
            "thresholds": {name: accuracy(study.items, name) for name in INDICATORS},
            "advice": checks,
            "forecasts": factors(ratios),
        }
    )
    return found


def page(figures: Mapping[str, Any]) -> str:
    """The page of the figures, as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(HERE)), undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pictures = {name: picture(figures["items"], name, title) for name, title in INDICATORS.items()}
    template = environment.get_template("report.html.j2")
    return template.render(figures=figures, pictures=pictures, indicators=INDICATORS) + "\n"


def main() -> None:
    """Write both files, or the page alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", help="of run.py; without it figures.json is read, not written")
    parser.add_argument("-o", "--output", type=Path, default=HERE)
    arguments = parser.parse_args()
    record = arguments.output / "figures.json"
    if arguments.results is not None:
        text = json.dumps(figures_of(arguments.results), indent=1) + "\n"
        record.write_text(text, encoding="utf-8", newline="\n")
    figures = json.loads(record.read_text(encoding="utf-8"))
    (arguments.output / "report.html").write_text(page(figures), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
