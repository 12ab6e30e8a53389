"""Timeouts for a remote artifact store."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = ["DEFAULT_TIMEOUTS", "BlobTimeouts", "store_options"]

# Prefixes of the variables from which the libraries of remote stores read their options.
PREFIXES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}

# Options of the connection that the environment may set in addition to the timeouts. The library reads them from there
# only if it gets no options.
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
    """How long to wait for a remote store; a local one is as fast as its disk. The defaults suit long work.

    Attributes:
        connect_s: seconds to connect.
        silence_s: seconds without a byte of an answer.
        request_s: seconds for a request with its answer.
        retries: how often a failed request is sent again at most.
        retry_s: seconds after the first try during which it is sent again: jobs survive an outage of this length.
    """

    connect_s: float = 5.0
    silence_s: float = 30.0
    request_s: float = 120.0
    retries: int = 1_000
    retry_s: float = 180.0


DEFAULT_TIMEOUTS = BlobTimeouts()


def store_options(url: str, timeouts: BlobTimeouts, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the library's options for a remote store: the timeouts, and the environment's connection options."""
    prefixes = PREFIXES.get(url.partition(":")[0], ())
    variables = ((name, prefix + name.upper()) for name in CONNECTION_OPTIONS for prefix in prefixes)
    return {
        "client_options": {
            **{name: environment[variable] for name, variable in variables if variable in environment},
            "connect_timeout": timedelta(seconds=timeouts.connect_s),
            "read_timeout": timedelta(seconds=timeouts.silence_s),
            "timeout": timedelta(seconds=timeouts.request_s),
        },
        "retry_config": {
            "max_retries": timeouts.retries,
            "retry_timeout": timedelta(seconds=timeouts.retry_s),
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2},
        },
    }
