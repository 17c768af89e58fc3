"""ESP-IDF component."""

from hilbert_codegen.emit.packages import PACKAGES, Package

PACKAGES.add("esp-idf", Package("esp-idf", "ESP-IDF component"))
