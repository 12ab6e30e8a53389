"""Files go when nothing refers to them, and nothing ever refers to a file that is gone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from convscope.store import Attempt, BlobStore, Claimant, Collector, JobStore, Scripts
from convscope.store.errors import BlobDamagedError, BlobError, DeletionOffError
from convscope.store.redis.keys import KEYS, key
from convscope.store.redis.scripts import BlobsGone, listed
from convscope.v1.jobs_pb2 import Failure, JobEvent
from support.part_jobs import create, take_apart, unreferenced

DATA = b"a blob"


class Slow(BlobStore):
    """A store in which something happens just before files are deleted, or just after it."""

    before: Callable[[], object] = staticmethod(lambda: None)
    after: Callable[[], object] = staticmethod(lambda: None)
    deleting: Sequence[str] = ()

    def delete(self, digests: Sequence[str]) -> None:
        self.deleting = digests
        self.before()
        super().delete(digests)
        self.after()


@pytest.fixture
def blobs(tmp_path: Path) -> Slow:
    return Slow(tmp_path.as_uri())


def claim(connection: redis.Redis, blobs: BlobStore | None) -> Attempt:
    create(connection, 1)
    attempt = Attempt.claim(connection, Claimant(worker="w"), blobs)
    assert attempt is not None
    return attempt


def condemn(connection: redis.Redis, *orphans: str) -> list[str]:
    _, *condemned = Scripts(connection).run("condemn", 0, 100, *listed(orphans))
    return [digest.decode() for digest in condemned]


def test_what_has_lost_its_references_long_enough_ago_goes(connection: redis.Redis, blobs: Slow) -> None:
    digest = unreferenced(connection, blobs, DATA)
    collector = Collector(connection, blobs)
    assert collector.collect(patience_ms=60_000) == 0
    assert blobs.get(digest) == DATA
    assert collector.collect(patience_ms=0) == 1
    with pytest.raises(BlobDamagedError):
        blobs.get(digest)
    assert not collector.has_garbage()


def test_what_is_referred_to_again_in_time_stays(connection: redis.Redis, blobs: Slow) -> None:
    digest = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)
    writer.report(JobEvent(), writer.put(DATA))
    assert Collector(connection, blobs).collect(patience_ms=0) == 0
    assert Collector(connection, blobs).collect([digest], patience_ms=0) == 0
    assert blobs.get(digest) == DATA
    assert not connection.exists(KEYS["unreferenced"])


def test_a_condemned_blob_cannot_be_referred_to(connection: redis.Redis, blobs: Slow) -> None:
    writer = claim(connection, None)  # it would wait, were it to write it again
    digest = unreferenced(connection, blobs, DATA)
    assert condemn(connection) == [digest]
    with pytest.raises(BlobsGone) as gone:
        writer.report(JobEvent(), digest)
    assert gone.value.digests == [digest]
    assert connection.hget(KEYS["references"], digest) is None
    assert JobStore(connection).get(f"jobs/{writer.job_id}").sequence == 2  # nothing has been changed


@pytest.mark.parametrize("how", ["report", "end"])
def test_what_was_struck_off_since_is_written_again(connection: redis.Redis, blobs: Slow, how: str) -> None:
    digest = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)
    assert writer.put(DATA) == digest
    assert Collector(connection, blobs).collect(patience_ms=0) == 1
    if how == "report":
        writer.report(JobEvent(), digest)
    else:
        writer.succeed(digest)
    assert blobs.get(digest) == DATA
    assert connection.hget(KEYS["references"], digest) == b"1"


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_written_amid_a_batch_that_the_writer_knows_is_written_again(
    connection: redis.Redis, blobs: Slow, when: str
) -> None:
    """It learns the batch's number once the blob is condemned, and the file is deleted after it has written it."""
    digest = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)

    def put() -> None:
        assert connection.hexists(KEYS["condemned"], digest)
        writer.report(JobEvent())
        writer.put(DATA)

    setattr(blobs, when, put)
    assert Collector(connection, blobs).collect(patience_ms=0) == 1
    writer.report(JobEvent(), digest)
    assert blobs.get(digest) == DATA


def test_a_batch_that_is_pardoned_may_have_been_deleted(connection: redis.Redis, blobs: Slow) -> None:
    digest = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)
    condemn(connection)
    writer.report(JobEvent())
    writer.put(DATA)
    BlobStore.delete(blobs, [digest])  # by a collector that died before it could strike it off
    Collector(connection, blobs).pardon()
    writer.report(JobEvent(), digest)
    assert blobs.get(digest) == DATA


def test_what_is_forgotten_to_be_struck_off_is_written_again(connection: redis.Redis, blobs: Slow) -> None:
    digest = unreferenced(connection, blobs, DATA)
    early = claim(connection, blobs)
    early.put(DATA)
    collector = Collector(connection, blobs, remembered=1)
    collector.collect(patience_ms=0)
    for data in (b"more", b"yet more"):
        unreferenced(connection, blobs, data)
        collector.collect(patience_ms=0)
    assert connection.zscore(KEYS["struck"], digest) is None
    early.report(JobEvent(), digest)
    assert blobs.get(digest) == DATA
    late = claim(connection, None)
    late.report(JobEvent(), "e" * 64)  # what is written after all that is believed to be there


def test_leftovers_of_a_dead_collector_come_first(connection: redis.Redis, blobs: Slow) -> None:
    def die() -> None:
        raise BlobError("killed")

    first = unreferenced(connection, blobs, DATA)
    blobs.after = die
    with pytest.raises(BlobError):
        Collector(connection, blobs).collect(patience_ms=0)
    second = unreferenced(connection, blobs, b"another")
    blobs.after = lambda: None
    assert condemn(connection) == [first]
    assert Collector(connection, blobs).collect(patience_ms=0) == 1
    assert connection.zrange(KEYS["unreferenced"], 0, -1) == [second.encode()]
    assert not connection.exists(KEYS["condemned"])
    assert Collector(connection, blobs).collect(patience_ms=0) == 1


def test_nothing_is_deleted_that_another_collector_took_over(connection: redis.Redis, blobs: Slow) -> None:
    """It was so slow that another one has struck it off, and a job refers to it again."""
    digest = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)
    calls = 0

    def permit() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:  # it has condemned the batch
            assert Collector(connection, blobs).collect(patience_ms=0) == 1
            writer.report(JobEvent(), writer.put(DATA))
            raise DeletionOffError("the lock ran out")

    with pytest.raises(DeletionOffError):
        Collector(connection, blobs, permit).collect(patience_ms=0)
    assert blobs.get(digest) == DATA


def test_a_collector_that_is_stopped_amid_a_deletion_deletes_nothing_more_once_it_is_replaced(
    connection: redis.Redis, blobs: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.store.upkeep.collector.CHUNK", 1)
    stored = {unreferenced(connection, blobs, data): data for data in (b"one", b"two", b"three")}
    first, second = claim(connection, blobs), claim(connection, blobs)
    late: list[str] = []

    def stop() -> None:
        blobs.before = lambda: None
        late.extend(blobs.deleting)
        assert Collector(connection, blobs).collect(patience_ms=0) == 3
        first.report(JobEvent())  # both know that these are struck off
        second.report(JobEvent())
        second.put(stored[late[0]])  # and refers to it later
        for digest in stored.keys() - set(late):
            first.report(JobEvent(), first.put(stored[digest]))

    blobs.before = stop
    with pytest.raises(DeletionOffError):
        Collector(connection, blobs).collect(patience_ms=0)
    second.report(JobEvent(), late[0])
    assert [blobs.get(digest) for digest in stored] == list(stored.values())


def test_a_collector_that_comes_late_strikes_off_nothing_of_another(connection: redis.Redis, blobs: Slow) -> None:
    digest = unreferenced(connection, blobs, DATA)

    def stop() -> None:
        blobs.after = lambda: None
        assert Collector(connection, blobs).collect(patience_ms=0) == 1
        unreferenced(connection, blobs, DATA)
        assert condemn(connection) == [digest]

    blobs.after = stop
    Collector(connection, blobs).collect(patience_ms=0)
    assert connection.hexists(KEYS["condemned"], digest)  # a third one is about to delete it


def test_what_deleted_jobs_leave_is_taken_apart_in_slices(connection: redis.Redis) -> None:
    for start in (0, 1500):  # 1000 blobs are shared
        attempt = claim(connection, None)
        digests = [f"{number:064x}" for number in range(start, start + 2500)]
        for digest in digests[:3]:
            attempt.report(JobEvent(), digest)
        for digest in digests[3:]:  # as if it had reported them all
            connection.sadd(key("job_blobs", attempt.job_id), digest)
            connection.hincrby(KEYS["references"], digest, 1)
        attempt.fail(Failure(message="x"))
        JobStore(connection).delete(f"jobs/{attempt.job_id}")
    slices = []
    while count := take_apart(connection):
        slices.append(count)
    assert slices == [1000, 1000, 500, 1000, 1000, 500]
    assert connection.hlen(KEYS["references"]) == 0
    assert connection.zcard(KEYS["unreferenced"]) == 4000
    assert not [name for name in connection.scan_iter(f"{KEYS['trash']}*") if name != KEYS["trash_count"].encode()]
