"""What all tests share: a real Redis and a whole running convscope, each started once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore, Deployment, check_layout
from convscope.store.embedded import EmbeddedRedis
from support.api import Api, connect
from support.own_redis import own_redis
from support.stack import Stack, running_stack

# A shell ignores Ctrl-C on behalf of what it starts in the background, and children inherit that: those of the tests
# are to be interrupted all the same.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A private Redis for the tests."""
    with own_redis() as server:
        yield server


@pytest.fixture
def connection(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """An empty database on it, as it is when a service has started."""
    connection = redis.Redis.from_url(redis_server.url)
    connection.flushall()
    check_layout(connection)
    yield connection
    connection.close()


@pytest.fixture
def blobs(tmp_path: Path, connection: redis.Redis) -> BlobStore:
    """An empty artifact store that belongs to the Redis."""
    blobs = BlobStore(tmp_path.as_uri())
    Deployment(connection, blobs.objects).join()
    return blobs


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A convscope with one worker."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[Api]:
    """The stubs of that convscope."""
    with connect(stack.address) as api:
        yield api
