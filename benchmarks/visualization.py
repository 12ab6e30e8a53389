"""All 16 + 36 + 10 features of both convolutions and the logits, 30 iterations each, beside the yardstick."""

import time
from collections.abc import Iterator

from benchmarks.figures import Family, Figure
from benchmarks.in_process_times import visualize_in_process
from benchmarks.rounds import Round

__all__ = ["FAMILY"]

IN_PROCESS = Figure(
    name="visualize-in-process",
    what="62 features in process, second call: yardstick's seconds over ours",
    target=28,
    unit="x",
    noise=0.15,
)
SERVICE = Figure(
    name="visualize-service",
    what="62 features through the service, second call, submit to last image: yardstick's seconds over ours",
    target=3,
    unit="x",
    noise=0.2,
)


def measure(this: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Visualize what the yardstick does, alternating with it."""
    if IN_PROCESS.name in names:
        yield IN_PROCESS.name, this.yardstick.visualize_s / visualize_in_process()
    if SERVICE.name in names:
        through_service(this)  # compiles
        yield SERVICE.name, this.yardstick.visualize_s / through_service(this)


def through_service(this: Round) -> float:
    """Return the seconds from submitting to having all images."""
    client, model = this.session.client, this.session.model
    started = time.perf_counter()
    result = client.visualize(model, ["conv1", "conv2", "logits"], recompute=True).result()
    seconds = time.perf_counter() - started
    assert len(result.images) == 62, f"{len(result.images)} images instead of 62"
    return seconds


FAMILY = Family(figures=(IN_PROCESS, SERVICE), measure=measure, rounds=3)
