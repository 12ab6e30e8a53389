"""What can go wrong in a worker's computations.

    EngineError
    ├── DatasetError      a dataset's file is missing, damaged or not what it should be
    ├── ModelFileError    a model's file is damaged, or holds what this code cannot use
    │   └── CheckpointError   a training cannot go on from this state
    └── ComputationError  the computation itself failed, or was asked for what the model does not have

Each message is for the person who reads why a job failed.
"""

__all__ = ["CheckpointError", "ComputationError", "DatasetError", "EngineError", "ModelFileError"]


class EngineError(Exception):
    """Base of all errors that the computing code raises on purpose."""


class DatasetError(EngineError):
    """A dataset's file is missing, damaged or not what it should be; names the file."""


class ModelFileError(EngineError):
    """A model's file is damaged, or holds a model that this code cannot use."""


class CheckpointError(ModelFileError):
    """A training cannot go on from this state: it is damaged, or that of another step or network."""


class ComputationError(EngineError):
    """The computation failed (a loss that is no number), or names what the model does not have."""
