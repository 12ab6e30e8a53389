"""A model with two layers of one name is refused: each would stand for the other."""

import keras
import pytest
from keras import layers

from convscope.worker.errors import ModelFileError
from convscope.worker.network import describe


def test_a_model_with_two_layers_of_one_name_is_not_described() -> None:
    values = image = keras.Input((6, 6, 1), name="image")
    for name in ("a", "b"):
        values = layers.Conv2D(2, 3, padding="same", name=name)(values)
    model = keras.Model(image, layers.Dense(2, name="scores")(layers.Flatten(name="flat")(values)))
    model.get_layer("b").name = "a"
    with pytest.raises(ModelFileError):
        describe(model)
