"""Work on several threads whose results come in order, and which a pulse can stop."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

from convscope.engine.runtime.pulse import PULSE_S, Pulse

__all__ = ["Stopped", "in_order"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818 - not an error: the outcome of work that was told to stop
    """Raised by work that saw its stop event; its result is no longer wanted."""


def in_order(
    work: Callable[[Item, threading.Event], Result],
    items: Iterable[Item],
    *,
    threads: int,
    pulse: Pulse,
    meanwhile: Callable[[], None] | None = None,
) -> Generator[Result]:
    """Yield the results of ``work(item, stop)`` in the items' order, computed on several threads.

    If the pulse or ``meanwhile`` raises, or the generator is closed, ``stop`` is set: long work should check it now and
    then, and raise ``Stopped``. Close the generator (``contextlib.closing``) where an exception may leave it
    unfinished: no thread outlives it.

    Args:
        work: takes an item and the event that asks it to stop.
        items: to work on.
        threads: their number.
        pulse: called repeatedly on the caller's thread.
        meanwhile: called once, while the first items are worked on.
    """
    stop = threading.Event()
    once = cache(meanwhile or (lambda: None))
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item, stop))
                if len(waiting) > threads:
                    once()
                    yield _await(waiting.popleft(), pulse)
            once()
            while waiting:
                yield _await(waiting.popleft(), pulse)
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def _await(future: Future[Result], pulse: Pulse) -> Result:
    pulse()
    while not wait((future,), PULSE_S).done:
        pulse()
    return future.result()
