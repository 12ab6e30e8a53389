"""Fails jobs that run longer than their timeouts."""

from typing import Any

import redis

from convscope.store.jobs import records
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts
from convscope.v1.jobs_pb2 import Failure, JobState

__all__ = ["fail_outrun"]

# Most jobs to fail in one call.
MOST_AT_ONCE = 100


def fail_outrun(connection: redis.Redis) -> list[str]:
    """Fail the jobs whose timeouts have passed since their first attempts began; return their names."""
    seconds, microseconds = connection.time()
    now = seconds * 1000 + microseconds // 1000
    due: Any = connection.zrangebyscore(KEYS["deadlines"], "-inf", now, start=0, num=MOST_AT_ONCE)
    return [f"jobs/{job_id}" for job_id in map(records.text, due) if _fail(connection, job_id)]


def _fail(connection: redis.Redis, job_id: str) -> bool:
    """Fail a job unless it has ended meanwhile: the script checks the deadline again."""
    allowed = int(connection.hget(key("job", job_id), "timeout") or 0) / 1000
    failure = Failure(reason=Failure.REASON_TIMEOUT, message=f"it ran longer than its timeout of {allowed:g} s")
    event = records.finished(JobState.JOB_STATE_FAILED, failure).SerializeToString()
    return bool(Scripts(connection).run("time_out", job_id, event, failure.SerializeToString()))
