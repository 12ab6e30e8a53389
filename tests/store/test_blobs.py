"""Artifacts: named by what they are, whole or absent, never silently wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convscope.store import BlobStore
from convscope.store.errors import BlobDamagedError, BlobError


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
    with pytest.raises(BlobError, match=f"cannot write artifacts in {tmp_path.as_uri()}"):
        BlobStore(tmp_path.as_uri()).put(b"x")
    assert [path.name for path in tmp_path.rglob("*")] == ["blobs"]


def test_an_address_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BlobError, match="cannot open"):
        BlobStore((tmp_path / "file").as_uri())
