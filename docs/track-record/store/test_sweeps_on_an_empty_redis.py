"""A service on an empty Redis deletes nothing from an artifact store that is another's."""

import contextlib
import os
import time
from pathlib import Path

import redis

from convscope.service.backend import Backend
from convscope.store import BlobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import StoreError


def test_artifacts_stay_where_redis_is_empty(
    redis_server: EmbeddedRedis, connection: redis.Redis, tmp_path: Path
) -> None:
    digest = BlobStore(tmp_path.as_uri()).put(b"a model that another Redis knows")
    (path,) = tmp_path.glob(f"blobs/*/{digest}")
    written = time.time() - 2 * 3600
    os.utime(path, (written, written))
    backend = Backend(StoreSettings(home=tmp_path, redis_url=redis_server.url, artifacts_url=tmp_path.as_uri()))
    with contextlib.suppress(StoreError):
        backend.sweeper.tick()
    backend.close()
    assert path.exists()
