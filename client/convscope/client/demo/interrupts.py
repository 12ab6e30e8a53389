"""Interrupts that wait while something is being started or stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """A context manager in which SIGINT, SIGTERM and SIGHUP all raise KeyboardInterrupt, but not inside ``held()``.

    Once one has ended the block, all others are ignored: the process is about to exit.
    """

    def __init__(self) -> None:
        self._held = 0
        self._pending = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaving = kind is not None and issubclass(kind, KeyboardInterrupt)
        for number, handler in self._before.items():  # already about to exit
            signal.signal(number, signal.SIG_IGN if leaving else handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold interrupts back until the end of the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending and not self._held:
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._pending = True
