"""A Redis that takes no writes is UNAVAILABLE to callers, as one that is away."""

import contextlib
from pathlib import Path

import grpc
import pytest
import redis
from api import connect, refused
from service_alone import SERVING, await_health, service_alone

from convscope.store.embedded import EmbeddedRedis
from convscope.v1.train_pb2 import TrainSpec


def test_a_redis_that_takes_no_writes_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("r")
    with (
        EmbeddedRedis(folder).running() as server,
        service_alone(server.url, folder) as (address, _),
        connect(address) as api,
        contextlib.closing(redis.Redis.from_url(server.url)) as admin,
    ):
        await_health(api, SERVING)
        admin.replicaof("127.0.0.1", 1)  # where nobody is
        error = refused(lambda: api.create(TrainSpec(iterations=0)))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
