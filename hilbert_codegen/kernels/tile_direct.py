"""`tile_direct`: tiles with results in the pool, so that two loads that depend on each other give the result; see pictures.py.

A load less a point than `tile` where that holds arc lengths.
"""

from __future__ import annotations

from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.kernels.pictures import Shape, Tiles

STRATEGIES.add(
    "tile_direct",
    Tiles(
        "tile_direct",
        "tiles with results in the pool: two dependent loads",
        (Shape(16, 8, arc=False), Shape(8, 8, arc=False), Shape(8, 4, arc=False)),
    ),
)
