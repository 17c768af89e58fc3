"""Exact fixed-point C decoders for networks that output a point on a 2D Hilbert curve."""

__version__ = "0.1.0"
