"""`corner` in lanes for three heads of order 2: half segments have numbers, and boxes with the same of them are one kind.

Half cells are cut in two or three, by distances. Of the share that every code has one table gives

    kind = kinds[share[y] + page * share[x] + stride * share[z]]

Shares and distances are the same for all heads where those are alike, and a page is 256. Else heads have tables of their
own, and that of the third one's shares has multiples of `stride`; a page is as many kinds as are without a chain, less
one, so that one register has both.

A kind has the numbers of both half segments of the own vertex and a chain of those of other corners that can be nearer
there. A number has the axis on top, so that it leads to the code, and its results are

    result = base + ((distance[code] - phase) * slope >> 16)

with a slope of one size that is negative where results fall, or 0 where the vertex itself is nearest (fit.py). The
greater distance tells the two apart.

What half segments of other corners save is compared by the same distances (savings.py).
Close calls are settled by exact distances along the chain, so that no other list is needed, nor a table of the portable
functions.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from hilbert_codegen.kernels import IntArray, Refused, Table, as_output
from hilbert_codegen.kernels.corner.fit import LANE
from hilbert_codegen.kernels.corner.geometry import ZONE, Parts, lists_of
from hilbert_codegen.kernels.corner.lanes import BYTE, CODES, along
from hilbert_codegen.kernels.corner.lanes_number import BYTE_BITS
from hilbert_codegen.kernels.corner.layout import Layout
from hilbert_codegen.kernels.corner.phases import nearest_of
from hilbert_codegen.kernels.corner.savings import CROSSING, Wrong, fitting
from hilbert_codegen.spec.specification import Spec

#: The lowest bit of the axis in a number of a half segment. Below it is 0 in what stands for a close call.
AXIS = 6
BELOW = (1 << AXIS) - 1
#: Numbers of half segments.
NUMBERS = 3 << AXIS
#: Numbers of the places of codes.
PLACES = 24
#: In an entry of a chain: the lowest bit of what follows, and of the axis across.
NEXT, ACROSS = 8, 14
#: How many half cells are cut once more where heads are alike, as others have long tables; and where: up to there, what runs
#: across that axis can save something only where the distance along its own is above 3/8.
BESIDE, ZONE_BESIDE = 4, (1 - ZONE**2) / 2


class Zoned(Parts):
    """Boxes of half cells that are cut by the distance."""

    def _cuts(self, cells: int) -> tuple[tuple[tuple[Fraction, ...], ...], bool]:
        # Not where no code is beyond the cut.
        cut = [half for half in range(cells) if self._reach(half) > ZONE]
        beside = cut[-BESIDE:] if self.alike else []
        return tuple((ZONE, ZONE_BESIDE) if h in beside else (ZONE,) if h in cut else () for h in range(cells)), False

    def _reach(self, half: int) -> Fraction:
        """The largest distance of a code of a half cell from its vertex."""
        codes = zip(self.offset, self.half, strict=True)
        return max(
            (g for axis, halves in codes for g, own in zip(axis, halves.tolist(), strict=True) if own == half),
            default=Fraction(0),
        )


@dataclass(frozen=True)
class Kinds:
    """The tables of the lanes.

    Attributes:
        spec: what is computed.
        share: (1, 256) of heads that are alike, or (heads, 256), what every code adds: see `shares_of`.
        stride: what the third head's parts of its axis are multiplied by.
        kind: the kind of every box, from the sum of its shares, less as many as `share` has.
        ids: the numbers of both half segments of the own vertex of every kind: that which wins ties is in the high byte.
        chained: the first kind that has a chain. Its entry is 1, that of the next kind 2, and so on.
        lonely: the first entry of a kind whose own vertex is nearer than both.
        links: entries of chains: the number of the half segment, above it what follows, by its place behind the entries of
            the kinds, or 0, and the axis across. Entry 0 is 0. A half segment across two axes has an entry without a number
            below its axis, a close call, and behind it one with the number, that saves no more.
        distance: (1, 256) or (heads, 256), the distance of every code from the own vertex.
        pitch: the exact distance of two vertices in the same units.
        wrong: what savings are off by.
        base, phase, slope: by the number of a half segment.
    """

    spec: Spec
    share: IntArray
    stride: int
    kind: IntArray
    ids: IntArray
    chained: int
    lonely: int
    links: IntArray
    distance: IntArray
    pitch: Fraction
    wrong: Wrong
    base: IntArray
    phase: IntArray
    slope: IntArray

    @property
    def complete(self) -> bool:
        """Whether the portable functions' tables are not needed."""
        return True

    @property
    def first(self) -> int:
        """How many kinds have a chain."""
        return len(self.ids) - self.chained

    @property
    def behind(self) -> int:
        """Where those entries begin that follow others. The first one of them is 0, too."""
        return self.first + 1

    @property
    def wide(self) -> bool:
        """Whether phases have two bytes."""
        return int(self.phase.max()) >= BYTE

    @property
    def numbers(self) -> slice:
        """The numbers that tables have."""
        used = np.flatnonzero(self.base | self.phase | self.slope)
        return slice(int(used[0]), int(used[-1]) + 1)

    def kinds(self, flat: IntArray) -> IntArray:
        """The kinds of points, from their raw codes."""
        x, y, z = (self.share[self.row(axis)][codes] for axis, codes in enumerate(flat))
        return np.asarray(self.kind[y + self.page * x + (z if self.own else self.stride * z) - self.share.size])

    @property
    def page(self) -> int:
        """What the first head's parts of its axis are multiplied by: of heads that are not alike the last kind without a chain."""
        return self.chained - 1 if self.own else BYTE

    @property
    def own(self) -> bool:
        """Whether heads have tables of their own."""
        return len(self.share) > 1

    def row(self, axis: int) -> int:
        """Which one of the tables by code an axis has."""
        return axis if self.own else 0

    def results(self, begin: int, codes: IntArray) -> IntArray:
        """The results of the half segment of a number at codes of its axis."""
        return self._results(np.full(len(codes), begin), self.distance[self.row(begin >> AXIS)][codes])

    def _far(self, flat: IntArray, axis: IntArray) -> IntArray:
        """The distances of points along an axis each."""
        return np.asarray(self.distance[axis if self.own else 0, along(flat, axis)])

    def _results(self, number: IntArray, far: IntArray) -> IntArray:
        off = (far - self.phase[number]) * self.slope[number] >> 16
        return as_output(self.spec, self.base[number] + off)

    def decode(self, portable: Layout, *raw: IntArray) -> IntArray:
        """The executable model."""
        flat = np.stack([np.asarray(bits).reshape(-1) for bits in raw])
        kind = self.kinds(flat)
        number, far = self._owns(flat, kind)
        asked = np.flatnonzero(kind >= self.chained)
        entry = kind[asked] - self.chained + 1
        number[asked], far[asked] = self._beside(flat[:, asked], entry, number[asked], far[asked])
        result = self._results(number, far)
        left = asked[number[asked] & BELOW == 0]
        if len(left):
            result[left] = self.exactly(portable, flat[:, left])
        return result.reshape(np.shape(raw[0]))

    def _owns(self, flat: IntArray, kind: IntArray) -> tuple[IntArray, IntArray]:
        """The numbers and distances of the nearer half segments of the own vertices of points."""
        first, second = self.ids[kind] >> 8, self.ids[kind] & 255
        one, other = (self._far(flat, number >> AXIS) for number in (first, second))
        return np.where(one >= other, first, second), np.maximum(one, other)

    def _beside(self, flat: IntArray, entry: IntArray, number: IntArray, far: IntArray) -> tuple[IntArray, IntArray]:
        """Numbers and distances of the nearest half segments, where other corners' are looked at."""
        far = np.where(entry >= self.lonely, 0, far)
        most, sure = (far * far >> 16) + CROSSING, self.wrong.sure
        while entry.any():
            link = self.links[entry]
            this, across = (self._far(flat, link >> shift & 3) for shift in (AXIS, ACROSS))
            saving = (this * this >> 16) + across
            nearer = (saving > most) & (entry > 0)
            number = np.where(nearer, np.where(saving - sure > most, link & 255, 0), number)
            far = np.where(nearer, this, far)
            most = np.maximum(most, np.where(entry > 0, saving - self.wrong.margin, 0))
            further = link >> NEXT & BELOW
            entry, sure = np.where(further, further + self.behind, 0), self.wrong.later
        return number, far

    def exactly(self, portable: Layout, flat: IntArray) -> IntArray:
        """The results of points by exact distances, along the chains of their kinds."""
        kind = self.kinds(flat)
        kinds = kind.tolist()
        own = self._owns(flat, kind)[0].tolist()
        found = [portable.exact(axis, bits) for axis, bits in enumerate(flat)]
        g, slope = (np.stack(part).tolist() for part in zip(*found, strict=True))
        number = np.array(
            [
                self._nearest(portable, kind, own[i], [(g[a][i], slope[a][i]) for a in range(3)])
                for i, kind in enumerate(kinds)
            ]
        )
        return self._results(number, self._far(flat, number >> AXIS))

    def _nearest(self, portable: Layout, kind: int, own: int, place: list[tuple[int, int]]) -> int:
        """The number of the nearest half segment of a kind, of which the `own` one is nearer than the other."""
        others = ((number >> AXIS, number, across) for number, across in self.chain(kind))
        return nearest_of(portable, place, (own >> AXIS, own), kind - self.chained + 1 >= self.lonely, others)[1]

    def chain(self, kind: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The numbers of the half segments of a chain, and the axes that each is across."""
        entry = max(kind - self.chained + 1, 0)
        for _ in range(len(self.links)):
            if not entry:
                return
            link = int(self.links[entry])
            across: tuple[int, ...] = (link >> ACROSS,)
            if not link & BELOW:
                link = int(self.links[self.after(link)])
                across = tuple(a for a in range(3) if a != link >> AXIS & 3)
            yield link & 255, across
            entry = self.after(link)

    def after(self, link: int) -> int:
        """The entry that follows one, or 0."""
        further = link >> NEXT & BELOW
        return further + self.behind if further else 0

    def tables(self) -> tuple[Table, ...]:
        """Those of the C."""
        place = 3 * np.arange(8)
        places = [place + 1 | place << BYTE_BITS, place + 2, place | place << BYTE_BITS]
        numbers = self.numbers
        return (
            Table(
                "lane_kind",
                "uint8",
                np.concatenate([self.share.reshape(-1), self.kind, *([] if self.wide else [self.phase[numbers]])]),
                f"part of its axis that every code {'of each head ' if self.own else ''}is in; behind, kinds of boxes"
                + ("" if self.wide else ", and phases of half segments"),
            ),
            Table(
                "lane_line",
                "uint16",
                np.concatenate(
                    [
                        self.distance.reshape(-1),
                        self.base[numbers],
                        self.slope[numbers] % LANE,
                        *places,
                        self.ids,
                        self.links,
                    ]
                    + ([self.phase[numbers]] if self.wide else [])
                ),
                f"distance of every code {'of each head ' if self.own else ''}from the own vertex; behind, results at vertices, and slopes of half segments; "
                "places of codes; half segments of every kind; entries of chains" + ("; phases" if self.wide else ""),
                8,
            ),
        )

    def params(self) -> dict[str, object]:
        """What the template computes with, beside the tables."""
        first, last = self.numbers.start, self.numbers.stop
        codes = self.distance.size
        places = codes + 2 * (last - first)
        ids = places + PLACES
        links = ids + len(self.ids)
        return {
            "kinds": True,
            "phased": False,
            "stride": self.stride,
            "page": self.page,
            "chained": self.chained,
            "lonely": self.lonely,
            "margin": self.wrong.margin,
            "sure": self.wrong.sure,
            "later": self.wrong.later,
            # What is added in 16 bits to take those off.
            "minus_margin": -self.wrong.margin % LANE,
            "minus_sure": -self.wrong.sure % LANE,
            "minus_later": -self.wrong.later % LANE,
            "crossing": f"0x{CROSSING:X}",
            "own": self.own,
            "codes": CODES,
            "base": codes - first,
            "slope": codes + last - 2 * first,
            "phase": (links + len(self.links) if self.wide else codes + len(self.kind)) - first,
            "wide": self.wide,
            "places": places,
            "ids": ids,
            "links": links,
            "tails": links + self.behind,
            "axis": AXIS,
            "below": BELOW,
            "next": NEXT,
            "across": ACROSS,
        }


#: A half segment of another corner, and the axes that it is across.
Other = tuple[int, tuple[int, ...]]
#: Both half segments of an own vertex, and the chain.
Key = tuple[tuple[int, int], bool, tuple[Other, ...]]


def kinds_of(spec: Spec) -> tuple[Kinds, Zoned]:
    """The tables, and the boxes that they are for. Raises Refused."""
    if spec.dimensions != 3:
        raise Refused("it has not three heads")
    whole, boxes = Parts(spec, cut=False), Zoned(spec)
    stride = boxes.parts
    if (stride + 1) * (stride - 1) >= BYTE:
        raise Refused("it has too many boxes for a byte")
    distinct = not whole.alike
    own, number, alone = _own(whole)
    keys, links = _keys(boxes, own, number), None
    page = stride * stride if distinct else BYTE
    chained = max(len({key for key in keys.values() if not key[2]}), page + 1 if distinct else 0)
    most = BYTE - chained
    while links is None:
        keys = _merged(boxes, keys, number, most)
        order = sorted(dict.fromkeys(keys.values()), key=lambda key: (bool(key[2]), key[1]))
        chains = [key[2] for key in order if key[2]]
        links, most = _links(chains), len(chains) - 1
    plain = len(order) - len(chains)
    if not plain:
        raise Refused("every box has a chain")
    # Kinds without a chain that are too few have the last of them again.
    order = order[:plain] + [order[plain - 1]] * (chained - plain) + order[plain:]
    ids = np.array([first << 8 | second for (first, second), _, _ in order])
    at = {key: i for i, key in enumerate(order)}
    begin = 0 if distinct else 1 + stride
    page = chained - 1 if distinct else BYTE
    kinds = {page * x + y + stride * z + begin: at[key] for (x, y, z), key in keys.items()}
    kind = np.zeros(max(kinds) + 1, dtype=np.int64)
    kind[list(kinds)] = list(kinds.values())
    fit, off = fitting(whole, number)
    base, phase, slope = np.zeros((3, NUMBERS), dtype=np.int64)
    base[: len(fit.base)], phase[: len(fit.phase)] = fit.base, fit.phase
    for n in number.values():
        slope[n] = -fit.slope if fit.falls[n] else fit.slope
    for n, value in alone.items():
        base[n] = value % LANE
    lanes = Kinds(
        spec=spec,
        share=shares_of(boxes, page if distinct else 0),
        stride=stride,
        kind=kind,
        ids=ids,
        chained=chained,
        lonely=1 + sum(not key[1] for key in order if key[2]),
        links=links,
        distance=fit.distance if distinct else fit.distance[:1],
        pitch=fit.pitch,
        wrong=off,
        base=base,
        phase=phase,
        slope=slope,
    )
    return lanes, boxes


def shares_of(boxes: Zoned, page: int) -> IntArray:
    """What codes add: one more than their parts; or with a `page` of tables of heads' own, what the place of the kind is the
    sum of, behind these tables: the first one's times the page."""
    if not page:
        return np.asarray(boxes.part[0][None] + 1)
    x, y, z = boxes.part
    ahead = BYTE * len(boxes.part)
    return np.stack([x + ahead // page, y + ahead % page, z * boxes.parts])


#: Numbers of both half segments of the vertex of half cells, and whether both run away.
Own = dict[tuple[int, ...], tuple[tuple[int, int], bool]]


def _own(whole: Parts) -> tuple[Own, dict[int, int], dict[int, int]]:
    """Those of all half cells; the numbers of half segments; the results of numbers of vertices alone."""
    number: dict[int, int] = {}
    count = [0, 0, 0]

    def new(axis: int) -> int:
        count[axis] += 1
        if count[axis] > BELOW:
            raise Refused("it has too many half segments for a byte")
        # Those of the first axis end where the others begin.
        return axis << AXIS | count[axis] if axis else (1 << AXIS) - count[axis]

    listed = lists_of(whole)
    used = dict.fromkeys(i.half for found in listed.values() for i in found if i.along is not None)
    for half in used:
        number[half] = new(int(whole.heads.axis[half]))
    alone: dict[tuple[int, int], int] = {}
    own: Own = {}
    for cell, found in listed.items():
        mine = [item for item in found if not item.across]
        if mine[0].along is None:
            half = mine[0].half
            a = int(whole.heads.axis[half])
            key = int(whole.vertex[half]), int(whole.heads.output[half][whole.half[a] == cell[a]][0])
            if key not in alone:
                alone[key] = new(int(np.argmin(count)))
            own[cell] = (alone[key], alone[key]), True
        else:
            own[cell] = (number[mine[0].half], number[mine[-1].half]), False
    return own, number, {n: value for (_, value), n in alone.items()}


def _keys(boxes: Zoned, own: Own, number: dict[int, int]) -> dict[tuple[int, ...], Key]:
    """What the kind of every box has."""
    return {
        box: (*own[boxes.cell(box)], tuple((number[item.half], item.across) for item in found if item.across))
        for box, found in lists_of(boxes).items()
    }


def _merged(
    boxes: Zoned, keys: dict[tuple[int, ...], Key], number: dict[int, int], most: int
) -> dict[tuple[int, ...], Key]:
    """The same with at most so many kinds that have a chain: boxes of the same half cells share a chain where few codes go further along
    it for that. Raises Refused."""
    found = dict(keys)
    weight = {box: boxes.points(box) for box in keys}
    cells: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for box in keys:
        cells.setdefault(boxes.cell(box), []).append(box)
    rank = {cell: {n: int(boxes.rank(cell)[half]) for half, n in number.items()} for cell in cells}
    while len(users := Counter(key for key in found.values() if key[2])) > most:
        best: tuple[float, list[tuple[int, ...]], Key] | None = None
        for cell, inside in cells.items():
            chained = dict.fromkeys(found[box] for box in inside if found[box][2])
            for one, other in itertools.combinations(chained, 2):
                items = sorted({*one[2], *other[2]}, key=lambda item: rank[cell][item[0]])
                key: Key = one[0], one[1], tuple(items)
                changed = [box for box in inside if found[box] in (one, other)]
                gone = sum(k != key and users[k] == sum(found[box] == k for box in changed) for k in (one, other))
                fewer = gone - (key not in users)
                cost = sum(weight[box] * (len(items) - len(found[box][2])) for box in changed)
                if fewer > 0 and (best is None or cost / fewer < best[0]):
                    best = cost / fewer, changed, key
        if best is None:
            raise Refused("it has more kinds of boxes than a byte names")
        found |= dict.fromkeys(best[1], best[2])
    return found


def _links(chains: list[tuple[Other, ...]]) -> IntArray | None:
    """The entries of all chains: the first ones of all, and behind them what follows, of which common ends stand once.

    None where too many follow.
    """
    tails = [0]
    placed: dict[tuple[int, ...], int] = {(): 0}

    def entry(words: tuple[int, ...]) -> int:
        rest = words[1:]
        if rest not in placed:
            following = entry(rest)
            tails.append(following)
            placed[rest] = len(tails) - 1
        return words[0] | placed[rest] << NEXT

    words = [
        tuple(
            word
            for n, across in chain
            for word in ([n & ~BELOW | across[0] << ACROSS] if len(across) > 1 else []) + [n | across[0] << ACROSS]
        )
        for chain in chains
    ]
    first = [entry(found) for found in words]
    return np.array([0, *first, *tails]) if len(tails) <= BELOW + 1 else None
