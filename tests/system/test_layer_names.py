"""A model whose layers have names that may be taken for files, folders, numbers or options, from end to end."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from convscope.client import Client
from support.placed_models import place
from support.stack import Stack

NAMES = ["..", ".", "1.png", "index.json", "a>b", "0", "x" * 200]


def network() -> keras.Model:
    values = image = keras.Input((6, 6, 1), name="image")
    for name in NAMES:
        values = layers.Conv2D(1, 3, padding="same", name=name)(values)
    return keras.Model(image, layers.Dense(10, name="scores")(layers.Flatten()(values)))


# Keras 3 asks TensorFlow's variables for arrays in the manner of NumPy 1.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_layers_with_confusing_names_are_visualized_listed_fetched_and_exported(stack: Stack, tmp_path: Path) -> None:
    model = place(stack, network())
    with Client(stack.address) as client:
        assert [layer.name for layer in client.model(model.name).layers if layer.feature_count] == [*NAMES, "scores"]
        job = client.visualize(model.name, dict.fromkeys(NAMES), iterations=2)
        result = job.result()
        assert list(result.layers) == NAMES
        for name in NAMES:
            pixels = result.layer(name).best.pixels[0]
            (listed,) = client.visualizations.list(job, name)
            for image in (listed, client.visualizations.get(job, name)):
                np.testing.assert_array_equal(image.best.pixels, pixels)
        for kind in ("png", "npz"):
            folder = client.visualizations.export(job, tmp_path / kind, format=kind)
            index = json.loads((folder / "index.json").read_text())
            assert [entry["layer"] for entry in index["images"]] == NAMES
            places = {(entry["file"], entry.get("array")) for entry in index["images"]}
            assert len(places) == len(NAMES)
            assert all((folder / file).is_file() for file, _ in places)
        with np.load(folder / "images.npz") as arrays:
            for entry in index["images"]:
                expected = result.layer(entry["layer"]).best.pixels[0]
                np.testing.assert_array_equal(arrays[entry["array"]][entry["row"]], expected)
