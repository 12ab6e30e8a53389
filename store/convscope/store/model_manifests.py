"""The manifests of models: written when a model is ready, and replaced by tombstones before it is deleted."""

import logging
from typing import cast

import redis
from google.protobuf.message import DecodeError

from convscope.store.blobs import BlobStore
from convscope.store.deployment import Deployment
from convscope.store.errors import ManifestError
from convscope.store.jobs import records
from convscope.store.manifests import Manifest, Manifests
from convscope.store.models import ModelStore
from convscope.store.names import parse_name
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts
from convscope.v1.models_pb2 import Model

__all__ = ["ModelManifests"]

log = logging.getLogger(__name__)

COLLECTION = "models"


class ModelManifests:
    """Keeps manifests for the records of models.

    Args:
        connection: Redis.
        blobs: the artifact store.
    """

    def __init__(self, connection: redis.Redis, blobs: BlobStore) -> None:
        self._redis = connection
        self._blobs = blobs
        self._scripts = Scripts(connection)
        self._models = ModelStore(connection)
        self.manifests = Manifests(blobs.objects)
        self._deployment = Deployment(connection, blobs.objects)

    def keep(self, name: str) -> None:
        """Write the manifest of a model if it is ready, from its record in Redis, never from a stale attempt.

        An existing manifest is left alone, unless this Redis owns the store and has another model under this name.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        model_id = parse_name(COLLECTION, name)
        mark = self._redis.hget(key("model", model_id), "unkept")
        wanted = self._of_record(name)
        if wanted and self._keep(name, wanted) and isinstance(mark, bytes):
            self._scripts.run("kept", model_id, mark)

    def keep_missing(self) -> int:
        """Write the manifests of ready models that may lack theirs; return how many there were.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        ready = self._ready()
        # One of an earlier model of this name may exist.
        unkept = {name for name, mark in ready.items() if mark}
        missing = sorted(unkept | (ready.keys() - self.manifests.names()))
        for name in missing:
            self.keep(name)
        return len(missing)

    def ready(self) -> set[str]:
        """Return the names of all models that are ready."""
        return set(self._ready())

    def _ready(self) -> dict[str, bytes]:
        """Return the names of all models that are ready, each with the mark that it lacks its manifest, if it does."""
        ids = [records.text(model_id) for model_id in cast("list[bytes]", self._redis.zrange(KEYS["models"], 0, -1))]
        with self._redis.pipeline(transaction=False) as pipeline:
            for model_id in ids:
                pipeline.hmget(key("model", model_id), "state", "unkept")
            values = pipeline.execute()
        found = zip(ids, values, strict=True)
        return {f"{COLLECTION}/{model_id}": mark or b"" for model_id, (state, mark) in found if state == b"ready"}

    def _keep(self, name: str, wanted: Manifest) -> bool:
        """Write a manifest if ``keep`` allows it; return whether there is nothing left to do."""
        if self.manifests.create(wanted):
            return True
        try:
            existing = self.manifests.read(name)
        except ManifestError as error:
            log.warning("%s; it is left alone", error)
            return True
        differs = existing is None or (existing.record, dict(existing.files)) != (wanted.record, dict(wanted.files))
        buried = bool(existing and existing.deleted and _job(existing) == _job(wanted))
        if buried or not differs:
            return True
        if not self._deployment.standing().deletes:
            return False
        self.manifests.replace(wanted)
        if self._of_record(name) is None:  # deleted meanwhile: its tombstone was overwritten
            self.manifests.bury(wanted)
        return True

    def delete(self, name: str) -> None:
        """Delete a model: write a tombstone, then delete its record; unreferenced files are deleted a little later.

        Raises:
            ValueError: if the name is malformed.
            NotFoundError: if the model does not exist.
            StateError: if its training has not ended.
            DeletionOffError: if nothing may be deleted: then the manifest may belong to another deployment.
            BlobError: if the artifact store does not answer.
        """
        while not self._models.delete(name, buried=self._bury(name)):
            pass  # its training has ended meanwhile

    def check(self, manifest: Manifest) -> str:
        """Return why a record cannot be restored from its manifest, ``""`` if it can.

        Raises:
            BlobError: if the artifact store does not answer.
        """
        if manifest.collection != COLLECTION:
            return f"this version does not know how to make {manifest.collection} again"
        try:
            model = Model.FromString(manifest.record)
        except DecodeError:
            return "its manifest cannot be read"
        file = manifest.files.get("file", "")
        if not file or file != model.digest.sha256 or model.name != manifest.name:
            return "its manifest does not name its file, or is another model's"
        return "" if self._blobs.written(file) else f"its file {file} is missing"

    def restore(self, manifest: Manifest) -> str:
        """Restore a model's record from its manifest.

        Returns:
            ``""`` if there is a record now, else why there is none.

        Raises:
            redis.RedisError: if Redis does not answer.
            BlobError: if the artifact store does not.
        """
        since = int(self._redis.get(KEYS["batch"]) or 0)
        if fault := self.check(manifest):
            return fault
        history = manifest.files.get("history", "")
        if history and self._blobs.written(history) is None:
            log.warning("%s: its training curve %s is missing", manifest.name, history)
            history = ""
        restored = self._models.restore(Model.FromString(manifest.record), since=since, history=history)
        return "" if restored else "its file is being deleted"

    def _bury(self, name: str) -> str:
        """Write a tombstone for a model that is ready; return the field ``created`` of its record, else ``""``."""
        created = self._redis.hget(key("model", parse_name(COLLECTION, name)), "created")
        tombstone = self._of_record(name)
        if tombstone is None:
            return ""
        self._deployment.may_delete()
        self.manifests.bury(tombstone)
        return records.text(created or b"")

    def _of_record(self, name: str) -> Manifest | None:
        model_id = parse_name(COLLECTION, name)
        fields = records.read_record(self._redis, key("model", model_id))
        if fields.get(b"state") != b"ready":
            return None
        model = records.model_from_fields(model_id, fields)
        files = {"file": model.digest.sha256, "history": fields.get(b"history", b"").decode()}
        return Manifest(
            collection=COLLECTION,
            identifier=model_id,
            deployment=self._deployment.redis_side().deployment,
            record=model.SerializeToString(deterministic=True),
            files={role: digest for role, digest in files.items() if digest},
        )


def _job(manifest: Manifest) -> str:
    """Return the job that trained a manifest's model, which identifies the model; ``""`` if there is none."""
    try:
        return Model.FromString(manifest.record).lineage.job
    except DecodeError:
        return ""
