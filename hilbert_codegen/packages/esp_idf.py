"""ESP-IDF component."""

from hilbert_codegen.packages import PACKAGES, Package

PACKAGES.add("esp-idf", Package("esp-idf", "ESP-IDF component"))
