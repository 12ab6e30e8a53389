"""The contract's enumerations as string enumerations: ``JobState.RUNNING == "running"``."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

from convscope.client.errors import InvalidType, InvalidValue, ProtocolError

__all__ = [
    "Activation",
    "Device",
    "ExportFormat",
    "FailureReason",
    "HeadKind",
    "ImageFormat",
    "JobKind",
    "JobState",
    "LayerKind",
    "ModelState",
    "Outcome",
    "Precision",
    "Preset",
    "Priority",
    "Restarts",
    "Split",
    "Tap",
    "WorkerState",
]


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
    INVALID = "invalid"
    TIMEOUT = "timeout"


class ModelState(StrEnum):
    """Where a model is in its life."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class WorkerState(StrEnum):
    """What a worker does.

    ``draining``: it was told to stop, and takes no more work. ``silent``: no heartbeat for ten seconds.
    """

    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    SILENT = "silent"


class LayerKind(StrEnum):
    """What a layer does; ``other`` is normalization, addition, dropout, ..."""

    CONVOLUTION = "convolution"
    POOLING = "pooling"
    FLATTEN = "flatten"
    DENSE = "dense"
    LOGITS = "logits"
    OTHER = "other"


class HeadKind(StrEnum):
    """How classes come out of a model: as logits, or as their softmax."""

    LOGITS = "logits"
    SOFTMAX = "softmax"


class Split(StrEnum):
    """The parts of a dataset whose names have a meaning; a dataset may have others."""

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


class Priority(StrEnum):
    """How soon a job is started."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Device(StrEnum):
    """What a job is to run on."""

    ANY = "any"
    CPU = "cpu"
    GPU = "gpu"


class Preset(StrEnum):
    """Sets of settings of a visualization that are known to work."""

    TUTORIAL = "tutorial"
    ROBUST = "robust"


class Restarts(StrEnum):
    """Which restarts of a feature a visualization returns."""

    BEST = "best"
    ALL = "all"


class ImageFormat(StrEnum):
    """How the pixels of an image are sent."""

    FLOAT32 = "float32"
    PNG = "png"
    NONE = "none"


class ExportFormat(StrEnum):
    """The format in which images are exported."""

    NPZ = "npz"
    PNG = "png"


class Tap(StrEnum):
    """Where an objective taps its layer: before or after the activation."""

    PRE_ACTIVATION = "pre_activation"
    POST_ACTIVATION = "post_activation"


class Outcome(StrEnum):
    """Whether an image can be trusted to show what maximizes its feature.

    ``constant``: all its pixels are alike. ``unreachable``: the objective never rose. ``not_a_number``: the ascent
    broke off.
    """

    NORMAL = "normal"
    CONSTANT = "constant"
    UNREACHABLE = "unreachable"
    NOT_A_NUMBER = "not_a_number"


_E = TypeVar("_E", bound=StrEnum)
_N = TypeVar("_N", bound=int)


def from_wire(kind: type[_E], name: Callable[[Any], str], number: int) -> _E:
    """Return the member with this number in the contract, where ``name`` gives the contract's name of a number.

    Raises:
        ProtocolError: A number that this client does not know.
    """
    try:
        return kind(name(number).removeprefix(_prefix(kind)).lower())
    except ValueError:
        raise ProtocolError(f"the server sent {kind.__name__} {number}, which this client does not know") from None


def to_wire(kind: type[_E], value: Callable[[str], _N], field: str, name: object) -> _N:
    """Return the contract's number of the member of this name, where ``value`` gives the number of the contract's name.

    Raises:
        InvalidValue, InvalidType: As in ``member``.
    """
    return value(f"{_prefix(kind)}{member(kind, field, name).name}")


def member(kind: type[_E], field: str, value: object) -> _E:
    """Return the member of this name.

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


def all_to_wire(kind: type[_E], value: Callable[[str], _N], field: str, names: object) -> list[_N]:
    """Return the contract's numbers of the members of these names, or of this one name; see ``to_wire``.

    Raises:
        InvalidValue, InvalidType: As in ``member``; neither a name nor several.
    """
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, Iterable):
        raise InvalidType(f"{field}: {names!r} is neither a name nor a list of names")
    return [to_wire(kind, value, field, name) for name in names]


def _prefix(kind: type[StrEnum]) -> str:
    """Return the prefix of the names of an enumeration's values in the contract."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__.removeprefix("Failure").removeprefix("Head")).upper() + "_"
