"""Downloading MNIST's files from public mirrors."""

import http.client
import logging
import urllib.request
from collections.abc import Callable
from typing import Final

from convscope.engine.errors import DatasetError

__all__ = ["download"]

log = logging.getLogger(__name__)

# Two public mirrors of the four files, tried in this order.
MIRRORS: Final = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
# Bounds the wait for a silent mirror, in seconds.
TIMEOUT_S: Final = 20.0
# Bounds a download; the largest of the files has about 10 MB.
MAX_BYTES: Final = 64 * 2**20


def download(name: str, *, mirror: str | None = None, unpack: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """Download a file from the first mirror that has a valid one.

    Args:
        name: of the file.
        mirror: an address with http or https, used instead of the public mirrors.
        unpack: returns the content of the file; raises ``DatasetError`` for an invalid one.

    Returns:
        The file, and its content.

    Raises:
        DatasetError: naming the file and the fault of each mirror.
    """
    faults = []
    for place in [mirror] if mirror else MIRRORS:
        address = f"{place.rstrip('/')}/{name}"
        try:
            content = _get(address)
            unpacked = unpack(content)
        except (OSError, ValueError, http.client.HTTPException, DatasetError) as error:
            faults.append(f"{address}: {error}")
        else:
            log.info("downloaded %s", address)
            return content, unpacked
    raise DatasetError(f"{name} is in none of the data folders and could not be downloaded ({'; '.join(faults)})")


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:  # noqa: S310 - its scheme is known
        content: bytes = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    return content
