"""The engine by itself gives what the service gives, bit by bit, without knowing of any chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from convscope.client import Client, Job, TrainResult
from convscope.client import objectives as o
from convscope.engine import (
    ROBUST,
    ConvolutionSettings,
    DenseSettings,
    Diversity,
    Feature,
    Image,
    Layer,
    NetworkSettings,
    Neuron,
    TrainReport,
    TrainSettings,
    VisualizeSettings,
    evaluate,
    load_dataset,
    model_to_bytes,
    train,
    visualize,
)
from support.stack import Stack

# Keras 3.15 saves TensorFlow's variables in a way that NumPy 2.4 deprecates; nothing here can change it.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

SETTINGS = TrainSettings(
    network=NetworkSettings(
        convolutions=(ConvolutionSettings(filters=5), ConvolutionSettings(filters=7, kernel_size=3)),
        dense=(DenseSettings(units=9),),
    ),
    learning_rate=1e-3,
    batch_size=32,
    iterations=40,
    report_interval=10,
    validation_interval=20,
    seed=7,
)


@dataclass(frozen=True)
class Both:
    """The same training, by the service and by the engine."""

    client: Client
    job: Job[TrainResult]
    model: keras.Model
    reports: list[TrainReport]


@pytest.fixture(scope="module")
def both(stack: Stack) -> Iterator[Both]:
    reports: list[TrainReport] = []
    with Client(stack.address) as client:
        job = client.train(
            convolutions=[5, {"filters": 7, "kernel_size": 3}],
            dense=[9],
            learning_rate=1e-3,
            batch_size=32,
            iterations=40,
            report_interval=10,
            validation_interval=20,
            seed=7,
        )
        model = train(load_dataset("mnist"), SETTINGS, progress=reports.append).model
        yield Both(client, job, model, reports)


def test_training(both: Both, tmp_path: Path) -> None:
    both.job.result()
    file = both.client.export_model(both.job, tmp_path / "model.keras").read_bytes()
    assert model_to_bytes(both.model) == file
    history = both.client.history(both.job)
    assert [report.loss for report in both.reports] == list(history.loss)
    assert [report.batch_accuracy for report in both.reports] == list(history.batch_accuracy)


def test_evaluation(both: Both) -> None:
    expected = both.client.evaluate(both.job, max_errors=3).result()
    test = load_dataset("mnist").test
    evaluation = evaluate(both.model, test.images, test.labels)
    np.testing.assert_array_equal(evaluation.confusion, expected.confusion_matrix)
    assert evaluation.accuracy == expected.accuracy
    errors = evaluation.errors[:3]
    assert [error.index for error in errors] == list(expected.errors.index)
    assert [error.predicted for error in errors] == list(expected.errors.predicted)
    assert [error.probability for error in errors] == list(expected.errors.probability)
    np.testing.assert_array_equal([error.image for error in errors], expected.errors.images)


def test_the_tutorials_images_and_the_best_of_several_restarts(both: Both) -> None:
    expected = both.client.visualize(
        both.job,
        {"conv2": [1, 4], "logits": None},
        objectives={"mixed": o.channel("conv2", 3) - 0.3 * o.layer("conv1")},
        iterations=5,
        restarts=3,
        seed=3,
        trace=True,
    )
    images = visualize(
        both.model,
        {"conv2": [4, 1], "logits": None},
        VisualizeSettings(iterations=5, restarts=3, seed=3, trace=True),
        objectives={"mixed": Feature("conv2", 3) - 0.3 * Layer("conv1")},
    )
    assert len(images) == 2 + 10 + 1
    assert_same(images, expected.result().images)


def test_robust_images_all_of_them(both: Both) -> None:
    expected = both.client.visualize(
        both.job,
        {"conv1": 2},
        objectives=[o.neuron("conv2", 2) + o.diversity("conv1")],
        preset="robust",
        iterations=4,
        restarts=3,
        keep="all",
    )
    images = visualize(
        both.model,
        {"conv1": 2},
        VisualizeSettings(iterations=4, restarts=3, keep_all=True, render=ROBUST),
        objectives=[Neuron("conv2", 2) + Diversity("conv1")],
    )
    assert len(images) == 3 + 3
    assert_same(images, expected.result().images)


def assert_same(images: Sequence[Image], expected: Sequence[Any]) -> None:
    for image, other in zip(images, expected, strict=True):
        assert_same_image(image, other)


def assert_same_image(image: Image, other: Any) -> None:
    assert (image.item.target, image.item.feature, image.item.restart) == (other.layer, other.feature, other.restart)
    for ours, theirs in ((image.best, other.best), (image.final, other.final)):
        assert ours.pixels.tobytes() == theirs.pixels.tobytes(), image.item
        assert (ours.objective, ours.iteration) == (theirs.objective, theirs.iteration)
        assert (ours.predicted_class, ours.probability) == (theirs.predicted_class, theirs.probability)
    assert (image.verdict.outcome, image.verdict.upper_bound) == (other.verdict.outcome, other.verdict.upper_bound)
    if image.trace is not None:
        assert image.trace.objective.tobytes() == other.trace.objective.tobytes()
    if image.spread is not None:
        assert image.spread.objectives.tobytes() == other.spread.objectives.tobytes()
