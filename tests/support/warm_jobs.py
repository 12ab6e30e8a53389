"""A job of every kind that the engine computes, small, and the digest of what comes out."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache
from typing import Any, Final

import numpy as np

from convscope.engine.data import load_dataset
from convscope.engine.evaluation.evaluation import evaluate
from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
from convscope.engine.models.model_file import ModelFile
from convscope.engine.models.network import build_network
from convscope.engine.runtime.caches import Caches
from convscope.engine.settings import (
    ConvolutionSettings,
    DenseSettings,
    EvaluateSettings,
    NetworkSettings,
    TrainSettings,
    VisualizeSettings,
)
from convscope.engine.training import train
from convscope.engine.visualization import Diversity, Feature, Image, Visualizer
from convscope.planning import (
    AdamSettings,
    FourierSettings,
    RegularizerSettings,
    RenderSettings,
    TransformSettings,
)

__all__ = [
    "KINDS",
    "LOOK",
    "TRAINING",
    "every_kind_cold",
    "every_kind_warm",
    "in_a_child",
    "opened",
    "small_file",
    "train_digest",
]

NETWORK: Final = NetworkSettings(
    convolutions=(ConvolutionSettings(filters=4, kernel_size=3), ConvolutionSettings(filters=6, kernel_size=3)),
    dense=(DenseSettings(units=16),),
)
TRAINING: Final = TrainSettings(network=NETWORK, batch_size=32, iterations=12, report_interval=5, validation_interval=8)
ROBUST: Final = RenderSettings(
    parameterization=FourierSettings(),
    transforms=TransformSettings(jitter=0.1, rotate=5, noise=0.1),
    regularizers=RegularizerSettings(total_variation=0.1),
    optimizer=AdamSettings(),
    rescue=2,
)
LOOK: Final = VisualizeSettings(iterations=4)


@cache
def small_file(seed: int = 0) -> bytes:
    """Return the file of a model that was not trained; the seed decides its weights."""
    return model_to_bytes(build_network(NETWORK, image_shape=(28, 28, 1), classes=10, learning_rate=1e-3, seed=seed))


def opened(data: bytes, caches: Caches) -> ModelFile:
    """Return a file's model as the executor opens it."""
    return ModelFile(hashlib.sha256(data).hexdigest(), lambda: data, caches)


def _digest(value: Any) -> str:
    def plain(value: Any) -> Any:
        return [str(value.dtype), value.tobytes().hex()] if isinstance(value, np.ndarray) else repr(value)

    return hashlib.sha256(json.dumps(value, default=plain).encode()).hexdigest()


def train_digest(seed: int, caches: Caches, *, settings: TrainSettings = TRAINING, continued: bool = False) -> str:
    """Train a network, or one that was not trained yet, and return the digest of model and reports."""
    reports: list[Any] = []
    model = model_from_bytes(small_file(seed)) if continued else None
    chosen = replace(settings, seed=seed)
    outcome = train(load_dataset("datasets/mnist"), chosen, model=model, progress=reports.append, caches=caches)
    figures = [(report.step, report.loss, report.batch_accuracy, report.validation_accuracy) for report in reports]
    return _digest([hashlib.sha256(model_to_bytes(outcome.model)).hexdigest(), figures])


def _evaluate(seed: int, caches: Caches) -> str:
    test = load_dataset("datasets/mnist").test
    evaluation = evaluate(
        opened(small_file(seed), caches),
        test.images[:700],
        test.labels[:700],
        EvaluateSettings(),
        classes=load_dataset("datasets/mnist").classes,
    )
    return _digest(asdict(evaluation))


def _visualize(seed: int, caches: Caches, settings: VisualizeSettings, layer: str, rows: int) -> str:
    images: list[Image] = []
    visualizer = Visualizer(opened(small_file(seed), caches))
    visualizer.run(layer, range(4), replace(settings, seed=seed), rows=rows, ready=images.append)
    return _digest([asdict(image) for image in images])


def _objective(seed: int, caches: Caches) -> str:
    images: list[Image] = []
    objective = Feature("conv2", 1, post=True) + 0.5 * Diversity("conv2")
    settings = replace(LOOK, restarts=3, keep_all=True, seed=seed)
    visualizer = Visualizer(opened(small_file(seed), caches))
    visualizer.run_objective("mine", objective, settings, rows=3, ready=images.append)
    return _digest([asdict(image) for image in images])


# What takes a seed, which decides the model as well, and what is kept; and returns the digest of the outcome.
KINDS: Final[Mapping[str, Callable[[int, Caches], str]]] = {
    "train": train_digest,
    "train bfloat16": lambda seed, caches: train_digest(
        seed, caches, settings=replace(TRAINING, precision="bfloat16", learning_rate=1e-3)
    ),
    "continue": lambda seed, caches: train_digest(seed, caches, continued=True),
    "evaluate": _evaluate,
    "visualize convolution": lambda seed, caches: _visualize(seed, caches, LOOK, "conv2", 3),
    "visualize logits": lambda seed, caches: _visualize(seed, caches, replace(LOOK, trace=True), "logits", 5),
    "visualize robustly": lambda seed, caches: _visualize(
        seed, caches, replace(LOOK, render=ROBUST, restarts=2), "dense1", 4
    ),
    "visualize objective": _objective,
}


def every_kind_cold() -> dict[str, str]:
    """Return the digest of each kind, computed in a separate process."""
    return {name: in_a_child(lambda kind=kind: kind(1, Caches())) for name, kind in KINDS.items()}  # type: ignore[misc]


def every_kind_warm() -> dict[str, list[str]]:
    """Return the digests of each kind, computed after others of other models, again, and after evictions."""
    caches = Caches()
    for name in reversed(list(KINDS)):
        KINDS[name](2, caches)
    digests: dict[str, list[str]] = {name: [kind(1, caches)] for name, kind in KINDS.items()}
    caches.trim(caches.size_bytes // 2)
    for name in reversed(list(KINDS)):
        digests[name].append(KINDS[name](1, caches))
    return digests


def in_a_child(compute: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked process."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        with os.fdopen(writable, "w") as answer:
            json.dump(compute(), answer)
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)
