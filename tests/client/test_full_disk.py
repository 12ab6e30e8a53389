"""Files that cannot be saved: what was there stays, nothing half written does, and the message names the file."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest

from convscope.client import Client, Image, VisualizeResult, errors
from convscope.client.cli.files import check_folder, save_images
from convscope.client.saving import atomic_write
from convscope.v1 import files_pb2, images_pb2, visualize_pb2
from convscope.v1.objective_pb2 import Objective
from support.fake_service import FakeService
from support.stored_images import image


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """Have writes beyond so many bytes of a file fail, as those on a full disk do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    path.write_text("before")
    with pytest.raises(OSError, match="File too large") as caught, little_room(1000), atomic_write(path) as file:
        file.write(bytes(2000))
    assert caught.value.filename == str(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_that_did_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    path.write_text("before")
    stored = image(visualize_pb2.VisualizeSpec(objectives=[Objective(name="a")]), 0, (64, 64, 3))
    visualized = VisualizeResult(images=(Image.from_wire(stored),), seconds=0.0)
    with pytest.raises(OSError, match="File too large") as caught, little_room(10_000):
        save_images(visualized, path)
    assert caught.value.filename == str(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_did_not_fit_is_named(fake: FakeService, client: Client, tmp_path: Path) -> None:
    response = images_pb2.ExportImagesResponse(path="images.npz", data=bytes(20_000))
    fake.handlers["ExportImages"] = lambda *_: iter([response])
    with pytest.raises(OSError, match="File too large") as caught, little_room(10_000):
        client.visualizations.export("j", tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_download_that_did_not_fit_ends_the_call(fake: FakeService, client: Client, tmp_path: Path) -> None:
    ended = Event()

    def endless(_: Any, context: grpc.ServicerContext) -> Iterator[files_pb2.ReadFileResponse]:
        context.add_callback(ended.set)
        while context.is_active():
            yield files_pb2.ReadFileResponse(data=bytes(5_000))

    listing = files_pb2.ListFilesResponse(files=[files_pb2.File(name="jobs/j/files/a")])
    fake.handlers |= {"ListFiles": lambda *_: listing, "ReadFile": endless}
    with pytest.raises(OSError, match="File too large") as caught, little_room(10_000):
        client.job("j").save_file("a", tmp_path / "a")
    assert ended.wait(10)  # while the error, with all that it refers to, is still there
    assert caught.value.filename == str(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_deadline_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(errors.DeadlineExceeded), atomic_write(tmp_path / "a"):
        raise errors.DeadlineExceeded("too late")
    assert not list(tmp_path.iterdir())


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as file:
        file.write(b"data")
    assert os.read(reader, 10) == b"data"
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(OSError, match=r"No space left on device: '/dev/full'"), atomic_write(Path("/dev/full")) as file:
        file.write(b"data")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"data")
    assert link.is_symlink()
    assert target.read_bytes() == b"data"


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, atomic_write(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)


def test_folders_are_checked_before_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    check_folder(Path("new/folder"))
    assert not Path("new").exists()
    with pytest.raises(NotADirectoryError, match="not a folder: 'file'"):
        check_folder(Path("file/folder"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_reported_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError) as caught:
        check_folder(tmp_path / "new")
    assert caught.value.filename == str(tmp_path)
