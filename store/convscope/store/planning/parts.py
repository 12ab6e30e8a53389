"""Cuts the features of all targets into parts of about equal cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import gcd
from typing import Final

from convscope.store.planning.cost import Costs
from convscope.store.planning.targets import Target

__all__ = ["MAX_PARTS", "PART_S", "Segment", "cut"]

# How long a part should take, in seconds: long beside the fork of a horse and the loading of a model, short enough
# that nobody waits long for it.
PART_S: Final = 3.0

# Bounds the parts of a job; the parts of longer ones are longer.
MAX_PARTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Segment:
    """Some features of a target, with all of their restarts.

    Attributes:
        target: which target, from 0.
        start: the first one's place among the target's features that are asked for.
        count: how many follow each other there.
    """

    target: int
    start: int
    count: int


def cut(targets: Sequence[Target], costs: Costs, part_seconds: float = PART_S) -> list[list[Segment]]:
    """Return the segments of each part; together they have every feature of every target once, in order.

    Parts begin with a new chunk wherever chunks are shorter than parts, since a chunk that two parts share is computed
    twice. What a part costs is at most the length aimed at and one atom more: see ``atoms``.
    """
    found = [(number, atom) for number, target in enumerate(targets) for atom in atoms(target, costs, part_seconds)]
    prices = [_price(targets[number], atom, costs) for number, atom in found]
    total = sum(prices)
    count = max(1, min(MAX_PARTS, round(total / part_seconds)))
    places, before = [], 0.0
    for price in prices:
        places.append(min(count - 1, int((before + price / 2) * count / total)) if total else 0)
        before += price
    numbered = zip(places, (number for number, _ in found), (atom for _, atom in found), strict=True)
    return [_joined([each[1:] for each in group]) for _, group in groupby(numbered, key=lambda each: each[0])]


def atoms(target: Target, costs: Costs, part_seconds: float = PART_S) -> Iterator[range]:
    """Yield the places of features that stay together: those between two places where chunks and features both end.

    Where that is too much for a part, features with many restarts are parted inside of a chunk.
    """
    period = target.rows // gcd(target.rows, target.restarts)
    start = 0
    for _, group in groupby(target.features, key=lambda feature: feature // period):
        features = list(group)
        price = costs.features(target, features)
        size = len(features)
        if price > part_seconds and target.restarts > 1:
            size = max(1, int(size * part_seconds / price))
        for first in range(0, len(features), size):
            count = min(size, len(features) - first)
            yield range(start + first, start + first + count)
        start += len(features)


def _price(target: Target, atom: range, costs: Costs) -> float:
    """Return an atom's cost; the compiling is borne by a target's first."""
    price = costs.features(target, target.features[atom.start : atom.stop])
    return price + (costs.compiling(target) if atom.start == 0 else 0.0)


def _joined(pieces: Sequence[tuple[int, range]]) -> list[Segment]:
    segments = []
    for target, group in groupby(pieces, key=lambda each: each[0]):
        ranges = [atom for _, atom in group]
        segments.append(Segment(target, ranges[0].start, ranges[-1].stop - ranges[0].start))
    return segments
