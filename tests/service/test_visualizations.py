"""Images of a job: listed, fetched and exported by a real service."""

import io
import json
import zipfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api import Api, connect, violations
from convscope.service import npz
from convscope.service.pixels import png
from convscope.store import BlobStore
from convscope.store.embedded import EmbeddedRedis
from convscope.store.images import ImageOrder, ImagePlace
from convscope.v1.jobs_pb2 import Job
from convscope.v1.objective_pb2 import Objective
from convscope.v1.visualizations_pb2 import (
    ExportFormat,
    ExportVisualizationsRequest,
    GetVisualizationRequest,
    ImageFormat,
    ListVisualizationsRequest,
    Visualization,
)
from convscope.v1.visualize_pb2 import FeatureList, LayerSelection, Restarts, VisualizeSpec
from service_alone import service_alone
from stored_images import Store, pixels

LAYERS = {"conv2": [3, 5, 8], "logits": [0, 1]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def api(redis_server: EmbeddedRedis, home: Path) -> Iterator[Api]:
    with service_alone(redis_server.url, home) as (address, _), connect(address) as found:
        yield found


@pytest.fixture
def store(connection: redis.Redis, home: Path) -> Store:
    return Store(connection, BlobStore((home / "artifacts").as_uri()))


def listed(api: Api, job: Job, **request: Any) -> list[Visualization]:
    """All pages of a listing."""
    found: list[Visualization] = []
    token = ""
    while True:
        page = api.visualizations.ListVisualizations(
            ListVisualizationsRequest(job=job.name, page_token=token, **request), timeout=30
        )
        found += page.visualizations
        token = page.next_page_token
        if not token:
            return found
        assert page.visualizations, "an empty page that is not the last"


def names(found: Collection[Visualization]) -> list[tuple[str, int, int]]:
    return [(each.image.layer, each.image.feature, each.image.restart) for each in found]


def exported(api: Api, job: Job, file_format: ExportFormat.ValueType) -> dict[str, bytes]:
    request = ExportVisualizationsRequest(job=job.name, format=file_format)
    files: dict[str, bytes] = {}
    for piece in api.visualizations.ExportVisualizations(request, timeout=60):
        assert len(piece.data) <= 2**20
        assert piece.path not in files or piece.path == next(reversed(files)), "pieces of a file follow each other"
        files[piece.path] = files.get(piece.path, b"") + piece.data
    return files


def refused(call: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_images_are_listed_in_the_order_of_the_spec(api: Api, store: Store) -> None:
    job = store.job(LAYERS, missing=[1], objectives=[Objective(name="mine"), Objective()])
    found = listed(api, job)
    assert names(found) == [
        ("conv2", 3, 0),
        ("conv2", 8, 0),
        ("logits", 0, 0),
        ("logits", 1, 0),
        ("mine", 0, 0),
        ("objectives[1]", 0, 0),
    ]
    assert found[0].image.best.pixels.data == pixels(0).tobytes()
    assert found[0].image.HasField("trace")
    assert not found[0].png


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
def test_pages_meet_without_gap_or_repeat(api: Api, store: Store, size: int) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[0, 4, 9])
    assert [each.image.digest for each in listed(api, job, page_size=size)] == [
        f"{number:064x}" for number in (1, 2, 3, 5, 6, 7, 8)
    ]


def test_a_page_has_bounded_bytes(api: Api, store: Store) -> None:
    job = store.job({"conv1": range(6)}, shape=(1000, 1000, 1))
    page = api.visualizations.ListVisualizations(ListVisualizationsRequest(job=job.name), timeout=60)
    assert len(page.visualizations) == 3  # of 8 MB each
    assert len(listed(api, job)) == 6


def test_layers_and_features_are_chosen(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=2, every=True)
    assert names(listed(api, job, layer="logits")) == [("logits", feature, i) for feature in (0, 1) for i in (0, 1)]
    assert names(listed(api, job, layer="conv2", features=[8, 3, 8], page_size=3)) == [
        ("conv2", feature, i) for feature in (3, 8) for i in (0, 1)
    ]


def test_a_png_is_the_best_image(api: Api, store: Store) -> None:
    job = store.job({"conv1": [0]}, shape=(4, 7, 3))
    (found,) = listed(api, job, format=ImageFormat.IMAGE_FORMAT_PNG)
    with Image.open(io.BytesIO(found.png)) as picture:
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), np.rint(pixels(0, (4, 7, 3)) * 255))
    assert not found.image.HasField("trace")
    assert not found.image.best.HasField("pixels")
    assert found.image.best.objective == 0.5
    assert found.image.verdict.upper_bound == 1


@settings(max_examples=30, deadline=None)
@given(
    channels=st.sampled_from([1, 3, 4]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_pngs_are_read_by_others(channels: int, height: int, width: int, seed: int) -> None:
    array = np.random.default_rng(seed).random((height, width, channels), np.float32)
    array.flat[0], array.flat[-1] = 0, 1
    with Image.open(io.BytesIO(png(array))) as picture:
        assert picture.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        read = np.asarray(picture).reshape(array.shape)
    np.testing.assert_array_equal(read, np.rint(array * 255))


def test_an_image_is_fetched(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=3, every=True)
    request = GetVisualizationRequest(job=job.name, layer="conv2", feature=5, restart=2)
    found = api.visualizations.GetVisualization(request, timeout=30)
    assert names([found]) == [("conv2", 5, 2)]
    assert found.image.best.pixels.data == pixels(5).tobytes()
    request.format = ImageFormat.IMAGE_FORMAT_PNG
    assert api.visualizations.GetVisualization(request, timeout=30).png.startswith(b"\x89PNG")
    request.ClearField("restart")
    assert api.visualizations.GetVisualization(request, timeout=30).image.restart == 0


def test_the_best_restart_keeps_its_number(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=9)
    found = listed(api, job)[0].image
    found.restart = 7
    store.put(job, 0, found)
    request = GetVisualizationRequest(job=job.name, layer="conv2", feature=3)
    assert api.visualizations.GetVisualization(request, timeout=30).image.restart == 7
    request.restart = 7
    assert api.visualizations.GetVisualization(request, timeout=30).image.restart == 7
    request.restart = 0
    error: Any = refused(lambda: api.visualizations.GetVisualization(request, timeout=30))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert "only restart 7" in error.details()


def test_an_image_of_another_job_has_the_name_it_has_here(api: Api, store: Store) -> None:
    """Objectives without names are numbered by each job in its own way, and share their images all the same."""
    first = store.job({}, objectives=[Objective()])
    second = store.job({}, objectives=[Objective(name="x"), Objective()])
    store.put(second, 1, listed(api, first)[0].image)
    assert [name for name, _, _ in names(listed(api, second))] == ["x", "objectives[1]"]


@pytest.mark.parametrize(
    ("request_", "code", "field", "said"),
    [
        ({"job": "models/x"}, "INVALID_ARGUMENT", "job", "jobs/ID"),
        ({"job": "jobs/none"}, "NOT_FOUND", "", "jobs/none does not exist"),
        ({"layer": "conv9"}, "INVALID_ARGUMENT", "layer", "there is conv2, logits"),
        ({"features": [1]}, "INVALID_ARGUMENT", "layer", "is required"),
        ({"layer": "conv2", "features": [4]}, "INVALID_ARGUMENT", "features", "4 of conv2"),
        ({"page_size": -1}, "INVALID_ARGUMENT", "page_size", "0 (meaning 50) to 1000"),
        ({"page_size": 1001}, "INVALID_ARGUMENT", "page_size", "0 (meaning 50) to 1000"),
        ({"page_token": "5"}, "INVALID_ARGUMENT", "page_token", "is not a token"),
        ({"page_token": "-1"}, "INVALID_ARGUMENT", "page_token", "is not a token"),
        ({"page_token": "9" * 30}, "INVALID_ARGUMENT", "page_token", "is not a token"),
        ({"page_token": "\u0663"}, "INVALID_ARGUMENT", "page_token", "is not a token"),
        ({"format": 9}, "INVALID_ARGUMENT", "format", "allowed: IMAGE_FORMAT_FLOAT32, IMAGE_FORMAT_PNG"),
    ],
)
def test_listings_that_cannot_be_right(
    *, api: Api, store: Store, request_: dict[str, Any], code: str, field: str, said: str
) -> None:
    job = store.job(LAYERS)
    request = ListVisualizationsRequest(**{"job": job.name} | request_)
    error: Any = refused(lambda: api.visualizations.ListVisualizations(request, timeout=30))
    assert error.code().name == code
    assert said in error.details()
    if field:
        assert list(violations(error)) == [field]


def test_a_job_without_images_is_named(api: Api, store: Store) -> None:
    name = store.training().name
    for call in (
        lambda: api.visualizations.ListVisualizations(ListVisualizationsRequest(job=name), timeout=30),
        lambda: api.visualizations.GetVisualization(GetVisualizationRequest(job=name, layer="x"), timeout=30),
        lambda: list(api.visualizations.ExportVisualizations(ExportVisualizationsRequest(job=name), timeout=30)),
    ):
        found = violations(refused(call))
        assert "is not a visualization" in found["job"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"layer": "conv9"}, "has no image of layer 'conv9', feature 0"),
        ({"layer": "conv2", "feature": 4}, "has no image of layer 'conv2', feature 4"),
        ({"layer": "conv2", "feature": 3, "restart": 2}, "has no image of layer 'conv2', feature 3, restart 2"),
        ({"layer": "conv2", "feature": 3, "restart": -1}, "has no image of"),
        ({"layer": "conv2", "feature": 3, "restart": 1}, "is not ready yet"),
    ],
)
def test_images_that_are_not_there(api: Api, store: Store, request_: dict[str, Any], said: str) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[1])
    request = GetVisualizationRequest(job=job.name, **request_)
    error: Any = refused(lambda: api.visualizations.GetVisualization(request, timeout=30))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert said in error.details()


def test_a_damaged_image_is_data_loss(api: Api, store: Store, home: Path) -> None:
    job = store.job(LAYERS)
    digest = store.put(job, 1, listed(api, job)[2].image)
    (home / "artifacts" / "blobs" / digest[:2] / digest).write_bytes(b"spoilt")
    for call in (
        lambda: listed(api, job),
        lambda: api.visualizations.GetVisualization(
            GetVisualizationRequest(job=job.name, layer="conv2", feature=5), timeout=30
        ),
        lambda: exported(api, job, ExportFormat.EXPORT_FORMAT_NPZ),
    ):
        error: Any = refused(call)
        assert error.code() == grpc.StatusCode.DATA_LOSS


def test_an_archive_has_every_image(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[3, 9], objectives=[Objective()])
    files = exported(api, job, ExportFormat.EXPORT_FORMAT_UNSPECIFIED)
    assert list(files) == ["visualizations.npz", "index.json"]
    index = json.loads(files["index.json"])
    with np.load(io.BytesIO(files["visualizations.npz"])) as arrays:
        assert arrays["conv2/features"].tolist() == [3, 3, 5, 8, 8]
        assert arrays["conv2/restarts"].tolist() == [0, 1, 0, 0, 1]
        assert arrays["conv2/restarts"].dtype == np.int32
        assert arrays["objectives[0]/best"].shape == (2, *((6, 5, 1)))
        for row, number in enumerate((0, 1, 2, 4, 5)):
            np.testing.assert_array_equal(arrays["conv2/best"][row], pixels(number))
            np.testing.assert_array_equal(arrays["conv2/final"][row], pixels(number, final=True))
        for entry in index["images"]:
            number = int(entry["digest"], 16)
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
        "layer": "conv2",
        "feature": 5,
        "restart": 0,
        "objective": 1.5,
        "predicted_class": 1,
        "probability": 0.25,
        "iteration": 30,
        "verdict": {"outcome": "normal", "rescued": False, "upper_bound": 3, "reached": 0.5},
        "digest": f"{1:064x}",
    }
    with Image.open(io.BytesIO(files["conv2/5.png"])) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.rint(pixels(1)[..., 0] * 255))


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
        ("block/conv", "block/conv/0.png"),
        ("../x", "%2E%2E/x/0.png"),
        ("/etc", "etc/0.png"),
        ("a/./b", "a/%2E/b/0.png"),
        ("index.json", "%69ndex.json/0.png"),
    ],
)
def test_pictures_stay_in_their_folder(api: Api, store: Store, layer: str, path: str) -> None:
    job = store.job({layer: [0]})
    assert list(exported(api, job, ExportFormat.EXPORT_FORMAT_PNG)) == [path, "index.json"]


def test_exports_that_cannot_be(api: Api, store: Store) -> None:
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


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@given(
    layers=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True), max_size=4),
    objectives=st.integers(0, 3),
    restarts=st.integers(1, 4),
    every=st.booleans(),
)
def test_numbers_and_places_are_one_to_one(
    layers: list[list[int]], objectives: int, restarts: int, every: bool
) -> None:
    order = ImageOrder(
        VisualizeSpec(
            selections=[
                LayerSelection(name=f"layer{i}", list=FeatureList(indices=sorted(features)))
                for i, features in enumerate(layers)
            ],
            objectives=[Objective() for _ in range(objectives)],
            restarts=restarts,
            keep=Restarts.RESTARTS_ALL if every else Restarts.RESTARTS_BEST,
        )
    )
    places = [order.place(number) for number in range(order.total)]
    each = restarts if every else 1
    wanted = [(f"layer{i}", feature) for i, features in enumerate(layers) for feature in sorted(features)]
    wanted += [(f"objectives[{i}]", 0) for i in range(objectives)]
    assert places == [
        ImagePlace(layer=layer, feature=feature, restart=restart)
        for layer, feature in wanted
        for restart in range(each)
    ]
    assert [order.number(place) for place in places] == list(range(order.total))
    assert order.number(ImagePlace(layer="layer0", feature=31, restart=0)) is None
    for number in (-1, order.total):
        with pytest.raises(IndexError):
            order.place(number)
