"""The picture of the side by side: flash against instructions per point, one panel per class of core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CELL, ANY, BRUTE = "#1f4e9c", "#c8641b", "#777777"
#: Places of a label around its point: offset in points, how it is aligned.
PLACES = [
    (dx, dy, "left" if dx > 0 else "right" if dx < 0 else "center")
    for reach in (6, 12, 20, 30, 42)
    for dx, dy in (
        (reach, 0), (-reach, 0), (reach, reach), (-reach, -reach), (reach, -reach), (-reach, reach), (0, reach + 2),
        (0, -reach - 2),
    )
]  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One decoder in a panel.

    Attributes:
        name: of the strategy.
        any_scale: whether it was measured off the cell grid.
        series: number of its core in the panel.
        size: bytes of code and tables.
        cost: instructions per point in the sweep.
        random: the same in random order, or None where not measured.
    """

    name: str
    any_scale: bool
    series: int
    size: int
    cost: float
    random: float | None = None


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats or equals in both bytes and instructions, by bytes."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.size, one.cost)):
        if not best or point.cost < best[-1].cost:
            best.append(point)
    return best


def _label(axes: Any, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each text beside its point, where it covers neither a point nor another text."""
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    marks = [axes.transData.transform((x, y)) for x, y, _, _ in points]
    frame = axes.get_window_extent(renderer)
    taken: list[Any] = []

    def badness(box: Any) -> float:
        overlaps = 4.0 * sum(box.overlaps(other) for other in taken)
        hidden = sum(bool(box.padded(3).contains(*mark)) for mark in marks)
        outside = 0 if frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1) else 8
        return float(overlaps + 2.0 * hidden + outside)

    for x, y, text, colour in sorted(points, key=lambda one: (-one[1], one[0])):
        found = None
        for rank, (dx, dy, side) in enumerate(PLACES):
            note = axes.annotate(
                text, (x, y), xytext=(dx, dy), textcoords="offset points", ha=side, va="center", fontsize=7, color=colour,
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "shrinkA": 0, "shrinkB": 2}, zorder=5,
            )  # fmt: skip
            note.set_animated(False)
            box = note.get_tightbbox(renderer) if abs(dx) + abs(dy) < 1 else _text_box(note, renderer)
            bad = badness(box) + 0.01 * rank
            if found is None or bad < found[0]:
                if found is not None:
                    found[1].remove()
                found = (bad, note, box)
            else:
                note.remove()
            if bad < 1:
                break
        assert found is not None
        taken.append(found[2])


def _text_box(note: Any, renderer: Any) -> Any:
    """Where the text itself lies, without the line to its point."""
    from matplotlib.text import Text

    note.update_positions(renderer)
    return Text.get_window_extent(note, renderer)


def draw_panel(axes: Any, title: str, unit: str, series: Sequence[str], points: Sequence[Point], brute: Mapping[str, tuple[int, float]]) -> None:  # fmt: skip
    """One panel: points, fronts, brute force at its upper edge with its figure."""
    colours = {False: CELL, True: ANY}
    markers = "os"
    lowest, highest = min(p.cost for p in points), max(max(p.cost, p.random or 0) for p in points)
    sizes = [p.size for p in points] + [size for size, _ in brute.values()]
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(min(sizes) / 1.9, max(sizes) * 2.4)
    axes.set_ylim(lowest / 1.7, highest * (4.5 if brute else 1.8))
    for number in range(len(series)):
        for any_scale, colour in colours.items():
            some = [p for p in points if (p.series, p.any_scale) == (number, any_scale)]
            edge = front(some)
            if len(edge) > 1:
                axes.step(
                    [p.size for p in edge], [p.cost for p in edge], where="post", color=colour, lw=0.9, alpha=0.55,
                    ls="-" if number == 0 else "--", zorder=2,
                )  # fmt: skip
            for p in some:
                if p.random is not None and abs(p.random / p.cost - 1) > 0.02:
                    axes.plot([p.size] * 2, [p.cost, p.random], color=colour, lw=1.0, marker="_", ms=5, zorder=2)
            axes.scatter(
                [p.size for p in some], [p.cost for p in some], s=26, color=colour, marker=markers[number],
                edgecolor="white", linewidth=0.5, zorder=3,
            )  # fmt: skip
    texts = [(float(p.size), p.cost, p.name, colours[p.any_scale]) for p in points]
    top = axes.get_ylim()[1]
    for place, (name, (size, cost)) in enumerate(sorted(brute.items())):
        at = top / (1.25 if place == 0 else 2.0)
        axes.scatter([size], [at], marker="^", s=30, color=BRUTE, zorder=3)
        axes.annotate(
            f"{name}: {cost:,.0f}", (size, at), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7,
            color=BRUTE,
        )  # fmt: skip
    axes.set_title(title, fontsize=9, loc="left", fontweight="bold")
    axes.set_ylabel(f"{unit} per point", fontsize=7)
    axes.tick_params(labelsize=7)
    axes.grid(True, which="major", color="#e4e4e4", lw=0.6, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    _ticks(axes)
    _label(axes, texts)


def _ticks(axes: Any) -> None:
    """Plain numbers: bytes as 1k, 10k; instructions as they are."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g} k" if v >= 1000 else f"{v:g}"))
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())


def draw(panels: Sequence[tuple[str, str, Sequence[str], Sequence[Point], Mapping[str, tuple[int, float]]]], path: Path) -> None:  # fmt: skip
    """All panels and the key, as SVG (or what the path's suffix says)."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "hilbert_codegen"
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    figure, grid = pyplot.subplots(2, 3, figsize=(11, 7.2), layout="constrained")
    places = list(grid.flat)
    for axes in places:
        axes.set_axis_off()
    figure.suptitle("Decoders of a Hilbert curve of order 3, INT8 heads, uint16 output", fontsize=10)
    figure.supxlabel("flash: code and tables, bytes", fontsize=8)
    for axes, (title, unit, series, points, brute) in zip(places, panels, strict=False):
        axes.set_axis_on()
        draw_panel(axes, title, unit, series, points, brute)
    key = [
        Line2D([], [], color=CELL, marker="o", lw=0, label="on the cell grid"),
        Line2D([], [], color=ANY, marker="o", lw=0, label="any scale"),
        Line2D([], [], color="#444444", lw=0.9, label="Pareto front: none below is smaller"),
        Line2D([], [], color="#444444", marker="_", lw=1.0, label="up to what random order takes"),
        Line2D([], [], color=BRUTE, marker="^", lw=0, label="brute force, above the panel"),
    ]
    for title, _, series, _, _ in panels:
        if len(series) > 1:
            short = title.split(",")[0].split(" ")[0]
            key += [
                Line2D([], [], color="#444444", marker=m, ls=ls, lw=0.9, label=f"{short}: {name}")
                for name, m, ls in zip(series, "os", ("-", "--"), strict=False)
            ]
    places[-1].legend(handles=key, loc="center", frameon=False, fontsize=8)
    figure.savefig(path, **({"metadata": {"Date": None}} if path.suffix == ".svg" else {"dpi": 110}))
    pyplot.close(figure)
