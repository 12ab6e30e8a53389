"""What is done to a process, a network or a server, and how it is repaired."""

import contextlib
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import psutil
import redis

from chaos.cluster import Cluster
from chaos.history import Loss
from chaos.lost_writes import Backup, Replica
from chaos.namespace import Wire
from chaos.network import Cut, Link
from chaos.parts import PATIENCE_S, Part, RedisPart
from convscope.store.failpoints import VARIABLE

__all__ = ["CRASHES", "SLOW_GAPS", "SWEEP_CRASHES", "Busy", "Scene", "await_gone"]

# How often a strike looks whether what it waits for has come, in seconds.
TICK_S = 0.05

# Between two blows at the same connections, in seconds.
STORM_PERIOD_S = 0.25

# A process that does not answer and whose job was cancelled must be gone after so many seconds: ten that a job has to
# stop by itself, some until its lease is late, and what a busy machine takes.
GONE_AFTER_S = 45.0

# The same if Redis has lost writes meanwhile: no lease shows then that it hangs, only that it asks for no part either.
GONE_AFTER_LOSS_S = 90.0

# How long a worker whose computations hang is waited for until it has a part, in seconds.
HANGS_WITHIN_S = 40.0

# Where executors die, one of these at a time.
CRASHES = (
    "claim.after=25%kill",
    "blobs.after_put=3%kill",
    "attempt.before_end=25%kill",
    "attempt.after_end=25%kill",
    "executor.before_checkpoint=15%kill",
    "executor.after_checkpoint=15%kill",
)

# Where they take their time.
SLOW_GAPS = (
    "claim.before=40%sleep(2500)",
    "claim.after=40%sleep(1500)",
    "blobs.after_put=10%sleep(700)",
    "attempt.before_end=40%sleep(1500)",
    "attempt.after_end=40%sleep(1500)",
    "executor.after_checkpoint=40%sleep(1500)",
)

# Where services die.
SWEEP_CRASHES = ("collect.before_delete=50%kill", "collect.after_delete=50%kill", "reconcile.before_repair=50%kill")

# By how many seconds clocks are wrong.
CLOCK_ERRORS = (60, 3600, 200_000)


class Scene(Protocol):
    """What a strike works with."""

    cluster: Cluster
    rng: random.Random
    losses: list[Loss]
    complaints: list[str]

    def later(self, seconds: float, target: object, act: Callable[[], object], *, deadly: bool = False) -> None:
        """Have something done later; until then the target is left alone by others.

        Args:
            seconds: when.
            target: what is harmed until then.
            act: what is done.
            deadly: whether it may cost further attempts until then, and must end early if some died already.
        """

    def running(self, worker: Part) -> Sequence[str]:
        """Return the ids of the jobs of which a worker computes parts."""

    def waits(self, worker: Part) -> bool:
        """Return whether a worker's executor waits for a part; False while Redis is away."""

    def cancel(self, job_id: str, /) -> object:
        """Have the load cancel a job."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A process that computes a part of a job."""

    process: psutil.Process
    job_id: str


def kill_process(scene: Scene, process: psutil.Process, seconds: float) -> None:
    process.kill()  # its worker remains


def stop_process(scene: Scene, process: psutil.Process, seconds: float) -> None:
    process.suspend()
    scene.later(seconds, process, lambda: _resume(process))


def kill_part(scene: Scene, part: Part, seconds: float) -> None:
    part.kill()
    scene.later(seconds, part, part.start)


def stop_part(scene: Scene, part: Part, seconds: float) -> None:
    part.signal(signal.SIGSTOP)
    scene.later(seconds, part, lambda: part.signal(signal.SIGCONT))


def drain(scene: Scene, worker: Part, seconds: float) -> None:
    worker.terminate()
    deadline = time.monotonic() + seconds + PATIENCE_S

    def replace() -> None:
        """Start a worker that was told to leave as soon as it has left."""
        if worker.alive:
            assert time.monotonic() < deadline, f"{worker.title} was told to leave, and does not"
            scene.later(TICK_S, worker, replace)
        else:
            worker.start()

    scene.later(seconds, worker, replace)


def cut(how: Cut) -> Callable[[Scene, Link, float], None]:
    def strike(scene: Scene, link: Link, seconds: float) -> None:
        link.cut(how)
        scene.later(seconds, link, link.heal)

    return strike


def cut_wire(scene: Scene, wire: Wire, seconds: float) -> None:
    wire.cut()
    scene.later(seconds, wire, wire.heal)


def bring_back(scene: Scene, server: RedisPart, seconds: float) -> None:
    """Have Redis forget what is written from now on."""
    backup = Backup(server, scene.cluster.home / f"backup-{len(scene.losses)}-{time.monotonic_ns()}")
    scene.later(seconds, server, lambda: scene.losses.append(backup.bring_back()))


def promote(scene: Scene, server: RedisPart, seconds: float) -> None:
    """Have a replica that lags from now on take the place of Redis."""
    replica = Replica(server, scene.cluster.home, f"redis-{len(scene.losses)}-{time.monotonic_ns()}")

    def take_over() -> None:
        primary, loss = replica.promote()
        scene.cluster.follow(primary)
        scene.losses.append(loss)

    scene.later(seconds, server, take_over)


def storm(which: Literal["normal", "pubsub"]) -> Callable[[Scene, RedisPart, float], None]:
    """Break all connections of a type again and again."""

    def strike(scene: Scene, server: RedisPart, seconds: float) -> None:
        end = time.monotonic() + seconds

        def again() -> None:
            with contextlib.suppress(redis.RedisError):  # it is too busy to do it
                server.connection.client_kill_filter(_type=which, skipme=True)
            if time.monotonic() < end:
                scene.later(STORM_PERIOD_S, server, again)

        again()

    return strike


def put_clock_wrong(scene: Scene, part: Part, seconds: float) -> None:
    error = scene.rng.choice(CLOCK_ERRORS) * scene.rng.choice((-1, 1))
    _restart(scene, part, seconds, f"clock=return({error})")


def with_failpoints(
    choices: Sequence[str], *, deadly: bool = False, frail: bool = False
) -> Callable[[Scene, Part, float], None]:
    """Restart a part with one of several failpoints."""

    def strike(scene: Scene, part: Part, seconds: float) -> None:
        _restart(scene, part, seconds, scene.rng.choice(choices), deadly=deadly, frail=frail)

    return strike


def cancel_stopped(scene: Scene, busy: Busy, seconds: float) -> None:
    """Stop a process for good, and cancel its job."""
    busy.process.suspend()
    scene.cancel(busy.job_id)
    await_gone(scene, busy, busy.process)


def cancel_hanging(how: Literal["hang", "hang(gil)"]) -> Callable[[Scene, Part, float], None]:
    """Have a worker's computations hang, and cancel the job that it hangs in."""

    def strike(scene: Scene, worker: Part, seconds: float) -> None:
        worker.kill()
        worker.start({VARIABLE: f"executor.pulse=1*{how}"})
        deadline = time.monotonic() + HANGS_WITHIN_S

        def cancel_what_it_has() -> None:
            jobs = scene.running(worker) if worker.ready else []
            processes = worker.executors if worker.ready else []
            if jobs and processes:
                scene.cancel(jobs[0])
                await_gone(
                    scene,
                    Busy(processes[0], jobs[0]),
                    worker,
                    obeyed=lambda: scene.waits(worker) or any(job != jobs[0] for job in scene.running(worker)),
                    then=lambda: _plain(worker),
                )
            elif time.monotonic() > deadline:
                _plain(worker)
            else:
                scene.later(1.0, worker, cancel_what_it_has)  # in which it gets to where it hangs

        scene.later(1.0, worker, cancel_what_it_has)

    return strike


def _restart(
    scene: Scene, part: Part, seconds: float, points: str, *, deadly: bool = False, frail: bool = False
) -> None:
    own = part.environment.get(VARIABLE, "")
    both = {point.partition("=")[0]: point for point in (*own.split(";"), *points.split(";")) if point}
    part.kill()
    part.start({VARIABLE: ";".join(both.values())}, frail=frail)
    scene.later(seconds, part, lambda: _plain(part), deadly=deadly)


def _plain(part: Part) -> None:
    part.kill()
    part.start()


def _is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def await_gone(
    scene: Scene,
    busy: Busy,
    target: object,
    within_s: float = GONE_AFTER_S,
    *,
    obeyed: Callable[[], bool] = lambda: False,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Have it looked whether a process ends that does not answer, and whose job was cancelled.

    Args:
        scene: where.
        busy: the process.
        target: what is left alone until then.
        within_s: seconds after which it is complained of, and killed.
        obeyed: whether the request came before the process fell silent, so that it lives on.
        then: what is done in the end.
    """
    end, losses = time.monotonic() + within_s, len(scene.losses)

    def look() -> None:
        if not _is_there(busy.process) or obeyed():
            then()
        elif len(scene.losses) > losses:
            scene.cancel(busy.job_id)  # the request may be lost with the rest
            await_gone(scene, busy, target, GONE_AFTER_LOSS_S, obeyed=obeyed, then=then)
        elif time.monotonic() < end:
            scene.later(TICK_S, target, look)
        else:
            scene.complaints.append(
                f"process {busy.process.pid} does not answer, jobs/{busy.job_id} was cancelled, and it is there still"
            )
            busy.process.kill()
            then()

    scene.later(TICK_S, target, look)


def _resume(process: psutil.Process) -> None:
    try:
        process.resume()
    except psutil.NoSuchProcess:
        return  # its worker was killed meanwhile, or killed it
