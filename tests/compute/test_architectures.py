"""Models of one architecture share what is compiled; others never do."""

import contextlib
import copy
import hashlib
import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.engine.errors import ModelFileError
from convscope.engine.evaluation.classification import Classifier
from convscope.engine.models.architecture import WITH_CONSTANTS, architecture_key
from convscope.engine.models.keras_config import LAYERS
from convscope.engine.models.keras_files import KerasFile, model_from_bytes, model_to_bytes
from convscope.engine.models.model_file import ModelFile
from convscope.engine.models.network import build_network
from convscope.engine.runtime.caches import Caches
from convscope.engine.settings import TUTORIAL

SIDE = 6
# Settings that layers cannot do without.
NEEDED: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "tanh"},
    "AlphaDropout": {"rate": 0.5},
    "AveragePooling2D": {"pool_size": 2},
    "Conv2D": {"filters": 3, "kernel_size": 3, "padding": "same"},
    "Conv2DTranspose": {"filters": 3, "kernel_size": 3},
    "Dense": {"units": 3},
    "DepthwiseConv2D": {"kernel_size": 3, "padding": "same"},
    "Dropout": {"rate": 0.5},
    "GaussianDropout": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "GroupNormalization": {"groups": 3},
    "Permute": {"dims": (2, 1, 3)},
    "RepeatVector": {"n": 2},
    "Rescaling": {"scale": 0.5},
    "Reshape": {"target_shape": (-1, 3)},
    "SeparableConv2D": {"filters": 3, "kernel_size": 3},
    "SpatialDropout2D": {"rate": 0.5},
}
IMAGES = np.random.default_rng(0).random((4, SIDE, SIDE, 3), np.float32)


def made(name: str) -> keras.layers.Layer:
    layer: keras.layers.Layer = getattr(layers, name)(**NEEDED.get(name, {}))
    return layer


def with_layers(*names: str) -> keras.Model:
    """Return a model that has layers of some classes, one after the other."""
    image = outputs = keras.Input((SIDE, SIDE, 3))
    for name in names:
        outputs = made(name)(outputs)
    return keras.Model(image, layers.Dense(5)(layers.Flatten()(outputs)))


def weighted() -> list[str]:
    """Return the allowed layers that have weights."""
    built = [(name, made(name)) for name in sorted(LAYERS - {"InputLayer"})]
    for _, layer in built:
        with contextlib.suppress(ValueError, TypeError, IndexError):  # of layers for several inputs or other shapes
            layer.build((None, SIDE, SIDE, 3))
    return [name for name, layer in built if layer.trainable_weights or isinstance(layer, layers.Normalization)]


def with_weights(model: keras.Model, seed: int) -> bytes:
    """Return the model's file after all its weights were changed."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(random.uniform(0.2, 1, variable.shape))
    return model_to_bytes(model)


def opened(data: bytes, caches: Caches) -> ModelFile:
    return ModelFile(hashlib.sha256(data).hexdigest(), lambda: data, caches)


def predicted(model: ModelFile) -> list[float]:
    probabilities: list[float] = model.shared(Classifier)(IMAGES)[1].tolist()
    return probabilities


def check_sharing(model: keras.Model) -> None:
    files = [with_weights(model, seed) for seed in (1, 2)]
    fresh = [Classifier(model_from_bytes(data))(IMAGES)[1].tolist() for data in files]
    assert fresh[0] != fresh[1]
    caches = Caches()
    first, second = (opened(data, caches) for data in files)
    assert [predicted(first), predicted(second)] == fresh
    assert [predicted(first), predicted(second)] == fresh, "also when one after the other is asked again"
    caches.clear()
    assert [predicted(second), predicted(first)] == fresh[::-1]


def test_models_have_their_own_weights_in_every_layer_whatever_is_kept() -> None:
    names = set(weighted())
    assert {"BatchNormalization", "Conv2D", "Dense", "Normalization", "PReLU"} <= names
    check_sharing(with_layers(*sorted(names - WITH_CONSTANTS)))
    for name in WITH_CONSTANTS:
        check_sharing(with_layers(name))


def config_of(model: keras.Model) -> Any:
    return KerasFile(model_to_bytes(model)).config


def tutorial(learning_rate: float = 1e-3, seed: int = 0) -> keras.Model:
    return build_network(TUTORIAL, image_shape=(28, 28, 1), classes=10, learning_rate=learning_rate, seed=seed)


def test_neither_seed_nor_training_is_part_of_the_architecture() -> None:
    first, other = config_of(tutorial()), config_of(tutorial(learning_rate=0.5, seed=9))
    assert first != other
    assert architecture_key(first, "a") == architecture_key(other, "b")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything in a configuration that holds nothing else."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not inner:
        yield path
    for name, content in inner:
        yield from leaves(content, (*path, name))


def test_everything_else_in_a_configuration_is() -> None:
    config = config_of(tutorial())
    key, different = architecture_key(config, ""), set[str]()
    for path in leaves(config):
        if "compile_config" in path or any(str(name).endswith("_initializer") for name in path):
            continue
        changed = copy.deepcopy(config)
        *above, last = path
        at = changed
        for name in above:
            at = at[name]
        at[last] = "changed"
        different.add(architecture_key(changed, ""))
    assert key not in different
    assert len(different) > 100


def test_a_file_whose_weights_are_not_those_of_its_architecture_harms_no_other() -> None:
    model = with_layers("Conv2D")
    good, other = with_weights(model, 1), with_weights(with_layers("Dense"), 2)
    caches = Caches()
    before = predicted(opened(good, caches))
    bad = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(good)) as mine,
        zipfile.ZipFile(BytesIO(other)) as its,
        zipfile.ZipFile(bad, "w") as to,
    ):
        for name in mine.namelist():
            to.writestr(name, (its if name.endswith(".h5") else mine).read(name))
    with pytest.raises(ModelFileError):
        predicted(opened(bad.getvalue(), caches))
    assert predicted(opened(good, caches)) == before


def test_a_file_is_read_only_when_nothing_is_kept_of_it() -> None:
    data, reads, caches = with_weights(with_layers("Dense"), 1), list[int](), Caches()

    def read() -> bytes:
        reads.append(1)
        return data

    for _ in range(3):
        predicted(ModelFile("digest", read, caches))
    assert len(reads) == 1
    caches.trim(0)
    predicted(ModelFile("digest", read, caches))
    assert len(reads) == 2


def test_sizes_grow_with_what_is_kept() -> None:
    caches = Caches()
    data = model_to_bytes(tutorial())
    predicted_bytes = 4 * sum(int(tf.size(variable.value)) for variable in tutorial().trainable_variables)
    opened(data, caches).shared(Classifier)
    first = caches.size_bytes
    assert first >= 2 * predicted_bytes
    opened(model_to_bytes(tutorial(seed=1)), caches).shared(Classifier)
    assert predicted_bytes <= caches.size_bytes - first < 2 * predicted_bytes, "the other model is weights only"


def test_configurations_are_compared_whatever_the_order_of_their_names() -> None:
    config = config_of(tutorial())
    turned = json.loads(json.dumps(config, sort_keys=True))
    assert architecture_key(config, "") == architecture_key(turned, "")
