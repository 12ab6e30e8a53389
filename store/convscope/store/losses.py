"""What becomes of a part whose attempt ended without a word: it is queued again, but not for ever."""

import redis

from convscope.store import keys, records
from convscope.store.errors import NotFoundError
from convscope.store.queue import dispatch
from convscope.store.scripted import Refused, Scripts, Value, Write
from convscope.store.waiting import settle_waiters
from convscope.v1.jobs_pb2 import AttemptLost, Failure, JobEvent, JobQueued, JobState

__all__ = ["MAX_DEATHS", "lose_attempt", "lose_holder"]

# Attempts in a row that may die without getting any further; then the job itself is taken to be the killer.
MAX_DEATHS = 5

# How often a loss is judged anew because the record changed meanwhile.
LOSS_TRIES = 3


def lose_attempt(connection: redis.Redis, job_id: str, part: int, attempt: int, cause: str) -> bool:
    """End an attempt whose worker died or fell silent.

    The part is queued again; or the job ends as cancelled if it was asked to stop, or as failed if attempts keep dying.

    Returns:
        Whether it was this attempt that held the part.
    """
    # The last words of the dead may still be on their way, and change what the loss was judged by.
    return any(_lose_attempt(connection, job_id, part, attempt, cause) for _ in range(LOSS_TRIES))


def _lose_attempt(connection: redis.Redis, job_id: str, part: int, attempt: int, cause: str) -> bool:
    fields = records.read_record(connection, keys.job_key(job_id))
    deaths = int(fields.get(b"deaths", b"0"))
    makes = fields.get(b"makes", b"").decode()
    lost = records.timed(JobEvent(attempt_lost=AttemptLost(part=part, attempt=attempt, cause=cause)))
    ends = _ending(fields, deaths + 1, cause)
    what_follows: dict[str, Value] = {"state": "queued", "deaths": deaths + 1} if ends is None else _ended_fields(ends)
    follows = ends or records.timed(JobEvent(queued=JobQueued()))
    write = Write(
        expect={
            "state": ["running"],
            f"attempt:{part}": [str(attempt)],
            "deaths": [str(deaths)] if deaths else ["", "0"],
            "cancel": ["1"] if fields.get(b"cancel") else [""],
        },
        fields=what_follows,
        model_id=makes,
        model_fields={"state": "failed"} if makes and ends else {},
        events=[(lost, ""), (follows, "")],
    )
    try:
        Scripts(connection).write(job_id, write)
    except (Refused, NotFoundError):
        return False
    if ends is None:
        dispatch(connection, job_id, part)
    else:
        settle_waiters(connection, makes)
    return True


def lose_holder(connection: redis.Redis, job_id: str, part: int, worker: str, cause: str) -> None:
    """End the attempt of a worker whose horse died; a part that it had not taken up yet is dispatched again."""
    fields = records.read_record(connection, keys.job_key(job_id))
    state = fields.get(b"state")
    if state == b"queued":
        dispatch(connection, job_id, part)
    elif state == b"running" and fields.get(f"holder:{part}".encode()) == worker.encode():
        lose_attempt(connection, job_id, part, int(fields[f"attempt:{part}".encode()]), cause)


def _ending(fields: records.Fields, deaths: int, cause: str) -> JobEvent | None:
    if fields.get(b"cancel"):
        return records.finished(JobState.JOB_STATE_CANCELLED)
    if deaths < MAX_DEATHS:
        return None
    message = f"the worker died {deaths} times, last {cause}"
    return records.finished(JobState.JOB_STATE_FAILED, Failure(reason=Failure.REASON_WORKER_LOST, message=message))


def _ended_fields(event: JobEvent) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "state": records.state_name(event.finished.state),
        "ended": records.now_ms(),
    }
    if event.finished.HasField("failure"):
        fields["failure"] = event.finished.failure.SerializeToString()
    return fields
