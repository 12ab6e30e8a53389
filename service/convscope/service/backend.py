"""The store as every servicer uses it: reached without blocking the event loop.

Calls that need only Redis and calls that also need the artifact store run in separate threads, so that an artifact
store that hangs does not block calls that do not need it.
"""

from collections.abc import AsyncIterator, Callable
from typing import ParamSpec, TypeVar

import redis

from convscope.service.deletions import unless_deleted
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.threads import DaemonThreads, run_within
from convscope.store import (
    BlobError,
    BlobStore,
    BlobTimeouts,
    JobStore,
    ModelManifests,
    ModelStore,
    StoreSettings,
    Sweeper,
    connect_promptly,
)

__all__ = ["Backend"]

P = ParamSpec("P")
R = TypeVar("R")

# Concurrent calls that need only Redis, and that need artifacts; each takes about a millisecond.
REDIS_THREADS = 16
BLOB_THREADS = 16

# How long a call that needs only Redis may take, in seconds: listing very many jobs takes several.
REDIS_DEADLINE_S = 20.0

# How long a call that reads or writes one artifact, of up to 128 MiB, may take, in seconds.
BLOB_DEADLINE_S = 15.0

# How long a call that reads many artifacts may take, in seconds.
BLOBS_DEADLINE_S = 60.0

# How long a request to a remote artifact store may take: it fails well before callers give up.
BLOB_TIMEOUTS = BlobTimeouts(connect_s=2.0, silence_s=4.0, request_s=14.0, retries=3, retry_s=3.0)


class Backend:
    """The store's parts on shared connections.

    Args:
        settings: where Redis and the artifacts are.
        max_cost: seconds that one worker may take for a visualization, by estimate.
    """

    def __init__(self, settings: StoreSettings, *, max_cost: float = DEFAULT_MAX_COST) -> None:
        self.settings = settings
        self.max_cost = max_cost
        self.redis = connect_promptly(settings.redis_url)
        self.jobs = JobStore(self.redis)
        self.models = ModelStore(self.redis)
        self.blobs = BlobStore(settings.artifacts_url, BLOB_TIMEOUTS)
        self.manifests = ModelManifests(self.redis, self.blobs)
        self.sweeper = Sweeper(self.redis, self.blobs)
        self._redis_threads = DaemonThreads(REDIS_THREADS, "redis")
        self._blob_threads = DaemonThreads(BLOB_THREADS, "blobs")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a blocking function that needs only Redis.

        Raises:
            redis.TimeoutError: if it takes too long.
        """
        try:
            return await run_within(REDIS_DEADLINE_S, self._redis_threads, function, *args, **kwargs)
        except TimeoutError as error:
            raise redis.TimeoutError(str(error)) from error

    async def run_blob(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a blocking function that reads or writes one artifact, and may use Redis.

        Raises:
            BlobError: if it takes too long.
        """
        return await self._run_blobs(BLOB_DEADLINE_S, function, *args, **kwargs)

    async def run_blobs(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a blocking function that reads many artifacts, and may use Redis.

        Raises:
            BlobError: if it takes too long.
        """
        return await self._run_blobs(BLOBS_DEADLINE_S, function, *args, **kwargs)

    async def read(
        self, digest: str, size: int, offset: int, *, look_up: Callable[[str], object], name: str
    ) -> AsyncIterator[bytes]:
        """Yield an artifact from an offset on, in pieces of at most a MiB; see ``BlobStore.pieces``.

        Args:
            digest: SHA-256 of the whole.
            size: bytes of the whole.
            offset: number of bytes to skip at the start.
            look_up: finds what the artifact belongs to by its resource name, or raises NotFoundError.
            name: that resource name.

        Raises:
            OffsetError: if the offset lies beyond the end.
            BlobDamagedError: if it is missing or damaged.
            BlobError: if it cannot be read, or a piece takes too long.
            NotFoundError: if what it belongs to was deleted meanwhile.
        """
        pieces = self.blobs.pieces(digest, size, offset)

        def read_piece() -> bytes | None:
            with unless_deleted(look_up, name):
                return next(pieces, None)

        while (data := await self.run_blob(read_piece)) is not None:
            if data:
                yield data

    def close(self) -> None:
        """Close threads and connections without waiting for calls that hang."""
        for threads in (self._redis_threads, self._blob_threads):
            threads.shutdown()
        self.redis.close()

    async def _run_blobs(self, deadline_s: float, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await run_within(deadline_s, self._blob_threads, function, *args, **kwargs)
        except TimeoutError as error:
            raise BlobError(f"cannot reach artifacts in {self.blobs.url}: {error}") from error
