"""Cuts the features of all targets into parts of about equal cost; a feature that costs more than a part is cut too."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from math import gcd
from typing import Final, TypeAlias

from convscope.planning.cost import Costs
from convscope.planning.segments import Segment
from convscope.planning.targets import Target

__all__ = ["MAX_PARTS", "PART_S", "Atom", "atoms", "cut", "price"]

# How long a part should take, in seconds: long compared with forking an executor and loading a model, short enough
# that other jobs do not wait long for it.
PART_S: Final = 3.0

# Parts get shorter towards a job's end, so that its workers end together: a part is at most ``SHARE_OF_LEFT`` of the
# work that is left, and at least ``SHORTEST`` of a full part. (Guided self-scheduling, Polychronopoulos and Kuck, 1987,
# divides the work that is left by the number of workers, which is unknown here.)
SHARE_OF_LEFT: Final = 1 / 4
SHORTEST: Final = 1 / 3

# Bounds the parts of a job; the parts of longer ones are longer.
MAX_PARTS: Final = 10_000

# Segments that stay together.
Atom: TypeAlias = tuple[Segment, ...]


def cut(targets: Sequence[Target], costs: Costs, part_seconds: float = PART_S) -> list[list[Segment]]:
    """Return the segments of each part; together they have every restart of every feature once, in order.

    Parts begin with a new chunk wherever chunks are shorter than parts, since a chunk that two parts share is computed
    twice. A part costs at most the target length and half an atom more, or is one atom: see ``atoms``.

    Args:
        targets: the targets.
        costs: their costs.
        part_seconds: how long a part should take.
    """
    whole = sum(costs.features(target, target.features) for target in targets)
    most = max(part_seconds, whole / MAX_PARTS)
    pieces = [atom for number, target in enumerate(targets) for atom in atoms(number, target, costs, most)]
    prices = [_price_with_compiling(targets[atom[0].target], atom, costs) for atom in pieces]
    length = sum(prices) / max(1, round(sum(prices) / most))
    while len(parts := _grouped(pieces, prices, length)) > MAX_PARTS:
        length *= 1.1
    return [_joined(part, targets) for part in parts]


def atoms(number: int, target: Target, costs: Costs, part_seconds: float = PART_S) -> Iterator[Atom]:
    """Yield the segments of a target that stay together.

    Args:
        number: index of the target, from 0.
        target: the target.
        costs: its costs.
        part_seconds: how long a part should take.
    """
    chunk, count = costs.chunk(target), -(-target.restarts // target.rows)
    if target.divisible and count > 1 and count * chunk > part_seconds:
        # At most half a part each, so that parts of them are about equal.
        return _runs_of_chunks(number, target, max(1, int(part_seconds / 2 / chunk)))
    return _groups_of_features(number, target, costs, part_seconds)


def price(target: Target, segments: Iterable[Segment], costs: Costs) -> float:
    """Return the cost of a target's segments, in order, in one process, in seconds."""
    runs = (run for segment in segments for run in segment.runs(target))
    return target.chunks_with(runs) * costs.chunk(target)


def _groups_of_features(number: int, target: Target, costs: Costs, part_seconds: float) -> Iterator[Atom]:
    """Yield the features between two places where chunks and features both end.

    If that is too much for a part, features with many restarts are separated inside a chunk.
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
    """Yield the restarts in runs of ``chunks`` chunks; a feature's last ones may share a chunk with the next one's."""
    length = chunks * target.rows
    for _, group in groupby(_pieces(number, target, length), key=lambda piece: piece[0]):
        yield tuple(segment for _, segment in group)


def _pieces(number: int, target: Target, length: int) -> Iterator[tuple[int, Segment]]:
    """Yield each feature's restarts in each run of ``length`` of the target's ascents, with the number of the run."""
    for place, feature in enumerate(target.features):
        items = target.items(feature)
        for run in range(items.start // length, (items.stop - 1) // length + 1):
            first = max(0, run * length - items.start)
            restarts = min(target.restarts, (run + 1) * length - items.start) - first
            yield run, Segment(number, place, 1, first, None if restarts == target.restarts else restarts)


def _grouped(pieces: Sequence[Atom], prices: Sequence[float], length: float) -> list[list[Segment]]:
    """Group atoms into parts, in order, each until about its cost is reached.

    Args:
        pieces: the atoms.
        prices: their costs, in seconds.
        length: cost of a part, in seconds, before the parts get shorter.
    """
    parts: list[list[Segment]] = []
    whole = left = sum(prices)
    cost = most = 0.0
    for atom, atom_cost in zip(pieces, prices, strict=True):
        if not parts or cost + atom_cost / 2 > most:
            parts.append([])
            cost, most = 0.0, _next_length(length, whole, left)
        parts[-1] += atom
        cost += atom_cost
        left -= atom_cost
    return parts


def _next_length(length: float, whole: float, left: float) -> float:
    """Return the cost that the next part should have if ``left`` of ``whole`` is left; a single part stays one."""
    return length if whole <= length else min(length, max(length * SHORTEST, left * SHARE_OF_LEFT))


def _price_with_compiling(target: Target, atom: Atom, costs: Costs) -> float:
    """Return an atom's cost; a target's first atom includes the compilation."""
    begins = atom[0].start == 0 and atom[0].first == 0
    return price(target, atom, costs) + (costs.compiling(target) if begins else 0.0)


def _joined(segments: Iterable[Segment], targets: Sequence[Target]) -> list[Segment]:
    merged: list[Segment] = []
    for segment in segments:
        joined = merged[-1].joined(segment, targets[segment.target]) if merged else None
        if joined:
            merged[-1] = joined
        else:
            merged.append(segment)
    return merged
