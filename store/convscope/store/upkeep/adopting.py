"""A Redis adopts an artifact store: records are restored from manifests, then the store gets this Redis' id."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import redis

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment, Standing
from convscope.store.errors import ManifestError
from convscope.store.manifests import Manifest
from convscope.store.model_manifests import ModelManifests
from convscope.store.redis.layout import check_layout

__all__ = ["Adoption", "AdoptionPlan"]


@dataclass(slots=True)
class AdoptionPlan:
    """What an adoption would do.

    Attributes:
        standing: whether Redis and the store belong together.
        restored: manifests whose records are restored.
        present: names of records that exist already.
        deleted: names of records that were deleted: they are not restored.
        left: names or paths that are left alone, and why.
    """

    standing: Standing
    restored: list[Manifest] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


class Adoption:
    """Adopts a store; safe to interrupt and repeat.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._deployment = Deployment(connection, blobs.objects)
        self._models = ModelManifests(connection, blobs)

    def plan(self) -> AdoptionPlan:
        """Plan an adoption; changes nothing.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        plan = AdoptionPlan(self._deployment.standing())
        ready = self._models.ready()
        for name in sorted(self._models.manifests.names()):
            self._sort(plan, name, ready)
        plan.left += [(path, "it is not a manifest") for path in self._models.manifests.unknown_paths()]
        return plan

    def run(self, plan: AdoptionPlan) -> tuple[Standing, Sequence[tuple[str, str]]]:
        """Adopt the store.

        Args:
            plan: what ``plan`` returned.

        Returns:
            The new standing of Redis and the store, and the records that could not be restored, and why.

        Raises:
            LayoutError: if Redis has records of another version.
            AdoptionError: if a newer version wrote the store's markers, or another process was faster.
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        check_layout(self._redis)
        # The id changes last: until then nothing is deleted that these records refer to.
        faults = [(manifest.name, fault) for manifest in plan.restored if (fault := self._models.restore(manifest))]
        standing = self._deployment.adopt()
        self._models.keep_missing()
        return standing, faults

    def _sort(self, plan: AdoptionPlan, name: str, ready: set[str]) -> None:
        try:
            manifest = self._models.manifests.read(name)
        except ManifestError as error:
            plan.left.append((name, str(error)))
            return
        if manifest is None:
            return
        if manifest.deleted:
            plan.deleted.append(name)
        elif name in ready:
            plan.present.append(name)
        elif fault := self._models.check(manifest):
            plan.left.append((name, fault))
        else:
            plan.restored.append(manifest)
