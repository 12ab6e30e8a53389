"""Speed of ascents of the tutorial's second convolution, beside the machine's own matrix products.

FLOPs are counted from shapes: both convolutions forward, and their gradients by their inputs, at every evaluation. The
ascent of single features gets to the same images with fewer, because the gradient of its objective by the layer's input
never changes: its share is what a plain ascent would have to reach to be as fast, and may exceed 100 %. The ascent of
the whole layer (the mean square of its channels) computes all of them: its share is how busy the machine is.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Family, Figure
from benchmarks.rounds import Round
from benchmarks.yardstick import ROOT

__all__ = ["FAMILY", "measure_here"]

SHARE = Figure(
    name="sgemm-share",
    what="ascent of conv2's features: FLOPs a second, counted from shapes though fewer are needed, over those of the "
    "machine's own sgemm",
    target=60,
    unit="%",
    noise=0.15,
)
WHOLE_SHARE = Figure(
    name="sgemm-share-whole",
    what="the same for the objective of the whole layer, which needs every one of these FLOPs",
    target=60,
    unit="%",
    noise=0.15,
)
RESTARTS = Figure(
    name="restarts-batch",
    what="36 features x 50 restarts of conv2: images per second over that of 36 requests for one image, each of which "
    "runs in a batch of nine for the sake of its bits",
    target=20,
    unit="x",
    noise=0.15,
)

FEATURES, RESTART_COUNT, ITERATIONS = 36, 50, 30
# Ascents of the whole layer, and sizes of batches. A request for one image without restarts runs in a batch of the size
# that the service chooses (``chunk_rows``), and eight of these nine images are dropped: its bits must be those that it
# has beside its neighbours. That, and a second thread, are what many images at once gain.
WHOLE, ROWS, ROWS_ALONE = 192, 16, 9
# Side of the matrices whose products are timed: large enough for the full rate, small enough for the caches.
SIDE = 2048
PROGRAM = "import json, sys; from benchmarks.ascents import measure_here; print(json.dumps(measure_here(sys.argv[1:])))"


def measure(_: Round, names: frozenset[str]) -> Iterator[tuple[str, float]]:
    """Measure in a separate process: threads are configured once in a process."""
    command = [sys.executable, "-c", PROGRAM, *names]
    answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    values: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    yield from values.items()


def measure_here(names: Collection[str]) -> dict[str, float]:
    """Return the figures wanted, by name."""
    from convscope.engine.models.network import build_network
    from convscope.engine.settings import TUTORIAL, VisualizeSettings
    from convscope.engine.visualization import Layer, Visualizer

    model = build_network(TUTORIAL, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=0)
    visualizer = Visualizer(model)

    def whole() -> None:
        settings = VisualizeSettings(iterations=ITERATIONS, restarts=WHOLE)
        visualizer.run_objective("all", Layer("conv2"), settings, rows=ROWS, ready=lambda _: None)

    def together() -> None:
        settings = VisualizeSettings(iterations=ITERATIONS, restarts=RESTART_COUNT)
        visualizer.run("conv2", range(FEATURES), settings, rows=ROWS, ready=lambda _: None)

    def alone() -> None:
        for feature in range(FEATURES):
            settings = VisualizeSettings(iterations=ITERATIONS)
            visualizer.run("conv2", [feature], settings, rows=ROWS_ALONE, ready=lambda _: None)

    percent = 100 * (ITERATIONS + 1) * flops_of_an_evaluation() / sgemm_flops_per_second()
    values = {}
    if WHOLE_SHARE.name in names:
        values[WHOLE_SHARE.name] = percent * WHOLE / seconds(whole)
    if {SHARE.name, RESTARTS.name}.intersection(names):
        batched = seconds(together)
        values[SHARE.name] = percent * FEATURES * RESTART_COUNT / batched
    if RESTARTS.name in names:
        values[RESTARTS.name] = RESTART_COUNT * seconds(alone) / batched
    return {name: value for name, value in values.items() if name in names}


def flops_of_an_evaluation() -> float:
    """Return the FLOPs for one image: 2 for each multiplication of both convolutions, forward and for the gradients."""
    conv1 = 28 * 28 * 5 * 5 * 1 * 16
    conv2 = 14 * 14 * 5 * 5 * 16 * 36
    return 2 * 2 * (conv1 + conv2)


def seconds(work: Callable[[], None]) -> float:
    """Return the seconds of the shortest of three runs, after one that compiles."""
    work()
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def sgemm_flops_per_second() -> float:
    """Return the FLOPs a second of float32 matrix products, one at a time on each of the threads that ascents use."""
    import tensorflow as tf

    from convscope.engine.runtime.threads import thread_count

    threads = thread_count()
    matrix = tf.random.normal([SIDE, SIDE])
    product = tf.function(lambda other: tf.matmul(matrix, other)).get_concrete_function(matrix)

    def several(_: int) -> None:
        for _ in range(8):
            product(matrix)

    def everywhere() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(several, range(threads)))

    return threads * 8 * 2 * SIDE**3 / seconds(everywhere)


FAMILY = Family(figures=(SHARE, WHOLE_SHARE, RESTARTS), measure=measure)
