"""`boxes`: three to six heads. For every half-cell box the few half segments that can be nearest there.

In most boxes (half_cells.py) one half segment is nearest throughout, and the result follows from one coordinate. Elsewhere
the listed ones are compared by squared distance, in whole numbers.

There are two builds. Positions with a fixed number of fractional bits (fixed.py) are the faster; where their
rounding would decide a comparison or a result wrongly, whole numbers of several words (whole.py) round nothing.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.errors import CheckFailed
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Implementation, IntArray, Refused
from hilbert_codegen.kernels.boxes.distance import distances_of
from hilbert_codegen.kernels.boxes.fixed import Fixed, fixed_layouts
from hilbert_codegen.kernels.boxes.layout import Layout, Lists, entry_of, listed_from
from hilbert_codegen.kernels.boxes.whole import Whole, whole_layout
from hilbert_codegen.kernels.half_cells import Along, Geometry, boxes_of, check_covered, same_signs
from hilbert_codegen.spec.specification import Spec


class Argument:
    """The proof of a layout for all tuples of codes, box by box, in whole numbers. It reads the tables that the C has.

    For every box: each half segment that is not listed is beaten throughout by one that is; the list is ordered by (not
    own cell, s); of every two listed ones the comparison in C says what the exact one says, for all codes of the
    box; and the result of every listed one is right for all codes of its axis.
    """

    def __init__(self, layout: Layout, geometry: Geometry) -> None:
        self.layout, self.geometry = layout, geometry
        self._gaps: dict[tuple[int, int], Any] = {}

    def check(self) -> None:
        """Raise CheckFailed with the first thing that is wrong."""
        geometry, layout = self.geometry, self.layout
        known = {entry_of(geometry, h): h for h in range(len(geometry.at))}
        layout.check_numbers()
        for a, axis in enumerate(geometry.half):
            if not np.array_equal(layout.half[a], axis):
                raise CheckFailed(f"head {AXES[a]}: the C finds a code in another half cell")
        rows = self._outputs()
        for box, tables, codes in boxes_of(geometry):
            where = f"box {box}"
            number = sum(h * layout.base**a for a, h in enumerate(box))
            listed = listed_from(layout, int(layout.lists.box[number]), known, where)
            rank = geometry.rank(box)
            if sorted(listed, key=lambda h: rank[h]) != listed:
                raise CheckFailed(f"{where}: the list is not in the order that settles ties")
            check_covered(geometry, box, tables, listed, rank, where)
            for h in listed:
                a = int(geometry.heads.axis[h])
                if not rows[h][codes[a]].all():
                    raise CheckFailed(f"{where}: a result is wrong")
                if len(listed) > 1 and not self._held(h, tables):
                    raise CheckFailed(f"{where}: a sum of squares is too large for its type")
            for one, other in itertools.combinations(listed, 2):
                self._compared(one, other, tables, codes, where)

    def _outputs(self) -> list[NDArray[np.bool_]]:
        """For every half segment: whether the result in C is the exact one, by the code of its axis."""
        geometry = self.geometry
        return [self.layout.results(entry_of(geometry, h)) == geometry.heads.output[h] for h in range(len(geometry.at))]

    def _held(self, h: int, tables: list[Along]) -> bool:
        """Whether the squared distance to a half segment has a bit to spare in its type, throughout a box."""
        most = sum(int(table.high[h]) for table in tables)
        return bool(most * self.layout.cell**2 < self.geometry.unit**2 << (self.layout.square_bits - 1))

    def _gap(self, a: int, h: int) -> Any:
        if (a, h) not in self._gaps:
            self._gaps[a, h] = self.layout.gap(a, entry_of(self.geometry, h)).astype(object) ** 2
        return self._gaps[a, h]

    def _compared(self, one: int, other: int, tables: list[Along], codes: list[IntArray], where: str) -> None:
        """The difference of two squared distances, exact and as the C forms it, has one sign for all codes of a box."""
        scale = self.layout.cell**2
        exact, fixed = [], []
        for a, (table, group) in enumerate(zip(tables, codes, strict=True)):
            pairs = {
                (int(g) * scale, int(f) * self.geometry.unit**2)
                for g, f in zip(
                    table.table[one] - table.table[other],
                    self._gap(a, one)[group] - self._gap(a, other)[group],
                    strict=True,
                )
            }
            exact.append(np.array([g for g, _ in pairs], dtype=object))
            fixed.append(np.array([f for _, f in pairs], dtype=object))
        wrong = sum(int(np.abs(f - g).max()) for g, f in zip(exact, fixed, strict=True))
        if wrong and not same_signs(exact, fixed, wrong):
            raise CheckFailed(f"{where}: two half segments are too close a call")


def proved(spec: Spec) -> tuple[Fixed | Whole, Argument]:
    """The first build whose argument holds. Raises Refused."""
    geometry = Geometry(spec)
    lists = Lists.of(geometry)
    for layout in fixed_layouts(spec, geometry, lists):
        argument = Argument(layout, geometry)
        try:
            argument.check()
        except CheckFailed:
            continue
        return layout, argument
    whole = whole_layout(spec, lists)
    argument = Argument(whole, geometry)
    argument.check()
    return whole, argument


class Boxes:
    """Lists of half segments for half-cell boxes, three to six heads."""

    name = "boxes"
    summary = "half segments listed by half-cell box, three to six heads"
    dimensions = range(3, 7)

    def build(self, spec: Spec, ideal: Ideal, distance: bool) -> Built:
        """Refused for two heads, and for scales without a common unit of 512 bits."""
        if spec.dimensions not in self.dimensions:
            raise Refused(f"it is not made for {spec.dimensions} heads")
        layout, argument = proved(spec)
        far = distances_of(layout) if distance else None

        def check() -> None:
            argument.check()
            if far is not None:
                far.check()

        first = f"Every half-cell box lists the 1 to {layout.lists.longest} half segments that can be nearest in it"
        return Built(
            strategy=self.name,
            portable=Implementation(
                (*layout.tables, *layout.lists.tables, *(far.tables if far else ())),
                layout.decode,
                far.measure if far else None,
                {**layout.params, **(far.params if far else {})},
                check,
            ),
            kind=layout.kind,
            note=f"{first}; {layout.note}",
        )


STRATEGIES.add(Boxes.name, Boxes())
