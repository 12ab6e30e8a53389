"""Visualizations over several workers, in parts, and beside other jobs."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.stack import run_stack
from benchmarks.yardstick import ROOT
from convscope.client import AttemptStarted, Client, Event, ImageReady, objectives

__all__ = ["FAMILY"]

TWO_WORKERS = Figure(
    name="two-workers",
    what="all 190 features, 50 restarts each: one worker's seconds over those of two, one thread each",
    target=1.85,
    unit="x",
)
IN_PARTS = Figure(
    name="parts-overhead",
    what="the same in parts through the service over the same work in one process, without it",
    target=1.05,
    unit="x",
    bound="at most",
)
SMALL_JOB = Figure(
    name="small-job-wait",
    what="a small job submitted into a running job of 1,000 parts: wait for its start, in parts' times, median of 5",
    target=2.0,
    unit="x",
    bound="at most",
)
REPEATED = Figure(
    name="repeated-request",
    what="62 images that are stored: submit to last image, median of 5",
    target=0.3,
    unit="s",
    bound="at most",
)

RESTARTS = 50

TRIALS = 5

# Parts of a large job.
LARGE = 1_000

# Prints the seconds from a model's file to its last image.
PROGRAM = """
import sys, time
from pathlib import Path
from convscope.worker.keras_files import model_from_bytes
from convscope.worker.settings import VisualizeSettings
from convscope.worker.visualization import Visualizer
started = time.perf_counter()
visualizer = Visualizer(model_from_bytes(Path(sys.argv[1]).read_bytes()))
settings, images = VisualizeSettings(restarts=int(sys.argv[2])), []
for layer, features in {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}.items():
    visualizer.run(layer, range(features), settings, rows=16, ready=images.append)
assert len(images) == 190
print(time.perf_counter() - started)
"""


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Measure on systems of their own, but for the repeated request."""
    if REPEATED.name in names:
        yield REPEATED.name, seconds_to_repeat(this.session.client, this.session.model)
    if SMALL_JOB.name in names:
        with model_on() as (client, model):
            yield SMALL_JOB.name, parts_waited(client, model)
    if IN_PARTS.name in names:
        with model_on() as (client, model):
            yield IN_PARTS.name, overhead_of_parts(client, model)
    if TWO_WORKERS.name in names:
        yield TWO_WORKERS.name, gain_of_two()


def gain_of_two() -> float:
    """Return the seconds of one worker over those of two, in turns that favour neither on a machine that drifts."""
    with model_on(threads=1) as one, model_on(threads=1, workers=2) as two:
        seconds = [seconds_for_all(*system) for system in (one, two, two, one)]
    return (seconds[0] + seconds[3]) / (seconds[1] + seconds[2])


def overhead_of_parts(client: Client, model: str) -> float:
    """Return the seconds in parts over those in one process, in turns as above."""
    turns = (seconds_in_process, seconds_for_all, seconds_for_all, seconds_in_process)
    seconds = [turn(client, model) for turn in turns]
    return (seconds[1] + seconds[2]) / (seconds[0] + seconds[3])


@contextmanager
def model_on(*, threads: int | None = None, workers: int = 1) -> Iterator[tuple[Client, str]]:
    """Start a system that has a model."""
    with run_stack(workers, threads=threads) as address, Client(address) as client:
        yield client, client.train(iterations=100).result().model


def seconds_for_all(client: Client, model: str) -> float:
    """Return the seconds from submit to the result of everything, computed anew."""
    started = time.perf_counter()
    result = client.visualize(model, restarts=RESTARTS, recompute=True).result()
    assert len(result.images) == 190, f"{len(result.images)} images instead of 190"
    return time.perf_counter() - started


def seconds_in_process(client: Client, model: str) -> float:
    """Return the seconds that the same takes in a process of its own, from the model's file to the last image."""
    with tempfile.TemporaryDirectory(prefix="convscope-bench-") as folder:
        file = client.export_model(model, Path(folder) / "model.keras")
        answer = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(file), str(RESTARTS)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    return float(answer.stdout.splitlines()[-1])


def seconds_to_repeat(client: Client, model: str) -> float:
    """Return the seconds from submit to the last of 62 images that are stored already."""
    layers = ["conv1", "conv2", "logits"]
    client.visualize(model, layers).result()
    return median(_seconds_to_last_image(client, model, layers) for _ in range(TRIALS))


def _seconds_to_last_image(client: Client, model: str, layers: list[str]) -> float:
    started = time.perf_counter()
    images = islice((event for event in client.visualize(model, layers).watch() if isinstance(event, ImageReady)), 62)
    known = [event.known for event in images]
    seconds = time.perf_counter() - started
    assert known == [True] * 62, "images were computed that are stored"
    return seconds


def parts_waited(client: Client, model: str) -> float:
    """Return the wait of a small job for its start, over the time that a part of the large one takes.

    The parts of the large one are alike: each is an objective of its own, about as much as a part may be.
    """
    alike = {f"part-{number}": objectives.channel("conv2", number % 36) for number in range(LARGE)}
    large = client.visualize(model, objectives=alike, restarts=64, iterations=240, recompute=True)
    assert large.info.parts == LARGE, f"{large.info.parts} parts"
    watch = large.watch()
    waits, parts = [], _two_parts(watch, 0.0)
    for _ in range(TRIALS):
        asked = time.time()
        small = client.train(iterations=0)
        began = next(event.time for event in small.watch() if isinstance(event, AttemptStarted))
        waits.append(began.timestamp() - asked)
        small.result()
        parts += _two_parts(watch, time.time())
    large.cancel()
    return median(waits) / median(parts)


def _two_parts(watch: Iterator[Event], since: float) -> list[float]:
    """Return how long two parts take that start after a time, in seconds since 1970."""
    starts = (event.time for event in watch if isinstance(event, AttemptStarted) and event.time.timestamp() > since)
    return [(later - sooner).total_seconds() for sooner, later in pairwise(islice(starts, 3))]


FAMILY = Family(figures=(TWO_WORKERS, IN_PARTS, SMALL_JOB, REPEATED), measure=measure, once=True, quick=False)
