"""Meson subproject."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add("meson", Package("meson", "Meson subproject"))
