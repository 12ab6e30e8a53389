"""Nothing is deleted while it is in doubt whose the artifact store is."""

import os
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore, Deployment, JobStore, ModelManifests, Standing, Sweeper, check_layout
from convscope.store.deployment import RedisSide, judge
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import DeletionOffError, LayoutError
from convscope.store.markers import Marker, Markers, StoreSide, parse_marker
from convscope.store.redis.keys import KEYS
from convscope.store.redis.layout import LAYOUT
from convscope.store.redis.scripts import Scripts
from convscope.store.upkeep.keeping import Keeper
from convscope.v1.jobs_pb2 import JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support.trained_models import train_model

NOW = timedelta(0)
DAY_S = 86_400


@pytest.fixture
def other(redis_server: EmbeddedRedis, connection: redis.Redis) -> redis.Redis:
    """Another empty Redis: another database of the same server."""
    database = redis.Redis.from_url(f"{redis_server.url}?db=1")
    database.flushdb()
    return database


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path.as_uri())


def deployment(connection: redis.Redis, blobs: BlobStore) -> Deployment:
    return Deployment(connection, blobs.objects, settle_ms=0)


def age(folder: Path, seconds: float = DAY_S) -> None:
    """Make the files of a store older."""
    for path in folder.rglob("blobs/*/*"):
        written = path.stat().st_mtime - seconds
        os.utime(path, (written, written))


def state(connection: redis.Redis) -> bytes:
    dump = connection.dump(KEYS["deployment"])
    assert isinstance(dump, bytes)
    return dump


def set_back(connection: redis.Redis, backup: bytes) -> None:
    connection.restore(KEYS["deployment"], 0, backup, replace=True)


def test_an_empty_redis_and_an_empty_store_belong_together(connection: redis.Redis, blobs: BlobStore) -> None:
    assert deployment(connection, blobs).standing().code == "unused"
    state = deployment(connection, blobs).join()
    assert state.deletes
    assert state.store.marker
    assert state.redis.deployment == state.store.marker.deployment
    assert state.redis.epoch == state.store.epoch == 1
    assert deployment(connection, blobs).join() == state


def test_both_sides_advance(connection: redis.Redis, blobs: BlobStore) -> None:
    whole = deployment(connection, blobs)
    whole.join()
    for _ in range(12):
        assert whole.advance()
    epochs = whole.may_delete()
    assert epochs.redis.epoch == epochs.store.epoch == 13
    assert len([marker for batch in blobs.objects.list("deployment") for marker in batch]) < 12  # old markers are gone


def test_an_epoch_is_used_once_redis_may_have_written_it_down(connection: redis.Redis, blobs: BlobStore) -> None:
    slow = Deployment(connection, blobs.objects)
    slow.join()
    assert not slow.advance()
    assert slow.standing().store.epoch == 1
    noted = int(connection.hget(KEYS["deployment"], "next_since") or 0)
    connection.hset(KEYS["deployment"], "next_since", noted - 3_000)
    assert slow.advance()


def with_files(connection: redis.Redis, blobs: BlobStore) -> Standing:
    """Join a deployment and give it a job, a model, and a blob that nothing refers to."""
    joined = deployment(connection, blobs).join()
    train_model(connection, blobs)
    blobs.put(b"an orphan")
    deleted = train_model(connection, blobs)
    JobStore(connection).delete(deleted.lineage.job)
    Scripts(connection).run("take_apart", 100)
    for digest in cast("list[bytes]", connection.zrange(KEYS["unreferenced"], 0, -1)):
        connection.zadd(KEYS["unreferenced"], {digest: 1})  # for long
    Scripts(connection).run("condemn", 0, 1, 0)  # a collector has died during its work
    return joined


def lose_redis(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    connection.flushdb()


def lose_store(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    shutil.rmtree(folder)


def lose_markers(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    shutil.rmtree(folder / "deployment")


def restore_redis(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    backup = state(connection)
    deployment(connection, blobs).advance()
    set_back(connection, backup)


def restore_store(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    deployment(connection, blobs).advance()
    latest = max((folder / "deployment").glob("epoch-*"))
    latest.unlink()


def use_another(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    connection.hset(KEYS["deployment"], "id", "another")


def damage_marker(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    latest = max((folder / "deployment").glob("epoch-*"))
    latest.write_bytes(latest.read_bytes()[:30])


def empty_marker(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    max((folder / "deployment").glob("epoch-*")).write_bytes(b"")


def rename_marker(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    latest = max((folder / "deployment").glob("epoch-*"))
    latest.rename(latest.with_name("epoch-000000000077.json"))


def newer_marker(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    latest = max((folder / "deployment").glob("epoch-*"))
    latest.write_bytes(latest.read_bytes().replace(b'"format": 1', b'"format": 2'))


def newer_folder(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    (folder / "deployment" / "term-7.pb").write_bytes(b"\x00")


def a_guest(connection: redis.Redis, blobs: BlobStore, folder: Path) -> None:
    Markers(blobs.objects).add_guest("another-0")


Harm = Callable[[redis.Redis, BlobStore, Path], None]
DOUBTS: dict[str, Harm] = {
    "redis_new": lose_redis,
    "store_empty": lose_store,
    "store_unmarked": lose_markers,
    "redis_behind": restore_redis,
    "store_behind": restore_store,
    "foreign": use_another,
    "marker_unreadable": damage_marker,
    "marker_newer": newer_marker,
    "shared": a_guest,
}
MORE_DOUBTS = [
    ("marker_unreadable", empty_marker),
    ("marker_unreadable", rename_marker),
    ("marker_newer", newer_folder),
]


@pytest.mark.parametrize("doubt", [*DOUBTS.items(), *MORE_DOUBTS], ids=lambda doubt: doubt[1].__name__)
def test_in_doubt_nothing_is_deleted(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path, doubt: tuple[str, Harm], caplog: pytest.LogCaptureFixture
) -> None:
    code, harm = doubt
    with_files(connection, blobs)
    harm(connection, blobs, tmp_path)
    age(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    standing = deployment(connection, blobs).join()
    assert standing.code == code
    assert standing.reason
    assert standing.advice
    sweeper = Sweeper(connection, blobs)
    for _ in range(3):
        sweeper.tick()
    assert [record.getMessage().count(standing.reason) for record in caplog.records].count(1) == 1  # said once
    assert not connection.exists(KEYS["condemned"])
    for forced in (False, True):
        with pytest.raises(DeletionOffError):
            sweeper.sweep(NOW, force=forced, all_ages=forced)
    with pytest.raises(DeletionOffError):
        deployment(connection, blobs).advance()
    for name in ModelManifests(connection, blobs).ready():
        with pytest.raises(DeletionOffError):
            ModelManifests(connection, blobs).delete(name)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_jobs_do_not_expire_in_doubt(connection: redis.Redis, blobs: BlobStore) -> None:
    with_files(connection, blobs)
    (job,) = JobStore(connection).walk()
    connection.zadd(KEYS["ended"], {job.name.removeprefix("jobs/"): 1})
    use_another(connection, blobs, Path())
    Sweeper(connection, blobs).tick()
    assert JobStore(connection).get(job.name)


def test_two_that_start_on_one_empty_store_do_not_both_get_it(
    connection: redis.Redis, other: redis.Redis, blobs: BlobStore
) -> None:
    barrier = threading.Barrier(6)

    def start(mine: redis.Redis) -> None:
        barrier.wait()
        deployment(mine, blobs).join()

    threads = [threading.Thread(target=start, args=(mine,)) for mine in (connection, other) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(deployment(mine, blobs).standing().code for mine in (connection, other))
    assert codes == ["ok", "redis_new"]


def test_a_second_deployment_leaves_the_store_to_its_owner_and_is_spared_by_it(
    connection: redis.Redis, other: redis.Redis, blobs: BlobStore, tmp_path: Path
) -> None:
    with_files(connection, blobs)
    deployment(other, blobs).join()
    assert deployment(connection, blobs).standing().deletes  # it has been started, and has written nothing
    deployment(other, blobs).ensure_joined()
    train_model(other, blobs)
    age(tmp_path)
    for mine in (connection, other):
        with pytest.raises(DeletionOffError):
            Sweeper(mine, blobs).sweep()
    assert deployment(connection, blobs).standing().code == "shared"


@pytest.mark.parametrize("adopts", [False, True])
def test_a_death_between_the_two_sides_is_healed(connection: redis.Redis, blobs: BlobStore, adopts: bool) -> None:
    whole = deployment(connection, blobs)
    whole.join()
    backup = state(connection)
    noted: list[bytes] = []

    class Dying(Markers):
        def create(self, marker: Marker) -> bool:
            noted.append(state(connection))
            return super().create(marker)

    whole._markers = Dying(blobs.objects)
    if adopts:
        whole.adopt()
    else:
        whole.advance()
    after = deployment(connection, blobs).standing()
    set_back(connection, noted[0])  # it died when the marker was made
    assert deployment(connection, blobs).standing().code == "entering"
    assert deployment(connection, blobs).join() == after
    assert after.deletes
    set_back(connection, backup)  # from before: another story
    assert not deployment(connection, blobs).join().deletes


def test_a_death_before_the_store_is_written_is_healed(connection: redis.Redis, blobs: BlobStore) -> None:
    slow = Deployment(connection, blobs.objects)
    slow.join()
    assert not slow.advance()
    assert slow.standing().deletes
    assert deployment(connection, blobs).advance()


def test_a_sweep_stops_when_redis_is_set_back_or_the_store_adopted(
    connection: redis.Redis, other: redis.Redis, blobs: BlobStore
) -> None:
    whole = deployment(connection, blobs)
    whole.join()
    backup = state(connection)
    whole.advance()
    begun = whole.may_delete()
    whole.advance()
    assert whole.may_delete(begun).redis.epoch == 3  # another leader continues
    after = state(connection)
    set_back(connection, backup)
    with pytest.raises(DeletionOffError):
        whole.may_delete(begun)
    set_back(connection, after)
    assert deployment(other, blobs).adopt().deletes
    with pytest.raises(DeletionOffError):
        whole.may_delete(begun)
    assert deployment(connection, blobs).adopt().deletes
    with pytest.raises(DeletionOffError):
        whole.may_delete(begun)


def test_of_two_copies_of_a_redis_one_continues(connection: redis.Redis, other: redis.Redis, blobs: BlobStore) -> None:
    deployment(connection, blobs).join()
    set_back(other, state(connection))
    copy = deployment(other, blobs)

    class Late(Markers):
        def create(self, marker: Marker) -> bool:
            assert deployment(connection, blobs).advance()  # between the copy's look and its marker
            return super().create(marker)

    copy._markers = Late(blobs.objects)
    assert not copy.advance()
    assert deployment(connection, blobs).standing().deletes
    assert deployment(other, blobs).standing().code == "redis_behind"


def test_the_store_is_judged_by_its_own_clock(
    connection: redis.Redis, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment(connection, blobs).join()
    blobs.put(b"written now, by a clock that is two days behind")
    age(tmp_path, 2 * DAY_S)
    assert blobs.objects.now().timestamp() > 0
    monkeypatch.setattr(
        type(blobs.objects), "now", lambda self: next(blob.written for batch in blobs.stored() for blob in batch)
    )
    assert Sweeper(connection, blobs).sweep() == 0
    assert Sweeper(connection, blobs).sweep(NOW) == 1


def test_files_of_others_are_left_alone(connection: redis.Redis, blobs: BlobStore, tmp_path: Path) -> None:
    deployment(connection, blobs).join()
    digest = blobs.put(b"ours")
    folder = tmp_path / "blobs" / digest[:2]
    strangers = [tmp_path / "notes.txt", tmp_path / "blobs" / "photo.jpg", folder / "readme", folder / digest.upper()]
    strangers += [tmp_path / "blobs" / "zz" / digest, tmp_path / "old" / "blobs" / digest[:2] / digest]
    for path in strangers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
    assert Sweeper(connection, blobs).sweep(NOW) == 1
    assert all(path.exists() for path in strangers)
    assert blobs.written(digest) is None


def test_the_epoch_is_advanced_by_each_service_that_starts(connection: redis.Redis, blobs: BlobStore) -> None:
    keeper = Keeper(connection, blobs)
    assert keeper.tick()  # new on both sides
    keeper = Keeper(connection, blobs)
    keeper.deployment = deployment(connection, blobs)
    assert keeper.tick()
    assert deployment(connection, blobs).standing().redis.epoch == 2
    assert keeper.tick()
    assert deployment(connection, blobs).standing().redis.epoch == 2


def test_records_of_another_layout_are_refused(connection: redis.Redis) -> None:
    connection.delete(KEYS["deployment"])
    connection.zadd(KEYS["jobs"], {"some": 0})
    with pytest.raises(LayoutError, match=r"0\.1.*flushdb"):
        check_layout(connection)
    connection.hset(KEYS["deployment"], "layout", LAYOUT - 1)
    with pytest.raises(LayoutError, match=f"layout {LAYOUT - 1}.*flushdb"):
        check_layout(connection)
    connection.hset(KEYS["deployment"], "layout", LAYOUT + 1)
    with pytest.raises(LayoutError, match="update convscope"):
        check_layout(connection)
    connection.hset(KEYS["deployment"], "layout", LAYOUT)
    check_layout(connection)


def test_every_record_tells_its_layout(connection: redis.Redis) -> None:
    check_layout(connection)
    connection.flushdb()  # it lost its volume while a service runs
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    check_layout(connection)
    assert connection.hget(KEYS["deployment"], "id")


MARKERS = st.builds(
    Marker,
    deployment=st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True),
    epoch=st.integers(1, 10**12 - 1),
    token=st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True),
    adopted=st.booleans(),
)


@given(MARKERS)
def test_markers_are_read_as_they_are_written(marker: Marker) -> None:
    assert parse_marker(marker.to_bytes()).marker == marker


@given(MARKERS, st.integers(0, 200))
def test_a_marker_that_is_cut_off_is_unreadable(marker: Marker, length: int) -> None:
    data = marker.to_bytes().rstrip()
    assert parse_marker(data[: min(length, len(data) - 1)]).fault == "unreadable"


@given(st.binary(max_size=80) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(repr).map(str.encode))
def test_malformed_markers_are_faults(data: bytes) -> None:
    assert parse_marker(data).marker is None


@given(
    st.builds(
        RedisSide,
        deployment=st.sampled_from(["", "a", "b"]),
        epoch=st.integers(0, 3),
        wanted=st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 3), st.sampled_from(["", "t", "u"])),
    ),
    st.builds(
        StoreSide,
        marker=st.none()
        | st.builds(Marker, deployment=st.sampled_from("ab"), epoch=st.integers(1, 3), token=st.just("t")),
        fault=st.sampled_from(["", "", "unreadable", "newer"]),
        guests=st.sampled_from([(), ("c-0",)]),
        used=st.booleans(),
    ),
)
def test_only_equal_sides_delete_and_every_doubt_is_explained(of_redis: RedisSide, store: StoreSide) -> None:
    standing = judge(of_redis, store)
    if standing.deletes:
        assert store.marker
        assert not store.fault
        assert not store.guests
        assert (store.marker.deployment, store.marker.epoch) == (of_redis.deployment, of_redis.epoch)
    else:
        assert standing.reason
        assert standing.advice
        assert "{" not in str(standing)
