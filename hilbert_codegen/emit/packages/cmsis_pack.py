"""Open-CMSIS-Pack."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add(
    "cmsis-pack", Package("cmsis-pack", "Open-CMSIS-Pack", (("decoder.pdsc", "hilbert_codegen.{prefix}_decoder.pdsc"),))
)
