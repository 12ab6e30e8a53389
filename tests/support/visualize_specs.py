"""Valid visualization specs, for tests of what becomes of them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from convscope.service.validation.checks import Checks
from convscope.service.validation.visualize import check_visualize
from convscope.v1.feature_pb2 import Feature
from convscope.v1.models_pb2 import Interpretation, Layer, LayerKind, Model, ModelInput
from convscope.v1.objective_pb2 import (
    DirectionTerm,
    DiversityTerm,
    LayerTerm,
    NeuronTerm,
    Objective,
    Tap,
    Term,
)
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
from convscope.v1.rules import fill_defaults, violations
from convscope.v1.visualize_pb2 import FeatureList, FeatureRange, LayerSelection, Restarts, VisualizeSpec

CONVOLUTION, DENSE = LayerKind.LAYER_KIND_CONVOLUTION, LayerKind.LAYER_KIND_DENSE

LAYERS = (
    Layer(name="conv1", kind=CONVOLUTION, output_shape=[28, 28, 4], feature_count=4, parameter_count=104),
    Layer(name="pool1", kind=LayerKind.LAYER_KIND_POOLING, output_shape=[14, 14, 4]),
    Layer(name="conv2", kind=CONVOLUTION, output_shape=[14, 13, 6], feature_count=6, parameter_count=606),
    Layer(name="flatten", kind=LayerKind.LAYER_KIND_FLATTEN, output_shape=[1092]),
    Layer(name="dense1", kind=DENSE, output_shape=[5], feature_count=5, parameter_count=5465),
    Layer(name="dropout", kind=LayerKind.LAYER_KIND_OTHER, output_shape=[5]),
    Layer(name="logits", kind=LayerKind.LAYER_KIND_LOGITS, output_shape=[3], feature_count=3, parameter_count=18),
)
FEATURES = {layer.name: layer.feature_count for layer in LAYERS if layer.feature_count}
MAPS = {layer.name: tuple(layer.output_shape) for layer in LAYERS if layer.kind == CONVOLUTION}


def model(channels: int = 1) -> Model:
    """Return a network of two convolutions, a dense layer and three classes."""
    interpretation = Interpretation(input=ModelInput(shape=[28, 28, channels]))
    return Model(name="models/m", interpretation=interpretation, layers=LAYERS)


def checked(spec: VisualizeSpec, *, channels: int = 1, max_cost: float = 1e12) -> VisualizeSpec:
    """Return the spec as it would be stored.

    Raises:
        InvalidRequestError: if there is anything wrong with it.
    """
    complete = VisualizeSpec()
    complete.CopyFrom(spec)
    complete.model = "models/m"
    checks = Checks("job.spec.visualize", violations(complete, "job.spec.visualize"))
    fill_defaults(complete)
    check_visualize(complete, model(channels), max_cost, checks)
    checks.finish()
    return complete


def maybe(values: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    return st.none() | values


def reals(low: float, high: float, *, above: bool = False) -> st.SearchStrategy[float | None]:
    return maybe(st.floats(low, high, exclude_min=above))


def features(layer: str) -> st.SearchStrategy[int]:
    return st.integers(0, FEATURES[layer] - 1)


@st.composite
def selections(draw: st.DrawFn) -> LayerSelection:
    """Draw a layer by name or by index, with all features, some, or a range."""
    name = draw(st.sampled_from(list(FEATURES)))
    selection = LayerSelection(name=name)
    if name in MAPS and draw(st.booleans()):
        selection = LayerSelection(convolution=list(MAPS).index(name))
    match draw(st.sampled_from(["all", "list", "range"])):
        case "list":
            selection.list.CopyFrom(FeatureList(indices=draw(st.lists(features(name), min_size=1, max_size=5))))
        case "range":
            start = draw(features(name))
            stop = draw(st.integers(start + 1, FEATURES[name]))
            selection.range.CopyFrom(FeatureRange(start=start, stop=stop))
    return selection


magnitudes = st.floats(1e-6, 1e6) | st.floats(-1e6, -1e-6)


@st.composite
def directions(draw: st.DrawFn) -> DirectionTerm:
    name = draw(st.sampled_from(list(FEATURES)))
    size = FEATURES[name]
    vector = draw(st.lists(st.floats(-1e6, 1e6, width=32), min_size=size, max_size=size))
    vector[draw(st.integers(0, size - 1))] = draw(st.floats(0.5, 1e6, width=32))
    return DirectionTerm(layer=name, vector=vector)


@st.composite
def neurons(draw: st.DrawFn) -> NeuronTerm:
    name = draw(st.sampled_from(list(MAPS)))
    height, width, channels = MAPS[name]
    return NeuronTerm(
        feature=Feature(layer=name, index=draw(st.integers(0, channels - 1))),
        row=draw(st.none() | st.integers(0, height - 1)),
        column=draw(st.none() | st.integers(0, width - 1)),
    )


@st.composite
def single_features(draw: st.DrawFn) -> Feature:
    name = draw(st.sampled_from(list(FEATURES)))
    return Feature(layer=name, index=draw(features(name)))


@st.composite
def terms(draw: st.DrawFn) -> Term:
    """Draw any term but diversity."""
    term = Term(weight=draw(st.none() | magnitudes), tap=draw(st.sampled_from(Tap.values())))
    match draw(st.sampled_from(["feature", "neuron", "layer", "direction"])):
        case "feature":
            term.feature.CopyFrom(draw(single_features()))
        case "neuron":
            term.neuron.CopyFrom(draw(neurons()))
        case "layer":
            term.layer.CopyFrom(LayerTerm(layer=draw(st.sampled_from(list(FEATURES)))))
        case "direction":
            term.direction.CopyFrom(draw(directions()))
    return term


@st.composite
def objectives(draw: st.DrawFn, names: Sequence[str], restarts: int) -> list[Objective]:
    """Draw some objectives with different names or none; with diversity where there are restarts for it."""
    drawn = [Objective(name=name, terms=draw(st.lists(terms(), min_size=1, max_size=4))) for name in names]
    for objective in drawn:
        if 2 <= restarts <= 16 and draw(st.booleans()):
            diversity = DiversityTerm(layer=draw(st.sampled_from(list(MAPS))))
            objective.terms.append(Term(weight=draw(st.none() | magnitudes), diversity=diversity))
    return drawn


@st.composite
def renders(draw: st.DrawFn, preset: Preset.ValueType, channels: int) -> Render:
    """Draw settings that go together."""
    render = Render(rescue=draw(st.none() | st.integers(0, 1000)))
    fourier = preset == Preset.PRESET_ROBUST
    match draw(st.sampled_from(["preset", "pixels", "fourier"])):
        case "pixels":
            render.pixels.CopyFrom(Pixels())
            fourier = False
        case "fourier":
            render.fourier.CopyFrom(Fourier(decay=draw(reals(0, 4)), deviation=draw(reals(0, 10, above=True))))
            fourier = True
    match draw(st.sampled_from(["preset", "normalized", "adam"])):
        case "normalized" if not fourier:
            steps = NormalizedStep(size=draw(reals(0, 1000, above=True)), decay=draw(reals(0, 1, above=True)))
            render.normalized.CopyFrom(steps)
        case "adam":
            render.adam.CopyFrom(AdamStep(learning_rate=draw(reals(0, 1000, above=True))))
    if draw(st.booleans()):
        render.decorrelate = draw(st.booleans()) and fourier and channels == 3
    if draw(st.booleans()):
        shares = {name: draw(reals(0, 0.5)) for name in ("pad", "jitter")}
        render.transforms.CopyFrom(
            Transforms(**shares, scale=draw(reals(0, 0.9)), rotate=draw(reals(0, 180)), noise=draw(reals(0, 1)))
        )
    if draw(st.booleans()):
        weights = {name: draw(reals(0, 1e6)) for name in ("l1", "l2", "total_variation", "blur")}
        render.regularizers.CopyFrom(Regularizers(**weights))
    return render


names = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True).filter(
    lambda name: name not in {layer.name for layer in LAYERS} and name.strip(".")
)


@st.composite
def specs(draw: st.DrawFn, channels: int = 1) -> VisualizeSpec:
    """Draw a whole spec with any of its fields left out."""
    preset = draw(st.sampled_from(Preset.values()))
    restarts = draw(st.none() | st.integers(1, 1000) | st.integers(1, 16))
    called = draw(st.lists(names | st.just(""), max_size=3, unique_by=lambda name: name or object()))
    spec = VisualizeSpec(
        model="models/m",
        selections=draw(st.lists(selections(), max_size=3)),
        iterations=draw(st.none() | st.integers(1, 10_000)),
        seed=draw(st.integers(0, 2**64 - 1)),
        trace=draw(st.booleans()),
        frames=draw(st.integers(0, 2)),
        objectives=draw(objectives(called, restarts or 1)),
        preset=preset,
        restarts=restarts,
        keep=draw(st.sampled_from(Restarts.values())),
        recompute=draw(st.booleans()),
    )
    if draw(st.booleans()):
        spec.render.CopyFrom(draw(renders(preset, channels)))
    return spec
