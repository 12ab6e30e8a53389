"""A request that is sent again makes no second job, and its parts can be claimed once."""

from pathlib import Path

import redis

from convscope.store.embedded import EmbeddedRedis
from convscope.v1.train_pb2 import TrainSpec
from support.api import connect
from support.part_jobs import ready
from support.service_alone import service_alone


def test_a_repeated_request_is_queued_once(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    with service_alone(redis_server.url, tmp_path) as (address, _), connect(address) as api:
        first = api.create(TrainSpec(), request_id="again")
        assert ready(connection) == 1
        assert api.create(TrainSpec(), request_id="again").name == first.name
        assert ready(connection) == 1
