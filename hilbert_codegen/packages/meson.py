"""Meson subproject."""

from hilbert_codegen.packages import PACKAGES, Package

PACKAGES.add("meson", Package("meson", "Meson subproject"))
