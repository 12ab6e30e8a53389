"""From a request to a job that can be stored: looks up what the spec names, checks it, fills in its defaults."""

import hashlib
from dataclasses import dataclass, replace

from convscope.service.catalogue import find_dataset
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.requests import known_value
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.validation.checks import Checks
from convscope.service.validation.estimates import estimate_job
from convscope.service.validation.evaluate import check_evaluate
from convscope.service.validation.train import check_network, check_train
from convscope.service.validation.unknown import unknown_fields
from convscope.service.validation.visualize import check_visualize
from convscope.store import ModelStore
from convscope.v1.jobs_pb2 import CreateJobRequest, Device, Estimate, JobSpec, Priority
from convscope.v1.models_pb2 import Model
from convscope.v1.rules import violations

__all__ = ["Plan", "plan_job", "request_digest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job to be stored.

    Attributes:
        spec: every default filled in.
        digest: SHA-256 of the job as it was sent; tells whether a request is a repetition.
        estimate: what it takes.
        needed: the model that the job works on, if any.
        model: description of the model that it will make, if it trains.
        priority: how soon it is taken up.
        device: what it is to run on.
    """

    spec: JobSpec
    digest: str
    estimate: Estimate
    needed: Model | None = None
    model: Model | None = None
    priority: Priority.ValueType = Priority.PRIORITY_NORMAL
    device: Device.ValueType = Device.DEVICE_ANY

    @property
    def needs(self) -> str:
        """``models/{id}`` that the job works on, or empty."""
        return self.needed.name if self.needed else ""


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
    if unknown := list(unknown_fields(request)):
        raise InvalidRequestError(*unknown)
    if wrong := [each for each in violations(request) if not each.field.startswith("job.spec.")]:
        raise InvalidRequestError(*(Violation(each.field, each.description) for each in wrong))
    plan = _plan_spec(request, models, max_cost)
    priority = known_value("job.priority", request.job.priority, Priority.DESCRIPTOR, default=Priority.PRIORITY_NORMAL)
    device = known_value("job.device", request.job.device, Device.DESCRIPTOR, default=Device.DEVICE_ANY)
    return replace(plan, priority=Priority.ValueType(priority), device=Device.ValueType(device))


def _plan_spec(request: CreateJobRequest, models: ModelStore, max_cost: float) -> Plan:
    digest = request_digest(request)
    spec = JobSpec()
    spec.CopyFrom(request.job.spec)
    match spec.WhichOneof("kind"):
        case "train":
            return _plan_train(spec, digest, models)
        case "evaluate":
            model = _required_model(spec.evaluate.model, "job.spec.evaluate.model", models)
            checks = Checks("job.spec.evaluate")
            check_evaluate(spec.evaluate, model.layers, checks)
        case "visualize":
            model = _required_model(spec.visualize.model, "job.spec.visualize.model", models)
            checks = Checks("job.spec.visualize")
            check_visualize(spec.visualize, model, max_cost, checks)
        case _:
            raise InvalidRequestError(Violation("job.spec", "must have one of train, evaluate, visualize"))
    checks.finish()
    return Plan(spec=spec, digest=digest, estimate=estimate_job(spec, model), needed=model)


def request_digest(request: CreateJobRequest) -> str:
    """Return what tells whether two requests ask for the same: the SHA-256 of the job as it was sent."""
    return hashlib.sha256(request.job.SerializeToString(deterministic=True)).hexdigest()


def _plan_train(spec: JobSpec, digest: str, models: ModelStore) -> Plan:
    train = spec.train
    checks = Checks("job.spec.train")
    parent = (
        _required_model(train.continue_from, "job.spec.train.continue_from", models) if train.continue_from else None
    )
    if parent and train.HasField("network"):
        checks.refuse("network", f"must not be set with continue_from: it is that of {parent.name}")
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
    return Plan(spec=spec, digest=digest, estimate=estimate_job(spec, model), needed=parent, model=model)


def _required_model(name: str, field: str, models: ModelStore) -> Model:
    if not name:
        raise InvalidRequestError(Violation(field, "is required: models/ID"))
    try:
        return models.get(name)
    except ValueError as error:
        raise InvalidRequestError(Violation(field, str(error))) from error
