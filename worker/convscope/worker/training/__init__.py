"""Training: Adam on the softmax cross-entropy, many steps inside one compiled function."""

from convscope.worker.training.run import TrainOutcome, TrainReport, train

__all__ = ["TrainOutcome", "TrainReport", "train"]
