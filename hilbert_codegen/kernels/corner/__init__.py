"""`corner`: three to six heads, fast. Half cells tell the own vertex of a query and, mostly, the nearest half segment.

The own vertex is the corner of the query's half cells. A query at distances g from it, axis by axis, is as far from

    a half segment of that vertex into the box, along c       sum g^2 - g_c^2
    one of another corner, across the axes D, along c          sum g^2 - g_c^2 + sum over D of (1 - 2 g)

so the nearest is the one that *saves* most: g_c^2 less the second sum. Two half segments of the own vertex are told
apart by which g is greater. Another corner's can only be nearer where g exceeds 3/8 on every axis of D, which few
queries do.

The modules, in the order in which they build on one another:

- geometry: boxes, which are parts of half cells, and the half segments listed for each;
- layout: the tables and their executable model, and what their words hold;
- tables: how the tables are made;
- argument: the proof for all tuples of codes;
- slots: the shares of several heads side by side, for assembly;
- offsets: those of three heads in bytes, for assembly with 16-bit instructions;
- paths: records as pieces of code, for assembly;
- lanes, lanes_number, lanes_argument: the tables of Helium, how codes get to them, with a model and
  a proof of their own;
- phases, phases_argument: the same at order 1, where results are computed;
- kinds, kinds_argument: the same for three heads of order 2, by kinds of boxes;
- distance: distances to the curve, beside the results;
- params: what templates compute with beside the tables;
- offers: what the variants take;
- this one: the strategy, which hands all that to the template.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, Offer, Refused
from hilbert_codegen.kernels.corner.argument import Argument
from hilbert_codegen.kernels.corner.distance import ROOM, Distances, distances_of
from hilbert_codegen.kernels.corner.geometry import Lists, Parts, lists_of
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.offers import Proof, mve, thumb1, thumb2
from hilbert_codegen.kernels.corner.params import params_of, portable_tables
from hilbert_codegen.kernels.corner.tables import layout_of
from hilbert_codegen.spec.specification import INTEGER_TYPES, Spec


class Corner:
    """The own vertex's half segments, three to six heads."""

    name = "corner"
    summary = "the half segments of the own vertex, or of a corner beside it; three to six heads"
    dimensions = range(3, 7)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for two heads, for results of 32 bits, and where no rounding serves every result."""
        if spec.dimensions not in self.dimensions:
            raise Refused(f"it is not made for {spec.dimensions} heads")
        if INTEGER_TYPES[spec.output.dtype][0] > 16:
            raise Refused("its results have at most 16 bits")
        geometry = Parts(spec)
        lists = lists_of(geometry)
        layout = layout_of(spec, geometry, lists)
        for returns in (False, True) if spec.curve.closed else (False,):
            layout = replace(layout, returns=returns)
            check = cache(Argument(layout, geometry).check)
            try:
                check()
            except CheckFailed as failed:
                why = failed
                continue
            return self._built(layout, geometry, lists, check, distance)
        raise Refused(str(why)) from why

    def _built(self, layout: Layout, geometry: Parts, lists: Lists, proved: Proof, distance: bool) -> Built:
        """`proved` is the argument, which is carried out once for all variants."""
        portable = Implementation(portable_tables(layout), layout.decode, None, params_of(layout), proved)
        offers: dict[str, Offer] = {
            "thumb1": partial(thumb1, layout, portable, proved),
            "thumb2": partial(thumb2, layout, geometry, lists, portable, proved),
            "mve": partial(mve, layout, portable, proved),
        }
        only = "the end of the closed curve is given as its start by the portable C alone" if layout.returns else ""
        if distance:
            far = distances_of(layout, geometry, ROOM - portable.table_bytes)
            portable = _with_distances(portable, far, geometry)
            only = "distances are given by the portable C alone"
        curve = layout.spec.curve
        # Of three heads records are paths at order 1: less code, and faster.
        paths = ", order 1" if curve.dimensions == 3 and curve.order == 1 else ""
        return Built(
            strategy=self.name,
            portable=portable,
            kind=f"{curve.dimensions} heads{paths}",
            note="The half cells of a query tell its own vertex, whose half segments are nearest "
            "but for queries near the middle between corners.",
            offers=dict.fromkeys(offers, partial(_refuse, only)) if only else offers,
        )


def _with_distances(portable: Implementation, far: Distances, geometry: Parts) -> Implementation:
    proved = portable.argument

    def check() -> None:
        assert proved is not None
        proved()
        far.check(geometry)

    tables, params = (*portable.tables, *far.tables), {**portable.params, **far.params}
    return replace(portable, tables=tables, distance=far.measure, params=params, argument=check)


def _refuse(why: str) -> Implementation:
    raise Refused(why)


STRATEGIES.add(Corner.name, Corner())
