"""For people who train: encode and decode, the curve of the heads, the loss in NumPy. May import exact, spec and below."""

from hilbert_codegen.training.loss import HeadCurve, hilbert_loss

__all__ = ["HeadCurve", "hilbert_loss"]
