"""The record of every job: the truth about what was asked for and how it stands."""

from collections.abc import Callable, Iterator

import redis

from convscope.store.errors import (
    ModelFailedError,
    NotFoundError,
    RequestConflictError,
    StateError,
)
from convscope.store.jobs import records
from convscope.store.jobs.listing import newest_first
from convscope.store.names import new_id, parse_name
from convscope.store.redis import keys
from convscope.store.redis.scripted import Refused, Scripts, Write
from convscope.v1.jobs_pb2 import (
    CancelRequested,
    Device,
    Failure,
    Job,
    JobEvent,
    JobQueued,
    JobSpec,
    JobState,
    JobWaiting,
    Priority,
)
from convscope.v1.models_pb2 import Model

__all__ = ["JobStore"]

ENDED_NAMES = tuple(records.state_name(state) for state in sorted(records.ENDED))


class JobStore:
    """Jobs in Redis; safe to use from several threads."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def create(
        self,
        spec: JobSpec,
        *,
        request_digest: str,
        request_id: str = "",
        needs: str = "",
        model: Model | None = None,
        priority: Priority.ValueType = Priority.PRIORITY_NORMAL,
        device: Device.ValueType = Device.DEVICE_ANY,
        parts: int = 1,
        plan: str = "",
    ) -> tuple[Job, bool]:
        """Store a job with its first event; returns it and whether it is new.

        Args:
            spec: what to do, every default filled in.
            request_digest: decides whether two requests with the same id ask for the same.
            request_id: makes the call safe to repeat; may be empty.
            needs: ``models/{id}`` that the job works on; if its training has not ended, the job waits for it.
            model: description of the model that the job will make; its name is allotted here.
            priority: how soon its parts are taken up.
            device: what they run on.
            parts: in how many parts the job is computed, at least 1.
            plan: digest of the blob that says what each part does; may be empty.

        Raises:
            RequestConflictError: if the request id was used for something else.
            NotFoundError: if the needed model does not exist.
            ModelFailedError: if the needed model's training did not succeed.
        """
        job_id = new_id()
        model_id = job_id if model else ""
        status, value = self._scripts.create(
            job_id,
            request_id=request_id,
            needs=parse_name("models", needs) if needs else "",
            waiting=("waiting", records.timed(JobEvent(waiting=JobWaiting(model=needs)))),
            ready=("queued", records.timed(JobEvent(queued=JobQueued()))),
            fields={
                "spec": spec.SerializeToString(deterministic=True),
                "kind": records.spec_kind(spec),
                "request": request_digest,
                "request_id": request_id,
                "makes": model_id,
                "needs": needs,
                "created": records.now_ms(),
                "priority": _stored(Priority.Name(priority)),
                "device": _stored(Device.Name(device)),
                "parts": parts,
                "plan": plan,
            },
            model_id=model_id,
            model_fields=_new_model_fields(job_id, model) if model else {},
            plan=plan,
        )
        if status == "exists":
            return self._known_request(value, request_id, request_digest), False
        if status == "model":
            raise _model_error(needs, value)
        return self.get(f"jobs/{job_id}"), True

    def of_request(self, request_id: str, request_digest: str) -> Job | None:
        """Return the job that a request has made already, if any.

        Raises:
            RequestConflictError: if the request id was used for something else.
        """
        known = self._redis.get(keys.request_key(request_id)) if request_id else None
        return self._known_request(records.text(known), request_id, request_digest) if known else None

    def get(self, name: str) -> Job:
        """Return a job without its result.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if there is no such job.
        """
        job_id = parse_name("jobs", name)
        return records.job_from_fields(job_id, self._fields(job_id))

    def result_digest(self, name: str) -> str:
        """Return the digest of the blob with a job's result, or an empty string."""
        digest = self._redis.hget(keys.job_key(parse_name("jobs", name)), "result")
        return records.text(digest) if digest else ""

    def newest_first(self, *, before: str = "", matches: Callable[[Job], bool] = lambda _: True) -> Iterator[Job]:
        """Iterate over matching jobs, newest first, those made before the job with this id."""
        found = newest_first(self._redis, keys.JOBS, keys.job_key, before)
        return filter(matches, (records.job_from_fields(job_id, fields) for job_id, fields in found))

    def request_cancel(self, name: str) -> Job:
        """Ask a job to stop: one that has not started ends at once, a running one is told, an ended one is left alone.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if there is no such job.
        """
        job_id = parse_name("jobs", name)
        asked = records.timed(JobEvent(cancel_requested=CancelRequested()))
        ended = records.finished(JobState.JOB_STATE_CANCELLED)
        self._scripts.cancel(job_id, records.now_ms(), asked, ended)
        return self.get(name)

    def release(self, job_id: str) -> bool:
        """Queue a job that waited for its model; returns whether it did wait."""
        return self._scripts.release(job_id, records.timed(JobEvent(queued=JobQueued())))

    def abandon(self, job_id: str, failure: Failure) -> bool:
        """Fail a job that waits for a model that will not come; returns whether it did wait."""
        makes = records.read_record(self._redis, keys.job_key(job_id)).get(b"makes", b"").decode()
        write = Write(
            expect={"state": ["waiting"]},
            fields={"state": "failed", "failure": failure.SerializeToString(), "ended": records.now_ms()},
            made={"state": "failed"} if makes else {},
            events=[(records.finished(JobState.JOB_STATE_FAILED, failure), "")],
        )
        try:
            self._scripts.write(job_id, write)
        except (Refused, NotFoundError):  # it goes on, has ended, or was deleted meanwhile
            return False
        return True

    def delete(self, name: str) -> list[str]:
        """Delete an ended job with its events; returns the digests of the blobs that nothing points to any more.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if there is no such job.
            StateError: if it has not ended.
        """
        job_id = parse_name("jobs", name)
        request_id = self._fields(job_id).get(b"request_id", b"").decode()
        related = [keys.job_key(job_id), keys.JOBS, keys.blobs_key(job_id), keys.events_key(job_id)]
        related += [keys.parts_key(job_id), keys.written_key(job_id), keys.images_key(job_id)]
        related.append(keys.candidates_key(job_id))
        if request_id:
            related.append(keys.request_key(request_id))
        status, *rest = self._scripts.delete(job_id, related, ENDED_NAMES)
        if status == "missing":
            raise NotFoundError(f"{name} does not exist")
        if status == "state":
            raise StateError(f"{name} is {rest[0]}; cancel it and wait for its end before deleting it")
        return rest

    def _fields(self, job_id: str) -> records.Fields:
        fields = records.read_record(self._redis, keys.job_key(job_id))
        if not fields:
            raise NotFoundError(f"jobs/{job_id} does not exist")
        return fields

    def _known_request(self, job_id: str, request_id: str, request_digest: str) -> Job:
        fields = self._fields(job_id)
        if fields[b"request"].decode() != request_digest:
            raise RequestConflictError(f"request_id {request_id!r} was used for jobs/{job_id} with another spec")
        return records.job_from_fields(job_id, fields)


def _new_model_fields(job_id: str, model: Model) -> dict[str, str | bytes]:
    model.create_time.FromMilliseconds(records.now_ms())
    model.lineage.job = f"jobs/{job_id}"
    return {"state": "pending", "model": model.SerializeToString()}


def _stored(name: str) -> str:
    """Return how a priority or device is stored: ``high`` for ``PRIORITY_HIGH``."""
    return name.partition("_")[2].lower()


def _model_error(name: str, state: str) -> Exception:
    if not state:
        return NotFoundError(f"{name} does not exist")
    return ModelFailedError(f"{name} cannot be used: its training did not succeed")
