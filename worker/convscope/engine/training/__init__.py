"""Training: Adam on the softmax cross-entropy, many steps inside one compiled function."""

from convscope.engine.training.checkpoints import Checkpoints
from convscope.engine.training.run import TrainOutcome, TrainReport, train
from convscope.engine.training.state import restore_state, state_to_bytes

__all__ = ["Checkpoints", "TrainOutcome", "TrainReport", "restore_state", "state_to_bytes", "train"]
