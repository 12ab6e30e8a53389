"""Specs of visualizations of the tutorial's network, every default filled in."""

from hypothesis import strategies as st

from convscope.planning import plan_visualization
from convscope.v1.feature_pb2 import Feature
from convscope.v1.models_pb2 import Layer
from convscope.v1.objective_pb2 import DiversityTerm, Objective, Term
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec

# The tutorial's network, and the sizes of what its layers put out.
LAYERS = [
    Layer(name="conv1", output_shape=[28, 28, 16], features=16, parameters=416),
    Layer(name="pool1", output_shape=[14, 14, 16]),
    Layer(name="conv2", output_shape=[14, 14, 36], features=36, parameters=14_436),
    Layer(name="pool2", output_shape=[7, 7, 36]),
    Layer(name="flatten", output_shape=[1764]),
    Layer(name="dense1", output_shape=[128], features=128, parameters=225_920),
    Layer(name="logits", output_shape=[10], features=10, parameters=1_290),
]
FEATURES = {layer.name: layer.features for layer in LAYERS if layer.features}


def select(name: str, features: list[int] | range | None = None) -> LayerSelection:
    return LayerSelection(name=name, list=FeatureList(indices=range(FEATURES[name]) if features is None else features))


def objective(*layers: str, name: str = "", diverse: bool = False) -> Objective:
    terms = [Term(feature=Feature(layer=layer, index=1)) for layer in layers]
    return Objective(name=name, terms=[*terms, *([Term(diversity=DiversityTerm(layer="conv1"))] if diverse else [])])


@st.composite
def specs(draw: st.DrawFn) -> VisualizeSpec:
    """Some features of some layers, and objectives; every default filled in."""
    names = draw(st.lists(st.sampled_from(sorted(FEATURES)), unique=True, max_size=4))
    chosen = [(name, draw(st.sets(st.integers(0, FEATURES[name] - 1), min_size=1))) for name in names]
    return VisualizeSpec(
        selections=[select(name, sorted(features)) for name, features in chosen],
        objectives=[objective("conv1", "dense1")] * draw(st.integers(0, 3)),
        iterations=draw(st.sampled_from([1, 30, 500, 10_000])),
        restarts=draw(st.sampled_from([1, 2, 3, 16, 50, 203])),
        keep=draw(st.sampled_from([Restarts.RESTARTS_BEST, Restarts.RESTARTS_ALL])),
    )


def rows(spec: VisualizeSpec) -> tuple[int, ...]:
    """Return the ascents in a chunk of each target."""
    return plan_visualization(spec, LAYERS).rows
