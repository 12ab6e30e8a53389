"""Which ascents of a target go together.

Its items are numbered feature * restarts + restart, all of the layer's features counted, asked for or not. An item's
last bits depend on the number of images beside it and on its place among them (other kernels, other vector lanes),
never on what these images show. So both are fixed: item i is always row i % rows of chunk i // rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["ALL", "Chunk", "chunks", "halved", "halves"]

# Which restarts to compute, by feature, where that is not all of them.
ALL: Final[Mapping[int, range]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A batch of items from `first` on, `rows` long; those beyond `last`, the target's last item, repeat it.

    `wanted` are the items whose images are asked for.
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
    """Return the chunks that hold restarts of some of a target's `of` features, in rising order.

    Of each feature it is `some`, if these are given, else all of its `restarts`.
    """
    every = range(restarts)
    wanted = sorted({feature * restarts + restart for feature in features for restart in some.get(feature, every)})
    return _grouped(wanted, rows, of * restarts - 1)


def halved(rows: int) -> int:
    """Return half as many rows, rounded up."""
    return -(-rows // 2)


def halves(chunk: Chunk) -> list[Chunk]:
    """Return chunks of half as many rows, rounded up, that hold what is wanted of one of at least two."""
    return _grouped(chunk.wanted, halved(chunk.rows), chunk.last)


def _grouped(wanted: Sequence[int], rows: int, last: int) -> list[Chunk]:
    groups: dict[int, list[int]] = {}
    for item in wanted:
        groups.setdefault(item // rows, []).append(item)
    return [Chunk(first=number * rows, rows=rows, last=last, wanted=tuple(group)) for number, group in groups.items()]
