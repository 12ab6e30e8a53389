"""The datasets that a worker can train and evaluate on."""

from convscope.engine.data.dataset import Dataset, Split, load_dataset, scaled

__all__ = ["Dataset", "Split", "load_dataset", "scaled"]
