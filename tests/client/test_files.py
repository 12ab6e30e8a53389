"""Files that come through broken connections, and are whole or not there at all."""

import io
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from convscope.client import Client, DataLoss, File, NotFound, Unavailable
from convscope.v1 import evaluate_pb2, files_pb2, jobs_pb2, models_pb2
from support.fake_service import FakeService, job

DATA = bytes(range(250)) * 100
NAME = "jobs/j/files/a%20b.npy"


@pytest.fixture
def file(fake: FakeService) -> files_pb2.File:
    """The second of a job's files, on a separate page."""
    other, described = files_pb2.File(name="jobs/j/files/a"), files_pb2.File(name=NAME, media_type="text/plain")
    described.digest.sha256, described.digest.size_bytes = sha256(DATA).hexdigest(), len(DATA)

    def pages(request: files_pb2.ListFilesRequest, _: Any) -> files_pb2.ListFilesResponse:
        first = files_pb2.ListFilesResponse(files=[other], next_page_token="next")
        return files_pb2.ListFilesResponse(files=[described]) if request.page_token else first

    fake.handlers["ListFiles"] = pages
    fake.handlers["ReadFile"] = breaking(files_pb2.ReadFileResponse)
    return described


def breaking(response: Any, code: grpc.StatusCode | None = None, pieces: int = 3) -> Any:
    """Return a handler that sends from an offset on; with a status, some pieces each time, and then that."""

    def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        starts = range(request.offset, len(DATA), 1000)
        for start in starts[:pieces] if code else starts:
            yield response(data=DATA[start : start + 1000])
        if code and request.offset + 1000 * pieces < len(DATA):
            context.abort(code, "broken")

    return answer


@pytest.mark.usefixtures("file")
def test_files_are_listed(client: Client) -> None:
    files = list(client.job("j").files())
    assert [file.basename for file in files] == ["a", "a b.npy"]
    assert (type(files[1]), files[1].name, files[1].digest.size_bytes) == (File, NAME, len(DATA))


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("name", ["a b.npy", NAME])
def test_a_file_is_read_and_saved(client: Client, tmp_path: Path, name: str) -> None:
    assert client.job("j").read_file(name) == DATA
    assert client.job("j").save_file(name, tmp_path / "f").read_bytes() == DATA


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("name", ["a b.npy", NAME])
def test_a_file_is_saved_under_its_own_name(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert client.job("j").save_file(name) == Path("a b.npy")
    assert (tmp_path / "a b.npy").read_bytes() == DATA


def test_a_file_is_not_saved_elsewhere(
    client: Client, file: files_pb2.File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file.name = "jobs/j/files/..%2Fb"  # from a server that may be anyone's
    assert client.job("j").save_file(file.name) == Path("b")
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
def test_a_download_resumes_where_it_broke(client: Client, fake: FakeService, code: grpc.StatusCode) -> None:
    fake.handlers["ReadFile"] = breaking(files_pb2.ReadFileResponse, code, pieces=10)
    assert client.job("j").read_file("a b.npy") == DATA
    offsets = [request.offset for request in fake.requests if isinstance(request, files_pb2.ReadFileRequest)]
    assert offsets == [0, 10_000, 20_000]


def test_an_export_resumes_where_it_broke(client: Client, fake: FakeService, tmp_path: Path) -> None:
    model = models_pb2.Model(name="models/m")
    model.digest.sha256 = sha256(DATA).hexdigest()
    fake.handlers["GetModel"] = lambda *_: model
    fake.handlers["ExportModel"] = breaking(models_pb2.ExportModelResponse, grpc.StatusCode.UNAVAILABLE, pieces=20)
    assert client.export_model("m", tmp_path / "m.keras").read_bytes() == DATA
    offsets = [request.offset for request in fake.requests if isinstance(request, models_pb2.ExportModelRequest)]
    assert offsets == [0, 20_000]


@pytest.mark.usefixtures("file")
def test_a_server_that_never_sent_anything_is_not_waited_for(client: Client, fake: FakeService) -> None:
    fake.handlers["ReadFile"] = lambda _, context: context.abort(grpc.StatusCode.UNAVAILABLE, "away")
    with pytest.raises(Unavailable):
        client.job("j").read_file("a b.npy")
    assert sum(isinstance(request, files_pb2.ReadFileRequest) for request in fake.requests) == 1


def test_other_bytes_are_a_loss(client: Client, file: files_pb2.File, tmp_path: Path) -> None:
    file.digest.sha256 = "0" * 64
    with pytest.raises(DataLoss, match=r"a b\.npy"):
        client.job("j").read_file("a b.npy")
    with pytest.raises(DataLoss, match=r"a b\.npy"):
        client.job("j").save_file("a b.npy", tmp_path / "f")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("file")
def test_a_missing_file(client: Client) -> None:
    with pytest.raises(NotFound, match=r"jobs/j.* 'b'"):
        client.job("j").read_file("b")


def test_a_large_confusion_matrix_is_read_from_its_file(
    client: Client, fake: FakeService, file: files_pb2.File
) -> None:
    count = 257
    matrix, content = np.arange(count**2).reshape(count, count), io.BytesIO()
    np.save(content, matrix)
    data = content.getvalue()
    file.name, file.digest.sha256 = "jobs/j/files/confusion-matrix.npy", sha256(data).hexdigest()
    fake.handlers["ReadFile"] = lambda *_: iter([files_pb2.ReadFileResponse(data=data)])
    result = evaluate_pb2.EvaluateResult(classes=[evaluate_pb2.ClassScores(class_name=str(i)) for i in range(count)])
    ended = job("evaluate", "SUCCEEDED", result=jobs_pb2.JobResult(evaluate=result))
    fake.handlers["GetJob"] = lambda *_: ended
    np.testing.assert_array_equal(client.job("j").result().confusion_matrix, matrix)
    file.digest.sha256 = "0" * 64  # the figures remain
    assert client.job("j").result().confusion_matrix.shape == (0, 0)
