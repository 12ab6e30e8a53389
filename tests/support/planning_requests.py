"""Visualizations of the tutorial's network, as planning knows them."""

from collections.abc import Iterable

from hypothesis import strategies as st

from convscope.planning import LayerShape, LayerTarget, ObjectiveTarget, VisualizationRequest, plan_visualization

# The tutorial's network, and the sizes of what its layers put out.
LAYERS = [
    LayerShape(name="conv1", output_shape=(28, 28, 16), feature_count=16, parameter_count=416),
    LayerShape(name="pool1", output_shape=(14, 14, 16)),
    LayerShape(name="conv2", output_shape=(14, 14, 36), feature_count=36, parameter_count=14_436),
    LayerShape(name="pool2", output_shape=(7, 7, 36)),
    LayerShape(name="flatten", output_shape=(1764,)),
    LayerShape(name="dense1", output_shape=(128,), feature_count=128, parameter_count=225_920),
    LayerShape(name="logits", output_shape=(10,), feature_count=10, parameter_count=1_290),
]
FEATURES = {layer.name: layer.feature_count for layer in LAYERS if layer.feature_count}


def select(name: str, features: Iterable[int] | None = None) -> LayerTarget:
    return LayerTarget(name=name, features=tuple(range(FEATURES[name]) if features is None else features))


def objective(*layers: str, name: str = "objectives[0]", diverse: bool = False) -> ObjectiveTarget:
    return ObjectiveTarget(
        name=name,
        layers=(*layers, *(["conv1"] if diverse else [])),
        divisible=not diverse,
        content=repr(layers).encode(),
    )


@st.composite
def requests(draw: st.DrawFn) -> VisualizationRequest:
    """Draw some features of some layers, and objectives."""
    names = draw(st.lists(st.sampled_from(sorted(FEATURES)), unique=True, max_size=4))
    chosen = [(name, draw(st.sets(st.integers(0, FEATURES[name] - 1), min_size=1))) for name in names]
    objectives = [objective("conv1", "dense1", name=f"objectives[{index}]") for index in range(draw(st.integers(0, 3)))]
    return VisualizationRequest(
        layers=tuple(select(name, sorted(features)) for name, features in chosen),
        objectives=tuple(objectives),
        iterations=draw(st.sampled_from([1, 30, 500, 10_000])),
        restarts=draw(st.sampled_from([1, 2, 3, 16, 50, 203])),
        keep_all=draw(st.booleans()),
    )


def rows(request: VisualizationRequest) -> tuple[int, ...]:
    """Return the ascents in a chunk of each target."""
    return plan_visualization(request, LAYERS).rows
