"""Options, credentials and metadata of a channel, for threads and for asyncio."""

import json
from pathlib import Path

import grpc

from convscope.client.config import Config
from convscope.client.errors import InvalidValue
from convscope.v1.version import CONTRACT_KEY, VERSION

__all__ = ["call_metadata", "channel_credentials", "channel_options"]

# Bytes of one message: the most that the service sends (one large image), and the most that it accepts.
_MAX_MESSAGE = 128 * 2**20
_MAX_REQUEST = 4 * 2**20
# Milliseconds of silence after which the connection is probed, and in which the probe must be answered.
_KEEPALIVE_TIME, _KEEPALIVE_TIMEOUT = 30_000, 15_000
# Milliseconds between attempts to reconnect; gRPC's own limit of two minutes would outlast a watch's patience.
_RECONNECT_FIRST, _RECONNECT_MAX = 200, 2_000
# Calls that may be sent twice without harm; CreateJob always carries a request id.
_REPEATABLE = {
    "Jobs": ("CreateJob", "GetJob", "ListJobs", "CancelJob"),
    "Models": ("ListModels", "GetModel", "ListTrainReports"),
    "Datasets": ("ListDatasets", "GetDataset"),
    "Evaluations": ("ListExamples",),
    "Files": ("ListFiles",),
    "Images": ("ListImages", "GetImage"),
    "Workers": ("ListWorkers",),
    "Server": ("GetServerInfo",),
}
_RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def channel_options(config: Config) -> list[tuple[str, int | str]]:
    """Return the options of a channel: sizes, keepalive, reconnecting, and which calls gRPC repeats by itself."""
    return [
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.max_send_message_length", _MAX_REQUEST),
        ("grpc.keepalive_time_ms", _KEEPALIVE_TIME),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_FIRST),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX),
        ("grpc.enable_http_proxy", int(not config.is_local)),
        ("grpc.service_config", _service_config()),
    ]


def channel_credentials(config: Config) -> grpc.ChannelCredentials | None:
    """Return the credentials of TLS; None where it is not used.

    Raises:
        InvalidValue: The certificates cannot be read.
    """
    if not config.encrypted:
        return None
    certificates = _read_certificates(config.root_certificates) if config.root_certificates else None
    return grpc.ssl_channel_credentials(certificates)


def call_metadata(config: Config) -> tuple[tuple[str, str], ...]:
    """Return what is sent with every call: the contract's version, and the token if there is one."""
    token = (("authorization", f"Bearer {config.token}"),) if config.token else ()
    return ((CONTRACT_KEY, VERSION), *token)


def _read_certificates(file: Path) -> bytes:
    import ssl  # noqa: PLC0415  only those who use TLS wait for it

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
        return file.read_bytes()
    except ssl.SSLError:
        raise InvalidValue(f"root_certificates: {file} (CONVSCOPE_TLS_CA) has no certificate in PEM format") from None
    except OSError as error:
        raise InvalidValue(f"root_certificates: {file}: {error.strerror}") from error


def _service_config() -> str:
    names = [
        {"service": f"convscope.v1.{service}", "method": method}
        for service, methods in _REPEATABLE.items()
        for method in methods
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY}]})
