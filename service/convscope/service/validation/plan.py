"""Plans a job from a request: looks up what the spec names, checks it, and fills in its defaults."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from convscope.service.architecture import interpret
from convscope.service.catalogue import find_dataset
from convscope.service.errors import InvalidRequestError, Violation
from convscope.service.settings import DEFAULT_MAX_COST
from convscope.service.validation.checks import Checks
from convscope.service.validation.estimates import estimate_job
from convscope.service.validation.evaluate import check_evaluate
from convscope.service.validation.train import check_network, check_train
from convscope.service.validation.unknown import unknown_fields
from convscope.service.validation.visualize import check_visualize
from convscope.store import ModelStore, NotFoundError
from convscope.v1.datasets_pb2 import Dataset
from convscope.v1.jobs_pb2 import CreateJobRequest, Estimate, JobSpec
from convscope.v1.models_pb2 import Lineage, Model, ModelState
from convscope.v1.rules import fill_defaults, violations
from convscope.v1.train_pb2 import TrainSpec

__all__ = ["Plan", "plan_job", "plan_late", "request_digest"]

# The dataset of a training request that names none.
DEFAULT_DATASET = "datasets/mnist"

# Bytes that a job's spec may take, as it was sent plus with every default filled in: with a result of at most 512 KiB
# and a job's other fields it stays below 4 MiB, the largest message that gRPC clients accept by default.
MAX_SPEC_BYTES: Final = 3 * 2**20

# Returns the model with a name.
Lookup = Callable[[str], Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job that can be stored.

    Attributes:
        spec: the spec with every default filled in; None if the defaults depend on a model that is not trained yet.
        estimate: the job's estimate; None if ``spec`` is None.
        needed: the model that the job works on, if any.
        model: description of the model that the job trains, if any.
    """

    spec: JobSpec | None
    estimate: Estimate | None = None
    needed: Model | None = None
    model: Model | None = None

    @property
    def needs(self) -> str:
        """Name of the model that the job works on, ``models/{id}``, or ``""``."""
        return self.needed.name if self.needed else ""


def plan_job(request: CreateJobRequest, models: ModelStore, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Check a request, and fill in its defaults.

    If the model that it names is not trained and cannot be described yet, only the request's form is checked.

    Args:
        request: the request; it is not changed.
        models: where to look up models.
        max_cost: seconds that one worker may take for a visualization, by estimate.

    Raises:
        InvalidRequestError: naming every invalid field.
        NotFoundError: for a dataset or model that does not exist, if nothing else is wrong.
    """
    checks = Checks(violations=chain(unknown_fields(request), violations(request)))
    return _plan(request.job.spec, models.get, max_cost, checks)


def plan_late(sent: JobSpec, needed: Model, *, max_cost: float = DEFAULT_MAX_COST) -> Plan:
    """Plan a job whose model is trained by now; see ``plan_job``.

    Args:
        sent: the job's spec as it was sent, valid in form.
        needed: the model that the job needs.
        max_cost: seconds that one worker may take for a visualization, by estimate.

    Raises:
        InvalidRequestError: naming every invalid field.
        NotFoundError: for a dataset that does not exist, if nothing else is wrong.
    """
    return _plan(sent, lambda _: needed, max_cost, Checks())


def request_digest(request: CreateJobRequest) -> str:
    """Return the SHA-256 of the job as it was sent, which is equal for requests that ask for the same."""
    return hashlib.sha256(request.job.SerializeToString(deterministic=True)).hexdigest()


def _plan(sent: JobSpec, lookup: Lookup, max_cost: float, checks: Checks) -> Plan:
    spec = JobSpec()
    spec.CopyFrom(sent)
    fill_defaults(spec)
    plan = _plan_spec(spec, lookup, max_cost, checks)
    checks.finish()
    _check_size(sent, spec)
    model = plan.model or plan.needed
    return plan if plan.spec is None or model is None else replace(plan, estimate=estimate_job(plan.spec, model))


def _check_size(sent: JobSpec, effective: JobSpec) -> None:
    """Check that a job fits in a message, with room for its result.

    Raises:
        InvalidRequestError: if its spec is too large.
    """
    size = sent.ByteSize() + effective.ByteSize()
    if size > MAX_SPEC_BYTES:
        sizes = f"takes {size:,} bytes, as it was sent and with every default; both have at most {MAX_SPEC_BYTES:,}"
        raise InvalidRequestError(Violation("job.spec", sizes))


def _plan_spec(spec: JobSpec, lookup: Lookup, max_cost: float, checks: Checks) -> Plan:
    match spec.WhichOneof("kind"):
        case "train":
            return _plan_train(spec, lookup, checks.inside("job.spec.train"))
        case "evaluate":
            inside = checks.inside("job.spec.evaluate")
            model = _model(spec.evaluate.model, "model", lookup, inside)
            if model and _is_described(model):
                check_evaluate(spec.evaluate, find_dataset(model.dataset), model.layers, inside)
        case "visualize":
            inside = checks.inside("job.spec.visualize")
            model = _model(spec.visualize.model, "model", lookup, inside)
            if model and _is_described(model):
                check_visualize(spec.visualize, model, max_cost, inside)
        case _:
            return Plan(spec=None)  # a rule refuses it
    return Plan(spec=spec if model and _is_described(model) else None, needed=model)


def _plan_train(spec: JobSpec, lookup: Lookup, checks: Checks) -> Plan:
    train = spec.train
    resumes = train.WhichOneof("architecture") == "continue_from"
    if resumes and not train.continue_from:
        checks.refuse("continue_from", "is required where it is chosen")
    parent = _model(train.continue_from, "continue_from", lookup, checks) if resumes else None
    if parent:
        _check_parent(train, parent, checks)
    if parent and not _is_described(parent):
        return Plan(spec=None, needed=parent, model=Model(lineage=Lineage(parent=parent.name, spec=train)))
    if not checks.right("dataset", "continue_from"):
        return Plan(spec=None)
    train.dataset = parent.dataset if parent else train.dataset or DEFAULT_DATASET
    dataset = _dataset(train.dataset, checks)
    check_train(train, dataset, checks)
    layers = parent.layers if parent else check_network(train, dataset, checks)
    model = Model(
        dataset=dataset.name,
        revision=1,
        interpretation=parent.interpretation if parent else interpret(dataset),
        layers=layers,
        parameter_count=sum(layer.parameter_count for layer in layers),
    )
    model.lineage.parent = train.continue_from
    model.lineage.spec.CopyFrom(train)
    return Plan(spec=spec, needed=parent, model=model)


def _is_described(model: Model) -> bool:
    """Return whether a model is ready, or was described before its training."""
    return model.state == ModelState.MODEL_STATE_READY or bool(model.layers)


def _check_parent(train: TrainSpec, parent: Model, checks: Checks) -> None:
    if _is_described(parent) and train.dataset not in {"", parent.dataset} and checks.right("dataset"):
        checks.refuse("dataset", f"must be {parent.dataset}, that of {parent.name}, not {train.dataset!r}")


def _model(name: str, field: str, lookup: Lookup, checks: Checks) -> Model | None:
    """Return the model that a field names; None if the field is wrong."""
    if not checks.right(field):
        return None
    try:
        return lookup(name)
    except NotFoundError:
        checks.finish()  # violations of the request itself come first
        raise


def _dataset(name: str, checks: Checks) -> Dataset:
    try:
        return find_dataset(name)
    except NotFoundError:
        checks.finish()
        raise
