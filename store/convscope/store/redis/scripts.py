"""Calls of the scripts inside Redis, with Python values."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha1
from typing import Any, Final, Literal

import redis
from redis.exceptions import NoScriptError

from convscope.store.errors import NotFoundError
from convscope.store.jobs.candidates import Candidate
from convscope.store.redis import lua
from convscope.v1.jobs_pb2 import AttemptStarted, Failure, JobEvent

__all__ = [
    "AttemptEnd",
    "BlobsGone",
    "Claim",
    "Claimant",
    "EndedAttempt",
    "Image",
    "LateAttempt",
    "Refused",
    "ResultWanted",
    "Scripts",
    "Value",
    "Write",
    "Written",
    "load_scripts",
]

Value = str | bytes | int | float

# Scripts about one job, which share ``job.lua``.
JOB_SCRIPTS: Final = (
    "create",
    "settle",
    "cancel",
    "claim",
    "renew",
    "write",
    "reuse_cached",
    "end_attempt",
    "delete_job",
    "leave",
    "plan",
    "time_out",
)

# Fields of a job's record that an executor needs, in the order in which ``claim.lua`` returns them.
CLAIMED: Final = (
    b"parts",
    b"part_seconds",
    b"planning",
    b"spec",
    b"makes",
    b"needs",
    b"needed",
    b"model_file",
    b"model_history",
    b"checkpoint",
    b"checkpoint_before",
)


class Refused(Exception):  # noqa: N818 - not an error by itself: callers decide
    """The attempt does not hold its part."""


class BlobsGone(Exception):  # noqa: N818 - not an error: the caller writes them again
    """Blobs of a write have been deleted, or are about to be; nothing has been changed."""

    def __init__(self, digests: Collection[str]) -> None:
        super().__init__(digests)
        self.digests = digests


class ResultWanted(Exception):  # noqa: N818 - not an error: an answer
    """The part is the last one of its job: it must be ended with the job's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that is ready, or may be cached.

    Attributes:
        number: its number in the job.
        cache_key: its cache key, see ``planning.CacheKeys``; ``""`` if it must not be reused.
        event: its ``image_ready``, without pixels and without the number of images so far.
        blob: digest of the image itself; ``""`` to look it up.
    """

    number: int
    cache_key: str
    event: JobEvent
    blob: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimant:
    """An executor that asks for a part.

    Attributes:
        worker: name of its worker.
        device: device that it computes on, ``cpu`` or ``gpu``.
        wait_ms: how long it will wait to be woken if no part is ready, in milliseconds; 0 if it will not wait.
        last_job: id of the job that it computed last, or ``""``.
        loaded: digests of the files of the models that it has loaded.
        environment: versions and settings that decide the bits of results.
    """

    worker: str
    device: str = "cpu"
    wait_ms: int = 0
    last_job: str = ""
    loaded: Collection[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """A part that an attempt holds.

    Attributes:
        job_id: id of the job.
        part: number of the part, from 0.
        number: number of the attempt at it, from 1.
        kept: how much of the part is stored already.
        batch: number of the newest batch of condemned blobs.
        fields: fields of the job's record that ``CLAIMED`` names, if it has them.
    """

    job_id: str
    part: int
    number: int
    kept: int
    batch: int
    fields: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What the scripts check before an attempt's write.

    Attributes:
        job_id: id of the job.
        part: the attempt's part.
        nonce: the attempt's nonce.
        token: identifies this write, which is applied once however often it is sent.
        before: token of the attempt's previous write, which Redis must know; ``""`` if another process writes.
        since: number of the newest batch of condemned blobs when the first of the new blobs was written.
        new_blobs: all digests that the write refers to.
    """

    job_id: str
    part: int
    nonce: str
    token: str
    before: str = ""
    since: int = 0
    new_blobs: Collection[str] = ()

    @property
    def arguments(self) -> list[Value]:
        """The first arguments of the scripts."""
        head: list[Value] = [self.job_id, self.part, self.nonce, self.token, self.before, self.since]
        return [*head, *listed(self.new_blobs)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A report of an attempt.

    Attributes:
        kept: how much of its part is stored; None if that does not change.
        progressed: whether the attempt made progress, which resets the count of deaths.
        fields: fields of the record to set.
        blobs: digests that the job refers to from now on, in addition to those of its events, images and candidates.
        dropped: digests that the job no longer refers to.
        events: events to append, each with the digest of its blob or ``""``.
        model: id of the images' model.
        images: images to append.
        candidates: candidates to note for images that the job lacks.
    """

    kept: int | None = None
    progressed: bool = False
    fields: Mapping[str, Value] = field(default_factory=dict)
    blobs: Collection[str] = ()
    dropped: Collection[str] = ()
    events: Sequence[tuple[JobEvent, str]] = ()
    model: str = ""
    images: Sequence[Image] = ()
    candidates: Sequence[Candidate] = ()

    @property
    def new_blobs(self) -> list[str]:
        """All digests that the write refers to."""
        named = [blob for _, blob in self.events] + [image.blob for image in self.images]
        return [blob for blob in (*self.blobs, *named, *(candidate.blob for candidate in self.candidates)) if blob]

    @property
    def arguments(self) -> list[Value]:
        """The arguments of the script, after those of the fence."""
        values: list[Value] = ["" if self.kept is None else self.kept, int(self.progressed)]
        values += counted(self.fields.items())
        values += [*listed(self.blobs), *listed(self.dropped)]
        values += counted((event.SerializeToString(), blob) for event, blob in self.events)
        values += [self.model, len(self.images)]
        for image in self.images:
            values += [image.number, image.cache_key, image.event.SerializeToString(), image.blob]
        values.append(len(self.candidates))
        for candidate in self.candidates:
            values += [candidate.number, candidate.first, candidate.restarts, candidate.blob]
        return values


@dataclass(frozen=True, slots=True)
class Written:
    """The job after a write.

    Attributes:
        sequence: number of its latest event.
        cancel_requested: whether it is asked to stop.
        batch: number of the newest batch of condemned blobs.
    """

    sequence: int
    cancel_requested: bool
    batch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ends.

    Attributes:
        how: whether the part is done, done with the job's result, released, lost with its worker, stopped as requested,
            or failed with its job.
        lost: the event of a loss.
        failure: why the job failed, or fails if this was one death too many.
        result: digest of the job's result, needed for the last part.
        fields: fields of the job's record to set with the result.
        blobs: digests that the job refers to in addition to its result.
        model_fields: fields to set of the model that the job trains.
        model_blobs: digests that this model refers to.
    """

    how: Literal["done", "result", "released", "lost", "stopped", "failed"]
    lost: JobEvent | None = None
    failure: Failure | None = None
    result: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
    blobs: Sequence[str] = ()
    model_fields: Mapping[str, Value] = field(default_factory=dict)
    model_blobs: Sequence[str] = ()

    @property
    def new_blobs(self) -> list[str]:
        """All digests that the end refers to."""
        return [blob for blob in (self.result, *self.blobs, *self.model_blobs) if blob]


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """The job after an attempt has ended.

    Attributes:
        sequence: number of its latest event.
        cancel_requested: whether it is asked to stop.
        state: its state, as it is stored.
    """

    sequence: int
    cancel_requested: bool
    state: str

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state not in {"waiting", "queued", "running"}


@dataclass(frozen=True, slots=True)
class LateAttempt:
    """An attempt whose lease has run out."""

    job_id: str
    part: int
    number: int
    nonce: str
    worker: str


class Scripts:
    """The scripts, ready to run on one connection."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def run(self, name: str, *arguments: Value) -> Any:
        """Run the script in a file of this name; return Redis' reply."""
        text, digest = _script(name)
        try:
            return self._redis.evalsha(digest, 0, *arguments)
        except NoScriptError:  # Redis was started after the last call
            return self._redis.eval(text, 0, *arguments)

    def claim(self, claimant: Claimant, *, nonce: str, lease_ms: int, slack_s: float) -> Claim | None:
        """Claim the next part for an executor; None if there is none.

        Args:
            claimant: the executor.
            nonce: drawn for this claim; a claim that is sent again gets the same reply.
            lease_ms: how long the lease lasts without being renewed, in milliseconds.
            slack_s: seconds of work by which a job may be ahead of others because the executor is warm for it.
        """
        reply = self.run(
            "claim",
            *(claimant.worker, claimant.device, nonce, lease_ms, claimant.wait_ms),
            *(claimant.last_job, ",".join(claimant.loaded), slack_s),
            _start_of_attempt(claimant.worker, tuple(claimant.environment.items())),
        )
        if not reply:
            return None
        job_id, part, attempt, kept, batch, *values = reply
        fields = {name: value for name, value in zip(CLAIMED, values, strict=True) if value is not None}
        return Claim(job_id.decode(), part, attempt, kept, batch, fields)

    def renew(self, job_id: str, part: int, nonce: str, lease_ms: int) -> tuple[bool, bool]:
        """Renew a lease; return whether the attempt still holds its part, and whether the job is asked to stop."""
        holds, cancel = self.run("renew", job_id, part, nonce, lease_ms)
        return bool(holds), bool(cancel)

    def write(self, fence: Fence, write: Write) -> Written:
        """Write the report of an attempt.

        Raises:
            Refused: if the attempt does not hold its part.
            BlobsGone: if some of its blobs must be written again.
        """
        _, sequence, cancel, batch = _accepted(self.run("write", *fence.arguments, *write.arguments))
        return Written(sequence, bool(cancel), batch)

    def end_attempt(self, fence: Fence, end: AttemptEnd, events: Sequence[JobEvent], most_deaths: int) -> EndedAttempt:
        """End an attempt's hold of its part.

        Args:
            fence: the attempt's fence.
            end: how it ends.
            events: the job is queued again, has succeeded, was cancelled, has failed: one of them may be appended.
            most_deaths: deaths in a row that end the job.

        Raises:
            NotFoundError: if the job does not exist.
            Refused: if the attempt does not hold its part.
            BlobsGone: if some of its blobs must be written again.
            ResultWanted: if the part is the last, and there is no result; then nothing has been changed.
        """
        arguments: list[Value] = [end.how, most_deaths, end.lost.SerializeToString() if end.lost else b""]
        arguments += [event.SerializeToString() for event in events]
        arguments += [end.failure.SerializeToString() if end.failure else b"", end.result]
        arguments += [*counted(end.fields.items()), *listed(end.blobs)]
        arguments += [*counted(end.model_fields.items()), *listed(end.model_blobs)]
        reply = self.run("end_attempt", *fence.arguments, *arguments)
        if reply[0] == b"missing":
            raise NotFoundError(f"jobs/{fence.job_id} does not exist")
        if reply[0] == b"last":
            raise ResultWanted
        _, sequence, cancel, state = _accepted(reply)
        return EndedAttempt(sequence, bool(cancel), state.decode())

    def reuse_cached(self, fence: Fence, model: str, images: Sequence[Image]) -> set[int]:
        """Give a job the images that are cached; return the numbers of those of the images that it has now.

        Raises:
            Refused: if the attempt does not hold its part.
        """
        arguments: list[Value] = [fence.job_id, fence.part, fence.nonce, fence.token, fence.before, model]
        for image in images:
            arguments += [image.number, image.cache_key, image.event.SerializeToString()]
        _, *numbers = _accepted(self.run("reuse_cached", *arguments))
        return set(numbers)

    def overdue(self, most: int) -> list[LateAttempt]:
        """Return up to ``most`` attempts whose lease has run out; mark executors that do not stop to be killed."""
        values = iter(self.run("overdue", most))
        groups = zip(values, values, values, values, values, strict=True)
        return [
            LateAttempt(job_id.decode(), part, number, nonce.decode(), worker.decode())
            for job_id, part, number, nonce, worker in groups
        ]

    def delete(self, script: Literal["delete_job", "delete_model"], *arguments: str) -> tuple[str, str]:
        """Delete a record; return the script's reply: a word, and the state that forbids it if that is ``state``."""
        status, *state = (value.decode() for value in self.run(script, *arguments))
        return status, "".join(state)


def load_scripts() -> None:
    """Read all scripts: processes that are forked afterwards need not, which takes milliseconds for each."""
    for name in lua.names():
        _script(name)


@lru_cache(maxsize=64)
def _start_of_attempt(worker: str, environment: tuple[tuple[str, str], ...]) -> bytes:
    """Return the part of an ``attempt_started`` that is equal for all claims of an executor."""
    started = AttemptStarted(worker=f"workers/{worker}", environment=dict(environment))
    return started.SerializeToString(deterministic=True)


@cache
def _script(name: str) -> tuple[str, str]:
    """Return the text of a script, and the digest by which Redis knows it; cached, since they take long to compute."""
    text = lua.source("job", name) if name in JOB_SCRIPTS else lua.source(name)
    if name == "claim":
        text = _fields_of_start() + text
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def _fields_of_start() -> str:
    """Return the numbers of the fields that ``claim.lua`` writes, as a Lua table."""
    names = ("part", "attempt", "step", "image_count")
    numbers = {name: AttemptStarted.DESCRIPTOR.fields_by_name[name].number for name in names}
    numbers["event"] = JobEvent.DESCRIPTOR.fields_by_name["attempt_started"].number
    return "local STARTED = { " + ", ".join(f"{name} = {number}" for name, number in numbers.items()) + " }\n"


def counted(pairs: Iterable[tuple[Value, Value]]) -> list[Value]:
    """Return pairs as arguments of a script, their number first."""
    flat = [value for pair in pairs for value in pair]
    return [len(flat) // 2, *flat]


def listed(values: Collection[str]) -> list[Value]:
    """Return values as arguments of a script, their number first."""
    return [len(values), *values]


def _accepted(reply: Any) -> Any:
    if reply[0] == b"refused":
        raise Refused
    if reply[0] == b"gone":
        raise BlobsGone([digest.decode() for digest in reply[1:]])
    return reply
