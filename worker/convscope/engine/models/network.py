"""Networks built as Keras models, and descriptions of models."""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import keras

from convscope.engine.errors import ComputationError
from convscope.engine.models.graph import IMAGE, Graph, Step
from convscope.engine.models.layer_names import check_layer_names, check_model_name
from convscope.engine.models.layers import has_features
from convscope.engine.runtime.randomness import seed31
from convscope.engine.runtime.threads import thread_count
from convscope.engine.settings import ConvolutionSettings, NetworkSettings
from convscope.planning import LayerShape

__all__ = ["LayerDescription", "LayerKind", "build_network", "describe", "describe_layers"]

LayerKind: TypeAlias = Literal["convolution", "pooling", "flatten", "dense", "logits", "other"]

POOLINGS: Final = (
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDescription(LayerShape):
    """One call of a layer of a model; the weights of a layer with several calls count for the first one.

    Attributes:
        op: name of the layer's class.
        inputs: names of the layers whose outputs it reads; ``""`` for the image.
        kind: of the layer.
    """

    op: str
    inputs: tuple[str, ...]
    kind: LayerKind


def build_network(
    settings: NetworkSettings, *, image_shape: tuple[int, int, int], classes: int, learning_rate: float, seed: int
) -> keras.Model:
    """Return a new network, compiled with Adam, whose output is the logits.

    Its input is float32 [n, *image_shape], 0 to 1. Kernels are Glorot-uniform, a function of ``seed``, the layer's name
    and its shape; biases are zero.

    Raises:
        ComputationError: if the poolings leave nothing of the image.
    """
    thread_count()  # before TensorFlow's first operation, which initializing is
    image = outputs = keras.Input(image_shape, name="image")
    for number, convolution in enumerate(settings.convolutions, 1):
        outputs = _convolve(outputs, convolution, number, seed)
    outputs = keras.layers.Flatten(name="flatten")(outputs)
    for number, dense in enumerate(settings.dense, 1):
        outputs = _dense(f"dense{number}", dense.units, dense.activation, seed)(outputs)
    model = keras.Model(image, _dense("logits", classes, "linear", seed)(outputs), name="classifier")
    compile_model(model, learning_rate)
    return model


def compile_model(model: keras.Model, learning_rate: float) -> None:
    """Compile a model with Adam (beta1 0.9, beta2 0.999, epsilon 1e-8, moments 0) and the loss to minimize."""
    optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8, name="adam")
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])


def describe(model: keras.Model) -> list[LayerDescription]:
    """Return a model's layers from input to output.

    Layers of nested models are called ``outer/inner``, later calls of a layer ``name#2``.

    Raises:
        ModelFileError: for a model that is not made of layers between one image and one output, or with invalid names
            (see ``layer_names``).
    """
    graph = Graph(model)
    check_model_name(model.name)
    check_layer_names(graph.steps)
    return describe_layers(graph)


def describe_layers(graph: Graph) -> list[LayerDescription]:
    """Return a graph's layers from input to output, whatever their names."""
    logits = _logits(graph)
    return [_describe(graph, step, is_logits=step is logits) for step in graph.steps]


def _convolve(inputs: keras.KerasTensor, settings: ConvolutionSettings, number: int, seed: int) -> keras.KerasTensor:
    name = f"conv{number}"
    outputs = keras.layers.Conv2D(
        settings.filters,
        settings.kernel_size,
        padding="same",
        activation=settings.activation,
        kernel_initializer=_glorot(name, seed),
        name=name,
    )(inputs)
    if settings.pool_size == 1:
        return outputs
    height, width = outputs.shape[1:3]
    if min(height, width) < settings.pool_size:
        raise ComputationError(
            f"nothing is left of the image: pool{number} takes windows of {settings.pool_size} x {settings.pool_size} "
            f"pixels, and conv{number} gives {height} x {width}"
        )
    return keras.layers.MaxPooling2D(settings.pool_size, padding="valid", name=f"pool{number}")(outputs)


def _dense(name: str, units: int, activation: str, seed: int) -> keras.layers.Layer:
    return keras.layers.Dense(units, activation=activation, kernel_initializer=_glorot(name, seed), name=name)


def _glorot(name: str, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(seed=seed31("weights", seed, name))


def _describe(graph: Graph, step: Step, *, is_logits: bool) -> LayerDescription:
    weights = getattr(step.layer, "trainable_weights", ()) if step.call == 1 else ()
    return LayerDescription(
        name=step.name,
        op=type(step.layer).__name__,
        inputs=tuple("" if value == IMAGE else graph.maker(value).name for value in step.reads),
        kind="logits" if is_logits else _kind(step.layer),
        output_shape=step.shape,
        feature_count=step.shape[-1] if has_features(step.layer) else 0,
        parameter_count=sum(math.prod(weight.shape) for weight in weights),
    )


def _kind(layer: keras.layers.Layer) -> LayerKind:
    if isinstance(layer, keras.layers.Dense):
        return "dense"
    if has_features(layer):
        return "convolution"
    if isinstance(layer, POOLINGS):
        return "pooling"
    return "flatten" if isinstance(layer, keras.layers.Flatten) else "other"


def _logits(graph: Graph) -> Step | None:
    """Return the dense layer that computes the output, possibly before an activation; None if there is none."""
    step = graph.output_step
    while isinstance(step.layer, keras.layers.Activation | keras.layers.Softmax) and step.reads[0] != IMAGE:
        step = graph.maker(step.reads[0])
    return step if isinstance(step.layer, keras.layers.Dense) else None
