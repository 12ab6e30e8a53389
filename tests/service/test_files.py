"""The files of a job and of a model are listed, and read from an offset on."""

from datetime import timedelta

import grpc
import numpy as np
import pytest
import redis

from convscope.store import JobStore, ModelStore
from convscope.store.jobs.attachments import Attachments, StoredFile
from convscope.store.redis.keys import KEYS
from convscope.v1.files_pb2 import File, ListFilesRequest, ReadFileRequest
from convscope.v1.jobs_pb2 import Job
from convscope.v1.models_pb2 import ExportModelRequest
from support.api import PATIENCE_S, Api, pages_of, refused
from support.part_jobs import claim, take_apart
from support.stored_images import Store
from support.trained_models import train_model

# Several pieces, and a bit of a second range.
LARGE = np.random.default_rng(0).bytes(8 * 2**20 + 2**20 + 5)

CONTENTS = {"matrix.npy": LARGE, "empty.json": b"", "a b/\u00e4.txt": b"abc"}


@pytest.fixture
def job(store: Store) -> Job:
    """A job with three files."""
    evaluation = store.evaluation()
    files = [StoredFile(name, "text/plain", store.blobs.put(data), len(data)) for name, data in CONTENTS.items()]
    claim(store.connection, evaluation).succeed("", attachments=Attachments(files=files))
    return JobStore(store.connection).get(evaluation.name)


def listed(api: Api, job: Job, page_size: int = 0) -> list[list[File]]:
    request = ListFilesRequest(parent=job.name, page_size=page_size)
    return [list(page.files) for page in pages_of(api.files.ListFiles, request)]


def read(api: Api, name: str, offset: int = 0) -> list[bytes]:
    request = ReadFileRequest(name=name, offset=offset)
    return [piece.data for piece in api.files.ReadFile(request, timeout=PATIENCE_S)]


def test_files_are_listed_by_name(api: Api, job: Job) -> None:
    (files,) = listed(api, job)
    assert [file.name for file in files] == [
        f"{job.name}/files/{name}" for name in ("a%20b%2F%C3%A4.txt", "empty.json", "matrix.npy")
    ]
    assert [file.digest.size_bytes for file in files] == [3, 0, len(LARGE)]
    assert {file.media_type for file in files} == {"text/plain"}
    assert {file.create_time.ToDatetime() - job.end_time.ToDatetime() for file in files} == {timedelta()}
    assert [len(page) for page in listed(api, job, 2)] == [2, 1]
    assert [file for page in listed(api, job, 1) for file in page] == files


def test_names_with_escapes_are_on_one_page_each(api: Api, store: Store) -> None:
    """Their order is that of the names as they are escaped: that of `ä` is another."""
    names = ["z", "\u00e4", "a~", "a b", "a"]
    evaluation, digest = store.evaluation(), store.blobs.put(b"abc")
    files = [StoredFile(name, "text/plain", digest, 3) for name in names]
    claim(store.connection, evaluation).succeed("", attachments=Attachments(files=files))
    pages = [[file.name.rpartition("/")[2] for file in page] for page in listed(api, evaluation, 1)]
    assert pages == [["%C3%A4"], ["a"], ["a%20b"], ["a~"], ["z"]]


def test_a_job_without_files(api: Api, store: Store) -> None:
    evaluation = store.evaluation()
    assert listed(api, evaluation) == [[]]


def test_files_are_read_in_pieces(api: Api, job: Job) -> None:
    short, empty, large = (file.name for file in listed(api, job)[0])
    assert read(api, short) == [b"abc"]
    assert read(api, short, 1) == [b"bc"]
    assert read(api, short, 3) == read(api, empty) == []
    for offset in (0, 1, 2**20, 8 * 2**20, 8 * 2**20 + 1, len(LARGE) - 1):
        pieces = read(api, large, offset)
        assert b"".join(pieces) == LARGE[offset:]
        assert all(0 < len(piece) <= 2**20 for piece in pieces)
    assert refused(lambda: read(api, large, len(LARGE) + 1)).code() == grpc.StatusCode.OUT_OF_RANGE


def test_files_go_with_the_job(api: Api, job: Job, connection: redis.Redis) -> None:
    JobStore(connection).delete(job.name)
    assert refused(lambda: listed(api, job)).code() == grpc.StatusCode.NOT_FOUND
    assert refused(lambda: read(api, f"{job.name}/files/matrix.npy")).code() == grpc.StatusCode.NOT_FOUND
    assert take_apart(connection) == len(CONTENTS)
    assert not connection.exists(KEYS["references"])


def test_a_model_is_exported_from_an_offset_on(api: Api, store: Store, connection: redis.Redis) -> None:
    model = ModelStore(connection).get(train_model(connection, store.blobs).name)
    whole = store.blobs.get(model.digest.sha256)

    def export(offset: int) -> bytes:
        request = ExportModelRequest(name=model.name, offset=offset)
        return b"".join(piece.data for piece in api.models.ExportModel(request, timeout=PATIENCE_S))

    for offset in (0, 5, len(whole)):
        assert export(offset) == whole[offset:]
    assert refused(lambda: export(len(whole) + 1)).code() == grpc.StatusCode.OUT_OF_RANGE
