"""PlatformIO library."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add("platformio", Package("platformio", "PlatformIO library"))
