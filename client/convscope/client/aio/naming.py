"""Names of models."""

from typing import TypeAlias

from convscope.client import checks
from convscope.client.aio.job_facts import info_of, model_of
from convscope.client.aio.jobs import AsyncJob
from convscope.client.enums import JobKind
from convscope.client.errors import InvalidType
from convscope.client.resources import Model
from convscope.client.results import TrainResult

__all__ = ["AsyncModelLike", "model_name"]

# ``models/{id}`` or the bare id, a model, or the training that creates it.
AsyncModelLike: TypeAlias = str | Model | TrainResult | AsyncJob[TrainResult]


async def model_name(field: str, model: object) -> str:
    """Return the name of a model, or of the model that a training makes.

    Raises:
        InvalidValue, InvalidType: It does not name a model.
    """
    if isinstance(model, Model):
        return model.name
    if isinstance(model, TrainResult):
        return model.model
    if isinstance(model, AsyncJob) and (await info_of(model)).kind is JobKind.TRAIN:
        return await model_of(model)
    if not isinstance(model, str):
        raise InvalidType(f"{field}: {model!r} is neither a model's name, a Model nor a training job")
    return checks.resource_name("models", model)
