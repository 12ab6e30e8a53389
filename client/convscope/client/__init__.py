"""The thin client of a convscope server: train, evaluate and look inside image classifiers.

from convscope.client import Client

with Client() as client:
    training = client.train(iterations=1000)
    print(client.evaluate(training).result(progress=True))

``AsyncClient`` is the same for asyncio programs.
"""

from typing import TYPE_CHECKING, Any

from convscope.client import startup  # noqa: F401  its effect must come before the rest is loaded

# isort: split
from convscope.client.client import Client
from convscope.client.config import Config
from convscope.client.enums import (
    Activation,
    Device,
    ExportFormat,
    FailureReason,
    HeadKind,
    ImageFormat,
    JobKind,
    JobState,
    LayerKind,
    ModelState,
    Outcome,
    Precision,
    Preset,
    Priority,
    Restarts,
    Split,
    Tap,
    WorkerState,
)
from convscope.client.errors import (
    AlreadyExists,
    ConvscopeError,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobCancelled,
    JobError,
    JobFailed,
    MissingExtra,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ProtocolError,
    ResourceExhausted,
    ServiceError,
    StartupError,
    Unauthenticated,
    Unavailable,
)
from convscope.client.evaluation import ClassScores, EvaluateResult, Misclassified
from convscope.client.events import (
    AttemptLost,
    AttemptStarted,
    CancelRequested,
    CheckpointUnreadable,
    EvaluateProgress,
    Event,
    Failure,
    Finished,
    ImageReady,
    Queued,
    TrainProgress,
    Waiting,
)
from convscope.client.examples import Example
from convscope.client.files import File
from convscope.client.history import History
from convscope.client.image_listing import Visualizations
from convscope.client.images import Feature, Image, ObjectiveRef, OptimizedImage, Trace
from convscope.client.job_info import Estimate, JobInfo
from convscope.client.jobs import Job
from convscope.client.naming import ModelLike
from convscope.client.network import Convolution, Dense
from convscope.client.objectives import Objective, Objectives
from convscope.client.render import (
    AdamStep,
    Fourier,
    NormalizedStep,
    Pixels,
    Regularizers,
    Render,
    RenderLike,
    Transforms,
)
from convscope.client.resources import (
    Dataset,
    Digest,
    Interpretation,
    Layer,
    Lineage,
    Model,
    ModelHead,
    ModelInput,
    Worker,
)
from convscope.client.results import ImageStack, LayerImages, TrainResult, VisualizeResult
from convscope.client.selections import Features, Layers
from convscope.client.server_info import ContractVersion, Limits, ServerInfo
from convscope.client.verdicts import Spread, Verdict
from convscope.client.waiting import Backlog, NoWorker, WaitingReason

if TYPE_CHECKING:
    from convscope.client.aio import AsyncClient, AsyncJob, AsyncModelLike, AsyncVisualizations

__all__ = [
    "Activation",
    "AdamStep",
    "AlreadyExists",
    "AsyncClient",
    "AsyncJob",
    "AsyncModelLike",
    "AsyncVisualizations",
    "AttemptLost",
    "AttemptStarted",
    "Backlog",
    "CancelRequested",
    "CheckpointUnreadable",
    "ClassScores",
    "Client",
    "Config",
    "ContractVersion",
    "Convolution",
    "ConvscopeError",
    "DataLoss",
    "Dataset",
    "DeadlineExceeded",
    "Dense",
    "Device",
    "Digest",
    "Estimate",
    "EvaluateProgress",
    "EvaluateResult",
    "Event",
    "Example",
    "ExportFormat",
    "FailedPrecondition",
    "Failure",
    "FailureReason",
    "Feature",
    "Features",
    "File",
    "Finished",
    "Fourier",
    "HeadKind",
    "History",
    "Image",
    "ImageFormat",
    "ImageReady",
    "ImageStack",
    "Interpretation",
    "InvalidArgument",
    "InvalidType",
    "InvalidValue",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "JobInfo",
    "JobKind",
    "JobState",
    "Layer",
    "LayerImages",
    "LayerKind",
    "Layers",
    "Limits",
    "Lineage",
    "Misclassified",
    "MissingExtra",
    "Model",
    "ModelHead",
    "ModelInput",
    "ModelLike",
    "ModelState",
    "NoWorker",
    "NormalizedStep",
    "NotFound",
    "Objective",
    "ObjectiveRef",
    "Objectives",
    "OptimizedImage",
    "OutOfRange",
    "Outcome",
    "PermissionDenied",
    "Pixels",
    "Precision",
    "Preset",
    "Priority",
    "ProtocolError",
    "Queued",
    "Regularizers",
    "Render",
    "RenderLike",
    "ResourceExhausted",
    "Restarts",
    "ServerInfo",
    "ServiceError",
    "Split",
    "Spread",
    "StartupError",
    "Tap",
    "Trace",
    "TrainProgress",
    "TrainResult",
    "Transforms",
    "Unauthenticated",
    "Unavailable",
    "Verdict",
    "Visualizations",
    "VisualizeResult",
    "Waiting",
    "WaitingReason",
    "Worker",
    "WorkerState",
]


if not TYPE_CHECKING:  # a type checker would take this to define every name

    def __getattr__(name: str) -> Any:
        """Load what is for asyncio when it is first asked for."""
        if not name.startswith("Async") or name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from convscope.client import aio  # noqa: PLC0415

        return getattr(aio, name)
