"""A worker that is told to stop does, whatever comes in between."""

import signal

import pytest
import redis
from rq.timeouts import HorseMonitorTimeoutException, UnixSignalDeathPenalty

from convscope.store import connect_patiently, open_queue
from convscope.store.embedded import EmbeddedRedis
from convscope.worker.supervisor.parent import PartWorker


class Interrupted(PartWorker):
    """A worker whose alarm goes off while it handles the signal to stop."""

    def _drain(self) -> None:
        signal.raise_signal(signal.SIGALRM)


@pytest.mark.usefixtures("own_signals")
def test_an_alarm_amid_the_signal_to_stop_does_not_make_a_worker_forget_it(
    redis_server: EmbeddedRedis, connection: redis.Redis
) -> None:
    with connect_patiently(redis_server.url) as patient:
        worker = Interrupted(patient, "interrupted")
        with pytest.raises(HorseMonitorTimeoutException), UnixSignalDeathPenalty(60, HorseMonitorTimeoutException):
            worker.request_stop(signal.SIGTERM, None)
        queue = open_queue(connection)
        queue.enqueue("nothing")
        worker.work(burst=True)
    assert queue.count == 1  # it took nothing up any more
