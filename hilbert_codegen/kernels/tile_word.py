"""`tile_word`: tiles with results in the pool, base and start of a tile in one word; see pictures.py.

Where a core reads the word by one instruction, that is the fastest way but for `full`. The words lie further apart than
halves of words would, so there is less room for the pool between them.
"""

from __future__ import annotations

from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.kernels.pictures import Shape, Tiles

STRATEGIES.add(
    "tile_word",
    Tiles(
        "tile_word",
        "tiles with results in the pool, base and start read as one word",
        (Shape(16, 8, arc=False, paired=True), Shape(16, 4, arc=False, paired=True)),
    ),
)
