"""The engine as a library: its names, its weight, and what it does with arrays and models."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest

import convscope.engine
from convscope.engine import (
    ComputationError,
    Dataset,
    DatasetError,
    Direction,
    Diversity,
    EvaluateSettings,
    Feature,
    Image,
    Item,
    Layer,
    Neuron,
    Objective,
    TrainSettings,
    Visualizer,
    VisualizeSettings,
    evaluate,
    train,
    visualize,
)
from convscope.planning import LayerTarget, VisualizationRequest, plan_visualization

PUBLIC = """
    AdamSettings Checkpoints CheckpointError ComputationError ConvolutionSettings Dataset DatasetError DenseSettings
    Direction Diversity EngineError EvaluateSettings Evaluation Feature Image FourierSettings Interruption Item
    Layer LayerDescription Misclassified ModelFileError NetworkSettings Neuron NormalizedStepSettings Objective
    OptimizedImage PixelSettings ROBUST RegularizerSettings RenderSettings Split Spread Trace TrainOutcome TrainReport
    TrainSettings TransformSettings Verdict VisualizeSettings Visualizer configure_threads describe environment evaluate
    load_dataset model_from_bytes model_to_bytes state_to_bytes train visualize
"""

LOOK = VisualizeSettings(iterations=3)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Three classes of noise, in grey and without a channel."""
    generator = np.random.default_rng(3)
    images, labels = generator.integers(0, 256, (60, 12, 12), np.uint8), np.arange(60) % 3
    return Dataset.from_arrays((images[:40], labels[:40]), test=(images[40:], labels[40:].astype(np.int32)))


@pytest.fixture(scope="module")
def model(digits: Dataset, small_settings: TrainSettings) -> keras.Model:
    return train(digits, replace(small_settings, iterations=2)).model


def same(first: Image, other: Image) -> bool:
    return first.best.pixels.tobytes() == other.best.pixels.tobytes() and first.best.objective == other.best.objective


def test_public_names() -> None:
    assert sorted(convscope.engine.__all__) == sorted(PUBLIC.split())
    assert all(hasattr(convscope.engine, name) for name in PUBLIC.split())
    assert set(convscope.engine.__all__) <= set(dir(convscope.engine))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = convscope.engine.nothing


def test_names_that_need_no_tensorflow_do_not_load_it() -> None:
    program = """
import sys
from convscope.engine import EngineError, VisualizeSettings
assert not {"tensorflow", "keras", "sklearn", "redis", "google"} & set(sys.modules), sorted(sys.modules)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_arrays_go_in_and_figures_come_out(digits: Dataset, small_settings: TrainSettings) -> None:
    steps: list[int] = []
    outcome = train(digits, replace(small_settings, iterations=3), progress=lambda report: steps.append(report.step))
    assert (outcome.step, steps) == (3, [1, 3])
    assert (digits.image_shape, digits.classes) == ((12, 12, 1), ("0", "1", "2"))
    progress: list[tuple[int, int]] = []
    test = digits.test
    evaluation = evaluate(outcome.model, test.images, test.labels, progress=lambda *done: progress.append(done))
    assert progress == [(20, 20)]
    assert evaluation.confusion.shape == (3, 3)
    assert evaluation.accuracy == evaluation.correct / 20


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: TrainSettings(batch_size=0), "batch_size"),
        (lambda: TrainSettings(seed=-1), "seed"),
        (lambda: EvaluateSettings(max_errors=-1), "max_errors"),
        (lambda: VisualizeSettings(restarts=0), "restarts"),
        (lambda: VisualizeSettings(seed=2**64), "seed"),
    ],
)
def test_invalid_settings_are_refused(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be"):
        make()


IMAGES, LABELS = np.zeros((4, 6, 5, 1), np.uint8), np.zeros(4, np.int64)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: Dataset.from_arrays((IMAGES / 255, LABELS)), "uint8"),
        (lambda: Dataset.from_arrays((IMAGES[0, 0], LABELS)), "uint8"),
        (lambda: Dataset.from_arrays((IMAGES, LABELS[:3])), r"\[4\]"),
        (lambda: Dataset.from_arrays((IMAGES, LABELS / 2)), "integers"),
        (lambda: Dataset.from_arrays((IMAGES, LABELS - 1)), "-1"),
        (lambda: Dataset.from_arrays((IMAGES, LABELS + 2), classes=["a", "b"]), "2 classes"),
        (lambda: Dataset.from_arrays((IMAGES, LABELS), test=(IMAGES[:, 1:], LABELS)), "one shape"),
        (lambda: train(Dataset.from_arrays((IMAGES[:0], LABELS[:0]))), "train"),
        (lambda: train(Dataset.from_arrays((IMAGES, LABELS)), TrainSettings(validation_interval=1)), "validation"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(DatasetError, match=what):
        make()


def test_examples_that_do_not_fit_a_model_are_refused(model: keras.Model, digits: Dataset) -> None:
    with pytest.raises(DatasetError, match="no images"):
        evaluate(model, digits.validation.images, digits.validation.labels)
    with pytest.raises(DatasetError, match="uint8"):
        evaluate(model, digits.test.images / 255, digits.test.labels)  # type: ignore[arg-type]  # on purpose


def test_images_come_in_the_order_that_is_asked_for(model: keras.Model) -> None:
    reported: list[tuple[Item, int, int]] = []
    images = visualize(
        model,
        {"logits": None, "conv1": [2, 0, 2], "dense1": 5},
        LOOK,
        objectives={"mine": Feature("conv1", 1) + 0.5 * Layer("conv2")},
        progress=lambda image, number, total: reported.append((image.item, number, total)),
    )
    items = [*(Item("logits", feature) for feature in range(3)), Item("conv1", 0), Item("conv1", 2), Item("dense1", 5)]
    assert [image.item for image in images] == [*items, Item("mine", 0)]
    assert reported == [(image.item, number, 7) for number, image in enumerate(images, 1)]


def test_everything_is_the_default_and_objectives_stand_alone(model: keras.Model) -> None:
    once = replace(LOOK, iterations=1)
    items = {image.item for image in visualize(model, settings=once)}
    assert len(items) == 4 + 6 + 16 + 3
    only = visualize(model, settings=replace(once, restarts=2, keep_all=True), objectives=[Feature("logits", 1)])
    assert [image.item for image in only] == [Item("objectives[0]", 0, 0), Item("objectives[0]", 0, 1)]
    (named,) = visualize(model, "conv1", once, objectives=())[:1]
    assert named.item == Item("conv1", 0)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"layers": "conv9"}, "conv9"),
        ({"layers": ["conv1", "pool1"]}, "pool1"),
        ({"layers": {"conv1": 4}}, "no feature 4"),
        ({"objectives": {"conv1": Feature("logits", 0)}}, "layer's name"),
        ({"objectives": [Diversity("conv1") + Feature("conv1", 0)]}, "restarts"),
    ],
)
def test_what_a_model_lacks_is_named(model: keras.Model, arguments: dict[str, object], what: str) -> None:
    with pytest.raises(ComputationError, match=what):
        visualize(model, settings=LOOK, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("short", "long"),
    [
        (Feature("conv1", np.int64(1)), 1.0 * Feature("conv1", 1)),
        (Neuron("conv1", 1), Neuron("conv1", 1, 6, 6)),
        (Direction("logits", (0.1, 1, 0)), Direction("logits", (float(np.float32(0.1)), 1.0, 0.0))),
    ],
)
def test_an_objective_has_the_same_image_however_it_is_written(
    model: keras.Model, short: Objective, long: Objective
) -> None:
    first, other = visualize(model, settings=LOOK, objectives={"short": short, "long": long})
    assert same(first, other)


@pytest.mark.parametrize("restarts", [1, 7])
def test_chunks_are_those_that_are_planned(model: keras.Model, restarts: int) -> None:
    settings = replace(LOOK, restarts=restarts)
    visualizer, images = Visualizer(model), list[Image]()
    request = VisualizationRequest(
        layers=(LayerTarget(name="conv2", features=(4,)),), iterations=settings.iterations, restarts=restarts
    )
    (rows,) = plan_visualization(request, visualizer.layers).rows
    assert rows == {1: 3, 7: 11}[restarts]
    visualizer.run("conv2", [4], settings, rows=rows, ready=images.append)
    (image,) = visualize(model, {"conv2": 4}, settings)
    assert same(image, images[0])
