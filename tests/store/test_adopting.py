"""A Redis takes a store over: models are restored, and what is not understood is left alone."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import redis

from convscope.store import BlobStore, Collector, Deployment, ModelManifests, ModelStore, Sweeper
from convscope.store.errors import AdoptionError, LayoutError
from convscope.store.manifests import Manifest, Manifests
from convscope.store.redis.keys import KEYS
from convscope.store.upkeep.adopting import Adoption
from convscope.store.upkeep.overview import survey_deployment
from support.trained_models import train_model

NOW = timedelta(0)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_models_are_restored_and_deleted_ones_are_not(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    kept, deleted = train_model(connection, blobs), train_model(connection, blobs)
    history = ModelStore(connection).history_digest(kept.name)
    ModelManifests(connection, blobs).delete(deleted.name)
    connection.flushdb()
    before = files(tmp_path)
    plan = Adoption(connection, blobs).plan()
    assert [manifest.name for manifest in plan.restored] == [kept.name]
    assert plan.deleted == [deleted.name]
    assert files(tmp_path) == before
    assert not connection.keys("*")  # a plan changes nothing
    standing, faults = Adoption(connection, blobs).run(plan)
    assert standing.deletes
    assert not faults
    assert [model.name for model in ModelStore(connection).walk()] == [kept.name]
    assert ModelStore(connection).ready(kept.name) == kept
    assert ModelStore(connection).history_digest(kept.name) == history
    assert {key: value for key, value in files(tmp_path).items() if "blobs" in key.parts} == {
        key: value for key, value in before.items() if "blobs" in key.parts
    }
    assert Sweeper(connection, blobs).sweep(NOW) == 0  # what was there before is left to ``admin sweep --all``
    assert Sweeper(connection, blobs).sweep(NOW, all_ages=True) == 4  # two results, and the deleted model
    assert blobs.get(kept.digest.sha256)
    ModelManifests(connection, blobs).delete(kept.name)
    assert Sweeper(connection, blobs).sweep(NOW, all_ages=True) == 2


def test_adopting_again_changes_no_record(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs)
    references = connection.hgetall(KEYS["references"])
    plan = Adoption(connection, blobs).plan()
    assert plan.present == [model.name]
    standing, _ = Adoption(connection, blobs).run(plan)
    assert standing.deletes
    assert connection.hgetall(KEYS["references"]) == references
    assert ModelStore(connection).ready(model.name) == model


def test_an_adoption_that_was_broken_off_is_done_again(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train_model(connection, blobs)
    connection.flushdb()
    adoption = Adoption(connection, blobs)
    with monkeypatch.context() as broken:
        broken.setattr(Deployment, "adopt", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            adoption.run(adoption.plan())
    assert not Deployment(connection, blobs.objects).standing().deletes
    adoption.run(adoption.plan())
    assert ModelStore(connection).ready(model.name) == model
    assert connection.hget(KEYS["references"], model.digest.sha256) == b"1"
    assert Deployment(connection, blobs.objects).standing().deletes


def test_what_is_not_understood_is_left_alone_and_reported(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    damaged, newer, fileless, whole = (train_model(connection, blobs) for _ in range(4))
    folder = tmp_path / "manifests"
    (folder / f"{damaged.name}.json").write_bytes(b"{")
    path = folder / f"{newer.name}.json"
    path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 9'))
    blobs.delete([fileless.digest.sha256])
    Manifests(blobs.objects).create(
        Manifest(
            collection="plates", identifier="some", deployment="d", record=b"", files={"file": whole.digest.sha256}
        )
    )
    (folder / "models" / "notes.txt").write_text("mine")
    connection.flushdb()
    before = files(folder)
    plan = Adoption(connection, blobs).plan()
    assert [manifest.name for manifest in plan.restored] == [whole.name]
    left = dict(plan.left)
    assert left.keys() == {damaged.name, newer.name, fileless.name, "plates/some", "manifests/models/notes.txt"}
    assert "newer" in left[newer.name]
    assert fileless.digest.sha256 in left[fileless.name]
    Adoption(connection, blobs).run(plan)
    assert {model.name for model in ModelStore(connection).walk()} == {whole.name}
    assert files(folder) == before


def test_a_model_without_its_curve_is_restored(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs)
    blobs.delete([ModelStore(connection).history_digest(model.name)])
    connection.flushdb()
    Adoption(connection, blobs).run(Adoption(connection, blobs).plan())
    assert ModelStore(connection).ready(model.name) == model
    assert not ModelStore(connection).history_digest(model.name)


def test_models_of_this_redis_get_manifests(connection: redis.Redis, blobs: BlobStore) -> None:
    model = train_model(connection, blobs, manifest=False)
    Adoption(connection, blobs).run(Adoption(connection, blobs).plan())
    assert Manifests(blobs.objects).names() == {model.name}


def test_damaged_markers_can_be_adopted_and_newer_ones_cannot(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    marker = max((tmp_path / "deployment").glob("epoch-*"))
    marker.write_bytes(b"?")
    assert Deployment(connection, blobs.objects).adopt().deletes
    marker = max((tmp_path / "deployment").glob("epoch-*"))
    newer = marker.read_bytes().replace(b'"format": 1', b'"format": 2')
    marker.write_bytes(newer)
    with pytest.raises(AdoptionError, match="newer"):
        Deployment(connection, blobs.objects).adopt()
    assert marker.read_bytes() == newer


def test_a_redis_of_another_layout_adopts_nothing(connection: redis.Redis, blobs: BlobStore) -> None:
    connection.hset(KEYS["deployment"], "layout", 1)
    with pytest.raises(LayoutError):
        Deployment(connection, blobs.objects).adopt()


def test_adopting_clears_notes_of_guests(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "deployment" / "guests").mkdir()
    (tmp_path / "deployment" / "guests" / "other-0").touch()
    assert Deployment(connection, blobs.objects).standing().code == "shared"
    assert Deployment(connection, blobs.objects).adopt().deletes


def test_the_overview_tells_what_belongs_to_whom(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    whole, bare = train_model(connection, blobs), train_model(connection, blobs, manifest=False)
    survey = survey_deployment(connection, blobs)
    assert survey.deletes
    assert survey.redis["deployment"] == survey.store["deployment"]
    assert (survey.redis["jobs"], survey.redis["models"]) == (2, 2)
    assert (survey.store["files"], survey.store["manifests"]) == (6, 1)
    assert survey.store["bytes"] == sum(path.stat().st_size for path in (tmp_path / "blobs").rglob("*/*"))
    assert survey.models_without_manifest == [bare.name]
    connection.flushdb()
    survey = survey_deployment(connection, blobs)
    assert not survey.deletes
    assert survey.code == "redis_new"
    assert survey.advice
    assert survey.manifests_without_record == [whole.name]
    assert not connection.keys("*")
    connection.zadd(KEYS["jobs"], {"some": 0})
    assert survey_deployment(connection, blobs).code == "layout"
    (tmp_path / "manifests" / f"{whole.name}.json").write_bytes(os.urandom(9))
    assert survey_deployment(connection, blobs).unreadable


def test_a_model_whose_file_is_deleted_while_it_is_restored_is_not_made_again(
    connection: redis.Redis, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train_model(connection, blobs)
    manifest = Manifests(blobs.objects).read(model.name)
    assert manifest is not None
    data = blobs.get(model.digest.sha256)
    connection.flushdb()
    written = BlobStore.written

    def see_and_lose(store: BlobStore, digest: str) -> datetime | None:
        time = written(store, digest)
        if digest == model.digest.sha256:
            assert Collector(connection, store).collect([digest]) == 1
        return time

    with monkeypatch.context() as patched:
        patched.setattr(BlobStore, "written", see_and_lose)
        assert ModelManifests(connection, blobs).restore(manifest)
    assert not list(ModelStore(connection).walk())
    blobs.put(data)
    assert not ModelManifests(connection, blobs).restore(manifest)
    assert ModelStore(connection).ready(model.name) == model
