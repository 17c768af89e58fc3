"""Exact fixed-point C decoders for networks that output a point on a 2D Hilbert curve."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hilbert_codegen.curves import Curve, make_curve
    from hilbert_codegen.training.codec import Decoder, decode, encode

__all__ = ["Curve", "Decoder", "__version__", "decode", "encode", "make_curve"]

#: Public name -> its module. Loaded when first used: the command line must not wait for NumPy to print its help.
_HOMES = {
    "Curve": "curves",
    "make_curve": "curves",
    "Decoder": "training.codec",
    "decode": "training.codec",
    "encode": "training.codec",
}


def __getattr__(name: str) -> Any:
    """The public names, from where they live (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
