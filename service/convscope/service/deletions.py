"""Tells artifacts that are missing because their job or model was deleted meanwhile from loss of data."""

import contextlib
from collections.abc import Callable, Iterator

from convscope.store import BlobDamagedError, NotFoundError

__all__ = ["check_kept", "unless_deleted"]


def check_kept(look_up: Callable[[str], object], name: str) -> None:
    """Check that a job or model still exists.

    Args:
        look_up: finds it by its resource name, or raises NotFoundError.
        name: its resource name.

    Raises:
        NotFoundError: if it was deleted meanwhile.
    """
    try:
        look_up(name)
    except NotFoundError as error:
        raise NotFoundError(f"{name} was deleted meanwhile") from error


@contextlib.contextmanager
def unless_deleted(look_up: Callable[[str], object], name: str) -> Iterator[None]:
    """Read an artifact of a job or model within a ``with`` block.

    Args:
        look_up: finds it by its resource name, or raises NotFoundError.
        name: its resource name.

    Raises:
        BlobDamagedError: if the artifact is missing or damaged.
        NotFoundError: if that is because the job or model was deleted meanwhile.
    """
    try:
        yield
    except BlobDamagedError:
        check_kept(look_up, name)
        raise
