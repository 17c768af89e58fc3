"""Keras and PyTorch give NumPy's numbers: one set of tests for both. Each is skipped by name where it is missing."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbert_codegen.curves import make_curve
from hilbert_codegen.training.loss import HeadCurve, difference, hilbert_loss

CURVES = [
    ("hilbert", 1, 2),
    ("hilbert", 3, 2),
    ("moore", 2, 2),
    ("serpentine", 2, 2),
    ("hilbert", 2, 3),
    ("hilbert", 1, 6),
]
Array = NDArray[Any]


class Keras:
    """The functions of hilbert_codegen.keras on arrays, and the gradient by TensorFlow."""

    def __init__(self) -> None:
        pytest.importorskip("keras")
        self.tf = pytest.importorskip("tensorflow")
        self.module = importlib.import_module("hilbert_codegen.keras")

    def call(self, function: Callable[..., Any], values: Array, *arguments: Any, **options: Any) -> Any:
        found = function(self.tf.constant(values), *arguments, **options)
        return tuple(np.asarray(part) for part in found) if isinstance(found, tuple) else np.asarray(found)

    def loss(self, t: Array, heads: Array, on: HeadCurve, **options: Any) -> Array:
        return np.asarray(self.module.HilbertLoss(on, reduction=None, **options)(t, heads))

    def gradient(self, function: Callable[[Any], Any], values: Array) -> Array:
        variable = self.tf.Variable(values)
        with self.tf.GradientTape() as tape:
            result = function(variable)
        return np.asarray(tape.gradient(result, variable))

    def tensor(self, values: Array) -> Any:
        return self.tf.constant(values)

    def loss_of(self, t: Array, on: HeadCurve, **options: Any) -> Callable[[Any], Any]:
        loss = self.module.HilbertLoss(on, **options)
        return lambda heads: loss(self.tf.constant(t), heads)


class Torch:
    """The functions of hilbert_codegen.torch on arrays."""

    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch")
        self.module = importlib.import_module("hilbert_codegen.torch")

    def call(self, function: Callable[..., Any], values: Array, *arguments: Any, **options: Any) -> Any:
        found = function(self.tensor(values), *arguments, **options)
        return tuple(part.numpy() for part in found) if isinstance(found, tuple) else found.numpy()

    def loss(self, t: Array, heads: Array, on: HeadCurve, **options: Any) -> Array:
        loss = self.module.HilbertLoss(on, reduction="none", **options)
        return np.asarray(loss(self.tensor(heads), self.tensor(t)).numpy())

    def gradient(self, function: Callable[[Any], Any], values: Array) -> Array:
        variable = self.tensor(values).requires_grad_()
        function(variable).sum().backward()
        return np.asarray(variable.grad.numpy())

    def tensor(self, values: Array) -> Any:
        return self.torch.tensor(np.asarray(values))

    def loss_of(self, t: Array, on: HeadCurve, **options: Any) -> Callable[[Any], Any]:
        loss = self.module.HilbertLoss(on, **options)
        return lambda heads: loss(heads, self.tensor(t))


@pytest.fixture(scope="module", params=[Keras, Torch], ids=["keras", "torch"])
def framework(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.mark.parametrize(("name", "order", "dimensions"), CURVES)
def test_encode_and_decode_are_numpys(framework: Any, name: str, order: int, dimensions: int) -> None:
    on = HeadCurve(make_curve(name, order, dimensions=dimensions), 0.1, (-1.0, 1.0))
    rng = np.random.default_rng(1)
    t = rng.uniform(-0.2, 1.2, (5, 40))
    np.testing.assert_allclose(framework.call(framework.module.encode, t, on), on.targets(t), atol=1e-9)
    heads = rng.uniform(-1.2, 1.2, (5, 40, dimensions))
    found, r2 = framework.call(framework.module.decode, heads, on)
    wanted, r = on.decode(heads)
    assert np.abs(difference(found, wanted, on.curve.closed)).max() < 1e-9
    np.testing.assert_allclose(r2, r**2, atol=1e-9)


@pytest.mark.parametrize(("name", "order", "dimensions"), CURVES)
@pytest.mark.parametrize("reach", [0.5, math.inf])
def test_loss_is_numpys(framework: Any, name: str, order: int, dimensions: int, reach: float) -> None:
    rng = np.random.default_rng(1)
    on = HeadCurve(make_curve(name, order, dimensions=dimensions), 0.1, (-1.0, 1.0))
    t = rng.random((7, 9)).astype(np.float32)
    heads = (2.4 * rng.random((7, 9, dimensions)) - 1.2).astype(np.float32)
    wanted = hilbert_loss(heads, t, on, alpha=0.4, beta=0.7, reach=reach)
    options = {"alpha": 0.4, "beta": 0.7, "reach": reach}
    assert np.allclose(framework.loss(t, heads, on, **options), wanted, atol=1e-5)
    assert np.allclose(framework.loss(t[..., None], heads, on, **options), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_the_end_of_a_closed_curve_is_its_start(framework: Any, kind: type) -> None:
    on = HeadCurve(make_curve("moore", 2), 0.1)
    t = 1 - np.geomspace(1e-16, 1e-2, 2000)
    heads: Array = on.targets(t).astype(kind)
    found, _ = framework.call(framework.module.decode, heads, on)
    assert (found >= 0).all() and (found < 1).all()
    assert np.abs(difference(found.astype(np.float64), t, True)).max() < 1e-6
    # The gradient is that of the last segment: taking the end for the start adds nothing.
    gradient = framework.gradient(lambda h: framework.module.decode(h, on)[0], on.targets(np.array([0.99])))
    assert np.abs(gradient).max() == pytest.approx(1 / on.length)


def test_equally_near_points(framework: Any) -> None:
    """A point between two branches, in the cell of the later: NumPy takes that, the frameworks the first along the curve."""
    on = HeadCurve(make_curve("hilbert", 1), 0.0)
    heads = np.array([[0.5, 0.25]])  # segments x = 0 and x = 1; cells are rounded up, so it is in that of x = 1
    assert on.decode(heads)[0] == pytest.approx([1 - 0.25 / 3])
    assert framework.call(framework.module.decode, heads, on)[0] == pytest.approx([0.25 / 3])


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_keras_keeps_precision_with_half_precision_heads(kind: str) -> None:
    keras, _ = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    from hilbert_codegen import keras as hk

    on = HeadCurve(make_curve("hilbert", 6), 0.0137)  # where no values of half precision tie
    rng = np.random.default_rng(2)
    coarse = keras.ops.cast(rng.random((300, 2)), kind)
    fine, t = keras.ops.cast(coarse, "float32"), rng.random(300)
    for function in (hk.decode, functools.partial(hk.decode_mean, sigma=0.4, gate=0.1)):
        for found, wanted in zip(function(coarse, on), function(fine, on), strict=True):
            assert keras.backend.standardize_dtype(found.dtype) == "float32"
            np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(hk.decode(coarse, on)[0], on.decode(np.asarray(fine))[0], atol=1e-4)
    half = keras.ops.cast(t, kind)
    np.testing.assert_array_equal(hk.encode(half, on), hk.encode(keras.ops.cast(half, "float32"), on))
    loss = hk.HilbertLoss(on, reduction=None, dtype=kind)
    wanted = hk.HilbertLoss(on, reduction=None)(half, fine)  # Keras rounds the loss itself to `kind`
    np.testing.assert_allclose(np.asarray(loss(half, coarse), np.float32), wanted, rtol=1e-2, atol=1e-6)


def test_gradient_runs_along_the_curve(framework: Any) -> None:
    on = HeadCurve(make_curve("hilbert", 1), 0.0)
    found = framework.gradient(lambda heads: framework.module.decode(heads, on)[0], np.array([[0.1, 0.4]]))
    assert np.allclose(found, [[0.0, 1 / 3]], atol=1e-6)


def test_mean_beyond_the_gate_and_nearest_within(framework: Any) -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    heads = np.random.default_rng(4).uniform(0, 1, (500, 2))
    t, r2 = framework.call(framework.module.decode_mean, heads, on, sigma=0.4, gate=0.2)
    nearest, _ = framework.call(framework.module.decode, heads, on)
    off = np.sqrt(r2) * on.curve.segments > 0.2
    assert 50 < off.sum() < 450
    np.testing.assert_array_equal(t[~off], nearest[~off])

    grid = (heads - on.origin) / on.pitch
    place = (np.arange(400 * on.curve.segments) + 0.5) / 400
    start, step = on.segments()
    index = place.astype(int)
    points = start[index] + (place - index)[:, None] * step[index]
    weight = np.exp(-np.square(grid[:, None] - points).sum(axis=-1) / (2 * 0.4**2))
    np.testing.assert_allclose(t[off], (weight @ place / weight.sum(axis=1) / on.curve.segments)[off], atol=1e-4)


def test_loss_with_the_mean_pulls_across_the_curve(framework: Any) -> None:
    on = HeadCurve(make_curve("hilbert", 2))
    decoder = functools.partial(framework.module.decode_mean, sigma=0.4, gate=0.1)
    # Half way between the branches at x = 0 and x = 1 cell, y = 2 cells: only the mean sees a way to t = 0.2.
    heads = np.array([[0.5, 2.0]]) * on.pitch + on.origin
    loss = framework.loss_of(np.array([[0.2]]), on, alpha=0.0, reach=math.inf, decoder=decoder)
    assert np.abs(framework.gradient(loss, heads)).max() > 1e-3


def test_a_closed_curve_has_no_mean(framework: Any) -> None:
    with pytest.raises(ValueError, match="closed"):
        framework.call(
            framework.module.decode_mean, np.zeros((1, 2)), HeadCurve(make_curve("moore", 2)), sigma=0.4, gate=0.2
        )


def test_torch_traces_without_a_break_and_keeps_precision_under_autocast() -> None:
    torch = pytest.importorskip("torch")
    from hilbert_codegen import torch as ht

    on = HeadCurve(make_curve("hilbert", 3))
    loss = ht.HilbertLoss(on)
    rng = np.random.default_rng(2)
    heads = torch.tensor(rng.random((64, 2)), dtype=torch.float32)
    t = torch.tensor(rng.random(64), dtype=torch.float32)
    traced: Any = torch.compile(loss, backend="aot_eager", fullgraph=True)
    assert torch.allclose(traced(heads, t), loss(heads, t), atol=1e-6)
    plains: list[Any] = [lambda h: ht.decode(h, on)[0], lambda h: ht.decode_mean(h, on, 0.4, 0.1)[0]]
    for plain in plains:
        compiled: Any = torch.compile(plain, backend="aot_eager", fullgraph=True)
        assert torch.allclose(compiled(heads), plain(heads), atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = heads.to(torch.bfloat16)
        assert ht.decode(coarse, on)[0].dtype == torch.float32
        assert torch.equal(loss(coarse, t), loss(coarse.float(), t))


def test_torch_refuses_an_unknown_reduction() -> None:
    pytest.importorskip("torch")
    from hilbert_codegen.torch import HilbertLoss

    with pytest.raises(ValueError, match="reduction"):
        HilbertLoss(HeadCurve(make_curve("hilbert", 1)), reduction="mode")
