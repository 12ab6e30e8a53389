"""Response times of a warm executor: the waits of a person who tries one thing after another."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from benchmarks.figures import Family, Figure
from benchmarks.in_process_times import evaluating_in_process
from benchmarks.rounds import Round
from benchmarks.stack import run_stack
from convscope.client import Client, ImageReady, TrainProgress

__all__ = ["FAMILY"]


def _figure(name: str, what: str, target: float, noise: float) -> Figure:
    return Figure(name=name, what=what, target=target, unit="s", noise=noise, bound="at most")


ONE = _figure(
    "warm-image", "one class image of a model that is warm, other seed: submit to image, median of 20", 0.06, 0.4
)
ALL = _figure(
    "warm-features", "62 images (conv1, conv2, logits), warm, other seed: submit to last, median of 20", 0.20, 0.2
)
NEW = _figure("new-model", "a model not seen before, executor up: submit to first image, median of 10", 0.40, 0.2)
SAME = _figure("new-model-known", "the same, of an architecture that was seen: median of 10", 0.20, 0.2)
EVALUATION = _figure(
    "evaluation-warm",
    "10,000 test images, warm: submit to result, less their time in process, alternating, median of 20 differences",
    0.10,
    0.9,
)
TRAINING = _figure(
    "second-training", "submit to the first step's report, second training of a network, median of 20", 0.15, 0.2
)
FIGURES = (ONE, ALL, NEW, SAME, EVALUATION, TRAINING)

FEATURES = ["conv1", "conv2", "logits"]
CLASS = {"logits": [3]}


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Run one system for all of them."""
    with run_stack() as address, Client(address) as client:
        model = client.train(iterations=100).result().model
        times = this.session.times
        measures: dict[Figure, Callable[[], list[float]]] = {
            ONE: lambda: repeated(times(20), lambda seed: seconds_to_image(client, model, CLASS, seed=seed)),
            ALL: lambda: repeated(times(20), lambda seed: seconds_to_image(client, model, FEATURES, 62, seed=seed)),
            NEW: lambda: first_images(client, [train(client, width=6 + number) for number in range(times(10))]),
            SAME: lambda: first_images(client, [train(client, seed=9 + number) for number in range(times(10) + 1)][1:]),
            EVALUATION: lambda: evaluations(client, model, times(20)),
            TRAINING: lambda: repeated(times(20), lambda seed: first_report(client, seed)),
        }
        for figure, take in measures.items():
            if figure.name in names:
                yield from ((figure.name, seconds) for seconds in take())


def repeated(count: int, take: Callable[[int], float]) -> list[float]:
    """Return ``count`` measurements, after a first one that warms up and is left out."""
    return [take(1_000 + number) for number in range(count + 1)][1:]


def train(client: Client, *, width: int = 16, seed: int = 0) -> str:
    """Return the name of a model that was trained for one step."""
    return client.train(iterations=1, convolutions=[width, 36], seed=seed).result().model


def seconds_to_image(client: Client, model: str, layers: Any, number: int = 1, *, seed: int = 0) -> float:
    """Return the seconds from submitting until so many images have come."""
    started = time.perf_counter()
    job = client.visualize(model, layers=layers, seed=seed)
    images = (event.image for event in job.watch() if isinstance(event, ImageReady))
    *_, last = islice(images, number)
    seconds = time.perf_counter() - started
    assert last.best.pixels.any()
    job.result()
    return seconds


def first_images(client: Client, models: list[str]) -> list[float]:
    """Return the seconds from submitting to the first image of models that no executor has loaded yet."""
    return [seconds_to_image(client, model, CLASS) for model in models]


def evaluations(client: Client, model: str, count: int) -> list[float]:
    """Return by how many seconds evaluations take longer through the service than in process, alternating."""
    evaluation(client, model)
    with evaluating_in_process() as alone:
        alone()
        return [evaluation(client, model) - alone() for _ in range(count)]


def evaluation(client: Client, model: str) -> float:
    """Return the seconds from submitting to the result."""
    started = time.perf_counter()
    assert client.evaluate(model).result().example_count == 10_000
    return time.perf_counter() - started


def first_report(client: Client, seed: int) -> float:
    """Return the seconds from submitting to the report of the first step."""
    started = time.perf_counter()
    job = client.train(iterations=2, seed=seed)
    next(event for event in job.watch() if isinstance(event, TrainProgress))
    seconds = time.perf_counter() - started
    job.result()
    return seconds


FAMILY = Family(figures=FIGURES, measure=measure)
