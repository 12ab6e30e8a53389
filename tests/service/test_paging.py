"""Pages of a listing: bounded in number and in bytes, without gap or repeat; tokens are good for one listing alone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.service import paging
from convscope.service.errors import InvalidRequestError
from convscope.service.paging import cut_page, place_before
from convscope.v1.jobs_pb2 import Job
from convscope.v1.models_pb2 import ListModelsRequest, ModelFilter, ModelState, ModelView

READY, FAILED = ModelState.MODEL_STATE_READY, ModelState.MODEL_STATE_FAILED

LISTING = ListModelsRequest(filter=ModelFilter(states=[READY]), order_by="create_time", page_size=1)


def next_page(request: ListModelsRequest) -> str:
    """Return the token of the page after the one that ends with ``jobs/a-1``."""
    _, token = cut_page(request, iter([Job(name="jobs/a-1"), Job(name="jobs/b")]))
    return token


def place(token: str, **changes: object) -> str:
    request = ListModelsRequest()
    request.CopyFrom(LISTING)
    request.MergeFrom(ListModelsRequest(page_token=token, **changes))  # type: ignore[arg-type]
    return place_before(request)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 300), max_size=12), count=st.integers(1, 5))
def test_pages_of_large_items_meet_and_are_short(monkeypatch: pytest.MonkeyPatch, sizes: list[int], count: int) -> None:
    """A page of jobs with long specs would not fit in a message."""
    monkeypatch.setattr(paging, "PAGE_BYTES", 200)
    jobs = [Job(name=f"jobs/{number}", request_id="x" * size) for number, size in enumerate(sizes)]
    seen: list[Job] = []
    request = ListModelsRequest(page_size=count)
    while True:
        before = place_before(request)
        assert before == (seen[-1].name.removeprefix("jobs/") if seen else "")
        page, request.page_token = cut_page(request, iter(jobs[len(seen) :]))
        assert len(page) <= count
        assert sum(job.ByteSize() for job in page) <= 200 or len(page) == 1
        seen += page
        if not request.page_token:
            break
    assert seen == jobs


def test_a_token_tells_where_its_listing_resumes() -> None:
    token = next_page(LISTING)
    assert place(token) == "a-1"
    assert place(token, page_size=7, view=ModelView.MODEL_VIEW_FULL) == "a-1"


@pytest.mark.parametrize(
    "changes", [{"order_by": "create_time desc"}, {"filter": ModelFilter(states=[FAILED])}], ids=["order", "filter"]
)
def test_a_token_of_another_listing_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        place(next_page(LISTING), **changes)


@given(st.text(max_size=30), st.integers(0, 18))
def test_a_token_that_was_changed_is_refused(text: str, cut: int) -> None:
    token = next_page(LISTING)
    for wrong in {text, token[:cut], token + text, text + token} - {token, ""}:
        with pytest.raises(InvalidRequestError, match="page_token"):
            place(wrong)
