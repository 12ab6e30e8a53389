"""Artifacts: named by what they are, whole or absent, never silently wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore
from convscope.store import blobs as blobs_module
from convscope.store.errors import BlobDamagedError, BlobError, OffsetError


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore((tmp_path_factory.mktemp("artifacts") / "made").as_uri())


@given(st.binary(max_size=5000))
def test_what_is_put_is_got(blobs: BlobStore, data: bytes) -> None:
    digest = blobs.put(data)
    assert blobs.get(digest) == data
    assert blobs.put(data) == digest


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
