"""Pictures of a plan: the curve, the regions that decode to each of its branches, the distance to it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import UsageError
from hilbert_codegen.exact.reference import ideal
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pyplot() -> Any:
    """matplotlib set up to give the same bytes for the same picture; UsageError if it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError("plots need matplotlib; pip install 'hilbert_codegen[plot]'") from None
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.hashsalt": "hilbert_codegen", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif",
         "axes.spines.top": False, "axes.spines.right": False}
    )  # fmt: skip
    import matplotlib.pyplot as plt

    return plt


def plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis as plain numbers, as many in each power of ten as fit; after all has been drawn."""
    from matplotlib import ticker

    low, high = axis.get_view_interval()
    subs = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if high < 20 * low else (1.0, 2.0, 5.0) if high < 200 * low else (1.0, 3.0)
    axis.set_major_locator(ticker.LogLocator(subs=subs))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))


def to_bytes(figure: Figure, form: str) -> bytes:
    """The figure as "svg", "png" or "pdf" without a date."""
    stream = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    figure.savefig(stream, format=form, dpi=120, metadata=metadata)
    return stream.getvalue()


def curve_line(plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The polyline in head codes: x and y of its vertices (the first again at the end of a closed one)."""
    points = plan.spec.curve.vertices.astype(np.float64)
    if plan.spec.curve.closed:
        points = np.concatenate([points, points[:1]])
    x, y = (points[:, a] * float(plan.spec.pitch(a)) + float(plan.spec.origin(a)) for a in (0, 1))
    return x, y


def _cell(spec: Spec) -> str:
    """The size of a cell in codes: one number where it is that of every head."""
    sizes = [f"{float(spec.pitch(axis)):.4g}" for axis in range(spec.dimensions)]
    return sizes[0] if len(set(sizes)) == 1 else " x ".join(sizes)


def plan_figure(plan: Plan) -> Figure:
    """Three panels over the head codes: the curve coloured by t, the regions of its branches, the distance to it."""
    if plan.spec.dimensions > 2:
        return _many_heads(plan)
    plt = pyplot()
    codes = np.sort(plan.spec.heads.codes())
    if plan.spec.heads.bits == 16:
        codes = codes[:: len(codes) // 256]
    exact = ideal(plan.spec.of_curve, (codes, codes))
    extent = (codes[0] - 0.5, codes[-1] + 0.5, codes[0] - 0.5, codes[-1] + 0.5)
    x, y = curve_line(plan)
    figure, panels = plt.subplots(1, 3, figsize=(13, 4.3), layout="constrained")
    t = exact.arc / plan.spec.curve.segments
    cycle = plt.get_cmap("tab20")(exact.vertex % 20)
    panels[0].imshow(t, origin="lower", extent=extent, cmap="viridis", interpolation="nearest")
    panels[0].set_title("decoded t")
    panels[1].imshow(cycle, origin="lower", extent=extent, interpolation="nearest")
    panels[1].set_title("regions that decode to each vertex's part of the curve")
    image = panels[2].imshow(exact.distance, origin="lower", extent=extent, cmap="magma", interpolation="nearest")
    panels[2].set_title("distance to the curve")
    figure.colorbar(image, ax=panels[2], label="head codes", shrink=0.8)
    for panel in panels:
        panel.plot(x, y, color="white", linewidth=1.2)
        panel.plot(x[:1], y[:1], "o", color="white", markersize=4)
        panel.set_xlabel("x head, codes")
        panel.set_ylabel("y head, codes")
        panel.set_xlim(extent[:2])
        panel.set_ylim(extent[2:])
    figure.suptitle(
        f"{plan.spec.curve.name}, order {plan.spec.curve.order}, inset {float(plan.spec.inset):.4g}: "
        f"length {float(plan.spec.curve.length(plan.spec.inset)):.4g}, cell {_cell(plan.spec)} codes"
    )
    return figure  # type: ignore[no-any-return]


def _gray_code(
    rows: Any, points: NDArray[np.float64], codes: list[NDArray[np.float64]], t: NDArray[np.float64]
) -> None:
    """Order 1: at every vertex each head's bit, low 0 or high 1; from one to the next a single bit changes, which is bold."""
    for a, panel in enumerate(rows):
        low, high = codes[a].min(), codes[a].max()
        panel.set_ylim(low - 0.25 * (high - low), high + 0.75 * (high - low))
        for vertex, place in enumerate(t):
            panel.axvline(place, color="0.85", linewidth=0.6, zorder=0)
            turned = vertex > 0 and points[vertex, a] != points[vertex - 1, a]
            panel.text(
                place, high + 0.25 * (high - low), f"{points[vertex, a]:.0f}", ha="center", va="bottom", fontsize=8,
                color="C3" if turned else "0.35", fontweight="bold" if turned else "normal",
            )  # fmt: skip


def _many_heads(plan: Plan) -> Figure:
    """Three and more heads: the codes of every head against t, and the curve's projections on pairs of neighbouring heads."""
    plt = pyplot()
    spec = plan.spec
    points = spec.curve.vertices.astype(np.float64)
    if spec.curve.closed:
        points = np.concatenate([points, points[:1]])
    codes = [points[:, a] * float(spec.pitch(a)) + float(spec.origin(a)) for a in range(spec.dimensions)]
    t = np.arange(len(points)) / spec.curve.segments
    pairs = [(0, 1), (0, 2), (1, 2)] if spec.dimensions == 3 else []
    figure = plt.figure(figsize=(13, 4.3 if pairs else 1.1 * spec.dimensions + 0.8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2)) if pairs else (figure, None)
    rows = left.subplots(spec.dimensions, 1, sharex=True)
    for a, panel in enumerate(rows):
        panel.plot(t, codes[a], color="C0", linewidth=1.2)
        panel.set_ylabel(f"{AXES[a]}, codes")
    if spec.curve.order == 1 and spec.dimensions < 6:
        _gray_code(rows, points, codes, t)
    rows[-1].set_xlabel("t")
    if right is not None:
        for panel, (a, b) in zip(right.subplots(1, len(pairs)), pairs, strict=True):
            # Vertices that fall on one another are drawn apart along the third head, as if seen at an angle.
            x, y = (codes[axis] + 0.12 * points[:, 3 - a - b] * float(spec.pitch(axis)) for axis in (a, b))
            panel.plot(x, y, color="0.6", linewidth=0.8)
            panel.scatter(x, y, c=t, cmap="viridis", s=14, zorder=2)
            panel.set_xlabel(f"{AXES[a]} head, codes")
            panel.set_ylabel(f"{AXES[b]} head, codes")
            panel.set_aspect(float(spec.pitch(a) / spec.pitch(b)))  # cells are squares, whatever their codes
    figure.suptitle(
        f"{spec.curve.name}, order {spec.curve.order}, {spec.dimensions} heads, inset {float(spec.inset):.4g}: "
        f"length {float(spec.curve.length(spec.inset)):.4g}, cell {_cell(spec)} codes"
    )
    return figure  # type: ignore[no-any-return]
