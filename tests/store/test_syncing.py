"""What Redis refers to is on the disk before: a machine that dies takes no artifact along."""

import errno
import os
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest
import redis

from convscope.store import Attempt, BlobStore, Checkpoint, Claimant, Collector, JobStore
from convscope.store.errors import BlobError
from convscope.store.objects import Objects
from convscope.store.redis.keys import KEYS
from convscope.v1.digest_pb2 import Digest
from convscope.v1.jobs_pb2 import JobEvent, JobSpec
from convscope.v1.models_pb2 import Model
from convscope.v1.train_pb2 import TrainSpec
from support.part_jobs import image, unreferenced

DATA = b"a blob"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> dict[Path, Callable[[], None]]:
    """What the disk was told to keep; a test may set what happens when it is told to keep a path."""
    paths: dict[Path, Callable[[], None]] = {}
    sync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        paths.setdefault(path, lambda: None)()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


REFERENCES = {
    "event": lambda attempt, blob: attempt.report(JobEvent(), blob),
    "images": lambda attempt, blob: attempt.report_images([image(0, blob), image(1, blob)], kept=2),
    "checkpoint": lambda attempt, blob: attempt.save_checkpoint(Checkpoint(5, blob)),
    "result": lambda attempt, blob: attempt.succeed(blob),
    "model": lambda attempt, blob: attempt.succeed("", Model(digest=Digest(sha256=blob))),
    "history": lambda attempt, blob: attempt.succeed("", Model(), blob),
}


def claim(connection: redis.Redis, blobs: BlobStore) -> Attempt:
    JobStore(connection).create(JobSpec(train=TrainSpec()), request_digest="d", model=Model())
    attempt = Attempt.claim(connection, Claimant(worker="w"), blobs)
    assert attempt is not None
    return attempt


@pytest.mark.parametrize("refer", REFERENCES.values(), ids=REFERENCES)
def test_the_disk_keeps_a_blob_before_anything_refers_to_it(
    connection: redis.Redis,
    tmp_path: Path,
    synced: dict[Path, Callable[[], None]],
    refer: Callable[[Attempt, str], object],
) -> None:
    attempt = claim(connection, BlobStore(tmp_path.as_uri()))
    blob = sha256(DATA).hexdigest()
    file = tmp_path / "blobs" / blob[:2] / blob
    way = [file, *file.parents[:3]]
    referred_to: dict[Path, object] = {}

    def note(path: Path) -> None:
        time.sleep(0.2)  # the disk is slow: nothing may refer to it meanwhile
        referred_to[path] = connection.hget(KEYS["references"], blob)

    for path in way:
        synced[path] = partial(note, path)
    assert attempt.put(DATA) == blob
    refer(attempt, blob)
    assert referred_to == dict.fromkeys(way)  # the file and its folders
    assert connection.hget(KEYS["references"], blob)


def test_what_is_written_again_is_synced_again(
    connection: redis.Redis, tmp_path: Path, synced: dict[Path, Callable[[], None]]
) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    blob = unreferenced(connection, blobs, DATA)
    writer = claim(connection, blobs)
    writer.put(DATA)
    assert Collector(connection, blobs).collect(patience_ms=0) == 1
    counted: list[None] = []
    synced[tmp_path / "blobs" / blob[:2] / blob] = lambda: counted.append(None)
    writer.report(JobEvent(), blob)
    assert len(counted) == 1
    assert blobs.get(blob) == DATA


def test_small_files_are_kept_at_once(tmp_path: Path, synced: dict[Path, Callable[[], None]]) -> None:
    objects = Objects(tmp_path.as_uri())
    objects.put("manifests/models/m.json", b"{}")
    assert {tmp_path / path for path in ("manifests/models/m.json", "manifests/models", "manifests", ".")} <= set(
        synced
    )
    synced.clear()
    assert objects.create("deployment/1", b"{}")
    assert tmp_path / "deployment/1" in synced


def test_a_disk_that_cannot_keep_it_is_reported(tmp_path: Path, synced: dict[Path, Callable[[], None]]) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    blobs = BlobStore((tmp_path / "a b").as_uri())
    blob = sha256(DATA).hexdigest()
    synced[tmp_path / "a b" / "blobs" / blob[:2] / blob] = full
    assert blobs.put(DATA) == blob
    with pytest.raises(BlobError, match="No space left"):
        blobs.sync([blob])


def test_folders_need_not_be_synced_where_that_cannot_be(
    tmp_path: Path, synced: dict[Path, Callable[[], None]]
) -> None:
    def refuse() -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    synced[tmp_path / "x"] = synced[tmp_path] = refuse
    Objects(tmp_path.as_uri()).put("x/y", b"")
    assert tmp_path / "x/y" in synced


def test_an_attempt_tells_whether_the_disk_has_its_blobs(
    connection: redis.Redis, tmp_path: Path, synced: dict[Path, Callable[[], None]]
) -> None:
    attempt = claim(connection, BlobStore(tmp_path.as_uri()))
    blob, slow = sha256(DATA).hexdigest(), Event()

    def write_slowly() -> None:
        slow.wait()

    synced[tmp_path / "blobs" / blob[:2] / blob] = write_slowly
    attempt.put(DATA)
    assert not attempt.can_refer([blob], within_s=0.01)
    slow.set()
    assert attempt.can_refer([blob], within_s=60)
    attempt.report(JobEvent(), blob)
    assert attempt.can_refer([blob, "0" * 64], within_s=0)  # nothing is left to wait for
