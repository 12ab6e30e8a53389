"""Images as files: what comes in pieces is there as a whole or not at all."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from convscope.client import (
    Client,
    DataLoss,
    ProtocolError,
    Unavailable,
)
from convscope.v1 import images_pb2
from support.fake_service import FakeService


def exporting(fake: FakeService, *pieces: tuple[str, bytes], ends: str = "") -> None:
    def answer(_: Any, context: grpc.ServicerContext) -> Any:
        for path, data in pieces:
            yield images_pb2.ExportImagesResponse(path=path, data=data)
        if ends:
            context.abort(grpc.StatusCode[ends], "as the test wants it")

    fake.handlers["ExportImages"] = answer


INDEX = ("index.json", b"{}")


@pytest.mark.parametrize(
    ("pieces", "ends", "error"),
    [
        ([("a.npz", b"1")], "", DataLoss),
        ([], "", DataLoss),
        ([("a.npz", b"1"), INDEX], "DATA_LOSS", DataLoss),
        ([("a.npz", b"1")], "UNAVAILABLE", Unavailable),
        ([("../a", b"1"), INDEX], "", ProtocolError),
        ([("/a", b"1"), INDEX], "", ProtocolError),
        ([("x/../../a", b"1"), INDEX], "", ProtocolError),
        ([("", b"1"), INDEX], "", ProtocolError),
        ([(".", b"1"), INDEX], "", ProtocolError),
        ([("a\0b", b"1"), INDEX], "", ProtocolError),
        ([("a", b"1"), ("b", b"1"), ("a", b"1"), INDEX], "", ProtocolError),
        ([("a", b"1"), ("a/b", b"1"), INDEX], "", ProtocolError),
    ],
)
def test_nothing_half_written_stays(
    *,
    fake: FakeService,
    client: Client,
    tmp_path: Path,
    pieces: list[tuple[str, bytes]],
    ends: str,
    error: type[Exception],
) -> None:
    exporting(fake, *pieces, ends=ends)
    (tmp_path / "here").mkdir()
    with pytest.raises(error):
        client.visualizations.export("j", tmp_path / "here" / "there" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_a_folder_that_cannot_be_written_is_named(fake: FakeService, client: Client) -> None:
    exporting(fake, INDEX)
    with pytest.raises(OSError, match=r"^.* '/proc/self/out'$"):
        client.visualizations.export("j", "/proc/self/out")


def test_ctrl_c_leaves_nothing(fake: FakeService, tmp_path: Path) -> None:
    under_way = threading.Event()

    def answer(_: Any, context: grpc.ServicerContext) -> Any:
        yield images_pb2.ExportImagesResponse(path="conv1/0.png", data=b"1")
        yield images_pb2.ExportImagesResponse(path="conv1/1.png", data=b"1")
        under_way.set()
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(60)

    fake.handlers["ExportImages"] = answer
    command = [str(Path(sys.executable).with_name("convscope")), "images", "export", "j", "new/out"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "CONVSCOPE_ADDRESS": fake.address}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert under_way.wait(60)
        while not any(tmp_path.rglob("1.png")):  # no event tells of a file; the test's own limit ends this
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert err == ""
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_file_comes_in_pieces(fake: FakeService, client: Client, tmp_path: Path) -> None:
    exporting(fake, ("x/a.png", b"1"), ("x/a.png", b"2"), ("b", b""), INDEX)
    folder = client.visualizations.export("j", tmp_path / "out", format="png")
    assert fake.requests[-1].format == images_pb2.EXPORT_FORMAT_PNG
    assert (folder / "x" / "a.png").read_bytes() == b"12"
    assert (folder / "b").read_bytes() == b""
