"""Checks of a Keras model's configuration: only data may be loaded, never code.

Keras makes objects of all classes that a file's configuration names, some of which run code from the file. So every
class in it must be on this list before Keras opens the file.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

from convscope.engine.errors import ModelFileError
from convscope.engine.models.layer_names import check_config_names

__all__ = ["LAYERS", "check_config"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS: Final = _names(
    """
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling2D BatchNormalization Concatenate Conv2D
    Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dropout ELU Flatten GaussianDropout GaussianNoise
    GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LeakyReLU
    MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute ReLU RepeatVector Rescaling Reshape
    SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
    """
)

_INITIALIZERS: Final = _names(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal
    RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
    """
)
_OPTIMIZERS: Final = _names("Adadelta Adagrad Adam AdamW Adamax Ftrl Lion Nadam RMSprop SGD")
_LOSSES: Final = _names(
    """
    BinaryCrossentropy CategoricalCrossentropy CategoricalHinge Hinge KLDivergence MeanAbsoluteError MeanSquaredError
    SparseCategoricalCrossentropy SquaredHinge
    """
)
_METRICS: Final = _names(
    """
    AUC Accuracy BinaryAccuracy CategoricalAccuracy F1Score Mean Precision Recall SparseCategoricalAccuracy
    SparseTopKCategoricalAccuracy TopKCategoricalAccuracy
    """
)

# The names that Keras may look up, by module.
_CLASSES: Final = {
    "keras": {"DTypePolicy", "Sequential"},
    "keras.src.models.functional": {"Functional"},
    "keras.layers": LAYERS,
    "keras.initializers": _INITIALIZERS,
    "keras.regularizers": {"L1", "L1L2", "L2"},
    "keras.constraints": {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"},
    "keras.optimizers": _OPTIMIZERS,
    "keras.losses": _LOSSES,
    "keras.metrics": _METRICS,
}

# The class name of a tensor between two layers in a configuration.
_TENSOR: Final = "__keras_tensor__"
# Bounds the nesting of a configuration; those of real models are less deep.
_DEEPEST: Final = 100


def check_config(config: Any, numbers: int) -> None:
    """Refuse a model's configuration unless all its classes are known.

    Args:
        config: as read from JSON.
        numbers: how many numbers the file's weights are; no layer can need more.

    Raises:
        ModelFileError: naming what is not allowed.
    """
    if not isinstance(config, dict) or config.get("class_name") not in {"Functional", "Sequential"}:
        raise ModelFileError("the model is neither a functional model nor a Sequential")
    for entry in _objects(config, 0):
        _check_class(entry)
        _check_size(entry, numbers)
        _check_names(entry)


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield every mapping inside a value that names a class, a module or a function."""
    if depth > _DEEPEST:
        raise ModelFileError(f"the model's configuration is nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        if {"class_name", "module", "registered_name", "fn", "function"} & value.keys():
            yield value
        for inner in value.values():
            yield from _objects(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, depth + 1)


def _check_class(entry: dict[str, Any]) -> None:
    module, name, registered = entry.get("module"), entry.get("class_name"), entry.get("registered_name")
    if name == _TENSOR and module is None and registered is None:
        return
    known = isinstance(module, str) and isinstance(name, str) and name in _CLASSES.get(module, ())
    if not known or registered not in {None, name}:
        layers = ", ".join(sorted(LAYERS))
        raise ModelFileError(f"the model has a {module}.{name}, which is not allowed; layers may be {layers}")


def _check_size(entry: dict[str, Any], numbers: int) -> None:
    """Refuse a layer with more weights than the file has, before Keras allocates memory for them."""
    config, built = entry.get("config"), entry.get("build_config")
    if entry.get("module") != "keras.layers" or not isinstance(config, dict):
        return
    channels = _sizes(built.get("input_shape") if isinstance(built, dict) else None)[-1:]
    least = _least_weights(config, channels[0] if channels else 1)
    if least > numbers:
        raise ModelFileError(f"layer {config.get('name')!r} needs {least} weights, and the file has {numbers} in all")


def _least_weights(config: dict[str, Any], channels: int) -> int:
    """Return a lower bound of the weights of a layer that reads ``channels`` channels; 0 without a kernel."""
    window, units, filters, multiplier, groups = (
        math.prod(_sizes(config.get(name)))
        for name in ("kernel_size", "units", "filters", "depth_multiplier", "groups")
    )
    if "depth_multiplier" in config:  # a depthwise kernel, and in separable convolutions then a pointwise one
        return channels * multiplier * max(window, filters)
    if not {"units", "filters"} & config.keys():
        return 0
    return channels * units * filters * window // max(groups, 1)


def _check_names(entry: dict[str, Any]) -> None:
    """Refuse invalid names of a model's layers except inputs; a value that is not a list is left to Keras."""
    config = entry.get("config")
    listed = config.get("layers") if isinstance(config, dict) else None
    layers = [layer for layer in listed if isinstance(layer, dict)] if isinstance(listed, list) else []
    configs = [layer.get("config") for layer in layers if layer.get("class_name") != "InputLayer"]
    check_config_names([config["name"] for config in configs if isinstance(config, dict) and "name" in config])


def _sizes(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [size for size in values if isinstance(size, int)]
