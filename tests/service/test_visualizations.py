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
from PIL import Image

from convscope.planning import ImageOrder, Item, LayerTarget, ObjectiveTarget, VisualizationRequest, objective_name
from convscope.v1.jobs_pb2 import Job
from convscope.v1.objective_pb2 import Objective
from convscope.v1.train_pb2 import TrainSpec
from convscope.v1.visualizations_pb2 import (
    ExportVisualizationsRequest,
    GetVisualizationRequest,
    ImageFormat,
    ListVisualizationsRequest,
    Visualization,
)
from convscope.v1.visualize_pb2 import VisualizeSpec
from support.api import Api, refused, violations
from support.stored_images import Store, pixels

LAYERS = {"conv2": [3, 5, 8], "logits": [0, 1]}


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
    assert [each.image.cache_key for each in listed(api, job, page_size=size)] == [
        f"{number:064x}" for number in (1, 2, 3, 5, 6, 7, 8)
    ]


@pytest.mark.parametrize(("size", "count"), [(0, 50), (-3, 1), (2**31 - 1, 60)])
def test_sizes_of_pages_are_coerced(api: Api, store: Store, size: int, count: int) -> None:
    job = store.job({"conv1": range(60)})
    page = api.visualizations.ListVisualizations(ListVisualizationsRequest(job=job.name, page_size=size), timeout=60)
    assert len(page.visualizations) == count


def test_a_page_has_bounded_bytes(api: Api, store: Store) -> None:
    job = store.job({"conv1": range(6)}, shape=(300, 300, 1))
    page = api.visualizations.ListVisualizations(ListVisualizationsRequest(job=job.name), timeout=60)
    assert len(page.visualizations) == 2  # of 720 kB each
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


def test_what_is_known_of_an_image_can_be_had_without_pixels(api: Api, store: Store) -> None:
    job = store.job({"conv1": [0]}, shape=(4, 7, 2))
    (found,) = listed(api, job, format=ImageFormat.IMAGE_FORMAT_NONE)
    assert not found.png
    assert not found.image.final.HasField("pixels")
    assert not found.image.HasField("trace")
    assert found.image.best.objective == 0.5


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


def test_a_layer_is_required(api: Api, store: Store) -> None:
    request = GetVisualizationRequest(job=store.job(LAYERS).name)
    found = violations(refused(lambda: api.visualizations.GetVisualization(request, timeout=30)))
    assert list(found) == ["layer"]


@pytest.mark.parametrize(
    ("request_", "code", "field", "said"),
    [
        ({"job": "models/x"}, "INVALID_ARGUMENT", "job", "jobs/JOB"),
        ({"job": "jobs/none"}, "NOT_FOUND", "", "jobs/none does not exist"),
        ({"layer": "conv9"}, "INVALID_ARGUMENT", "layer", "there is conv2, logits"),
        ({"features": [1]}, "INVALID_ARGUMENT", "layer", "is required"),
        ({"layer": "conv2", "features": [8, 4]}, "INVALID_ARGUMENT", "features[1]", "4 of conv2 is not in"),
        ({"layer": "conv2", "features": [-1]}, "INVALID_ARGUMENT", "features[0]", "at least 0"),
        *(
            ({"page_token": token}, "INVALID_ARGUMENT", "page_token", "is not a token that this listing returned")
            for token in ("1", "-1", "9" * 30, "\u0663", f"1-{'0' * 16}")
        ),
        ({"format": 9}, "INVALID_ARGUMENT", "format", "IMAGE_FORMAT_FLOAT32, IMAGE_FORMAT_PNG, IMAGE_FORMAT_NONE"),
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


def test_features_that_follow_each_other_are_said_at_once(api: Api, store: Store) -> None:
    job = store.job({"conv2": [1, *range(3, 30)]})
    request = ListVisualizationsRequest(job=job.name, layer="conv2", features=[2])
    found = violations(refused(lambda: api.visualizations.ListVisualizations(request, timeout=30)))
    assert found == {"features[0]": f"2 of conv2 is not in {job.name}; there is 1, 3 to 29"}


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
        ({"layer": "conv2", "feature": 3, "restart": 1}, "is not ready yet"),
    ],
)
def test_images_that_are_not_there(api: Api, store: Store, request_: dict[str, Any], said: str) -> None:
    job = store.job(LAYERS, restarts=2, every=True, missing=[1])
    request = GetVisualizationRequest(job=job.name, **request_)
    error: Any = refused(lambda: api.visualizations.GetVisualization(request, timeout=30))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert said in error.details()


def test_a_damaged_image_is_data_loss(api: Api, store: Store, image_home: Path) -> None:
    job = store.job(LAYERS)
    digest = store.put(job, 1, listed(api, job)[2].image)
    (image_home / "artifacts" / "blobs" / digest[:2] / digest).write_bytes(b"spoilt")
    for call in (
        lambda: listed(api, job),
        lambda: api.visualizations.GetVisualization(
            GetVisualizationRequest(job=job.name, layer="conv2", feature=5), timeout=30
        ),
        lambda: list(api.visualizations.ExportVisualizations(ExportVisualizationsRequest(job=job.name), timeout=30)),
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
    each = restarts if every else 1
    wanted = [(f"layer{i}", feature) for i, features in enumerate(layers) for feature in sorted(features)]
    wanted += [(f"objectives[{i}]", 0) for i in range(objectives)]
    assert items == [Item(target, feature, restart) for target, feature in wanted for restart in range(each)]
    assert [order.number(item) for item in items] == list(range(order.total))
    assert order.number(Item("layer0", 31)) is None
    for number in (-1, order.total):
        with pytest.raises(IndexError):
            order.item(number)


@pytest.mark.usefixtures("store")
def test_a_visualization_that_costs_too_much_is_refused(api: Api) -> None:
    model = api.create(TrainSpec(iterations=1)).model
    assert api.create(VisualizeSpec(model=model)).effective_spec.visualize.iterations == 30
    found = violations(refused(lambda: api.create(VisualizeSpec(model=model, restarts=1_000, iterations=10_000))))
    assert "more than the 2 minutes that are allowed (CONVSCOPE_MAX_COST)" in found["job.spec.visualize.restarts"]
