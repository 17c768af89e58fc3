"""Arduino library."""

from hilbert_codegen.packages import PACKAGES, Package

PACKAGES.add("arduino", Package("arduino", "Arduino library"))
