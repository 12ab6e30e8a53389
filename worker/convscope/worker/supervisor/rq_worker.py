"""The supervisor: RQ's worker, which forks an executor for each ticket and watches over it. It never computes."""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from importlib.metadata import version
from types import FrameType

import redis
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job

from convscope.store import (
    Reconciler,
    WorkerReport,
    WorkerStore,
    check_writes,
    make_ticket,
    mark_holder_lost,
    queue_name,
)
from convscope.store.jobs.tickets import EXECUTOR_FUNCTION

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

# How often the supervisor looks up while its executor lives, in seconds.
MONITORING_INTERVAL_S = 1

# RQ waits for a ticket for this many seconds less 15 at a time, and looks up in between.
WORKER_TTL_S = 16

# For how long a worker that is to stop waits for a Redis that is away, in seconds: without it no part can be
# given back, and RQ would wait for as long as work does. With ``--finish`` it does wait for as long.
STOP_WITHOUT_REDIS_S = 6.0
FINISH_WITHOUT_REDIS_S = 600.0


class Supervisor(Worker):  # type: ignore[misc]  # RQ's classes are untyped
    """An RQ worker that runs nothing but executors.

    Args:
        connection: a patient connection to Redis.
        prompt: one that does not wait for an absent Redis.
        name: unique among all workers; its executor goes by it as well.
        device: what its executors compute on, ``cpu`` or ``gpu``.
        finish: when told to stop, have the executor finish its part instead of giving it back.
        threads: how many its executors compute with, which it only tells.
    """

    def __init__(
        self,
        connection: redis.Redis,
        prompt: redis.Redis,
        name: str,
        *,
        device: str = "cpu",
        finish: bool = False,
        threads: int = 1,
    ) -> None:
        self._prompt = prompt
        self._reconciler = Reconciler(prompt)
        self._workers = WorkerStore(prompt)
        self._device = device
        self._finish = finish
        self._threads = threads
        self._begun = time.monotonic()
        self._started_ms = 0  # by the clock of Redis, once that was asked
        self._draining = False
        self._announced = False
        self._cause = ""  # how the last executor died
        super().__init__(
            [queue_name(self._device)],
            name=name,
            connection=connection,
            serializer="json",
            job_monitoring_interval=MONITORING_INTERVAL_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
            work_horse_killed_handler=self._note_death,
        )

    def work_in_burst(self) -> None:
        """Work until there is nothing to be had."""
        make_ticket(self.connection, self._device)  # else a worker that nobody knew to be idle would find none
        self.work(burst=True, logging_level="WARNING")

    def heartbeat(self, *args: object, **kwargs: object) -> None:
        """Say that this worker lives, and look after what others left behind; RQ calls it every second."""
        super().heartbeat(*args, **kwargs)
        if self.is_horse:
            return
        if not self._announced:
            self._announced = True
            print(f"convscope worker {self.name} is ready", flush=True)  # noqa: T201 - the parent process waits for this
        if self._draining:
            self._drain()  # again: an executor that had just been forked did not listen yet
        with contextlib.suppress(redis.RedisError):  # who reconnects will be heard of
            self._report()
            self._reconciler.tick()

    def handle_warm_shutdown_request(self) -> None:
        """Have the executor give its part back, so that another worker takes it, or end after it.

        That is noted before anything else: RQ's alarm, by which it looks up every second, may break off the handling of
        a signal with its exception.
        """
        self._draining = True
        self._stop_requested = True
        threading.Thread(target=self._leave_without_redis, name="leave", daemon=True).start()
        super().handle_warm_shutdown_request()
        self._drain()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ignore repeated signals: the executor is giving its part back already."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork an executor; anything else that somebody put on the queue is refused."""
        if self._draining:
            raise StopRequested
        if job.func_name != EXECUTOR_FUNCTION:
            log.error("refused to run %s: only executors are run here", job.id)
            job.delete()
            return
        self._cause = "its end was not seen"
        with contextlib.suppress(redis.RedisError):
            self._report(ticket=job.id)
        try:
            super().execute_job(job, queue)
        finally:
            if not self.is_horse:
                self._mark_lost()

    def teardown(self) -> None:
        """Leave."""
        if not self.is_horse:
            with contextlib.suppress(redis.RedisError):
                self._workers.forget(self.name, self._device)
            self._reconciler.resign()
        super().teardown()

    def _drain(self) -> None:
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGUSR1 if self._finish else signal.SIGTERM)

    def _leave_without_redis(self) -> None:
        """End this process, and its executor with it, if Redis stays away; the leases tell the others."""
        patience_s = FINISH_WITHOUT_REDIS_S if self._finish else STOP_WITHOUT_REDIS_S
        last = time.monotonic()
        while time.monotonic() < last + patience_s:
            time.sleep(1)
            with contextlib.suppress(redis.RedisError):
                check_writes(self._prompt)
                last = time.monotonic()
        log.warning("%s stops without a word to Redis, which cannot be used", self.name)
        os._exit(0)

    def _report(self, ticket: str = "") -> None:
        report = WorkerReport(
            name=self.name,
            device=self._device,
            idle=not (self.horse_pid or ticket or self._draining),
            ticket=ticket,
            draining=self._draining,
            started_ms=self._started(),
            fields={
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "version": version("convscope"),
                "threads": self._threads,
            },
        )
        if self._workers.report(report) and self.horse_pid:
            log.warning("the executor of %s is killed: its job does not stop, or it fell silent", self.name)
            self.kill_horse()

    def _started(self) -> int:
        """Return when this worker started, in milliseconds since 1970 by the clock of Redis."""
        if not self._started_ms:
            self._started_ms = self._workers.now_ms() - round(1000 * (time.monotonic() - self._begun))
        return self._started_ms

    def _note_death(self, _job: Job, _pid: int, status: int | None, _usage: object) -> None:
        self._cause = _cause(status)

    def _mark_lost(self) -> None:
        """Give back what the executor held, if it held anything; should Redis be away, the lease will tell."""
        try:
            if mark_holder_lost(self._prompt, self.name, self._device, f"{self._cause} on {self.name}"):
                log.error("the executor of %s ended: %s", self.name, self._cause)
        except redis.RedisError as error:
            log.warning("the end of the executor of %s cannot be told: %s", self.name, error)


def _cause(status: int | None) -> str:
    if status is None:
        return "its end was not seen"
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    hint = "; out of memory is the usual reason" if number == signal.SIGKILL else ""
    return f"{signal.Signals(number).name}{hint}"
