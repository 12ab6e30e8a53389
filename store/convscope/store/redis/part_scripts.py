"""Calls of the scripts about parts: how an attempt leaves its part, what comes next, and which images are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import redis

from convscope.store.errors import NotFoundError
from convscope.store.jobs import records
from convscope.store.jobs.queue import ENTRY_PREFIX, queue_keys
from convscope.store.redis import keys, lua
from convscope.store.redis.scripted import Image, Refused, Value, counted, job_keys
from convscope.v1.jobs_pb2 import Failure, JobEvent, JobQueued, JobState

__all__ = ["MAX_DEATHS", "Leave", "Left", "PartScripts", "ResultWanted"]

# Attempts in a row that may die without getting any further; then the job itself is taken to be the killer.
MAX_DEATHS = 5


class ResultWanted(Exception):  # noqa: N818 - no fault: an answer
    """The part is the last one of its job: it is to be ended with the job's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """How an attempt ends.

    Attributes:
        how: the part is done; it is, and brings the job's result; it is given back; lost with its worker; stopped as it
            was asked to; or the job failed.
        token: names this write, so that it is done once however often it is sent.
        lost: the event that tells of a loss.
        failure: why the job failed, or will have if this was one death too many.
        result: digest of the job's result, needed for the last part.
        made: fields to set of the model that the job makes.
        made_blobs: digests that this model points to.
    """

    how: Literal["done", "result", "back", "lost", "stopped", "failed"]
    token: str
    lost: JobEvent | None = None
    failure: Failure | None = None
    result: str = ""
    made: Mapping[str, Value] = field(default_factory=dict)
    made_blobs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """The job after an attempt has ended.

    Attributes:
        sequence: number of its latest event.
        cancel_requested: whether it is asked to stop.
        state: as it is stored.
        queued: whether the part is queued again, and to be dispatched.
    """

    sequence: int
    cancel_requested: bool
    state: str
    queued: bool

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state not in {"waiting", "queued", "running"}


class PartScripts:
    """The scripts, ready to run on one connection."""

    def __init__(self, connection: redis.Redis) -> None:
        self._leave = connection.register_script(lua.source("job", "leave"))
        self._more = connection.register_script(lua.source("job", "more"))
        self._known = connection.register_script(lua.source("job", "known"))

    def leave(self, job_id: str, part: int, attempt: int, leave: Leave) -> Left:
        """End an attempt's hold of its part.

        Raises:
            NotFoundError: if there is no such job.
            Refused: if it does not hold the part.
            ResultWanted: if the part is the last, and brings no result; nothing has been changed then.
        """
        queued = records.timed(JobEvent(queued=JobQueued()))
        ends = [records.finished(JobState.JOB_STATE_SUCCEEDED), records.finished(JobState.JOB_STATE_CANCELLED)]
        ends.append(records.finished(JobState.JOB_STATE_FAILED, leave.failure))
        events = [each.SerializeToString() for each in (queued, *ends)]
        arguments: list[Value] = [job_id, part, attempt, leave.token, records.now_ms(), leave.how, MAX_DEATHS]
        arguments += [leave.lost.SerializeToString() if leave.lost else b"", *events]
        arguments += [leave.failure.SerializeToString() if leave.failure else b"", leave.result]
        arguments += [*counted(leave.made.items()), len(leave.made_blobs), *leave.made_blobs]
        status, *rest = self._leave(keys=job_keys(job_id), args=arguments)
        if status == b"missing":
            raise NotFoundError(f"jobs/{job_id} does not exist")
        if status == b"refused":
            raise Refused(f"attempt:{part}", str(attempt))
        if status == b"last":
            raise ResultWanted
        return Left(rest[0], bool(rest[1]), rest[2].decode(), bool(rest[3]))

    def more(self, job_id: str, queues: Sequence[str]) -> int | None:
        """Find another part of a job for a worker that listens to these queues.

        Returns:
            A part that is to be claimed at once, or None.
        """
        part = int(self._more(keys=[*job_keys(job_id), *queue_keys(queues)], args=[job_id, ENTRY_PREFIX]))
        return part if part >= 0 else None

    def take_known(self, job_id: str, part: int, attempt: int, needs: str, images: Sequence[Image]) -> set[int]:
        """Give a job those images that are stored already; returns the numbers of those that it has then.

        Raises:
            Refused: if the attempt does not hold the part.
        """
        arguments: list[Value] = [job_id, part, attempt]
        for image in images:
            arguments += [image.number, image.name, image.event.SerializeToString()]
        status, *numbers = self._known(keys=[*job_keys(job_id), keys.known_key(needs)], args=arguments)
        if status == b"refused":
            raise Refused(f"attempt:{part}", str(attempt))
        return set(numbers)
