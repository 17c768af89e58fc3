from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbert_codegen.curves import CURVES, ORIENTATIONS, cell_inset, make_curve
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import proof_domain, prove, reference_for
from hilbert_codegen.kernels import STRATEGIES, Refused
from hilbert_codegen.kernels.windows import STRIDE, tile_pool
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Heads, Output, Spec
from hilbert_codegen.variants import equipped

WORD = np.arange(65536)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 80),
    exact=st.booleans(),
    width=st.sampled_from([8, 16]),
    rows=st.sampled_from([4, 8]),
    blocks=st.integers(0, 3),
)
def test_tiles_are_windows(seed: int, count: int, exact: bool, width: int, rows: int, blocks: int) -> None:
    random = np.random.default_rng(seed)
    slope = random.integers(-2, 3, (2, count, 1, 1))
    tiles = slope[0] * np.arange(rows)[:, None] + slope[1] * np.arange(width) + random.integers(0, 65536, (count, 1, 1))
    tiles = (tiles + (random.random((count, rows, width)) < 0.01)) % 65536
    taken = (np.arange(32)[:, None] * 2048 // width + np.arange(blocks * 256 // width)).reshape(-1)
    pool = tile_pool(tiles, 65536, exact, taken)
    index = pool.offset[:, None, None] + STRIDE * np.arange(rows)[:, None] + np.arange(width)
    assert np.array_equal((pool.entries[index] + pool.base[:, None, None]) % 65536, tiles)
    assert pool.entries.min() >= 0 and pool.entries.max() < 65536
    assert not pool.entries[taken].any() and not np.isin(index, taken).any()
    assert not (exact and pool.base.any())


@pytest.mark.parametrize(
    ("strategy", "order"),
    [*(("tile", order) for order in range(1, 6)), ("tile_direct", 3), ("tile_word", 3), ("tile_word", 4)],
)
def test_signed_starts_reach_their_windows(plan: Callable[..., Plan], strategy: str, order: int) -> None:
    """On the cell grid a layout is found that 32-bit Thumb reads without a mask, by sums that leave no table."""
    made = plan(
        f"curve.order={order}", f"code.strategy={strategy}", "code.max_flash_bytes=30000", "code.target=cortex-m4"
    )
    generated = generate(made)
    built = generated.built
    portable, signed = built.portable, built.variants["thumb2"]
    assert signed.table_bytes <= 1.25 * portable.table_bytes
    params, entries = signed.params, signed.tables[0].values
    shift, mask, bias = int(str(params["shift"])), int(str(params["mask"])[:-1], 16), int(str(params["bias"]))
    tile = (WORD >> shift) & mask
    start = entries[tile + int(str(params["starts"]))].astype(np.uint16).view(np.int16).astype(np.int64)
    place = start + WORD - bias
    assert place.min() >= 0 and place.max() < len(entries)
    found = entries[tile] + entries[place]
    result = entries[found - bias] if params["arc"] else found % 65536
    assert np.array_equal(result, generated.ideal.codes.reshape(-1))


def test_diagonal_neighbours_share_their_corners() -> None:
    """Windows of a few pictures, each two down and two right of the last: no edges agree, but 6 x 6 entries do."""
    pictures = np.random.default_rng(3).integers(0, 65536, (20, 20, 20))
    steps = range(0, 13, 2)
    tiles = np.stack([picture[at : at + 8, at : at + 8] + 1000 * at for picture in pictures for at in steps]) % 65536
    pool = tile_pool(tiles, 65536)
    index = pool.offset[:, None, None] + STRIDE * np.arange(8)[:, None] + np.arange(8)
    assert np.array_equal((pool.entries[index] + pool.base[:, None, None]) % 65536, tiles)
    assert len(np.unique(index)) < 0.75 * tiles.size
    assert len(pool.entries) < 0.95 * tiles.size


@pytest.mark.parametrize(
    ("strategy", "orientation", "most"),
    [
        ("tile_word", "d2xy", 23 << 10),
        ("tile_direct", "d2xy", 18 << 10),
        *(("tile", orientation, 17 << 10) for orientation in sorted(ORIENTATIONS)),
    ],
)
def test_pools_of_order_3_are_small(plan: Callable[..., Plan], strategy: str, orientation: str, most: int) -> None:
    """Bytes of the tables of the largest variant, on the cell grid with results over the whole range."""
    made = generate(
        plan(
            "curve.order=3",
            f"curve.orientation={orientation}",
            f"code.strategy={strategy}",
            "code.max_flash_bytes=30000",
            'code.variants=["mve","thumb1","thumb2"]',
        )
    )
    assert max(code.table_bytes for code in made.built.implementations.values()) <= most


@pytest.mark.parametrize(
    ("order", "codes", "kind"), [(3, [0, 65535], ""), (3, [500, 10000], ""), (4, [0, 65535], "direct")]
)
def test_tiles_hold_what_is_smaller(plan: Callable[..., Plan], order: int, codes: list[int], kind: str) -> None:
    """Arc lengths and a result for each, or results where those repeat as well: a code of order 4 is 16.06 of 65535."""
    made = generate(plan(f"curve.order={order}", f"output.codes={codes}", "code.strategy=tile"))
    assert made.built.kind == kind


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    curve=st.sampled_from(CURVES.names()),
    order=st.integers(1, 5),
    orientation=st.sampled_from(sorted(ORIENTATIONS)),
    strategy=st.sampled_from(["tile", "tile_direct", "tile_word"]),
    output=st.sampled_from(
        [
            Output("uint16", (0, 65535)),
            Output("uint16", (10000, 500)),
            Output("int16", (-32768, 32767)),
            Output("uint8", (0, 255)),
            Output("int32", (0, 1 << 20)),
        ]
    ),
    distance=st.booleans(),
)
def test_tile_is_exact_on_the_cell_grid(
    curve: str, order: int, orientation: str, strategy: str, output: Output, distance: bool
) -> None:
    heads = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, (-128, -128), (Fraction(0), Fraction(1)))
    spec = Spec(make_curve(curve, order, orientation), cell_inset(order), heads, output)
    domain = proof_domain(spec)
    expected = reference_for(spec, domain)
    try:
        built = STRATEGIES[strategy].build(spec, expected, distance)
    except Refused:
        # Finer grids than order 4 repeat less.
        assert strategy != "tile" and (order > 4 or output.dtype == "int32")
        return
    built = equipped(built, ["thumb1", "thumb2"], spec, expected)
    prove(spec, built, domain, expected)
    assert built.portable.table_bytes < 65536 * int(output.dtype.strip("uint")) // 8
