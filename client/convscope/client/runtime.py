"""Waiting and blocking work, for the client that threads use; ``aio.runtime`` is for asyncio."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

__all__ = ["blocking_context", "compute", "in_pieces", "run_blocking", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

sleep = time.sleep


def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that computes for long."""
    return function(*args, **kwargs)


def in_pieces(items: Iterable[T]) -> Iterable[T]:
    """Return the items: no event loop waits for what is computed of them."""
    return items


def run_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that works on files."""
    return function(*args, **kwargs)


def blocking_context(manager: AbstractContextManager[T]) -> AbstractContextManager[T]:
    """Return a context manager that works on files when it is entered and left."""
    return manager
