"""Specs of visualizations, as planning knows them."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from convscope.planning import LayerShape, LayerTarget
from convscope.store import cached_interpretation, layer_shapes, visualization_request
from convscope.v1.feature_pb2 import Feature
from convscope.v1.models_pb2 import Interpretation, Layer, ModelHead, ModelInput
from convscope.v1.objective_pb2 import (
    DirectionTerm,
    DiversityTerm,
    LayerTerm,
    NeuronTerm,
    Objective,
    Term,
)
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec

TERMS = [
    Term(feature=Feature(layer="a")),
    Term(neuron=NeuronTerm(feature=Feature(layer="b"))),
    Term(layer=LayerTerm(layer="c")),
    Term(direction=DirectionTerm(layer="d")),
]


@given(st.lists(st.integers(0, 100), min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_features_does_not_matter(features: list[int], random: Random) -> None:
    mixed = features * 2
    random.shuffle(mixed)
    spec = VisualizeSpec(selections=[LayerSelection(name="conv1", list=FeatureList(indices=mixed))])
    assert visualization_request(spec).layers == (LayerTarget(name="conv1", features=tuple(sorted(set(features)))),)


def test_a_spec_that_does_not_say_asks_for_one_restart_and_the_best() -> None:
    request = visualization_request(VisualizeSpec(iterations=7))
    assert (request.iterations, request.restarts, request.keep_all) == (7, 1, False)
    request = visualization_request(VisualizeSpec(restarts=5, keep=Restarts.RESTARTS_ALL))
    assert (request.restarts, request.keep_all) == (5, True)


def test_an_objective_looks_at_the_layers_of_its_terms() -> None:
    spec = VisualizeSpec(objectives=[Objective(terms=TERMS), Objective(name="mine", terms=TERMS[:1])])
    first, second = visualization_request(spec).objectives
    assert (first.name, first.layers, first.divisible) == ("objectives[0]", ("a", "b", "c", "d"), True)
    assert (second.name, second.layers) == ("mine", ("a",))
    assert first.content != second.content


def test_diverse_restarts_stay_together() -> None:
    spec = VisualizeSpec(objectives=[Objective(terms=[*TERMS, Term(diversity=DiversityTerm(layer="e"))])])
    (objective,) = visualization_request(spec).objectives
    assert not objective.divisible
    assert objective.layers[-1] == "e"


def test_layers_keep_their_sizes() -> None:
    layers = [
        Layer(name="conv1", output_shape=[28, 28, 16], feature_count=16, parameter_count=416),
        Layer(name="flatten"),
    ]
    assert layer_shapes(layers) == [
        LayerShape(name="conv1", output_shape=(28, 28, 16), feature_count=16, parameter_count=416),
        LayerShape(name="flatten", output_shape=()),
    ]


def test_images_depend_on_how_a_model_is_understood_but_not_on_names() -> None:
    base = Interpretation(input=ModelInput(shape=[28, 28, 1], white=1), head=ModelHead(layer="logits"), classes=["a"])
    renamed, scaled = Interpretation(), Interpretation()
    for other in (renamed, scaled):
        other.CopyFrom(base)
    renamed.classes[0] = "b"
    scaled.input.white = 255
    assert cached_interpretation(renamed) == cached_interpretation(base) != cached_interpretation(scaled)
