"""What goes wrong: processes die or stand still, networks are cut, workers are told to leave."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import redis

from chaos.cluster import Cluster
from chaos.namespace import Wire
from chaos.network import Cut
from chaos.parts import PATIENCE_S, Part
from convscope.store.jobs.parts import read_parts
from convscope.store.jobs.records import read_record, text
from convscope.store.redis.keys import key

__all__ = ["Blow", "Fault", "Faults"]

# How long what was stopped or cut stays so, and what was killed stays away, in seconds.
STANDSTILL_S = (1.0, 8.0)
ABSENCE_S = (0.0, 5.0)

# How often somebody looks whether a worker has left, in seconds.
TICK_S = 0.05

# A part fails for good when attempts die five times in a row. Nothing that may cost an attempt is done while one has so
# many deaths behind it: two faults under way at once and a late count must not add up to five.
SPARED_DEATHS = 2

# Kinds of faults, and how often each is chosen in comparison to the others.
WEIGHTS = {
    "kill horse": 4,
    "kill worker": 3,
    "kill service": 3,
    "kill redis": 2,
    "stop horse": 2,
    "stop worker": 2,
    "stop service": 2,
    "stop redis": 1,
    "cut closed": 1,
    "cut frozen": 1,
    "cut mute": 2,
    "cut silent": 1,
    "cut wire": 2,
    "drain worker": 2,
}

# Those that befall a link.
LINK_KINDS = {f"cut {how.value}" for how in Cut}

# Those that cost no attempt.
HARMLESS = {"kill service", "stop service", "drain worker"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, as it is told."""

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


class Faults:
    """Makes faults in a cluster, and puts them right when their time is over.

    Args:
        cluster: where.
        rng: decides what.
        tell: is called with each fault.
    """

    def __init__(self, cluster: Cluster, rng: random.Random, tell: Callable[[Fault], object]) -> None:
        self.made: list[Fault] = []
        self.blows: list[Blow] = []
        self._cluster = cluster
        self._rng = rng
        self._tell = tell
        self._repairs: list[Repair] = []

    def make(self) -> None:
        """Make a fault at random, or none where there is nothing to harm."""
        fragile = self._some_part_has_died_often()
        left = {kind: weight for kind, weight in WEIGHTS.items() if not fragile or kind in HARMLESS}
        made = {fault.kind for fault in self.made}
        while left:
            new = {
                kind: weight for kind, weight in left.items() if kind not in made
            } or left  # so that a short run has many
            (kind,) = self._rng.choices(list(new), list(new.values()))
            if self._try(kind):
                return
            del left[kind]

    def repair_due(self) -> None:
        """End the faults whose time is over."""
        self._repair([each for each in self._repairs if each.due <= time.monotonic()])

    def repair_all(self) -> None:
        """End all faults."""
        while self._repairs:
            self._repair(list(self._repairs))
            time.sleep(TICK_S)  # some workers take a while to leave

    def _repair(self, repairs: list[Repair]) -> None:
        for repair in repairs:
            self._repairs.remove(repair)
            repair.act()

    def _try(self, kind: str) -> bool:
        verb, _, noun = kind.partition(" ")
        candidates = list(self._candidates("link" if kind in LINK_KINDS else noun))
        if not candidates:
            return False
        target = self._rng.choice(candidates)
        seconds = round(self._rng.uniform(*(ABSENCE_S if verb in {"kill", "drain"} else STANDSTILL_S)), 1)
        fault = Fault(kind, _title(self._cluster, target), seconds, time.time())
        self._note_blow(fault, target)
        self._tell(fault)
        self.made.append(fault)
        self._strike(verb, noun, target, seconds)
        return True

    def _candidates(self, noun: str) -> Iterator[object]:
        harmed = [repair.target for repair in self._repairs]
        whole = [part for part in self._cluster.parts if part not in harmed and part.alive]
        match noun:
            case "horse":
                yield from (horse for part in whole for horse in part.horses if horse not in harmed)
            case "redis":
                yield from (part for part in whole if part is self._cluster.redis)
            case "service":
                yield from (part for part in whole if part in self._cluster.services)
            case "worker":
                yield from (part for part in whole if part in self._cluster.workers and part.ready)
            case "link":
                yield from (link for link in self._cluster.links if link not in harmed)
            case "wire" if self._cluster.wire and self._cluster.wire not in harmed:
                yield self._cluster.wire

    def _strike(self, verb: str, noun: str, target: object, seconds: float) -> None:
        match verb, target:
            case "cut", Wire():
                target.cut()
                self._later(seconds, target, target.heal)
            case "cut", _:
                self._cut(target, Cut(noun), seconds)
            case "kill", psutil.Process():
                target.kill()  # its worker remains
            case "stop", psutil.Process():
                target.suspend()
                self._later(seconds, target, lambda: _resume(target))
            case "kill", Part():
                target.kill()
                self._later(seconds, target, target.start)
            case "stop", Part():
                target.signal(signal.SIGSTOP)
                self._later(seconds, target, lambda: target.signal(signal.SIGCONT))
            case "drain", Part():
                target.terminate()
                deadline = time.monotonic() + seconds + PATIENCE_S
                self._later(seconds, target, lambda: self._replace(target, deadline))

    def _cut(self, target: object, how: Cut, seconds: float) -> None:
        link = self._cluster.links[self._cluster.links.index(target)]  # type: ignore[arg-type]  # it is one of them
        link.cut(how)
        self._later(seconds, link, link.heal)

    def _replace(self, worker: Part, deadline: float) -> None:
        """Start a worker that was told to leave as soon as it has left."""
        if worker.alive:
            assert time.monotonic() < deadline, f"{worker.title} was told to leave, and does not"
            self._later(TICK_S, worker, lambda: self._replace(worker, deadline))
        else:
            worker.start()

    def _later(self, seconds: float, target: object, act: Callable[[], object]) -> None:
        self._repairs.append(Repair(time.monotonic() + seconds, target, act))

    def _some_part_has_died_often(self) -> bool:
        try:
            deaths = [
                int(count)
                for _, fields in self._active()
                for name, count in fields.items()
                if name.startswith(b"deaths:")
            ]
        except redis.RedisError:
            return True
        return any(count >= SPARED_DEATHS for count in deaths)

    def _note_blow(self, fault: Fault, target: object) -> None:
        """Note which attempt a killed horse or worker was at."""
        worker = self._worker_of(target)
        if fault.kind not in {"kill horse", "kill worker"} or worker is None:
            return
        try:
            for job_id, fields in self._active():
                for number, part in read_parts(fields).items():
                    if part.state == "running" and part.holder == worker.name:
                        self.blows.append(Blow(fault, job_id, number, part.attempt))
        except redis.RedisError:
            return

    def _worker_of(self, target: object) -> Part | None:
        for worker in self._cluster.workers:
            if target is worker or target in worker.horses:
                return worker
        return None

    def _active(self) -> Iterator[tuple[str, dict[bytes, bytes]]]:
        connection = self._cluster.redis.connection
        for job_id in map(text, connection.smembers(keys.ACTIVE)):
            yield job_id, dict(read_record(connection, key("parts", job_id)))


def _title(cluster: Cluster, target: object) -> str:
    if isinstance(target, Part):
        return target.title
    if isinstance(target, psutil.Process):
        return f"process {target.pid}"
    if isinstance(target, Wire):
        return "the wire of worker 2"
    return f"the network of worker {cluster.links.index(target) + 1}"  # type: ignore[arg-type]  # it is one of them


def _resume(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.NoSuchProcess:
        return  # its worker was killed meanwhile, or killed it
