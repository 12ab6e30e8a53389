"""A model's file appears whole or not at all."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.client import Client, errors
from convscope.v1 import models_pb2
from support.fake_service import FakeService

DATA = [bytes([i]) * 1000 for i in range(5)]


@pytest.fixture
def model(fake: FakeService) -> models_pb2.Model:
    described = models_pb2.Model(name="models/m", state=models_pb2.MODEL_STATE_READY)
    described.digest.sha256 = sha256(b"".join(DATA)).hexdigest()
    fake.handlers["GetModel"] = lambda *_: described
    fake.handlers["ExportModel"] = lambda *_: (models_pb2.ExportModelResponse(data=piece) for piece in DATA)
    return described


@pytest.mark.usefixtures("model")
def test_the_file_is_written_with_ordinary_permissions(client: Client, tmp_path: Path) -> None:
    path, plain = tmp_path / "m.keras", tmp_path / "plain"
    plain.touch()
    assert client.export_model("m", path) == path
    assert path.read_bytes() == b"".join(DATA)
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_wrong_sum_leaves_what_was_there(client: Client, model: models_pb2.Model, tmp_path: Path) -> None:
    model.digest.sha256 = "0" * 64
    path = tmp_path / "m.keras"
    path.write_text("before")
    with pytest.raises(errors.DataLoss, match=r"m\.keras: .*SHA-256"):
        client.export_model("m", path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("model")
def test_a_broken_stream_leaves_nothing(fake: FakeService, client: Client, tmp_path: Path) -> None:
    def broken(_: Any, context: grpc.ServicerContext) -> Any:
        yield models_pb2.ExportModelResponse(data=DATA[0])
        context.abort(grpc.StatusCode.DATA_LOSS, "damaged")

    fake.handlers["ExportModel"] = broken
    with pytest.raises(errors.DataLoss, match="damaged"):
        client.export_model("m", tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("model")
def test_a_missing_folder_is_named(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "m.keras"
    with pytest.raises(FileNotFoundError) as caught:
        client.export_model("m", path)
    assert caught.value.filename == str(path)
