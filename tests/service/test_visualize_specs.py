"""Visualization specs: whatever is right is completed, and every single fault is refused by the name of its field."""

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.service.errors import InvalidRequestError
from convscope.v1.feature_pb2 import Feature
from convscope.v1.objective_pb2 import (
    DirectionTerm,
    DiversityTerm,
    LayerTerm,
    NeuronTerm,
    Objective,
    Tap,
    Term,
)
from convscope.v1.render_pb2 import AdamStep, Fourier, NormalizedStep, Pixels, Preset, Regularizers, Render, Transforms
from convscope.v1.visualize_pb2 import LayerSelection, Restarts, VisualizeSpec
from support.visualize_specs import checked, specs

CONV2 = Feature(layer="conv2")
FEATURE = Term(feature=Feature(layer="conv2", index=3))
DIVERSITY = Term(diversity=DiversityTerm(layer="conv2"))


def refused(spec: VisualizeSpec, **settings: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        checked(spec, **settings)
    violations = caught.value.violations
    return {violation.field.removeprefix("job.spec.visualize."): violation.description for violation in violations}


def complete(spec: VisualizeSpec) -> None:
    """Check that every default is filled in."""
    render = spec.render
    assert spec.preset
    assert spec.keep
    assert spec.HasField("iterations")
    assert spec.HasField("restarts")
    assert spec.selections or spec.objectives
    for selection in spec.selections:
        assert selection.name
        assert list(selection.list.indices) == sorted(set(selection.list.indices))
    assert render.HasField("decorrelate")
    assert render.HasField("rescue")
    chosen = [render.WhichOneof("parameterization"), render.WhichOneof("optimizer")]
    assert None not in chosen
    for part in ("transforms", "regularizers", *(choice for choice in chosen if choice)):
        message = getattr(render, part)
        assert all(message.HasField(field.name) for field in message.DESCRIPTOR.fields)
    for objective in spec.objectives:
        assert objective.name
        for term in objective.terms:
            assert term.HasField("weight")
            assert bool(term.tap) != term.HasField("diversity")
            if term.HasField("neuron"):
                assert term.neuron.HasField("row")
                assert term.neuron.HasField("column")


@settings(max_examples=150, deadline=None)
@given(data=st.data(), channels=st.sampled_from([1, 3]))
def test_what_is_right_is_completed_once(data: st.DataObject, channels: int) -> None:
    spec = data.draw(specs(channels))
    completed = checked(spec, channels=channels)
    complete(completed)
    assert checked(completed, channels=channels) == completed


@settings(max_examples=60, deadline=None)
@given(spec=specs())
def test_what_was_asked_for_stays(spec: VisualizeSpec) -> None:
    completed = checked(spec)
    optional: tuple[Literal["iterations", "restarts"], ...] = ("iterations", "restarts")
    for name in optional:
        if spec.HasField(name):
            assert getattr(completed, name) == getattr(spec, name)
    assert (completed.seed, completed.trace, completed.recompute) == (spec.seed, spec.trace, spec.recompute)
    merged = Render()
    merged.CopyFrom(completed.render)
    merged.MergeFrom(spec.render)
    assert merged == completed.render


def test_the_default_is_the_tutorial() -> None:
    completed = checked(VisualizeSpec())
    assert [selection.name for selection in completed.selections] == ["conv1", "conv2", "dense1", "logits"]
    assert (completed.iterations, completed.restarts, completed.keep) == (30, 1, Restarts.RESTARTS_BEST)
    assert completed.preset == Preset.PRESET_TUTORIAL
    assert completed.render.HasField("pixels")
    assert (completed.render.normalized.size, completed.render.normalized.decay, completed.render.rescue) == (1, 1, 0)


def test_objectives_alone_are_all() -> None:
    completed = checked(VisualizeSpec(objectives=[Objective(terms=[FEATURE]), Objective(name="b", terms=[FEATURE])]))
    assert not completed.selections
    assert [objective.name for objective in completed.objectives] == ["objectives[0]", "b"]
    assert completed.objectives[0].terms[0].tap == Tap.TAP_PRE_ACTIVATION
    assert completed.objectives[0].terms[0].weight == 1


def test_an_objective_may_have_the_name_that_it_has_by_default() -> None:
    spec = VisualizeSpec(objectives=[Objective(terms=[FEATURE]), Objective(name="objectives[1]", terms=[FEATURE])])
    assert [objective.name for objective in checked(spec).objectives] == ["objectives[0]", "objectives[1]"]


def test_a_neuron_is_in_the_middle() -> None:
    completed = checked(VisualizeSpec(objectives=[Objective(terms=[Term(neuron=NeuronTerm(feature=CONV2))])]))
    neuron = completed.objectives[0].terms[0].neuron
    assert (neuron.row, neuron.column) == (7, 6)


def test_colours_are_decorrelated_where_there_are_some() -> None:
    robust = VisualizeSpec(preset=Preset.PRESET_ROBUST)
    assert checked(robust, channels=3).render.decorrelate
    assert not checked(robust, channels=1).render.decorrelate
    pixels = VisualizeSpec(preset=Preset.PRESET_ROBUST, render=Render(pixels=Pixels()))
    assert not checked(pixels, channels=3).render.decorrelate


def test_traces_go_with_the_best_restart() -> None:
    assert checked(VisualizeSpec(trace=True, restarts=5)).trace


def term(**fields: Any) -> VisualizeSpec:
    return VisualizeSpec(objectives=[Objective(terms=[FEATURE]), Objective(terms=[FEATURE, Term(**fields)])])


def render(**fields: Any) -> VisualizeSpec:
    return VisualizeSpec(render=Render(**fields))


def direction(*vector: float) -> VisualizeSpec:
    return term(direction=DirectionTerm(layer="logits", vector=vector))


def diverse(restarts: int, *terms: Term) -> VisualizeSpec:
    return VisualizeSpec(restarts=restarts, objectives=[Objective(terms=terms)])


def named(*names: str) -> VisualizeSpec:
    return VisualizeSpec(objectives=[Objective(name=name, terms=[FEATURE]) for name in names])


TERM = "objectives[1].terms[1]"
NAN, INF = math.nan, math.inf

FAULTS: list[tuple[VisualizeSpec, str, str]] = [
    (VisualizeSpec(iterations=0), "iterations", "must be 1 to 10,000, not 0"),
    (VisualizeSpec(iterations=10_001), "iterations", "must be 1 to 10,000"),
    (VisualizeSpec(restarts=0), "restarts", "must be 1 to 1,000, not 0"),
    (VisualizeSpec(restarts=1_001), "restarts", "must be 1 to 1,000, not 1,001"),
    (VisualizeSpec(keep=3), "keep", "unknown value 3; allowed: RESTARTS_BEST, RESTARTS_ALL"),  # type: ignore[arg-type]
    (VisualizeSpec(preset=9), "preset", "unknown value 9; allowed: PRESET_TUTORIAL, PRESET_ROBUST"),  # type: ignore[arg-type]
    (VisualizeSpec(selections=[LayerSelection(name="pool1")]), "selections[0].name", "has no features"),
    (VisualizeSpec(selections=[LayerSelection(name="dropout")]), "selections[0].name", "with features: conv1, conv2"),
    (VisualizeSpec(selections=[LayerSelection(name="x")] * 10_001), "selections", "at most 10,000 items, not 10,001"),
    (VisualizeSpec(objectives=[Objective()]), "objectives[0].terms", "must have 1 to 16 items, not 0"),
    (
        VisualizeSpec(objectives=[Objective(terms=[FEATURE] * 17)]),
        "objectives[0].terms",
        "must have 1 to 16 items, not 17",
    ),
    (VisualizeSpec(objectives=[Objective(terms=[FEATURE])] * 1_001), "objectives", "at most 1,000 items, not 1,001"),
    (named("a", "b", "a"), "objectives[2].name", "'a' is objectives[0]'s name already"),
    (named("conv1"), "objectives[0].name", "'conv1' is a layer's name already"),
    (named("pool1"), "objectives[0].name", "'pool1' is a layer's name already"),
    (named("a b"), "objectives[0].name", "letters, digits, '_', '-' and '.', and not dots alone, not 'a b'"),
    (named(".."), "objectives[0].name", "not dots alone, not '..'"),
    (named("x" * 65), "objectives[0].name", "at most 64 characters, not 65"),
    (named("a", "objectives[0]"), "objectives[1].name", "'objectives[0]' is the default name of another objective"),
    (named("objectives[1]", "b"), "objectives[0].name", "'objectives[1]' is the default name of another objective"),
    (named("objectives[01]"), "objectives[0].name", "not dots alone, not 'objectives[01]'"),
    (term(weight=0, layer=LayerTerm(layer="conv1")), f"{TERM}.weight", "must be 1e-06 to 1,000,000"),
    (term(weight=NAN, layer=LayerTerm(layer="conv1")), f"{TERM}.weight", "not nan"),
    (term(weight=-INF, layer=LayerTerm(layer="conv1")), f"{TERM}.weight", "not -inf"),
    (term(tap=3, layer=LayerTerm(layer="conv1")), f"{TERM}.tap", "allowed: TAP_PRE_ACTIVATION, TAP_POST_ACTIVATION"),
    (term(), f"{TERM}.what", "is required: one of feature, neuron, layer, direction, diversity"),
    (term(layer=LayerTerm(layer="pool1")), f"{TERM}.layer.layer", "'pool1' has no features;"),
    (term(layer=LayerTerm()), f"{TERM}.layer.layer", "is required"),
    (term(feature=Feature(layer="conv9")), f"{TERM}.feature.layer", "allowed: conv1, conv2, dense1, logits"),
    (term(feature=Feature(layer="conv2", index=6)), f"{TERM}.feature.index", "must be 0 to 5, not 6"),
    (term(feature=Feature(layer="conv2", index=-1)), f"{TERM}.feature.index", "must be at least 0, not -1"),
    (
        term(neuron=NeuronTerm(feature=Feature(layer="dense1"))),
        f"{TERM}.neuron.feature.layer",
        "'dense1' is not a convolution; allowed: conv1",
    ),
    (
        term(neuron=NeuronTerm(feature=Feature(layer="conv2", index=6))),
        f"{TERM}.neuron.feature.index",
        "must be 0 to 5, not 6",
    ),
    (term(neuron=NeuronTerm(feature=CONV2, row=14)), f"{TERM}.neuron.row", "must be 0 to 13, not 14"),
    (term(neuron=NeuronTerm(feature=CONV2, column=13)), f"{TERM}.neuron.column", "must be 0 to 12, not 13"),
    (term(neuron=NeuronTerm(feature=CONV2, row=-1)), f"{TERM}.neuron.row", "must be at least 0, not -1"),
    (direction(), f"{TERM}.direction.vector", "must have 3 components, one for each feature of logits, not 0"),
    (direction(1, 2), f"{TERM}.direction.vector", "not 2"),
    (direction(0, 0, 0), f"{TERM}.direction.vector", "largest component of at least 1e-06"),
    (direction(1, NAN, 0), f"{TERM}.direction.vector[1]", "must be -1,000,000 to 1,000,000, not nan"),
    (direction(1, 0, -INF), f"{TERM}.direction.vector[2]", "must be -1,000,000 to 1,000,000, not -inf"),
    (direction(1, 1e7, 0), f"{TERM}.direction.vector[1]", "not 10,000,000"),
    (direction(0, -9e-7, 0), f"{TERM}.direction.vector", "largest component of at least 1e-06"),
    (diverse(1, FEATURE, DIVERSITY), "restarts", "must be 2 to 16 for an objective with diversity, objectives[0]"),
    (diverse(17, FEATURE, DIVERSITY), "restarts", "not 17"),
    (
        VisualizeSpec(objectives=[Objective(terms=terms) for terms in ([FEATURE], *[[FEATURE, DIVERSITY]] * 2)]),
        "restarts",
        "must be 2 to 16 for an objective with diversity, objectives[1], not 1",
    ),
    (diverse(4, DIVERSITY), "objectives[0].terms", "must have more than diversity"),
    (
        diverse(4, FEATURE, Term(diversity=DiversityTerm(layer="logits"))),
        "objectives[0].terms[1].diversity.layer",
        "'logits' is not a convolution",
    ),
    (
        diverse(4, FEATURE, Term(diversity=DiversityTerm(layer="conv1"), tap=Tap.TAP_POST_ACTIVATION)),
        "objectives[0].terms[1].tap",
        "must not be set for diversity",
    ),
    (render(fourier=Fourier(), normalized=NormalizedStep()), "render.normalized", "Fourier coefficients; set pixels"),
    (render(decorrelate=True, fourier=Fourier()), "render.decorrelate", "needs images with 3 channels"),
    (render(fourier=Fourier(decay=4.5)), "render.fourier.decay", "must be 0 to 4, not 4.5"),
    (render(fourier=Fourier(deviation=0)), "render.fourier.deviation", "greater than 0 and at most 10, not 0"),
    (render(transforms=Transforms(pad=0.6)), "render.transforms.pad", "must be 0 to 0.5"),
    (render(transforms=Transforms(jitter=-0.1)), "render.transforms.jitter", "must be 0 to 0.5, not -0.1"),
    (render(transforms=Transforms(scale=1)), "render.transforms.scale", "must be 0 to 0.9"),
    (render(transforms=Transforms(rotate=NAN)), "render.transforms.rotate", "must be 0 to 180, not nan"),
    (render(transforms=Transforms(noise=INF)), "render.transforms.noise", "must be 0 to 1, not inf"),
    (render(regularizers=Regularizers(l1=-1)), "render.regularizers.l1", "must be 0 to 1,000,000"),
    (render(regularizers=Regularizers(l2=INF)), "render.regularizers.l2", "not inf"),
    (render(regularizers=Regularizers(total_variation=NAN)), "render.regularizers.total_variation", "not nan"),
    (render(regularizers=Regularizers(blur=2e6)), "render.regularizers.blur", "not 2,000,000"),
    (render(normalized=NormalizedStep(size=0)), "render.normalized.size", "greater than 0 and at most 1,000"),
    (render(normalized=NormalizedStep(decay=1.1)), "render.normalized.decay", "greater than 0 and at most 1, not 1.1"),
    (render(adam=AdamStep(learning_rate=NAN)), "render.adam.learning_rate", "at most 1,000, not nan"),
    (render(rescue=-1), "render.rescue", "must be 0 to 1,000, not -1"),
    (render(rescue=1_001), "render.rescue", "must be 0 to 1,000"),
]


@pytest.mark.parametrize(("spec", "field", "expected"), FAULTS, ids=[field for _, field, _ in FAULTS])
def test_every_fault_is_refused_by_name(spec: VisualizeSpec, field: str, expected: str) -> None:
    faults = refused(spec)
    assert list(faults) == [field]
    assert expected in faults[field]


@pytest.mark.parametrize("largest", [1e-6, -1e-6, 1e6])
def test_a_direction_may_have_the_shortest_and_the_longest_length(largest: float) -> None:
    """Although the float32 nearest to 1e-6 is below it."""
    assert checked(direction(0, largest, 0))


def test_decorrelation_needs_fourier() -> None:
    faults = refused(VisualizeSpec(render=Render(decorrelate=True)), channels=3)
    assert "needs a Fourier parameterization" in faults["render.decorrelate"]


def test_a_preset_is_named_in_what_contradicts_it() -> None:
    spec = VisualizeSpec(preset=Preset.PRESET_ROBUST, render=Render(normalized=NormalizedStep()))
    assert "of PRESET_ROBUST" in refused(spec)["render.normalized"]


BREAKS: list[tuple[str, Callable[[VisualizeSpec], Any]]] = [
    ("iterations", lambda spec: setattr(spec, "iterations", 0)),
    ("restarts", lambda spec: setattr(spec, "restarts", 1_001)),
    ("keep", lambda spec: setattr(spec, "keep", 7)),
    ("preset", lambda spec: setattr(spec, "preset", 7)),
    ("selections", lambda spec: spec.selections.add(name="pool1")),
    ("objectives", lambda spec: spec.objectives.add(name="*")),
    ("render.rescue", lambda spec: setattr(spec.render, "rescue", -1)),
    ("render.transforms.noise", lambda spec: setattr(spec.render.transforms, "noise", NAN)),
    ("render.regularizers.blur", lambda spec: setattr(spec.render.regularizers, "blur", -INF)),
    ("render.decorrelate", lambda spec: setattr(spec.render, "decorrelate", True)),
]


@settings(max_examples=80, deadline=None)
@given(spec=specs(), fault=st.sampled_from(BREAKS))
def test_one_fault_spoils_any_spec(spec: VisualizeSpec, fault: tuple[str, Callable[[VisualizeSpec], Any]]) -> None:
    field, spoil = fault
    spoil(spec)
    faults = refused(spec)
    named = [faulty for faulty in faults if faulty.startswith(field)]
    assert named
    assert len(named) == len(faults) or (field, set(faults) - set(named)) == ("restarts", {"restarts"})


def test_frames_are_not_measured_by_the_iterations_of_an_unknown_preset() -> None:
    assert list(refused(VisualizeSpec(preset=7, frames=2))) == ["preset"]  # type: ignore[arg-type]


def test_what_costs_too_much_is_refused() -> None:
    assert "(CONVSCOPE_MAX_COST)" in refused(VisualizeSpec(iterations=10_000), max_cost=1)["iterations"]
    faults = refused(VisualizeSpec(iterations=10_000, restarts=1_000), max_cost=120)
    assert "more than the 2 minutes that are allowed" in faults["restarts"]
    assert checked(VisualizeSpec(iterations=10_000))


@pytest.mark.parametrize(
    ("spec", "channels", "expected"),
    [
        (VisualizeSpec(frames=-1), 1, "must be 0 to 256"),
        (VisualizeSpec(frames=32), 1, "must be at most 31"),
        (VisualizeSpec(iterations=10_000, frames=257), 1, "must be 0 to 256"),
        (VisualizeSpec(iterations=300, frames=200), 1000, "must be at most 38 for images of this size"),
    ],
)
def test_invalid_frames(spec: VisualizeSpec, channels: int, expected: str) -> None:
    faults = refused(spec, channels=channels)
    assert expected in faults.pop("frames")
    assert not faults


def test_there_may_be_a_frame_for_each_iteration_and_the_start() -> None:
    assert checked(VisualizeSpec(frames=31)).frames == 31
    assert checked(VisualizeSpec(iterations=255, frames=256)).frames == 256
    assert checked(VisualizeSpec(iterations=300, frames=38), channels=1000).frames == 38
