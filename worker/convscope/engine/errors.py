"""Errors of the engine.

EngineError
├── DatasetError      a dataset's file is missing, damaged or invalid
├── ModelFileError    a model's file is damaged, or holds what the engine cannot use
│   └── CheckpointError   a training cannot resume from this state
└── ComputationError  the computation failed, or was asked for something that the model does not have

Each message is for the person who reads why a job failed.
"""

__all__ = ["CheckpointError", "ComputationError", "DatasetError", "EngineError", "ModelFileError"]


class EngineError(Exception):
    """Base of all errors of the engine."""


class DatasetError(EngineError):
    """A dataset's file is missing, damaged or invalid; the message names the file."""


class ModelFileError(EngineError):
    """A model's file is damaged, or holds a model that the engine cannot use."""


class CheckpointError(ModelFileError):
    """A training cannot resume from this state: it is damaged, or of another step or network."""


class ComputationError(EngineError):
    """The computation failed (its loss is NaN, for example), or names something that the model does not have."""
