"""A watcher that follows a job throughout, at one service and then at another."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing

from chaos.history import Seen
from convscope.client import ConvscopeError, DataLoss, DeadlineExceeded, NotFound, Unavailable
from convscope.client.connection import Connection
from convscope.client.watching import watch
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["Watcher"]

# A watcher leaves after at most so many events, and resumes at another service.
LONGEST_STAY = 40


class Watcher(threading.Thread):
    """Records every event of a job, and what should not have been said.

    Args:
        connections: one for each service.
        name: the job.
        rng: decides when it leaves one service for another.

    Attributes:
        seen: the events, and when they came.
        earlier: likewise, before it was told that some of it is lost.
        told_of_loss: when it was told so, in seconds since 1970.
        unknown_since: when it was told that there is no such job, if it was.
        complaints: anything else that it was told.
        resumed: how often it resumed after an event.
    """

    def __init__(self, connections: Sequence[Connection], name: str, rng: random.Random) -> None:
        super().__init__(name=f"watcher of {name}", daemon=True)
        self.job = name
        self.seen = Seen()
        self.earlier: list[Seen] = []
        self.told_of_loss: list[float] = []
        self.unknown_since: float | None = None
        self.complaints: list[str] = []
        self.resumed = 0
        self._connections = connections
        self._rng = rng
        self._over = False

    @property
    def events(self) -> list[JobEvent]:
        """What it has seen since the beginning, or since it was told that some of what it had seen is lost."""
        return self.seen.events

    def run(self) -> None:
        """Watch until the job ends."""
        while not self._over:
            try:
                self._stay(self._rng.choice(self._connections), self._rng.randint(1, LONGEST_STAY))
            except (Unavailable, DeadlineExceeded):
                time.sleep(0.1)
            except DataLoss:
                self.told_of_loss.append(time.time())
                self.earlier.append(self.seen)
                self.seen = Seen()  # and from the beginning
            except NotFound:
                self.unknown_since = time.time()
                self._over = True
            except ConvscopeError as error:
                self.complaints.append(f"its watcher was told after event {len(self.events)}: {error}")
                self._over = True

    def give_up(self) -> None:
        """Watch no longer than to the next event."""
        self._over = True

    def _stay(self, connection: Connection, events: int) -> None:
        resumes = bool(self.events)
        token = self.events[-1].log_token if resumes else ""
        with closing(watch(connection, self.job, len(self.events), token)) as following:
            for event in following:
                self.seen.events.append(event)
                self.seen.times.append(time.time())
                self.resumed += resumes
                resumes = False
                self._over = self._over or event.HasField("finished")
                events -= 1
                if self._over or not events:
                    return
