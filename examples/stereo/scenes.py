"""Procedural stereo scenes with exact sub-pixel disparity, and tiles of a real pair.

A scene is a slanted background and a few slanted planar shapes, each with its own texture. Both views are
rendered by a z-buffer over 2 x 2 samples a pixel. A layer's disparity is affine in left-view coordinates,
d(u, v) = a + b u + c v, so the left-view point seen at the right view's column x has the closed form
u = (x + a + c v) / (1 - b): both views and the truth are exact, occlusions included.

Geometry: each view is HEIGHT x WIDTH; the left MARGIN columns of the left view are there only so that the
right view holds every match (the network does not look at them). The truth is t = disparity / MAX_DISPARITY on the GRID x GRID centres of the
2 x 2 blocks of the left view's remaining 64 x 64 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HEIGHT = 64
WIDTH = 80
MARGIN = 16
GRID = 32
MAX_DISPARITY = 16.0
EDGE_JUMP = 1.0 / 16.0  # in t: a step of more than one pixel of disparity between neighbours is a depth edge
TEXTURE_SIDE = 256

FloatArray = npt.NDArray[np.floating[Any]]


def textures(rng: np.random.Generator, count: int) -> FloatArray:
    """Periodic random textures, shape (count, 256, 256), zero mean and unit variance.

    Power-law noise of random roughness; one in four is overlaid with stripes, as on fabric or brick.
    """
    freq = np.hypot(np.fft.fftfreq(TEXTURE_SIDE)[:, None], np.fft.rfftfreq(TEXTURE_SIDE)[None, :])
    freq[0, 0] = 1.0
    out = np.empty((count, TEXTURE_SIDE, TEXTURE_SIDE), np.float32)
    rows, cols = np.mgrid[0:TEXTURE_SIDE, 0:TEXTURE_SIDE]
    for i in range(count):
        spectrum = np.exp(2j * np.pi * rng.random(freq.shape)) * freq ** -rng.uniform(0.6, 1.8)
        spectrum *= (freq < 0.35) & (freq > 0.004)
        image = np.fft.irfft2(spectrum, (TEXTURE_SIDE, TEXTURE_SIDE))
        image = (image - image.mean()) / image.std()
        if rng.random() < 0.25:
            ky, kx = rng.integers(-40, 41, 2)
            wave = np.sin(2 * np.pi * (ky * rows + kx * cols) / TEXTURE_SIDE + rng.uniform(0, 6.28))
            image = 0.7 * image + 0.7 * np.sign(wave) * np.abs(wave) ** 0.5
        out[i] = image / image.std()
    return out


def _lookup(atlas: FloatArray, index: npt.NDArray[np.intp], row: FloatArray, col: FloatArray) -> FloatArray:
    """Bilinear, periodic texture lookup; all arguments but the atlas have one shape."""
    r0, c0 = np.floor(row).astype(np.intp), np.floor(col).astype(np.intp)
    fr, fc = (row - r0).astype(np.float32), (col - c0).astype(np.float32)
    r0, c0 = r0 % TEXTURE_SIDE, c0 % TEXTURE_SIDE
    r1, c1 = (r0 + 1) % TEXTURE_SIDE, (c0 + 1) % TEXTURE_SIDE
    flat = atlas.reshape(-1)
    base = index * (TEXTURE_SIDE * TEXTURE_SIDE)
    top = flat[base + r0 * TEXTURE_SIDE + c0] * (1 - fc) + flat[base + r0 * TEXTURE_SIDE + c1] * fc
    low = flat[base + r1 * TEXTURE_SIDE + c0] * (1 - fc) + flat[base + r1 * TEXTURE_SIDE + c1] * fc
    return np.asarray(top * (1 - fr) + low * fr)


class _Layers:
    """The planes of one scene: disparity a + b u + c v, a shape, a texture and its placing."""

    def __init__(self, rng: np.random.Generator, count: int, atlas_size: int) -> None:
        self.b = rng.normal(0, 0.02, count).clip(-0.06, 0.06)
        self.c = rng.normal(0, 0.02, count).clip(-0.06, 0.06)
        centre = np.concatenate([rng.uniform(0.5, 6.0, 1), rng.uniform(1.0, 15.5, count - 1)])
        self.u0 = rng.uniform(4, WIDTH - 2, count)
        self.v0 = rng.uniform(0, HEIGHT, count)
        self.u0[0], self.v0[0] = 48.0, 32.0
        self.a = centre - self.b * self.u0 - self.c * self.v0
        self.rx = rng.uniform(4, 22, count)
        self.ry = rng.uniform(4, 26, count)
        angle = rng.uniform(0, np.pi, count)
        self.cos, self.sin = np.cos(angle), np.sin(angle)
        self.power = rng.choice([2.0, 2.0, 8.0, 1.0], count)  # ellipse, ellipse, rectangle, diamond
        self.texture = rng.integers(0, atlas_size, count)
        turn = rng.uniform(0, 2 * np.pi, count)
        zoom = np.exp(rng.uniform(np.log(0.35), np.log(1.6), count))
        self.tc, self.ts = zoom * np.cos(turn), zoom * np.sin(turn)
        self.shift = rng.uniform(0, TEXTURE_SIDE, (count, 2))
        self.level = rng.uniform(60, 195, count)
        self.contrast = np.exp(rng.uniform(np.log(14.0), np.log(45.0), count))

    def visible(self, x: FloatArray, v: FloatArray, right: bool) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
        """Left-view column, disparity and index of the nearest layer at view column x, row v."""
        a, b, c = (q[:, None] for q in (self.a, self.b, self.c))
        u = (x + a + c * v) / (1 - b) if right else np.broadcast_to(x, (len(self.a), x.size))
        disparity = np.clip(a + b * u + c * v, 0.0, MAX_DISPARITY)
        du, dv = u - self.u0[:, None], v - self.v0[:, None]
        p = (du * self.cos[:, None] + dv * self.sin[:, None]) / self.rx[:, None]
        q = (dv * self.cos[:, None] - du * self.sin[:, None]) / self.ry[:, None]
        power = self.power[:, None]
        inside = np.abs(p) ** power + np.abs(q) ** power <= 1
        inside[0] = True
        best = np.where(inside, disparity, -1.0).argmax(axis=0)
        pick = best, np.arange(x.size)
        return np.asarray(u[pick]), np.asarray(disparity[pick]), best

    def shade(self, u: FloatArray, v: FloatArray, best: npt.NDArray[np.intp], atlas: FloatArray) -> FloatArray:
        row = u * self.ts[best] + v * self.tc[best] + self.shift[best, 0]
        col = u * self.tc[best] - v * self.ts[best] + self.shift[best, 1]
        return np.asarray(self.level[best] + self.contrast[best] * _lookup(atlas, self.texture[best], row, col))


def scenes(seed: int, count: int) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Render `count` scenes.

    Returns the views, uint8 (count, 64, 80, 2) with left and right as channels, and the truth t in [0, 1],
    float32 (count, 32, 32). The same seed and count give the same scenes.
    """
    rng = np.random.default_rng(seed)
    atlas = textures(rng, 48)
    views = np.empty((count, HEIGHT, WIDTH, 2), np.uint8)
    truth = np.empty((count, GRID, GRID), np.float32)
    vs, xs = np.meshgrid((np.arange(2 * HEIGHT) - 0.5) / 2, (np.arange(2 * WIDTH) - 0.5) / 2, indexing="ij")
    fine_v, fine_x = vs.ravel(), xs.ravel()
    vt, xt = np.meshgrid(2.0 * np.arange(GRID) + 0.5, MARGIN + 2.0 * np.arange(GRID) + 0.5, indexing="ij")
    for i in range(count):
        layers = _Layers(rng, int(rng.integers(3, 8)), len(atlas))
        for channel in range(2):
            u, _, best = layers.visible(fine_x, fine_v, right=channel == 1)
            shade = layers.shade(u, fine_v, best, atlas).reshape(HEIGHT, 2, WIDTH, 2).mean(axis=(1, 3))
            shade = shade * rng.uniform(0.96, 1.04) + rng.normal(0, 2.0) + rng.normal(0, 1.5, shade.shape)
            views[i, :, :, channel] = np.clip(np.rint(shade), 0, 255)
        truth[i] = (layers.visible(xt.ravel(), vt.ravel(), right=False)[1] / MAX_DISPARITY).reshape(GRID, GRID)
    return views, truth


def depth_edges(truth: npt.NDArray[np.floating[Any]], radius: int = 2) -> npt.NDArray[np.bool_]:
    """Pixels within `radius` grid pixels of a depth edge, bool (count, 32, 32)."""
    mark = np.zeros(truth.shape, bool)
    step = np.abs(np.diff(truth, axis=1)) > EDGE_JUMP
    mark[:, 1:] |= step
    mark[:, :-1] |= step
    step = np.abs(np.diff(truth, axis=2)) > EDGE_JUMP
    mark[:, :, 1:] |= step
    mark[:, :, :-1] |= step
    for axis in (1, 2):  # a square neighbourhood is two passes of a line
        grown = mark.copy()
        for shift in range(1, radius):
            lead, trail = [slice(None)] * 3, [slice(None)] * 3
            lead[axis], trail[axis] = slice(shift, None), slice(None, -shift)
            grown[tuple(lead)] |= mark[tuple(trail)]
            grown[tuple(trail)] |= mark[tuple(lead)]
        mark = grown
    return mark


def main() -> None:
    """Write held-out scenes as the .npz that the pilot reads; seeds 100 and up are for training."""
    parser = argparse.ArgumentParser(description="Render held-out scenes.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--count", type=int, default=48)
    arguments = parser.parse_args()
    views, truth = scenes(arguments.seed, arguments.count)
    views[:, :, :MARGIN, 0] = 0
    pixels = (np.rint(truth * (MAX_DISPARITY * 1024)) / 1024).astype(np.float32)  # few bits: compresses
    np.savez_compressed(arguments.file, inputs=views, disparity=pixels, away=~depth_edges(truth))


if __name__ == "__main__":
    main()
