"""Which deployment owns the artifact store, and whether anything in it may be deleted.

Redis and the artifact store carry the same id and epoch. Both advance together before anything is deleted, so comparing
both sides reveals a Redis that was restored from a backup, was emptied, or belongs to another deployment.
An epoch is entered in three steps; a process may die after each, and the next process resumes:

1. Redis notes which epoch it wants, with a token;
2. some seconds later, when that is on Redis' disk, the epoch's marker is created in the store, with the token;
3. Redis enters the epoch.

A store that is one epoch ahead, with the token that Redis has noted, therefore belongs to this Redis. With any other
difference ownership is in doubt, and nothing is deleted until a person has decided.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import redis

from convscope.store.errors import AdoptionError, DeletionOffError
from convscope.store.markers import Marker, Markers, StoreSide
from convscope.store.names import new_id
from convscope.store.objects import Objects
from convscope.store.redis.keys import KEYS
from convscope.store.redis.layout import check_layout
from convscope.store.redis.scripts import Scripts, Value, counted

__all__ = ["Deployment", "RedisSide", "Standing", "judge"]

# How long an epoch is noted in Redis before it is used, in milliseconds: Redis writes to its disk once a second, and
# may be a second late.
SETTLE_MS = 3_000

# How often to read both sides until Redis does not change meanwhile.
LOOKS = 5

# How long the epoch that another process wants is respected, in milliseconds.
RESPECTED_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSide:
    """Identity and epoch in Redis.

    Attributes:
        deployment: the deployment's id, ``""`` if it has none.
        epoch: 0 before it has an artifact store.
        wanted: id, epoch and token of the epoch that is being entered.
        adopted: when it adopted the store, in microseconds since 1970 by the store's clock; 0 if it did not.
    """

    deployment: str = ""
    epoch: int = 0
    wanted: tuple[str, int, str] = ("", 0, "")
    adopted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether Redis and the artifact store belong together.

    Attributes:
        code: ``ok`` if they belong together; ``unused`` if both are empty; ``entering`` while an epoch is entered; else
            why nothing is deleted.
        reason: the same in words, ``""`` if they belong together.
        advice: what a person can do about it.
        redis: identity and epoch in Redis.
        store: identity and epoch in the store.
    """

    code: str
    reason: str
    advice: str
    redis: RedisSide
    store: StoreSide

    @property
    def deletes(self) -> bool:
        """Whether things may be deleted."""
        return self.code == "ok"

    def __str__(self) -> str:
        return f"{self.reason}; {self.advice}" if self.reason else "Redis and the artifact store belong together"


ADOPT = "`convscope admin adopt` makes this Redis its owner"

# Why nothing is deleted, and what to do.
REASONS: Mapping[str, tuple[str, str]] = {
    "unused": ("this deployment has no artifact store yet", "the service makes the two belong together when it runs"),
    "entering": ("an epoch is being entered", "wait some seconds"),
    "store_unmarked": (
        "the artifact store has files, but does not say which deployment they belong to",
        f"check CONVSCOPE_ARTIFACTS_URL; if it is right, {ADOPT}",
    ),
    "store_empty": (
        "the artifact store is empty, while Redis has had one",
        f"check CONVSCOPE_ARTIFACTS_URL and whether its volume is there; if all files are lost, {ADOPT}",
    ),
    "redis_new": (
        "this Redis is new, while the artifact store belongs to deployment {store}",
        "check CONVSCOPE_REDIS_URL, its database number, and whether Redis has lost its volume; if this is to be the "
        f"store's Redis, {ADOPT}; a separate deployment needs a separate artifact store",
    ),
    "foreign": (
        "the artifact store belongs to deployment {store}, this Redis to deployment {redis}",
        "check CONVSCOPE_REDIS_URL and CONVSCOPE_ARTIFACTS_URL: each deployment needs a separate artifact store; if "
        f"this is to be the store's Redis, {ADOPT}",
    ),
    "redis_behind": (
        "Redis is at epoch {redis_epoch}, behind the artifact store at {store_epoch}: it has lost writes, or was "
        "restored from a backup",
        f"if it is the right one, {ADOPT}",
    ),
    "store_behind": (
        "the artifact store is at epoch {store_epoch}, behind Redis at {redis_epoch}: it is a copy, or was restored "
        "from a backup",
        f"check CONVSCOPE_ARTIFACTS_URL; if it is the right one, {ADOPT}",
    ),
    "marker_unreadable": (
        "the latest file in the artifact store's folder deployment/ cannot be read",
        f"restore it; if this is the store's Redis, {ADOPT}",
    ),
    "marker_newer": (
        "the artifact store's folder deployment/ was written by a newer version",
        "update convscope",
    ),
    "shared": (
        "another deployment writes to this artifact store: {guests}",
        f"give it a separate store, then clear its note away: {ADOPT} again",
    ),
}


def judge(of_redis: RedisSide, store: StoreSide) -> Standing:
    """Decide whether Redis and the artifact store belong together."""
    code = _code(of_redis, store)
    reason, advice = REASONS.get(code, ("", ""))
    explained = reason.format(
        redis=of_redis.deployment,
        store=store.marker.deployment if store.marker else "",
        redis_epoch=of_redis.epoch,
        store_epoch=store.epoch,
        guests=", ".join(guest.partition("-")[0] for guest in store.guests),
    )
    return Standing(code=code, reason=explained, advice=advice, redis=of_redis, store=store)


def _code(of_redis: RedisSide, store: StoreSide) -> str:
    marker = store.marker
    if store.fault:
        return f"marker_{store.fault}"
    if marker is None:
        return _without_marker(of_redis, store)
    if (marker.deployment, marker.epoch, marker.token) == of_redis.wanted:
        return "entering"
    if marker.deployment != of_redis.deployment:
        return "foreign" if of_redis.epoch else "redis_new"
    return _by_epoch(of_redis.epoch, marker.epoch, store)


def _by_epoch(of_redis: int, of_store: int, store: StoreSide) -> str:
    if of_redis < of_store:
        return "redis_behind"
    if of_redis > of_store:
        return "store_behind"
    return "shared" if store.guests else "ok"


def _without_marker(of_redis: RedisSide, store: StoreSide) -> str:
    if store.used:
        return "store_unmarked"
    return "store_empty" if of_redis.epoch else "unused"


class Deployment:
    """Redis and the artifact store together; every deletion asks here first. Safe to use from several threads.

    Args:
        connection: Redis.
        objects: the artifact store.
        settle_ms: how long an epoch is noted before it is used, in milliseconds.
    """

    def __init__(self, connection: redis.Redis, objects: Objects, *, settle_ms: int = SETTLE_MS) -> None:
        self._redis = connection
        self._markers = Markers(objects)
        self._settle_ms = settle_ms
        self._scripts = Scripts(connection)

    def standing(self) -> Standing:
        """Compare both sides; changes nothing.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        before = self.redis_side()
        for _ in range(LOOKS):
            store = self._markers.read()
            after = self.redis_side()
            if after == before:
                break
            before = after  # an epoch was entered meanwhile: the two sides were read at different times
        return judge(after, store)

    def redis_side(self) -> RedisSide:
        """Read identity and epoch in Redis."""
        stored = cast("Mapping[bytes, bytes]", self._redis.hgetall(KEYS["deployment"]))
        fields = {name.decode(): value.decode() for name, value in stored.items()}
        return RedisSide(
            deployment=fields.get("id", ""),
            epoch=int(fields.get("epoch", 0)),
            wanted=(fields.get("next_id", ""), int(fields.get("next_epoch", 0)), fields.get("next_token", "")),
            adopted=int(fields.get("adopted", 0)),
        )

    def may_delete(self, since: Standing | None = None) -> Standing:
        """Check that files may be deleted now.

        Args:
            since: the standing when long work began: the work must not continue under another deployment.

        Raises:
            DeletionOffError: if they may not.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        now = self.standing()
        if not now.deletes:
            raise DeletionOffError(f"nothing is deleted: {now}")
        if since and now.redis.deployment != since.redis.deployment:
            raise DeletionOffError("nothing more is deleted: the artifact store has been adopted meanwhile")
        return now

    def join(self, *, writes: bool = False) -> Standing:
        """Make an empty Redis and an empty store belong together, or complete an epoch that was being entered.

        Args:
            writes: whether files are about to be written. If the store belongs to another deployment, a note in it
                keeps that deployment from deleting them.

        Raises:
            LayoutError: if Redis has records of another version.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        check_layout(self._redis)
        standing = self.standing()
        if standing.code == "unused":
            self._create(standing, standing.redis.deployment, settled=True)
        elif standing.code == "entering":
            self._complete(standing.store)
        elif writes and standing.code in {"foreign", "redis_new", "redis_behind"}:
            self._markers.add_guest(f"{standing.redis.deployment}-{standing.redis.epoch}")
            return standing
        else:
            return standing
        return self.standing()

    def ensure_joined(self) -> None:
        """Join before the first file is written; if that has been done, this only reads Redis."""
        if not self.redis_side().epoch:
            self.join(writes=True)

    def advance(self) -> bool:
        """Enter the next epoch on both sides; call it again until it returns True.

        Returns:
            False as long as Redis may not have saved yet which epoch is wanted.

        Raises:
            DeletionOffError: if the two sides do not belong together.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        standing = self.standing()
        if standing.code == "entering":
            self._complete(standing.store)
            return True
        if not standing.deletes:
            raise DeletionOffError(f"nothing is deleted: {standing}")
        if not self._create(standing, standing.redis.deployment):
            return False
        self._markers.prune(standing.redis.epoch)
        return True

    def adopt(self) -> Standing:
        """Make this Redis the owner of the store, under a new id, whichever deployment owned it before.

        Raises:
            LayoutError: if Redis has records of another version.
            AdoptionError: if a newer version wrote the store's markers, or another process was faster.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        check_layout(self._redis)
        standing = self.standing()
        if standing.code == "marker_newer":
            raise AdoptionError(str(standing))
        if standing.code == "entering":
            standing = self.join()
        if not self._create(standing, new_id(), settled=True, adopted=True):
            raise AdoptionError("another process changes the owner of the artifact store; try again in a minute")
        self._markers.forget_guests(standing.store.guests)
        return self.standing()

    def _create(self, standing: Standing, deployment: str, *, settled: bool = False, adopted: bool = False) -> bool:
        """Note the next epoch, create its marker, enter it; return whether it was entered."""
        epoch = max(standing.redis.epoch, standing.store.epoch) + 1
        arguments: list[Value] = [standing.redis.deployment, standing.redis.epoch, deployment, epoch]
        arguments += [secrets.token_hex(8), RESPECTED_MS]
        status, *noted = self._scripts.run("prepare_epoch", *arguments)
        if status != b"ok" or not (settled or noted[1] >= self._settle_ms):
            return False
        marker = Marker(deployment=deployment, epoch=epoch, token=noted[0].decode(), adopted=adopted)
        self._markers.create(marker)  # or it exists: created by a process that wants the same, or by another deployment
        return self._complete(self._markers.read())

    def _complete(self, store: StoreSide) -> bool:
        marker = store.marker
        if marker is None:
            return False
        fields = {"adopted": _microseconds(store.written)} if marker.adopted else {}
        arguments: list[Value] = [marker.deployment, marker.epoch, marker.token, *counted(fields.items())]
        return bool(self._scripts.run("enter_epoch", *arguments))


def _microseconds(time: datetime) -> int:
    return round((time - datetime.fromtimestamp(0, UTC)).total_seconds() * 1_000_000)
