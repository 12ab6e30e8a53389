"""Restarts of a feature, and what memory that does not suffice does to a chunk."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from convscope.worker.settings import VisualizeSettings
from convscope.worker.visualization import FeatureImage, Visualizer
from convscope.worker.visualization.chunks import Chunk, chunks, halves


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Visualizer:
    return Visualizer(trained)


def run(visualizer: Visualizer, features: list[int], *, rows: int = 4, **settings: object) -> list[FeatureImage]:
    found: list[FeatureImage] = []
    chosen = VisualizeSettings(iterations=6, **settings)  # type: ignore[arg-type]  # each test's own
    visualizer.run("conv2", features, chosen, rows=rows, ready=found.append)
    return found


def test_the_best_of_the_restarts_is_kept_with_the_spread_of_all(visualizer: Visualizer) -> None:
    every = run(visualizer, [1, 7], restarts=5, keep_all=True)
    assert [(image.feature, image.restart) for image in every] == [(f, r) for f in (1, 7) for r in range(5)]
    assert all(image.spread is None for image in every)
    for number, image in enumerate(run(visualizer, [7, 1], restarts=5)):
        of_feature = every[5 * number : 5 * number + 5]
        objectives = [each.best.objective for each in of_feature]
        assert image.restart == int(np.argmax(objectives))
        same = of_feature[image.restart]
        assert image.best.pixels.tobytes() == same.best.pixels.tobytes()
        assert image.final.pixels.tobytes() == same.final.pixels.tobytes()
        assert image.best.predicted_class == same.best.predicted_class
        assert image.best.probability == pytest.approx(same.best.probability, rel=1e-4)
        assert image.spread is not None
        assert image.spread.objectives.tolist() == pytest.approx(objectives)
        assert image.spread.mean == pytest.approx(np.mean(objectives))
        assert image.spread.deviation == pytest.approx(np.std(objectives), rel=1e-4)


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
        asked = chunks([feature, feature], of=features, restarts=restarts, rows=rows)
        assert [item for chunk in asked for item in chunk.wanted] == [feature * restarts + r for r in range(restarts)]
        assert {chunk.first for chunk in asked} <= {chunk.first for chunk in everything}
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
from convscope.worker.settings import VisualizeSettings
from convscope.worker.threads import configure_threads
configure_threads(1)
from convscope.worker.visualization import Visualizer

image = keras.Input((32, 32, 1))
large = keras.layers.ZeroPadding2D(1000)(image)
small = keras.layers.Cropping2D(1000)(large)
narrow = keras.layers.Conv2D(2, 1, name="narrow")(small)
model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(narrow)))
visualizer, settings = Visualizer(model), VisualizeSettings(iterations=1, restarts=8, keep_all=True)
logging.basicConfig(stream=sys.stdout, format="%(message)s")
found = []
visualizer.run("narrow", [0], settings, rows=2, ready=found.append)
used = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + 1000 * 2**20,) * 2)
again = []
visualizer.run("narrow", [0], settings, rows=64, ready=again.append)
assert [image.best.objective for image in again] == [image.best.objective for image in found]
print(len(again))
"""


@pytest.mark.slow  # TensorFlow waits ten seconds for memory before it gives up
def test_a_chunk_too_large_for_the_memory_is_halved_until_it_fits() -> None:
    command = [sys.executable, "-c", STARVED]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[0] == "out of memory with 64 images of narrow at a time; going on with 32"
    assert done.stdout.splitlines()[-1] == "8"
