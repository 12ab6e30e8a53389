"""Calls of the scripts inside Redis, as functions of Python values."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from convscope.store import keys, lua
from convscope.store.errors import NotFoundError
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["Refused", "Scripts", "Value", "Write", "Written"]

Value = str | bytes | int


class Refused(Exception):  # noqa: N818 - not a fault by itself: each caller says what it means
    """A write's expectation did not hold."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change of a job.

    Attributes:
        memory: field of the record that remembers the writer's last write.
        token: names this write, so that it is done once however often it is sent; ``""`` for writes that by their
            expectations cannot be done twice.
        expect: values that fields of the record may have; ``""`` stands for an absent field.
        fields: fields of the record to set.
        model_id: the model whose record is changed too, if any.
        model_fields: fields of that record to set.
        blobs: digests that the job points to from now on, besides those of its events.
        dropped: digests that the job points to no longer.
        model_blobs: digests that the model points to from now on.
        events: events to append, each with the digest of its blob or ``""``.
    """

    memory: str = ""
    token: str = ""
    expect: Mapping[str, Collection[str]] = field(default_factory=dict)
    fields: Mapping[str, Value] = field(default_factory=dict)
    model_id: str = ""
    model_fields: Mapping[str, Value] = field(default_factory=dict)
    blobs: Collection[str] = ()
    dropped: Collection[str] = ()
    model_blobs: Collection[str] = ()
    events: Sequence[tuple[JobEvent, str]] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """The job after a write: the sequence number of its latest event, and whether it is asked to stop."""

    sequence: int
    cancel_requested: bool


class Scripts:
    """The scripts, ready to run on one connection."""

    def __init__(self, connection: redis.Redis) -> None:
        self._write = connection.register_script(lua.source("write"))
        self._create = connection.register_script(lua.source("create"))
        self._claim = connection.register_script(lua.source("claim"))
        self._renew = connection.register_script(lua.source("renew"))
        self._delete = connection.register_script(lua.source("delete"))

    def write(self, job_id: str, write: Write) -> Written:
        """Change a job.

        Raises:
            NotFoundError: if there is no such job.
            Refused: if an expectation does not hold.
        """
        arguments: list[Value] = [job_id, write.memory, write.token]
        arguments += _counted((name, f",{','.join(values)},") for name, values in write.expect.items())
        arguments += _counted(write.fields.items()) + _counted(write.model_fields.items())
        for digests in (write.blobs, write.dropped, write.model_blobs):
            arguments += [len(digests), *digests]
        for event, blob in write.events:
            arguments += [event.SerializeToString(), blob]
        names = [
            *_log_keys(job_id),
            keys.ACTIVE,
            keys.blobs_key(job_id),
            keys.REFERENCES,
            keys.model_key(write.model_id),
            keys.model_blobs_key(write.model_id),
        ]
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
    ) -> tuple[str, str]:
        """Create a job; returns what the script returns, as text."""
        names = [
            keys.request_key(request_id),
            *_log_keys(job_id),
            keys.JOBS,
            keys.ACTIVE,
            keys.model_key(model_id),
            keys.MODELS,
            keys.model_key(needs),
            keys.waiters_key(needs),
        ]
        arguments: list[Value] = [job_id, request_id, model_id, needs]
        for state, event in (waiting, ready):
            arguments += [state, event.SerializeToString()]
        arguments += _counted(fields.items()) + _counted(model_fields.items())
        status, value = self._create(keys=names, args=arguments)
        return status.decode(), value.decode()

    def claim(self, job_id: str, *, before: int, lease_ms: int, now_ms: int, event: JobEvent) -> int:
        """Start the attempt after attempt ``before``; returns its number, or 0 if the part is not to be had."""
        started = event.attempt_started
        names = [*_log_keys(job_id), keys.lease_key(job_id, started.part)]
        arguments: list[Value] = [
            job_id,
            started.part,
            before,
            lease_ms,
            now_ms,
            started.worker,
            event.SerializeToString(),
        ]
        return int(self._claim(keys=names, args=arguments))

    def renew(self, job_id: str, part: int, attempt: int, lease_ms: int) -> tuple[bool, bool]:
        """Renew a lease; returns whether the attempt still holds its part, and whether the job is asked to stop."""
        names = [keys.job_key(job_id), keys.lease_key(job_id, part)]
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


def _log_keys(job_id: str) -> list[str]:
    return [keys.job_key(job_id), keys.events_key(job_id), keys.NOTIFY]


def _counted(pairs: Iterable[tuple[str, Value]]) -> list[Value]:
    flat = [each for pair in pairs for each in pair]
    return [len(flat) // 2, *flat]
