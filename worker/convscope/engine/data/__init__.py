"""The datasets that a worker can train and evaluate on."""

from convscope.engine.data.dataset import Dataset, Split, check_examples, load_dataset, scaled

__all__ = ["Dataset", "Split", "check_examples", "load_dataset", "scaled"]
