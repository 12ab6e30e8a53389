"""Manifests say what records did, never less and never what a stale attempt believes; sweeps heed them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import (
    BlobStore,
    Deployment,
    JobStore,
    ModelManifests,
    ModelStore,
    Sweeper,
    mark_holder_lost,
)
from convscope.store.errors import BlobError, ManifestError, NotFoundError, StaleAttemptError, SweepStoppedError
from convscope.store.jobs.records import text
from convscope.store.manifests import Manifest, Manifests
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import Scripts
from convscope.store.upkeep import sweeping
from convscope.store.upkeep.keeping import Keeper
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Lineage, Model
from convscope.v1.train_pb2 import TrainSpec
from support.part_jobs import claim
from support.trained_models import train_model

NOW = timedelta(0)

MANIFESTS = st.builds(
    Manifest,
    collection=st.sampled_from(["models", "datasets", "others"]),
    identifier=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    deployment=st.text(max_size=20),
    record=st.binary(max_size=300),
    files=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True),
        st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        max_size=3,
    ),
    deleted=st.booleans(),
)


@given(MANIFESTS)
def test_manifests_are_read_as_they_are_written(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.name, manifest.to_bytes()) == manifest
    with pytest.raises(ManifestError, match="models/another"):
        Manifest.from_bytes("models/another" if manifest.name != "models/another" else "models/x", manifest.to_bytes())


@given(MANIFESTS, st.data())
def test_a_manifest_that_is_cut_off_cannot_be_read(manifest: Manifest, data: st.DataObject) -> None:
    written = manifest.to_bytes().rstrip()
    with pytest.raises(ManifestError, match="cannot be read"):
        Manifest.from_bytes(manifest.name, written[: data.draw(st.integers(0, len(written) - 1))])


@given(MANIFESTS)
def test_a_newer_manifest_is_reported(manifest: Manifest) -> None:
    newer = manifest.to_bytes().replace(b'"format": 1', b'"format": 2', 1)
    with pytest.raises(ManifestError, match="newer"):
        Manifest.from_bytes(manifest.name, newer)


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"{}", b'{"format": 1}', b'{"format": "1"}', b"[" * 100_000]))
def test_other_data_cannot_be_read_as_a_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_bytes("models/some", data)


def test_a_store_has_manifests_of_any_collection(blobs: BlobStore) -> None:
    manifests = Manifests(blobs.objects)
    mine = Manifest(collection="datasets", identifier="mine", deployment="d", record=b"r", files={"images": "0" * 64})
    assert manifests.create(mine)
    assert not manifests.create(replace(mine, record=b"other"))
    assert manifests.names() == {"datasets/mine"}
    assert manifests.read("datasets/mine") == mine
    assert list(manifests.named_files({"datasets/mine"})) == [("0" * 64, "datasets/mine")]
    manifests.bury(mine)
    assert list(manifests.named_files({"datasets/mine"})) == []
    assert not manifests.create(mine)


def test_a_model_that_is_ready_has_a_manifest(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs)
    manifest = Manifests(blobs.objects).read(model.name)
    assert manifest
    assert not manifest.deleted
    assert Model.FromString(manifest.record).digest.sha256 == model.digest.sha256 == manifest.files["file"]
    assert manifest.files["history"] == ModelStore(connection).history_digest(model.name)
    assert manifest.deployment == Deployment(connection, blobs.objects).standing().redis.deployment


def test_a_stale_attempt_writes_what_is_true(connection: redis.Redis, blobs: BlobStore) -> None:
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    stale = claim(connection, job, worker="w1")
    assert mark_holder_lost(connection, "w1", "cpu", "SIGKILL")
    second = claim(connection, job, worker="w2")
    manifests = ModelManifests(connection, blobs)
    manifests.keep(job.model)
    assert manifests.manifests.read(job.model) is None  # not ready
    wrong, right = blobs.put(b"of the stale attempt"), blobs.put(b"of the second")
    second.succeed(blobs.put(b"result"), Model(digest=Digest(sha256=right)))
    with pytest.raises(StaleAttemptError):
        stale.succeed(blobs.put(b"result"), Model(digest=Digest(sha256=wrong)))
    for _ in range(2):
        manifests.keep(job.model)
        manifest = manifests.manifests.read(job.model)
        assert manifest
        assert manifest.files == {"file": right}


def test_missing_manifests_are_written_by_the_process_that_tends_the_store(
    connection: redis.Redis, blobs: BlobStore
) -> None:
    model = train_model(connection, blobs, manifest=False)
    assert Manifests(blobs.objects).read(model.name) is None
    Keeper(connection, blobs).tick()
    assert Manifests(blobs.objects).read(model.name)


def test_a_model_that_was_made_again_has_the_manifest_of_that(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs)
    model.digest.sha256 = blobs.put(b"trained again, after Redis had lost the first end")
    connection.hset(key("model", model.name.removeprefix("models/")), "model", model.SerializeToString())
    ModelManifests(connection, blobs).keep(model.name)
    manifest = Manifests(blobs.objects).read(model.name)
    assert manifest
    assert manifest.files["file"] == model.digest.sha256


def test_deleting_a_model_leaves_a_tombstone(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs, manifest=False)
    manifests = ModelManifests(connection, blobs)
    manifests.delete(model.name)
    manifest = manifests.manifests.read(model.name)
    assert manifest
    assert manifest.deleted
    with pytest.raises(NotFoundError):
        manifests.delete(model.name)
    manifests.keep(model.name)
    assert manifests.manifests.read(model.name) == manifest
    assert Sweeper(connection, blobs).sweep(NOW) == 2  # its file, its history


def test_another_model_of_a_name_has_a_manifest_of_its_own(connection: redis.Redis, blobs: BlobStore) -> None:
    sweeper, manifests = Manifests(blobs.objects), ModelManifests(connection, blobs)
    for number in range(2):
        job, _ = JobStore(connection).create(
            JobSpec(train=TrainSpec()), request_digest="d", model=Model(), model_id="mine"
        )
        attempt = claim(connection, job)
        file = blobs.put(f"file {number}".encode())
        attempt.succeed(blobs.put(b"result"), Model(digest=Digest(sha256=file), lineage=Lineage(job=job.name)))
        manifests.keep("models/mine")
        manifest = manifests.manifests.read("models/mine")
        assert manifest
        assert (manifest.deleted, manifest.files) == (False, {"file": file})
        assert list(sweeper.named_files(sweeper.names())) == [(file, "models/mine")]
        manifests.delete("models/mine")
        manifests.keep("models/mine")
        assert list(sweeper.named_files(sweeper.names())) == []
        assert sweeper.is_dead("models/mine")


def test_a_missing_manifest_is_written_although_an_earlier_model_of_the_name_has_a_tombstone(
    connection: redis.Redis, blobs: BlobStore
) -> None:
    manifests, file = ModelManifests(connection, blobs), ""
    for number in range(2):
        job, _ = JobStore(connection).create(
            JobSpec(train=TrainSpec()), request_digest="d", model=Model(), model_id="mine"
        )
        file = blobs.put(f"file {number}".encode())
        model = Model(digest=Digest(sha256=file), lineage=Lineage(job=job.name))
        claim(connection, job).succeed(blobs.put(b"result"), model)
        if not number:
            manifests.delete("models/mine")
    Keeper(connection, blobs).tick()  # the executor died before it could write the manifest
    manifest = manifests.manifests.read("models/mine")
    assert manifest
    assert (manifest.deleted, manifest.files) == (False, {"file": file})
    assert not connection.hexists(key("model", "mine"), "unkept")


def test_a_model_whose_tombstone_cannot_be_written_is_not_deleted(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train_model(connection, blobs)

    def fail(*_: object) -> None:
        raise BlobError("full")

    monkeypatch.setattr(type(blobs.objects), "put", fail)
    with pytest.raises(BlobError):
        ModelManifests(connection, blobs).delete(model.name)
    assert ModelStore(connection).ready(model.name)


def test_a_model_that_gets_ready_while_it_is_deleted_has_a_tombstone(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt, manifests = claim(connection, job), ModelManifests(connection, blobs)
    delete = ModelStore.delete

    def late(models: ModelStore, *arguments: Any, **settings: Any) -> None:
        monkeypatch.undo()
        model = Model(digest=Digest(sha256=blobs.put(b"file")), lineage=Lineage(job=job.name))
        attempt.succeed(blobs.put(b"result"), model)
        manifests.keep(job.model)
        delete(models, *arguments, **settings)

    monkeypatch.setattr(ModelStore, "delete", late)
    manifests.delete(job.model)
    assert manifests.manifests.is_dead(job.model)
    with pytest.raises(NotFoundError):
        ModelStore(connection).get(job.model)


def test_a_tombstone_comes_before_the_record_goes(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train_model(connection, blobs)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ModelStore, "delete", die)
    with pytest.raises(KeyboardInterrupt):
        ModelManifests(connection, blobs).delete(model.name)
    assert Manifests(blobs.objects).is_dead(model.name)
    assert ModelStore(connection).ready(model.name)
    connection.hset(key("model", model.name.removeprefix("models/")), "history", "0" * 64)
    ModelManifests(connection, blobs).keep(model.name)  # by an executor that made it again, say
    assert Manifests(blobs.objects).is_dead(model.name)


def forget(connection: redis.Redis, model: Model) -> None:
    """Lose the record of a model, as a Redis does that lost its last writes."""
    model_id = model.name.removeprefix("models/")
    for digest in connection.smembers(key("model_blobs", model_id)):
        connection.hdel(KEYS["references"], digest)
    connection.delete(key("model", model_id), key("model_blobs", model_id))
    connection.zrem(KEYS["models"], model_id)


def stopped(connection: redis.Redis) -> str:
    return text(connection.hget(KEYS["deployment"], "stopped") or "")


def test_a_file_that_a_manifest_names_stops_the_sweep(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs)
    orphan = blobs.put(b"an orphan")
    forget(connection, model)
    for force in (False, True):
        with pytest.raises(SweepStoppedError, match=model.name):
            Sweeper(connection, blobs).sweep(NOW, force=force)
    assert blobs.written(orphan)
    assert blobs.written(model.digest.sha256)
    assert model.name in stopped(connection)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2}'])
def test_a_manifest_that_is_not_understood_stops_the_sweep(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path, content: bytes
) -> None:
    model = train_model(connection, blobs)
    forget(connection, model)
    (tmp_path / "manifests" / f"{model.name}.json").write_bytes(content)
    for force in (False, True):
        with pytest.raises(SweepStoppedError, match=model.name):
            Sweeper(connection, blobs).sweep(NOW, force=force)
    assert blobs.written(model.digest.sha256)


def test_a_sweep_of_most_of_the_store_stops_unless_it_is_forced(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweeping.MOST_ORPHANS == 1_000
    monkeypatch.setattr(sweeping, "MOST_ORPHANS", 20)
    train_model(connection, blobs)
    orphans = [blobs.put(f"orphan {number}".encode()) for number in range(20)]
    assert Sweeper(connection, blobs).survey(NOW).orphans.keys() == set(orphans)
    assert Sweeper(connection, blobs).sweep(NOW) == 20
    for number in range(21):
        blobs.put(f"orphan {number}".encode())
    with pytest.raises(SweepStoppedError, match="21 of 24"):
        Sweeper(connection, blobs).sweep(NOW)
    assert stopped(connection)
    assert Sweeper(connection, blobs).survey(NOW).orphans.keys() > set(orphans)
    assert Sweeper(connection, blobs).sweep(NOW, force=True) == 21
    assert not stopped(connection)


def test_a_sweep_of_many_files_of_a_large_store_continues(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_ORPHANS", 5)
    for number in range(60):
        digest = blobs.put(f"needed {number}".encode())
        connection.hset(KEYS["references"], digest, 1)
    for number in range(6):
        blobs.put(f"orphan {number}".encode())
    assert Sweeper(connection, blobs).sweep(NOW) == 6


def test_what_was_deleted_on_purpose_may_be_most_of_the_store(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST_ORPHANS", 0)
    model = train_model(connection, blobs)
    ModelManifests(connection, blobs).delete(model.name)
    JobStore(connection).delete(model.lineage.job)
    Scripts(connection).run("take_apart", 100)
    assert Scripts(connection).run("take_apart", 100) == 1  # the job's result; the model's file and history before
    assert Sweeper(connection, blobs).sweep(NOW) == 3
