"""An overview of a deployment: owner, epoch and contents of Redis and of the artifact store."""

from dataclasses import asdict, dataclass
from typing import Any, cast

import redis

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment, Standing
from convscope.store.errors import ManifestError
from convscope.store.model_manifests import ModelManifests
from convscope.store.redis.keys import KEYS
from convscope.store.redis.layout import layout_fault

__all__ = ["Overview", "survey_deployment"]

# Names in a listing at most.
MOST_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Redis and the artifact store.

    Attributes:
        deletes: whether unneeded files are deleted.
        code: ``ok``, or why they are not.
        reason: the same in words.
        advice: what to do about it.
        sweep_stopped: why the last sweep stopped, ``""`` if it did not.
        redis: its version, the deployment's id and epoch, numbers of records.
        store: its address, the deployment's id and epoch, numbers of files, bytes of blobs, and guests: other
            deployments that write to it.
        models_without_manifest: names of ready models, at most 20.
        manifests_without_record: names of manifests, at most 20; their records were lost, or belong to another
            deployment.
        deleted_with_record: names of models whose deletion was interrupted, at most 20.
        unreadable: names of manifests that cannot be read, and why, at most 20.
    """

    deletes: bool
    code: str
    reason: str
    advice: str
    sweep_stopped: str
    redis: dict[str, Any]
    store: dict[str, Any]
    models_without_manifest: list[str]
    manifests_without_record: list[str]
    deleted_with_record: list[str]
    unreadable: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON can represent."""
        return asdict(self)


def survey_deployment(connection: redis.Redis, blobs: BlobStore) -> Overview:
    """Survey both sides; changes nothing.

    Raises:
        redis.RedisError: if Redis does not answer.
        BlobError: if the artifact store does not.
    """
    models = ModelManifests(connection, blobs)
    standing = Deployment(connection, blobs.objects).standing()
    code, reason, advice = standing.code, standing.reason, standing.advice
    fault, cure = layout_fault(connection)
    if fault:
        code, reason, advice = "layout", fault, cure
    ready, names = models.ready(), models.manifests.names()
    dead, unreadable = _dead(models, names)
    live = names - dead - {name for name, _ in unreadable}
    return Overview(
        deletes=code == "ok",
        code=code,
        reason=reason,
        advice=advice,
        sweep_stopped=(cast("bytes | None", connection.hget(KEYS["deployment"], "stopped")) or b"").decode(),
        redis=_redis_side(connection, standing),
        store={
            **_store_side(blobs, standing),
            "manifests": len(live),
            "tombstones": len(dead),
            "unreadable_manifests": len(unreadable),
        },
        models_without_manifest=sorted(ready - names)[:MOST_NAMES],
        manifests_without_record=sorted(live - ready)[:MOST_NAMES],
        deleted_with_record=sorted(dead & ready)[:MOST_NAMES],
        unreadable=[fault for _, fault in unreadable[:MOST_NAMES]],
    )


def _dead(models: ModelManifests, names: set[str]) -> tuple[set[str], list[tuple[str, str]]]:
    dead, unreadable = set(), []
    for name in sorted(names):
        try:
            if models.manifests.is_dead(name):
                dead.add(name)
        except ManifestError as error:
            unreadable.append((name, str(error)))
    return dead, unreadable


def _redis_side(connection: redis.Redis, standing: Standing) -> dict[str, Any]:
    place = connection.connection_pool.connection_kwargs
    # Never the whole address: it may hold a password.
    address = str(place.get("path") or f"{place.get('host')}:{place.get('port')}")
    return {
        "address": f"{address}, database {place.get('db') or 0}",
        "version": str(connection.info("server").get("redis_version", "")),
        "deployment": standing.redis.deployment,
        "epoch": standing.redis.epoch,
        "jobs": int(connection.zcard(KEYS["jobs"])),
        "models": int(connection.zcard(KEYS["models"])),
        "referenced_files": int(connection.hlen(KEYS["references"])),
    }


def _store_side(blobs: BlobStore, standing: Standing) -> dict[str, Any]:
    count = size = 0
    for batch in blobs.stored():
        count += len(batch)
        size += sum(blob.size for blob in batch)
    marker = standing.store.marker
    return {
        "url": blobs.url,
        "deployment": marker.deployment if marker else "",
        "epoch": standing.store.epoch,
        "files": count,
        "bytes": size,
        "guests": list(standing.store.guests),
    }
