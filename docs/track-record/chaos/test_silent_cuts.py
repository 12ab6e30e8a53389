"""A worker whose network was cut without a word hears commands again."""

import threading
import time
from typing import Any

import pytest
from rq.command import send_command

from chaos.network import Cut, Link
from chaos.parts import RedisPart
from convscope.store import connect_patiently
from convscope.worker.parent import PartWorker

# Nothing here takes longer, in seconds.
PATIENCE_S = 10


class Listener(PartWorker):
    """A worker's parent without work, which notes that it is called."""

    called = threading.Event()

    def handle_payload(self, message: dict[str, Any]) -> None:
        if b"wanted" in message["data"]:
            self.called.set()
        super().handle_payload(message)

    def _pubsub_exception_handler(self, exc: Exception, pubsub: object, pubsub_thread: Any) -> None:
        """Let a thread whose connection the test closes end in peace."""
        pubsub_thread.stop()


def wait_for_subscribers(server: RedisPart, worker: Listener, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := server.connection.pubsub_numsub(worker.pubsub_channel_name)[0][1]) != wanted:
        assert time.monotonic() < deadline, f"{found} subscribers"
        time.sleep(0.01)  # Redis tells nobody


def test_a_worker_hears_again_after_a_silent_cut(
    server: RedisPart, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It calls to itself at every heartbeat, since the repair.
    monkeypatch.setattr("convscope.worker.parent.EARS_PERIOD_S", 0.0, raising=False)
    with connect_patiently(f"redis://127.0.0.1:{link.port}/0") as connection:
        worker = Listener(connection, "listener")
        worker.subscribe()
        wait_for_subscribers(server, worker, 1)
        link.cut(Cut.SILENT)
        link.heal()
        connection.connection_pool.disconnect(inuse_connections=False)  # as it is where no reply comes
        wait_for_subscribers(server, worker, 0)
        worker.heartbeat()
        worker.heartbeat()
        send_command(server.connection, worker.name, "wanted")
        assert worker.called.wait(PATIENCE_S)
        worker.unsubscribe()
