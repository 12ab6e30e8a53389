"""What a process keeps from one computation to the next; the least recently used is evicted first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, Protocol, TypeVar

from convscope.engine.runtime.memory import return_memory

__all__ = ["COMPILED_BYTES", "Caches", "Kept"]

# Approximate memory of a compiled function with its kernels, in bytes.
COMPILED_BYTES: Final = 4 * 2**20


class Kept(Protocol):
    """A value in a cache."""

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the value, in bytes; may grow."""


Value = TypeVar("Value", bound=Kept)


class Caches:
    """Loaded weights and compiled functions, by key; for one thread.

    They only save time: a computation gives the same bits whatever is cached. A value in use stays usable when it is
    evicted; its memory is released when the computation has ended.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Estimated memory of all values, in bytes."""
        return sum(value.size_bytes for value in self._kept.values())

    def __iter__(self) -> Iterator[Hashable]:
        """Yield the keys, the least recently used first."""
        return iter(self._kept)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made if there is none; it is the most recently used now.

        Args:
            key: contains everything that decides the value.
            make: returns the value; if it raises, nothing is cached.
        """
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        value: Value = self._kept[key]
        return value

    def trim(self, size_bytes: int) -> None:
        """Evict values, the least recently used first, until the estimate is at most ``size_bytes``."""
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
