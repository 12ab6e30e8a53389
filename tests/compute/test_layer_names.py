"""Layers are addressed by name: each has a unique name that can be written down, or the model is refused."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras import layers

from compute.test_keras_files import configured
from convscope.engine.errors import ModelFileError
from convscope.engine.models.keras_config import check_config
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.network import describe

ODD = ["", "a b", "a\nb", "a\0b", "a'b", 'a"b', "a\\b", "ü", "50%", "a:b", "_a", "-a", "x" * 201]
FINE = ["conv_1-a.b", "a>b", "0", "..", "1.png", "x" * 200]


def network(*names: str) -> keras.Model:
    """Return a convolution of each name, one after another."""
    values = image = keras.Input((6, 6, 1), name="image")
    for name in names:
        values = layers.Conv2D(2, 3, padding="same", name=name)(values)
    return keras.Model(image, layers.Dense(2, name="scores")(layers.Flatten(name="flat")(values)))


def renamed(model: keras.Model, old: str, new: str) -> keras.Model:
    """Rename layers to what Keras would refuse in their constructors."""
    model.get_layer(old).name = new
    return model


def around(name: str, inner: keras.Model) -> keras.Model:
    inner.name = name
    image = keras.Input((6, 6, 1))
    return keras.Model(image, layers.Dense(2, name="last")(inner(image)))


@pytest.mark.parametrize("name", FINE)
def test_names_that_can_be_written_down_are_kept(name: str) -> None:
    loaded = model_from_bytes(model_to_bytes(network(name, "b")))
    assert [layer.name for layer in describe(loaded)] == [name, "b", "flat", "scores"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda name=name: network(name), "cannot have this name; a layer's name is of") for name in ODD),
        (lambda: renamed(network("a", "b"), "b", "a"), "layer 'a' is there twice"),
        (lambda: renamed(network("a", "b"), "b", "a/b"), "layer 'a/b' cannot have this name"),
        (lambda: renamed(network("a"), "flat", "fl at"), "layer 'fl at' cannot have this name"),
        (lambda: around("a\n", network("b")), r"layer 'a\\n/b' cannot have this name"),
        (lambda: around("x" * 100, network("y" * 100)), r"layer 'x{59}\.\.\. cannot have this name"),
    ],
)
def test_a_model_with_other_names_is_not_described(make: Callable[[], keras.Model], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        describe(make())


@pytest.mark.parametrize("name", [*ODD, "a/b", "\ud800", None, 3, ["a"]])
def test_a_file_with_other_names_is_refused_before_keras_sees_it(name: Any) -> None:
    def rename(config: Any) -> None:
        config["config"]["layers"][1]["config"]["name"] = name

    with pytest.raises(ModelFileError, match=r"layer .* name"):
        model_from_bytes(configured(model_to_bytes(network("a")), rename))


def test_a_file_with_a_name_twice_is_refused() -> None:
    def rename(config: Any) -> None:
        config["config"]["layers"][1]["config"]["layers"][2]["config"]["name"] = "flat"

    with pytest.raises(ModelFileError, match="'flat' is there twice"):
        model_from_bytes(configured(model_to_bytes(around("inner", network("a", "b"))), rename))


def test_each_call_of_a_layer_or_model_is_described() -> None:
    image = keras.Input((6, 6, 2), name="image")
    inner = keras.Sequential([layers.Conv2D(2, 1, name="c")], name="inner")
    shared = layers.Conv2D(2, 1, name="shared")
    values = layers.Flatten(name="flat")(shared(inner(inner(shared(image)))))
    loaded = model_from_bytes(model_to_bytes(keras.Model(image, layers.Dense(2, name="last")(values))))
    assert [(layer.name, layer.op, layer.inputs, layer.parameter_count) for layer in describe(loaded)] == [
        ("shared", "Conv2D", ("",), 6),
        ("inner/c", "Conv2D", ("shared",), 6),
        ("inner/c#2", "Conv2D", ("inner/c",), 0),
        ("shared#2", "Conv2D", ("inner/c#2",), 0),
        ("flat", "Flatten", ("shared#2",), 0),
        ("last", "Dense", ("flat",), 146),
    ]


def test_malformed_lists_of_layers_are_left_to_keras() -> None:
    config = json.loads(network("a").to_json())
    kinds: list[Any] = [None, 3, [3], [{"config": 3}], [{"config": {}}]]
    for malformed in kinds:
        config["config"]["layers"] = malformed
        check_config(config, 10**6)


@pytest.mark.parametrize(("name", "usable"), [("", True), ("my.model-1", True), ("my model", False), ("_model", False)])
def test_a_model_has_a_name_that_tensorflow_can_compute_under(name: str, *, usable: bool) -> None:
    model = network("a")
    model.name = name
    refusal = pytest.raises(ModelFileError, match=r"the model .* name '.+'")
    for look in (describe, lambda model: model_from_bytes(model_to_bytes(model))):
        with contextlib.nullcontext() if usable else refusal:
            look(model)


def test_an_input_may_be_called_anything() -> None:
    image = keras.Input((6, 6, 1), name="my input")
    model = keras.Model(image, layers.Dense(2, name="last")(layers.Flatten(name="flat")(image)))
    assert [layer.name for layer in describe(model_from_bytes(model_to_bytes(model)))] == ["flat", "last"]
