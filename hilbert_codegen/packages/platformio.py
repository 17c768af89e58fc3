"""PlatformIO library."""

from hilbert_codegen.packages import PACKAGES, Package

PACKAGES.add("platformio", Package("platformio", "PlatformIO library"))
