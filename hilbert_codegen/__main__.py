"""`python -m hilbert_codegen`."""

from hilbert_codegen.cli import main

main()
