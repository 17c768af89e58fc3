"""The tables of `octant` for eight 16-bit lanes at once (Helium): any scale up to order 3, in the same few KB.

A result is base + mx gx + my gy as everywhere in octant.py, but 32-bit sums do not fit the lanes. So that
16 bits are enough, the results are taken apart: with span / segments = S / M in lowest terms, results before rounding
are multiples of 1 / D beyond what g adds, D the denominator of S / M, and

    floor(A + z) = floor((a + floor(z D)) / D),   A = a / D a vertex's result, z = +-g |S / M| + 1/2.

`line` holds floor(z D) by page (head and direction) and code, as quotient and remainder by D, the remainder in the
lowest bits; an octant's `turn` holds the remainder of a, lifted so that the sum of both carries where it reaches D, and
its `base` holds the quotient. That is exact by construction, whatever the span.

A word of `column` is number << 8 | rank of x, of `row` number << 8 | 255 - rank of y: bits 8 to 16 of their sum are the
number of the octant, whose lowest bit is the carry gx > gy. An entry of `turn` is, from the top,

    | 0 | phase | page | shift |          shift of the raw word x | y << 8 that brings the code to the top: 8 x, 0 y

or, for an octant whose own vertex both segments leave,

    | 1 | firm | octant across | 1 | column | 0 0 0 |

with the octant if a far edge is nearer, whether that is a column's, and bits that make a shift which leaves nothing of
the code. A far edge is nearer where the rank of the code along it exceeds `near` of the code across.

Where ties run in circles (folding.py), some constraints for gx > gy are refused. Octants that get such ties for the other
one are marked by the top bit, too, or not firm: there `lead` is added to the rank of x, which makes ties exceed.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.kernels import Implementation, IntArray, Model, Table, as_output
from hilbert_codegen.kernels.distances import BEYOND, FAR, NEAR, PAGE, SLOTS, Distances
from hilbert_codegen.kernels.folding import (
    Folded,
    Item,
    Quarters,
    other_vertex,
    own_vertex,
    places,
    refused_constraints,
    tie_order,
)
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec

#: No rank exceeds it.
NEVER = 255
#: An octant whose points are settled one by one: its vertex is alone, or ties in it belong to the other octant.
MARK = 0x8000
#: The vertex is alone. With it the lowest byte, a signed shift, is 16 or more, or -8 or less: nothing is left of the code.
GONE = 0x10
#: Of octants whose vertex is alone: the far edge is a column's.
COLUMN = 0x8
#: Of those as well: ties are this octant's. The upper bit is told sooner, but a wide phase of other octants takes it. With
#: the lower one, which the shift above leaves no room for beside COLUMN, columns are firm by themselves.
FIRM, LOW_FIRM = 0x4000, 0x4


class _NoFit(Exception):  # noqa: N818 - it says what happened
    """The fields of a word are too narrow."""


def _beside(around: Quarters) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a far edge is compared with the own vertex, that along x and that along y; [class of the code along, across]."""
    return (around.lone & around.far_horizontal).T, around.lone & around.far_vertical


def _ranks(folds: list[Folded], around: Quarters, refused: NDArray[np.bool_]) -> tuple[IntArray, IntArray, int]:
    """(rank of every x, of every y, lead), the ranks just as far apart as the comparisons that matter need them.

    The rank of x exceeds that of y exactly where gx > gy, ties as wanted, in the quarters that ask for it. Where a constraint is
    refused, ties may come out as 0, and the rank of x plus lead exceeds that of y exactly where gx >= gy.
    """
    x, y = (folded.squares for folded in folds)
    order = tie_order(x, y, np.where(refused, -1, around.wanted))
    assert order is not None
    at_key: dict[Fraction, list[int]] = {}
    for half, key in set(x):
        at_key.setdefault(key, []).append(half)
    ties = [((half, key), (line, key)) for line, key in set(y) for half in at_key.get(key, ()) if refused[line, half]]
    for lead in range(int(bool(ties)), NEVER):
        found = _lowest_ranks(folds, around, refused, order, {key for _, (_, key) in ties}, lead)
        if max(found.values()) > NEVER:
            break
        if all(found[1, b] - found[0, a] < lead for a, b in ties):
            return np.array([found[0, item] for item in x]), np.array([found[1, item] for item in y]), lead
    raise _NoFit


def _lowest_ranks(
    folds: list[Folded],
    around: Quarters,
    refused: NDArray[np.bool_],
    order: list[tuple[int, Item]],
    tied: set[Fraction],
    lead: int,
) -> dict[tuple[int, Item], int]:
    """The lowest ranks that the order allows, by one pass over it; `tied` are the keys of ties whose constraint is refused."""
    asked = around.wanted >= 0
    # By class of x, and of y: the highest rank so far; that before the key at hand; and what the next one must reach.
    # No rank is 0, which is below all, and none of y becomes less if lead is taken off.
    top, before, least = ([np.full(len(asked), low) for _ in range(2)] for low in (0, 0, max(lead, 1)))
    bounds = sorted({(bound, half) for folded in folds for half, bound in folded.bounds}, reverse=True)
    beside = _beside(around)
    found: dict[tuple[int, Item], int] = {}
    previous = None
    for which, (half, key) in order:
        while bounds and bounds[-1][0] < key:
            # What is behind the bound of a code across must exceed what is before it, for x and y alike: they may share it.
            _, across = bounds.pop()
            before_bound = max(top[along][beside[along][:, across]].max(initial=0) for along in (0, 1))
            for along in (0, 1):
                least[along][beside[along][:, across] & (least[along] <= before_bound)] = before_bound + 1
        if key != previous:
            previous, before = key, [ranks.copy() for ranks in top]
            if key in tied:
                # Ranks of one key are near each other, and x before it, lead added, do not reach them.
                least = [np.maximum(ranks, top[0].max() + lead) for ranks in least]
        if which == 0:
            rank = max(least[0][half], (top[1][asked[:, half]] + 1).max(initial=0))
        else:
            x_before = (before[0][refused[half]] + lead).max(initial=0)
            rank = max(least[1][half], top[0][asked[half]].max(initial=0), x_before)
        top[which][half] = found[which, (half, key)] = int(rank)
    return found


def _near(along: Folded, ranks: IntArray, across: Folded, beside: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """For each code across the range [first, last] of values that tell which codes along are nearer to the far edge."""
    known = sorted({(half, square, rank) for (half, square), rank in zip(along.squares, ranks.tolist(), strict=True)})
    result = []
    for across_half, bound in across.bounds:
        before = [rank for half, square, rank in known if beside[half, across_half] and square <= bound]
        behind = [rank for half, square, rank in known if beside[half, across_half] and square > bound]
        result.append((max(before, default=0), min(behind, default=NEVER + 1) - 1))
    return result


def _pages(rows: list[IntArray]) -> tuple[IntArray, list[int]]:
    """(different rows end to end, which of them each row is)."""
    different: list[IntArray] = []
    which = []
    for row in rows:
        at = next((i for i, other in enumerate(different) if np.array_equal(other, row)), len(different))
        if at == len(different):
            different.append(row)
        which.append(at)
    return np.concatenate(different), which


class _Results:
    """What goes to `line`, `base` and `turn`, by half segment."""

    def __init__(self, spec: Spec, folds: list[Folded]) -> None:
        c0, c1 = spec.output.codes
        self.unit = Fraction(abs(c1 - c0), spec.curve.segments)
        self.start, self.step = c0, Fraction(c1 - c0, spec.curve.segments)
        self.segments = spec.curve.segments
        self.sign = 1 if c1 >= c0 else -1
        self.denominator = self.unit.denominator
        self.shift = (self.denominator - 1).bit_length()
        rows, self.lift = [], []
        for folded in folds:
            for direction in (1, -1):
                scaled = [(direction * g * self.unit + Fraction(1, 2)) * self.denominator for g in folded.offset]
                whole, part = np.divmod([value.__floor__() for value in scaled], self.denominator)
                self.lift.append(-int(whole.min()))
                rows.append(((whole - whole.min()) << self.shift) + part)
        lines, which = _pages(rows)
        # A page may be named by bits that mean something else, so all that the bits can name are there.
        self.page_bits = 1 if len(lines) <= 512 else 2
        self.line = np.concatenate([lines, np.zeros((256 << self.page_bits) - len(lines), dtype=np.int64)])
        self.page = which
        self.phase_at = 8 + self.page_bits
        self.narrow = self.phase_at + self.shift < 15
        # What is above the phase is added as well.
        if self.phase_at + self.shift > 15 or int(self.line.max()) + (0xFFFF >> self.phase_at) >> 16:
            raise _NoFit

    def value(self, turn: IntArray, index: IntArray) -> IntArray:
        """What is added to the base; without a fraction there is no phase."""
        phase = turn >> self.phase_at if self.shift else 0
        return np.asarray((self.line[index] + phase) >> self.shift)

    def vertex(self, vertex: int) -> tuple[int, int]:
        """(quotient, remainder) of the numerator of a vertex's result."""
        exact = (self.start + vertex * self.step) * self.denominator
        assert exact.denominator == 1
        return divmod(exact.numerator, self.denominator)

    def edge(self, axis: int, forth: int, vertex: int, mark: bool = False) -> tuple[int, int]:
        """(base, turn) of an octant that runs from `vertex` along `axis`, forth (1) or back (-1) along the curve."""
        page = 2 * axis + (forth * self.sign < 0)
        # Back from the first vertex of a closed curve lies its end.
        whole, part = self.vertex(vertex if vertex or forth > 0 else self.segments)
        phase = part + (1 << self.shift) - self.denominator
        turn = phase << self.phase_at | self.page[page] << 8 | (8 if axis == 0 else 0)
        # The mark stands above the phase, and adds a whole number.
        added = MARK * mark >> self.phase_at + self.shift if self.shift else 0
        return (whole - self.lift[page] - added) & 0xFFFF, turn | MARK * mark

    def alone(self, vertex: int, across: int, flags: int) -> tuple[int, int]:
        """(base, turn) of an octant whose vertex is alone, and what lies across."""
        turn = flags | across << 5 | GONE
        page = turn >> 8 & (1 << self.page_bits) - 1
        nearest = (self.start + vertex * self.step + Fraction(1, 2)).__floor__()
        return (nearest - int(self.value(np.array(turn), np.array(page << 8)))) & 0xFFFF, turn


def lanes(spec: Spec, folds: list[Folded], around: Quarters, away: Distances | None = None) -> Implementation | None:
    """Tables and model in lanes of 16 bits, or None where results or fields do not fit those.

    Args:
        spec: 8-bit heads.
        folds, around: of folding.py.
    """
    if INTEGER_TYPES[spec.output.dtype][0] > 16 or (away is not None and not away.narrow):
        return None
    squares = spec.curve.side - 1
    if 4 * squares * squares > NEVER:
        return None
    x, y = folds
    refused = refused_constraints(x.items, y.items, around.wanted)
    try:
        rank_x, rank_y, lead = _ranks(folds, around, refused)
        results = _Results(spec, folds)
    except _NoFit:
        return None
    near = [
        _near(along, ranks, across, beside)
        for along, ranks, across, beside in zip((y, x), (rank_y, rank_x), (x, y), _beside(around)[::-1], strict=True)
    ]
    bounds = [np.array([first if last < NEVER else NEVER for first, last in one]) for one in near]
    shared = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(*near, strict=True)]
    if all(first <= last for first, last in shared):
        bounds = [np.array([first if last < NEVER else NEVER for first, last in shared])] * 2
    near_table, near_page = _pages(bounds)

    # The number of an octant, without the carry: squares' columns, then their rows, then right halves, then upper ones.
    part_x = 2 * (x.half // 2 + 2 * squares * squares * (x.half % 2))
    part_y = 2 * (squares * (y.half // 2) + squares * squares * (y.half % 2))
    column = part_x << 8 | rank_x
    row = part_y << 8 | NEVER - rank_y
    base, turn = _octants(spec, around, refused, results)
    loose = MARK | FIRM if results.narrow else MARK | COLUMN | LOW_FIRM

    def settle(x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        """Number of the octant, and whether it is one across."""
        number = (column[x] + row[y]) >> 8
        tied = turn[number] & loose == MARK
        number = (column[x] + row[y] + lead * tied) >> 8
        entry = turn[number]
        upright = entry & COLUMN != 0
        along = np.where(upright, rank_y[y], rank_x[x])
        bound = np.where(upright, near_table[x], near_table[256 * near_page[1] + y])
        far = (entry & GONE != 0) & (along > bound)
        return np.where(far, entry >> 5 & 0x1FF, number), far

    def decode(x: IntArray, y: IntArray) -> IntArray:
        number, _ = settle(x, y)
        entry = turn[number]
        gone = entry & GONE != 0
        code = np.where(gone, 0, ((x | y << 8) << np.where(gone, 0, entry & 0xFF)) >> 8 & 0xFF)
        value = results.value(entry, (entry & (1 << results.phase_at) - 1 & 0xFF00) | code)
        return as_output(spec, base[number] + value)

    if _ends_beyond(spec, decode):
        return None
    by_x, by_y = "by the raw bits of x", "by the raw bits of y"
    code = Implementation(
        tables=(
            Table("number_x", "uint16", column, f"part of the octant's number << 8 | rank, {by_x}"),
            Table("number_y", "uint16", row, f"part of the octant's number << 8 | 255 - rank, {by_y}"),
            Table("base", "uint16", base, "whole part of the result of each octant's vertex"),
            Table("turn", "uint16", turn, "phase, page and shift of each octant, or the octant across"),
            Table("line", "uint16", results.line, "what a code adds to the result, by page"),
            Table("near", "uint8", near_table, "rank that a far edge's code exceeds to be nearer"),
        ),
        decode=decode,
        params={
            "phase_at": results.phase_at,
            "above": f"0x{0xFF << results.phase_at & 0xFF00:04X}U",
            "page": f"0x{(1 << results.phase_at) - 256:04X}U",
            "fraction": results.shift,
            "near_y": 256 * near_page[1],
            "lead": lead,
            "narrow": results.narrow,
            "loose": f"0x{loose:04X}U",
        },
    )
    if away is None:
        return code
    slots = _slots(around)

    def slots_of(x: IntArray, y: IntArray) -> tuple[IntArray, IntArray]:
        number, far = settle(x, y)
        found = slots[number + len(base) * far]
        return found & 255, found - SLOTS * PAGE >> 8

    meaning = "slot of the term of y << 8 | slot of that of x, by octant, and by octant as one across"
    code = replace(code, tables=(*code.tables, Table("slots", "uint16", slots, meaning)))
    return away.beside(replace(code, params={**code.params, "octants": len(base)}), slots_of)


def _ends_beyond(spec: Spec, decode: Model) -> bool:
    """Whether results are rounded to the end of a closed curve, to be given as its start: no line leads there."""
    c0, c1 = spec.output.codes
    modulus = 1 << INTEGER_TYPES[spec.output.dtype][0]
    if not spec.curve.closed or (c1 - c0) % modulus == 0:
        return False
    y, x = np.divmod(np.arange(1 << 16), 256)
    return bool(((decode(x, y) - c1) % modulus == 0).any())


def slots_bytes(spec: Spec) -> int:
    """Bytes of what distances add to the tables beside those that all variants share."""
    return 2 * 2 * 8 * (spec.curve.side - 1) ** 2


def _slots(around: Quarters) -> IntArray:
    """Slots of distances.py, y << 8 | x, of all octants, and again of all where they are taken from across a square.

    Those of y go on behind those of x."""
    squares = len(around.lone) // 2
    x, y = (np.full((2, 8 * squares * squares), NEAR, dtype=np.int64) for _ in range(2))
    for hy, hx in np.ndindex(around.lone.shape):
        for right in (0, 1):
            number = 2 * (hx // 2 + squares * (hy // 2) + squares * squares * (2 * (hx % 2) + hy % 2)) + right
            if around.vertical[hy, hx] and not (right and around.horizontal[hy, hx]):
                x[1, number], y[:, number] = FAR, BEYOND
            elif around.horizontal[hy, hx]:
                x[:, number], y[1, number] = BEYOND, FAR
    return ((SLOTS + y) << 8 | x).reshape(-1)


def _octants(spec: Spec, around: Quarters, refused: NDArray[np.bool_], results: _Results) -> tuple[IntArray, IntArray]:
    """(base, turn) of all octants."""
    squares = spec.curve.side - 1
    count = len(spec.curve.points)
    place = places(spec)
    row_flags, column_flags = (FIRM, COLUMN | FIRM) if results.narrow else (LOW_FIRM, COLUMN)
    base, turn = (np.zeros(8 * squares * squares, dtype=np.int64) for _ in range(2))

    def number(hx: int, hy: int) -> int:
        return 2 * (hx // 2 + squares * (hy // 2) + squares * squares * (2 * (hx % 2) + hy % 2))

    for hy in range(2 * squares):
        for hx in range(2 * squares):
            ox, oy, nx, ny = own_vertex(hx), own_vertex(hy), other_vertex(hx), other_vertex(hy)
            own = int(place[oy, ox])
            for right in (0, 1):
                if around.vertical[hy, hx] and not (right and around.horizontal[hy, hx]):
                    forth = 1 if (int(place[ny, ox]) - own) % count == 1 else -1
                    entry = results.edge(1, forth, own, mark=bool(refused[hy, hx]))
                elif around.horizontal[hy, hx]:
                    forth = 1 if (int(place[oy, nx]) - own) % count == 1 else -1
                    entry = results.edge(0, forth, own)
                else:
                    column_far, row_far = bool(around.far_vertical[hy, hx]), bool(around.far_horizontal[hy, hx])
                    # No far edge: the octant is its own one across, and nothing is to be settled.
                    across, flags = number(hx, hy) + right, 0
                    if column_far and (right or not row_far):
                        across, flags = number(hx ^ 1, hy) + right, MARK | column_flags
                    elif row_far:
                        across, flags = number(hx, hy ^ 1) + right, MARK if refused[hy, hx] else MARK | row_flags
                    entry = results.alone(own, across, flags)
                base[number(hx, hy) + right], turn[number(hx, hy) + right] = entry
    return base, turn
