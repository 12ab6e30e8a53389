"""``python -m convscope.worker.supervisor.health``: exits 0 exactly if a worker of this machine is known to Redis."""

import socket
import sys

import redis

from convscope.store import StoreSettings, WorkerStore, connect_promptly

__all__ = ["has_live_worker", "main"]


def has_live_worker(connection: redis.Redis, host: str) -> bool:
    """Return whether a worker on the machine of this name reported in the last minute."""
    return any(worker.host == host for worker in WorkerStore(connection).list())


def main() -> int:
    """Check this machine's workers; a Redis that does not answer counts as no worker."""
    try:
        connection = connect_promptly(StoreSettings.from_environment().redis_url)
    except ValueError as error:
        print(f"convscope: {error}", file=sys.stderr)  # noqa: T201
        return 1
    try:
        return 0 if has_live_worker(connection, socket.gethostname()) else 1
    except redis.RedisError as error:
        print(f"Redis does not answer: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
