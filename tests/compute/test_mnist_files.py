"""MNIST: read from the given folder, else downloaded, checked and kept."""

import gzip
import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from convscope.engine.data import Dataset, files, load_dataset, mnist, scaled
from convscope.engine.data.files import Archive, read_archive
from convscope.engine.errors import DatasetError

CHECKOUT = Path(__file__).parents[2] / "data" / "mnist"
LABELS = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no checkout: as for an installed package."""
    monkeypatch.setenv("CONVSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)
    monkeypatch.setattr(files, "_checkout", list)
    return tmp_path / "home" / "data" / "mnist"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served over HTTP as the only mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("CONVSCOPE_MNIST_URL", f"http://127.0.0.1:{server.server_address[1]}/")
        yield folder
        server.shutdown()
        thread.join()


def labels() -> Archive:
    return mnist.ARCHIVES[LABELS]


def test_splits_are_those_of_the_tutorial(mnist: Dataset) -> None:
    assert [len(mnist.split(name).labels) for name in ("train", "validation", "test")] == [55_000, 5_000, 10_000]
    with pytest.raises(DatasetError, match=r"'exam'.* train, validation, test"):
        mnist.split("exam")
    assert mnist.train.images.shape == (55_000, *mnist.image_shape)
    assert mnist.train.images.dtype == np.uint8
    assert mnist.train.labels.dtype == np.int64
    assert mnist.classes == tuple("0123456789")
    # the first labels of the published files, and the first of the last 5,000
    assert mnist.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(mnist.train.labels).sum() + 5_000 == 60_000


def test_a_process_loads_a_dataset_once_and_it_cannot_be_changed(mnist: Dataset) -> None:
    assert load_dataset("datasets/mnist") is mnist
    with pytest.raises(ValueError, match="read-only"):
        mnist.test.images[0] = 0


def test_scaled_images_span_zero_to_one(mnist: Dataset) -> None:
    images = scaled(mnist.test.images[:100])
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (0.0, 1.0)


def test_an_unknown_dataset_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match="datasets/nope"):
        load_dataset("datasets/nope")


def test_the_recorded_sums_are_those_of_the_files() -> None:
    for archive in mnist.ARCHIVES.values():
        content = gzip.decompress((CHECKOUT / archive.name).read_bytes())
        assert (len(content), hashlib.sha256(content).hexdigest()) == (archive.size, archive.sha256)


def test_the_given_folder_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_folder = tmp_path / "given" / "mnist"
    given_folder.mkdir(parents=True)
    shutil.copy(CHECKOUT / LABELS, given_folder)
    home.mkdir(parents=True)
    (home / LABELS).write_bytes(b"damaged")
    monkeypatch.setenv("CONVSCOPE_DATA", str(given_folder.parent))
    assert len(read_archive(labels())) == labels().size


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"no gzip at all", "damaged"),
        ((CHECKOUT / LABELS).read_bytes()[:-100], "damaged"),
        (gzip.compress(b"something else"), "wrong checksum"),
        (gzip.compress(bytes(20_000)), "wrong checksum"),
    ],
    ids=["text", "cut", "other", "zeros"],
)
def test_a_damaged_file_is_refused_by_name(home: Path, content: bytes, fault: str) -> None:
    home.mkdir(parents=True)
    (home / LABELS).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{LABELS}.*{fault}"):
        read_archive(labels())


def test_absent_files_are_downloaded_and_kept(home: Path, mirror: Path) -> None:
    shutil.copy(CHECKOUT / LABELS, mirror)
    assert len(read_archive(labels())) == labels().size
    assert [path.name for path in home.iterdir()] == [LABELS]
    (mirror / LABELS).unlink()
    assert len(read_archive(labels())) == labels().size


def test_a_mirror_may_compress_differently(home: Path, mirror: Path) -> None:
    content = gzip.decompress((CHECKOUT / LABELS).read_bytes())
    (mirror / LABELS).write_bytes(gzip.compress(content, compresslevel=1))
    assert read_archive(labels()) == content


@pytest.mark.parametrize(
    "content", [None, b"<html>not here</html>", gzip.compress(b"something else")], ids=["none", "page", "other"]
)
def test_a_bad_download_is_refused_by_name_and_not_kept(home: Path, mirror: Path, content: bytes | None) -> None:
    if content is not None:
        (mirror / LABELS).write_bytes(content)
    with pytest.raises(DatasetError, match=LABELS):
        read_archive(labels())
    assert not home.exists()


def test_only_web_addresses_are_mirrors(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_MNIST_URL", CHECKOUT.as_uri())
    with pytest.raises(DatasetError, match="CONVSCOPE_MNIST_URL must be http://HOST/PATH or https"):
        read_archive(labels())
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_named(home: Path, mirror: Path) -> None:
    shutil.copy(CHECKOUT / LABELS, mirror)
    home.parent.parent.mkdir(parents=True)
    home.parent.write_bytes(b"a file where a folder should be")
    with pytest.raises(DatasetError, match=f"{LABELS}.*written"):
        read_archive(labels())
