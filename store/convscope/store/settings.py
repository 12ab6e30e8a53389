"""Where state and artifacts live, read from the environment once."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

from convscope.store import failpoints
from convscope.store.urls import redact

__all__ = ["StoreSettings"]

log = logging.getLogger(__name__)

# A Redis on this machine, as its packages install it.
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Addresses of the store's two halves.

    Attributes:
        home: directory for everything that convscope keeps on this machine (``CONVSCOPE_HOME``, ``~/.convscope``).
        redis_url: ``redis://``, ``rediss://`` or ``unix://`` (``CONVSCOPE_REDIS_URL``).
        artifacts_url: ``file://``, ``s3://``, ``gs://`` or ``az://`` (``CONVSCOPE_ARTIFACTS_URL``, a folder of home).

    Raises:
        ValueError: for a URL that cannot be used, naming the variable.
    """

    home: Path
    redis_url: str
    artifacts_url: str

    def __post_init__(self) -> None:
        """Refuse schemes that nothing here can open."""
        _require_scheme("CONVSCOPE_REDIS_URL", self.redis_url, ("redis", "rediss", "unix"))
        _require_redis_url(self.redis_url)
        _require_scheme("CONVSCOPE_ARTIFACTS_URL", self.artifacts_url, ("file", "s3", "gs", "az"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "StoreSettings":
        """Read ``CONVSCOPE_HOME``, ``CONVSCOPE_REDIS_URL`` and ``CONVSCOPE_ARTIFACTS_URL``.

        A malformed ``CONVSCOPE_FAILPOINTS`` is refused here, too, and a good one told.
        """
        if set_points := failpoints.parse(environment.get(failpoints.VARIABLE, "")):
            log.warning("%s is set, for tests: %s have failpoints", failpoints.VARIABLE, ", ".join(set_points))
        home = Path(environment.get("CONVSCOPE_HOME") or "~/.convscope").expanduser().absolute()
        return cls(
            home=home,
            redis_url=environment.get("CONVSCOPE_REDIS_URL") or DEFAULT_REDIS_URL,
            artifacts_url=environment.get("CONVSCOPE_ARTIFACTS_URL") or (home / "artifacts").as_uri(),
        )


def _require_scheme(variable: str, url: str, allowed: tuple[str, ...]) -> None:
    if url.partition("://")[0] not in allowed or "://" not in url:
        schemes = ", ".join(f"{scheme}://" for scheme in allowed)
        raise ValueError(f"{variable} is {redact(url)!r}; it must start with one of {schemes}")


def _require_redis_url(url: str) -> None:
    """Refuse what redis-py would refuse at the first connection, or read as something else."""
    try:
        parts = urlsplit(url)
        path = parts.path.strip("/")
        fits = parts.scheme == "unix" or (parts.port != 0 and (not path or path.isdecimal()))
        redis.ConnectionPool.from_url(url).make_connection()  # which connects later
    except (ValueError, TypeError):
        fits = False
    if not fits:
        raise ValueError(
            f"CONVSCOPE_REDIS_URL is {redact(url)!r}; it must be redis://HOST:PORT/DATABASE, rediss://... for TLS, or "
            "unix:///PATH?db=DATABASE: the port from 1 to 65535, the database a number, a password percent-encoded, "
            "and no options but redis-py's"
        )
