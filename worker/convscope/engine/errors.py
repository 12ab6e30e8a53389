"""What can go wrong in a worker's computations.

    WorkerError
    ├── DatasetError      a dataset's file is missing, damaged or not what it should be
    ├── ModelFileError    a model's file is damaged, or holds what this code cannot use
    │   └── CheckpointError   a training cannot go on from this state
    └── ComputationError  the computation itself failed, or was asked for what the model does not have

Each message is for the person who reads why a job failed.
"""

__all__ = ["CheckpointError", "ComputationError", "DatasetError", "ModelFileError", "WorkerError"]


class WorkerError(Exception):
    """Base of all errors that the computing code raises on purpose."""


class DatasetError(WorkerError):
    """A dataset's file is missing, damaged or not what it should be; names the file."""


class ModelFileError(WorkerError):
    """A model's file is damaged, or holds a model that this code cannot use."""


class CheckpointError(ModelFileError):
    """A training cannot go on from this state: it is damaged, or that of another step or network."""


class ComputationError(WorkerError):
    """The computation failed (a loss that is no number), or names what the model does not have."""
