"""The real MNIST, and small models made from it."""

from pathlib import Path

import keras
import pytest

from convscope.engine.data import Dataset, load_dataset
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.settings import ConvolutionSettings, DenseSettings, NetworkSettings, TrainSettings
from convscope.engine.training import train

# A network that trains in a moment, with every kind of layer.
SMALL = NetworkSettings(
    convolutions=(ConvolutionSettings(filters=4, kernel_size=3), ConvolutionSettings(filters=6, kernel_size=3)),
    dense=(DenseSettings(units=16),),
)


# Keras 3.15 saves TensorFlow's variables in a way that NumPy 2.4 deprecates; nothing here can change it.
KERAS_AND_NUMPY = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(KERAS_AND_NUMPY))


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("datasets/mnist")


@pytest.fixture(scope="session")
def trained_file(mnist: Dataset) -> bytes:
    """The tutorial's network after 300 steps."""
    return model_to_bytes(train(mnist, TrainSettings(iterations=300)).model)


@pytest.fixture(scope="session")
def trained(trained_file: bytes) -> keras.Model:
    """The same, loaded; not to be changed."""
    return model_from_bytes(trained_file)


@pytest.fixture(scope="session")
def small_settings() -> TrainSettings:
    return TrainSettings(network=SMALL, learning_rate=1e-3, batch_size=32, iterations=40, report_interval=10, seed=3)
