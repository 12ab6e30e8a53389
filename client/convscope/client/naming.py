# Made by scripts/sync_client.py from aio/naming.py: change that one, and run the script.

"""Names of models."""

from typing import TypeAlias

from convscope.client import checks
from convscope.client.enums import JobKind
from convscope.client.errors import InvalidType
from convscope.client.job_facts import info_of, model_of
from convscope.client.jobs import Job
from convscope.client.resources import Model
from convscope.client.results import TrainResult

__all__ = ["ModelLike", "model_name"]

# ``models/{id}`` or the bare id, a model, or the training that creates it.
ModelLike: TypeAlias = str | Model | TrainResult | Job[TrainResult]


def model_name(field: str, model: object) -> str:
    """Return the name of a model, or of the model that a training makes.

    Raises:
        InvalidValue, InvalidType: It does not name a model.
    """
    if isinstance(model, Model):
        return model.name
    if isinstance(model, TrainResult):
        return model.model
    if isinstance(model, Job) and (info_of(model)).kind is JobKind.TRAIN:
        return model_of(model)
    if not isinstance(model, str):
        raise InvalidType(f"{field}: {model!r} is neither a model's name, a Model nor a training job")
    return checks.resource_name("models", model)
