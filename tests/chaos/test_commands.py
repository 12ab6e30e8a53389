"""A worker whose network was cut without a word hears commands again."""

import functools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from rq.command import send_command

from chaos.network import Cut, Link
from chaos.parts import RedisPart
from convscope.store import connect_patiently
from convscope.worker.supervisor import parent
from convscope.worker.supervisor.parent import ECHO, PartWorker

# Nothing here takes longer, in seconds.
PATIENCE_S = 20


class Listener(PartWorker):
    """A worker's parent without work, which notes what it hears."""

    def __init__(self, connection: redis.Redis) -> None:
        super().__init__(connection, "listener")
        self.commands: list[str] = []
        self.came = threading.Condition()

    def handle_payload(self, message: dict[str, Any]) -> None:
        """Note it."""
        super().handle_payload(message)
        with self.came:
            self.commands.append(message["data"].decode())
            self.came.notify_all()

    def _pubsub_exception_handler(self, exc: Exception, pubsub: object, pubsub_thread: Any) -> None:
        """Let a thread whose connection the test closes end in peace."""
        pubsub_thread.stop()

    def heard(self, count: int) -> bool:
        """Whether so many commands have come."""
        return len(self.commands) == count

    def hears(self, command: str, patience: float = PATIENCE_S) -> bool:
        """Wait for a command, for so many seconds."""
        with self.came:
            return self.came.wait_for(lambda: any(command in each for each in self.commands), patience)


@pytest.fixture
def worker(link: Link, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """It calls to itself at every heartbeat."""
    monkeypatch.setattr(parent, "EARS_PERIOD_S", 0.0)
    with connect_patiently(f"redis://127.0.0.1:{link.port}/0") as connection:
        worker = Listener(connection)
        worker.subscribe()
        yield worker
        worker.unsubscribe()


def cut_silently(link: Link) -> None:
    link.cut(Cut.SILENT)
    link.heal()


def wait_for_subscribers(server: RedisPart, worker: Listener, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := server.connection.pubsub_numsub(worker.pubsub_channel_name)[0][1]) != wanted:
        assert time.monotonic() < deadline, f"{found} subscribers"
        time.sleep(0.01)  # Redis tells nobody


def reached(server: RedisPart, worker: Listener, command: str) -> bool:
    """Send a command until it is heard: Redis keeps none for a subscription that is still on its way."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        send_command(server.connection, worker.name, command)
        if worker.hears(command, patience=0.2):
            return True
    return False


def reconnect(worker: Listener) -> None:
    """What the worker's other connections do when no reply comes."""
    worker.connection.connection_pool.disconnect(inuse_connections=False)


def test_it_hears_again_after_a_silent_cut(server: RedisPart, link: Link, worker: Listener) -> None:
    worker.heartbeat()
    assert worker.hears(ECHO)
    cut_silently(link)
    reconnect(worker)
    wait_for_subscribers(server, worker, 0)
    worker.heartbeat()
    assert reached(server, worker, "first")
    wait_for_subscribers(server, worker, 1)


def test_it_hears_again_though_redis_takes_the_lost_subscription_for_a_living_one(
    server: RedisPart, link: Link, worker: Listener
) -> None:
    with server.connection.pubsub() as ghost:  # type: ignore[no-untyped-call]  # redis-py has no types for it
        ghost.subscribe(worker.pubsub_channel_name)
        ghost.get_message(timeout=PATIENCE_S)
        cut_silently(link)
        reconnect(worker)
        worker.heartbeat()  # calls, and Redis says that the call was heard
        worker.heartbeat()  # has not heard it
        assert reached(server, worker, "second")


def test_who_hears_does_not_subscribe_anew(server: RedisPart, worker: Listener) -> None:
    for number in range(1, 4):
        worker.heartbeat()
        with worker.came:
            assert worker.came.wait_for(functools.partial(worker.heard, number), PATIENCE_S)
    wait_for_subscribers(server, worker, 1)


def test_a_call_is_made_seldom(server: RedisPart, worker: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "EARS_PERIOD_S", 3600.0)
    for _ in range(5):
        worker.heartbeat()
    send_command(server.connection, worker.name, "last")
    assert worker.hears("last")
    assert sum(ECHO in each for each in worker.commands) == 1
