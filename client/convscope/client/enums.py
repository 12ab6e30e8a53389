"""The contract's enumerations as string enumerations: `JobState.RUNNING == "running"`."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from convscope.client.errors import InvalidType, InvalidValue, ProtocolError

__all__ = ["Activation", "FailureReason", "JobKind", "JobState", "LayerKind", "ModelState", "Precision", "Split"]


class JobState(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class JobKind(StrEnum):
    """Which kinds of job there are."""

    TRAIN = "train"
    EVALUATE = "evaluate"
    VISUALIZE = "visualize"


class FailureReason(StrEnum):
    """Why a job failed."""

    COMPUTATION = "computation"
    MODEL = "model"
    DATASET = "dataset"
    WORKER_LOST = "worker_lost"
    STORAGE = "storage"


class ModelState(StrEnum):
    """Where a model is in its life."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class LayerKind(StrEnum):
    """What a layer does."""

    CONVOLUTION = "convolution"
    POOLING = "pooling"
    FLATTEN = "flatten"
    DENSE = "dense"
    LOGITS = "logits"


class Split(StrEnum):
    """The mutually exclusive parts of a dataset."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Activation(StrEnum):
    """What a layer applies after its weights and bias."""

    RELU = "relu"
    ELU = "elu"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    LINEAR = "linear"


class Precision(StrEnum):
    """The number format of the training computation."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


_E = TypeVar("_E", bound=StrEnum)


def from_wire(kind: type[_E], name: Callable[[Any], str], number: int) -> _E:
    """The member with this number in the contract, where `name` gives the contract's name of a number.

    Raises:
        ProtocolError: A number that this client does not know.
    """
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__.removeprefix("Failure")).upper() + "_"
    try:
        return kind(name(number).removeprefix(prefix).lower())
    except ValueError:
        raise ProtocolError(f"the server sent {kind.__name__} {number}, which this client does not know") from None


def member(kind: type[_E], field: str, value: object) -> _E:
    """The member of this name.

    Raises:
        InvalidValue: No such name; the text lists those that exist.
        InvalidType: Not a string.
    """
    if not isinstance(value, str):
        raise InvalidType(f"{field}: {value!r} is not a string")
    try:
        return kind(value.lower())
    except ValueError:
        allowed = ", ".join(kind)
        raise InvalidValue(f"{field}: unknown {value!r}; allowed are {allowed}") from None
