"""Preparation of a worker's supervisor: imports, scripts and datasets that its executors share."""

import gc
import logging

import sklearn.metrics  # noqa: F401 - imported for the executors
import tensorflow as tf  # noqa: F401 - imported for the executors; runs nothing and touches no device

from convscope.engine import DatasetError, load_dataset
from convscope.store import load_scripts
from convscope.worker.executor import process  # noqa: F401 - imported for the executors

__all__ = ["warm"]

log = logging.getLogger(__name__)


def warm() -> None:
    """Read scripts and datasets into memory that forked executors share.

    A fault of a dataset is only logged: the jobs that need it report it.
    """
    load_scripts()
    try:
        load_dataset("datasets/mnist")
    except DatasetError as error:
        log.warning("%s", error)
    # All these objects stay: executors need not search them for garbage, which would copy the shared memory,
    # nor need the supervisor when it ends, which would take seconds.
    gc.freeze()
