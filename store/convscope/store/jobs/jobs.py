"""The record of every job: its request and its state."""

import json
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import redis

from convscope.planning import PART_S, PLANNING_VERSION
from convscope.store.errors import (
    ModelExistsError,
    ModelFailedError,
    NotFoundError,
    RequestConflictError,
    StateError,
)
from convscope.store.jobs import records
from convscope.store.jobs.attachments import ExamplesBlob, StoredFile, read_examples, read_files
from convscope.store.jobs.listing import walk_ids
from convscope.store.jobs.tickets import top_up_tickets
from convscope.store.names import new_id, parse_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.layout import LAYOUT
from convscope.store.redis.scripts import Scripts, Value, counted
from convscope.v1.device_pb2 import Device
from convscope.v1.jobs_pb2 import (
    CancelRequested,
    Job,
    JobEvent,
    JobQueued,
    JobSpec,
    JobState,
    JobWaiting,
    Priority,
)
from convscope.v1.models_pb2 import Model

__all__ = ["CANCEL_GRACE_MS", "LOCAL_OWNER", "JobStore", "planned_fields"]

# The owner of all jobs until there are principals.
LOCAL_OWNER = "local"

# How long executors may take to stop by themselves before they are killed, in milliseconds.
CANCEL_GRACE_MS = 10_000

STATES = [records.state_name(state) for state in JobState.values() if state]


class JobStore:
    """Jobs in Redis; safe to use from several threads."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def create(
        self,
        spec: JobSpec | None,
        *,
        request_digest: str,
        sent: Job | None = None,
        request_id: str = "",
        needs: str = "",
        model: Model | None = None,
        model_id: str = "",
        priority: Priority.ValueType = Priority.PRIORITY_NORMAL,
        device: Device.ValueType = Device.DEVICE_ANY,
        parts: int = 1,
        part_seconds: float = PART_S,
        part_cost_s: float = 1.0,
        stored_bytes: int = 0,
        owner: str = LOCAL_OWNER,
    ) -> tuple[Job, bool]:
        """Store a job with its first event; return it, and whether it is new.

        Args:
            spec: the spec with every default filled in; None if the defaults depend on a model that is not trained yet:
                then the arguments that follow from a plan are ignored.
            request_digest: equal for two requests that ask for the same.
            sent: the job as it was sent: its spec, display name, labels and timeout are kept; None if only the spec was
                sent.
            request_id: makes the call safe to repeat, unique for an owner; may be empty.
            needs: ``models/{id}`` that the job works on; if its training has not ended, the job waits for it.
            model: description of the model that the job will train.
            model_id: id of that model; ``""`` to generate one.
            priority: priority of its parts.
            device: device that its parts run on.
            parts: number of parts, at least 1.
            part_seconds: how long one worker should take for a part, by estimate; it decides how the job is cut.
            part_cost_s: how long one worker takes for a part on average, by estimate.
            stored_bytes: bytes that it stores, by estimate.
            owner: owner of the job; owners get equal shares of the workers.

        Raises:
            RequestConflictError: if the request id was used with another job.
            NotFoundError: if the needed model does not exist.
            ModelFailedError: if the needed model's training did not succeed.
            ModelExistsError: if the model's id is taken.
        """
        seconds, microseconds = self._redis.time()
        job_id = new_id(seconds * 1_000_000 + microseconds)
        makes = (model_id or job_id) if model else ""
        events = (JobEvent(waiting=JobWaiting(resource=needs)), JobEvent(queued=JobQueued()))
        sent = sent or Job(spec=spec)
        fields: dict[str, Value] = {
            **_sent_fields(sent),
            "kind": records.spec_kind(sent.spec),
            "request": request_digest,
            "request_id": request_id,
            "makes": makes,
            "needs": needs,
            "priority": records.priority_name(priority),
            "device": records.device_name(device),
            "owner": owner,
        }
        if spec is not None:
            fields |= planned_fields(
                spec, parts=parts, part_seconds=part_seconds, part_cost_s=part_cost_s, stored_bytes=stored_bytes
            )
        status, *value = self._scripts.run(
            "create",
            *(job_id, request_id, owner, makes, parse_name("models", needs) if needs else ""),
            *(event.SerializeToString() for event in events),
            *counted(fields.items()),
            *counted(_new_model_fields(job_id, owner, model).items() if model else ()),
            LAYOUT,
        )
        if status == b"exists":
            return self._job_of_request(value[0].decode(), request_id, request_digest), False
        if status == b"taken":
            raise ModelExistsError(f"models/{makes} exists already, or jobs still wait for one of this name")
        if status == b"model":
            raise _model_error(needs, value[0].decode())
        top_up_tickets(self._redis)
        return self.get(f"jobs/{job_id}"), True

    def of_request(self, request_id: str, request_digest: str, owner: str = LOCAL_OWNER) -> Job | None:
        """Return the job that an owner's request has created already, if any.

        Raises:
            RequestConflictError: if the request id was used with another job.
        """
        job_id = self._redis.get(key("request", owner, request_id)) if request_id else None
        return self._job_of_request(records.text(job_id), request_id, request_digest) if job_id else None

    def get(self, name: str) -> Job:
        """Return a job without its result.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the job does not exist.
        """
        job_id = parse_name("jobs", name)
        return records.job_from_fields(job_id, self._fields(job_id))

    def result_digest(self, name: str) -> str:
        """Return the digest of the blob with a job's result, or ``""``."""
        digest = self._redis.hget(key("job", parse_name("jobs", name)), "result")
        return records.text(digest) if digest else ""

    def examples(self, name: str) -> list[ExamplesBlob]:
        """Return the blobs with the examples that an evaluation kept, by ascending index.

        Raises:
            ValueError: if the name is malformed.
        """
        examples = self._redis.hget(key("job", parse_name("jobs", name)), "examples")
        return read_examples(records.text(examples)) if examples else []

    def files(self, name: str) -> list[StoredFile]:
        """Return the files of a job that are complete, by name.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the job does not exist.
        """
        state, files = self._redis.hmget(key("job", parse_name("jobs", name)), ["state", "files"])
        if not state:
            raise NotFoundError(f"{name} does not exist")
        return read_files(records.text(files)) if files else []

    def walk(
        self,
        *,
        after: str = "",
        newest_first: bool = True,
        states: Collection[JobState.ValueType] = (),
        kinds: Collection[str] = (),
        labels: Mapping[str, str] = MappingProxyType({}),
        owner: str = LOCAL_OWNER,
    ) -> Iterator[Job]:
        """Iterate over an owner's jobs in the order of their creation.

        Args:
            after: only jobs that follow the job with this id.
            newest_first: whether to begin with the newest.
            states: only jobs in one of these states; empty for all.
            kinds: only jobs of one of these kinds; empty for all.
            labels: only jobs that have all of these labels with these values.
            owner: owner of the jobs.
        """
        if labels:
            return self._walk_labelled(owner, labels, states, kinds, after=after, newest_first=newest_first)
        indexes = _indexes([records.state_name(state) for state in states], kinds)
        walk = walk_ids(self._redis, indexes, "job", after, newest_first=newest_first)
        jobs = (records.job_from_fields(job_id, fields) for job_id, fields in walk)
        return (job for job in jobs if job.owner == owner)

    def _walk_labelled(
        self,
        owner: str,
        labels: Mapping[str, str],
        states: Collection[JobState.ValueType],
        kinds: Collection[str],
        *,
        after: str,
        newest_first: bool,
    ) -> Iterator[Job]:
        """Walk over an owner's jobs that have the rarest of some labels, and filter them by all other conditions."""
        indexes = [key("jobs_labelled", owner, name, value) for name, value in labels.items()]
        index = min(indexes, key=lambda name: int(self._redis.zcard(name)))
        for job_id, fields in walk_ids(self._redis, [index], "job", after, newest_first=newest_first):
            job = records.job_from_fields(job_id, fields)
            matches = (not states or job.state in states) and (not kinds or records.text(fields[b"kind"]) in kinds)
            if matches and job.owner == owner and labels.items() <= dict(job.labels).items():
                yield job

    def request_cancel(self, name: str) -> Job:
        """Ask a job to stop: one that has not started ends at once, an ended one stays as it is.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the job does not exist.
        """
        job_id = parse_name("jobs", name)
        asked = JobEvent(cancel_requested=CancelRequested())
        ended = records.finished(JobState.JOB_STATE_CANCELLED)
        self._scripts.run("cancel", job_id, asked.SerializeToString(), ended.SerializeToString(), CANCEL_GRACE_MS)
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete an ended job with its events; files that nothing else refers to are deleted a little later.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the job does not exist.
            StateError: if it has not ended.
        """
        status, state = self._scripts.delete("delete_job", parse_name("jobs", name))
        if status == "missing":
            raise NotFoundError(f"{name} does not exist")
        if status == "state":
            raise StateError(f"{name} is {state}; cancel it and wait for its end before deleting it")

    def _fields(self, job_id: str) -> records.Fields:
        fields = records.read_record(self._redis, key("job", job_id))
        if not fields:
            raise NotFoundError(f"jobs/{job_id} does not exist")
        return fields

    def _job_of_request(self, job_id: str, request_id: str, request_digest: str) -> Job:
        fields = self._fields(job_id)
        if fields[b"request"].decode() != request_digest:
            raise RequestConflictError(f"request_id {request_id!r} was used for jobs/{job_id} with another job")
        return records.job_from_fields(job_id, fields)


def _sent_fields(sent: Job) -> dict[str, Value]:
    """Return the record's fields of a job as it was sent; what was not sent has no field."""
    fields: dict[str, Value] = {"sent": sent.spec.SerializeToString(deterministic=True)}
    if sent.display_name:
        fields["display_name"] = sent.display_name
    if sent.labels:
        fields["labels"] = json.dumps(dict(sent.labels), sort_keys=True)
    if sent.HasField("timeout"):
        fields["timeout"] = sent.timeout.ToMilliseconds()
    return fields


def planned_fields(
    spec: JobSpec, *, parts: int, part_seconds: float, part_cost_s: float, stored_bytes: int
) -> dict[str, Value]:
    """Return the record's fields of a plan; see ``JobStore.create``."""
    return {
        "spec": spec.SerializeToString(deterministic=True),
        "parts": parts,
        "part_seconds": part_seconds,
        "part_cost": part_cost_s,
        "stored_bytes": stored_bytes,
        "planning": PLANNING_VERSION,
    }


def _new_model_fields(job_id: str, owner: str, model: Model) -> dict[str, Value]:
    model.lineage.job = f"jobs/{job_id}"
    return {"state": "pending", "owner": owner, "model": model.SerializeToString()}


def _model_error(name: str, state: str) -> Exception:
    if not state:
        return NotFoundError(f"{name} does not exist")
    return ModelFailedError(f"{name} cannot be used: its training did not succeed")


def _indexes(states: Collection[str], kinds: Collection[str]) -> list[str]:
    """Return the indexes of jobs in some states and of some kinds; empty means all."""
    if kinds:
        return [key("jobs_of_kind", kind, state) for kind in kinds for state in states or STATES]
    return [key("jobs_in_state", state) for state in states] or [KEYS["jobs"]]
