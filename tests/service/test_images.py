"""Images of a job: listed, fetched and exported by a real service."""

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from convscope.planning import (
    ImageOrder,
    Item,
    LayerTarget,
    ObjectiveTarget,
    VisualizationRequest,
    objective_name,
)
from convscope.v1.feature_pb2 import Feature
from convscope.v1.image_format_pb2 import ImageFormat
from convscope.v1.images_pb2 import ExportImagesRequest, GetImageRequest, ImageFilter, ListImagesRequest
from convscope.v1.jobs_pb2 import Job
from convscope.v1.objective_pb2 import Objective
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualize_pb2 import Image, VisualizeSpec
from support.api import Api, pages_of, refused, violations
from support.stored_images import Store, pixels
from support.subjects import subject

LAYERS = {"conv2": [3, 5, 8], "logits": [0, 1]}


def listed(api: Api, job: Job, **request: Any) -> list[Image]:
    """Return the images of all pages of a listing."""
    pages = list(pages_of(api.images.ListImages, ListImagesRequest(parent=job.name, **request)))
    assert all(page.images for page in pages[:-1]), "an empty page that is not the last"
    return [image for page in pages for image in page.images]


def names(images: Collection[Image]) -> list[tuple[str, int, int]]:
    return [(*subject(image), image.restart) for image in images]


def test_images_are_listed_in_the_order_of_the_spec(api: Api, store: Store) -> None:
    job = store.job(LAYERS, missing=[1], objectives=[Objective(name="mine"), Objective()])
    images = listed(api, job)
    assert names(images) == [
        ("conv2", 3, 0),
        ("conv2", 8, 0),
        ("logits", 0, 0),
        ("logits", 1, 0),
        ("mine", 0, 0),
        ("objectives[1]", 0, 0),
    ]
    assert images[0].best.pixels.data == pixels(0).tobytes()
    assert images[0].HasField("trace")
    assert not images[0].png


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1000])
def test_pages_meet_without_gap_or_repeat(api: Api, store: Store, size: int) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[0, 4, 9])
    assert [image.cache_key for image in listed(api, job, page_size=size)] == [
        f"{number:064x}" for number in (1, 2, 3, 5, 6, 7, 8)
    ]


@pytest.mark.parametrize(("size", "count"), [(0, 50), (-3, 1), (2**31 - 1, 60)])
def test_sizes_of_pages_are_coerced(api: Api, store: Store, size: int, count: int) -> None:
    job = store.job({"conv1": range(60)})
    page = api.images.ListImages(ListImagesRequest(parent=job.name, page_size=size), timeout=60)
    assert len(page.images) == count


def test_a_page_has_bounded_bytes(api: Api, store: Store) -> None:
    job = store.job({"conv1": range(6)}, shape=(300, 300, 1))
    page = api.images.ListImages(ListImagesRequest(parent=job.name), timeout=60)
    assert len(page.images) == 2  # of 720 kB each
    assert len(listed(api, job)) == 6


def test_layers_and_features_are_chosen(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=2, every=True)
    assert names(listed(api, job, filter=ImageFilter(layers=["logits"]))) == [
        ("logits", feature, i) for feature in (0, 1) for i in (0, 1)
    ]
    assert names(listed(api, job, filter=ImageFilter(features=features("conv2", 8, 3, 8)), page_size=3)) == [
        ("conv2", feature, i) for feature in (3, 8) for i in (0, 1)
    ]


def test_a_png_is_the_best_image(api: Api, store: Store) -> None:
    job = store.job({"conv1": [0]}, shape=(4, 7, 3))
    (image,) = listed(api, job, image_format=ImageFormat.IMAGE_FORMAT_PNG)
    with Picture.open(io.BytesIO(image.png)) as picture:
        assert picture.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(picture), np.rint(pixels(0, (4, 7, 3)) * 255))
    assert not image.HasField("trace")
    assert not image.best.HasField("pixels")
    assert image.best.objective == 0.5
    assert image.verdict.upper_bound == 1


def test_an_image_can_be_listed_without_pixels(api: Api, store: Store) -> None:
    job = store.job({"conv1": [0]}, shape=(4, 7, 2))
    (image,) = listed(api, job, image_format=ImageFormat.IMAGE_FORMAT_NONE)
    assert not image.png
    assert not image.final.HasField("pixels")
    assert not image.HasField("trace")
    assert image.best.objective == 0.5


def test_frames_are_sent_with_float32_alone(api: Api, store: Store) -> None:
    job = store.job({"conv1": [0]})
    image = listed(api, job)[0]
    image.frames.add(iteration=3, objective=0.5)
    store.put(job, 0, image)
    for image_format in ImageFormat.values():
        has_frames = image_format in {ImageFormat.IMAGE_FORMAT_UNSPECIFIED, ImageFormat.IMAGE_FORMAT_FLOAT32}
        assert len(listed(api, job, image_format=image_format)[0].frames) == has_frames
        request = GetImageRequest(name=image.name, image_format=image_format)
        assert len(api.images.GetImage(request, timeout=30).frames) == has_frames


def test_an_image_is_fetched_by_its_name(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=3, every=True)
    request = GetImageRequest(name=f"{job.name}/images/5")
    image = api.images.GetImage(request, timeout=30)
    assert names([image]) == [("conv2", 5, 2)]
    assert image.name == request.name
    assert image.best.pixels.data == pixels(5).tobytes()
    request.image_format = ImageFormat.IMAGE_FORMAT_PNG
    assert api.images.GetImage(request, timeout=30).png.startswith(b"\x89PNG")


def test_every_image_has_the_name_by_which_it_is_fetched(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[4], objectives=[Objective(name="mine")])
    images = listed(api, job, page_size=5)
    assert [image.name for image in images] == [f"{job.name}/images/{number}" for number in range(12) if number != 4]
    for image in images:
        assert api.images.GetImage(GetImageRequest(name=image.name), timeout=30) == image


def test_objectives_are_reported_by_index_and_name(api: Api, store: Store) -> None:
    """Also where the blob is that of another job, in which the objective has another place."""
    job = store.job({"conv2": [1]}, objectives=[Objective(name="mine"), Objective()])
    images = listed(api, job, filter=ImageFilter(objectives=["objectives[1]", "mine"]))
    assert [(image.objective.index, image.objective.name) for image in images] == [(0, "mine"), (1, "objectives[1]")]
    assert not any(image.HasField("feature") for image in images)
    other = store.job({}, objectives=[Objective(name="first"), Objective(name="mine")], missing=[1])
    store.put(other, 1, images[0])
    assert listed(api, other)[1].objective.index == 1


def test_the_best_restart_keeps_its_number(api: Api, store: Store) -> None:
    job = store.job(LAYERS, restarts=9)
    image = listed(api, job)[0]
    image.restart = 7
    store.put(job, 0, image)
    assert api.images.GetImage(GetImageRequest(name=f"{job.name}/images/0"), timeout=30).restart == 7


def features(layer: str, *indices: int) -> list[Feature]:
    return [Feature(layer=layer, index=index) for index in indices]


def test_a_filter_is_the_union_of_what_it_names(api: Api, store: Store) -> None:
    job = store.job(LAYERS, objectives=[Objective(name="mine")])
    chosen = ImageFilter(layers=["logits"], features=features("conv2", 8) + features("logits", 1), objectives=["mine"])
    assert names(listed(api, job, filter=chosen, page_size=2)) == [
        ("conv2", 8, 0),
        ("logits", 0, 0),
        ("logits", 1, 0),
        ("mine", 0, 0),
    ]


@pytest.mark.parametrize(
    ("request_", "code", "field", "expected"),
    [
        ({"parent": "models/x"}, "INVALID_ARGUMENT", "parent", "jobs/JOB"),
        ({"parent": "jobs/none"}, "NOT_FOUND", "", "jobs/none does not exist"),
        ({"layers": ["logits", "conv9"]}, "INVALID_ARGUMENT", "filter.layers[1]", "there is conv2, logits"),
        ({"layers": ["mine"]}, "INVALID_ARGUMENT", "filter.layers[0]", "there is conv2, logits"),
        ({"objectives": ["conv2"]}, "INVALID_ARGUMENT", "filter.objectives[0]", "there is mine"),
        ({"features": features("", 1)}, "INVALID_ARGUMENT", "filter.features[0].layer", ""),
        ({"features": features("conv2", 8, 4)}, "INVALID_ARGUMENT", "filter.features[1].index", "4 of conv2 is not in"),
        ({"features": features("conv2", -1)}, "INVALID_ARGUMENT", "filter.features[0].index", ""),
        *(
            ({"page_token": token}, "INVALID_ARGUMENT", "page_token", "is not a token that this listing returned")
            for token in ("1", "-1", "9" * 30, "\u0663", f"1-{'0' * 16}")
        ),
        ({"image_format": 9}, "INVALID_ARGUMENT", "image_format", "IMAGE_FORMAT_PNG, IMAGE_FORMAT_NONE"),
    ],
)
def test_invalid_listings(
    *, api: Api, store: Store, request_: dict[str, Any], code: str, field: str, expected: str
) -> None:
    job = store.job(LAYERS, objectives=[Objective(name="mine")])
    fields = {name: value for name, value in request_.items() if name in ImageFilter.DESCRIPTOR.fields_by_name}
    plain = {name: value for name, value in request_.items() if name not in fields}
    request = ListImagesRequest(parent=plain.pop("parent", job.name), filter=ImageFilter(**fields), **plain)
    error: Any = refused(lambda: api.images.ListImages(request, timeout=30))
    assert error.code().name == code
    assert expected in error.details()
    if field:
        assert list(violations(error)) == [field]


def test_consecutive_features_are_reported_as_a_range(api: Api, store: Store) -> None:
    job = store.job({"conv2": [1, *range(3, 30)]})
    request = ListImagesRequest(parent=job.name, filter=ImageFilter(features=features("conv2", 2)))
    faults = violations(refused(lambda: api.images.ListImages(request, timeout=30)))
    assert faults == {"filter.features[0].index": f"2 of conv2 is not in {job.name}; there is 1, 3 to 29"}


def test_a_job_without_images_is_named(api: Api, store: Store) -> None:
    name = store.training().name
    calls = {
        "parent": lambda: api.images.ListImages(ListImagesRequest(parent=name), timeout=30),
        "name": lambda: api.images.GetImage(GetImageRequest(name=f"{name}/images/0"), timeout=30),
    }
    for field, call in calls.items():
        assert "is not a visualization" in violations(refused(call))[field]
    exported = refused(lambda: list(api.images.ExportImages(ExportImagesRequest(parent=name), timeout=30)))
    assert "is not a visualization" in violations(exported)["parent"]


@pytest.mark.parametrize(("number", "expected"), [(1, "is not ready yet"), (10, "is none of them"), (10**11, "")])
def test_missing_images(api: Api, store: Store, number: int, expected: str) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[1])
    error: Any = refused(lambda: api.images.GetImage(GetImageRequest(name=f"{job.name}/images/{number}"), timeout=30))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert expected in error.details()


@pytest.mark.parametrize(
    "suffix", ["", "/images", "/images/", "/images/01", "/images/-1", "/images/1.0", "/images/0/x"]
)
def test_an_image_has_one_name(api: Api, store: Store, suffix: str) -> None:
    job = store.job(LAYERS)
    error = refused(lambda: api.images.GetImage(GetImageRequest(name=job.name + suffix), timeout=30))
    assert list(violations(error)) == ["name"]


def test_a_damaged_image_is_data_loss(api: Api, store: Store, image_home: Path) -> None:
    job = store.job(LAYERS)
    digest = store.put(job, 1, listed(api, job)[2])
    (image_home / "artifacts" / "blobs" / digest[:2] / digest).write_bytes(b"spoilt")
    for call in (
        lambda: listed(api, job),
        lambda: api.images.GetImage(GetImageRequest(name=f"{job.name}/images/1"), timeout=30),
        lambda: list(api.images.ExportImages(ExportImagesRequest(parent=job.name), timeout=30)),
    ):
        error: Any = refused(call)
        assert error.code() == grpc.StatusCode.DATA_LOSS


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
        VisualizationRequest(
            layers=tuple(
                LayerTarget(name=f"layer{i}", features=tuple(sorted(features))) for i, features in enumerate(layers)
            ),
            objectives=tuple(ObjectiveTarget(name=objective_name(i, ""), layers=("conv1",)) for i in range(objectives)),
            iterations=30,
            restarts=restarts,
            keep_all=every,
        )
    )
    items = [order.item(number) for number in range(order.total)]
    count = restarts if every else 1
    wanted = [(f"layer{i}", feature) for i, features in enumerate(layers) for feature in sorted(features)]
    wanted += [(f"objectives[{i}]", 0) for i in range(objectives)]
    assert items == [Item(target, feature, restart) for target, feature in wanted for restart in range(count)]
    assert [order.number(item) for item in items] == list(range(order.total))
    assert order.number(Item("layer0", 31)) is None
    for number in (-1, order.total):
        with pytest.raises(IndexError):
            order.item(number)


@pytest.mark.usefixtures("store")
def test_a_visualization_that_costs_too_much_is_refused(api: Api) -> None:
    model = api.create(TrainSpec(iterations=1)).model
    assert api.create(VisualizeSpec(model=model)).effective_spec.visualize.iterations == 30
    faults = violations(refused(lambda: api.create(VisualizeSpec(model=model, restarts=1_000, iterations=10_000))))
    assert "more than the 2 minutes that are allowed (CONVSCOPE_MAX_COST)" in faults["job.spec.visualize.restarts"]
