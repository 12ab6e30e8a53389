"""What a Redis must be like to be trusted with jobs."""

import redis

from convscope.store.errors import StoreError

__all__ = ["PolicyError", "check_policy"]


class PolicyError(StoreError):
    """Redis would throw records away when its memory is full."""


def check_policy(connection: redis.Redis) -> None:
    """Refuse a Redis that may evict keys.

    Raises:
        PolicyError: if its ``maxmemory-policy`` is not ``noeviction``; says how to set it.
        redis.RedisError: if it does not answer.
    """
    # From INFO, since hosted servers often forbid CONFIG.
    policy = connection.info("memory").get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise PolicyError(
            f"Redis has maxmemory-policy {policy}, so it may throw jobs away; set it with "
            "`redis-cli config set maxmemory-policy noeviction`, and in its configuration"
        )
