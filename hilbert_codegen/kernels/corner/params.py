"""What the templates of `corner` compute with beside the tables, and the tables of the portable C."""

from __future__ import annotations

import itertools
import math

import numpy as np

from hilbert_codegen.kernels import IntArray, Table, smallest_unsigned
from hilbert_codegen.kernels.corner.geometry import ACROSS, LAST
from hilbert_codegen.kernels.corner.layout import Kind, Layout
from hilbert_codegen.spec.specification import INTEGER_TYPES


def params_of(layout: Layout) -> dict[str, object]:
    """What the template computes with, beside the tables."""
    fields, bits = layout.fields, layout.fields.axis_mask.bit_length()
    kinds = fields.kinds(_records(layout))
    gates = fields.kind - layout.at
    asks = bool(layout.flags) or _asks(layout)
    # What the assembly compares a saving with first: the margin below the level, or less by as little as leaves 16 bits.
    bound_shift = max(0, (layout.level - layout.margin).bit_length() - 16)
    bound = (layout.level - layout.margin) >> bound_shift

    def mask(bits: int) -> str:
        return f"0x{bits:X}UL"

    start, end = (code % (1 << INTEGER_TYPES[layout.spec.output.dtype][0]) for code in layout.spec.output.codes)

    return {
        "shift": layout.shift,
        "returns": {"start": start, "end": end} if layout.returns else None,
        "paged": is_paged(layout),
        "step": _step(layout),
        "base": _base(layout),
        "alike": bool(_step(layout) or _base(layout)),
        "indirect": layout.box is not None,
        "axis": fields.axis,
        "axis_mask": fields.axis_mask,
        "bits": bits,
        # Fields by two shifts, as cores without such an instruction have one for masks only with a register more.
        "axis_down": 32 - bits,
        "other_up": 32 - bits - fields.other,
        "gate_up": 32 - bits - fields.axis,
        "first_up": 29 - ACROSS,
        "axes": mask(fields.axis_mask << fields.axis),
        "single": mask(fields.single),
        "sign": fields.sign,
        "above": mask(1 << fields.sign),
        "below": mask(3 << fields.sign),
        "moving": mask(3 << fields.sign),
        "several": mask(fields.several),
        "either": mask(fields.several | fields.single),
        "other": fields.other,
        "turn_base": mask((1 << fields.other) - 1),
        "minus": ">=" if layout.ahead else ">",
        "among": mask(Kind.AMONG << fields.kind),
        "pair_mask": mask(fields.several | Kind.AMONG << fields.kind),
        "kind": fields.kind,
        "pairs": bool((kinds == Kind.PAIR).any()),
        "at": layout.at,
        "at_mask": mask((1 << layout.at) - 1),
        "gates": mask((1 << gates) - 1) if not layout.flags and asks and _gates(layout) else "",
        "flags": layout.flags,
        "number": mask((1 << layout.flags) - 1),
        "asked": layout.asked,
        "raised": layout.asked - layout.flags,
        "zone": f"{layout.zone}U",
        "rough": layout.rough,
        "cell": layout.cell,
        "margin": layout.margin,
        "level": layout.level,
        "twice": 2 * layout.cell,
        "least": layout.level - layout.margin,
        "bound": bound,
        "bound_shift": bound_shift,
        "above_bound": layout.level - (bound << bound_shift),
        "doubt": layout.level - (bound << bound_shift) + layout.margin,
        "first": ACROSS,
        "words": mask((1 << ACROSS) - 1),
        "last": mask(LAST),
        "not_alone": mask(LAST | (1 << ACROSS) - 8),
        "further": layout.further,
        "lone": all(len(listed) == 1 for listed in layout.lists),
        "single_items": all(len(listed) == 1 and len(listed[0]) == 1 for listed in layout.lists),
        "asks": asks,
        "only": () if asks else only_of(layout),
        "signed": layout.spec.heads.dtype == "int8",
        **_exact_params(layout),
    }


def _exact_params(layout: Layout) -> dict[str, object]:
    """What the comparison with exact distances computes with."""
    wide, one = layout.wide, layout.one
    end = "" if layout.narrow or layout.short else "LL"
    curve, second = layout.spec.curve, 1 << layout.second if layout.second else 0

    # Of heads that are alike, numbers take the place of tables; unless all codes are on one side of what they are compared with,
    # which analysers then know.
    last = (curve.side - 1) * one << wide
    kinds = np.unique(np.stack([layout.factor, layout.term, layout.slope, layout.middle]), axis=1).T.tolist()
    plain = len(kinds) == 1 and all(t <= 0 and 255 * f + t >= last and 0 < m < 255 for f, t, _, m in kinds)

    def listed(values: IntArray, end: str = "") -> str:
        return ", ".join(f"{value}{end}" for value in values.tolist()[: 1 if plain else None])

    # Compared one by one: of a loop some compilers make a division, which is a library's on many cores. Order 1 has
    # one cell.
    cells = [one << (bit + wide) for bit in reversed(range(curve.order)) if 1 << bit < curve.side - 1]
    return {
        "narrow": layout.narrow,
        "direct": layout.direct,
        "short": layout.short,
        "plain": plain,
        "factor": listed(layout.factor, end),
        "term": listed(layout.term, end),
        "end": f"{last}{end}",
        "wide": wide,
        # What a product with a rest is shifted down by, for twice as much of it; and a rest up, for that times a cell.
        "doubled": wide - 1,
        "of_cell": one.bit_length() - wide,
        "whole": f"{one << wide}{end}",
        "fraction": f"{(1 << wide) - 1}ULL",
        "half": f"{(one << wide) // 2}{end}",
        "one": f"{one}{end}",
        "slope": listed(layout.slope) if layout.slope.any() else "",
        "cells": [f"{cell}{end}" for cell in cells],
        "middle": listed(layout.middle),
        "second": second,
        "rises": 2 * max(second, 1),
    }


def portable_tables(layout: Layout) -> tuple[Table, ...]:
    """Those of the portable C."""
    paged = is_paged(layout)
    of = "the heads, 256 for each" if paged else "every head"
    gap = layout.gap if paged else layout.gap[:1]
    alike = _step(layout) or _base(layout)
    share = layout.share[0] if alike else layout.share.reshape(-1)
    meaning = "part of its axis that every code of every head is in"
    if layout.flags:
        meaning += f", and {1 << layout.flags} where its distance is above 3/8"
    if not alike:
        meaning = "share of every code in the number of its box: 256 for each head"
    each = "" if layout.box is None else ", each once"
    tables = [
        Table("share", smallest_unsigned(int(share.max())), share, meaning),
        Table(
            "gap",
            smallest_unsigned(int(gap.max())),
            gap.reshape(-1),
            f"distance of every code of {of} from the own vertex",
            8,
        ),
    ]
    if layout.box is not None:
        number = smallest_unsigned(len(layout.record) - 1)
        tables.append(Table("box", number, layout.box, "number of the record of every box"))
    further = f"; from {len(layout.record)} on those that they lead to" if len(layout.more) else ""
    tables.append(Table("record", "uint32", layout.words, f"records of boxes{each}{further}", 8))
    return tuple(tables)


def ways_of(layout: Layout) -> dict[str, object]:
    """For three heads, what the uppermost bits of a record say: the way of each of their values, and the pages of distances."""
    if layout.spec.dimensions > 3 or layout.box is not None:
        return {"ways": ()}
    fields = layout.fields
    ways: list[object] = [""] * (1 << (32 - fields.sign))
    uses = [0] * 3
    for record in sorted({*_records(layout).tolist(), *_led_to(layout)}):
        one = np.array(record)
        axis, way = int(fields.axes(one)), record >> fields.sign
        if record & fields.several:
            ways[way] = "list"
            continue
        other = record >> fields.other & fields.axis_mask
        turn = bool(fields.is_turn(one))
        ways[way] = ("turn", axis, other) if turn else ("one", axis, int(fields.signs(one)))
        for read in (axis, other) if turn else (axis,):
            uses[read] += 1
    pages = [(0, 0)] * 3
    if is_paged(layout):
        # Lists need a register that points to the first page; the second points to that of the next two which more records read.
        pages = [(0, 0), (1, 0), (1, 256)] if uses[1] > uses[2] else [(0, 0), (0, 256), (2, 0)]
    return {"ways": ways, "pages": pages}


def _led_to(layout: Layout) -> list[int]:
    """The records of the half segments of pairs and of those of other corners."""
    records, found = _records(layout), []
    kinds = layout.fields.kinds(records)
    for at in np.unique(records[kinds == Kind.PAIR] & 0xFFFF).tolist():
        found += layout.words[at : at + 2].tolist()
    for at in np.unique(records[kinds == Kind.AMONG] & ((1 << layout.at) - 1)).tolist():
        found += [record for record, _ in layout.listed(at)]
    return found


def is_paged(layout: Layout) -> bool:
    """Whether heads have distances of their own."""
    return not bool((layout.gap == layout.gap[0]).all())


def _step(layout: Layout) -> int:
    """The shift from the shares of one head to those of the next, where that is all they differ by; else 0."""
    step = layout.step or int(layout.share.max()).bit_length() // layout.spec.dimensions
    alike = all(np.array_equal(share, layout.share[0] << (a * step)) for a, share in enumerate(layout.share))
    return step if alike else 0


def _base(layout: Layout) -> int:
    """What the shares of one of three heads are multiplied by to be those of the next, where that is no shift; else 0."""
    if _step(layout) or layout.spec.dimensions > 3:
        return 0
    base = int(layout.share[1].max() // max(1, layout.share[0].max()))
    alike = all(np.array_equal(share, layout.share[0] * base**a) for a, share in enumerate(layout.share))
    return base if alike else 0


def multiple_of(layout: Layout) -> int:
    """What the shares of one of three heads are multiplied by to be those of the next; 0 where that is not all they differ by,
    or where heads have distances of their own.
    """
    return 0 if is_paged(layout) else 1 << _step(layout) if _step(layout) else _base(layout)


def has_single_near(layout: Layout) -> bool:
    """Whether every list has a single half segment of the own vertex."""
    among = layout.record[layout.fields.kinds(layout.record) == Kind.AMONG]
    return bool(layout.fields.is_single(layout.words[among & ((1 << layout.at) - 1)]).all())


def zoned_of(layout: Layout) -> tuple[float, float]:
    """Of the points of boxes with lists the share in the zone along an axis that the list asks for; and of the half segments of lists
    the share that are in the zone along the axis by which they are asked for. All codes are equally frequent.
    """
    fields, low = layout.fields, (1 << layout.flags) - 1 if layout.flags else -1
    axes = []
    for shares, gap in zip(layout.share & low, layout.gap, strict=True):
        beyond = {int(share): gap[shares == share] >= layout.zone for share in np.unique(shares)}
        axes.append({share: (len(found), float(found.mean())) for share, found in beyond.items()})
    boxes = list(itertools.product(*axes))
    records = layout.of_box(np.array([sum(shares) for shares in boxes]))
    asked, zoned = np.zeros(2), np.zeros(2)
    for i in np.flatnonzero(fields.kinds(records) == Kind.AMONG).tolist():
        counts, parts = zip(*(axis[share] for axis, share in zip(axes, boxes[i], strict=True)), strict=True)
        points = float(math.prod(counts))
        asked += points, points * (1 - math.prod(1 - parts[axis] for axis in layout.gates(int(records[i]))))
        for _, word in layout.listed(int(records[i]) & ((1 << layout.at) - 1)):
            zoned += points, points * parts[word >> ACROSS & 7]
    whole = max(1.0, float(asked[0])), max(1.0, float(zoned[0]))
    return float(asked[1]) / whole[0], float(zoned[1]) / whole[1]


def _records(layout: Layout) -> IntArray:
    """The records of the boxes that have codes, and those that they lead to where other corners are not nearer."""
    shares = layout.share & ((1 << layout.flags) - 1) if layout.flags else layout.share
    number = np.unique(shares[0])
    for share in shares[1:]:
        number = (number[:, None] + np.unique(share)[None, :]).reshape(-1)
    found = np.unique(layout.of_box(number))
    among = found[layout.fields.kinds(found) == Kind.AMONG]
    return np.concatenate([found, layout.words[among & ((1 << layout.at) - 1)]])


def only_of(layout: Layout) -> tuple[int, ...]:
    """Of lists of a single half segment: the axes of the own one, of the other one, and that which it is across.

    Where those are the same for all lists, one own half segment is nearest among those of its vertex, and the assembly has a register
    for it; else none.
    """
    records = layout.record[layout.fields.kinds(layout.record) == Kind.AMONG]
    at = np.unique(records & ((1 << layout.at) - 1))
    alone = all(len(listed) == 1 and len(listed[0]) == 1 for listed in layout.lists)
    if not alone or not len(at):
        return ()
    fields, own, other = layout.fields, layout.words[at], layout.words[at + 1]
    if not (fields.is_single(own) & (fields.signs(own) != 0)).all():
        return ()
    across = np.array([axis for listed in layout.lists for axis in listed[0]])
    found = np.unique(np.stack([fields.axes(own), fields.axes(other), across]), axis=1)
    return tuple(found[:, 0].tolist()) if found.shape[1] == 1 else ()


def _asks(layout: Layout) -> bool:
    """Whether any box has a list, and codes of which none is in the zone along the axes that it is asked for.

    For shares without flags.
    """
    below = [
        {share: bool((gap[shares == share] < layout.zone).any()) for share in np.unique(shares).tolist()}
        for shares, gap in zip(layout.share, layout.gap, strict=True)
    ]
    boxes = list(itertools.product(*below))
    records = layout.of_box(np.array([sum(shares) for shares in boxes]))
    return any(
        all(below[axis][boxes[i][axis]] for axis in layout.gates(int(records[i])))
        for i in np.flatnonzero(layout.fields.kinds(records) == Kind.AMONG).tolist()
    )


def _gates(layout: Layout) -> bool:
    """Whether any list is asked for along more than one axis."""
    found = _records(layout)
    among = found[layout.fields.kinds(found) == Kind.AMONG]
    return any(len(layout.gates(record)) > 1 for record in among.tolist())
