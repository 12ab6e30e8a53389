"""States of a training as bytes: restored in full, or refused."""

import hashlib
import io

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convscope.engine.data import Dataset
from convscope.engine.errors import ModelFileError
from convscope.engine.models.network import build_network
from convscope.engine.settings import ConvolutionSettings, DenseSettings, NetworkSettings, TrainSettings
from convscope.engine.training import restore_state, state_to_bytes, train

TINY = NetworkSettings(convolutions=(ConvolutionSettings(filters=2, kernel_size=2),), dense=(DenseSettings(units=3),))


def network(settings: NetworkSettings = TINY, seed: int = 0) -> keras.Model:
    return build_network(settings, image_shape=(8, 8, 1), classes=4, learning_rate=1e-3, seed=seed)


def values(model: keras.Model) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in [*model.variables, *model.optimizer.variables]]


MODEL = network()
STATE = state_to_bytes(network(seed=1))


def refused(data: bytes, match: str = "") -> None:
    before = values(MODEL)
    with pytest.raises(ModelFileError, match=match):
        restore_state(MODEL, data)
    assert values(MODEL) == before


def signed(content: bytes) -> bytes:
    return hashlib.sha256(content).digest() + content


def test_everything_that_training_changes_comes_back(mnist: Dataset, small_settings: TrainSettings) -> None:
    trained = train(mnist, small_settings).model
    fresh = build_network(small_settings.network, image_shape=(28, 28, 1), classes=10, learning_rate=0.5, seed=99)
    unlike = [mine != theirs for mine, theirs in zip(values(fresh), values(trained), strict=True)]
    assert all(unlike)
    restore_state(fresh, state_to_bytes(trained))
    assert values(fresh) == values(trained)


def test_equal_states_give_equal_bytes() -> None:
    assert state_to_bytes(network(seed=1)) == STATE
    assert state_to_bytes(network(seed=2)) != STATE


@given(st.integers(0, len(STATE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, change: int) -> None:
    damaged = bytearray(STATE)
    damaged[at] ^= change
    refused(bytes(damaged), "damaged or cut short")


@given(st.integers(0, len(STATE)), st.integers(0, len(STATE)), st.binary(max_size=50))
def test_lost_and_added_bytes_are_noticed(start: int, stop: int, inserted: bytes) -> None:
    damaged = STATE[:start] + inserted + STATE[stop:]
    assume(damaged != STATE)
    refused(damaged, "damaged or cut short")


@given(st.binary(max_size=200) | st.builds(lambda stop: STATE[32:stop], st.integers(32, len(STATE) - 1)))
def test_other_data_is_refused_whatever_its_checksum(content: bytes) -> None:
    refused(signed(content), "not an archive of arrays")


def test_an_archive_of_objects_is_refused() -> None:
    archive = io.BytesIO()
    np.savez(archive, model0=np.array([{}], dtype=object))
    refused(signed(archive.getvalue()), "not an archive of arrays")


def test_a_single_array_is_refused() -> None:
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    refused(signed(single.getvalue()), "not an archive of arrays")


def test_another_number_of_layers_is_refused() -> None:
    other = network(NetworkSettings(convolutions=TINY.convolutions, dense=()))
    refused(state_to_bytes(other), "it has 14 variables, the model 20")


def test_another_shape_is_refused_by_the_variables_name() -> None:
    other = network(NetworkSettings(convolutions=TINY.convolutions, dense=(DenseSettings(units=5),)))
    refused(state_to_bytes(other), r"dense1/kernel is float32 \[32, 3\], not float32 \[32, 5\]")


def test_another_type_is_refused_by_the_variables_name() -> None:
    archive = io.BytesIO()
    with np.load(io.BytesIO(STATE[32:])) as arrays:
        np.savez(archive, **{**arrays, "model1": arrays["model1"].astype(np.float64)})
    refused(signed(archive.getvalue()), r"conv1/bias is float32 \[2\], not float64 \[2\]")
