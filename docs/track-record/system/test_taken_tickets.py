"""A ticket that a worker has taken no longer counts as one on which another may start."""

from typing import Any

import pytest
import redis
from rq import Worker

from convscope.store import WorkerReport, WorkerStore, connect_patiently, connect_promptly, top_up_tickets
from convscope.store.embedded import EmbeddedRedis
from convscope.store.redis.keys import key
from convscope.worker.supervisor.rq_worker import Supervisor
from support.part_jobs import create


@pytest.mark.usefixtures("own_signals")
def test_a_ticket_that_was_taken_does_not_stand_for_another(
    redis_server: EmbeddedRedis, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Any] = []
    monkeypatch.setattr(Worker, "execute_job", lambda *_: left.append(connection.zcard(key("tickets", "cpu"))))
    WorkerStore(connection).report(WorkerReport(name="taker", device="cpu", idle=True))
    create(connection, 1)
    top_up_tickets(connection)
    assert connection.zcard(key("tickets", "cpu")) == 1
    with connect_patiently(redis_server.url) as patient, connect_promptly(redis_server.url) as prompt:
        Supervisor(patient, prompt, "taker").work(burst=True, max_jobs=1)
    assert left == [0]
