"""The worker's long-lived process: takes parts off the queue and forks a horse for each. It never computes."""

import contextlib
import json
import logging
import os
import signal
import time
from types import FrameType

import redis
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job

from convscope.store import Reconciler, dispatch_queued, lose_holder, queue_names
from convscope.store.jobs.queue import PART_FUNCTION
from convscope.store.processes import die_with_parent
from convscope.worker.variables import device

__all__ = ["PartWorker"]

log = logging.getLogger(__name__)

# How often the parent looks up while its horse computes, in seconds.
MONITORING_INTERVAL_S = 1

# RQ waits for work for this many seconds less 15 at a time, and looks up in between.
WORKER_TTL_S = 16

# How often the parent calls to itself on the channel by which it is commanded, in seconds. A network that was cut
# without a word leaves a subscription that nothing comes from, and requests to stop a part would go unheard.
EARS_PERIOD_S = 10.0

# The command by which it calls to itself; RQ knows none of that name.
ECHO = "echo"


class PartWorker(Worker):  # type: ignore[misc]  # RQ's classes are untyped
    """An RQ worker that runs nothing but parts of jobs.

    Args:
        connection: a patient connection to Redis.
        name: unique among all workers.
        finish: when told to stop, finish the part that is computed instead of giving it back.
    """

    def __init__(self, connection: redis.Redis, name: str, *, finish: bool = False) -> None:
        self._reconciler = Reconciler(connection)
        self._finish = finish
        self._cause = ""  # how the last horse died
        self._heard = True  # whether the last call to itself has come
        self._next_call = 0.0
        super().__init__(
            queue_names(device()),
            name=name,
            connection=connection,
            serializer="json",
            job_monitoring_interval=MONITORING_INTERVAL_S,
            worker_ttl=WORKER_TTL_S,
            log_job_description=False,
        )

    def bootstrap(self, *args: object, **kwargs: object) -> None:
        """Register, and say so to whoever started this process."""
        super().bootstrap(*args, **kwargs)
        print(f"convscope worker {self.name} is ready", flush=True)  # noqa: T201 - the parent process waits for this

    def reorder_queues(self, reference_queue: Queue) -> None:
        """Take next from the other queue of the same priority, if it has anything, so that neither is kept waiting."""
        place = self._ordered_queues.index(reference_queue)
        pair = slice(place - place % 2, place - place % 2 + 2)
        self._ordered_queues[pair] = sorted(self._ordered_queues[pair], key=lambda each: each == reference_queue)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a part; anything else that somebody put on the queue is refused."""
        if _is_part(job):
            super().execute_job(job, queue)
        else:
            log.error("refused to run %s: only parts of jobs are run here", job.id)
            job.delete()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the part that is computed.

        That is noted before anything else: RQ's alarm, by which it looks up every second, may break off the handling of
        a signal with its exception.
        """
        self._stop_requested = True
        super().request_stop(signum, frame)

    def handle_warm_shutdown_request(self) -> None:
        """Have the horse give its part back, so that another worker takes it up, or end after it."""
        super().handle_warm_shutdown_request()
        self._drain()

    def _drain(self) -> None:
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGUSR1 if self._finish else signal.SIGTERM)

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """Ignore repeated signals: the horse is giving its part back already."""

    def setup_work_horse_signals(self) -> None:
        """Let the horse die with its parent; it handles SIGTERM itself."""
        super().setup_work_horse_signals()
        die_with_parent()
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # until the horse says what to do with it

    def heartbeat(self, *args: object, **kwargs: object) -> None:
        """Say that this worker lives, and look after what others left behind; RQ calls it every second."""
        super().heartbeat(*args, **kwargs)
        if self.is_horse:
            return
        self._reconciler.tick()
        self._check_ears()
        if self._stop_requested:
            self._drain()  # again: a horse that had just been forked did not listen yet

    def _check_ears(self) -> None:
        """Call to itself; subscribe anew if the call before did not come, or if nobody listens."""
        if time.monotonic() < self._next_call:
            return
        if not self._heard:
            self._subscribe_anew()
        self._heard = False
        if not self.connection.publish(self.pubsub_channel_name, json.dumps({"command": ECHO})):
            self._subscribe_anew()
            self._heard = True  # nobody could have
        self._next_call = time.monotonic() + EARS_PERIOD_S

    def _subscribe_anew(self) -> None:
        log.warning("%s did not hear its own call: it subscribes to its commands anew", self.name)
        if self.pubsub_thread is not None:
            self.pubsub_thread.stop()  # it ends when its wait, of a minute at most, does
        self.subscribe()

    def handle_payload(self, message: dict[str, bytes]) -> None:
        """Hear a command, or the call to itself; runs in a thread of its own."""
        self._heard = True
        super().handle_payload(message)

    def teardown(self) -> None:
        """Leave."""
        self._reconciler.resign()
        super().teardown()

    def wait_for_horse(self) -> tuple[int | None, int | None, object]:
        """Wait for the horse's end, and do not lose how it ended to the alarm by which RQ looks up every second."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.horse_pid, os.WEXITED | os.WNOWAIT)  # may be interrupted and called again
            signal.alarm(0)
        ended: tuple[int | None, int | None, object] = super().wait_for_horse()
        return ended

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Watch the horse; if it died or gave its part back, have that queued again.

        Only after RQ has closed its own books: they are kept under the part's name, and another worker may open them
        anew the moment the part is queued.
        """
        self._cause = ""
        super().monitor_work_horse(job, queue, execution)
        if self._cause:
            self._lose(job, self._cause)
        elif self._stop_requested:
            dispatch_queued(self.connection, *job.args)

    def handle_work_horse_killed(self, job: Job, retpid: int | None, ret_val: int | None, rusage: object) -> None:
        """Note how the horse died."""
        self._cause = _cause(ret_val)

    def _handle_stopped_job(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Note the end of a horse that was killed because its job did not stop by itself."""
        super()._handle_stopped_job(job, queue, execution)
        self._cause = "it did not stop by itself and was killed"

    def _lose(self, job: Job, cause: str) -> None:
        job_id, part = job.args
        log.error("jobs/%s: the horse that computed part %s ended: %s", job_id, part, cause)
        lose_holder(self.connection, job_id, part, self.name, f"{cause} on {self.name}")


def _is_part(job: Job) -> bool:
    try:
        arguments = job.args
        return bool(job.func_name == PART_FUNCTION and [type(each) for each in arguments] == [str, int])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not one of ours
        return False


def _cause(status: int | None) -> str:
    if status is None:
        return "its end was not seen"
    if not os.WIFSIGNALED(status):
        return f"exit code {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    hint = "; out of memory is the usual reason" if number == signal.SIGKILL else ""
    return f"{signal.Signals(number).name}{hint}"
