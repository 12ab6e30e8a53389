"""What is deleted while a call reads it is reported as deleted, and only what is missing otherwise as damaged."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope.service.backend import Backend
from convscope.service.evaluations import EvaluationsService
from convscope.service.files import FilesService
from convscope.service.hub import NotifyHub
from convscope.service.jobs import JobsService
from convscope.service.models import ModelsService
from convscope.store import BlobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import BlobDamagedError, NotFoundError
from convscope.store.jobs.attachments import Attachments, ExamplesBlob, StoredFile
from convscope.store.redis.keys import key
from convscope.v1.evaluations_pb2 import ListExamplesRequest
from convscope.v1.files_pb2 import ReadFileRequest
from convscope.v1.jobs_pb2 import GetJobRequest, JobView, WatchJobRequest
from convscope.v1.models_pb2 import ExportModelRequest, ListTrainReportsRequest
from support.part_jobs import claim
from support.stored_images import Store
from support.trained_models import train_model

CONTEXT: Any = None


class LosingBlobs(BlobStore):
    """An artifact store that loses what is asked for, after something else has happened."""

    before: Callable[[], object]

    def get(self, digest: str) -> bytes:
        self.before()
        self.delete([digest])
        return super().get(digest)

    def pieces(self, digest: str, size: int, offset: int = 0) -> Iterator[bytes]:
        self.before()
        self.delete([digest])
        return super().pieces(digest, size, offset)


@pytest.fixture
def backend(image_home: Path, redis_server: EmbeddedRedis) -> Iterator[Backend]:
    url = (image_home / "artifacts").as_uri()
    backend = Backend(StoreSettings(home=image_home, redis_url=redis_server.url, artifacts_url=url))
    backend.blobs = LosingBlobs(url)
    yield backend
    backend.close()


def evaluation(store: Store) -> str:
    """Create an evaluation with a result, examples and a file."""
    job = store.evaluation()
    attachments = Attachments(
        examples=[ExamplesBlob(0, store.blobs.put(b""))],
        files=[StoredFile("a", "text/plain", store.blobs.put(b"a"), 1)],
    )
    claim(store.connection, job).succeed(store.blobs.put(b""), attachments=attachments)
    return job.name


def model(store: Store) -> str:
    return train_model(store.connection, store.blobs).name


async def drain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


Call = Callable[[Backend, str], Awaitable[object]]

CALLS: dict[str, tuple[Callable[[Store], str], Call]] = {
    "GetJob": (
        evaluation,
        lambda backend, name: JobsService(backend, NotifyHub(backend.settings.redis_url)).GetJob(
            GetJobRequest(name=name, view=JobView.JOB_VIEW_FULL), CONTEXT
        ),
    ),
    "WatchJob": (
        evaluation,
        lambda backend, name: drain(
            JobsService(backend, NotifyHub(backend.settings.redis_url)).WatchJob(WatchJobRequest(name=name), CONTEXT)
        ),
    ),
    "ListExamples": (
        evaluation,
        lambda backend, name: EvaluationsService(backend).ListExamples(ListExamplesRequest(parent=name), CONTEXT),
    ),
    "ReadFile": (
        evaluation,
        lambda backend, name: drain(FilesService(backend).ReadFile(ReadFileRequest(name=f"{name}/files/a"), CONTEXT)),
    ),
    "ExportModel": (
        model,
        lambda backend, name: drain(ModelsService(backend).ExportModel(ExportModelRequest(name=name), CONTEXT)),
    ),
    "ListTrainReports": (
        model,
        lambda backend, name: ModelsService(backend).ListTrainReports(ListTrainReportsRequest(parent=name), CONTEXT),
    ),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("deleted", [True, False])
async def test_what_is_deleted_meanwhile_is_not_damaged(
    backend: Backend, store: Store, call: str, *, deleted: bool
) -> None:
    make, ask = CALLS[call]
    name = make(store)
    record = key(*name.replace("s/", "/", 1).split("/"))

    def before() -> None:
        if deleted:
            store.connection.delete(record)

    assert store.connection.exists(record)
    assert isinstance(backend.blobs, LosingBlobs)
    backend.blobs.before = before
    with pytest.raises(NotFoundError if deleted else BlobDamagedError) as caught:
        await ask(backend, name)
    assert not deleted or f"{name} was deleted meanwhile" in str(caught.value)
