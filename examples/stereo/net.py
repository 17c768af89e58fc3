"""The stereo U-Net, its fake-quantized form, and the differentiable Hilbert decoder (TensorFlow)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scenes import MARGIN, WIDTH

from hilbert_codegen.curves import make_curve

BOUND = 6.0  # every hidden activation lives in [0, 6]
HEAD_MAX = 255.0 / 256.0  # heads live in [0, 255/256]: INT8 scale 1/256, zero point -128
DISPARITIES = 17
JOINED = 9  # shifted images that are joined at once

# name: (input channels, output channels, stride, kernel side)
TRUNK = {
    "a1": (18, 32, 2, 3),
    "a2": (32, 32, 1, 3),
    "b1": (32, 48, 2, 3),
    "b2": (48, 48, 1, 3),
    "c1": (48, 72, 2, 3),
    "c2": (72, 72, 1, 3),
    "d1": (120, 48, 1, 3),
    "e1": (80, 32, 1, 3),
}
STAGE = {"f1": (32, 32, 1, 3)}  # each variant's own last hidden layer


@dataclass(frozen=True)
class Curve:
    """A Hilbert curve of so many heads with its inset, and decoders in TensorFlow."""

    outputs: int
    order: int

    @property
    def side(self) -> int:
        """Grid points a side."""
        return 1 << self.order

    @property
    def inset(self) -> float:
        """The cell-centred inset."""
        return 2.0 ** -(self.order + 1)

    @property
    def vertices(self) -> NDArray[Any]:
        """Grid points in order, float32 (2**(outputs * order), outputs)."""
        return np.array(make_curve("hilbert", self.order, dimensions=self.outputs).points, dtype=np.float32)

    @property
    def pitch(self) -> float:
        """Head values per cell."""
        return (1 - 2 * self.inset) / (self.side - 1)

    def encode(self, t: NDArray[Any]) -> NDArray[Any]:
        """t in [0, 1], any shape -> grid coordinates, shape + (outputs,)."""
        v = self.vertices
        s = np.clip(t, 0, 1) * (len(v) - 1)
        i = np.minimum(s.astype(int), len(v) - 2)
        return np.asarray(v[i] + (s - i)[..., None].astype(np.float32) * (v[i + 1] - v[i]))

    def to_grid(self, head: tf.Tensor) -> tf.Tensor:
        """Head values (..., outputs) -> grid coordinates in cells."""
        return (head - self.inset) / self.pitch

    def decode(self, grid: tf.Tensor, sigma: float, gate: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Grid points (..., outputs) -> (t, squared distance to the curve), differentiable.

        Within `gate` cells of the curve t is the nearest point's; beyond, the posterior mean under Gaussian
        noise of `sigma` cells, by Gauss-Legendre quadrature with three points a segment. gate = inf is the nearest point.
        """
        v = self.vertices
        segments = len(v) - 1
        step = tf.constant(v[1:] - v[:-1])
        offset = grid[..., None, :] - tf.constant(v[:-1])
        along = tf.clip_by_value(tf.reduce_sum(offset * step, -1), 0.0, 1.0)
        miss2 = tf.reduce_sum(tf.square(offset - along[..., None] * step), -1)
        best = tf.argmin(miss2, -1, output_type=tf.int32)
        rank = len(grid.shape) - 1
        s = tf.cast(best, tf.float32) + tf.gather(along, best, batch_dims=rank)
        nearest = s / segments
        r2 = tf.reduce_min(miss2, -1)
        if np.isinf(gate):
            return nearest, r2
        legendre: Any = np.polynomial.legendre  # some releases of NumPy give it no types
        nodes, shares = legendre.leggauss(3)
        place = (np.arange(segments)[:, None] + (nodes + 1) / 2).reshape(-1).astype(np.float32)
        on_curve = self.encode(place / segments).astype(np.float32)
        weight = np.tile(shares, segments).astype(np.float32)
        d2 = tf.add_n([tf.square(grid[..., a, None] - on_curve[:, a]) for a in range(self.outputs)])
        w = tf.exp((r2[..., None] - d2) / (2 * sigma**2)) * weight
        mean = tf.reduce_sum(w * (place / segments), -1) / tf.reduce_sum(w, -1)
        return tf.where(r2 > gate**2, mean, nearest), r2


def make_weights(rng: np.random.Generator, variants: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """He-initialized trunk and last layers of the variants, each with its number of outputs, by name/w and name/b."""
    weights: dict[str, NDArray[Any]] = {}

    def add(name: str, spec: tuple[int, int, int, int]) -> None:
        cin, cout, _, k = spec
        weights[name + "/w"] = rng.normal(0, np.sqrt(2 / (cin * k * k)), (k, k, cin, cout)).astype(np.float32)
        weights[name + "/b"] = np.zeros(cout, np.float32)

    for name, spec in TRUNK.items():
        add(name, spec)
    for v, cout in variants.items():
        for name, spec in STAGE.items():
            add(f"{v}/{name}", spec)
        weights[f"{v}/h/w"] = rng.normal(0, 0.02, (1, 1, 32, cout)).astype(np.float32)
        weights[f"{v}/h/b"] = np.full(cout, 0.5 * HEAD_MAX, np.float32)
    return weights


class Net:
    """Forward pass over a dict of variables: float with batch norm, float folded, or fake-quantized."""

    def __init__(self, variables: dict[str, tf.Variable], quantized: bool, norm: bool = False) -> None:
        self.v = variables
        self.quantized = quantized
        self.norm = norm
        self.training = False
        self.noise = 0.0
        self.taps: dict[str, tf.Tensor] | None = None

    def _weight(self, name: str) -> tf.Tensor:
        w = self.v[name + "/w"]
        if not self.quantized:
            return tf.convert_to_tensor(w)
        top = tf.maximum(tf.stop_gradient(tf.reduce_max(tf.abs(w), axis=(0, 1, 2))), 1e-6)
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(w, -top, top, 8, narrow_range=True)

    def _act(self, x: tf.Tensor, low: float, high: float) -> tf.Tensor:
        return tf.quantization.fake_quant_with_min_max_args(x, low, high, 8) if self.quantized else x

    def conv(self, x: tf.Tensor, name: str, stride: int) -> tf.Tensor:
        """Convolution, batch norm where asked for, ReLU6, fake quantization."""
        y = tf.nn.conv2d(x, self._weight(name), stride, "SAME")
        if self.norm:
            if self.training:
                mean, var = tf.nn.moments(y, (0, 1, 2))
                self.v[name + "/mean"].assign(0.95 * self.v[name + "/mean"] + 0.05 * mean)
                self.v[name + "/var"].assign(0.95 * self.v[name + "/var"] + 0.05 * var)
            else:
                mean, var = self.v[name + "/mean"], self.v[name + "/var"]
            y = (y - mean) * (self.v[name + "/g"] * tf.math.rsqrt(var + 1e-4))
        y = tf.nn.relu6(y + self.v[name + "/b"])
        y = self._act(y, 0.0, BOUND)
        if self.taps is not None:
            self.taps[name] = y
        return y

    @staticmethod
    def up(x: tf.Tensor) -> tf.Tensor:
        """Twice the side, nearest neighbour."""
        _, h, w, _ = x.shape
        return tf.image.resize(x, (2 * h, 2 * w), method="nearest")

    def trunk(self, views: tf.Tensor) -> tf.Tensor:
        """views: float (batch, 64, 80, 2) in [0, 1] -> features (batch, 32, 32, 32)."""
        views = self._act(views, 0.0, 1.0)
        left = views[:, :, MARGIN:, 0:1]
        shifted = [views[:, :, MARGIN - d : WIDTH - d, 1:2] for d in range(DISPARITIES)]
        # TFLite Micro joins ten tensors at most.
        right = tf.concat([tf.concat(shifted[i : i + JOINED], -1) for i in range(0, DISPARITIES, JOINED)], -1)
        # |left - right| by way of [0, 1] only: a signed difference would need [-1, 1] and lose a bit of the input.
        low, high = tf.minimum(right, left), tf.maximum(right, left)
        gap = self._act(self._act(high, 0.0, 1.0) - self._act(low, 0.0, 1.0), 0.0, 1.0)
        a = self.conv(self._act(tf.concat([left, gap], -1), 0.0, 1.0), "a1", 2)
        a = self.conv(a, "a2", 1)
        b = self.conv(a, "b1", 2)
        b = self.conv(b, "b2", 1)
        c = self.conv(b, "c1", 2)
        c = self.conv(c, "c2", 1)
        d = self.conv(tf.concat([self.up(c), b], -1), "d1", 1)
        return self.conv(tf.concat([self.up(d), a], -1), "e1", 1)

    def head(self, features: tf.Tensor, variant: str) -> tf.Tensor:
        """Features -> heads before clipping, float (batch, 32, 32, outputs)."""
        f = self.conv(features, f"{variant}/f1", 1)
        if self.training and self.noise:
            f = f + tf.random.normal(tf.shape(f), 0.0, self.noise)
        return tf.nn.conv2d(f, self._weight(f"{variant}/h"), 1, "SAME") + self.v[f"{variant}/h/b"]

    def bounded(self, head: tf.Tensor) -> tf.Tensor:
        """Heads clipped to what their INT8 codes can say."""
        if self.quantized:  # fake quantization clips, and a clip of its own would stay float in TFLite
            return self._act(head, 0.0, HEAD_MAX)
        return tf.clip_by_value(head, 0.0, HEAD_MAX)

    def __call__(self, views: tf.Tensor, variant: str) -> tf.Tensor:
        """views (batch, 64, 80, 2) in [0, 1] -> heads (batch, 32, 32, outputs)."""
        return self.bounded(self.head(self.trunk(views), variant))
