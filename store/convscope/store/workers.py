"""Who computes: the workers that are alive, and what each of them does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import redis

from convscope.store.jobs.records import Fields, text
from convscope.store.jobs.tickets import TICKET_PREFIX
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts, counted

__all__ = ["WorkerRecord", "WorkerReport", "WorkerStore"]

# A worker that has not been seen for so long is believed to be gone, in milliseconds. It is seen every second.
GONE_MS: Final = 60_000

# One that has not been seen for so long is not counted on, in milliseconds: it may have lost its connection.
SILENT_MS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What a worker tells of itself.

    Attributes:
        name: unique among all workers.
        device: what it computes on, ``cpu`` or ``gpu``.
        idle: whether it has no executor.
        ticket: id of the ticket that it has just taken, or ``""``.
        draining: whether it was told to stop, and takes nothing more.
        started_ms: when it started, in milliseconds since 1970 by the clock of Redis.
        fields: what else there is to be told: host, process id, version, threads.
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
    """What is known of a worker.

    Attributes:
        name: unique among all workers.
        device: what it computes on, ``cpu`` or ``gpu``.
        seen_ms: when it was seen last, in milliseconds since 1970.
        silent: whether that is too long ago for it to be counted on.
        job_id: the job that it computes a part of, or ``""``.
        part: the part, or -1.
        executor: whether it has an executor, which may wait for parts.
        draining: whether it was told to stop, and takes nothing more.
        started_ms: when it started, in milliseconds since 1970; 0 if it did not tell.
        fields: what else it told of itself.
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
    fields: Mapping[str, str] = field(default_factory=dict)


class WorkerStore:
    """The register of workers."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def report(self, report: WorkerReport) -> bool:
        """Note that a worker lives; returns whether its executor is to be killed."""
        head = (report.name, report.device, int(report.idle), report.ticket.removeprefix(TICKET_PREFIX), GONE_MS)
        told = {**report.fields, "draining": int(report.draining), "started": report.started_ms}
        return bool(self._scripts.run("report_worker", *head, *counted(told.items())))

    def forget(self, name: str, device: str) -> None:
        """Forget a worker that stops, and its executor."""
        self._scripts.run("leave", name, device)
        self._scripts.run("forget_worker", name, device)

    def now_ms(self) -> int:
        """Return the time by the clock of Redis, in milliseconds since 1970."""
        seconds, microseconds = self._redis.time()
        return seconds * 1000 + microseconds // 1000

    def list(self) -> list[WorkerRecord]:
        """Return the workers that were seen in the last minute, by name."""
        now = self.now_ms()
        found = cast("list[bytes]", self._redis.zrangebyscore(KEYS["workers"], now - GONE_MS, "+inf"))
        names = sorted(map(text, found))
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hgetall(key("worker", name))
                pipeline.hget(KEYS["holders"], name)
            replies = pipeline.execute()
        pairs = zip(names, replies[::2], replies[1::2], strict=True)
        return [self._record(name, fields, text(held or b""), now) for name, fields, held in pairs if fields]

    def _record(self, name: str, fields: Fields, held: str, now_ms: int) -> WorkerRecord:
        told = {text(field): text(value) for field, value in fields.items()}
        device, seen, idle = told.pop("device"), int(told.pop("seen")), told.pop("idle", "") == "1"
        job_id, _, rest = held.partition("|")
        part, _, nonce = rest.partition("|")
        holds = bool(held) and self._redis.hget(key("parts", job_id), f"nonce:{part}") == nonce.encode()
        return WorkerRecord(
            name=name,
            device=device,
            seen_ms=seen,
            silent=now_ms - seen > SILENT_MS,
            job_id=job_id if holds else "",
            part=int(part) if holds else -1,
            executor=not idle,
            draining=told.pop("draining", "") == "1",
            started_ms=int(told.pop("started", "0")),
            fields=told,
        )
