"""One attempt at a part of a job: the only way for a worker to write to it."""

import redis

from convscope.store import keys, records
from convscope.store.errors import NotFoundError, StaleAttemptError
from convscope.store.scripted import Refused, Scripts, Value, Write, Written
from convscope.v1.jobs_pb2 import AttemptStarted, Failure, JobEvent, JobQueued, JobSpec, JobState
from convscope.v1.models_pb2 import Model

__all__ = ["Attempt"]

# States in which a part may be taken up: a second delivery of it finds the job running and does nothing.
CLAIMABLE = ("queued",)

# States in which an attempt may write.
WRITABLE = ("queued", "running")


class Attempt:
    """An attempt that holds its part until another one claims it or the job ends.

    Every write is refused with StaleAttemptError once the attempt is superseded.
    """

    def __init__(self, scripts: Scripts, job_id: str, part: int, number: int, fields: records.Fields) -> None:
        self._scripts = scripts
        self.job_id = job_id
        self.part = part
        self.number = number
        self.spec = JobSpec.FromString(fields[b"spec"])
        self.kind = records.spec_kind(self.spec)
        self.makes = fields.get(b"makes", b"").decode()

    @classmethod
    def claim(cls, connection: redis.Redis, job_id: str, part: int) -> "Attempt | None":
        """Take a part up; None if somebody else did, or the job has ended or is gone."""
        scripts = Scripts(connection)
        number = scripts.claim(job_id, part, CLAIMABLE)
        fields = records.read_record(connection, keys.job_key(job_id))
        return cls(scripts, job_id, part, number, fields) if number and fields else None

    @classmethod
    def current(cls, connection: redis.Redis, job_id: str, part: int) -> "Attempt | None":
        """Speak for the latest attempt, as the parent of a horse that died does."""
        fields = records.read_record(connection, keys.job_key(job_id))
        number = int(fields.get(f"attempt:{part}".encode(), b"0"))
        return cls(Scripts(connection), job_id, part, number, fields) if fields else None

    def start(self, worker: str, environment: dict[str, str]) -> Written:
        """Set the job running and say who computes it."""
        event = AttemptStarted(part=self.part, attempt=self.number, worker=worker, environment=environment)
        first = self.number == 1
        return self._write(
            Write(
                fields={"state": "running"} | ({"started": records.now_ms()} if first else {}),
                events=[(records.timed(JobEvent(attempt_started=event)), "")],
            )
        )

    def report(self, event: JobEvent, blob: str = "") -> Written:
        """Append an event; ``blob`` is the digest of what readers are to fill in."""
        return self._write(Write(events=[(records.timed(event), blob)]))

    def poll(self) -> Written:
        """Ask, without writing, whether the attempt still holds and whether the job is asked to stop."""
        return self._write(Write())

    def succeed(self, result: str, model: Model | None = None, model_blobs: dict[str, str] | None = None) -> Written:
        """End the job with the digest of its result and, if it trained, its model."""
        made: dict[str, Value] = {}
        if model is not None:
            made = {"state": "ready", "model": model.SerializeToString(), **(model_blobs or {})}
        return self._end(JobState.JOB_STATE_SUCCEEDED, {"result": result}, made, blob=result)

    def fail(self, failure: Failure) -> Written:
        """End the job as failed."""
        fields: dict[str, Value] = {"failure": failure.SerializeToString()}
        return self._end(JobState.JOB_STATE_FAILED, fields, self._lost_model(), failure=failure)

    def cancelled(self) -> Written:
        """End the job as cancelled."""
        return self._end(JobState.JOB_STATE_CANCELLED, {}, self._lost_model())

    def hand_back(self) -> Written:
        """Queue the part again, for another worker; the caller dispatches it."""
        return self._write(
            Write(fields={"state": "queued"}, events=[(records.timed(JobEvent(queued=JobQueued())), "")])
        )

    def _lost_model(self) -> dict[str, Value]:
        return {"state": "failed"} if self.makes else {}

    def _end(
        self,
        state: JobState.ValueType,
        fields: dict[str, Value],
        model_fields: dict[str, Value],
        *,
        blob: str = "",
        failure: Failure | None = None,
    ) -> Written:
        return self._write(
            Write(
                fields={"state": records.state_name(state), "ended": records.now_ms(), **fields},
                model_id=self.makes,
                model_fields=model_fields,
                events=[(records.finished(state, failure), blob)],
            )
        )

    def _write(self, write: Write) -> Written:
        fence = {"state": WRITABLE, f"attempt:{self.part}": [str(self.number)]}
        fenced = Write(
            expect={**fence, **write.expect},
            fields=write.fields,
            model_id=write.model_id,
            model_fields=write.model_fields,
            events=write.events,
        )
        try:
            return self._scripts.write(self.job_id, fenced)
        except (Refused, NotFoundError) as error:
            raise StaleAttemptError(f"attempt {self.number} at jobs/{self.job_id} is over: {error}") from error
