"""Chunks: the ascents of a target that are computed together.

Its items are numbered feature * restarts + restart, for all features of the target, requested or not. An item's
last bits depend on the number of images in its batch and on its place among them (other kernels, other vector lanes),
never on their content. So both are fixed: item i is always row i % rows of chunk i // rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["ALL", "Chunk", "chunks", "halved", "halves"]

# Restarts to compute, by feature, where these are not all.
ALL: Final[Mapping[int, range]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A batch of items.

    Attributes:
        first: its first item.
        rows: number of items.
        last: the target's last item, which rows beyond it repeat.
        wanted: items whose images are requested.
    """

    first: int
    rows: int
    last: int
    wanted: tuple[int, ...]

    @property
    def items(self) -> list[int]:
        """The item of each row."""
        return [min(item, self.last) for item in range(self.first, self.first + self.rows)]


def chunks(
    features: Iterable[int], *, of: int, restarts: int, rows: int, some: Mapping[int, range] = ALL
) -> list[Chunk]:
    """Return the chunks with the requested restarts, in rising order.

    Args:
        features: requested features.
        of: number of the target's features.
        restarts: number of restarts of each feature.
        rows: items in a chunk.
        some: restarts to compute, by feature; all of the others.
    """
    every = range(restarts)
    wanted = sorted({feature * restarts + restart for feature in features for restart in some.get(feature, every)})
    return _grouped(wanted, rows, of * restarts - 1)


def halved(rows: int) -> int:
    """Return half as many rows, rounded up."""
    return -(-rows // 2)


def halves(chunk: Chunk) -> list[Chunk]:
    """Return chunks of half as many rows, rounded up, with the wanted items of a chunk of at least two rows."""
    return _grouped(chunk.wanted, halved(chunk.rows), chunk.last)


def _grouped(wanted: Sequence[int], rows: int, last: int) -> list[Chunk]:
    groups: dict[int, list[int]] = {}
    for item in wanted:
        groups.setdefault(item // rows, []).append(item)
    return [Chunk(first=number * rows, rows=rows, last=last, wanted=tuple(group)) for number, group in groups.items()]
