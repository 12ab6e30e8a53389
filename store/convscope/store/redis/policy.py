"""Checks that a Redis can be trusted with jobs."""

from typing import Any, Final, cast

import redis

from convscope.store.errors import PolicyError

__all__ = ["check_policy"]

# The oldest version with the features that scripts use: replication by effects, options of SET and ZADD.
OLDEST: Final = (6, 2)


def check_policy(connection: redis.Redis) -> None:
    """Refuse a Redis Cluster, one that is too old, one without the database, and one that may evict keys.

    Raises:
        PolicyError: saying what to use, or which setting to change.
        redis.RedisError: if it does not answer.
    """
    server, cluster, memory = _read_info(connection)
    if cluster.get("cluster_enabled") or server.get("redis_mode") == "cluster":
        raise PolicyError(
            "Redis runs as a cluster, where no script may change several jobs' records at once; use one primary, with "
            "replicas or Sentinel if wished (cluster-enabled no)"
        )
    version = str(server.get("redis_version", ""))
    if _numbers(version) < OLDEST:
        raise PolicyError(f"Redis has version {version}; use {OLDEST[0]}.{OLDEST[1]} or newer, or Valkey")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise PolicyError(
            f"Redis has maxmemory-policy {policy}, so it may throw jobs away; set it with "
            "`redis-cli config set maxmemory-policy noeviction`, and in its configuration"
        )


def _read_info(connection: redis.Redis) -> list[dict[str, Any]]:
    """Return the sections server, cluster and memory of Redis' INFO."""
    # From INFO, since hosted servers often forbid CONFIG.
    with connection.pipeline(transaction=False) as pipeline:
        for section in ("server", "cluster", "memory"):
            pipeline.info(section)
        try:
            return cast("list[dict[str, Any]]", pipeline.execute())
        except redis.ResponseError as error:
            # A cluster reports this, too: it has only database 0.
            if "DB index" in str(error) or "SELECT is not allowed" in str(error):
                raise PolicyError(
                    f"Redis has no database of the number in CONVSCOPE_REDIS_URL ({error}); use a smaller number, such "
                    "as 0, and not a cluster"
                ) from error
            raise


def _numbers(version: str) -> tuple[int, ...]:
    """Return the parts of a version; an unknown version counts as new enough."""
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    return numbers or OLDEST
