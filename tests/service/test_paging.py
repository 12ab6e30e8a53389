"""Pages of a listing: bounded in number and in bytes, without gap or repeat."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convscope.service import paging
from convscope.service.paging import cut_page
from convscope.v1.jobs_pb2 import Job


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 300), max_size=12), count=st.integers(1, 5))
def test_pages_of_large_items_meet_and_are_short(monkeypatch: pytest.MonkeyPatch, sizes: list[int], count: int) -> None:
    """A page of jobs with long specs would not fit in a message."""
    monkeypatch.setattr(paging, "PAGE_BYTES", 200)
    jobs = [Job(name=f"jobs/{number}", request_id="x" * size) for number, size in enumerate(sizes)]
    seen: list[Job] = []
    token = "none yet"
    while token:
        page, token = cut_page(iter(jobs[len(seen) :]), count)
        assert len(page) <= count
        assert sum(job.ByteSize() for job in page[:-1]) < 200
        seen += page
        assert token == (seen[-1].name.removeprefix("jobs/") if len(seen) < len(jobs) else "")
    assert seen == jobs
