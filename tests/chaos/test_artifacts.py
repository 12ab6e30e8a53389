"""Each cut of the way to an artifact store does what its name says, and ends."""

import os
import threading
import time
from collections.abc import Iterator
from unittest import mock

import pytest

from chaos.artifacts import Artifacts, running_artifacts
from chaos.network import HOST, Cut
from convscope.store import BlobStore
from convscope.store.errors import BlobError

# Nothing here takes longer, in seconds: the library sends again after ever longer pauses.
PATIENCE_S = 40

DATA = b"x" * 20_000


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Artifacts]:
    with running_artifacts("s3", tmp_path_factory.mktemp("a"), [HOST]) as artifacts:
        yield artifacts


@pytest.fixture
def blobs(artifacts: Artifacts) -> Iterator[BlobStore]:
    with mock.patch.dict(os.environ, artifacts.environment(0)):
        yield BlobStore(artifacts.url)


def test_it_keeps_blobs(artifacts: Artifacts, blobs: BlobStore) -> None:
    digest = blobs.put(DATA)
    assert BlobStore(artifacts.url).get(digest) == DATA
    assert [blob.digest for batch in blobs.stored() for blob in batch] == [digest]
    blobs.delete([digest])
    assert list(blobs.stored()) == []


@pytest.mark.parametrize("how", [Cut.CLOSED, Cut.RESET, Cut.FROZEN, Cut.SLOW, Cut.ERRORS])
def test_a_blob_is_stored_when_the_cut_is_over(artifacts: Artifacts, blobs: BlobStore, how: Cut) -> None:
    (link,) = artifacts.links
    stored: list[str] = []
    link.cut(how)
    writer = threading.Thread(target=lambda: stored.append(blobs.put(DATA)), daemon=True)
    started = time.monotonic()
    writer.start()
    writer.join(0.2)
    assert writer.is_alive(), f"{how} did not keep it"
    if how is not Cut.SLOW:
        link.heal()
    writer.join(PATIENCE_S)
    link.heal()
    assert len(stored) == 1
    assert time.monotonic() - started < PATIENCE_S
    assert blobs.get(stored[0]) == DATA


@pytest.mark.xfail(strict=True, raises=BlobError, reason="ten attempts are used up within three seconds")
def test_a_store_that_refuses_for_seconds_is_waited_for(artifacts: Artifacts, blobs: BlobStore) -> None:
    (link,) = artifacts.links
    link.cut(Cut.CLOSED)
    healing = threading.Timer(8.0, link.heal)
    healing.start()
    try:
        assert blobs.get(blobs.put(DATA)) == DATA
    finally:
        healing.join()
