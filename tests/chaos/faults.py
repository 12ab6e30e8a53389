"""Faults are made at random, and repaired."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import psutil
import redis

from chaos.cluster import Cluster
from chaos.history import Loss
from chaos.kinds import KINDS, Kind
from chaos.namespace import Wire
from chaos.parts import Part
from chaos.strikes import Busy
from convscope.store.jobs.records import read_record, text
from convscope.store.redis.keys import key

__all__ = ["Blow", "Fault", "Faults"]

T = TypeVar("T")

# How often the driver looks whether a worker has left, in seconds.
TICK_S = 0.05

# A part fails for good when attempts die five times in a row. Nothing that may cost an attempt is done while one has so
# many deaths behind it: two faults under way at once and a late count must not add up to five.
SPARED_DEATHS = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as it is reported."""

    kind: str
    target: str
    seconds: float
    at: float  # in seconds since 1970


@dataclass(frozen=True, slots=True)
class Blow:
    """A fault that hit an attempt: how long until another one runs is a figure."""

    fault: Fault
    job_id: str
    part: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Repair:
    """What ends a fault, and when, by the monotonic clock."""

    due: float
    target: object
    act: Callable[[], object]
    deadly: bool


class Faults:
    """Makes faults in a cluster, and puts them right when their time is over.

    Args:
        cluster: where.
        rng: decides what.
        tell: is called with each fault.
        cancel: has a job cancelled, given its id.
        kinds: those that are made.

    Attributes:
        made: the faults.
        blows: those that hit an attempt.
        losses: what Redis has lost by them.
        complaints: what should not have come of them.
    """

    def __init__(
        self,
        cluster: Cluster,
        rng: random.Random,
        tell: Callable[[Fault], object],
        cancel: Callable[[str], object] = lambda _: None,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self.made: list[Fault] = []
        self.blows: list[Blow] = []
        self.losses: list[Loss] = []
        self.complaints: list[str] = []
        self.cluster = cluster
        self.rng = rng
        self.cancel = cancel
        self._tell = tell
        self._kinds = kinds
        self._repairs: list[Repair] = []

    def make(self) -> None:
        """Make a fault at random, or none where there is nothing to harm."""
        fragile = self._some_part_has_died_often()
        left = {name: kind.weight for name, kind in self._kinds.items() if not fragile or kind.harmless}
        made_kinds = {fault.kind for fault in self.made}
        while left:
            new = {
                kind: weight for kind, weight in left.items() if kind not in made_kinds
            } or left  # so that a short run has many
            (kind,) = self.rng.choices(list(new), list(new.values()))
            if self._try(kind):
                return
            del left[kind]

    def repair_due(self) -> None:
        """End the faults whose time is over, and those that may kill more where enough have died."""
        if any(repair.deadly for repair in self._repairs) and self._some_part_has_died_often():
            self._repair([repair for repair in self._repairs if repair.deadly])
        self._repair([repair for repair in self._repairs if repair.due <= time.monotonic()])

    def repair_all(self) -> None:
        """End all faults."""
        while self._repairs:
            self._repair([repair for repair in self._repairs if self._may_end(repair)])
            time.sleep(TICK_S)  # some workers take a while to leave

    def later(self, seconds: float, target: object, act: Callable[[], object], *, deadly: bool = False) -> None:
        """Have something done later; until then the target is left alone."""
        self._repairs.append(Repair(time.monotonic() + seconds, target, act, deadly))

    def running(self, worker: Part) -> list[str]:
        """Return the ids of the jobs of which a worker computes parts; none while Redis is away."""
        return self._quietly(lambda: [job_id for job_id, _, _ in self._held_by(worker)]) or []

    def waits(self, worker: Part) -> bool:
        """Return whether a worker's executor waits for a part; False while Redis is away."""
        return bool(self._quietly(lambda: self._waiting(worker)))

    def _may_end(self, repair: Repair) -> bool:
        """Return whether a fault may be ended: not those whose end is a check of what the others do within a time."""
        return repair.due <= time.monotonic() or not isinstance(repair.target, psutil.Process)

    def _repair(self, repairs: list[Repair]) -> None:
        for repair in repairs:
            self._repairs.remove(repair)
            repair.act()

    def _try(self, name: str) -> bool:
        kind = self._kinds[name]
        candidates = list(self._candidates(kind.on))
        if not candidates:
            return False
        target = self.rng.choice(candidates)
        seconds = round(self.rng.uniform(*kind.seconds), 1)
        fault = Fault(name, _title(self.cluster, target), seconds, time.time())
        self._note_blow(fault, target)
        try:
            kind.strike(self, target, seconds)
        except (redis.RedisError, psutil.NoSuchProcess):
            return False  # what it takes is away at the moment
        self._tell(fault)
        self.made.append(fault)
        return True

    def _candidates(self, noun: str) -> list[object]:
        """Return what may be harmed, and is not yet."""
        harmed = [repair.target for repair in self._repairs]
        cluster = self.cluster
        ready = [part for part in cluster.workers if part not in harmed and part.ready]
        targets: dict[str, Sequence[object]] = {
            "executor": [process for part in cluster.workers if part not in harmed for process in part.executors],
            "busy executor": self._busy(ready, harmed) if noun == "busy executor" else [],
            "redis": [cluster.redis],
            "service": cluster.services,
            "worker": ready,
            "link": cluster.links,
            "store": cluster.artifacts.links,
            "wire": [cluster.wire] if cluster.wire else [],
        }
        whole = [target for target in targets[noun] if target not in harmed]
        return [target for target in whole if not isinstance(target, Part) or target.alive]

    def _busy(self, workers: Sequence[Part], harmed: Sequence[object]) -> list[Busy]:
        """Return processes that compute, and what."""
        jobs = {worker.title: self.running(worker) for worker in workers}
        return [
            Busy(process, jobs[worker.title][0])
            for worker in workers
            for process in worker.executors
            if jobs[worker.title] and process not in harmed
        ]

    def _waiting(self, worker: Part) -> list[bytes]:
        """Return the worker's name if it waits for a part, as its last claim said."""
        connection = self.cluster.redis.connection
        waiting = connection.zrangebyscore(key("waiting", "cpu"), 1000 * connection.time()[0], "+inf")
        return [name for name in cast("list[bytes]", waiting) if text(name) == worker.name]

    def _some_part_has_died_often(self) -> bool:
        deaths = self._quietly(
            lambda: [
                int(count)
                for _, fields in self._active()
                for name, count in fields.items()
                if name.startswith(b"deaths:")
            ]
        )
        return deaths is None or any(count >= SPARED_DEATHS for count in deaths)

    def _note_blow(self, fault: Fault, target: object) -> None:
        """Note which attempt a killed executor or worker was at."""
        worker = self._worker_of(target)
        if fault.kind in {"kill executor", "kill worker"} and worker is not None:
            held = self._quietly(lambda: list(self._held_by(worker))) or []
            self.blows += [Blow(fault, *attempt) for attempt in held]

    def _worker_of(self, target: object) -> Part | None:
        for worker in self.cluster.workers:
            if target is worker or target in worker.executors:
                return worker
        return None

    def _held_by(self, worker: Part) -> Iterator[tuple[str, int, int]]:
        """Yield job, part and attempt of what a worker computes."""
        for job_id, fields in self._active():
            for name, holder in fields.items():
                field, _, part = text(name).partition(":")
                if field == "holder" and text(holder) == worker.name:
                    yield job_id, int(part), int(fields[f"attempt:{part}".encode()])

    def _active(self) -> Iterator[tuple[str, dict[bytes, bytes]]]:
        connection = self.cluster.redis.connection
        for state in ("running", "queued"):
            for job_id in map(text, cast("list[bytes]", connection.zrange(key("jobs_in_state", state), 0, -1))):
                yield job_id, dict(read_record(connection, key("parts", job_id)))

    def _quietly(self, ask: Callable[[], list[T]]) -> list[T] | None:
        """Ask Redis; None if it is away."""
        try:
            return ask()
        except redis.RedisError:
            return None


def _title(cluster: Cluster, target: object) -> str:
    if isinstance(target, Part):
        return target.title
    if isinstance(target, Busy):
        return f"process {target.process.pid} with jobs/{target.job_id}"
    if isinstance(target, psutil.Process):
        return f"process {target.pid}"
    if isinstance(target, Wire):
        return "the wire of worker 2"
    for number, link in enumerate(cluster.links, 1):
        if target is link:
            return f"the network of worker {number}"
    whose = dict(zip(cluster.artifacts.links, ("worker 1", "worker 2", "the services"), strict=True))
    return f"the way of {next(name for link, name in whose.items() if link is target)} to the artifacts"
