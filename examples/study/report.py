"""Figures and the page of the study, from what `run.py` trained.

    python examples/study/report.py build/study -o examples/study

Writes figures.json and report.html. Needs no TensorFlow.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from study import Study, accuracy, advice_checks, factors, load_study

from hilbert_codegen.emit.plots import pyplot, to_bytes

HERE = Path(__file__).resolve().parent
COLOURS = ("#0f766e", "#b45309", "#4338ca", "#be123c")


def picture(study: Study, indicator: str, title: str) -> str:
    """Change of the error to truth against an indicator, one point for a task, a phase and an order; as a data URL."""
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(7.6, 4.0), layout="constrained")
    for order, colour in zip((1, 2, 3, 4), COLOURS, strict=True):
        items = [item for item in study.items if item["order"] == order]
        panel.scatter(
            [item[indicator] for item in items],
            [item["score"] for item in items],
            s=22,
            color=colour,
            label=f"order {order}",
        )
    panel.axhline(1.0, color="#9ca3af", linewidth=1)
    panel.set(xlabel=title, ylabel="error to truth over the best 1D INT8 net's", xscale="log", yscale="log")
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


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=HERE)
    arguments = parser.parse_args()
    study = load_study(arguments.results)
    indicators = {
        "ease": "ease (probe of the inputs)",
        "blur": "float 1D net's error, in cells",
        "ratio": "float 1D net's error over its quantization error",
    }
    checks, ratios = advice_checks(study)
    figures = rounded(
        {
            "settings": study.settings,
            "nets": study.nets,
            "items": study.items,
            "thresholds": {name: accuracy(study.items, name) for name in indicators},
            "advice": checks,
            "forecasts": factors(ratios),
        }
    )
    text = json.dumps(figures, indent=1) + "\n"
    (arguments.output / "figures.json").write_text(text, encoding="utf-8", newline="\n")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(HERE)), undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    pictures = {name: picture(study, name, title) for name, title in indicators.items()}
    page = environment.get_template("report.html.j2").render(figures=figures, pictures=pictures, indicators=indicators)
    (arguments.output / "report.html").write_text(page + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
