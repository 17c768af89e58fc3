"""Zephyr module."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add("zephyr", Package("zephyr", "Zephyr module"))
