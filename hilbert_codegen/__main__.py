"""`python -m hilbert_codegen`."""

import sys

try:
    from hilbert_codegen.cli import main
except KeyboardInterrupt:
    sys.exit(130)

main()
