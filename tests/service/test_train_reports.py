"""The training curve of a model, page by page."""

import grpc
import pytest
import redis

from convscope.store.redis.keys import key
from convscope.v1.models_pb2 import GetModelRequest, ListTrainReportsRequest, ListTrainReportsResponse, Model
from convscope.v1.train_pb2 import TrainProgress
from support.api import PATIENCE_S, Api, pages_of, refused
from support.stored_images import Store
from support.trained_models import train_model

STEPS = [1, 100, 200, 201, 300]


@pytest.fixture
def model(store: Store, connection: redis.Redis) -> Model:
    """A model with five reports, and with an older one of a step that was computed twice."""
    model = train_model(connection, store.blobs)
    reports = [TrainProgress(step=200, loss=9), *(TrainProgress(step=step, loss=1 / step) for step in STEPS)]
    keep(store, connection, model, reports)
    return model


def keep(store: Store, connection: redis.Redis, model: Model, reports: list[TrainProgress]) -> None:
    digest = store.blobs.put(ListTrainReportsResponse(reports=reports).SerializeToString())
    connection.hset(key("model", model.name.removeprefix("models/")), "history", digest)


def pages(api: Api, model: Model, page_size: int = 0) -> list[list[TrainProgress]]:
    request = ListTrainReportsRequest(parent=model.name, page_size=page_size)
    return [list(page.reports) for page in pages_of(api.models.ListTrainReports, request)]


@pytest.mark.parametrize(("size", "sizes"), [(0, [5]), (2, [2, 2, 1]), (5, [5]), (-1, [1] * 5), (99_999, [5])])
def test_pages_hold_each_step_once(api: Api, model: Model, size: int, sizes: list[int]) -> None:
    listed = pages(api, model, size)
    assert [len(page) for page in listed] == sizes
    reports = [report for page in listed for report in page]
    assert [report.step for report in reports] == STEPS
    assert [report.loss for report in reports] == [1 / step for step in STEPS]  # of two of a step, the last


def test_a_long_curve_comes_in_pages_that_every_client_takes(
    api: Api, model: Model, store: Store, connection: redis.Redis
) -> None:
    reports = [TrainProgress(step=step, last_step=2**40, loss=0.1, batch_accuracy=0.1) for step in range(1, 120_001)]
    keep(store, connection, model, reports)
    listed = pages(api, model, 10_000)
    assert [report.step for page in listed for report in page] == list(range(1, 120_001))
    assert max(sum(report.ByteSize() for report in page) for page in listed) <= 2 * 2**20


def test_a_token_is_of_one_model(api: Api, model: Model, store: Store, connection: redis.Redis) -> None:
    other = train_model(connection, store.blobs)
    token = api.models.ListTrainReports(ListTrainReportsRequest(parent=model.name, page_size=1)).next_page_token
    taken = ListTrainReportsRequest(parent=other.name, page_token=token)
    assert refused(lambda: api.models.ListTrainReports(taken)).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_model_comes_without_its_curve(api: Api, model: Model, connection: redis.Redis) -> None:
    connection.hset(key("model", model.name.removeprefix("models/")), "history", "0" * 64)  # which is missing
    assert api.models.GetModel(GetModelRequest(name=model.name), timeout=PATIENCE_S).step == model.step
    assert refused(lambda: pages(api, model)).code() == grpc.StatusCode.DATA_LOSS
