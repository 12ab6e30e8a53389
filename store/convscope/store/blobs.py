"""The artifact store: immutable blobs named by their SHA-256."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import from_url

from convscope.store.errors import BlobDamagedError, BlobError

__all__ = ["BlobStore", "BlobTimeouts", "StoredBlob"]

# Everything is below this folder of the URL.
FOLDER = "blobs"


# The name of no blob.
NOTHING = "0" * 64

# How the variables begin from which the libraries of remote stores read their options.
PREFIXES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}

# Options of the connection that the environment may set beside the timeouts. The library reads them from there only
# as long as it is given none.
CONNECTION_OPTIONS = (
    "allow_http",
    "allow_invalid_certificates",
    "http1_only",
    "http2_only",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "user_agent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobTimeouts:
    """How long a remote store is waited for; a local one is as fast as its disk. The defaults suit long work.

    Attributes:
        connect_s: seconds for a connection to be made.
        silence_s: seconds without a byte of an answer.
        request_s: seconds for a request with its answer.
        retries: how often a request that failed is sent again.
        retry_s: seconds after the first try during which it is sent again.
    """

    connect_s: float = 5.0
    silence_s: float = 30.0
    request_s: float = 120.0
    retries: int = 10
    retry_s: float = 180.0


DEFAULT_TIMEOUTS = BlobTimeouts()


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What a listing tells of a blob: its SHA-256, and when it was last written."""

    digest: str
    written: datetime


class BlobStore:
    """Blobs under one URL; safe to use from several threads.

    Args:
        url: ``file://`` (made if absent), ``s3://``, ``gs://`` or ``az://``; credentials come from the environment.
        timeouts: how long a remote store is waited for.

    Raises:
        BlobError: if the URL cannot be opened.
    """

    def __init__(self, url: str, timeouts: BlobTimeouts = DEFAULT_TIMEOUTS) -> None:
        self.url = url
        with self._translated("open"):
            self._store = (
                from_url(url, mkdir=True) if url.startswith("file:") else from_url(url, **_options(url, timeouts))
            )

    def put(self, data: bytes) -> str:
        """Store bytes and return their SHA-256 in hexadecimal. They appear whole or not at all.

        What is stored already is written once more: the sweeper spares what was written lately.

        Raises:
            BlobError: if they cannot be stored (disk full, no permission, store unreachable).
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._translated("write"):
            obstore.put(self._store, _path(digest), data)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a SHA-256.

        Raises:
            BlobDamagedError: if they are missing or do not have this digest.
            BlobError: if the store cannot be read.
        """
        try:
            with self._translated("read"):
                data = bytes(obstore.get(self._store, _path(digest)).bytes())
        except FileNotFoundError as error:
            raise BlobDamagedError(f"artifact {digest} is missing from {self.url}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobDamagedError(f"artifact {digest} in {self.url} is damaged: its SHA-256 is another")
        return data

    def stored(self) -> Iterator[list[StoredBlob]]:
        """Yield everything that is stored, some hundred blobs at a time.

        Raises:
            BlobError: if the store cannot be read.
        """
        with self._translated("list"):
            for batch in obstore.list(self._store, prefix=FOLDER):
                yield [StoredBlob(PurePosixPath(meta["path"]).name, meta["last_modified"]) for meta in batch]

    def written(self, digest: str) -> datetime | None:
        """Return when a blob was last written; None if it is missing.

        Raises:
            BlobError: if the store cannot be read.
        """
        try:
            with self._translated("read"):
                written: datetime = obstore.head(self._store, _path(digest))["last_modified"]
        except FileNotFoundError:
            return None
        return written

    def probe(self) -> None:
        """Find out whether the store answers, by asking for a blob that it does not have.

        Raises:
            BlobError: if it does not.
        """
        # A store that lets nobody list it calls what is missing forbidden; that is an answer as well.
        with self._translated("reach"), contextlib.suppress(FileNotFoundError, PermissionDeniedError):
            obstore.head(self._store, _path(NOTHING))

    def delete(self, digests: Sequence[str]) -> None:
        """Delete blobs; those that are missing do no harm.

        Raises:
            BlobError: if the store cannot be written.
        """
        with self._translated("delete"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, [_path(digest) for digest in digests])

    @contextlib.contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            # The first paragraph says what happened; what follows is the library's debugging output.
            reason = str(error).split("\n\n", maxsplit=1)[0]
            raise BlobError(f"cannot {verb} artifacts in {self.url}: {reason}") from error


def _path(digest: str) -> str:
    return f"{FOLDER}/{digest[:2]}/{digest}"


def _options(url: str, timeouts: BlobTimeouts, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the library's options for a remote store: the timeouts, and what the environment says of connections."""
    prefixes = PREFIXES.get(url.partition(":")[0], ())
    variables = ((name, prefix + name.upper()) for name in CONNECTION_OPTIONS for prefix in prefixes)
    return {
        "client_options": {
            **{name: environment[variable] for name, variable in variables if variable in environment},
            "connect_timeout": timedelta(seconds=timeouts.connect_s),
            "read_timeout": timedelta(seconds=timeouts.silence_s),
            "timeout": timedelta(seconds=timeouts.request_s),
        },
        "retry_config": {"max_retries": timeouts.retries, "retry_timeout": timedelta(seconds=timeouts.retry_s)},
    }
