"""``python -m convscope.worker.supervisor.health``: exits 0 exactly if a worker of this machine is known to Redis."""

import socket
import sys
from datetime import UTC, datetime, timedelta

import redis
from rq import Worker

from convscope.store import StoreSettings, connect_promptly

__all__ = ["has_live_worker", "main"]

# Longest time between two heartbeats of a worker: they come every few seconds while it computes, less often while idle.
SILENCE = timedelta(minutes=8)


def has_live_worker(connection: redis.Redis, hostname: str) -> bool:
    """Return whether a worker on the machine of this name has sent a recent heartbeat."""
    workers = Worker.all(connection=connection, serializer="json")
    oldest = datetime.now(UTC) - SILENCE
    return any(
        worker.hostname == hostname and worker.last_heartbeat and worker.last_heartbeat > oldest for worker in workers
    )


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
