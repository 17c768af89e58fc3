"""Zephyr module."""

from hilbert_codegen.packages import PACKAGES, Package

PACKAGES.add("zephyr", Package("zephyr", "Zephyr module"))
