"""Time until a job's first report when a worker is idle."""

import time
from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round, Session
from convscope.client import TrainProgress

__all__ = ["FAMILY"]

FIRST_EVENT = Figure(
    name="first-event",
    what="submit to the report of the first training step, idle warm worker, median of 20",
    target=1.0,
    unit="s",
    noise=0.25,
    bound="at most",
)


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Submit short trainings one after another."""
    assert names == {FIRST_EVENT.name}
    session = this.session
    assert session.model  # the worker has done something before, and is idle now
    yield from ((FIRST_EVENT.name, seconds_to_first_step(session)) for _ in range(session.times(20)))


def seconds_to_first_step(session: Session) -> float:
    """Return the seconds from submitting to the first event that a computation causes; earlier ones do not count."""
    started = time.perf_counter()
    job = session.client.train(iterations=2)
    next(event for event in job.watch() if isinstance(event, TrainProgress))
    seconds = time.perf_counter() - started
    job.result()
    return seconds


FAMILY = Family(figures=(FIRST_EVENT,), measure=measure)
