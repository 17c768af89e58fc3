"""Arduino library."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add("arduino", Package("arduino", "Arduino library"))
