"""A large model that was not designed for: every feature of a MobileNetV2, over two workers, with default settings."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from convscope.client import AttemptStarted, Client, Outcome
from convscope.v1.models_pb2 import Model
from support.placed_models import place
from support.stack import Stack, running_stack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Keras 3 asks TensorFlow's variables for arrays in the manner of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]

ITERATIONS = 2


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack(workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def placed(stack: Stack) -> Model:
    """The model, with random weights, put where a training would have left it."""
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)
    return place(stack, network)


def test_every_feature_of_a_large_model(stack: Stack, placed: Model) -> None:
    features = {layer.name: layer.feature_count for layer in placed.layers if layer.feature_count}
    assert len(features) == 53
    with Client(stack.address) as client:
        job = client.visualize(placed.name, iterations=ITERATIONS)
        result = job.result()
        started = [event for event in job.watch() if isinstance(event, AttemptStarted)]
    assert len({event.part for event in started}) > 10
    assert len({event.worker for event in started}) == 2
    subjects = [(image.layer, image.feature) for image in result.images]
    assert subjects == [(name, feature) for name, count in features.items() for feature in range(count)]
    for image in result.images:
        pixels = image.best.pixels
        assert pixels.shape == (96, 96, 3)
        assert np.isfinite(pixels).all()
        assert 0 <= pixels.min() <= pixels.max() <= 1
        assert image.verdict is not None
        assert image.verdict.outcome is not Outcome.NOT_A_NUMBER
