"""Keras files that hold more than layers and weights are refused before Keras sees them."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.engine.errors import ModelFileError
from convscope.engine.models.keras_config import LAYERS, check_config
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.network import build_network
from convscope.engine.settings import TUTORIAL


def small() -> keras.Model:
    image = keras.Input((6, 6, 2), name="image")
    flat = keras.layers.Flatten(name="flat")(keras.layers.Conv2D(3, 3, activation="relu6", name="conv")(image))
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="classes")(flat))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module")
def file() -> bytes:
    return model_to_bytes(small())


def rewritten(file: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return the file with one member changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(file)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            new.writestr(member, change(data) if member == name else data)
    return buffer.getvalue()


def configured(file: bytes, change: Callable[[Any], None]) -> bytes:
    def apply(data: bytes) -> bytes:
        config = json.loads(data)
        change(config)
        return json.dumps(config).encode()

    return rewritten(file, "config.json", apply)


def weighted(file: bytes, change: Callable[[h5py.File], None]) -> bytes:
    def apply(data: bytes) -> bytes:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as weights:
            change(weights)
        return buffer.getvalue()

    return rewritten(file, "model.weights.h5", apply)


def test_what_is_rewritten_without_a_change_loads(file: bytes) -> None:
    for same in (configured(file, lambda _: None), weighted(file, lambda _: None)):
        model = model_from_bytes(same)
        assert [layer.name for layer in model.layers] == ["image", "conv", "flat", "classes"]


def test_a_lambda_is_refused() -> None:
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Lambda(abs)(image))))
    with pytest.raises(ModelFileError, match=r"keras\.layers\.Lambda.* Activation, "):
        model_from_bytes(model_to_bytes(model))


@pytest.mark.parametrize(
    "smuggled",
    [
        {"module": "builtins", "class_name": "eval", "config": "1"},
        {"module": "builtins", "class_name": "function", "config": "print", "registered_name": "function"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "evil>Dense", "config": {}},
        {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}},
        {"class_name": "__lambda__", "config": {"value": ["4wEA"]}},
        {"class_name": "__keras_tensor__", "module": "os", "config": {}},
        {"class_name": ["Dense"], "module": "keras.layers"},
        {"module": "keras.layers"},
    ],
)
def test_a_class_that_is_not_on_the_list_is_refused_wherever_it_is(file: bytes, smuggled: dict[str, Any]) -> None:
    def in_a_layer(config: Any) -> None:
        config["config"]["layers"][1]["config"]["activation"] = smuggled

    def when_compiling(config: Any) -> None:
        config["compile_config"]["metrics"] = [[smuggled]]

    for change in (in_a_layer, when_compiling):
        with pytest.raises(ModelFileError, match="not allowed"):
            model_from_bytes(configured(file, change))


def test_a_layer_larger_than_the_weights_is_refused(file: bytes) -> None:
    def grow(config: Any) -> None:
        config["config"]["layers"][3]["config"]["units"] = 10**9

    with pytest.raises(ModelFileError, match=r"'classes' needs .* weights"):
        model_from_bytes(configured(file, grow))


def test_a_multiplier_larger_than_the_weights_is_refused() -> None:
    def grow(config: Any) -> None:
        config["config"]["layers"][1]["config"]["depth_multiplier"] = 10**9

    image = keras.Input((4, 4, 2))
    values = keras.layers.DepthwiseConv2D(3, name="deep")(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(values)))
    with pytest.raises(ModelFileError, match="'deep' needs 18000000000 weights"):
        model_from_bytes(configured(model_to_bytes(model), grow))


def test_a_separable_convolution_has_less_weights_than_a_full_one() -> None:
    image = keras.Input((6, 6, 32))
    values = keras.layers.SeparableConv2D(32, 5, name="apart")(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(values)))
    assert model_from_bytes(model_to_bytes(model)).get_layer("apart").pointwise_kernel.shape == (1, 1, 32, 32)


def external(weights: h5py.File) -> None:
    weights["evil"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(weights: h5py.File) -> None:
    weights["evil"] = h5py.SoftLink("/layers")


def doubling(weights: h5py.File) -> None:
    """Write sixty groups that are more than can ever be walked through."""
    group = weights.create_group("evil")
    for _ in range(60):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner


def huge(weights: h5py.File) -> None:
    weights.create_dataset("evil", shape=(2**40,), dtype=np.float32)


def packed(weights: h5py.File) -> None:
    weights.create_dataset("evil", data=np.zeros(2**20, np.float32), chunks=(2**16,), compression="gzip")


def outside(weights: h5py.File) -> None:
    weights.create_dataset("evil", shape=(4,), dtype=np.uint8, external=[("/etc/passwd", 0, 4)])


def text(weights: h5py.File) -> None:
    weights.create_dataset("evil", data="text")


@pytest.mark.parametrize("change", [external, soft, doubling, huge, packed, outside, text])
def test_weights_other_than_plain_arrays_are_refused(file: bytes, change: Callable[[h5py.File], None]) -> None:
    with pytest.raises(ModelFileError, match="weights"):
        model_from_bytes(weighted(file, change))


def test_members_that_do_not_belong_or_burst_are_refused(file: bytes) -> None:
    more = io.BytesIO(file)
    with zipfile.ZipFile(more, "a") as archive:
        archive.writestr("assets/../../evil", b"")
    with pytest.raises(ModelFileError, match="members"):
        model_from_bytes(more.getvalue())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("config.json", "metadata.json"):
            archive.writestr(name, b"{}")
        archive.writestr("model.weights.h5", bytes(2**24))
    with pytest.raises(ModelFileError, match="packed"):
        model_from_bytes(bomb.getvalue())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(sorted(LAYERS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_name", "module", "config", "layers", "registered_name"]), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_configuration_is_refused_with_a_reason(config: Any) -> None:
    with pytest.raises(ModelFileError, match="not allowed"):
        check_config({"class_name": "Functional", "module": "keras", "config": config}, 10)


def test_equal_models_give_equal_files() -> None:
    def build() -> keras.Model:
        return build_network(TUTORIAL, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=3)

    models = [build(), build()]  # both alive: what Keras names by its address has two of them
    first, second = map(model_to_bytes, models)
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert list(json.loads(archive.read("metadata.json"))) == ["keras_version"]
    assert all(map(np.array_equal, model_from_bytes(first).get_weights(), models[0].get_weights()))
