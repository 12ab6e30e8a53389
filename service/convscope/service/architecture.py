"""Shapes, features and parameters of a network's layers, and its interpretation, computed without TensorFlow."""

from collections.abc import Iterator, Sequence
from math import prod

from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.models_pb2 import Interpretation, Layer, LayerKind, ModelHead, ModelInput
from convscope.v1.train_pb2 import Network

__all__ = ["ShrunkToNothingError", "describe_network", "interpret"]

# The last layer of every network that is trained here.
LOGITS = "logits"


class ShrunkToNothingError(ValueError):
    """A pooling leaves no pixel.

    Attributes:
        index: which of the network's convolutions, from 0.
    """

    def __init__(self, index: int, height: int, width: int, pool: int) -> None:
        super().__init__(f"shrinks the image to nothing: {height}x{width} pixels cannot be pooled by {pool}")
        self.index = index


def describe_network(network: Network, image_shape: Sequence[int], classes: int) -> list[Layer]:
    """Return the layers of a network.

    Args:
        network: convolutions and hidden dense layers, with defaults filled in.
        image_shape: height and width in pixels, and channels, of the input.
        classes: number of classes.

    Raises:
        ShrunkToNothingError: if a pooling leaves no pixel.
    """
    layers = list(_convolutional(network, image_shape))
    size = prod(layers[-1].output_shape if layers else image_shape)
    layers.append(Layer(name="flatten", op="Flatten", kind=LayerKind.LAYER_KIND_FLATTEN, output_shape=[size]))
    for number, dense in enumerate(network.dense, start=1):
        layers.append(_dense(f"dense{number}", LayerKind.LAYER_KIND_DENSE, size, dense.units))
        size = dense.units
    layers.append(_dense(LOGITS, LayerKind.LAYER_KIND_LOGITS, size, classes))
    before = ""  # the image
    for layer in layers:
        layer.inputs.append(before)
        before = layer.name
    return layers


def interpret(dataset: Dataset) -> Interpretation:
    """Return the interpretation of a network trained on a dataset: its input has the dataset's values, 0 to 1."""
    return Interpretation(
        input=ModelInput(shape=dataset.image_shape, black=0.0, white=1.0),
        head=ModelHead(kind=ModelHead.KIND_LOGITS, layer=LOGITS),
        classes=dataset.classes,
    )


def _convolutional(network: Network, image_shape: Sequence[int]) -> Iterator[Layer]:
    height, width, channels = image_shape
    for number, convolution in enumerate(network.convolutions, start=1):
        kernel, filters, pool = convolution.kernel_size, convolution.filters, convolution.pool_size
        yield Layer(
            name=f"conv{number}",
            op="Conv2D",
            kind=LayerKind.LAYER_KIND_CONVOLUTION,
            output_shape=[height, width, filters],
            feature_count=filters,
            parameter_count=kernel * kernel * channels * filters + filters,
        )
        channels = filters
        if pool == 1:
            continue
        if min(height, width) < pool:
            raise ShrunkToNothingError(number - 1, height, width, pool)
        height, width = height // pool, width // pool
        yield Layer(
            name=f"pool{number}",
            op="MaxPooling2D",
            kind=LayerKind.LAYER_KIND_POOLING,
            output_shape=[height, width, channels],
        )


def _dense(name: str, kind: LayerKind.ValueType, inputs: int, units: int) -> Layer:
    return Layer(
        name=name,
        op="Dense",
        kind=kind,
        output_shape=[units],
        feature_count=units,
        parameter_count=inputs * units + units,
    )
