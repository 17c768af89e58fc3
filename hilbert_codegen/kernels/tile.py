"""`tile`: the full table cut into tiles, in the fewest bytes; see pictures.py.

Up to order 3 the tables are smallest with arc lengths in the pool and the result of every arc length behind it, one load
more a point; on finer curves, whose results are nearly as many as the pool's entries, with results in the pool (`direct`).
"""

from __future__ import annotations

from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.kernels.pictures import Shape, Tiles

STRATEGIES.add(
    "tile",
    Tiles(
        "tile",
        "tiles: a base and a window of a shared pool, in the fewest bytes",
        (Shape(16, 8, arc=True), Shape(16, 8, arc=False), Shape(8, 8, arc=False), Shape(8, 4, arc=False)),
    ),
)
