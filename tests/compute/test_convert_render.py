"""Render settings of the contract reach the computing code, every field in its place."""

import dataclasses
from typing import Any

import pytest

from convscope.planning import ROBUST, TUTORIAL
from convscope.service.validation.presets import preset_render
from convscope.v1.render_pb2 import AdamStep, Fourier, NormalizedStep, Pixels, Preset, Regularizers, Render, Transforms
from convscope.worker.executor.convert_render import render_settings

SHARED = Render(
    decorrelate=True,
    transforms=Transforms(pad=0.1, jitter=0.2, scale=0.3, rotate=4, noise=0.5),
    regularizers=Regularizers(l1=6, l2=7, total_variation=8, blur=9),
    rescue=10,
)
SHARED_FIELDS = {
    "decorrelate": True,
    "transforms": {"pad": 0.1, "jitter": 0.2, "scale": 0.3, "rotate": 4, "noise": 0.5},
    "regularizers": {"l1": 6, "l2": 7, "total_variation": 8, "blur": 9},
    "rescue": 10,
}


def with_shared(**choices: Any) -> Render:
    render = Render(**choices)
    render.MergeFrom(SHARED)
    return render


@pytest.mark.parametrize(
    ("render", "parameterization", "optimizer"),
    [
        (
            with_shared(fourier=Fourier(decay=1.5, deviation=0.2), adam=AdamStep(learning_rate=0.3)),
            {"decay": 1.5, "deviation": 0.2},
            {"learning_rate": 0.3},
        ),
        (with_shared(pixels=Pixels(), normalized=NormalizedStep(size=2, decay=0.5)), {}, {"size": 2, "decay": 0.5}),
    ],
)
def test_every_field(render: Render, parameterization: dict[str, float], optimizer: dict[str, float]) -> None:
    converted = dataclasses.asdict(render_settings(render))
    assert converted == {**SHARED_FIELDS, "parameterization": parameterization, "optimizer": optimizer}


def test_presets_arrive() -> None:
    assert render_settings(preset_render(Preset.PRESET_TUTORIAL)[0]) == TUTORIAL
    assert render_settings(preset_render(Preset.PRESET_ROBUST)[0]) == ROBUST


@pytest.mark.parametrize("render", [Render(adam=AdamStep()), Render(pixels=Pixels())])
def test_an_incomplete_message_is_refused(render: Render) -> None:
    with pytest.raises(ValueError, match="the render has no"):
        render_settings(render)
