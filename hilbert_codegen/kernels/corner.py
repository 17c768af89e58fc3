"""`corner`: three to six heads, fast. Half cells tell the own vertex of a query and, mostly, the nearest half segment.

The own vertex is the corner of the query's half cells. A query at distances g from it, axis by axis, is as far from

    a half segment of that vertex into the box, along c       sum g^2 - g_c^2
    one of another corner, across the axes D, along c          sum g^2 - g_c^2 + sum over D of (1 - 2 g)

so the nearest is the one that *saves* most: g_c^2 less the second sum. Two half segments of the own vertex are told
apart by which g is greater. Another corner's can only be nearer where g exceeds 3/8 on every axis of D, which few
queries do.

The modules, in the order in which they build on one another:

- corner_geometry: boxes, which are parts of half cells, and the half segments listed for each;
- corner_layout: the tables and their executable model, and what their words hold;
- corner_tables: how the tables are made;
- corner_argument: the proof for all tuples of codes;
- this one: the strategy, which hands all that to the template.
"""

from __future__ import annotations

import numpy as np

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused, Table, smallest_unsigned
from hilbert_codegen.kernels.corner_argument import Argument
from hilbert_codegen.kernels.corner_geometry import ACROSS, ALONG, Parts, lists_of
from hilbert_codegen.kernels.corner_layout import Kind, Layout
from hilbert_codegen.kernels.corner_tables import layout_of
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec


class Corner:
    """The own vertex's half segments, three to six heads."""

    name = "corner"
    summary = "the half segments of the own vertex, or of a corner beside it; three to six heads"
    dimensions = range(3, 7)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for two heads, for distances, for results of 32 bits, and where no rounding serves every result."""
        if spec.dimensions not in self.dimensions:
            raise Refused(f"it is not made for {spec.dimensions} heads")
        if distance:
            raise Refused(f"it has no distances for {spec.dimensions} heads")
        if INTEGER_TYPES[spec.output.dtype][0] > 16:
            raise Refused("its results have at most 16 bits")
        geometry = Parts(spec)
        layout = layout_of(spec, geometry, lists_of(geometry))
        argument = Argument(layout, geometry)
        try:
            argument.check()
        except CheckFailed as failed:
            raise Refused(str(failed)) from failed
        return self._built(layout, argument)

    def _built(self, layout: Layout, argument: Argument) -> Built:
        return Built(
            strategy=self.name,
            portable=Implementation(_tables(layout), layout.decode, None, _params(layout), argument.check),
            kind=f"{layout.spec.dimensions} heads",
            note="The half cells of a query tell its own vertex, whose half segments are nearest "
            "but for queries near the middle between corners.",
        )


def _tables(layout: Layout) -> tuple[Table, ...]:
    paged = _paged(layout)
    of = "the heads, 256 for each" if paged else "every head"
    gap = layout.gap if paged else layout.gap[:1]
    share, record, more = layout.share.reshape(-1), layout.record, layout.more
    meaning = "share of every code in the number of its box: 256 for each head"
    each = "" if layout.box is None else ", each once"
    tables = [
        Table("share", smallest_unsigned(int(share.max())), share, meaning),
        Table("gap", "uint32", gap.reshape(-1), f"distance of every code of {of} from the own vertex", 8),
    ]
    if layout.box is not None:
        number = smallest_unsigned(len(record) - 1)
        tables.append(Table("box", number, layout.box, "number of the record of every box"))
    tables.append(Table("record", "uint32", record, f"records of boxes{each}", 8))
    tables.append(Table("more", "uint32", more, "records of pairs and lists", 8))
    return tuple(tables)


def _paged(layout: Layout) -> bool:
    """Whether heads have distances of their own."""
    return not bool((layout.gap == layout.gap[0]).all())


def _params(layout: Layout) -> dict[str, object]:
    """What the template computes with, beside the tables."""
    width, heads = layout.base_bits, layout.spec.heads
    gates = width - 1 - layout.at
    return {
        "shift": layout.shift,
        "width": width,
        "axis_mask": (1 << layout.axis_bits) - 1,
        "paged": _paged(layout),
        "indirect": layout.box is not None,
        "among": f"0x{Kind.AMONG << width:X}UL",
        "vertex": f"0x{Kind.VERTEX << width:X}UL" if _vertices(layout) else "",
        "across": ACROSS,
        "along": ALONG,
        "at": layout.at,
        "at_mask": f"0x{(1 << layout.at) - 1:X}UL",
        "own": width - 1,
        "gates": f"0x{(1 << gates) - 1:X}UL",
        "signed_from": "0x40000000UL",
        "zone": f"0x{layout.zone:X}UL",
        "zero": f"{layout.zero}U",
        "rough": layout.rough,
        "cell": layout.cell,
        "margin": layout.margin,
        "least": -(3 << 29),
        "wide_least": f"-{3 << 61}LL",
        "words": f"0x{(1 << (ACROSS - 3)) - 1:X}UL",
        "last": "0x80000000UL",
        "signed": heads.dtype == "int8",
        **_exact_params(layout),
    }


def _exact_params(layout: Layout) -> dict[str, object]:
    """What the comparison with exact distances computes with."""
    wide, one = layout.wide, layout.one
    end = "" if layout.narrow else "LL"
    curve = layout.spec.curve

    def listed(values: IntArray) -> str:
        return ", ".join(f"{value}{end}" for value in values.tolist())

    # Compared one by one: of a loop some compilers make a division, which is a library's on many cores. Order 1 has
    # one cell.
    cells = [one << bit for bit in reversed(range(curve.order)) if 1 << bit < curve.side - 1]
    return {
        "narrow": layout.narrow,
        "factor": listed(layout.factor),
        "term": listed(layout.term),
        "end": f"{(curve.side - 1) * one << wide}{end}",
        "wide": wide,
        "half": f"{one // 2}{end}",
        "one": f"{one}{end}",
        "slope": listed(layout.slope) if layout.slope.any() else "",
        "cells": [f"{cell}{end}" for cell in cells],
        "middle": listed(layout.middle),
        "second": 1 << layout.second if layout.second else "",
    }


def _vertices(layout: Layout) -> bool:
    """Whether any record is of a vertex alone."""
    return bool((layout.kind(np.concatenate([layout.record, layout.more])) == Kind.VERTEX).any())


STRATEGIES.add(Corner.name, Corner())
