"""Listings of several pages: complete, in order, and no page is fetched before it is needed."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import grpc
import pytest

from convscope.client import AsyncClient, Client, DataLoss, NotFound
from convscope.v1 import evaluations_pb2, files_pb2, jobs_pb2, models_pb2, train_pb2
from support.fake_service import FakeService, job

PAGES, ITEMS = 3, 4


def paged(response: Callable[..., Any], field: str, items: Sequence[Any]) -> Callable[[Any, Any], Any]:
    """Return a handler that sends a few items at a time; the token of a page is the number of its first item."""

    def answer(request: Any, _: Any) -> Any:
        start = int(request.page_token or 0)
        token = str(start + ITEMS) if start + ITEMS < len(items) else ""
        return response(**{field: items[start : start + ITEMS]}, next_page_token=token)

    return answer


@pytest.fixture
def pages(fake: FakeService) -> FakeService:
    """Every listing of the fake, three pages long."""
    numbers = range(PAGES * ITEMS)
    fake.handlers |= {
        "ListTrainReports": paged(
            models_pb2.ListTrainReportsResponse,
            "reports",
            [train_pb2.TrainProgress(step=number + 1, loss=number / 2) for number in numbers],
        ),
        "ListExamples": paged(
            evaluations_pb2.ListExamplesResponse,
            "examples",
            [evaluations_pb2.Example(index=number, true_class=1) for number in numbers],
        ),
        "ListFiles": paged(
            files_pb2.ListFilesResponse, "files", [files_pb2.File(name=f"jobs/j/files/{number}") for number in numbers]
        ),
        "ListJobs": paged(
            jobs_pb2.ListJobsResponse,
            "jobs",
            [jobs_pb2.Job(name=f"jobs/{number}", kind=job().kind, state=job().state) for number in numbers],
        ),
    }
    return fake


def test_all_pages_come_in_order(pages: FakeService, client: Client) -> None:
    numbers = list(range(PAGES * ITEMS))
    history = client.history("m")
    assert (history.step - 1).tolist() == (history.loss * 2).tolist() == numbers
    assert [example.index for example in client.job("j").examples()] == numbers
    assert [int(file.basename) for file in client.job("j").files()] == numbers
    assert [int(job.name.removeprefix("jobs/")) for job in client.jobs()] == numbers
    assert [request.page_token for request in pages.requests] == ["", "4", "8"] * 4
    assert {request.parent for request in pages.requests[:9]} == {"models/m", "jobs/j"}


async def test_all_pages_come_in_order_for_asyncio(pages: FakeService) -> None:
    numbers = list(range(PAGES * ITEMS))
    async with AsyncClient(pages.address) as client:
        assert ((await client.history("m")).step - 1).tolist() == numbers
        assert [example.index async for example in client.job("j").examples()] == numbers
        assert [int(file.basename) async for file in client.job("j").files()] == numbers
        assert [int(job.name.removeprefix("jobs/")) async for job in client.jobs()] == numbers
    assert [request.page_token for request in pages.requests] == ["", "4", "8"] * 4


def test_pages_are_fetched_when_they_are_needed(pages: FakeService, client: Client) -> None:
    examples = client.job("j").examples(image_format="none")
    assert pages.requests == []
    assert [example.index for example in islice(examples, ITEMS)] == list(range(ITEMS))
    assert len(pages.requests) == 1
    assert next(examples).index == ITEMS
    assert [request.page_token for request in pages.requests] == ["", "4"]
    assert len({request.image_format for request in pages.requests}) == 1


@pytest.mark.parametrize(("code", "error"), [("NOT_FOUND", NotFound), ("DATA_LOSS", DataLoss)])
def test_a_page_that_cannot_be_had_is_an_error(
    pages: FakeService, client: Client, code: str, error: type[Exception]
) -> None:
    listing = pages.handlers["ListTrainReports"]

    def broken(request: Any, context: Any) -> Any:
        if request.page_token == "8":
            context.abort(grpc.StatusCode[code], "gone")
        return listing(request, context)

    pages.handlers["ListTrainReports"] = broken
    with pytest.raises(error, match="gone"):
        client.history("m")
