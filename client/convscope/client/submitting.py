"""The messages that submit jobs."""

import uuid
from collections.abc import Mapping
from typing import Any

from convscope.client import checks
from convscope.client.enums import Device, Precision, Priority, to_wire
from convscope.client.errors import InvalidType, InvalidValue
from convscope.client.resources import dataset_name
from convscope.client.times import seconds_to_wire
from convscope.v1 import device_pb2, evaluate_pb2, jobs_pb2, train_pb2

__all__ = ["create_request", "evaluate_spec", "label_values", "train_spec"]


def create_request(
    spec: jobs_pb2.JobSpec,
    *,
    request_id: str | None,
    priority: str | None,
    device: str | None,
    display_name: str,
    labels: Mapping[str, str] | None,
    timeout: float | None,
    validate_only: bool,
) -> jobs_pb2.CreateJobRequest:
    """Return the request that creates a job; it always has a request id, so that a broken call can be sent again.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    identity = uuid.uuid4().hex if request_id is None else checks.text("request_id", request_id)
    job = jobs_pb2.Job(spec=spec, labels=label_values(labels or {}))
    if display_name != "":
        job.display_name = checks.text("display_name", display_name)
    if timeout is not None:
        job.timeout.CopyFrom(seconds_to_wire(checks.seconds("timeout", timeout)))
    if priority is not None:
        job.priority = to_wire(Priority, jobs_pb2.Priority.Value, "priority", priority)
    if device is not None:
        job.device = to_wire(Device, device_pb2.Device.Value, "device", device)
    return jobs_pb2.CreateJobRequest(
        job=job, request_id=identity, validate_only=checks.flag("validate_only", validate_only)
    )


def train_spec(
    *,
    network: train_pb2.Network | None,
    learning_rate: float | None,
    batch_size: int | None,
    iterations: int | None,
    report_interval: int | None,
    validation_interval: int | None,
    seed: int,
    dataset: Any,
    model_id: str | None,
    precision: str | None,
    continue_from: str | None,
) -> train_pb2.TrainSpec:
    """Return the message of a training; what is None is left to the server.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    if network is not None and continue_from is not None:
        raise InvalidValue("continue_from: not with convolutions or dense, which are those of the model")
    spec = train_pb2.TrainSpec(
        network=network,
        batch_size=None if batch_size is None else checks.int32("batch_size", batch_size),
        iterations=None if iterations is None else checks.int64("iterations", iterations),
        report_interval=None if report_interval is None else checks.int64("report_interval", report_interval),
        validation_interval=None
        if validation_interval is None
        else checks.int64("validation_interval", validation_interval),
        seed=checks.uint64("seed", seed),
    )
    if learning_rate is not None:
        spec.adam.learning_rate = checks.real("learning_rate", learning_rate)
    if dataset is not None:
        spec.dataset = dataset_name(dataset)
    if precision is not None:
        spec.precision = to_wire(Precision, train_pb2.Precision.Value, "precision", precision)
    if model_id is not None:
        spec.model_id = checks.text("model_id", model_id)
    if continue_from is not None:
        spec.continue_from = continue_from
    return spec


def evaluate_spec(model: str, split: str, batch_size: int | None, max_errors: int | None) -> evaluate_pb2.EvaluateSpec:
    """Return the message of an evaluation; what is None is left to the server.

    Raises:
        InvalidValue, InvalidType: A value that cannot be right.
    """
    return evaluate_pb2.EvaluateSpec(
        model=model,
        split=checks.text("split", split),
        batch_size=None if batch_size is None else checks.int32("batch_size", batch_size),
        max_errors=None if max_errors is None else checks.int32("max_errors", max_errors),
    )


def label_values(labels: object) -> dict[str, str]:
    """Return labels as they are sent.

    Raises:
        InvalidType: Not a mapping of strings to strings.
    """
    if not isinstance(labels, Mapping):
        raise InvalidType(f"labels: {labels!r} is not a mapping of names to values")
    for name, value in labels.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidType(f"labels: {name!r}: {value!r} is not a name and a value, both strings")
    return dict(labels)
