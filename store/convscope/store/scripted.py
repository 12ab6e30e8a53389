"""Calls of the scripts inside Redis, as functions of Python values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import redis

from convscope.store import keys, lua
from convscope.store.errors import NotFoundError
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["Refused", "Scripts", "Write", "Written"]

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
        expect: values that fields of the record may have; ``""`` stands for an absent field.
        fields: fields of the record to set.
        model_id: the model whose record is changed too, if any.
        model_fields: fields of that record to set.
        events: events to append, each with the digest of its blob or ``""``.
    """

    expect: Mapping[str, Collection[str]] = field(default_factory=dict)
    fields: Mapping[str, Value] = field(default_factory=dict)
    model_id: str = ""
    model_fields: Mapping[str, Value] = field(default_factory=dict)
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
        self._delete = connection.register_script(lua.source("delete"))

    def write(self, job_id: str, write: Write) -> Written:
        """Change a job.

        Raises:
            NotFoundError: if there is no such job.
            Refused: if an expectation does not hold.
        """
        arguments: list[Value] = [job_id, len(write.expect)]
        for name, values in write.expect.items():
            arguments += [name, f",{','.join(values)},"]
        arguments += _counted(write.fields) + _counted(write.model_fields)
        for event, blob in write.events:
            arguments += [event.SerializeToString(), blob]
        names = [keys.job_key(job_id), keys.events_key(job_id), keys.NOTIFY, keys.model_key(write.model_id)]
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
            keys.job_key(job_id),
            keys.events_key(job_id),
            keys.NOTIFY,
            keys.JOBS,
            keys.model_key(model_id),
            keys.MODELS,
            keys.model_key(needs),
            keys.waiters_key(needs),
        ]
        arguments: list[Value] = [job_id, request_id, model_id, needs]
        for state, event in (waiting, ready):
            arguments += [state, event.SerializeToString()]
        status, value = self._create(keys=names, args=arguments + _counted(fields) + _counted(model_fields))
        return status.decode(), value.decode()

    def claim(self, job_id: str, part: int, states: Collection[str]) -> int:
        """Raise a part's attempt number and return it; 0 if the job may not be claimed."""
        return int(self._claim(keys=[keys.job_key(job_id)], args=[part, f",{','.join(states)},"]))

    def delete(self, identifier: str, names: Sequence[str], states: Collection[str]) -> str:
        """Delete a record (first name), its entry in an index (second) and further keys; returns the reply."""
        reply = self._delete(keys=list(names), args=[identifier, f",{','.join(states)},"])
        return str(reply.decode())


def _counted(fields: Mapping[str, Value]) -> list[Value]:
    flat: list[Value] = [len(fields)]
    for name, value in fields.items():
        flat += [name, value]
    return flat
