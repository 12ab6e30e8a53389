"""One attempt at a part of a job: the only way for a worker to write to it."""

import dataclasses
from collections.abc import Sequence

import redis

from convscope.store.errors import NotFoundError, StaleAttemptError
from convscope.store.failpoints import failpoint
from convscope.store.jobs import records
from convscope.store.jobs.candidates import Candidate
from convscope.store.jobs.queue import carrier, dispatch
from convscope.store.redis import keys
from convscope.store.redis.part_scripts import Leave, Left, PartScripts
from convscope.store.redis.scripted import Image, Refused, Scripts, Value, Write, Written
from convscope.v1.jobs_pb2 import AttemptStarted, CheckpointUnreadable, Failure, JobEvent, JobSpec
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
    """An attempt that holds its part until its lease runs out, the part is done or given back, or the job ends.

    Every write is refused with StaleAttemptError once the attempt is over.

    Attributes:
        job_id: the job.
        part: which of its parts, from 0.
        parts: how many it has.
        number: of the attempt at this part, from 1.
        spec: what the job is to do.
        kind: which kind of job it is: ``train``, ``evaluate`` or ``visualize``; ``""`` for one that only newer versions
            know.
        makes: id of the model that it makes, or ``""``.
        needs: id of the model that it works on, or ``""``.
        plan: digest of the plan that says what each part does, or ``""``.
        model_file: digest of the file that the job works on, once ``keep_model`` was called, or ``""``.
        checkpoints: states that training can go on from, the latest first.
    """

    def __init__(self, connection: redis.Redis, job_id: str, part: int, number: int, fields: records.Fields) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)
        self._part_scripts = PartScripts(connection)
        self.job_id = job_id
        self.part = part
        self.parts = int(fields[b"parts"])
        self.number = number
        self.spec = JobSpec.FromString(fields[b"spec"])
        self._writes = 0
        self.kind = self.spec.WhichOneof("kind") or ""
        self.makes = fields.get(b"makes", b"").decode()
        self.needs = fields.get(b"needs", b"").decode().removeprefix("models/")
        self.plan = fields.get(b"plan", b"").decode()
        self.model_file = fields.get(b"model_file", b"").decode()
        stored = (fields.get(name, b"").decode() for name in (b"checkpoint", b"checkpoint_before"))
        self.checkpoints = [found for found in map(Checkpoint.parse, stored) if found]

    @classmethod
    def claim(
        cls,
        connection: redis.Redis,
        job_id: str,
        part: int,
        *,
        worker: str,
        environment: dict[str, str],
        entry: str = "",
    ) -> "Attempt | None":
        """Take a queued part up and say who computes it; None if it is not queued, or somebody else was faster.

        The part that comes next is queued then, so that another worker can take it up.

        Args:
            connection: Redis.
            job_id: the job.
            part: which of its parts.
            worker: name of the worker.
            environment: versions and settings that decide the bits.
            entry: the queue's entry that the horse was forked for; default: that of this part.
        """
        failpoint("claim.before")
        fields = records.read_record(connection, keys.job_key(job_id))
        before, kept = connection.hmget(keys.parts_key(job_id), [f"attempt:{part}", f"kept:{part}"])
        started = AttemptStarted(
            part=part,
            attempt=int(before or 0) + 1,
            worker=worker,
            environment=environment,
            resumed_from=_resumed_from(fields, int(kept or 0)),
        )
        number, following = Scripts(connection).claim(
            job_id,
            before=int(before or 0),
            lease_ms=LEASE_MS,
            now_ms=records.now_ms(),
            carrier=entry or carrier(job_id, part),
            event=records.timed(JobEvent(attempt_started=started)),
        )
        failpoint("claim.after")
        if following >= 0:
            dispatch(connection, job_id, following)
        return cls(connection, job_id, part, number, fields) if number else None

    def report(self, event: JobEvent, blob: str = "", kept: int = 0) -> Written:
        """Append an event.

        Args:
            event: what happened.
            blob: digest of what readers are to fill in.
            kept: how much of the part is stored with this event and need not be computed again.
        """
        return self._write(Write(fields=self._kept(kept), events=[(records.timed(event), blob)]))

    def report_images(self, images: Sequence[Image], kept: int) -> Written:
        """Append the events of images, but for those that the job has already.

        Args:
            images: what is ready, with their blobs.
            kept: how many images of the part are stored with these; see ``report_candidate``.
        """
        for image in images:
            records.timed(image.event)
        return self._write(Write(fields=self._kept(kept), needs=self.needs, images=images))

    def report_candidate(self, candidate: Candidate, kept: int) -> Written:
        """Note a candidate for an image, unless the job has the image; its blob is kept until then.

        Args:
            candidate: with its blob.
            kept: how many images of the part are stored with this, those counted that it has stored a candidate for.
        """
        return self._write(Write(fields=self._kept(kept), candidates=[candidate]))

    def take_known(self, images: Sequence[Image]) -> set[int]:
        """Give the job those images that are stored already, with their events.

        Returns:
            The numbers of those among the images that the job has then.
        """
        for image in images:
            records.timed(image.event)
        try:
            return self._part_scripts.take_known(self.job_id, self.part, self.number, self.needs, images)
        except Refused as error:
            raise self._over(error) from error

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
                fields={
                    "checkpoint": str(checkpoint),
                    "checkpoint_before": str(keep[0]) if keep else "",
                    f"deaths:{self.part}": 0,
                },
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

    def succeed(self, result: str, model: Model | None = None, history: str = "") -> Left:
        """End the last part, and the job, with the digest of its result.

        Args:
            result: digest of the job's result.
            model: what it trained, if it did.
            history: digest of the model's history.
        """
        made: dict[str, Value] = {}
        if model is not None:
            made = {"state": "ready", "model": model.SerializeToString(), "history": history}
        blobs = [digest for digest in (model.sha256, history) if digest] if model is not None else []
        return self._leave(Leave(how="result", token=self._token(), result=result, made=made, made_blobs=blobs))

    def finish(self) -> Left:
        """End the part, which is not the last one.

        Raises:
            ResultWanted: if it is: it is to be ended by ``succeed``.
        """
        return self._leave(Leave(how="done", token=self._token()))

    def fail(self, failure: Failure) -> Left:
        """End the job as failed."""
        return self._leave(Leave(how="failed", token=self._token(), failure=failure))

    def cancelled(self) -> Left:
        """End the part as cancelled, and the job if nobody computes another part of it."""
        return self._leave(Leave(how="stopped", token=self._token()))

    def hand_back(self) -> bool:
        """Queue the part again, for another worker, and return True: it is to be dispatched.

        A job that is asked to stop need not wait for another worker: its part ends, and False is returned.
        """
        return self._leave(Leave(how="back", token=self._token())).queued

    def next_part(self, queues: Sequence[str]) -> int | None:
        """Find another part of the job, once this one has ended: to be claimed at once.

        Args:
            queues: those that the worker listens to. Nothing is found while another job's part is first there, but for
                jobs of a lower priority.
        """
        return self._part_scripts.more(self.job_id, queues)

    def keep_model(self, sha256: str) -> None:
        """Keep the file of the model for all parts of the job, also if the model is deleted meanwhile."""
        self._write(Write(fields={"model_file": sha256}, blobs=[sha256]))

    def figures(self) -> tuple[float, int]:
        """Return the seconds since the job's first attempt began, and how many of its images were known."""
        started, known = self._redis.hmget(keys.job_key(self.job_id), ["started", "known"])
        return max(0.0, (records.now_ms() - int(started or records.now_ms())) / 1000), int(known or 0)

    def _kept(self, kept: int) -> dict[str, Value]:
        return {f"kept:{self.part}": kept, f"deaths:{self.part}": 0} if kept else {}

    def _token(self) -> str:
        self._writes += 1
        return f"{self.number}.{self._writes}"

    def _leave(self, leave: Leave) -> Left:
        failpoint("attempt.before_end")
        try:
            left = self._part_scripts.leave(self.job_id, self.part, self.number, leave)
        except (Refused, NotFoundError) as error:
            raise self._over(error) from error
        failpoint("attempt.after_end")
        return left

    def _write(self, write: Write) -> Written:
        fence = {
            "state": ["running"],
            f"state:{self.part}": ["running"],
            f"attempt:{self.part}": [str(self.number)],
        }
        named = dataclasses.replace(write, part=self.part, token=self._token(), expect={**fence, **write.expect})
        try:
            return self._scripts.write(self.job_id, named)
        except (Refused, NotFoundError) as error:
            raise self._over(error) from error

    def _over(self, error: Exception) -> StaleAttemptError:
        return StaleAttemptError(f"attempt {self.number} at jobs/{self.job_id} is over: {error}")


def _resumed_from(fields: records.Fields, kept: int) -> int:
    checkpoint = Checkpoint.parse(fields.get(b"checkpoint", b"").decode())
    return checkpoint.step if checkpoint else kept
