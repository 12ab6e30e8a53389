"""Cost of computing a visualization in parts, and its gain on two workers."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.stack import model_on
from benchmarks.yardstick import ROOT
from convscope.client import Client

__all__ = ["FAMILY"]

TWO_WORKERS = Figure(
    name="two-workers",
    what="all 190 features, 30 restarts each: one worker's seconds over those of two, one thread each",
    target=1.85,
    unit="x",
    noise=0.06,
)
IN_PARTS = Figure(
    name="parts-overhead",
    what="the same in parts through the service over the same work in one process, without it",
    target=1.05,
    unit="x",
    noise=0.05,
    bound="at most",
)
RESTARTS = 30

# Prints the seconds from a model's file to its last image.
PROGRAM = """
import sys, time
from pathlib import Path
from convscope.engine.models.keras_files import model_from_bytes
from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Visualizer
started = time.perf_counter()
visualizer = Visualizer(model_from_bytes(Path(sys.argv[1]).read_bytes()))
settings, images = VisualizeSettings(restarts=int(sys.argv[2])), []
for layer, features in {"conv1": 16, "conv2": 36, "dense1": 128, "logits": 10}.items():
    visualizer.run(layer, range(features), settings, rows=16, ready=images.append)
assert len(images) == 190
print(time.perf_counter() - started)
"""


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Measure on separate systems, in an order that favours neither on a machine that drifts."""
    if IN_PARTS.name in names:
        with model_on() as (client, model):
            yield IN_PARTS.name, overhead_of_parts(client, model)
    if TWO_WORKERS.name in names:
        yield TWO_WORKERS.name, gain_of_two()


def gain_of_two() -> float:
    """Return the seconds of one worker over those of two."""
    with model_on(threads=1) as one, model_on(threads=1, workers=2) as two:
        seconds = [seconds_for_all(*system) for system in (one, two, two, one)]
    return (seconds[0] + seconds[3]) / (seconds[1] + seconds[2])


def overhead_of_parts(client: Client, model: str) -> float:
    """Return the seconds in parts over those in one process."""
    turns = (seconds_in_process, seconds_for_all, seconds_for_all, seconds_in_process)
    seconds = [turn(client, model) for turn in turns]
    return (seconds[1] + seconds[2]) / (seconds[0] + seconds[3])


def seconds_for_all(client: Client, model: str) -> float:
    """Return the seconds from submit to the result of everything, without cached images."""
    started = time.perf_counter()
    result = client.visualize(model, restarts=RESTARTS, recompute=True).result()
    assert len(result.images) == 190, f"{len(result.images)} images instead of 190"
    return time.perf_counter() - started


def seconds_in_process(client: Client, model: str) -> float:
    """Return the seconds of the same in a separate process, from the model's file to the last image."""
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


FAMILY = Family(figures=(TWO_WORKERS, IN_PARTS), measure=measure)
