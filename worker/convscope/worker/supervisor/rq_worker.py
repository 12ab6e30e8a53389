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
from typing import Any

import redis
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job

from convscope.store import (
    EXECUTOR_FUNCTION,
    ExecutorState,
    Reconciler,
    WorkerReport,
    WorkerStore,
    check_writes,
    make_ticket,
    mark_holder_lost,
    queue_name,
)

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

# How often the supervisor checks its executor, in seconds.
MONITORING_INTERVAL_S = 1

# RQ waits for a ticket for this many seconds less 15 at a time, and sends a heartbeat in between.
WORKER_TTL_S = 16

# How long a stopping worker waits for a Redis that is away, in seconds: without Redis no part can be given back, and RQ
# would wait as long as a working worker does. With ``--finish`` it does wait that long.
STOP_WITHOUT_REDIS_S = 6.0
FINISH_WITHOUT_REDIS_S = 600.0

# Reports, about one a second, after which an executor is killed that neither holds a part nor waits for one: if Redis
# lost its claim, no lease shows that it hangs. A new one initializes its devices first, which may take half as long.
MOST_STRAY_REPORTS = 35


class Supervisor(Worker):  # type: ignore[misc]  # RQ's classes are untyped
    """An RQ worker that runs nothing but executors.

    Args:
        connection: a patient connection to Redis.
        prompt: a connection that does not wait for an absent Redis.
        name: unique among all workers; also the name of its executor.
        device: what its executors compute on, ``cpu`` or ``gpu``.
        finish: when told to stop, have the executor finish its part instead of giving it back.
        threads: number of threads of its executors, which it only reports.
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
        self._told: dict[str, str | int] = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": version("convscope"),
            "threads": threads,
        }
        self._begun = time.monotonic()
        self._started_ms = 0  # by the clock of Redis, once it is known
        self._draining = False
        self._announced = False
        self._cause = ""  # how the last executor died
        self._stray_reports = 0
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
        """Work until no part is left."""
        make_ticket(self.connection, self._device)  # else there is none for a worker that was not known to be idle
        self.work(burst=True, logging_level="WARNING")

    def heartbeat(self, *args: object, **kwargs: object) -> None:
        """Report that this worker is alive, and let the reconciler run; RQ calls it every second."""
        super().heartbeat(*args, **kwargs)
        if self.is_horse:
            return
        if not self._announced:
            self._announced = True
            print(f"convscope worker {self.name} is ready", flush=True)  # noqa: T201 - the parent process waits for this line
        if self._draining:
            self._drain()  # again: an executor that had just been forked may have missed the signal
        with contextlib.suppress(redis.RedisError):  # the next heartbeat tries again
            self._report()
            self._reconciler.tick()

    def handle_warm_shutdown_request(self) -> None:
        """Make the executor give its part back, so that another worker takes it, or end after its part.

        The request is recorded before anything else: RQ's alarm, which rings every second, may interrupt the signal
        handler with its exception.
        """
        self._draining = True
        self._stop_requested = True
        threading.Thread(target=self._leave_without_redis, name="leave", daemon=True).start()
        super().handle_warm_shutdown_request()
        self._drain()

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ignore repeated signals: the executor is giving its part back already."""

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork an executor; refuse anything else that is on the queue."""
        if self._draining:
            raise StopRequested
        if job.func_name != EXECUTOR_FUNCTION:
            log.error("refused to run %s: only executors are run here", job.id)
            job.delete()
            return
        self._cause = "its end was not seen"
        self._stray_reports = 0
        with contextlib.suppress(redis.RedisError):
            self._report(ticket=job.id)
        try:
            super().execute_job(job, queue)
        finally:
            if not self.is_horse:
                self._mark_lost()

    def wait_for_horse(self) -> Any:
        """Wait for the executor's end, or for RQ's alarm; return what RQ's own method does.

        The alarm repeats itself here: one that rings just before the process begins to wait does not interrupt it, and
        the worker would be silent for as long as its executor lives.
        """
        next_s, _ = signal.getitimer(signal.ITIMER_REAL)
        if next_s:  # else none is set, and nothing would catch it
            signal.setitimer(signal.ITIMER_REAL, next_s, MONITORING_INTERVAL_S)
        return super().wait_for_horse()

    def teardown(self) -> None:
        """Remove this worker from the list of workers, and resign as leader."""
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
        """End this process and its executor if Redis stays away; the lease of the part then expires."""
        patience_s = FINISH_WITHOUT_REDIS_S if self._finish else STOP_WITHOUT_REDIS_S
        last = time.monotonic()
        while time.monotonic() < last + patience_s:
            time.sleep(1)
            with contextlib.suppress(redis.RedisError):
                check_writes(self._prompt)
                last = time.monotonic()
        log.warning("%s stops without reporting to Redis, which is away", self.name)
        os._exit(0)

    def _report(self, ticket: str = "") -> None:
        report = WorkerReport(
            name=self.name,
            device=self._device,
            idle=not (self.horse_pid or ticket or self._draining),
            ticket=ticket,
            draining=self._draining,
            started_ms=self._started(),
            fields=self._told,
        )
        state = self._workers.report(report)
        self._stray_reports = self._stray_reports + 1 if state is ExecutorState.STRAY else 0
        if state is ExecutorState.TO_KILL:
            self._kill("its job does not stop, or its lease expired")
        elif self._stray_reports > MOST_STRAY_REPORTS:
            self._kill("it neither holds a part nor waits for one")

    def _kill(self, reason: str) -> None:
        if self.horse_pid:
            log.warning("the executor of %s is killed: %s", self.name, reason)
            self.kill_horse()

    def _started(self) -> int:
        """Return when this worker started, in milliseconds since 1970 by the clock of Redis."""
        if not self._started_ms:
            self._started_ms = self._workers.now_ms() - round(1000 * (time.monotonic() - self._begun))
        return self._started_ms

    def _note_death(self, _job: Job, _pid: int, status: int | None, _usage: object) -> None:
        self._cause = _cause(status)

    def _mark_lost(self) -> None:
        """Mark the executor's attempt as lost, if it has one; while Redis is away, the lease expires instead."""
        try:
            if mark_holder_lost(self._prompt, self.name, self._device, f"{self._cause} on {self.name}"):
                log.error("the executor of %s ended: %s", self.name, self._cause)
        except redis.RedisError as error:
            log.warning("the end of the executor of %s cannot be reported: %s", self.name, error)


def _cause(status: int | None) -> str:
    if status is None:
        return "its end was not seen"
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    hint = "; out of memory is the usual reason" if number == signal.SIGKILL else ""
    return f"{signal.Signals(number).name}{hint}"
