"""From a request to a job that can be stored: looks up what the spec names, checks it, fills in its defaults."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from convscope.service.catalogue import find_dataset
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.validation.checks import Checks
from convscope.service.validation.estimates import estimate_job
from convscope.service.validation.evaluate import check_evaluate
from convscope.service.validation.train import check_network, check_train
from convscope.service.validation.unknown import unknown_fields
from convscope.service.validation.visualize import check_visualize
from convscope.store import ModelStore
from convscope.v1.jobs_pb2 import CreateJobRequest, Estimate, JobSpec
from convscope.v1.models_pb2 import Lineage, Model, ModelState
from convscope.v1.rules import violations

__all__ = ["Plan", "plan_job", "plan_spec", "request_digest"]


# Finds the model of a name.
Lookup = Callable[[str], Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job to be stored.

    Attributes:
        spec: every default filled in; None if that cannot be said before the needed model is made.
        estimate: what it takes; None likewise.
        needed: the model that the job works on, if any.
        model: description of the model that it will make, if it trains.
    """

    spec: JobSpec | None
    estimate: Estimate | None
    needed: Model | None = None
    model: Model | None = None

    @property
    def needs(self) -> str:
        """``models/{id}`` that the job works on, or empty."""
        return self.needed.name if self.needed else ""


def plan_job(request: CreateJobRequest, models: ModelStore, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Check a request, in form alone where the model that it names is not made and cannot be described yet.

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
    return plan_spec(request.job.spec, models.get, max_cost=max_cost)


def plan_spec(sent: JobSpec, lookup: Lookup, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Check a spec; see ``plan_job``.

    Args:
        sent: as it was sent.
        lookup: finds the model that it may name.
        max_cost: seconds that one worker may take for a visualization, by estimate.

    Raises:
        InvalidRequestError: naming every field that cannot be right.
        NotFoundError: for a dataset or model that does not exist.
    """
    spec = JobSpec()
    spec.CopyFrom(sent)
    match spec.WhichOneof("kind"):
        case "train":
            return _plan_train(spec, lookup)
        case "evaluate":
            model = _required_model(spec.evaluate.model, "job.spec.evaluate.model", lookup)
            checks = Checks("job.spec.evaluate")
            if _is_described(model):
                check_evaluate(spec.evaluate, model.layers, checks)
        case "visualize":
            model = _required_model(spec.visualize.model, "job.spec.visualize.model", lookup)
            checks = Checks("job.spec.visualize")
            if _is_described(model):
                check_visualize(spec.visualize, model, max_cost, checks)
        case _:
            raise InvalidRequestError(Violation("job.spec", "must have one of train, evaluate, visualize"))
    checks.finish()
    if not _is_described(model):
        return Plan(spec=None, estimate=None, needed=model)
    return Plan(spec=spec, estimate=estimate_job(spec, model), needed=model)


def request_digest(request: CreateJobRequest) -> str:
    """Return what tells whether two requests ask for the same: the SHA-256 of the job as it was sent."""
    return hashlib.sha256(request.job.SerializeToString(deterministic=True)).hexdigest()


def _plan_train(spec: JobSpec, lookup: Lookup) -> Plan:
    train = spec.train
    checks = Checks("job.spec.train")
    parent = (
        _required_model(train.continue_from, "job.spec.train.continue_from", lookup) if train.continue_from else None
    )
    if parent and train.HasField("network"):
        checks.refuse("network", f"must not be set with continue_from: it is that of {parent.name}")
    if parent and not _is_described(parent):
        checks.finish()
        model = Model(lineage=Lineage(parent=parent.name, spec=train))
        return Plan(spec=None, estimate=None, needed=parent, model=model)
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
    return Plan(spec=spec, estimate=estimate_job(spec, model), needed=parent, model=model)


def _is_described(model: Model) -> bool:
    """Return whether a model is ready, or it is known already what it will be; one that failed is refused elsewhere."""
    return model.state != ModelState.MODEL_STATE_PENDING or bool(model.layers)


def _required_model(name: str, field: str, lookup: Lookup) -> Model:
    if not name:
        raise InvalidRequestError(Violation(field, "is required: models/ID"))
    try:
        return lookup(name)
    except ValueError as error:
        raise InvalidRequestError(Violation(field, str(error))) from error
