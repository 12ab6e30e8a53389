"""A worker that did not get the reply to its report is told again to kill its executor."""

import redis

from convscope.store import Reconciler, WorkerReport, WorkerStore
from convscope.store.redis.keys import KEYS
from support.part_jobs import claim, create


def test_a_kill_is_told_until_the_executor_is_gone(connection: redis.Redis) -> None:
    reconciler = Reconciler(connection, period_s=0)
    reconciler.tick()
    attempt = claim(connection, create(connection, 1), worker="hangs")
    connection.zadd(KEYS["leases"], {f"{attempt.job_id}|0": 1}, xx=True)  # its lease ran out
    reconciler.tick()
    report = WorkerReport(name="hangs", device="cpu", idle=False)
    told = [WorkerStore(connection).report(report) for _ in range(2)]  # the reply to the first is lost
    assert told == [True, True]
