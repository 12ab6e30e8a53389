"""Networks are built and described as their settings say, with reproducible weights."""

import math

import keras
import numpy as np
import pytest

from convscope.engine.errors import ComputationError, ModelFileError
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.network import build_network, describe
from convscope.engine.settings import TUTORIAL, ConvolutionSettings, DenseSettings, NetworkSettings


def build(network: NetworkSettings = TUTORIAL, seed: int = 0) -> keras.Model:
    return build_network(network, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=seed)


def weights(model: keras.Model) -> dict[str, bytes]:
    return {variable.path: variable.numpy().tobytes() for variable in model.trainable_variables}


def test_the_tutorials_network_is_described_layer_by_layer() -> None:
    assert [
        (layer.name, layer.kind, layer.output_shape, layer.feature_count, layer.parameter_count)
        for layer in describe(build())
    ] == [
        ("conv1", "convolution", (28, 28, 16), 16, 25 * 16 + 16),
        ("pool1", "pooling", (14, 14, 16), 0, 0),
        ("conv2", "convolution", (14, 14, 36), 36, 25 * 16 * 36 + 36),
        ("pool2", "pooling", (7, 7, 36), 0, 0),
        ("flatten", "flatten", (1764,), 0, 0),
        ("dense1", "dense", (128,), 128, 1764 * 128 + 128),
        ("logits", "logits", (10,), 10, 1290),
    ]


def test_pools_of_one_are_left_out_and_windows_that_do_not_fit_are_dropped() -> None:
    network = NetworkSettings(
        convolutions=(ConvolutionSettings(filters=2, pool_size=1), ConvolutionSettings(filters=3, pool_size=3)),
        dense=(),
    )
    shapes = {layer.name: layer.output_shape for layer in describe(build(network))}
    assert shapes == {
        "conv1": (28, 28, 2),
        "conv2": (28, 28, 3),
        "pool2": (9, 9, 3),
        "flatten": (243,),
        "logits": (10,),
    }


def test_a_model_that_is_only_an_activation_has_no_logits() -> None:
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Softmax(name="shares")])
    assert [(layer.name, layer.kind) for layer in describe(model)] == [("shares", "other")]


def test_without_any_hidden_layer_there_are_still_logits() -> None:
    model = build(NetworkSettings(convolutions=(), dense=()))
    assert [layer.name for layer in describe(model)] == ["flatten", "logits"]


def test_pooling_the_image_to_nothing_is_refused_by_layer() -> None:
    network = NetworkSettings(convolutions=(ConvolutionSettings(filters=1),) * 5, dense=())
    with pytest.raises(ComputationError, match="pool5"):
        build(network)


def test_initial_weights_are_glorot_uniform_and_a_function_of_the_seed() -> None:
    model = build()
    kernel = model.get_layer("dense1").kernel.numpy()
    limit = math.sqrt(6 / (1764 + 128))
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert not model.get_layer("dense1").bias.numpy().any()
    assert weights(build()) == weights(model)
    others = weights(build(seed=1))
    assert all((others[path] != value) == path.endswith("kernel") for path, value in weights(model).items())


def test_a_layers_initial_weights_do_not_depend_on_the_other_layers() -> None:
    alone = NetworkSettings(convolutions=(ConvolutionSettings(filters=16),), dense=())
    assert weights(build(alone))["conv1/kernel"] == weights(build())["conv1/kernel"]


def test_a_file_keeps_weights_and_optimizer(trained: keras.Model, trained_file: bytes) -> None:
    again = model_from_bytes(model_to_bytes(trained))
    assert weights(again) == weights(trained)
    kept, expected = again.optimizer.variables, trained.optimizer.variables
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(kept, expected, strict=True))
    assert int(again.optimizer.iterations.numpy()) == 300
    assert again.optimizer.epsilon == 1e-8


@pytest.mark.parametrize("position", [0.0, 0.05, 0.5, 0.95, 0.999])
def test_a_file_with_a_flipped_byte_or_a_cut_is_refused(trained_file: bytes, position: float) -> None:
    at = int(len(trained_file) * position)
    with pytest.raises(ModelFileError):
        model_from_bytes(trained_file[:at])
    flipped = bytearray(trained_file)
    flipped[at] ^= 0xFF
    with pytest.raises(ModelFileError):
        model_from_bytes(bytes(flipped))


def test_activations_are_those_asked_for() -> None:
    network = NetworkSettings(
        convolutions=(ConvolutionSettings(filters=1, activation="elu"),),
        dense=(DenseSettings(units=2, activation="tanh"), DenseSettings(units=2, activation="sigmoid")),
    )
    model = build(network)
    names = [model.get_layer(name).activation.__name__ for name in ("conv1", "dense1", "dense2", "logits")]
    assert names == ["elu", "tanh", "sigmoid", "linear"]
