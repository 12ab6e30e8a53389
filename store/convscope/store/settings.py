"""Addresses of state and artifacts, read from the environment once."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convscope.store import failpoints
from convscope.store.environment import Variables
from convscope.store.urls import redact, require_artifacts_url, require_redis_url

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
        is_redis_given: whether the environment names a Redis; else its URL is the default.

    Raises:
        ValueError: for a URL that cannot be used, naming the variable.
    """

    home: Path
    redis_url: str
    artifacts_url: str
    is_redis_given: bool = True

    def __post_init__(self) -> None:
        """Refuse URLs that cannot be opened."""
        require_redis_url(self.redis_url)
        require_artifacts_url(self.artifacts_url)

    def __repr__(self) -> str:
        """Show no secrets: the text may get into a log or a traceback."""
        urls = f"redis_url={redact(self.redis_url)!r}, artifacts_url={redact(self.artifacts_url)!r}"
        return f"StoreSettings(home={self.home!r}, {urls})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "StoreSettings":
        """Read ``CONVSCOPE_HOME``, ``CONVSCOPE_REDIS_URL`` and ``CONVSCOPE_ARTIFACTS_URL``.

        A malformed ``CONVSCOPE_FAILPOINTS`` is refused here, too, and a valid one is logged.
        """
        variables = Variables(environment)
        if set_points := failpoints.parse(variables.text(failpoints.VARIABLE) or ""):
            log.warning("%s is set, for tests: %s have failpoints", failpoints.VARIABLE, ", ".join(set_points))
        home = (variables.path("CONVSCOPE_HOME") or Path.home() / ".convscope").absolute()
        redis_url = variables.text("CONVSCOPE_REDIS_URL")
        return cls(
            home=home,
            redis_url=redis_url or DEFAULT_REDIS_URL,
            artifacts_url=variables.text("CONVSCOPE_ARTIFACTS_URL") or (home / "artifacts").as_uri(),
            is_redis_given=redis_url is not None,
        )
