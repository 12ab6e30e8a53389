"""From a request to a job that can be stored: looks up what the spec names, checks it, fills in its defaults."""

import hashlib
from dataclasses import dataclass, replace
from itertools import chain

from convscope.service.catalogue import find_dataset
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.validation.checks import Checks
from convscope.service.validation.evaluate import check_evaluate
from convscope.service.validation.train import check_network, check_train
from convscope.service.validation.unknown import unknown_fields
from convscope.service.validation.visualize import check_visualize
from convscope.store import ModelStore
from convscope.store.errors import NotFoundError
from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.jobs_pb2 import CreateJobRequest, Device, JobSpec, Priority
from convscope.v1.models_pb2 import Model
from convscope.v1.rules import fill_defaults, violations
from convscope.v1.train_pb2 import TrainSpec

__all__ = ["Plan", "plan_job", "request_digest"]

# What is trained on where a request names no dataset.
DEFAULT_DATASET = "datasets/mnist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job to be stored.

    Attributes:
        spec: every default filled in.
        digest: SHA-256 of the spec as it was sent; tells whether a request is a repetition.
        needs: ``models/{id}`` that the job works on, or empty.
        model: description of the model that it will make, if it trains.
        priority: how soon it is taken up.
        device: what it is to run on.
    """

    spec: JobSpec
    digest: str = ""
    needs: str = ""
    model: Model | None = None
    priority: Priority.ValueType = Priority.PRIORITY_NORMAL
    device: Device.ValueType = Device.DEVICE_ANY


def plan_job(request: CreateJobRequest, models: ModelStore, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Check a request, and fill in its defaults.

    Args:
        request: what is asked for; stays as it is.
        models: those that it may name.
        max_cost: seconds that one worker may take for a visualization, by estimate.

    Raises:
        InvalidRequestError: naming every field that cannot be right.
        NotFoundError: for a dataset or model that does not exist, if nothing else is wrong.
    """
    checks = Checks(faults=chain(unknown_fields(request), violations(request)))
    filled = CreateJobRequest()
    filled.CopyFrom(request)
    fill_defaults(filled)
    plan = _plan_spec(filled.spec, models, max_cost, checks)
    checks.finish()
    return replace(plan, digest=request_digest(request), priority=filled.priority, device=filled.device)


def request_digest(request: CreateJobRequest) -> str:
    """Return what tells whether two requests ask for the same: the SHA-256 of the spec as it was sent."""
    return hashlib.sha256(request.spec.SerializeToString(deterministic=True)).hexdigest()


def _plan_spec(spec: JobSpec, models: ModelStore, max_cost: float, checks: Checks) -> Plan:
    match spec.WhichOneof("kind"):
        case "train":
            return _plan_train(spec, models, checks.inside("spec.train"))
        case "evaluate":
            inside = checks.inside("spec.evaluate")
            if model := _model(spec.evaluate.model, "model", models, inside):
                check_evaluate(spec.evaluate, model.layers, inside)
        case "visualize":
            inside = checks.inside("spec.visualize")
            if model := _model(spec.visualize.model, "model", models, inside):
                check_visualize(spec.visualize, model, max_cost, inside)
        case _:
            return Plan(spec=spec)  # which a rule refuses
    return Plan(spec=spec, needs=model.name if model else "")


def _plan_train(spec: JobSpec, models: ModelStore, checks: Checks) -> Plan:
    train = spec.train
    parent = _model(train.continue_from, "continue_from", models, checks) if train.continue_from else None
    if parent:
        _check_parent(train, parent, checks)
    if not checks.right("dataset", "continue_from"):
        return Plan(spec=spec)
    train.dataset = parent.dataset if parent else train.dataset or DEFAULT_DATASET
    dataset = _dataset(train.dataset, checks)
    check_train(train, dataset, checks)
    layers = parent.layers if parent else check_network(train, dataset, checks)
    model = Model(
        dataset=dataset.name,
        input_shape=dataset.image_shape,
        classes=dataset.classes,
        layers=layers,
        parameters=sum(layer.parameters for layer in layers),
    )
    model.lineage.parent = train.continue_from
    model.lineage.spec.CopyFrom(train)
    return Plan(spec=spec, needs=train.continue_from, model=model)


def _check_parent(train: TrainSpec, parent: Model, checks: Checks) -> None:
    if train.HasField("network"):
        checks.refuse("network", f"must not be set with continue_from: it is that of {parent.name}")
    if train.dataset not in {"", parent.dataset} and checks.right("dataset"):
        checks.refuse("dataset", f"must be {parent.dataset}, that of {parent.name}, not {train.dataset!r}")


def _model(name: str, field: str, models: ModelStore, checks: Checks) -> Model | None:
    """Return the model that a field names; None if the field is wrong."""
    if not checks.right(field):
        return None
    try:
        return models.get(name)
    except NotFoundError:
        checks.finish()  # what is wrong with the request itself comes first
        raise


def _dataset(name: str, checks: Checks) -> Dataset:
    try:
        return find_dataset(name)
    except NotFoundError:
        checks.finish()
        raise
