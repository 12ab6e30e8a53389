"""What a worker's parent does before it takes work: imports, and reads the data that horses will share."""

import gc
import logging

import sklearn.metrics  # noqa: F401 - imported for the horses
import tensorflow as tf  # noqa: F401 - imported for the horses; runs nothing and touches no device

from convscope.engine import DatasetError, load_dataset
from convscope.worker.executor import process  # noqa: F401 - imported for the horses

__all__ = ["warm"]

log = logging.getLogger(__name__)


def warm() -> None:
    """Read the datasets into memory that forked horses share; a fault is left for the jobs that need them to tell."""
    try:
        load_dataset("datasets/mnist")
    except DatasetError as error:
        log.warning("%s", error)
    # What is there now stays for ever: executors need not look through it for garbage, which would copy the memory that
    # they share, nor the parent when it ends, which would take seconds.
    gc.freeze()
