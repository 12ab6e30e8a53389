"""The engine, which trains, evaluates and visualizes image classifiers with TensorFlow, without a server.

from convscope.engine import TrainSettings, evaluate, load_dataset, train, visualize

mnist = load_dataset("mnist")
model = train(mnist, TrainSettings(iterations=1000)).model
print(evaluate(model, mnist.test.images, mnist.test.labels).accuracy)
images = visualize(model, {"conv2": range(8), "logits": None})

The service's executors call the same functions: the same settings give the same bits on the same kind of machine.
TensorFlow is loaded with the first name that needs it, not with this package, so that a program that only needs its
memory bounds does not load it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.engine.data.dataset import Dataset, Split, load_dataset
    from convscope.engine.errors import CheckpointError, ComputationError, DatasetError, EngineError, ModelFileError
    from convscope.engine.evaluation.evaluation import Evaluation, Misclassified, evaluate
    from convscope.engine.models.keras_files import model_from_bytes, model_to_bytes
    from convscope.engine.models.network import LayerDescription, describe
    from convscope.engine.runtime.environment import environment
    from convscope.engine.runtime.pulse import Interruption
    from convscope.engine.runtime.threads import configure_threads
    from convscope.engine.settings import (
        ConvolutionSettings,
        DenseSettings,
        EvaluateSettings,
        NetworkSettings,
        TrainSettings,
        VisualizeSettings,
    )
    from convscope.engine.training.checkpoints import Checkpoints
    from convscope.engine.training.run import TrainOutcome, TrainReport, train
    from convscope.engine.training.state import state_to_bytes
    from convscope.engine.visualization.images import Image, OptimizedImage, Spread, Trace
    from convscope.engine.visualization.objective.objectives import (
        Direction,
        Diversity,
        Feature,
        Layer,
        Neuron,
        Objective,
    )
    from convscope.engine.visualization.verdicts import Verdict
    from convscope.engine.visualization.visualize import visualize
    from convscope.engine.visualization.visualizer import Visualizer
    from convscope.planning import (
        ROBUST,
        AdamSettings,
        FourierSettings,
        Item,
        NormalizedStepSettings,
        PixelSettings,
        RegularizerSettings,
        RenderSettings,
        TransformSettings,
    )

__all__ = [
    "ROBUST",
    "AdamSettings",
    "CheckpointError",
    "Checkpoints",
    "ComputationError",
    "ConvolutionSettings",
    "Dataset",
    "DatasetError",
    "DenseSettings",
    "Direction",
    "Diversity",
    "EngineError",
    "EvaluateSettings",
    "Evaluation",
    "Feature",
    "FourierSettings",
    "Image",
    "Interruption",
    "Item",
    "Layer",
    "LayerDescription",
    "Misclassified",
    "ModelFileError",
    "NetworkSettings",
    "Neuron",
    "NormalizedStepSettings",
    "Objective",
    "OptimizedImage",
    "PixelSettings",
    "RegularizerSettings",
    "RenderSettings",
    "Split",
    "Spread",
    "Trace",
    "TrainOutcome",
    "TrainReport",
    "TrainSettings",
    "TransformSettings",
    "Verdict",
    "VisualizeSettings",
    "Visualizer",
    "configure_threads",
    "describe",
    "environment",
    "evaluate",
    "load_dataset",
    "model_from_bytes",
    "model_to_bytes",
    "state_to_bytes",
    "train",
    "visualize",
]

# The module of each name, as above.
_MODULES = {
    "AdamSettings": "convscope.planning",
    "CheckpointError": "convscope.engine.errors",
    "Checkpoints": "convscope.engine.training.checkpoints",
    "ComputationError": "convscope.engine.errors",
    "ConvolutionSettings": "convscope.engine.settings",
    "Dataset": "convscope.engine.data.dataset",
    "DatasetError": "convscope.engine.errors",
    "DenseSettings": "convscope.engine.settings",
    "Direction": "convscope.engine.visualization.objective.objectives",
    "Diversity": "convscope.engine.visualization.objective.objectives",
    "EngineError": "convscope.engine.errors",
    "EvaluateSettings": "convscope.engine.settings",
    "Evaluation": "convscope.engine.evaluation.evaluation",
    "Feature": "convscope.engine.visualization.objective.objectives",
    "FourierSettings": "convscope.planning",
    "Image": "convscope.engine.visualization.images",
    "Interruption": "convscope.engine.runtime.pulse",
    "Item": "convscope.planning",
    "Layer": "convscope.engine.visualization.objective.objectives",
    "LayerDescription": "convscope.engine.models.network",
    "Misclassified": "convscope.engine.evaluation.evaluation",
    "ModelFileError": "convscope.engine.errors",
    "NetworkSettings": "convscope.engine.settings",
    "Neuron": "convscope.engine.visualization.objective.objectives",
    "NormalizedStepSettings": "convscope.planning",
    "Objective": "convscope.engine.visualization.objective.objectives",
    "OptimizedImage": "convscope.engine.visualization.images",
    "PixelSettings": "convscope.planning",
    "ROBUST": "convscope.planning",
    "RegularizerSettings": "convscope.planning",
    "RenderSettings": "convscope.planning",
    "Split": "convscope.engine.data.dataset",
    "Spread": "convscope.engine.visualization.images",
    "Trace": "convscope.engine.visualization.images",
    "TrainOutcome": "convscope.engine.training.run",
    "TrainReport": "convscope.engine.training.run",
    "TrainSettings": "convscope.engine.settings",
    "TransformSettings": "convscope.planning",
    "Verdict": "convscope.engine.visualization.verdicts",
    "VisualizeSettings": "convscope.engine.settings",
    "Visualizer": "convscope.engine.visualization.visualizer",
    "configure_threads": "convscope.engine.runtime.threads",
    "describe": "convscope.engine.models.network",
    "environment": "convscope.engine.runtime.environment",
    "evaluate": "convscope.engine.evaluation.evaluation",
    "load_dataset": "convscope.engine.data.dataset",
    "model_from_bytes": "convscope.engine.models.keras_files",
    "model_to_bytes": "convscope.engine.models.keras_files",
    "state_to_bytes": "convscope.engine.training.state",
    "train": "convscope.engine.training.run",
    "visualize": "convscope.engine.visualization.visualize",
}


def __getattr__(name: str) -> Any:
    """Return a public name, loading what it needs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
