"""What `corner` offers for the variants: the tables, model and proof of each."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.kernels import Implementation, IntArray, Refused, Table
from hilbert_codegen.kernels.corner.argument import Argument, CloseCall
from hilbert_codegen.kernels.corner.bounds import bounds_of
from hilbert_codegen.kernels.corner.geometry import Lists, Parts
from hilbert_codegen.kernels.corner.kinds import Kinds, kinds_of
from hilbert_codegen.kernels.corner.kinds_argument import KindsArgument
from hilbert_codegen.kernels.corner.lanes import Lanes, lanes_of
from hilbert_codegen.kernels.corner.lanes_argument import LanesArgument
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.offsets import offsets_of
from hilbert_codegen.kernels.corner.params import (
    has_single_near,
    is_paged,
    multiple_of,
    only_of,
    params_of,
    ways_of,
    zoned_of,
)
from hilbert_codegen.kernels.corner.paths import paths_of
from hilbert_codegen.kernels.corner.phases import phases_of
from hilbert_codegen.kernels.corner.phases_argument import PhasesArgument
from hilbert_codegen.kernels.corner.slots import NAMES, shares_of, slots_of, starts_of, tables_of
from hilbert_codegen.kernels.corner.tables import layout_of

#: Raises CheckFailed unless tables are right for all tuples of codes.
Proof = Callable[[], None]
#: Below this share of half segments of other corners that are looked at in the zone the assembly asks for the zone first.
ZONED = 0.8
#: Above this share of points of boxes with lists that are in the zone it does not ask for that of the whole list before.
ASKED = 0.75


def thumb2(layout: Layout, geometry: Parts, lists: Lists, portable: Implementation, proved: Proof) -> Implementation:
    """Assembly with 32-bit instructions: records as paths where that serves, else shares side by side. Raises Refused."""
    params = portable.params
    with contextlib.suppress(Refused):
        return _of_paths(layout, geometry, lists, portable)
    # There are no registers for the addresses of both, of shares by powers and of distances of every head.
    savings = bounds_of(layout, geometry)
    asked, zoned = zoned_of(layout)
    further: dict[str, object] = {
        "paths": (),
        **({"ways": ()} if params["alike"] and params["paged"] else ways_of(layout)),
        "savings": savings.params(),
        "zoned": zoned < ZONED,
    }
    if params["asks"] and asked > ASKED:
        further |= {"asks": False, "gates": "", "flags": 0}

    def sure() -> None:
        proved()
        savings.check(geometry)

    if params["alike"]:
        return replace(portable, params={**params, **further, "slots": [], "starts": [0]}, argument=sure)
    slots = slots_of(layout.share)
    starts = starts_of(slots)
    if len(starts) > len(NAMES):
        raise Refused("it has no registers for so many tables")
    words = tables_of(layout.share, slots)
    given = replace(layout, share=shares_of(words, slots))
    packed = {
        **further,
        "slots": slots,
        "words": NAMES,
        "starts": starts,
        "moved": [head for head, slot in enumerate(slots) if slot.up],
        "unmoved": [replace(slot, up=0) for slot in slots],
    }
    check = _in_place(given, layout, "words", sure)
    return Implementation((*words, *portable.tables[1:]), given.decode, None, {**params, **packed}, check)


def thumb1(layout: Layout, portable: Implementation, proved: Proof) -> Implementation:
    """Assembly with 16-bit instructions, for three heads. Raises Refused."""
    params = portable.params
    if layout.spec.dimensions != 3 or params["indirect"]:
        raise Refused("it is for three heads with a record for every box")
    if params["pairs"] or not has_single_near(layout):
        raise Refused("a list has more than one half segment of the own vertex")
    offsets = offsets_of(layout.share, multiple_of(layout))
    if offsets is None:
        raise Refused("its shares do not fit bytes")
    given = replace(layout, share=offsets.shares())
    down = max(0, layout.zone.bit_length() - 8)
    power = max(0, offsets.base.bit_length() - 1)
    own = {
        "offsets": offsets,
        "power": (power, offsets.base - (1 << power)),
        "zone_down": down,
        "zone_top": layout.zone >> down,
    }
    check = _in_place(given, layout, "offset", proved)
    return Implementation((*offsets.tables(), *portable.tables[1:]), given.decode, None, {**params, **own}, check)


def mve(layout: Layout, portable: Implementation, proved: Proof) -> Implementation:
    """Helium: tables, model and proof of its own. Raises Refused."""
    lanes, proof = _lanes(layout)

    def check() -> None:
        proved()
        proof()

    def decode(*raw: IntArray) -> IntArray:
        return lanes.decode(layout, *raw)

    tables = lanes.tables() if lanes.complete else (*portable.tables, *lanes.tables())
    return Implementation(tables, decode, None, lanes.params(), check)


def _of_paths(layout: Layout, geometry: Parts, lists: Lists, portable: Implementation) -> Implementation:
    """What the assembly computes with where every record is a path, beside `layout` of the portable C. Raises Refused."""
    only = only_of(layout)
    if layout.spec.dimensions > 3 or not only or portable.params["asks"]:
        raise Refused("its lists are not compared in one way")
    layout = layout_of(layout.spec, geometry, lists, numbered=True)
    params = params_of(layout)
    paged, slots = is_paged(layout), []
    share, gap = portable.tables[:2]
    words: tuple[Table, ...] = (share,)
    if paged or not params["alike"]:
        slots = slots_of(layout.share)
        words = tuple(tables_of(layout.share, slots))
        layout = replace(layout, share=shares_of(list(words), slots))
    if len(words) > 2:
        raise Refused("it has no registers for so many tables")
    paths = paths_of(layout, only)
    assert layout.box is not None
    tables = (
        *words,
        gap,
        Table("path", "uint8", layout.box, "number of the path of every box"),
        Table("listed", "uint32", paths.listed, "what paths compare with half segments of other corners"),
    )
    given = {
        "paths": paths.paths,
        "only": only,
        "pages": paths.pages,
        "seldom": paths.seldom,
        "places": slots,
        "words": NAMES if slots else ("share",),
        "starts": starts_of(slots) if slots else [0],
        # Differences of savings at which neither the own half segment nor the other one is sure: the least, and how many.
        "close_from": layout.level - layout.margin + 1,
        "close": 2 * layout.margin - 1,
        "slots": [],
    }
    return Implementation(tables, paths.decode, None, {**params, **given}, Argument(layout, geometry).check)


def _in_place(given: Layout, layout: Layout, where: str, proved: Proof) -> Proof:
    """The proof of a layout whose shares are taken from other tables: that they are the same, and the argument."""

    def check() -> None:
        if not np.array_equal(given.share, layout.share):
            raise CheckFailed(f"{where}: a share is not in its place")
        proved()

    return check


def _lanes(layout: Layout) -> tuple[Lanes | Kinds, Proof]:
    """Those with phases or kinds where they serve the specification, else those with rows of results; and what proves them.

    Raises Refused. Chains of rows may be more than their proof can follow, with scales so coarse that boxes have few codes.
    """
    spec = layout.spec
    with contextlib.suppress(Refused):
        phases, boxes = phases_of(spec)
        return phases, _carried_out(PhasesArgument(phases, boxes, layout).check, CloseCall)
    with contextlib.suppress(Refused):
        kinds, zoned = kinds_of(spec)
        return kinds, _carried_out(KindsArgument(kinds, zoned, layout).check, CloseCall)
    lanes, boxes = lanes_of(spec)
    return lanes, _carried_out(LanesArgument(lanes, boxes).check, CheckFailed)


def _carried_out(check: Proof, refusing: type[CheckFailed]) -> Proof:
    """A proof, carried out once. Raises Refused where it fails with an error of that kind."""
    proof = functools.cache(check)
    try:
        proof()
    except refusing as failed:
        raise Refused(str(failed)) from failed
    return proof
