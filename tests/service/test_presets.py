"""Presets are complete, and what a request sets comes in their place."""

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from convscope.service.validation.presets import merged, preset_render
from convscope.v1.render_pb2 import (
    AdamStep,
    Fourier,
    NormalizedStep,
    Pixels,
    Preset,
    Regularizers,
    Render,
    Transforms,
)

PRESETS = [Preset.PRESET_TUTORIAL, Preset.PRESET_ROBUST]


def unset(message: Message, path: str = "") -> list[str]:
    """Return the fields that are not set, of each oneof only if none is."""
    missing = []
    for field in message.DESCRIPTOR.fields:
        choice = field.containing_oneof
        if message.HasField(field.name):
            if field.message_type is not None:
                missing += unset(getattr(message, field.name), f"{path}{field.name}.")
        elif choice is None or message.WhichOneof(choice.name) is None:
            missing.append(path + field.name)
    return missing


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_every_field(preset: Preset.ValueType) -> None:
    render, iterations = preset_render(preset)
    assert unset(render) == []
    assert 1 <= iterations <= 10_000
    assert merged(preset, Render()) == render


def test_what_is_not_set_is_noticed() -> None:
    render, _ = preset_render(Preset.PRESET_ROBUST)
    render.fourier.ClearField("decay")
    render.ClearField("adam")
    assert unset(render) == ["fourier.decay", "normalized", "adam"]


def test_without_a_preset_it_is_the_tutorials() -> None:
    assert preset_render(Preset.PRESET_UNSPECIFIED) == preset_render(Preset.PRESET_TUTORIAL)
    assert preset_render(Preset.PRESET_TUTORIAL)[1] == 30


def test_a_preset_cannot_be_changed() -> None:
    preset_render(Preset.PRESET_ROBUST)[0].rescue = 999
    assert preset_render(Preset.PRESET_ROBUST)[0].rescue != 999


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(KeyError):
        preset_render(Preset.ValueType(77))


def test_fields_of_a_message_that_are_left_out_are_the_presets() -> None:
    preset, _ = preset_render(Preset.PRESET_ROBUST)
    render = merged(Preset.PRESET_ROBUST, Render(transforms=Transforms(jitter=0), fourier=Fourier(decay=2)))
    assert (render.transforms.jitter, render.fourier.decay) == (0, 2)
    render.transforms.jitter, render.fourier.decay = preset.transforms.jitter, preset.fourier.decay
    assert render == preset


def test_another_choice_comes_with_its_own_defaults() -> None:
    render = merged(Preset.PRESET_TUTORIAL, Render(fourier=Fourier(decay=2), adam=AdamStep()))
    assert (render.fourier.decay, render.fourier.deviation, render.adam.learning_rate) == (2, 0.01, 0.05)
    render = merged(Preset.PRESET_ROBUST, Render(pixels=Pixels(), normalized=NormalizedStep(decay=0.5)))
    assert (render.normalized.size, render.normalized.decay) == (1, 0.5)


def test_a_presets_setting_gives_way_where_it_would_contradict_the_request() -> None:
    assert merged(Preset.PRESET_TUTORIAL, Render(fourier=Fourier())).adam.learning_rate == 0.05
    assert not merged(Preset.PRESET_ROBUST, Render(pixels=Pixels())).decorrelate


def test_a_contradiction_within_the_request_is_kept_for_validation() -> None:
    render = merged(Preset.PRESET_ROBUST, Render(pixels=Pixels(), decorrelate=True))
    assert render.HasField("pixels")
    assert render.decorrelate
    render = merged(Preset.PRESET_ROBUST, Render(normalized=NormalizedStep()))
    assert render.HasField("fourier")
    assert render.HasField("normalized")


numbers = st.none() | st.floats(0, 1)
overrides = st.builds(
    Render,
    decorrelate=st.none() | st.booleans(),
    transforms=st.builds(Transforms, pad=numbers, jitter=numbers, scale=numbers, rotate=numbers, noise=numbers),
    regularizers=st.builds(Regularizers, l1=numbers, l2=numbers, total_variation=numbers, blur=numbers),
    rescue=st.none() | st.integers(0, 1000),
) | st.sampled_from(
    [
        Render(pixels=Pixels(), adam=AdamStep(learning_rate=3)),
        Render(fourier=Fourier(deviation=0.5), adam=AdamStep()),
        Render(pixels=Pixels(), normalized=NormalizedStep(size=2)),
    ]
)


@given(preset=st.sampled_from(PRESETS), render=overrides)
def test_whatever_is_set_is_kept_and_nothing_is_left_open(preset: Preset.ValueType, render: Render) -> None:
    complete = merged(preset, render)
    assert unset(complete) == []
    again = Render()
    again.CopyFrom(complete)
    again.MergeFrom(render)
    assert again == complete
    assert merged(preset, complete) == complete
