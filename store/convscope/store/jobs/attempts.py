"""One attempt at a part of a job: the only way for a worker to write to it."""

import dataclasses
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

import redis

from convscope.store.blobs import BlobStore
from convscope.store.errors import NotFoundError, StaleAttemptError
from convscope.store.failpoints import failpoint
from convscope.store.jobs import records
from convscope.store.jobs.attachments import Attachments
from convscope.store.jobs.candidates import Candidate
from convscope.store.jobs.pending_blobs import PendingBlobs
from convscope.store.redis.keys import key
from convscope.store.redis.scripts import (
    AttemptEnd,
    BlobsGone,
    Claim,
    Claimant,
    EndedAttempt,
    Fence,
    Image,
    Refused,
    Scripts,
    Value,
    Write,
    Written,
)
from convscope.v1.jobs_pb2 import (
    CheckpointUnreadable,
    Failure,
    JobEvent,
    JobQueued,
    JobSpec,
    JobState,
)
from convscope.v1.models_pb2 import Model

__all__ = ["LEASE_MS", "MAX_DEATHS", "Attempt", "Checkpoint", "outcomes"]

T = TypeVar("T")

# How long a lease lasts without being renewed, in milliseconds. Executors renew theirs twice a second; a few renewals
# may be late on a busy machine.
LEASE_MS: Final = 5_000

# Attempts in a row that may die without progress; then the job itself is taken to be the cause.
MAX_DEATHS: Final = 5

# Seconds of work for which a job may be ahead of others because an executor is warm for it: a turn.
SLACK_S: Final = 10.0

NO_ATTACHMENTS: Final = Attachments()

# Random characters of a nonce: 64 bits.
NONCE_BYTES: Final = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state that training can resume from: its step, and the digest of its blob."""

    step: int
    blob: str

    @classmethod
    def parse(cls, text: str) -> "Checkpoint | None":
        """Parse what ``str`` wrote; None for an empty text."""
        step, _, blob = text.partition(":")
        return cls(int(step), blob) if blob else None

    def __str__(self) -> str:
        return f"{self.step}:{self.blob}"


def outcomes(failure: Failure | None = None) -> list[JobEvent]:
    """Return the events one of which may follow the end of an attempt: queued again, succeeded, cancelled, failed."""
    states = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_CANCELLED)
    ends = [records.finished(state) for state in states]
    return [JobEvent(queued=JobQueued()), *ends, records.finished(JobState.JOB_STATE_FAILED, failure)]


class Attempt:
    """An attempt that holds its part until its lease runs out, the part is done or released, or the job ends.

    A random nonce identifies it: a number alone would be given twice if Redis lost its last writes. Every write is
    refused with ``StaleAttemptError`` once the attempt is over.

    Attributes:
        job_id: id of the job.
        part: number of the part, from 0.
        parts: number of the job's parts.
        part_seconds: how long one worker should take for a part, by estimate.
        planning: version of the planning that cut the job into parts.
        number: number of the attempt at this part, from 1.
        nonce: identifies its writes.
        spec: the job's effective spec.
        kind: kind of the job: ``train``, ``evaluate`` or ``visualize``; ``""`` for one that only newer versions know.
        makes: id of the model that it trains, or ``""``.
        needs: id of the model that it works on, or ``""``.
        model: description of the model that it works on, as it was when the job was created; empty if it needs none.
        model_file: digest of the file that it works on, or ``""``; kept for the job until its end.
        model_history: digest of the history of the model that it works on, or ``""``; kept likewise.
        checkpoints: states that training can resume from, the latest first.
    """

    def __init__(self, connection: redis.Redis, nonce: str, claim: Claim, blobs: BlobStore | None = None) -> None:
        fields = claim.fields
        self._redis = connection
        self._scripts = Scripts(connection)
        self.nonce = nonce
        self._tokens = 0
        self._last_token = f"{nonce}.0"  # set by the claim
        self._pending = PendingBlobs(connection, blobs, claim.batch) if blobs else None
        self._batch = claim.batch
        self.job_id = claim.job_id
        self.part = claim.part
        self.parts = int(fields[b"parts"])
        self.part_seconds = float(fields[b"part_seconds"])
        self.planning = int(fields[b"planning"])
        self.number = claim.number
        self.spec = JobSpec.FromString(fields[b"spec"])
        self.kind = self.spec.WhichOneof("kind") or ""
        self.makes = fields.get(b"makes", b"").decode()
        self.needs = fields.get(b"needs", b"").decode().removeprefix("models/")
        self.model = Model.FromString(fields.get(b"needed", b""))
        self.model_file = fields.get(b"model_file", b"").decode()
        self.model_history = fields.get(b"model_history", b"").decode()
        stored = (fields.get(name, b"").decode() for name in (b"checkpoint", b"checkpoint_before"))
        self.checkpoints = [checkpoint for checkpoint in map(Checkpoint.parse, stored) if checkpoint]

    @classmethod
    def claim(
        cls, connection: redis.Redis, claimant: Claimant, blobs: BlobStore | None = None, slack_s: float = SLACK_S
    ) -> "Attempt | None":
        """Claim the next part for an executor; None if there is none.

        Args:
            connection: Redis.
            claimant: the executor.
            blobs: the artifact store, for ``put``.
            slack_s: seconds of work for which a job may be ahead of others because the executor is warm for it.
        """
        failpoint("claim.before")
        nonce = secrets.token_hex(NONCE_BYTES)
        claim = Scripts(connection).claim(claimant, nonce=nonce, lease_ms=LEASE_MS, slack_s=slack_s)
        if claim is None:
            return None
        failpoint("claim.after")
        return cls(connection, nonce, claim, blobs)

    def put(self, data: bytes) -> str:
        """Write a blob that the attempt will refer to; return its SHA-256 in hexadecimal.

        Raises:
            BlobError: if it cannot be stored.
            ValueError: if the attempt was claimed without an artifact store.
        """
        if self._pending is None:
            raise ValueError("the attempt was claimed without an artifact store")
        return self._pending.put(data)

    def can_refer(self, blobs: Collection[str], within_s: float) -> bool:
        """Return whether a report may refer to these blobs within ``within_s`` seconds, after at most as long.

        Otherwise it would wait for the disk.
        """
        return self._pending is None or self._pending.is_synced(blobs, within_s)

    def report(self, event: JobEvent, blob: str = "", kept: int = 0) -> Written:
        """Append an event.

        Args:
            event: the event.
            blob: digest of the blob that completes the event for readers, or ``""``.
            kept: how much of the part is stored with this event and need not be computed again.
        """
        return self._write(Write(kept=kept or None, progressed=bool(kept), events=[(event, blob)]))

    def report_images(self, images: Sequence[Image], kept: int) -> Written:
        """Append the events of images, except those that the job has already.

        Args:
            images: images that are ready, with their blobs.
            kept: how many images of the part are stored with these; see ``report_candidate``.
        """
        return self._write(Write(kept=kept or None, progressed=bool(kept), model=self.needs, images=images))

    def report_candidate(self, candidate: Candidate, kept: int) -> Written:
        """Note a candidate for an image, unless the job has the image; its blob is kept until then.

        Args:
            candidate: the candidate.
            kept: how many images of the part are stored with this, including those with a stored candidate.
        """
        return self._write(Write(kept=kept or None, progressed=bool(kept), candidates=[candidate]))

    def reuse_cached(self, images: Sequence[Image]) -> set[int]:
        """Give the job the images that are cached, with their events.

        Returns:
            The numbers of those of the images that the job has now.
        """
        return self._fenced([], lambda fence: self._scripts.reuse_cached(fence, self.needs, images))

    def renew(self, scripts: Scripts | None = None) -> bool:
        """Renew the lease; return whether the job is asked to stop.

        Args:
            scripts: scripts on another connection, for a thread that must not wait for this one.

        Raises:
            StaleAttemptError: if the attempt is over.
        """
        holds, cancel = (scripts or self._scripts).renew(self.job_id, self.part, self.nonce, LEASE_MS)
        if not holds:
            raise self._over()
        return cancel

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Make a stored state the one to resume from; the one before is kept in case this one cannot be read."""
        if any(saved.step == checkpoint.step for saved in self.checkpoints):
            return
        keep, drop = self.checkpoints[:1], self.checkpoints[1:]
        self._write(
            Write(
                progressed=True,
                fields={"checkpoint": str(checkpoint), "checkpoint_before": str(keep[0]) if keep else ""},
                blobs=[checkpoint.blob],
                dropped=[saved.blob for saved in drop],
            )
        )
        self.checkpoints = [checkpoint, *keep]

    def forget_checkpoint(self, checkpoint: Checkpoint, cause: str) -> None:
        """Report that a checkpoint cannot be resumed from; it is not tried again."""
        left = [saved for saved in self.checkpoints if saved != checkpoint]
        latest, before = [*map(str, left), "", ""][:2]
        unreadable = CheckpointUnreadable(step=checkpoint.step, cause=cause)
        self._write(
            Write(
                fields={"checkpoint": latest, "checkpoint_before": before},
                dropped=[checkpoint.blob],
                events=[(JobEvent(checkpoint_unreadable=unreadable), "")],
            )
        )
        self.checkpoints = left

    def succeed(
        self, result: str, model: Model | None = None, history: str = "", attachments: Attachments = NO_ATTACHMENTS
    ) -> EndedAttempt:
        """End the last part, and the job, with the digest of its result.

        Args:
            result: digest of the job's result.
            model: the model that it trained, if any.
            history: digest of the model's history.
            attachments: its other outputs.
        """
        model_fields: dict[str, Value] = {}
        if model is not None:
            model_fields = {
                "state": "ready",
                "model": model.SerializeToString(),
                "file": model.digest.sha256,
                "history": history,
                "unkept": self.nonce,
            }
        blobs = [digest for digest in (model.digest.sha256, history) if digest] if model is not None else []
        return self._end(
            AttemptEnd(
                how="result",
                result=result,
                fields=attachments.fields,
                blobs=attachments.blobs,
                model_fields=model_fields,
                model_blobs=blobs,
            )
        )

    def finish(self) -> EndedAttempt:
        """End the part, which is not the last one.

        Raises:
            ResultWanted: if it is the last one: end it by ``succeed``.
        """
        return self._end(AttemptEnd(how="done"))

    def fail(self, failure: Failure) -> EndedAttempt:
        """End the job as failed."""
        return self._end(AttemptEnd(how="failed", failure=failure))

    def cancelled(self) -> EndedAttempt:
        """End the part as cancelled, and the job if no executor computes another part of it."""
        return self._end(AttemptEnd(how="stopped"))

    def release(self) -> EndedAttempt:
        """Release the part for another executor; if the job is asked to stop, the part ends."""
        return self._end(AttemptEnd(how="released"))

    def abandon(self) -> bool:
        """Release the part because writes were refused or lost; return whether it was still held.

        It is still held if Redis has lost writes or was away: then another attempt resumes from what Redis has.
        """
        self._last_token = ""
        try:
            self._end(AttemptEnd(how="released"))
        except StaleAttemptError:
            return False
        return True

    def figures(self) -> tuple[float, int]:
        """Return the seconds since the job's first attempt began, and the number of its images that were cached."""
        started, cached = self._redis.hmget(key("job", self.job_id), ["started", "cached"])
        seconds, microseconds = self._redis.time()
        now = seconds + microseconds / 1e6
        return max(0.0, now - int(started or 0) / 1000), int(cached or 0)

    def _fence(self, new_blobs: list[str]) -> Fence:
        self._tokens += 1
        since = self._pending.since(new_blobs) if self._pending else self._batch
        token = f"{self.nonce}.{self._tokens}"
        return Fence(
            job_id=self.job_id,
            part=self.part,
            nonce=self.nonce,
            token=token,
            before=self._last_token,
            since=since,
            new_blobs=new_blobs,
        )

    def _write(self, write: Write) -> Written:
        written = self._fenced(write.new_blobs, lambda fence: self._scripts.write(fence, write))
        if self._pending:
            self._pending.batch = written.batch
        return written

    def _end(self, end: AttemptEnd) -> EndedAttempt:
        failpoint("attempt.before_end")
        ended = self._fenced(
            end.new_blobs,
            lambda fence: self._scripts.end_attempt(fence, end, outcomes(end.failure), MAX_DEATHS),
        )
        failpoint("attempt.after_end")
        return ended

    def _fenced(self, new_blobs: list[str], call: Callable[[Fence], T]) -> T:
        """Call a fenced script; if blobs must be written again, write them and repeat the call."""
        while True:
            if self._pending:
                self._pending.sync(new_blobs)
            fence = self._fence(new_blobs)
            try:
                reply = call(fence)
            except BlobsGone as gone:
                if self._pending is None:
                    raise
                self._pending.rewrite(gone)
            except (Refused, NotFoundError) as error:
                raise self._over() from error
            else:
                self._last_token = fence.token
                if self._pending:
                    self._pending.forget(new_blobs)
                return reply

    def _over(self) -> StaleAttemptError:
        return StaleAttemptError(f"attempt {self.number} at part {self.part} of jobs/{self.job_id} is over")
