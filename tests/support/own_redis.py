"""A private Redis for tests."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from convscope.store.embedded import EmbeddedRedis

__all__ = ["own_redis"]


@contextlib.contextmanager
def own_redis() -> Iterator[EmbeddedRedis]:
    """Run a Redis within a ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="cs-") as directory, EmbeddedRedis(Path(directory)).running() as server:
        yield server
