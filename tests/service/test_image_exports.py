"""Images of a job as files: what a service sends, and what other programs read from it."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from convscope.service import npz
from convscope.service.backend import Backend
from convscope.service.exporting import export_files
from convscope.service.images import ImagesService
from convscope.service.job_images import JobImages
from convscope.service.pixels import png
from convscope.store import Attempt, Claimant, JobStore, StoreSettings
from convscope.store.embedded import EmbeddedRedis
from convscope.store.errors import NotFoundError
from convscope.store.redis.keys import key
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.images_pb2 import ExportFormat, ExportImagesRequest, ListImagesRequest
from convscope.v1.jobs_pb2 import Failure, Job, JobState
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualize_pb2 import Image
from support.api import Api, refused, violations
from support.stored_images import Store, image, pixels

LAYERS = {"conv2": [3, 5, 8], "logits": [0, 1]}


def exported(api: Api, job: Job, file_format: ExportFormat.ValueType) -> dict[str, bytes]:
    request = ExportImagesRequest(parent=job.name, format=file_format)
    files: dict[str, bytes] = {}
    for piece in api.images.ExportImages(request, timeout=60):
        assert len(piece.data) <= 2**20
        assert piece.path not in files or piece.path == next(reversed(files)), "pieces of a file follow each other"
        files[piece.path] = files.get(piece.path, b"") + piece.data
    return files


@settings(max_examples=30, deadline=None)
@given(
    channels=st.sampled_from([1, 3, 4]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_pngs_are_read_by_other_programs(channels: int, height: int, width: int, seed: int) -> None:
    array = np.random.default_rng(seed).random((height, width, channels), np.float32)
    array.flat[0], array.flat[-1] = 0, 1
    with Picture.open(io.BytesIO(png(array))) as picture:
        assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        read = np.asarray(picture).reshape(array.shape)
    np.testing.assert_array_equal(read, np.rint(array * 255))


@pytest.mark.parametrize(
    ("value", "level"), [(0, 0), (0.5, 128), (1, 255), (np.nan, 0), (np.inf, 255), (-np.inf, 0), (-0.1, 0), (1.1, 255)]
)
def test_images_of_one_value_are_not_rescaled(value: float, level: int) -> None:
    with Picture.open(io.BytesIO(png(np.full((3, 4, 1), value, np.float32)))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.full((3, 4), level))


def test_an_archive_has_every_image(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[3, 9], objectives=[Objective()])
    files = exported(api, job, ExportFormat.EXPORT_FORMAT_UNSPECIFIED)
    assert list(files) == ["images.npz", "index.json"]
    index = json.loads(files["index.json"])
    with np.load(io.BytesIO(files["images.npz"])) as arrays:
        assert arrays["conv2/features"].tolist() == [3, 3, 5, 8, 8]
        assert arrays["conv2/restarts"].tolist() == [0, 1, 0, 0, 1]
        assert arrays["conv2/restarts"].dtype == np.int32
        assert arrays["objectives[0]/best"].shape == (2, *((6, 5, 1)))
        for row, number in enumerate((0, 1, 2, 4, 5)):
            np.testing.assert_array_equal(arrays["conv2/best"][row], pixels(number))
            np.testing.assert_array_equal(arrays["conv2/final"][row], pixels(number, final=True))
        for entry in index["images"]:
            number = int(entry["cache_key"], 16)
            np.testing.assert_array_equal(arrays[entry["array"]][entry["row"]], pixels(number))
    assert len(index["images"]) == 10
    assert (index["job"], index["spec"]["restarts"]) == (job.name, 2)


def test_pictures_lie_in_folders(api: Api, store: Store) -> None:
    job = store.job(LAYERS, missing=[3])
    files = exported(api, job, ExportFormat.EXPORT_FORMAT_PNG)
    assert list(files) == ["conv2/3.png", "conv2/5.png", "conv2/8.png", "logits/1.png", "index.json"]
    index = json.loads(files["index.json"])
    assert [entry["file"] for entry in index["images"]] == list(files)[:-1]
    assert index["images"][1] == {
        "file": "conv2/5.png",
        "name": f"{job.name}/images/1",
        "layer": "conv2",
        "feature": 5,
        "restart": 0,
        "value": 1.5,
        "predicted_class": 1,
        "probability": 0.25,
        "iteration": 30,
        "verdict": {"outcome": "normal", "rescued": False, "without_gradient": False, "upper_bound": 3, "reached": 0.5},
        "cache_key": f"{1:064x}",
    }
    with Picture.open(io.BytesIO(files["conv2/5.png"])) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.rint(pixels(1)[..., 0] * 255))


def test_what_an_image_without_classes_is_taken_for_is_null(api: Api, store: Store) -> None:
    job = store.job({"conv1": [4]})
    shown = image(job.effective_spec.visualize, 0)
    shown.best.ClearField("predicted_class")
    shown.best.ClearField("probability")
    store.put(job, 0, shown)
    (entry,) = json.loads(exported(api, job, ExportFormat.EXPORT_FORMAT_PNG)["index.json"])["images"]
    assert (entry["predicted_class"], entry["probability"]) == (None, None)


def test_restarts_are_in_the_names_of_pictures(api: Api, store: Store) -> None:
    job = store.job({"conv1": [4]}, restarts=2, every=True)
    assert list(exported(api, job, ExportFormat.EXPORT_FORMAT_PNG)) == [
        "conv1/4-0.png",
        "conv1/4-1.png",
        "index.json",
    ]


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ("block/conv", "block%2Fconv/0.png"),
        ("conv#2", "conv%232/0.png"),
        ("../x", "..%2Fx/0.png"),
        ("..", "%2E%2E/0.png"),
        ("/etc", "%2Fetc/0.png"),
        ("50%\n", "50%25%0A/0.png"),
        ("a\\b", "a%5Cb/0.png"),
        ("index.json", "%69ndex.json/0.png"),
    ],
)
def test_pictures_stay_in_their_folder(api: Api, store: Store, layer: str, path: str) -> None:
    job = store.job({layer: [0]})
    assert list(exported(api, job, ExportFormat.EXPORT_FORMAT_PNG)) == [path, "index.json"]


def test_invalid_exports(api: Api, store: Store) -> None:
    nothing: Any = refused(lambda: exported(api, store.job({"c": [0]}, missing=[0]), ExportFormat.EXPORT_FORMAT_PNG))
    assert nothing.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "no image of jobs/" in nothing.details()
    two = store.job({"c": [0]}, shape=(3, 3, 2))
    assert (
        "1, 3 or 4 channels, not 2"
        in violations(refused(lambda: exported(api, two, ExportFormat.EXPORT_FORMAT_PNG)))["format"]
    )
    assert len(exported(api, two, ExportFormat.EXPORT_FORMAT_NPZ)) == 2
    unknown = refused(lambda: exported(api, two, 8))  # type: ignore[arg-type]
    assert list(violations(unknown)) == ["format"]


ENDS: dict[str, Callable[[Attempt], object]] = {
    "running": lambda attempt: None,
    "succeeded": lambda attempt: attempt.succeed(""),
    "failed": lambda attempt: attempt.fail(Failure(message="why")),
    "cancelled": lambda attempt: attempt.cancelled(),
}


@pytest.mark.parametrize("state", ENDS)
def test_what_is_ready_is_exported_whatever_becomes_of_the_job(api: Api, store: Store, state: str) -> None:
    job = store.job(LAYERS, missing=[3])
    attempt = Attempt.claim(store.connection, Claimant(worker="w"))
    assert attempt is not None
    ENDS[state](attempt)
    assert JobState.Name(api.get(job).state) == f"JOB_STATE_{state.upper()}"
    assert len(json.loads(exported(api, job, ExportFormat.EXPORT_FORMAT_NPZ)["index.json"])["images"]) == 4
    listing = ListImagesRequest(parent=job.name, image_format=ImageFormat.IMAGE_FORMAT_NONE)
    assert len(api.images.ListImages(listing, timeout=60).images) == 4


def images_of(job: Job, store: Store, get: Callable[[str], bytes] | None = None) -> JobImages:
    """Return the images of a job; ``get`` reads their files in the store's place."""
    blobs = SimpleNamespace(get=get or store.blobs.get)
    backend: Any = SimpleNamespace(jobs=JobStore(store.connection), redis=store.connection, blobs=blobs)
    return JobImages(backend, job.name)


def test_what_becomes_ready_meanwhile_is_left_to_the_next_export(store: Store) -> None:
    job = store.job({"a": range(3)}, missing=[1])

    def get(digest: str) -> bytes:
        data = store.blobs.get(digest)
        store.put(job, 1, Image.FromString(data))
        return data

    files: dict[str, bytes] = {}
    for piece in export_files(images_of(job, store, get), as_pictures=False):
        files[piece.path] = files.get(piece.path, b"") + piece.data
    with np.load(io.BytesIO(files["images.npz"])) as arrays:
        assert arrays["a/features"].tolist() == [0, 2]
        assert len(arrays["a/best"]) == len(arrays["a/final"]) == len(json.loads(files["index.json"])["images"]) == 2


@pytest.mark.parametrize("as_pictures", [False, True])
def test_a_deletion_meanwhile_ends_an_export(store: Store, *, as_pictures: bool) -> None:
    job = store.job({"a": range(3), "b": range(3)})
    images = images_of(job, store)
    all_ready = images.ready

    def ready(numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        yield from all_ready(numbers)
        store.connection.delete(key("images", job.name.removeprefix("jobs/")))  # after all were found to be ready

    images.ready = ready  # type: ignore[method-assign]  # to be at the right time
    with pytest.raises(NotFoundError, match=f"{job.name}.*deleted"):
        list(export_files(images, as_pictures=as_pictures))


def test_files_of_a_job_deleted_meanwhile_are_no_loss(store: Store) -> None:
    job = store.job({"a": range(3)})

    def get(digest: str) -> bytes:
        store.connection.delete(key("job", job.name.removeprefix("jobs/")))
        store.blobs.delete([digest])
        return store.blobs.get(digest)

    with pytest.raises(NotFoundError, match=f"{job.name}.*deleted"):
        list(export_files(images_of(job, store, get), as_pictures=False))


async def test_a_deletion_meanwhile_is_not_the_end_of_a_listing(
    store: Store, image_home: Path, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.job({"a": range(3)})

    def ready(_connection: redis.Redis, job_id: str, _numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
        store.connection.delete(key("job", job_id), key("images", job_id))
        return iter(())

    monkeypatch.setattr("convscope.service.job_images.ready_images", ready)
    url = (image_home / "artifacts").as_uri()
    backend = Backend(StoreSettings(home=image_home, redis_url=redis_server.url, artifacts_url=url))
    context: Any = None
    with pytest.raises(NotFoundError, match=f"{job.name}.*deleted"):
        await ImagesService(backend).ListImages(ListImagesRequest(parent=job.name), context)
    backend.close()


def test_an_archive_is_made_without_being_held(tmp_path: Path) -> None:
    """What waits to be taken never has more than what was just written."""
    writer = npz.NpzWriter()
    path, most = tmp_path / "a.npz", 0
    with path.open("wb") as file:
        for name in "ab":
            writer.begin(f"x/{name}", "<f4", (50, 1000))
            for row in range(50):
                writer.write(np.full(1000, row, "<f4").tobytes())
                most = max(most, file.write(writer.take()))
        writer.finish()
        file.write(writer.take())
    assert most < 4_500
    assert zipfile.ZipFile(path).testzip() is None
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["x/b"], np.tile(np.arange(50, dtype=np.float32)[:, None], 1000))


def test_large_members_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The zip format counts bytes in 32 bits unless told before; here the limit is lower, not the array larger."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1_000)
    monkeypatch.setattr(npz, "BIG", 900)
    writer = npz.NpzWriter()
    for name in ("small", "large"):
        writer.begin(name, "<f4", (300 if name == "large" else 3,))
        writer.write(bytes(1_200 if name == "large" else 12))
    writer.finish()
    with np.load(io.BytesIO(writer.take())) as arrays:
        assert arrays["large"].shape == (300,)
