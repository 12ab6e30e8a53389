"""The register of workers: those that are alive, and what each of them does."""

import enum
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import redis

from convscope.store.jobs.records import Fields, text
from convscope.store.jobs.tickets import TICKET_PREFIX
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, counted

__all__ = ["ExecutorState", "WorkerRecord", "WorkerReport", "WorkerStore"]

log = logging.getLogger(__name__)

# How long after its last report a worker counts as gone, in milliseconds. Workers report every second.
GONE_MS: Final = 60_000

# How long after its last report a worker counts as silent, in milliseconds: it may have lost its connection.
SILENT_MS: Final = 10_000

# The largest numbers that a record may have: 31 bits, and the last millisecond of the year 9999.
LARGEST: Final = 2**31 - 1
LATEST_MS: Final = 253_402_300_799_999


class ExecutorState(enum.IntEnum):
    """What the records know of a worker's executor."""

    KNOWN = 0
    """It holds a part, waits for one, or there is none."""
    TO_KILL = 1
    """It must be killed: its lease expired, or its job does not stop."""
    STRAY = 2
    """It neither holds a part nor waits for one: it is between two parts, or Redis lost its claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """A worker's report of itself.

    Attributes:
        name: the worker's name, unique among all workers.
        device: device that it computes on, ``cpu`` or ``gpu``.
        idle: whether it has no executor.
        ticket: id of the ticket that it has just taken, or ``""``.
        draining: whether it is stopping and takes no more parts.
        started_ms: when it started, in milliseconds since 1970 by the clock of Redis.
        fields: further fields: host, process id, version, threads.
    """

    name: str
    device: str
    idle: bool
    ticket: str = ""
    draining: bool = False
    started_ms: int = 0
    fields: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """The record of a worker.

    Attributes:
        name: the worker's name, unique among all workers.
        device: device that it computes on, ``cpu`` or ``gpu``.
        seen_ms: time of its last report, in milliseconds since 1970.
        silent: whether that is more than ``SILENT_MS`` ago.
        job_id: the job that it computes a part of, or ``""``.
        part: the part, or -1.
        executor: whether it has an executor, which may wait for parts.
        draining: whether it is stopping and takes no more parts.
        started_ms: when it started, in milliseconds since 1970; 0 if unknown.
        host: name of its machine; ``""`` if unknown.
        process_id: process id of its supervisor; 0 if unknown.
        thread_count: number of threads of its executors; 0 if unknown.
        version: its version of convscope; ``""`` if unknown.
    """

    name: str
    device: str
    seen_ms: int
    silent: bool
    job_id: str = ""
    part: int = -1
    executor: bool = False
    draining: bool = False
    started_ms: int = 0
    host: str = ""
    process_id: int = 0
    thread_count: int = 0
    version: str = ""


class WorkerStore:
    """The register of workers."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def report(self, report: WorkerReport) -> ExecutorState:
        """Note that a worker lives; return what is known of its executor."""
        head = (report.name, report.device, int(report.idle), report.ticket.removeprefix(TICKET_PREFIX), GONE_MS)
        fields = {**report.fields, "draining": int(report.draining), "started": report.started_ms}
        return ExecutorState(self._scripts.run("report_worker", *head, *counted(fields.items())))

    def forget(self, name: str, device: str) -> None:
        """Forget a worker that stops, and its executor."""
        self._scripts.run("leave", name, device)
        self._scripts.run("forget_worker", name, device)

    def now_ms(self) -> int:
        """Return the time by the clock of Redis, in milliseconds since 1970."""
        seconds, microseconds = self._redis.time()
        return seconds * 1000 + microseconds // 1000

    def list(self) -> list[WorkerRecord]:
        """Return the workers that reported in the last minute, by name, without those whose records are damaged."""
        now = self.now_ms()
        names = sorted(cast("list[bytes]", self._redis.zrangebyscore(KEYS["workers"], now - GONE_MS, "+inf")))
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(os.fsencode(key("worker", os.fsdecode(name))))  # whatever bytes it has
                pipeline.hget(KEYS["holders"], name)
            replies = pipeline.execute(raise_on_error=False)
        records = zip(names, replies[::2], replies[1::2], strict=True)
        return [record for name, *stored in records if (record := self._record_if_readable(name, stored, now))]

    def _record_if_readable(self, name: bytes, replies: Sequence[Any], now_ms: int) -> WorkerRecord | None:
        """Return the record of a worker; None if there is none, or it cannot be read, which is logged."""
        try:
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            fields, held = replies
            return self._record(name.decode(), fields, text(held or b""), now_ms) if fields else None
        except (ValueError, KeyError, redis.ResponseError) as error:
            if isinstance(error, redis.ResponseError) and not str(error).startswith("WRONGTYPE"):
                raise
            log.warning("the record of worker %r cannot be read: %r", name, error)
            return None

    def _record(self, name: str, fields: Fields, held: str, now_ms: int) -> WorkerRecord:
        values = {text(field): text(value) for field, value in fields.items()}
        job_id, part = self._held(held)
        seen_ms = _number(values, "seen", LATEST_MS)
        return WorkerRecord(
            name=name,
            device=_device(values),
            seen_ms=seen_ms,
            silent=now_ms - seen_ms > SILENT_MS,
            job_id=job_id,
            part=part,
            executor=values.get("idle") != "1",
            draining=values.get("draining") == "1",
            started_ms=_number(values, "started", LATEST_MS, 0),
            host=values.get("host", ""),
            process_id=_number(values, "pid", LARGEST, 0),
            thread_count=_number(values, "threads", LARGEST, 0),
            version=values.get("version", ""),
        )

    def _held(self, held: str) -> tuple[str, int]:
        """Return job and part of the attempt that a worker took last; ``("", -1)`` if it has ended."""
        job_id, _, rest = held.partition("|")
        part, _, nonce = rest.partition("|")
        holds = bool(held) and self._redis.hget(key("parts", job_id), f"nonce:{part}") == nonce.encode()
        return (job_id, int(part)) if holds else ("", -1)


def _device(values: Mapping[str, str]) -> str:
    if values["device"] not in {"cpu", "gpu"}:
        raise ValueError(f"its device is {values['device']!r}")
    return values["device"]


def _number(values: Mapping[str, str], name: str, largest: int, default: int | None = None) -> int:
    number = int(values[name]) if default is None else int(values.get(name, default))
    if not 0 <= number <= largest:
        raise ValueError(f"{name} is {number}")
    return number
