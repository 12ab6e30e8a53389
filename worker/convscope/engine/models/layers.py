"""The parts of a layer: its linear function of the input, the bias, the activation."""

from typing import Any, Final, TypeAlias

import keras
import tensorflow as tf

__all__ = [
    "FEATURE_LAYERS",
    "FeatureLayer",
    "activation_of",
    "biased",
    "has_features",
    "is_activation",
    "kernel_of",
    "linear",
]

FeatureLayer: TypeAlias = (
    keras.layers.Conv2D
    | keras.layers.Conv2DTranspose
    | keras.layers.DepthwiseConv2D
    | keras.layers.SeparableConv2D
    | keras.layers.Dense
)

# Layers whose output channels are features.
FEATURE_LAYERS: Final = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)

# Layers that only apply an activation.
ACTIVATIONS: Final = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)


def is_activation(layer: Any) -> bool:
    """Return whether a layer only applies an activation."""
    return isinstance(layer, ACTIVATIONS)


def has_features(layer: Any) -> bool:
    """Return whether a layer's output channels are features that can be visualized."""
    return isinstance(layer, FEATURE_LAYERS)


def kernel_of(layer: FeatureLayer) -> Any:
    """Return the weights whose last axis (of depthwise layers, last two axes) are the layer's output channels."""
    return layer.pointwise_kernel if isinstance(layer, keras.layers.SeparableConv2D) else layer.kernel


def linear(layer: FeatureLayer, inputs: Any, kernel: Any) -> Any:
    """Compute a layer without bias and activation, with another kernel (see ``kernel_of``)."""
    inputs, kernel = (tf.cast(tensor, layer.compute_dtype) for tensor in (inputs, kernel))
    if isinstance(layer, keras.layers.SeparableConv2D):
        kernels = (tf.cast(layer.depthwise_kernel, layer.compute_dtype), kernel)
        return keras.ops.separable_conv(inputs, *kernels, **_placing(layer), dilation_rate=layer.dilation_rate)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return keras.ops.depthwise_conv(inputs, kernel, **_placing(layer), dilation_rate=layer.dilation_rate)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        more = {"output_padding": layer.output_padding, "dilation_rate": layer.dilation_rate}
        return keras.ops.conv_transpose(inputs, kernel, **_placing(layer), **more)
    if isinstance(layer, keras.layers.Dense):
        return keras.ops.matmul(inputs, kernel)
    return layer.convolution_op(inputs, kernel)


def biased(layer: FeatureLayer, outputs: Any) -> Any:
    """Return a layer's output before the activation, given its linear part: add the bias, if it has one."""
    return tf.nn.bias_add(outputs, tf.cast(layer.bias, outputs.dtype)) if layer.use_bias else outputs


def activation_of(layer: Any) -> Any:
    """Return the activation function that a layer applies last; None if it has none."""
    activation = getattr(layer, "activation", None)
    return None if activation is keras.activations.linear else activation


def _placing(layer: Any) -> dict[str, Any]:
    strides = layer.strides if isinstance(layer.strides, int) else tuple(layer.strides)
    return {"strides": strides, "padding": layer.padding, "data_format": layer.data_format}
