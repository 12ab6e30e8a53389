"""Frames of an ascent: what they show, and that keeping them changes nothing else."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from convscope.engine.settings import VisualizeSettings
from convscope.engine.visualization import Image
from convscope.engine.visualization.ascent.fitting import Fit, Fitting
from convscope.engine.visualization.ascent.frames import Frames, frame_iterations
from convscope.worker.executor import convert
from support.ascents import Model

ITERATIONS = 12


@pytest.fixture(scope="module")
def visualizer(trained: keras.Model) -> Model:
    return Model(trained)


def run(visualizer: Model, layer: str = "conv2", **settings: Any) -> list[Image]:
    """Return the images of three features."""
    images: list[Image] = []
    chosen = VisualizeSettings(**{"iterations": ITERATIONS, **settings})
    visualizer.run(layer, range(3), chosen, rows=visualizer.rows(layer, chosen.restarts), ready=images.append)
    return images


def bits(image: Image) -> bytes:
    """Return all of an image but its frames."""
    message = convert.image(image)
    message.ClearField("frames")
    return message.SerializeToString(deterministic=True)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(2, min(256, n + 1)), st.just(n))))
def test_frames_are_evenly_spaced_from_the_start_to_the_end(chosen: tuple[int, int]) -> None:
    frames, iterations = chosen
    kept = frame_iterations(frames, iterations)
    assert (len(kept), kept[0], kept[-1]) == (frames, 0, iterations)
    gaps = np.diff(kept)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


def test_no_frame_and_one() -> None:
    assert (frame_iterations(0, 30), frame_iterations(1, 30)) == ([], [0])


@pytest.mark.parametrize("layer", ["conv1", "conv2", "dense1", "logits"])
@pytest.mark.parametrize("more", [{}, {"trace": True}, {"restarts": 3}, {"restarts": 2, "keep_all": True}])
def test_frames_change_no_bit_of_the_rest(visualizer: Model, layer: str, more: dict[str, Any]) -> None:
    plain, framed = run(visualizer, layer, **more), run(visualizer, layer, frames=5, **more)
    assert [bits(image) for image in plain] == [bits(image) for image in framed]
    assert [len(image.frames) for image in plain + framed] == [0] * len(plain) + [5] * len(framed)


def test_a_frame_is_the_final_image_of_a_shorter_ascent(visualizer: Model) -> None:
    for image in run(visualizer, frames=4):
        assert [frame.iteration for frame in image.frames] == [0, 4, 8, 12]
        assert image.frames[-1].pixels.tobytes() == image.final.pixels.tobytes()
        assert image.frames[-1].objective == image.final.objective
        assert image.frames[-1].predicted_class == image.final.predicted_class
    for image, short in zip(run(visualizer, frames=4), run(visualizer, iterations=8), strict=True):
        assert image.frames[2].pixels.tobytes() == short.final.pixels.tobytes()
        assert image.frames[2].probability == short.final.probability


def test_the_frames_are_those_of_the_best_restart(visualizer: Model) -> None:
    every = run(visualizer, restarts=4, keep_all=True, frames=3)
    for number, best in enumerate(run(visualizer, restarts=4, frames=3)):
        same = every[4 * number + best.item.restart]
        assert [frame.pixels.tobytes() for frame in best.frames] == [frame.pixels.tobytes() for frame in same.frames]


def test_what_frames_take_of_the_memory_is_counted() -> None:
    """Fewer batches are computed side by side before one is cut: their bits are the same."""
    target: Any = SimpleNamespace(name="t", features=64, divisible=True, bytes_per_image=1000, image_bytes=100)
    fitting = Fitting(threads=4, limit=35_000)
    assert fitting(target, rows=8, restarts=1) == Fit(rows=8, concurrency=4)
    assert fitting(target, rows=8, restarts=1, frames=10) == Fit(rows=8, concurrency=2)
    assert fitting(target, rows=8, restarts=1, frames=100) == Fit(rows=2, concurrency=1)


def test_an_ascent_that_broke_off_stays_where_it_was() -> None:
    def classify(images: Any) -> tuple[Any, Any]:
        return np.arange(len(images), dtype=np.int32), np.full(len(images), 0.5, np.float32)

    classifier: Any = classify
    frames = Frames(classifier, [0, 2, 4], rows=[1])
    for iteration in range(5):
        image = tf.fill([2, 1, 1, 1], float(iteration))
        state: Any = SimpleNamespace(
            iteration=iteration, image=image, objective=tf.constant([0, np.inf if iteration > 2 else 1.0])
        )
        frames.record(state)
    kept = frames.of(1, final_iteration=3)
    assert [frame.iteration for frame in kept] == [0, 2, 3]
    assert [frame.predicted_class for frame in kept] == [1, 1, 1]
    assert kept[1].objective == 1
    assert np.isnan(kept[2].objective)
