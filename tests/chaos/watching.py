"""Somebody who follows a job all the while, now at this service and now at the other."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import closing

from convscope.client import ConvscopeError, DeadlineExceeded, Unavailable
from convscope.client.connection import Connection
from convscope.client.watching import watch
from convscope.v1.jobs_pb2 import JobEvent

__all__ = ["Watcher"]

# A watcher leaves after at most so many events, and goes on at another service.
LONGEST_STAY = 40


class Watcher(threading.Thread):
    """Records every event of a job, and what should not have been said.

    Args:
        connections: one for each service.
        name: the job.
        rng: decides when it leaves one service for another.
    """

    def __init__(self, connections: Sequence[Connection], name: str, rng: random.Random) -> None:
        super().__init__(name=f"watcher of {name}", daemon=True)
        self.job = name
        self.events: list[JobEvent] = []
        self.complaints: list[str] = []
        self.resumed = 0
        self._connections = connections
        self._rng = rng
        self._over = False

    def run(self) -> None:
        """Watch until the job ends."""
        while not self._over:
            try:
                self._stay(self._rng.choice(self._connections), self._rng.randint(1, LONGEST_STAY))
            except (Unavailable, DeadlineExceeded):
                time.sleep(0.1)
            except ConvscopeError as error:
                self.complaints.append(f"its watcher was told after event {len(self.events)}: {error}")
                self._over = True

    def give_up(self) -> None:
        """Watch no longer than to the next event."""
        self._over = True

    def _stay(self, connection: Connection, events: int) -> None:
        with closing(watch(connection, self.job, len(self.events))) as following:
            resumes = bool(self.events)
            for event in following:
                self.events.append(event)
                self.resumed += resumes
                resumes = False
                self._over = self._over or event.HasField("finished")
                events -= 1
                if self._over or not events:
                    return
