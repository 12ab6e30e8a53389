"""Jobs that wait for a model: what becomes of them when its training ends."""

import redis

from convscope.store.jobs.jobs import JobStore
from convscope.store.jobs.queue import dispatch
from convscope.store.jobs.records import text
from convscope.store.redis import keys
from convscope.v1.jobs_pb2 import Failure

__all__ = ["settle_waiters"]


def settle_waiters(connection: redis.Redis, model_id: str) -> None:
    """Queue the jobs that wait for a model if it is ready; fail them if its training failed or it was deleted.

    Harmless to repeat, and to call while the training goes on.
    """
    if not model_id:
        return
    state = connection.hget(keys.model_key(model_id), "state")
    if state == b"pending":
        return
    for waiter in sorted(map(text, connection.smembers(keys.waiters_key(model_id)))):  # by age
        if state == b"ready":
            _queue(connection, waiter)
        else:
            _fail(connection, waiter, model_id, deleted=state is None)
        connection.srem(keys.waiters_key(model_id), waiter)


def _queue(connection: redis.Redis, job_id: str) -> None:
    if JobStore(connection).release(job_id):
        dispatch(connection, job_id)


def _fail(connection: redis.Redis, job_id: str, model_id: str, *, deleted: bool) -> None:
    made = f"models/{model_id} was not made: its training (jobs/{model_id}) did not succeed"
    message = f"models/{model_id} was deleted before the job could start" if deleted else made
    JobStore(connection).abandon(job_id, Failure(reason=Failure.REASON_MODEL, message=message))
    settle_waiters(connection, job_id)  # a training's model has its id: whoever waits for it waits in vain, too
