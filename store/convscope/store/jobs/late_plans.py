"""Jobs that are planned late, since their defaults depend on models that were not trained yet."""

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
    """A job that can be planned now, since its model is ready.

    Attributes:
        job: the job.
        needed: the model that it works on, as it was at the end of its training.
    """

    job: Job
    needed: Model


class LatePlans:
    """Jobs that can be planned now; any number of processes may plan them, each job is planned once.

    Args:
        connection: Redis.
    """

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def waiting(self) -> Iterator[UnplannedJob]:
        """Yield the jobs that can be planned now, the oldest first."""
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
            Whether this call planned it: it may have been planned before, or have ended.
        """
        fields = planned_fields(
            spec, parts=parts, part_seconds=part_seconds, part_cost_s=part_cost_s, stored_bytes=stored_bytes
        )
        model_fields: dict[str, Value] = {}
        if model is not None:
            model.lineage.job = job.name
            model_fields["model"] = model.SerializeToString()
        queued = JobEvent(queued=JobQueued()).SerializeToString()
        done = self._run(job, queued, b"", b"", *counted(fields.items()), *counted(model_fields.items()))
        if done:
            top_up_tickets(self._redis)
        return done

    def fail(self, job: Job, failure: Failure) -> bool:
        """Fail a job that cannot be planned; return whether this call failed it."""
        event = records.finished(JobState.JOB_STATE_FAILED, failure)
        return self._run(job, b"", event.SerializeToString(), failure.SerializeToString())

    def _run(self, job: Job, *arguments: Value) -> bool:
        return bool(self._scripts.run("plan", job.name.removeprefix("jobs/"), *arguments))
