"""Numbers on logarithmic axes."""

from __future__ import annotations

import pytest

from hilbert_codegen.emit.plots import plain_log, pyplot

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.014, 0.16), ["0.015", "0.02", "0.03", "0.05", "0.07", "0.1", "0.15"]),
        ((0.2, 20), ["0.2", "0.5", "1", "2", "5", "10", "20"]),
        ((0.005, 7), ["0.01", "0.03", "0.1", "0.3", "1", "3"]),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers_that_do_not_crowd(ends: tuple[float, float], shown: list[str]) -> None:
    plt = pyplot()
    figure, panel = plt.subplots()
    panel.set(yscale="log", ylim=ends)
    plain_log(panel.yaxis)
    figure.canvas.draw()
    low, high = (end * factor for end, factor in zip(ends, (0.999, 1.001), strict=True))
    found = [tick.label1.get_text() for tick in panel.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    plt.close(figure)
    assert found == shown
