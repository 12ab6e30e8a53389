"""What every servicer works with: the store, reached without blocking the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from convscope.service.settings import DEFAULT_MAX_COST
from convscope.store import BlobStore, JobStore, ModelManifests, ModelStore, StoreSettings, Sweeper, connect_promptly

__all__ = ["Backend"]

P = ParamSpec("P")
R = TypeVar("R")

# Calls to Redis and the artifact store under way at once; each takes a millisecond or so.
THREADS = 16


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
        self.blobs = BlobStore(settings.artifacts_url)
        self.manifests = ModelManifests(self.redis, self.blobs)
        self.sweeper = Sweeper(self.redis, self.blobs)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a blocking function in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def close(self) -> None:
        """Give back threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.redis.close()
