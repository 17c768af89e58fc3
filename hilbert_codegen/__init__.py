"""Exact fixed-point C decoders for networks that output a point on a 2D Hilbert curve."""

__version__ = "0.1.0"

from hilbert_codegen.codec import Decoder, decode, encode
from hilbert_codegen.curves import Curve, make_curve

__all__ = ["Curve", "Decoder", "__version__", "decode", "encode", "make_curve"]
