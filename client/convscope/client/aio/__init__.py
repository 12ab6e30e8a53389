"""The client for asyncio programs.

What talks to the server is written once, here: ``scripts/sync_client.py`` makes the modules of the client for threads
from these. ``connection``, ``job_facts`` and ``runtime`` are written by hand for both.
"""

from convscope.client.aio.client import AsyncClient
from convscope.client.aio.image_listing import AsyncVisualizations
from convscope.client.aio.jobs import AsyncJob
from convscope.client.aio.naming import AsyncModelLike

__all__ = ["AsyncClient", "AsyncJob", "AsyncModelLike", "AsyncVisualizations"]
