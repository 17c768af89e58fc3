"""Tiles of a real stereo pair with measured disparity, cut to what the network takes.

The pair is "Motorcycle" of the Middlebury 2014 benchmark (Scharstein et al., "High-resolution stereo datasets with
subpixel-accurate ground truth", GCPR 2014) as shipped in scikit-image's wheel (skimage.data.stereo_motorcycle). Its
disparities reach 60 pixels; averaging 4 x 4 pixels brings them to at most 15, within the network's 16. Six tiles of
64 x 64 pixels then cover the left view but for its first 16 columns, which have no room for matches.

    python middlebury.py motorcycle.npz
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scenes import GRID, HEIGHT, MARGIN, MAX_DISPARITY, WIDTH, depth_edges

SHRINK = 4


def tiles() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Views uint8 (6, 64, 80, 2), truth t float32 (6, 32, 32), 0 where unknown, and where it is known, bool."""
    from skimage import data

    left, right, disparity = data.stereo_motorcycle()
    rows, columns = (size // SHRINK * SHRINK for size in disparity.shape)
    gray = np.array([0.299, 0.587, 0.114])

    def shrink(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        tone = (image[:rows, :columns] @ gray).reshape(rows // SHRINK, SHRINK, columns // SHRINK, SHRINK)
        return np.asarray(np.rint(tone.mean(axis=(1, 3))), dtype=np.uint8)

    pair = np.stack([shrink(left), shrink(right)], axis=-1)
    # The truth of a 2 x 2 block of small pixels is the disparity at its middle: four original pixels, all known.
    side = 2 * SHRINK
    padded = np.where(np.isfinite(disparity), disparity, np.nan)
    views, truth = [], []
    for row in (0, pair.shape[0] - HEIGHT):
        for column in (0, WIDTH - MARGIN, pair.shape[1] - WIDTH):
            views.append(pair[row : row + HEIGHT, column : column + WIDTH])
            middle = np.zeros((GRID, GRID))
            for dr in (SHRINK - 1, SHRINK):
                for dc in (SHRINK - 1, SHRINK):
                    top, start = row * SHRINK + dr, (column + MARGIN) * SHRINK + dc
                    middle += padded[top : top + side * GRID : side, start : start + side * GRID : side] / 4
            truth.append(middle / SHRINK / MAX_DISPARITY)
    t = np.stack(truth).astype(np.float32)
    known = np.isfinite(t)
    return np.stack(views), np.where(known, t, 0).astype(np.float32), known


def main() -> None:
    """Write the tiles to the .npz given on the command line."""
    views, truth, known = tiles()
    away = known & ~depth_edges(truth)
    np.savez_compressed(Path(sys.argv[1]), inputs=views, disparity=truth * MAX_DISPARITY, known=known, away=away)
    print(
        f"{len(views)} tiles, {known.sum()} known disparities, t {truth[known].min():.3f} to {truth[known].max():.3f}"
    )


if __name__ == "__main__":
    main()
