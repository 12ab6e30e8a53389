"""Settles the jobs that wait for a model when its training ends."""

from collections import deque

import redis

from convscope.store.jobs import records
from convscope.store.jobs.tickets import top_up_tickets
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, Value
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobQueued, JobState
from convscope.v1.models_pb2 import Model

__all__ = ["settle_all", "settle_waiters"]


def settle_waiters(connection: redis.Redis, model_id: str) -> None:
    """Queue the jobs that wait for a model if it is ready; fail them if its training failed or it was deleted.

    If a job that fails would have trained a model that others wait for, these fail too. Repeating the call is harmless,
    and so is calling while the training is running.
    """
    scripts = Scripts(connection)
    models = deque([model_id] if model_id else [])
    while models:
        model = models.popleft()
        for waiter in sorted(map(records.text, connection.smembers(key("waiters", model)))):  # by age
            outcome = scripts.run("settle", waiter, model, *_events(connection, model))
            if outcome and outcome[0] == b"failed" and outcome[1]:
                models.append(records.text(outcome[1]))
        scripts.run("settled", model)
    top_up_tickets(connection)


def settle_all(connection: redis.Redis) -> None:
    """Settle the jobs that wait for any model that was deleted or whose training has ended; see ``settle_waiters``."""
    for model in connection.smembers(KEYS["unsettled"]):
        settle_waiters(connection, records.text(model))


def _events(connection: redis.Redis, model_id: str) -> list[Value]:
    """Return the script's events: that the job is queued; and for both reasons that it fails, with the failure."""
    record = connection.hget(key("model", model_id), "model")
    job = Model.FromString(record).lineage.job if isinstance(record, bytes) else "of a job unknown"
    not_made = f"models/{model_id} was not made: its training ({job}) did not succeed"
    deleted = f"models/{model_id} was deleted before the job could start"
    events: list[Value] = [JobEvent(queued=JobQueued()).SerializeToString()]
    for message in (not_made, deleted):
        failure = Failure(reason=Failure.REASON_MODEL, message=message)
        event = records.finished(JobState.JOB_STATE_FAILED, failure)
        events += [event.SerializeToString(), failure.SerializeToString()]
    return events
