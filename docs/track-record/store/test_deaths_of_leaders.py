"""The death of a leader is no outage: the leases of others do not last longer for it."""

from typing import Any

import redis

from convscope.store import Reconciler
from convscope.store.redis.keys import KEYS
from convscope.store.upkeep.reconciler import LEAD_MS
from support.part_jobs import claim, create


def test_leases_stay_as_they_are_when_a_leader_has_died(connection: redis.Redis) -> None:
    Reconciler(connection, period_s=0).tick()  # and dies
    claim(connection, create(connection, 1))
    leases: Any = connection.zrange(KEYS["leases"], 0, -1)
    due = (connection.time()[0] + 2) * 1000
    connection.zadd(KEYS["leases"], dict.fromkeys(leases, due))
    connection.delete(KEYS["leader"])  # which is what time does; the next one looks within another second
    connection.decrby(KEYS["looked"], LEAD_MS + 1_200)
    Reconciler(connection, period_s=0).tick()
    assert connection.zrange(KEYS["leases"], 0, -1, withscores=True) == [(lease, due) for lease in leases]
