"""Which boxes of `corner` have the same record, where every record is kept once and bytes have numbers for them.

Boxes of the same half cells have one list of other corners' half segments, but for those lists by which most half segments are spared.
To leave numbers for these, the two half segments of a vertex stand for either of them in half cells that few points are in.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from hilbert_codegen.kernels.corner.geometry import Item, Lists, Parts, united

#: Instructions on a Cortex-M4, about: for a half segment of another corner that is looked at, and for the second one of a vertex.
LOOKED_AT, TURN = 15, 8

#: Half cells, and a list of half segments in some of their boxes.
Key = tuple[tuple[int, ...], tuple[Item, ...]]


def points_of(geometry: Parts, lists: Lists) -> Counter[Key]:
    """How many tuples of codes are in boxes with every list."""
    found: Counter[Key] = Counter()
    for box, listed in lists.items():
        found[geometry.cell(box), tuple(listed)] += geometry.points(box)
    return found


def chosen(geometry: Parts, lists: Lists, numbers: int, words: int, turns: bool) -> Lists:
    """The lists of boxes, that at most so many records and so many words with what they lead to come of it, or about so many.

    `turns` is whether two half segments of a vertex are one record.
    """
    points, whole = points_of(geometry, lists), united(geometry, lists)
    one = {geometry.cell(box): tuple(listed) for box, listed in whole.items() if _others(tuple(listed))}
    joined = _joined(points) if turns else []
    records = {(geometry.cell(box), tuple(listed)) for box, listed in whole.items()}
    numbers -= len(records)
    words -= len(records) + sum(_words(listed) for _, listed in records)
    gains = {
        key: count * (len(one[key[0]]) - len(key[1])) * LOOKED_AT
        for key, count in points.items()
        if _others(key[1]) and len(key[1]) < len(one[key[0]])
    }
    apart: set[Key] = set()
    turned: dict[tuple[int, ...], tuple[Item, ...]] = {}
    for key in sorted(gains, key=lambda key: -gains[key]):
        if numbers <= 0 and joined and joined[0][0] * TURN < gains[key]:
            _, spare, cell, both = joined.pop(0)
            turned[cell] = both
            numbers, words = numbers + spare, words + spare
        if numbers > 0 and words > _words(key[1]):
            apart.add(key)
            numbers, words = numbers - 1, words - 1 - _words(key[1])

    def of(box: tuple[int, ...], listed: list[Item]) -> list[Item]:
        cell = geometry.cell(box)
        if not _others(tuple(listed)):
            return list(turned.get(cell, listed))
        return listed if (cell, tuple(listed)) in apart else list(one[cell])

    return {box: of(box, listed) for box, listed in lists.items()}


def _others(listed: tuple[Item, ...]) -> bool:
    """Whether there are half segments of other corners."""
    return any(item.across for item in listed)


def _words(listed: tuple[Item, ...]) -> int:
    """How many words a list has behind the records."""
    others = sum(bool(item.across) for item in listed)
    return 1 + 2 * others if others else 0


def _joined(points: Counter[Key]) -> list[tuple[float, int, tuple[int, ...], tuple[Item, ...]]]:
    """The half cells whose boxes could all have both half segments of their vertex, but for those with lists: by the points for each
    number spared for which that is one too many; how many are spared, the half cells, and both.
    """
    own: dict[tuple[int, ...], list[tuple[tuple[Item, ...], int]]] = defaultdict(list)
    for (cell, listed), count in points.items():
        if not _others(listed):
            own[cell].append((listed, count))
    found = []
    for cell, several in own.items():
        both = max((listed for listed, _ in several), key=len)
        if (
            len(several) > 1
            and len(both) == 2
            and all(item.along is not None and item in both for one, _ in several for item in one)
        ):
            cost = sum(count for listed, count in several if len(listed) < len(both))
            found.append((cost / (len(several) - 1), len(several) - 1, cell, both))
    return sorted(found, key=lambda one: one[:3])
