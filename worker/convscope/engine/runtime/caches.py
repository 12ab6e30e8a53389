"""What a process keeps from one computation to the next: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, Protocol, TypeVar

from convscope.engine.runtime.memory import return_memory

__all__ = ["COMPILED_BYTES", "Caches", "Kept"]

# What a compiled function takes with its kernels, about.
COMPILED_BYTES: Final = 4 * 2**20


class Kept(Protocol):
    """Something that is kept."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, in bytes, by estimate; may grow."""


Value = TypeVar("Value", bound=Kept)


class Caches:
    """Loaded weights and compiled functions, by key; for one thread.

    They only save time: a computation gives the same bits whatever is kept. What is in use stays usable when it is
    evicted; its memory is free once the computation has ended.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Memory that everything kept takes, in bytes, by estimate."""
        return sum(value.size_bytes for value in self._kept.values())

    def __iter__(self) -> Iterator[Hashable]:
        """Yield the keys of what is kept, the least recently used first."""
        return iter(self._kept)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return what is kept under a key, made if there is nothing; it is now the most recently used.

        Args:
            key: tells everything that decides the value.
            make: returns the value; what it raises is passed on, and nothing is kept.
        """
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        value: Value = self._kept[key]
        return value

    def trim(self, size_bytes: int) -> None:
        """Evict, the least recently used first, until at most so many bytes are kept, by estimate."""
        evicted = False
        while self._kept and self.size_bytes > size_bytes:
            self._kept.popitem(last=False)
            evicted = True
        if evicted:
            return_memory()

    def clear(self) -> None:
        """Evict everything."""
        self._kept.clear()
        return_memory()
