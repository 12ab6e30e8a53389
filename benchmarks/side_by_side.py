"""Visualizations beside other jobs, and those whose images are stored already."""

import time
from collections.abc import Iterator
from itertools import islice, pairwise
from statistics import median

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.stack import model_on
from convscope.client import AttemptStarted, Client, Event, ImageReady, objectives

__all__ = ["FAMILY"]

SMALL_JOB = Figure(
    name="small-job-wait",
    what="a small job submitted into a running job of 1,000 parts: wait for its start, in parts' times, median of 5",
    target=1.6,
    unit="x",
    noise=0.3,
    bound="at most",
)
REPEATED = Figure(
    name="repeated-request",
    what="62 images that are stored: submit to last image, median of 10",
    target=0.3,
    unit="s",
    noise=0.3,
    bound="at most",
)

# How often the small job is submitted, and the request repeated.
SMALL_JOBS, REPEATS = 5, 10

# Parts of a large job.
LARGE = 1_000


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Measure on separate systems, except the repeated request."""
    if REPEATED.name in names:
        seconds = seconds_to_repeat(this.session.client, this.session.model, this.session.times(REPEATS))
        yield from ((REPEATED.name, value) for value in seconds)
    if SMALL_JOB.name in names:
        with model_on() as (client, model):
            yield from ((SMALL_JOB.name, wait) for wait in parts_waited(client, model))


def seconds_to_repeat(client: Client, model: str, times: int) -> list[float]:
    """Return, so many times, the seconds from submit to the last of 62 images that are stored already."""
    layers = ["conv1", "conv2", "logits"]
    client.visualize(model, layers).result()
    return [_seconds_to_last_image(client, model, layers) for _ in range(times)]


def _seconds_to_last_image(client: Client, model: str, layers: list[str]) -> float:
    started = time.perf_counter()
    images = islice((event for event in client.visualize(model, layers).watch() if isinstance(event, ImageReady)), 62)
    cached = [event.cached for event in images]
    seconds = time.perf_counter() - started
    assert cached == [True] * 62, "images were computed that are stored"
    return seconds


def parts_waited(client: Client, model: str) -> list[float]:
    """Return the waits of small jobs for their start, over the time that a part of the large one takes.

    The parts of the large job are equal: each is one objective, about as large as a part may be.
    """
    alike = {f"part-{number}": objectives.channel("conv2", number % 36) for number in range(LARGE)}
    large = client.visualize(model, objectives=alike, restarts=64, iterations=240, recompute=True)
    assert large.info.estimate is not None
    assert large.info.estimate.part_count == LARGE, f"{large.info.estimate.part_count} parts"
    watch = large.watch()
    waits, parts = [], _two_parts(watch, 0.0)
    for _ in range(SMALL_JOBS):
        asked = time.time()
        small = client.train(iterations=0)
        began = next(event.time for event in small.watch() if isinstance(event, AttemptStarted))
        waits.append(began.timestamp() - asked)
        small.result()
        parts += _two_parts(watch, time.time())
    large.cancel()
    return [wait / median(parts) for wait in waits]


def _two_parts(watch: Iterator[Event], since: float) -> list[float]:
    """Return how long two parts take that start after a time, in seconds since 1970."""
    starts = (event.time for event in watch if isinstance(event, AttemptStarted) and event.time.timestamp() > since)
    return [(later - sooner).total_seconds() for sooner, later in pairwise(islice(starts, 3))]


FAMILY = Family(figures=(SMALL_JOB, REPEATED), measure=measure)
