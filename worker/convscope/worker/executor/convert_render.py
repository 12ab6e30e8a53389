"""Conversion of the contract's render settings to those of the engine."""

from typing import assert_never

from convscope import planning as settings
from convscope.v1.render_pb2 import Render

__all__ = ["render_settings"]


def render_settings(render: Render) -> settings.RenderSettings:
    """Convert a message of which every field is set."""
    return settings.RenderSettings(
        parameterization=_parameterization(render),
        decorrelate=render.decorrelate,
        transforms=settings.TransformSettings(
            pad=render.transforms.pad,
            jitter=render.transforms.jitter,
            scale=render.transforms.scale,
            rotate=render.transforms.rotate,
            noise=render.transforms.noise,
        ),
        regularizers=settings.RegularizerSettings(
            l1=render.regularizers.l1,
            l2=render.regularizers.l2,
            total_variation=render.regularizers.total_variation,
            blur=render.regularizers.blur,
        ),
        optimizer=_optimizer(render),
        rescue=render.rescue,
    )


def _parameterization(render: Render) -> settings.ParameterizationSettings:
    match render.WhichOneof("parameterization"):
        case "pixels":
            return settings.PixelSettings()
        case "fourier":
            return settings.FourierSettings(decay=render.fourier.decay, deviation=render.fourier.deviation)
        case None:
            raise ValueError("the render has no parameterization")
        case other:
            assert_never(other)


def _optimizer(render: Render) -> settings.OptimizerSettings:
    match render.WhichOneof("optimizer"):
        case "normalized":
            return settings.NormalizedStepSettings(size=render.normalized.size, decay=render.normalized.decay)
        case "adam":
            return settings.AdamSettings(learning_rate=render.adam.learning_rate)
        case None:
            raise ValueError("the render has no optimizer")
        case other:
            assert_never(other)
