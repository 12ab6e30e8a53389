"""What names a model or a dataset."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeAlias

from convscope.client import checks
from convscope.client.enums import JobKind, member
from convscope.client.errors import InvalidType
from convscope.client.jobs import Job
from convscope.client.resources import Dataset, Model
from convscope.client.results import TrainResult

__all__ = ["ModelLike", "dataset_name", "member_names", "model_name"]

# `models/{id}` or the bare id, a model, or a training that makes or made it.
ModelLike: TypeAlias = str | Model | TrainResult | Job[TrainResult]


def model_name(field: str, model: object) -> str:
    """The name of a model, or of what a training makes."""
    if isinstance(model, Model):
        return model.name
    if isinstance(model, TrainResult) or (isinstance(model, Job) and model.kind is JobKind.TRAIN):
        return model.model
    if not isinstance(model, str):
        raise InvalidType(f"{field}: {model!r} is neither a model's name, a Model nor a training job")
    return checks.resource_name("models", model)


def dataset_name(dataset: object) -> str:
    """The name of a dataset."""
    return dataset.name if isinstance(dataset, Dataset) else checks.resource_name("datasets", dataset)


def member_names(kind: type[StrEnum], field: str, names: object) -> list[str]:
    """The chosen members of an enumeration as the contract writes them."""
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, Iterable):
        raise InvalidType(f"{field}: {names!r} is neither a name nor a list of names")
    return [member(kind, field, name).name for name in names]
