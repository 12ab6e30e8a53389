"""From a request to a job that can be stored: looks up what the spec names, checks it, fills in its defaults."""

import hashlib
from dataclasses import dataclass, replace

from convscope.service.catalogue import find_dataset
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.requests import known_value
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.validation.checks import Checks
from convscope.service.validation.evaluate import check_evaluate
from convscope.service.validation.train import check_network, check_train
from convscope.service.validation.unknown import unknown_fields
from convscope.service.validation.visualize import check_visualize
from convscope.store import ModelStore
from convscope.store.names import ID_PATTERN
from convscope.v1.jobs_pb2 import CreateJobRequest, Device, JobSpec, Priority
from convscope.v1.models_pb2 import Model

__all__ = ["Plan", "plan_job", "request_digest"]

MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job to be stored.

    Attributes:
        spec: every default filled in.
        digest: SHA-256 of the spec as it was sent; tells whether a request is a repetition.
        needs: ``models/{id}`` that the job works on, or empty.
        model: description of the model that it will make, if it trains.
        model_id: the id that was chosen for it, or empty.
        priority: how soon it is taken up.
        device: what it is to run on.
    """

    spec: JobSpec
    digest: str
    needs: str = ""
    model: Model | None = None
    model_id: str = ""
    priority: Priority.ValueType = Priority.PRIORITY_NORMAL
    device: Device.ValueType = Device.DEVICE_ANY


def plan_job(request: CreateJobRequest, models: ModelStore, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Check a request.

    Args:
        request: what is asked for.
        models: those that it may name.
        max_cost: seconds that one worker may take for a visualization, by estimate.

    Raises:
        InvalidRequestError: naming every field that cannot be right.
        NotFoundError: for a dataset or model that does not exist.
    """
    _check_request_id(request.request_id)
    if unknown := list(unknown_fields(request)):
        raise InvalidRequestError(*unknown)
    plan = _plan_spec(request, models, max_cost)
    priority = known_value("priority", request.priority, Priority.DESCRIPTOR, default=Priority.PRIORITY_NORMAL)
    device = known_value("device", request.device, Device.DESCRIPTOR, default=Device.DEVICE_ANY)
    return replace(plan, priority=Priority.ValueType(priority), device=Device.ValueType(device))


def _plan_spec(request: CreateJobRequest, models: ModelStore, max_cost: float) -> Plan:
    digest = request_digest(request)
    spec = JobSpec()
    spec.CopyFrom(request.spec)
    match spec.WhichOneof("kind"):
        case "train":
            return _plan_train(spec, digest, models)
        case "evaluate":
            model = _required_model(spec.evaluate.model, "spec.evaluate.model", models)
            checks = Checks("spec.evaluate")
            check_evaluate(spec.evaluate, model.layers, checks)
        case "visualize":
            model = _required_model(spec.visualize.model, "spec.visualize.model", models)
            checks = Checks("spec.visualize")
            check_visualize(spec.visualize, model, max_cost, checks)
        case _:
            raise InvalidRequestError(Violation("spec", "must have one of train, evaluate, visualize"))
    checks.finish()
    return Plan(spec=spec, digest=digest, needs=model.name)


def request_digest(request: CreateJobRequest) -> str:
    """Return what tells whether two requests ask for the same: the SHA-256 of the spec as it was sent."""
    return hashlib.sha256(request.spec.SerializeToString(deterministic=True)).hexdigest()


def _plan_train(spec: JobSpec, digest: str, models: ModelStore) -> Plan:
    train = spec.train
    checks = Checks("spec.train")
    resumes = train.WhichOneof("architecture") == "continue_from"
    parent = _required_model(train.continue_from, "spec.train.continue_from", models) if resumes else None
    if train.model_id and not ID_PATTERN.fullmatch(train.model_id):
        checks.refuse("model_id", "must be 1 to 64 of a-z, 0-9, '-' and '_', the first a letter or digit")
    if parent and train.dataset not in {"", parent.dataset}:
        checks.refuse("dataset", f"must be {parent.dataset}, that of {parent.name}, not {train.dataset!r}")
    train.dataset = parent.dataset if parent else train.dataset or "datasets/mnist"
    dataset = find_dataset(train.dataset)
    check_train(train, dataset, checks)
    layers = parent.layers if parent else check_network(train, dataset, checks)
    checks.finish()
    model = Model(
        dataset=dataset.name,
        input_shape=dataset.image_shape,
        classes=dataset.classes,
        layers=layers,
        parameters=sum(layer.parameters for layer in layers),
    )
    model.lineage.parent = train.continue_from
    model.lineage.spec.CopyFrom(train)
    return Plan(spec=spec, digest=digest, needs=train.continue_from, model=model, model_id=train.model_id)


def _required_model(name: str, field: str, models: ModelStore) -> Model:
    if not name:
        raise InvalidRequestError(Violation(field, "is required: models/ID"))
    try:
        return models.get(name)
    except ValueError as error:
        raise InvalidRequestError(Violation(field, str(error))) from error


def _check_request_id(request_id: str) -> None:
    if len(request_id) > MAX_REQUEST_ID or not (request_id.isascii() and request_id.isprintable()):
        raise InvalidRequestError(Violation("request_id", f"must be 1 to {MAX_REQUEST_ID} printable ASCII characters"))
