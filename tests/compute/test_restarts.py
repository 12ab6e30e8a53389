"""Restarts of a feature, and what memory that does not suffice does to a chunk."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import keras
import numpy as np
import pytest

from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Image, Visualizer, best_of_runs
from convscope.engine.visualization.ascent.chunks import Chunk, chunks, halves
from convscope.worker.executor.convert import image as message


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Visualizer:
    return Visualizer(trained)


def run(
    visualizer: Visualizer,
    features: list[int],
    *,
    rows: int = 4,
    some: Mapping[int, range] | None = None,
    **settings: object,
) -> list[Image]:
    images: list[Image] = []
    chosen = VisualizeSettings(iterations=6, **settings)  # type: ignore[arg-type]  # each test's own
    visualizer.run("conv2", features, chosen, rows=rows, restarts=some or {}, ready=images.append)
    return images


def bits(image: Image) -> bytes:
    """Return everything about an image."""
    return message(image).SerializeToString(deterministic=True)


def test_the_best_of_the_restarts_is_kept_with_the_spread_of_all(visualizer: Visualizer) -> None:
    every = run(visualizer, [1, 7], restarts=5, keep_all=True)
    assert [(image.item.feature, image.item.restart) for image in every] == [(f, r) for f in (1, 7) for r in range(5)]
    assert all(image.spread is None for image in every)
    for number, image in enumerate(run(visualizer, [7, 1], restarts=5)):
        of_feature = every[5 * number : 5 * number + 5]
        objectives = [image.best.objective for image in of_feature]
        assert image.item.restart == int(np.argmax(objectives))
        same = of_feature[image.item.restart]
        assert image.best.pixels.tobytes() == same.best.pixels.tobytes()
        assert image.final.pixels.tobytes() == same.final.pixels.tobytes()
        assert image.best.predicted_class == same.best.predicted_class
        assert image.best.probability == pytest.approx(same.best.probability, rel=1e-4)
        assert image.spread is not None
        assert image.spread.objectives.tolist() == pytest.approx(objectives)
        assert image.spread.mean == pytest.approx(np.mean(objectives))
        assert image.spread.deviation == pytest.approx(np.std(objectives), rel=1e-4)


@pytest.mark.parametrize("cuts", [(2, 6), (1,), (1, 2, 3, 9)])
def test_restarts_that_are_computed_apart_are_those_computed_together(
    visualizer: Visualizer, cuts: tuple[int, ...]
) -> None:
    runs = [range(start, stop) for start, stop in pairwise((0, *cuts, 10))]
    # Item 70 is in the middle of a chunk, so the first cuts are between chunks.
    apart = [run(visualizer, [7], restarts=10, some={7: restarts}, keep_all=True, trace=True) for restarts in runs]
    together = run(visualizer, [7], restarts=10, keep_all=True, trace=True)
    assert [bits(image) for images in apart for image in images] == [bits(image) for image in together]
    candidates = [run(visualizer, [7], restarts=10, some={7: restarts})[0] for restarts in runs]
    assert [image.spread.objectives.shape for image in candidates if image.spread] == [
        (len(restarts),) for restarts in runs
    ]
    chosen, spread = best_of_runs([image.spread.objectives for image in candidates if image.spread])
    (best,) = run(visualizer, [7], restarts=10)
    assert bits(replace(candidates[chosen], spread=spread)) == bits(best)


def test_some_restarts_of_one_feature_and_all_of_the_next_share_chunks(visualizer: Visualizer) -> None:
    every = run(visualizer, [7, 8], restarts=3, keep_all=True)
    some = run(visualizer, [7, 8], restarts=3, some={7: range(2, 3)}, keep_all=True)
    assert [bits(image) for image in some] == [bits(image) for image in every[2:]]
    planned = chunks([7, 8], of=36, restarts=3, rows=4, some={7: range(2, 3)})
    assert [chunk.wanted for chunk in planned] == [(23,), (24, 25, 26)]


NAN = float("nan")


@pytest.mark.parametrize(
    "objectives",
    [[1, 3, 2, 3, 3], [NAN, NAN, 1, NAN, 1], [NAN] * 5, [-1, NAN, -3, -0.5, NAN], [float("-inf"), 1, 1, 1, 1]],
)
def test_the_best_of_runs_is_the_best_of_all(objectives: list[float]) -> None:
    every = np.array(objectives, np.float32)
    whole = best_of_runs([every])[1]
    comparable = np.where(np.isfinite(every), every, -np.inf)
    for cuts in [(2,), (1, 3), (1, 2, 3, 4), (4,)]:
        runs = np.split(every, cuts)
        chosen, spread = best_of_runs(runs)
        assert chosen == np.searchsorted(cuts, np.argmax(comparable), side="right")
        assert spread.objectives.tobytes() == every.tobytes()
        assert np.array([spread.mean, spread.deviation]).tobytes() == np.array([whole.mean, whole.deviation]).tobytes()


def test_restarts_differ_and_company_changes_no_bit(visualizer: Visualizer) -> None:
    together = run(visualizer, [0, 1, 2], restarts=3, keep_all=True)
    assert len({image.final.pixels.tobytes() for image in together}) == 9
    alone = run(visualizer, [1], restarts=3, keep_all=True)
    assert [image.final.pixels.tobytes() for image in alone] == [
        image.final.pixels.tobytes() for image in together[3:6]
    ]
    assert [image.best.probability for image in alone] == [image.best.probability for image in together[3:6]]


def test_the_first_restart_starts_where_a_single_ascent_does(visualizer: Visualizer) -> None:
    single = run(visualizer, [2], trace=True)[0]
    first = run(visualizer, [2], restarts=2, keep_all=True, trace=True)[0]
    assert single.trace
    assert first.trace
    assert single.trace.objective[0] == pytest.approx(first.trace.objective[0], rel=1e-5)


@pytest.mark.parametrize(("features", "restarts", "rows"), [(36, 1, 9), (36, 50, 16), (3, 7, 4), (1, 5, 2)])
def test_every_item_has_one_place_whatever_is_asked_for(features: int, restarts: int, rows: int) -> None:
    everything = chunks(range(features), of=features, restarts=restarts, rows=rows)
    assert [item for chunk in everything for item in chunk.wanted] == list(range(features * restarts))
    for feature in {0, features // 2, features - 1}:
        planned = chunks([feature, feature], of=features, restarts=restarts, rows=rows)
        assert [item for chunk in planned for item in chunk.wanted] == [feature * restarts + r for r in range(restarts)]
        assert {chunk.first for chunk in planned} <= {chunk.first for chunk in everything}
    for chunk in everything:
        assert len(chunk.items) == rows
        assert chunk.first % rows == 0
        assert max(chunk.items) <= features * restarts - 1


def test_halves_hold_what_was_wanted() -> None:
    sizes = [Chunk(first=16, rows=16, last=30, wanted=(17, 22, 30))]
    for rows in (8, 4, 2, 1):
        sizes = [half for chunk in sizes for half in halves(chunk)]
        assert {chunk.rows for chunk in sizes} == {rows}
        assert [item for chunk in sizes for item in chunk.wanted] == [17, 22, 30]
        assert all(item in chunk.items for chunk in sizes for item in chunk.wanted)


# Memory for TensorFlow and for a few images that take 16 MiB each in the middle, but not for 64 of them.
STARVED = """
import logging, resource, sys
import keras
from convscope.engine.settings import VisualizeSettings
from convscope.engine.runtime.threads import configure_threads
configure_threads(1)
from convscope.engine.visualization import Visualizer

image = keras.Input((32, 32, 1))
large = keras.layers.ZeroPadding2D(1000)(image)
small = keras.layers.Cropping2D(1000)(large)
narrow = keras.layers.Conv2D(2, 1, name="narrow")(small)
model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(narrow)))
visualizer, settings = Visualizer(model), VisualizeSettings(iterations=1, restarts=8, keep_all=True)
logging.basicConfig(stream=sys.stdout, format="%(message)s")
whole = []
visualizer.run("narrow", [0], settings, rows=2, ready=whole.append)
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + 1000 * 2**20,) * 2)
again = []
visualizer.run("narrow", [0], settings, rows=64, ready=again.append)
assert [image.best.objective for image in again] == [image.best.objective for image in whole]
assert all(image.cut for image in again) and not any(image.cut for image in whole)
print(len(again))
"""


@pytest.mark.slow  # TensorFlow waits ten seconds for memory before it gives up
def test_a_chunk_too_large_for_the_memory_is_halved_until_it_fits() -> None:
    command = [sys.executable, "-c", STARVED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[0] == "out of memory with 64 images of narrow at a time; continuing with 32"
    assert done.stdout.splitlines()[-1] == "8"
