"""A request that is sent again makes no second job, nor a second entry on the queue."""

from pathlib import Path

import redis

from convscope.store.embedded import EmbeddedRedis
from convscope.store.jobs.queue import queue_names
from convscope.v1.train_pb2 import TrainSpec
from support.api import connect
from support.service_alone import service_alone


def entries(connection: redis.Redis) -> int:
    """How much is on the queues that a worker without a GPU listens to."""
    return sum(connection.llen(f"rq:queue:{name}") for name in queue_names("cpu"))


def test_a_repeated_request_is_queued_once(
    connection: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    with service_alone(redis_server.url, tmp_path) as (address, _), connect(address) as api:
        first = api.create(TrainSpec(), request_id="again")
        assert entries(connection) == 1
        assert api.create(TrainSpec(), request_id="again").name == first.name
        assert entries(connection) == 1
        for name in queue_names("cpu"):  # as if the first request had been cut off before its job was on a queue
            connection.delete(f"rq:queue:{name}")
        api.create(TrainSpec(), request_id="again")
        assert entries(connection) == 1
