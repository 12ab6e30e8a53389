"""Jobs that are planned late: what they do in full can be said only when the models that they need are made."""

from collections.abc import Iterator
from dataclasses import dataclass

import redis

from convscope.store.jobs import records
from convscope.store.jobs.jobs import planned_fields
from convscope.store.jobs.tickets import top_up_tickets
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, Value, counted
from convscope.v1.jobs_pb2 import Failure, Job, JobEvent, JobQueued, JobSpec, JobState
from convscope.v1.models_pb2 import Model, ModelState

__all__ = ["LatePlans", "UnplannedJob"]


@dataclass(frozen=True, slots=True)
class UnplannedJob:
    """A job whose model is made, and that is to be planned.

    Attributes:
        job: as it stands.
        needed: the model that it works on, as it was when it was made.
    """

    job: Job
    needed: Model


class LatePlans:
    """Jobs to be planned; any number of processes may plan them, each job is planned once.

    Args:
        connection: Redis.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def waiting(self) -> Iterator[UnplannedJob]:
        """Yield the jobs that are to be planned, the oldest first."""
        for job_id in sorted(map(records.text, self._redis.smembers(KEYS["unplanned"]))):
            fields = records.read_record(self._redis, key("job", job_id))
            if not fields:  # deleted meanwhile
                continue
            needed = Model.FromString(fields[b"needed"])
            needed.name = fields[b"needs"].decode()
            needed.state = ModelState.MODEL_STATE_READY
            yield UnplannedJob(records.job_from_fields(job_id, fields), needed)

    def plan(
        self,
        job: Job,
        spec: JobSpec,
        *,
        model: Model | None = None,
        parts: int = 1,
        part_seconds: float,
        part_cost_s: float = 1.0,
        stored_bytes: int = 0,
    ) -> bool:
        """Queue a job with its plan; see ``JobStore.create`` for the arguments.

        Returns:
            Whether it is planned by this call: it may have been planned before, or have ended.
        """
        fields = planned_fields(
            spec, parts=parts, part_seconds=part_seconds, part_cost_s=part_cost_s, stored_bytes=stored_bytes
        )
        made: dict[str, Value] = {}
        if model is not None:
            model.lineage.job = job.name
            made["model"] = model.SerializeToString()
        queued = JobEvent(queued=JobQueued()).SerializeToString()
        done = self._run(job, queued, b"", b"", *counted(fields.items()), *counted(made.items()))
        if done:
            top_up_tickets(self._redis)
        return done

    def fail(self, job: Job, failure: Failure) -> bool:
        """Fail a job that cannot be planned; returns whether it is this call that fails it."""
        event = records.finished(JobState.JOB_STATE_FAILED, failure)
        return self._run(job, b"", event.SerializeToString(), failure.SerializeToString())

    def _run(self, job: Job, *arguments: Value) -> bool:
        return bool(self._scripts.run("plan", job.name.removeprefix("jobs/"), *arguments))
