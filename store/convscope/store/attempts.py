"""One attempt at a part of a job: the only way for a worker to write to it."""

import dataclasses

import redis

from convscope.store import keys, records
from convscope.store.errors import NotFoundError, StaleAttemptError
from convscope.store.scripted import Refused, Scripts, Value, Write, Written
from convscope.v1.jobs_pb2 import (
    AttemptStarted,
    CheckpointUnreadable,
    Failure,
    JobEvent,
    JobQueued,
    JobSpec,
    JobState,
)
from convscope.v1.models_pb2 import Model

__all__ = ["LEASE_MS", "Attempt", "Checkpoint"]

# How long an attempt is believed to be alive without a sign of life, in milliseconds. Its worker gives one every
# second; a few may be late on a busy machine.
LEASE_MS = 5_000


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of training that can be gone on from: its step, and the digest of its blob."""

    step: int
    blob: str

    @classmethod
    def parse(cls, text: str) -> "Checkpoint | None":
        """Read what ``str`` wrote; None for nothing."""
        step, _, blob = text.partition(":")
        return cls(int(step), blob) if blob else None

    def __str__(self) -> str:
        return f"{self.step}:{self.blob}"


class Attempt:
    """An attempt that holds its part until its lease runs out, the part is given back, or the job ends.

    Every write is refused with StaleAttemptError once the attempt is over.
    """

    def __init__(self, scripts: Scripts, job_id: str, part: int, number: int, fields: records.Fields) -> None:
        self._scripts = scripts
        self.job_id = job_id
        self.part = part
        self.number = number
        self.spec = JobSpec.FromString(fields[b"spec"])
        self._writes = 0
        self.kind = records.spec_kind(self.spec)
        self.makes = fields.get(b"makes", b"").decode()
        stored = (fields.get(name, b"").decode() for name in (b"checkpoint", b"checkpoint_before"))
        self.checkpoints = [found for found in map(Checkpoint.parse, stored) if found]

    @classmethod
    def claim(
        cls, connection: redis.Redis, job_id: str, part: int, *, worker: str, environment: dict[str, str]
    ) -> "Attempt | None":
        """Take a queued part up and say who computes it; None if it is not queued, or somebody else was faster."""
        scripts = Scripts(connection)
        fields = records.read_record(connection, keys.job_key(job_id))
        before = int(fields.get(f"attempt:{part}".encode(), b"0"))
        started = AttemptStarted(
            part=part,
            attempt=before + 1,
            worker=worker,
            environment=environment,
            resumed_from=_resumed_from(fields),
        )
        number = scripts.claim(
            job_id,
            before=before,
            lease_ms=LEASE_MS,
            now_ms=records.now_ms(),
            event=records.timed(JobEvent(attempt_started=started)),
        )
        return cls(scripts, job_id, part, number, fields) if number else None

    def report(self, event: JobEvent, blob: str = "", kept: int = 0) -> Written:
        """Append an event.

        Args:
            event: what happened.
            blob: digest of what readers are to fill in.
            kept: how much of the job is stored with this event and need not be computed again.
        """
        fields: dict[str, Value] = {"kept": kept, "deaths": 0} if kept else {}
        return self._write(Write(fields=fields, events=[(records.timed(event), blob)]))

    def renew(self, scripts: Scripts | None = None) -> bool:
        """Renew the lease; returns whether the job is asked to stop.

        Args:
            scripts: those of another connection, for a thread that must not wait for this one.

        Raises:
            StaleAttemptError: if the attempt is over.
        """
        holds, cancel = (scripts or self._scripts).renew(self.job_id, self.part, self.number, LEASE_MS)
        if not holds:
            raise StaleAttemptError(f"attempt {self.number} at jobs/{self.job_id} is over")
        return cancel

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Make a stored state the one to go on from; the one before is kept in case it cannot be read."""
        if any(each.step == checkpoint.step for each in self.checkpoints):
            return
        keep, drop = self.checkpoints[:1], self.checkpoints[1:]
        self._write(
            Write(
                fields={"checkpoint": str(checkpoint), "checkpoint_before": str(keep[0]) if keep else "", "deaths": 0},
                blobs=[checkpoint.blob],
                dropped=[each.blob for each in drop if each.blob not in {checkpoint.blob, *(k.blob for k in keep)}],
            )
        )
        self.checkpoints = [checkpoint, *keep]

    def forget_checkpoint(self, checkpoint: Checkpoint, reason: str) -> None:
        """Say that a checkpoint cannot be gone on from; nobody tries it again."""
        left = [each for each in self.checkpoints if each != checkpoint]
        latest, before = [*map(str, left), "", ""][:2]
        unreadable = CheckpointUnreadable(step=checkpoint.step, reason=reason)
        self._write(
            Write(
                fields={"checkpoint": latest, "checkpoint_before": before},
                dropped=[checkpoint.blob] if checkpoint.blob not in {each.blob for each in left} else [],
                events=[(records.timed(JobEvent(checkpoint_unreadable=unreadable)), "")],
            )
        )
        self.checkpoints = left

    def succeed(self, result: str, model: Model | None = None, history: str = "") -> Written:
        """End the job with the digest of its result and, if it trained, its model and the digest of its history."""
        made: dict[str, Value] = {}
        model_blobs: list[str] = []
        if model is not None:
            made = {"state": "ready", "model": model.SerializeToString(), "history": history}
            model_blobs = [digest for digest in (model.sha256, history) if digest]
        return self._end(JobState.JOB_STATE_SUCCEEDED, {"result": result}, made, blob=result, model_blobs=model_blobs)

    def fail(self, failure: Failure) -> Written:
        """End the job as failed."""
        fields: dict[str, Value] = {"failure": failure.SerializeToString()}
        return self._end(JobState.JOB_STATE_FAILED, fields, self._lost_model(), failure=failure)

    def cancelled(self) -> Written:
        """End the job as cancelled."""
        return self._end(JobState.JOB_STATE_CANCELLED, {}, self._lost_model())

    def hand_back(self) -> bool:
        """Queue the part again, for another worker, and return True: the caller dispatches it.

        A job that is asked to stop need not wait for another worker: it ends, and False is returned.
        """
        if self.renew():
            self.cancelled()
            return False
        queued = (records.timed(JobEvent(queued=JobQueued())), "")
        self._write(Write(fields={"state": "queued"}, events=[queued]))
        return True

    def _lost_model(self) -> dict[str, Value]:
        return {"state": "failed"} if self.makes else {}

    def _end(
        self,
        state: JobState.ValueType,
        fields: dict[str, Value],
        model_fields: dict[str, Value],
        *,
        blob: str = "",
        model_blobs: list[str] | None = None,
        failure: Failure | None = None,
    ) -> Written:
        return self._write(
            Write(
                fields={"state": records.state_name(state), "ended": records.now_ms(), **fields},
                model_id=self.makes,
                model_fields=model_fields,
                model_blobs=model_blobs or [],
                events=[(records.finished(state, failure), blob)],
            )
        )

    def _write(self, write: Write) -> Written:
        fence = {"state": ["running"], f"attempt:{self.part}": [str(self.number)]}
        self._writes += 1
        named = dataclasses.replace(
            write,
            memory=f"written:{self.part}",
            token=f"{self.number}.{self._writes}",
            expect={**fence, **write.expect},
        )
        try:
            return self._scripts.write(self.job_id, named)
        except (Refused, NotFoundError) as error:
            raise StaleAttemptError(f"attempt {self.number} at jobs/{self.job_id} is over: {error}") from error


def _resumed_from(fields: records.Fields) -> int:
    checkpoint = Checkpoint.parse(fields.get(b"checkpoint", b"").decode())
    return checkpoint.step if checkpoint else int(fields.get(b"kept", b"0"))
