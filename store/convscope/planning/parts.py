"""Cuts the features of all targets into parts of about equal cost, and features that are dearer than a part as well."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import gcd
from typing import Final, TypeAlias

from convscope.planning.cost import Costs
from convscope.planning.segments import Segment
from convscope.planning.targets import Target

__all__ = ["MAX_PARTS", "PART_S", "Atom", "atoms", "cut", "price"]

# How long a part should take, in seconds: long beside the fork of a horse and the loading of a model, short enough
# that nobody waits long for it.
PART_S: Final = 3.0

# Parts get shorter towards a job's end, so that its workers end together: each is at most this share of what is left,
# but for the shortest, this share of the others. (Polychronopoulos and Kuck's guided self-scheduling, 1987, gives a
# worker its share of what is left; here nobody knows how many workers there are.)
SHARE_OF_LEFT: Final = 1 / 4
SHORTEST: Final = 1 / 3

# Bounds the parts of a job; the parts of longer ones are longer.
MAX_PARTS: Final = 10_000

# Segments that stay together.
Atom: TypeAlias = tuple[Segment, ...]


def cut(targets: Sequence[Target], costs: Costs, part_seconds: float = PART_S) -> list[list[Segment]]:
    """Return the segments of each part; together they have every restart of every feature once, in order.

    Parts begin with a new chunk wherever chunks are shorter than parts, since a chunk that two parts share is computed
    twice. What a part costs is at most the length aimed at and half an atom more, or one atom: see ``atoms``.
    """
    whole = sum(costs.features(target, target.features) for target in targets)
    most = max(part_seconds, whole / MAX_PARTS)
    found = [atom for number, target in enumerate(targets) for atom in atoms(number, target, costs, most)]
    prices = [_price_with_compiling(targets[atom[0].target], atom, costs) for atom in found]
    aimed = sum(prices) / max(1, round(sum(prices) / most))
    while len(parts := _grouped(found, prices, aimed)) > MAX_PARTS:
        aimed *= 1.1
    return [_joined(part, targets) for part in parts]


def atoms(number: int, target: Target, costs: Costs, part_seconds: float = PART_S) -> Iterator[Atom]:
    """Yield what stays together of a target.

    Args:
        number: which target it is.
        target: what is cut.
        costs: what it costs.
        part_seconds: how long a part should take.
    """
    chunk, count = costs.chunk(target), -(-target.restarts // target.rows)
    if target.divisible and count > 1 and count * chunk > part_seconds:
        # At most half a part each, so that they make up parts that are about equal.
        return _runs_of_chunks(number, target, max(1, int(part_seconds / 2 / chunk)))
    return _groups_of_features(number, target, costs, part_seconds)


def price(target: Target, segments: Iterable[Segment], costs: Costs) -> float:
    """Return what segments of a target, in order, cost in one process."""
    runs = (run for segment in segments for run in segment.runs(target))
    return target.chunks_with(runs) * costs.chunk(target)


def _groups_of_features(number: int, target: Target, costs: Costs, part_seconds: float) -> Iterator[Atom]:
    """Yield the features between two places where chunks and features both end.

    Where that is too much for a part, features with many restarts are parted inside of a chunk.
    """
    period = target.rows // gcd(target.rows, target.restarts)
    start = 0
    for _, group in groupby(target.features, key=lambda feature: feature // period):
        features = list(group)
        cost = costs.features(target, features)
        size = len(features)
        if cost > part_seconds and target.restarts > 1:
            size = max(1, int(size * part_seconds / cost))
        for first in range(0, len(features), size):
            yield (Segment(number, start + first, min(size, len(features) - first)),)
        start += len(features)


def _runs_of_chunks(number: int, target: Target, chunks: int) -> Iterator[Atom]:
    """Yield the restarts in each so many chunks: the last ones of a feature may share a chunk with the next feature."""
    length = chunks * target.rows
    for _, group in groupby(_pieces(number, target, length), key=lambda each: each[0]):
        yield tuple(segment for _, segment in group)


def _pieces(number: int, target: Target, length: int) -> Iterator[tuple[int, Segment]]:
    """Yield each feature's restarts in each run of so many of the target's ascents, with the number of the run."""
    for place, feature in enumerate(target.features):
        items = target.items(feature)
        for run in range(items.start // length, (items.stop - 1) // length + 1):
            first = max(0, run * length - items.start)
            restarts = min(target.restarts, (run + 1) * length - items.start) - first
            yield run, Segment(number, place, 1, first, None if restarts == target.restarts else restarts)


def _grouped(found: Sequence[Atom], prices: Sequence[float], aimed: float) -> list[list[Segment]]:
    """Return the atoms of each part, one after another until about its price is reached."""
    parts: list[list[Segment]] = []
    whole = left = sum(prices)
    cost = most = 0.0
    for atom, each in zip(found, prices, strict=True):
        if not parts or cost + each / 2 > most:
            parts.append([])
            cost, most = 0.0, _aimed_now(aimed, whole, left)
        parts[-1] += atom
        cost += each
        left -= each
    return parts


def _aimed_now(aimed: float, whole: float, left: float) -> float:
    """Return what the next part should cost, where so much of the whole is left; what is one part stays one."""
    return aimed if whole <= aimed else min(aimed, max(aimed * SHORTEST, left * SHARE_OF_LEFT))


def _price_with_compiling(target: Target, atom: Atom, costs: Costs) -> float:
    """Return an atom's cost; the compiling is borne by a target's first."""
    begins = atom[0].start == 0 and atom[0].first == 0
    return price(target, atom, costs) + (costs.compiling(target) if begins else 0.0)


def _joined(segments: Iterable[Segment], targets: Sequence[Target]) -> list[Segment]:
    found: list[Segment] = []
    for segment in segments:
        joined = found[-1].joined(segment, targets[segment.target]) if found else None
        if joined:
            found[-1] = joined
        else:
            found.append(segment)
    return found
