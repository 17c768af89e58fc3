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
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.kernels.windows import STRIDE, row_pool, tile_pool
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import Heads, Output, Spec

WORD = np.arange(65536)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 60), exact=st.booleans(), modulus=st.sampled_from([256, 65536]))
def test_rows_are_windows(seed: int, count: int, exact: bool, modulus: int) -> None:
    """Stretches of a few ramps, so that many overlap."""
    random = np.random.default_rng(seed)
    rows = (random.integers(0, modulus, (count, 1)) + random.integers(-2, 3, (count, 1)) * np.arange(32)) % modulus
    pool = row_pool(rows, modulus, exact)
    found = pool.entries[pool.offset[:, None] + np.arange(32)] + pool.base[:, None]
    assert np.array_equal(found % modulus, rows)
    assert pool.entries.min() >= 0 and pool.entries.max() < modulus
    assert len(pool.entries) <= pool.distinct * 32
    assert not (exact and pool.base.any())


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 80),
    exact=st.booleans(),
    width=st.sampled_from([8, 16]),
    blocks=st.integers(0, 3),
)
def test_tiles_are_windows(seed: int, count: int, exact: bool, width: int, blocks: int) -> None:
    random = np.random.default_rng(seed)
    slope = random.integers(-2, 3, (2, count, 1, 1))
    tiles = slope[0] * np.arange(8)[:, None] + slope[1] * np.arange(width) + random.integers(0, 65536, (count, 1, 1))
    tiles = (tiles + (random.random((count, 8, width)) < 0.01)) % 65536
    taken = (np.arange(32)[:, None] * 2048 // width + np.arange(blocks * 256 // width)).reshape(-1)
    pool = tile_pool(tiles, 65536, exact, taken)
    index = pool.offset[:, None, None] + STRIDE * np.arange(8)[:, None] + np.arange(width)
    assert np.array_equal((pool.entries[index] + pool.base[:, None, None]) % 65536, tiles)
    assert pool.entries.min() >= 0 and pool.entries.max() < 65536
    assert not pool.entries[taken].any() and not np.isin(index, taken).any()
    assert not (exact and pool.base.any())


def test_ramps_share_nearly_everything() -> None:
    """64 windows of one ramp need no more than one of them: the constant is the base's."""
    rows = np.arange(32) * 3 + np.arange(64)[:, None] * 100
    assert len(row_pool(rows, 65536).entries) == 32
    assert len(row_pool(rows, 65536, exact=True).entries) == 64 * 32


@pytest.mark.parametrize("settings_", [[], ["curve.order=2", "output.dtype=int16"]], ids=["order 3", "order 2"])
def test_helium_tables_hold_the_same(plan: Callable[..., Plan], settings_: list[str]) -> None:
    """The layout only Helium reads decodes to the reference too, by that variant's steps."""
    made = generate(
        plan(
            "code.strategy=strip",
            "decoder.distance=true",
            "code.max_flash_bytes=100000",
            "code.variants=mve",
            *settings_,
        )
    )
    table = {entry.name: entry.values for entry in made.built.variants["mve"].tables}
    base, start, far_start = (table[name][WORD >> 5] for name in ("base", "start", "far_start"))
    code, far = table["pool"][(start + WORD) & 0xFFFF] + base, table["far_pool"][(far_start + WORD) & 0xFFFF]
    assert np.array_equal(code % 65536, made.ideal.codes.reshape(-1) % 65536)
    assert np.array_equal(far, made.ideal.distance.reshape(-1))


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
    [("strip", "d2xy", 26 << 10), *(("tile", orientation, 16 << 10) for orientation in sorted(ORIENTATIONS))],
)
def test_pools_of_order_3_are_small(plan: Callable[..., Plan], strategy: str, orientation: str, most: int) -> None:
    """Bytes of the tables of the largest variant, on the cell grid with results over the whole range."""
    made = generate(
        plan("curve.order=3", f"curve.orientation={orientation}", f"code.strategy={strategy}", "code.variants=mve")
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
    curve: str, order: int, orientation: str, output: Output, distance: bool
) -> None:
    heads = Heads("int8", "interleaved", (Fraction(1, 256),) * 2, (-128, -128), (Fraction(0), Fraction(1)))
    spec = Spec(make_curve(curve, order, orientation), cell_inset(order), heads, output)
    domain = proof_domain(spec)
    expected = reference_for(spec, domain)
    built = STRATEGIES["tile"].build(spec, expected, distance)
    prove(spec, built, domain, expected)
    assert built.portable.table_bytes < 65536 * int(output.dtype.strip("uint")) // 8
