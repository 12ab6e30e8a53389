"""Calls of the scripts inside Redis, as functions of Python values."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from convscope.store.errors import NotFoundError
from convscope.store.jobs.candidates import Candidate
from convscope.store.redis import keys, lua
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["Image", "Refused", "Scripts", "Value", "Write", "Written"]

Value = str | bytes | int


class Refused(Exception):  # noqa: N818 - not a fault by itself: each caller says what it means
    """A write's expectation did not hold."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that is ready, or may be known.

    Attributes:
        number: its number in the job.
        name: what it is known by; see ``planning.ImageNames``. ``""`` if it is not to be known.
        event: its ``image_ready``, without pixels and without the number of images so far.
        blob: digest of the image itself; ``""`` if that is the question.
    """

    number: int
    name: str
    event: JobEvent
    blob: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change of a job.

    Attributes:
        part: the writer's part.
        token: names this write, so that it is done once however often it is sent; ``""`` for writes that by their
            expectations cannot be done twice.
        expect: values that fields of the record may have; ``""`` stands for an absent field.
        fields: fields of the record to set; those with a colon are a part's.
        made: fields to set of the model that the job makes.
        blobs: digests that the job points to from now on, besides those of its events.
        dropped: digests that the job points to no longer.
        events: events to append, each with the digest of its blob or ``""``.
        needs: id of the model whose images these are.
        images: images to append.
        candidates: candidates to note for images that the job lacks.
    """

    part: int = 0
    token: str = ""
    expect: Mapping[str, Collection[str]] = field(default_factory=dict)
    fields: Mapping[str, Value] = field(default_factory=dict)
    made: Mapping[str, Value] = field(default_factory=dict)
    blobs: Collection[str] = ()
    dropped: Collection[str] = ()
    events: Sequence[tuple[JobEvent, str]] = ()
    needs: str = ""
    images: Sequence[Image] = ()
    candidates: Sequence[Candidate] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """The job after a write: the sequence number of its latest event, and whether it is asked to stop."""

    sequence: int
    cancel_requested: bool


class Scripts:
    """The scripts, ready to run on one connection."""

    def __init__(self, connection: redis.Redis) -> None:
        self._write = connection.register_script(lua.source("job", "write"))
        self._create = connection.register_script(lua.source("job", "create"))
        self._release = connection.register_script(lua.source("job", "release"))
        self._cancel = connection.register_script(lua.source("job", "cancel"))
        self._claim = connection.register_script(lua.source("job", "claim"))
        self._renew = connection.register_script(lua.source("job", "renew"))
        self._delete = connection.register_script(lua.source("delete"))

    def write(self, job_id: str, write: Write) -> Written:
        """Change a job.

        Raises:
            NotFoundError: if there is no such job.
            Refused: if an expectation does not hold.
        """
        arguments: list[Value] = [job_id, write.part, write.token]
        arguments += counted((name, f",{','.join(values)},") for name, values in write.expect.items())
        arguments += counted(write.fields.items()) + counted(write.made.items())
        arguments += [len(write.blobs), *write.blobs, len(write.dropped), *write.dropped]
        arguments += counted((event.SerializeToString(), blob) for event, blob in write.events)
        arguments.append(len(write.images))
        for image in write.images:
            arguments += [image.number, image.name, image.event.SerializeToString(), image.blob]
        arguments.append(len(write.candidates))
        for each in write.candidates:
            arguments += [each.number, each.first, each.restarts, each.blob]
        names = [*job_keys(job_id), keys.model_key(write.needs), keys.known_key(write.needs)]
        status, *rest = self._write(keys=names, args=arguments)
        if status == b"missing":
            raise NotFoundError(f"jobs/{job_id} does not exist")
        if status == b"refused":
            raise Refused(*(value.decode() for value in rest))
        return Written(rest[0], bool(rest[1]))

    def create(
        self,
        job_id: str,
        *,
        request_id: str,
        needs: str,
        waiting: tuple[str, JobEvent],
        ready: tuple[str, JobEvent],
        fields: Mapping[str, Value],
        model_id: str,
        model_fields: Mapping[str, Value],
        plan: str,
    ) -> tuple[str, str]:
        """Create a job; returns what the script returns, as text."""
        names = [
            *job_keys(job_id),
            keys.request_key(request_id),
            keys.JOBS,
            keys.MODELS,
            keys.model_key(needs),
            keys.waiters_key(needs),
        ]
        arguments: list[Value] = [job_id, request_id, model_id, needs]
        for state, event in (waiting, ready):
            arguments += [state, event.SerializeToString()]
        arguments += counted(fields.items()) + counted(model_fields.items()) + [plan]
        status, value = self._create(keys=names, args=arguments)
        return status.decode(), value.decode()

    def release(self, job_id: str, event: JobEvent) -> bool:
        """Queue a job that waited for its model; returns whether it did."""
        return bool(self._release(keys=job_keys(job_id), args=[job_id, event.SerializeToString()]))

    def cancel(self, job_id: str, now_ms: int, asked: JobEvent, ended: JobEvent) -> bool:
        """Ask a job to stop; returns whether there is such a job."""
        arguments: list[Value] = [job_id, now_ms, asked.SerializeToString(), ended.SerializeToString()]
        return bool(self._cancel(keys=job_keys(job_id), args=arguments))

    def claim(
        self, job_id: str, *, before: int, lease_ms: int, now_ms: int, carrier: str, event: JobEvent
    ) -> tuple[int, int]:
        """Start the attempt after attempt ``before``.

        Returns:
            Its number, or 0 if the part is not to be had; and the part that is to be dispatched now, or -1.
        """
        started = event.attempt_started
        arguments: list[Value] = [
            job_id,
            started.part,
            before,
            lease_ms,
            now_ms,
            started.worker,
            carrier,
            event.SerializeToString(),
        ]
        number, following = self._claim(keys=[*job_keys(job_id), keys.lease_key(job_id, started.part)], args=arguments)
        return int(number), int(following)

    def renew(self, job_id: str, part: int, attempt: int, lease_ms: int) -> tuple[bool, bool]:
        """Renew a lease; returns whether the attempt still holds its part, and whether the job is asked to stop."""
        names = [*job_keys(job_id), keys.lease_key(job_id, part)]
        holds, cancel = self._renew(keys=names, args=[part, attempt, lease_ms])
        return bool(holds), bool(cancel)

    def delete(self, identifier: str, names: Sequence[str], states: Collection[str]) -> list[str]:
        """Delete a record; returns what the script returns, as text.

        Args:
            identifier: the record's id.
            names: keys of the record, its index, its blobs, and whatever else goes with it.
            states: those in which it may be deleted.
        """
        record, index, blobs, *further = names
        reply = self._delete(
            keys=[record, index, blobs, keys.REFERENCES, blobs, *further],
            args=[identifier, f",{','.join(states)},"],
        )
        return [each.decode() for each in reply]


def job_keys(job_id: str) -> list[str]:
    """Return the keys that every script about a job has first; a training's model has the job's id."""
    return [
        keys.job_key(job_id),
        keys.parts_key(job_id),
        keys.written_key(job_id),
        keys.images_key(job_id),
        keys.events_key(job_id),
        keys.NOTIFY,
        keys.ACTIVE,
        keys.blobs_key(job_id),
        keys.REFERENCES,
        keys.model_key(job_id),
        keys.model_blobs_key(job_id),
        keys.candidates_key(job_id),
    ]


def counted(pairs: Iterable[tuple[Value, Value]]) -> list[Value]:
    """Return pairs as arguments of a script, their number first."""
    flat = [each for pair in pairs for each in pair]
    return [len(flat) // 2, *flat]
