"""Estimates of a job: its parts, the time of one worker, and the bytes that it stores.

They are computed from shapes and counts alone. Users and schedulers plan with them; results never depend on them.
"""

from math import prod
from typing import Final, TypedDict

from convscope.planning import FLOPS_PER_S, PART_S, ImageOrder, estimate_seconds, layer_flops, plan_visualization
from convscope.service.catalogue import find_dataset
from convscope.service.validation.memory import FLOAT_BYTES
from convscope.store import layer_shapes, visualization_request
from convscope.v1.evaluate_pb2 import EvaluateSpec
from convscope.v1.jobs_pb2 import Estimate, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import VisualizeSpec

__all__ = ["PART_SECONDS", "Estimated", "estimate_job", "estimated"]

# How long one worker should take for a part of a visualization, by estimate, in seconds.
PART_SECONDS = PART_S

# Overhead of a training step or a batch, in seconds.
STEP_S: Final = 0.001
# Time to open the dataset and compile the functions, in seconds.
START_S: Final = 3.0

# Bytes of an entry of a confusion matrix.
COUNT_BYTES: Final = 8
# Numbers stored for a weight: itself and Adam's two moments.
NUMBERS_PER_WEIGHT: Final = 3
# Bytes of a training report, and of an image or example without its pixels.
REPORT_BYTES: Final = 60
IMAGE_BYTES: Final = 300
# Series of a trace, with one number per iteration.
TRACE_SERIES: Final = 6


class Estimated(TypedDict):
    """An estimate as arguments of ``JobStore.create``."""

    parts: int
    part_seconds: float
    part_cost_s: float
    stored_bytes: int


def estimated(estimate: Estimate | None) -> Estimated:
    """Return an estimate as the store expects it; without an estimate, that of a job with one part."""
    estimate = estimate or Estimate(part_count=1)
    return Estimated(
        parts=estimate.part_count,
        part_seconds=PART_SECONDS,
        part_cost_s=estimate.compute_duration.ToMilliseconds() / 1000 / estimate.part_count,
        stored_bytes=estimate.stored_bytes,
    )


def estimate_job(spec: JobSpec, model: Model) -> Estimate:
    """Estimate a job.

    Args:
        spec: a valid spec with every default filled in.
        model: the model that it works on, or trains.
    """
    match spec.WhichOneof("kind"):
        case "train":
            return _training(spec.train, model)
        case "evaluate":
            return _evaluation(spec.evaluate, model)
        case _:
            return _visualization(spec.visualize, model)


def _training(spec: TrainSpec, model: Model) -> Estimate:
    forward = sum(map(layer_flops, layer_shapes(model.layers)))
    step_s = STEP_S + 3 * spec.batch_size * forward / FLOPS_PER_S  # the gradients take twice as long
    reports = spec.iterations // max(1, spec.report_interval)
    weights = sum(layer.parameter_count for layer in model.layers)
    return _estimate(
        START_S + spec.iterations * step_s, NUMBERS_PER_WEIGHT * FLOAT_BYTES * weights + REPORT_BYTES * reports
    )


def _evaluation(spec: EvaluateSpec, model: Model) -> Estimate:
    splits = find_dataset(model.dataset).splits
    examples = next(split.example_count for split in splits if split.name == spec.split)
    forward = sum(map(layer_flops, layer_shapes(model.layers)))
    batches = -(-examples // spec.batch_size)
    shown = min(spec.max_errors, examples) * (FLOAT_BYTES * prod(model.interpretation.input.shape) + IMAGE_BYTES)
    return _estimate(
        START_S + batches * STEP_S + examples * forward / FLOPS_PER_S,
        shown + COUNT_BYTES * len(model.interpretation.classes) ** 2,
    )


def _visualization(spec: VisualizeSpec, model: Model) -> Estimate:
    # The best image, the final one, and the frames.
    numbers = (2 + spec.frames) * prod(model.interpretation.input.shape)
    if spec.trace:
        numbers += TRACE_SERIES * (spec.iterations + 1)
    request, layers = visualization_request(spec), layer_shapes(model.layers)
    images = ImageOrder(request).total
    return _estimate(
        estimate_seconds(request, layers),
        images * (FLOAT_BYTES * numbers + IMAGE_BYTES),
        parts=len(plan_visualization(request, layers, PART_SECONDS).parts),
    )


def _estimate(seconds: float, stored_bytes: int, parts: int = 1) -> Estimate:
    estimate = Estimate(part_count=parts, stored_bytes=stored_bytes)
    estimate.compute_duration.FromMilliseconds(round(1000 * seconds))
    return estimate
