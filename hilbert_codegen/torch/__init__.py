r"""Target encoding, decoding and the paper's loss for PyTorch (extra `torch`): the numbers of NumPy's and Keras'.

    from hilbert_codegen.curves import make_curve
    from hilbert_codegen.torch import HilbertLoss, decode
    from hilbert_codegen.training.loss import HeadCurve

    on = HeadCurve(make_curve("hilbert", 3))
    loss = HilbertLoss(on)                 # loss(heads, t): heads (..., n), t (...) or (..., 1)

The equation is in `hilbert_codegen.training.loss`; distances are in units of t, as there. Which segment is nearest has no
gradient; the projection on it has: 1 / L along the segment, none across, none where it is clipped to the ends.

All of it traces under torch.compile without a graph break. Half-precision heads, as autocast gives them, are decoded in
float32: a cell of order 6 has fewer than four bfloat16 values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hilbert_codegen.resources import require
from hilbert_codegen.training.loss import HeadCurve

require("torch", "hilbert_codegen.torch", "torch")

import torch  # noqa: E402  # behind the message that names the extra
from torch import Tensor, nn  # noqa: E402


def _constants(on: HeadCurve, like: Tensor) -> tuple[Tensor, Tensor]:
    """Start and step of the segments on the device and in the type of `like`."""
    start, step = on.segments()
    return torch.as_tensor(start).to(like), torch.as_tensor(step).to(like)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # NumPy's quadrature does not trace
def _quadrature(samples: int) -> tuple[list[float], list[float]]:
    """Places in [0, 1] and weights of Gauss-Legendre quadrature."""
    legendre: Any = np.polynomial.legendre  # some releases of NumPy give it no types
    nodes, shares = legendre.leggauss(samples)
    return ((nodes + 1) / 2).tolist(), shares.tolist()


def _precise(values: Tensor) -> Tensor:
    """`values` in float32 where they have fewer bits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _nearest(heads: Tensor, on: HeadCurve, start: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """As `decode`, with the segments' constants at hand."""
    grid = (heads - on.origin) / on.pitch
    offset = grid.unsqueeze(-2) - start
    along = (offset * step).sum(-1).clamp(0.0, 1.0)
    square = (offset - along.unsqueeze(-1) * step).square().sum(-1)
    index = square.argmin(-1, keepdim=True)
    count = on.curve.segments
    t = (index.squeeze(-1).to(heads.dtype) + along.gather(-1, index).squeeze(-1)) / count
    if on.curve.closed:  # the end is the start
        t = t - torch.floor(t)
    return t, square.gather(-1, index).squeeze(-1) / count**2


def _point(t: Tensor, on: HeadCurve, start: Tensor, step: Tensor) -> Tensor:
    """As `encode`, with the segments' constants at hand."""
    values = t - torch.floor(t) if on.curve.closed else t.clamp(0.0, 1.0)
    arc = values * on.curve.segments
    first = arc.floor().clamp(max=on.curve.segments - 1)
    index = first.long()
    grid = start[index] + (arc - first).unsqueeze(-1) * step[index]
    return on.origin + on.pitch * grid


def decode(heads: Tensor, on: HeadCurve) -> tuple[Tensor, Tensor]:
    """t of the nearest curve point and the squared distance r^2 to it in units of t, both of shape (...).

    `heads` is a tensor (..., n) of real head values, n the dimensions of the curve. Of equally near points the first
    along the curve is taken, where `HeadCurve.decode` looks into the heads' own cell first. On a closed curve t is below 1. Memory: one number a segment for every point.
    """
    values = _precise(heads)
    return _nearest(values, on, *_constants(on, values))


def decode_mean(heads: Tensor, on: HeadCurve, sigma: float, gate: float, samples: int = 4) -> tuple[Tensor, Tensor]:
    """As `decode`, but farther than `gate` cells from the curve t is its posterior mean (estimator "mean").

    Gaussian head noise of `sigma` cells; the integrals along the curve by Gauss-Legendre quadrature with `samples`
    points a segment (4 are good to 1e-3 of a segment for sigma >= 0.4). Unlike the nearest point, the mean has a
    gradient across the curve. Give it to `HilbertLoss` as decoder=functools.partial(decode_mean, sigma=0.5, gate=0.15).

    Raises ValueError for a closed curve, on which t has no mean.
    """
    if on.curve.closed:
        raise ValueError("t wraps round on a closed curve: it has no mean")
    values = _precise(heads)
    start, step = _constants(on, values)
    nearest, r2 = _nearest(values, on, start, step)
    within, share = (torch.tensor(part, dtype=values.dtype, device=values.device) for part in _quadrature(samples))
    grid = (values - on.origin) / on.pitch
    points = (start.unsqueeze(1) + within.unsqueeze(-1) * step.unsqueeze(1)).reshape(-1, start.shape[-1])
    square = sum((grid[..., axis : axis + 1] - points[:, axis]).square() for axis in range(start.shape[-1]))
    assert isinstance(square, Tensor)
    least = square.amin(-1, keepdim=True)  # common to all weights: keeps exp from underflowing
    weight = torch.exp((least - square) / (2 * sigma**2)) * share.repeat(len(start))
    place = torch.arange(len(start), dtype=values.dtype, device=values.device).unsqueeze(-1) + within
    mean = (weight * place.reshape(-1)).sum(-1) / weight.sum(-1) / on.curve.segments
    return torch.where(r2 > (gate / on.curve.segments) ** 2, mean, nearest), r2


def encode(t: Tensor, on: HeadCurve) -> Tensor:
    """The curve point c(t) as head values: a tensor (...) -> (..., n); clipped to [0, 1], modulo 1 on a closed curve."""
    values = _precise(t)
    return _point(values, on, *_constants(on, values))


def squared(decoded: Tensor, t: Tensor) -> Tensor:
    """The task loss (decoded - t)^2, elementwise."""
    return (decoded - t).square()


class HilbertLoss(nn.Module):  # type: ignore[misc]  # torch is not checked here
    """task(t + e, t) + alpha * (|h - c(t)|^2 + beta * r^2).

    e is the decoded value's error, clipped at `reach` cells; on a closed curve it is taken the short way round.

    Args:
        on: the curve.
        alpha: weight of both distances, >= 0.
        beta: weight of the distance to the curve, >= 0.
        reach: largest error that the task's loss sees, in cells, > 0; math.inf does not clip.
        task: loss on the decoded value, elementwise: (decoded, t) -> loss.
        decoder: `decode`, or `decode_mean` with its settings bound: (heads, on) -> (t, r^2).
        reduction: "mean", "sum" or "none".

    Raises ValueError for another reduction.
    """

    start: Tensor
    step: Tensor

    def __init__(
        self,
        on: HeadCurve,
        alpha: float = 3.0,
        beta: float = 0.0,
        reach: float = 1.0,
        task: Callable[[Tensor, Tensor], Tensor] = squared,
        decoder: Callable[[Tensor, HeadCurve], tuple[Tensor, Tensor]] = decode,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f'reduction {reduction!r}: give "mean", "sum" or "none"')
        self.on, self.alpha, self.beta, self.reach = on, alpha, beta, reach
        self.task, self.decoder, self.reduction = task, decoder, reduction
        start, step = _constants(on, torch.zeros((), dtype=torch.float64))
        self.register_buffer("start", start, persistent=False)
        self.register_buffer("step", step, persistent=False)

    def forward(self, heads: Tensor, t: Tensor) -> Tensor:
        """Loss of heads (..., n) whose true values are t, of shape (...) or (..., 1); "none" gives shape (...)."""
        values = _precise(heads)
        truth = (t.squeeze(-1) if t.dim() == heads.dim() else t).to(values.dtype)
        start, step = self.start.to(values), self.step.to(values)
        decoded, r2 = (
            _nearest(values, self.on, start, step) if self.decoder is decode else self.decoder(values, self.on)
        )
        miss = ((values - _point(truth, self.on, start, step)) / self.on.length).square().sum(-1)
        error = decoded - truth
        if self.on.curve.closed:
            error = error - torch.floor(error + 0.5)
        bound = self.reach / self.on.curve.segments
        loss = self.task(truth + error.clamp(-bound, bound), truth) + self.alpha * (miss + self.beta * r2)
        if self.reduction == "none":
            return loss
        return loss.mean() if self.reduction == "mean" else loss.sum()
