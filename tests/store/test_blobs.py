"""Artifacts: named by what they are, whole or absent, never silently wrong."""

import errno
import os
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore
from convscope.store import blobs as blobs_module
from convscope.store.errors import BlobDamagedError, BlobError, OffsetError
from convscope.store.redis.scripts import Scripts, Value
from support.part_jobs import claim, create, image


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore((tmp_path_factory.mktemp("artifacts") / "made").as_uri())


@given(st.binary(max_size=5000))
def test_what_is_put_is_got(blobs: BlobStore, data: bytes) -> None:
    digest = blobs.put(data)
    assert blobs.get(digest) == data
    assert blobs.put(data) == digest


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was written through to the disk so far."""
    paths: list[Path] = []
    fsync = os.fsync

    def spied(opened: int) -> None:
        fsync(opened)
        paths.append(Path(f"/proc/self/fd/{opened}").readlink())

    monkeypatch.setattr(os, "fsync", spied)
    return paths


def test_what_is_written_outlasts_the_machine_before_anything_refers_to_it(
    tmp_path: Path, connection: redis.Redis, synced: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobStore((tmp_path / "made here").as_uri())
    job = create(connection, 1)
    attempt = claim(connection, job, blobs=blobs)
    digests = [attempt.put(f"image {number}".encode()) for number in range(3)]
    folder = tmp_path / "made here" / "blobs"
    run, written = Scripts.run, list[str]()

    def checked(scripts: Scripts, name: str, *arguments: Value) -> object:
        written.append(name)
        for digest in digests:
            assert {folder / digest[:2] / digest, folder / digest[:2], folder, folder.parent} <= set(synced)
        return run(scripts, name, *arguments)

    monkeypatch.setattr(Scripts, "run", checked)
    attempt.report_images([image(number, digest) for number, digest in enumerate(digests)], 3)
    digests.append(attempt.put(b"result"))
    attempt.succeed(digests[-1])
    assert written == ["write", "end_attempt"]


def test_markers_and_manifests_outlast_the_machine(tmp_path: Path, synced: list[Path]) -> None:
    objects = BlobStore(tmp_path.as_uri()).objects
    assert objects.create("manifests/models/m.json", b"ready")
    assert {path.name for path in synced} == {"m.json", "models", "manifests", tmp_path.name}
    synced.clear()
    assert not objects.create("manifests/models/m.json", b"again")
    objects.put("manifests/models/m.json", b"deleted")
    assert {path.name for path in synced} == {"m.json", "models"}


def test_a_disk_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(tmp_path.as_uri())

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    digest = blobs.put(b"x")
    with pytest.raises(BlobError, match="write"):
        blobs.sync([digest])
    with pytest.raises(BlobError, match="write"):
        blobs.objects.put("manifests/models/m.json", b"x")


def test_a_blob_that_is_deleted_before_it_is_on_the_disk_is_no_fault(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    digest = blobs.put(b"x")
    blobs.delete([digest])
    blobs.sync([digest, "0" * 64])


@pytest.mark.parametrize("missing", [{0}, {7}, {0, 1, 48}, set(range(49))])
def test_blobs_are_deleted_although_others_are_missing(tmp_path: Path, missing: set[int]) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    digests = [blobs.put(b"%d" % number) for number in range(50)]
    blobs.delete([digests[number] for number in missing])  # by a process that died on the way
    blobs.delete(digests)
    assert not any(map(blobs.written, digests))


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path.as_uri())
    digest = blobs.put(b"weights")
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(b"Weights")
    with pytest.raises(BlobDamagedError, match=f"{digest}.*damaged"):
        blobs.get(digest)
    file.unlink()
    with pytest.raises(BlobDamagedError, match=f"{digest}.*missing"):
        blobs.get(digest)


def test_a_store_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with pytest.raises(BlobError, match=f"write.*{tmp_path.as_uri()}"):
        BlobStore(tmp_path.as_uri()).put(b"x")
    assert [path.name for path in tmp_path.rglob("*")] == ["blobs"]


def test_an_address_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BlobError, match="cannot open"):
        BlobStore((tmp_path / "file").as_uri())


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges and pieces of a few bytes, so that a short blob has many."""
    monkeypatch.setattr(blobs_module, "RANGE", 7)
    monkeypatch.setattr(blobs_module, "PIECE", 3)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("size", [0, 1, 3, 6, 7, 8, 14, 20, 21, 22])
def test_pieces_from_any_offset(tmp_path: Path, size: int) -> None:
    blobs, data = BlobStore(tmp_path.as_uri()), bytes(range(size))
    digest = blobs.put(data)
    for offset in range(size + 1):
        pieces = list(blobs.pieces(digest, size, offset))
        assert b"".join(pieces) == data[offset:]
        assert max(map(len, pieces)) <= 3
    with pytest.raises(OffsetError):
        list(blobs.pieces(digest, size, size + 1))


@pytest.mark.usefixtures("small_pieces")
def test_the_last_piece_of_a_damaged_blob_never_comes(tmp_path: Path) -> None:
    blobs, data = BlobStore(tmp_path.as_uri()), bytes(range(20))
    digest = blobs.put(data)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    for offset in (0, 19):  # what comes before the offset counts as well
        file.write_bytes(b"x" + data[1:])
        pieces = blobs.pieces(digest, 20, offset)
        with pytest.raises(BlobDamagedError, match=f"{digest}.*damaged"):  # noqa: PT012
            while True:
                assert data[-1:] not in next(pieces)
    file.write_bytes(data[:-1])
    with pytest.raises(BlobDamagedError, match=f"{digest}.*damaged"):
        list(blobs.pieces(digest, 20))
    file.unlink()
    with pytest.raises(BlobDamagedError, match=f"{digest}.*missing"):
        list(blobs.pieces(digest, 20))
