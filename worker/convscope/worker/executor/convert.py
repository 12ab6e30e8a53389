"""Conversion of the contract's specs to settings of the engine, and of its results to messages."""

import math
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from convscope.engine import settings, training, visualization
from convscope.engine.evaluation import evaluation
from convscope.engine.models import network
from convscope.v1.evaluate_pb2 import ClassScores, EvaluateResult, EvaluateSpec
from convscope.v1.evaluations_pb2 import Example
from convscope.v1.models_pb2 import Layer, LayerKind
from convscope.v1.train_pb2 import Activation, Network, Precision, TrainProgress, TrainSpec
from convscope.v1.visualize_pb2 import (
    Image,
    OptimizedImage,
    Restarts,
    Spread,
    Trace,
    Verdict,
    VisualizeSpec,
)
from convscope.worker.executor.convert_render import render_settings
from convscope.worker.executor.tensors import tensor

__all__ = [
    "duration",
    "evaluate_result",
    "evaluate_settings",
    "example",
    "image",
    "layers",
    "spread",
    "train_progress",
    "train_settings",
    "visualize_settings",
]

ACTIVATIONS: dict[int, settings.Activation] = {
    Activation.ACTIVATION_RELU: "relu",
    Activation.ACTIVATION_ELU: "elu",
    Activation.ACTIVATION_TANH: "tanh",
    Activation.ACTIVATION_SIGMOID: "sigmoid",
    Activation.ACTIVATION_LINEAR: "linear",
}

PRECISIONS: dict[int, settings.Precision] = {
    Precision.PRECISION_FLOAT32: "float32",
    Precision.PRECISION_BFLOAT16: "bfloat16",
}

LAYER_KINDS = {
    "convolution": LayerKind.LAYER_KIND_CONVOLUTION,
    "pooling": LayerKind.LAYER_KIND_POOLING,
    "flatten": LayerKind.LAYER_KIND_FLATTEN,
    "dense": LayerKind.LAYER_KIND_DENSE,
    "logits": LayerKind.LAYER_KIND_LOGITS,
    "other": LayerKind.LAYER_KIND_OTHER,
}

# With more classes the confusion matrix is too large for a result: 512 KiB. It is a file of the job in any case.
MATRIX_CLASSES = 256

OUTCOMES = {
    "normal": Verdict.OUTCOME_NORMAL,
    "constant": Verdict.OUTCOME_CONSTANT,
    "unreachable": Verdict.OUTCOME_UNREACHABLE,
    "not_a_number": Verdict.OUTCOME_NOT_A_NUMBER,
}


def duration(seconds: float) -> Duration:
    """Pack a duration, to the nanosecond."""
    packed = Duration()
    packed.FromNanoseconds(round(seconds * 1e9))
    return packed


def train_settings(spec: TrainSpec) -> settings.TrainSettings:
    """Convert a spec whose defaults are filled in."""
    return settings.TrainSettings(
        network=_network_settings(spec.network),
        learning_rate=spec.adam.learning_rate,
        precision=PRECISIONS[spec.precision],
        batch_size=spec.batch_size,
        iterations=spec.iterations,
        report_interval=spec.report_interval,
        validation_interval=spec.validation_interval,
        seed=spec.seed,
    )


def train_progress(report: training.TrainReport) -> TrainProgress:
    """Pack a report."""
    return TrainProgress(
        step=report.step,
        last_step=report.last_step,
        loss=report.loss,
        batch_accuracy=report.batch_accuracy,
        steps_per_second=report.steps_per_second,
        remaining_duration=None if report.remaining_seconds is None else duration(report.remaining_seconds),
        validation_accuracy=report.validation_accuracy,
    )


def layers(descriptions: Sequence[network.LayerDescription]) -> list[Layer]:
    """Pack the description of a model."""
    return [
        Layer(
            name=layer.name,
            op=layer.op,
            inputs=layer.inputs,
            kind=LAYER_KINDS[layer.kind],
            output_shape=layer.output_shape,
            feature_count=layer.feature_count,
            parameter_count=layer.parameter_count,
        )
        for layer in descriptions
    ]


def evaluate_settings(spec: EvaluateSpec) -> settings.EvaluateSettings:
    """Convert a spec whose defaults are filled in."""
    return settings.EvaluateSettings(batch_size=spec.batch_size, max_errors=spec.max_errors)


def evaluate_result(outcome: evaluation.Evaluation, split: str, classes: Sequence[str]) -> EvaluateResult:
    """Pack an evaluation of a split."""
    scores = zip(classes, outcome.precision, outcome.recall, outcome.f1, outcome.support, strict=True)
    return EvaluateResult(
        split=split,
        correct_count=outcome.correct,
        example_count=outcome.total,
        accuracy=outcome.accuracy,
        confusion_matrix=tensor(outcome.confusion) if len(classes) <= MATRIX_CLASSES else None,
        classes=[
            ClassScores(
                class_name=name,
                precision=_measured(precision),
                recall=_measured(recall),
                f1=_measured(f1),
                example_count=count,
            )
            for name, precision, recall, f1, count in scores
        ],
    )


def example(error: evaluation.Misclassified) -> Example:
    """Pack a misclassified example."""
    return Example(
        index=error.index,
        pixels=tensor(error.image),
        true_class=error.true,
        predicted_class=error.predicted,
        probability=error.probability,
    )


def _measured(score: float) -> float | None:
    """Return a score, or None where its denominator is 0."""
    return None if math.isnan(score) else score


def visualize_settings(spec: VisualizeSpec) -> settings.VisualizeSettings:
    """Convert a spec whose defaults are filled in."""
    return settings.VisualizeSettings(
        iterations=spec.iterations,
        seed=spec.seed,
        trace=spec.trace,
        frames=spec.frames,
        restarts=max(1, spec.restarts),
        keep_all=spec.keep == Restarts.RESTARTS_ALL,
        render=render_settings(spec.render),
    )


def image(computed: visualization.Image) -> Image:
    """Pack an image without name and subject, which ``addressed`` of the store adds."""
    return Image(
        restart=computed.item.restart,
        best=_optimized_image(computed.best),
        final=_optimized_image(computed.final),
        trace=_trace(computed.trace) if computed.trace else None,
        verdict=_verdict(computed.verdict),
        spread=spread(computed.spread) if computed.spread else None,
        frames=map(_optimized_image, computed.frames),
    )


def _verdict(verdict: visualization.Verdict) -> Verdict:
    return Verdict(
        outcome=OUTCOMES[verdict.outcome],
        iteration=verdict.iteration,
        upper_bound=verdict.upper_bound,
        reached=verdict.reached,
        rescued=verdict.rescued,
        without_gradient=verdict.without_gradient,
    )


def spread(spread: visualization.Spread) -> Spread:
    """Pack the spread of the restarts of a feature."""
    return Spread(objectives=tensor(spread.objectives), mean=spread.mean, deviation=spread.deviation)


def _optimized_image(image: visualization.OptimizedImage) -> OptimizedImage:
    return OptimizedImage(
        pixels=tensor(image.pixels),
        objective=image.objective,
        predicted_class=image.predicted_class,
        probability=image.probability,
        iteration=image.iteration,
    )


def _trace(trace: visualization.Trace) -> Trace:
    return Trace(
        predicted_class=None if trace.predicted_class is None else tensor(trace.predicted_class),
        probability=None if trace.probability is None else tensor(trace.probability),
        gradient_min=tensor(trace.gradient_min),
        gradient_max=tensor(trace.gradient_max),
        step_size=tensor(trace.step_size),
        objective=tensor(trace.objective),
    )


def _network_settings(network_spec: Network) -> settings.NetworkSettings:
    return settings.NetworkSettings(
        convolutions=tuple(
            settings.ConvolutionSettings(
                filters=convolution.filters,
                kernel_size=convolution.kernel_size,
                activation=ACTIVATIONS[convolution.activation],
                pool_size=convolution.pool_size,
            )
            for convolution in network_spec.convolutions
        ),
        dense=tuple(
            settings.DenseSettings(units=dense.units, activation=ACTIVATIONS[dense.activation])
            for dense in network_spec.dense
        ),
    )
