"""A service by itself whose images are put into the store by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore
from convscope.store.embedded import EmbeddedRedis
from support.api import Api, connect
from support.own_redis import own_redis
from support.service_alone import service_alone
from support.stored_images import Store


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    """A Redis for these tests alone: the service below settles what it finds there while the session lasts."""
    with own_redis() as server:
        yield server


@pytest.fixture(scope="session")
def image_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service has its artifacts."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def api(redis_server: EmbeddedRedis, image_home: Path) -> Iterator[Api]:
    """The stubs of a service that lets a visualization cost two minutes."""
    with (
        service_alone(redis_server.url, image_home, CONVSCOPE_MAX_COST="120") as (address, _),
        connect(address) as connected,
    ):
        yield connected


@pytest.fixture
def store(connection: redis.Redis, image_home: Path) -> Store:
    """Its store, empty."""
    return Store(connection, BlobStore((image_home / "artifacts").as_uri()))
